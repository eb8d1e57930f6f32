"""Where lines are to run, as far as a request says so beside them."""

from dataclasses import dataclass

__all__ = ["Hints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Names of model groups and of a provider. With no names, the lines' own `model` decides."""

    models: tuple[str, ...] = ()  # groups that may run the lines: `model`, x-litellm-model, target_model_names
    provider: str | None = None  # as in the configuration (vertex_ai, azure, …): narrows the choice of deployments

    def __bool__(self) -> bool:
        return bool(self.models) or self.provider is not None
