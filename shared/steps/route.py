"""Where lines of one model may run: what the caller's models, the hints of the request and the configuration leave.

1. `model` of the upload or the batch, x-litellm-model, target_model_names: the group is one of these
2. else the `model` of the line: a group, also with a provider's prefix in front, or a name that a pattern fits
3. a provider, named beside the lines or in front of their model, narrows the choice of deployments
"""

from typing import Final

from shared.config import PROVIDERS, Config, Deployment
from shared.domain.access import allows
from shared.domain.batch import Batch
from shared.lines.checks import shown
from shared.lines.errors import InvalidLine, LineError

__all__ = ["candidates", "named_by_hints"]

_OTHER_MODEL: Final = "This line names another model than the one that its file or batch was sent to: {}."
_OTHER_PROVIDER: Final = "The model {group!r} does not run at {provider}, which the request or the line asks for."


def candidates(config: Config, batch: Batch, model: str) -> tuple[str, list[Deployment]]:
    """The group of a line that names `model`, and its deployments, at least one.

    InvalidLine where there is no such model for this caller; LineError where the line contradicts the hints.
    """
    named = model if _prefix(model) or batch.hints.provider is None else f"{batch.hints.provider}/{model}"
    group = config.group_of(model) or config.group_of(named)  # a name that several patterns fit needs its provider
    if batch.hints.models and group not in batch.hints.models:
        group = _called_so(config, batch.hints.models, model)
        if group is None:
            raise LineError("model_mismatch", _OTHER_MODEL.format(", ".join(map(shown, batch.hints.models))), "model")
    if group is None or not allows(batch.models, config.names_of(group)):
        raise InvalidLine(
            "model_not_found", f"The provided model '{model[:64]}' is not supported by the Batch API.", "body.model"
        )
    found = config.deployments_of(group, model=named)
    for provider in (batch.hints.provider, _prefix(model)):
        if provider is None:
            continue
        found = [deployment for deployment in found if deployment.provider == provider]
        if not found:
            raise LineError("model_mismatch", _OTHER_PROVIDER.format(group=shown(group), provider=provider), "model")
    return group, found


def named_by_hints(config: Config, batch: Batch) -> tuple[str, list[Deployment]] | None:
    """Of lines that name no model, native rows: the first group of the hints and all deployments that may run them."""
    groups = [
        group
        for group in batch.hints.models
        if config.deployments_of(group) and allows(batch.models, config.names_of(group))
    ]
    found = [deployment for group in groups for deployment in config.deployments_of(group)]
    if batch.hints.provider is not None:
        found = [deployment for deployment in found if deployment.provider == batch.hints.provider]
    return (groups[0], found) if found else None


def _called_so(config: Config, groups: tuple[str, ...], model: str) -> str | None:
    """The hinted group whose deployment has this name at its provider: that is how a server's own users call it."""
    for group in groups:
        for deployment in config.deployments_of(group):
            if model in {deployment.model, f"{deployment.provider}/{deployment.model}"}:
                return group
    return None


def _prefix(model: str) -> str | None:
    """The provider in front of a model's name. A group may have a slash in its own name: then there is none."""
    prefix, slash, _ = model.partition("/")
    return prefix if slash and prefix in PROVIDERS else None
