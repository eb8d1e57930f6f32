"""The models that batch prediction runs, by family: how a family is asked, where, and what one job of it takes.

The first pattern that fits a model's name, without what callers and configurations put before it, says its family.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from shared.config import Deployment
from shared.providers.base import Limits

__all__ = ["Family", "Kind", "Model", "bare", "limits_of", "model_of", "refuse", "refuse_unknown_model"]

_GOOGLE: Final = "google"
_ANTHROPIC: Final = "anthropic"
_PREFIX: Final = re.compile(
    r"^(?:vertex_ai/|google/|(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/|models/)+"
)
_PUBLISHED: Final = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/(?P<of>[^/\s]+)/models/(?P<id>[^/\s]+)")
_PLACE: Final = r"projects/[a-z0-9][a-z0-9.:-]*/locations/(?P<location>[a-z0-9-]+)"
_RESOURCE: Final = re.compile(rf"{_PLACE}/(?:models/[A-Za-z0-9_-]+(?:@[A-Za-z0-9_-]+)?|endpoints/[0-9]+)")
_NUMBER: Final = re.compile(r"(?:gemini/)?(?P<number>[0-9]+)")  # of an endpoint, as LiteLLM writes tuned models


class Kind(StrEnum):
    """How a family's rows are made and read."""

    GEMINI = "gemini"
    GEMINI_EMBEDDINGS = "gemini-embeddings"
    CLAUDE = "claude"
    OPEN = "open"
    OPEN_EMBEDDINGS = "open-embeddings"
    TEXT_EMBEDDINGS = "text-embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Models that are asked alike."""

    kind: Kind
    limits: Limits
    publisher: str | None  # None: it is in the model's name, or the model is a resource of the project's own
    regional: bool = True  # `global` and the multi-regions run base Gemini models alone ("learn/locations")


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a family, under the name that the price book has for it."""

    family: Family
    name: str

    @property
    def path(self) -> str:
        """What a job calls it. An endpoint has to be resolved first."""
        if self.family.publisher is not None:
            return f"publishers/{self.family.publisher}/models/{self.name}"
        if self.name.startswith("projects/"):
            return self.name
        publisher, _, id = self.name.partition("/")
        return f"publishers/{publisher}/models/{id}"

    def endpoint(self, parent: str) -> str | None:
        """The endpoint that a tuned model was named by, as a resource; None where it was not. `parent`: its place."""
        if (found := _NUMBER.fullmatch(self.name)) is not None:
            return f"{parent}/endpoints/{found['number']}"
        return self.name if self.tuned and "/endpoints/" in self.name else None

    @property
    def tuned(self) -> bool:
        """Whether it is one of the project's own."""
        return self.family.kind is Kind.GEMINI and self.family.publisher is None


# "batch prediction for Gemini": 200,000 requests, and one input file of 1 GB; which GB is not said, so a margin.
_JOB: Final = Limits(rows=200_000, bytes=950_000_000)
# Nothing is documented for partners' and open models; what Anthropic's own Message Batches take, with a margin.
_PARTNER: Final = Limits(rows=100_000, bytes=250_000_000)

_GEMINI: Final = Family(kind=Kind.GEMINI, limits=_JOB, publisher=_GOOGLE, regional=False)
_FAMILIES: Final[tuple[tuple[re.Pattern[str], Family], ...]] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (
            r"gemini-embedding-[^/\s]+",
            replace(_GEMINI, kind=Kind.GEMINI_EMBEDDINGS, limits=Limits(rows=1_000_000, bytes=_JOB.bytes)),
        ),
        (r"gemini-[^/\s]+", _GEMINI),
        (f"{_RESOURCE.pattern}|{_NUMBER.pattern}", replace(_GEMINI, publisher=None, regional=True)),
        (r"claude-[^/\s]+", Family(kind=Kind.CLAUDE, limits=_PARTNER, publisher=_ANTHROPIC)),
        (
            r"text-(?:embedding-00[0-9]|multilingual-embedding-00[0-9])(?:@[^/\s]+)?",  # "batch prediction", 30,000
            Family(kind=Kind.TEXT_EMBEDDINGS, limits=Limits(rows=30_000, bytes=_JOB.bytes), publisher=_GOOGLE),
        ),
        (
            r"(?!google/|gemini/)[a-z0-9-]+/(?:[^/\s]*embed|multilingual-e5)[^/\s]*",
            Family(kind=Kind.OPEN_EMBEDDINGS, limits=_PARTNER, publisher=None),
        ),
        (r"(?!google/|gemini/)[a-z0-9-]+/[^/\s]+", Family(kind=Kind.OPEN, limits=_PARTNER, publisher=None)),
    )
)


def bare(model: str) -> str:
    """A model's name without the prefixes that callers and configurations put before it.

    Google's and Anthropic's stand alone, open models keep their publisher's in front: `meta/llama-…`.
    """
    name = _PREFIX.sub("", model)
    if (published := _PUBLISHED.fullmatch(name)) is not None:
        name = f"{published['of']}/{published['id']}"
    return name.removeprefix(f"{_ANTHROPIC}/")


def model_of(model: str) -> Model | None:
    """The model of this name; None where no family has it."""
    name = bare(model)
    return next((Model(family, name) for pattern, family in _FAMILIES if pattern.fullmatch(name)), None)


def limits_of(deployment: Deployment, family: Family) -> Limits:
    """What one job takes: what the family does, or less where the configuration says so."""
    limits = family.limits
    return replace(
        limits,
        rows=min(limits.rows, deployment.most_lines or limits.rows),
        bytes=min(limits.bytes, deployment.most_bytes or limits.bytes),
    )


def refuse(deployment: Deployment) -> str | None:
    """Why this deployment cannot be opened; None where it can."""
    if not deployment.project or not deployment.location:
        return "a vertex_ai model needs vertex_project and vertex_location"
    if deployment.pattern:  # which models it will stand for is not known yet
        return None
    model = model_of(deployment.model)
    if model is None:
        return refuse_unknown_model(deployment.model)
    if model.family.regional and "-" not in deployment.location:
        return (
            f"model {model.name!r} runs in regions only, such as us-central1: vertex_location "
            f"{deployment.location!r} is none"
        )
    resource = _RESOURCE.fullmatch(model.name)
    if resource is not None and resource["location"] != deployment.location:
        return f"model {model.name!r} lies in another place than vertex_location {deployment.location!r}"
    return None


def refuse_unknown_model(model: str) -> str | None:
    """Why no deployment of this model can be opened; None where it can."""
    if model_of(model) is not None:
        return None
    return (
        f"model {bare(model)!r} is not offered; batch prediction runs Gemini (gemini-…, and tuned ones by the number "
        "of their endpoint or as projects/…/locations/…/models/…), Claude (claude-…), open models "
        "(publisher/model, such as meta/llama-…), and embeddings (gemini-embedding-…, text-embedding-005)"
    )
