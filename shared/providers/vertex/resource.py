"""A batchPredictionJob as Vertex writes it, read into our words. Pure; never raises on what a provider wrote."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from shared.domain.batch import BatchError
from shared.domain.shard import Job, JobState

__all__ = ["created_at", "deployed_model", "is_job_name", "nameless", "plain", "read_job"]

_NAME: Final = re.compile(r"projects/[^/\s]+/locations/[a-z0-9-]+/batchPredictionJobs/[0-9A-Za-z_-]+")
_MODEL: Final = re.compile(r"projects/[^/\s@]+/locations/[a-z0-9-]+/models/[0-9A-Za-z_-]+(@[0-9A-Za-z_-]+)?")
_LONGEST_MESSAGE: Final = 1_000
_NO_REASON: Final = "The provider gave no reason."

_STATES: Final[Mapping[str, JobState]] = {
    "JOB_STATE_QUEUED": JobState.QUEUED,
    "JOB_STATE_PENDING": JobState.QUEUED,
    "JOB_STATE_SUCCEEDED": JobState.SUCCEEDED,
    "JOB_STATE_PARTIALLY_SUCCEEDED": JobState.SUCCEEDED,
    "JOB_STATE_FAILED": JobState.FAILED,
    "JOB_STATE_CANCELLED": JobState.CANCELLED,
    "JOB_STATE_EXPIRED": JobState.EXPIRED,
}

# google.rpc.Code: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE. An import that failed (3), a
# missing object (5), a missing grant (7) or bucket (9) would fail again.
_EXHAUSTED: Final = 8
_RETRYABLE: Final = frozenset({4, _EXHAUSTED, 10, 13, 14})

# Clients read these messages: what names our side of the provider is taken out, in this order.
_PRIVATE: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"gs://[^\s\"'<>]*[^\s\"'<>.,;:()]"), "(an object)"),
    (re.compile(r"https?://[^\s\"'<>]*[^\s\"'<>.,;:()]"), "(a link)"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(\.[\w-]+)+"), "(an account)"),
    (re.compile(r"(//)?\bstorage\.googleapis\.com/[^\s\"'<>]*[^\s\"'<>.,;:()]"), "(an object)"),
    (re.compile(r"(//[\w.-]+/)?\bprojects/[^\s\"',;()]*[^\s\"',;().:]"), "(a resource)"),
    (re.compile(r"\b([Pp]roject|bucket location for|[Bb]ucket|[Dd]ataset|[Tt]able|[Jj]ob)(:? +|[:=])"
                r"([\"'`][\w.:-]+[\"'`]|[\"'`]?(?=[\w.:-]*[\d_:.-]\w)[\w.:-]*\w)"), r"\1\2(a name)"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "(an id)"),
    (re.compile(r"\d{9,}"), "(a number)"),
)  # fmt: skip


def is_job_name(name: object) -> bool:
    """Whether this is the resource name of a job, safe to be a URL path."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def read_job(resource: Mapping[str, Any], *private: str) -> Job | None:
    """The job, or None where this is no job resource at all. `private`: names that its error's message may not hold."""
    name = resource.get("name")
    if not isinstance(name, str) or not is_job_name(name):
        return None
    state = _STATES.get(str(resource.get("state")), JobState.RUNNING)
    stats, output = _mapping(resource, "completionStats"), _mapping(resource, "outputInfo").get("gcsOutputDirectory")
    problem = _mapping(resource, "error")
    return Job(
        name=name,
        state=state,
        completed=_count(stats.get("successfulCount")),
        failed=_count(stats.get("failedCount")),
        output=output if isinstance(output, str) and output.startswith("gs://") else None,
        error=_error(problem, resource, *private) if state is JobState.FAILED else None,
        retryable=state is JobState.FAILED and _count(problem.get("code")) in _RETRYABLE,
        crowded=state is JobState.FAILED and _count(problem.get("code")) == _EXHAUSTED,
    )


def deployed_model(endpoint: Mapping[str, Any]) -> str | None:
    """The tuned model that an endpoint serves, in the version that it serves; None where there is none."""
    deployed = endpoint.get("deployedModels")
    first = deployed[0] if isinstance(deployed, list) and deployed else None
    model = first.get("model") if isinstance(first, dict) else None
    if not isinstance(model, str) or _MODEL.fullmatch(model) is None:
        return None
    version = first.get("modelVersionId") if isinstance(first, dict) else None
    versioned = f"{model}@{version}"
    return versioned if version and "@" not in model and _MODEL.fullmatch(versioned) else model


def created_at(resource: Mapping[str, Any]) -> int:
    """Milliseconds; what does not say when it was made counts as the newest."""
    moment = _milliseconds(resource.get("createTime"))
    return 2**63 if moment is None else moment


def nameless(text: str, own: Collection[str] = ()) -> str:
    """The text without what names our side of the provider. What is wholly one of a reader's `own` names stays."""
    return _masked(text, _PRIVATE, own)


def _masked(text: str, patterns: Sequence[tuple[re.Pattern[str], str]], own: Collection[str]) -> str:
    """What one pattern lets stay, the next does not see: of half a name it would make something else."""
    if not patterns:
        return text
    (pattern, instead), *others = patterns
    found, seen, at = "", "", 0
    for match in pattern.finditer(text):
        seen += text[at : match.start()]
        at = match.end()
        if match[0] in own:
            found, seen = found + _masked(seen, others, own) + match[0], ""
        else:
            seen += match.expand(instead)
    return found + _masked(seen + text[at:], others, own)


def plain(message: object, *private: str) -> str:
    """A provider's message as a client may read it: bounded, one line, no id, name or path of ours or theirs."""
    text = " ".join(message.split()) if isinstance(message, str) else ""
    if len(text) > 4 * _LONGEST_MESSAGE:  # cut between words: of half a name nobody would know that it is one
        text = text[: 4 * _LONGEST_MESSAGE]
        text = text.rpartition(" ")[0] or text
    text = nameless(text)
    for word in sorted(filter(None, private), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", "(a name)", text)
    text = "".join(character for character in text if character.isprintable())
    return text[:_LONGEST_MESSAGE] or _NO_REASON


def _error(problem: Mapping[str, Any], resource: Mapping[str, Any], *private: str) -> BatchError:
    return BatchError(code="provider_error", message=plain(problem.get("message"), *_names(resource), *private))


def _names(resource: Mapping[str, Any]) -> list[str]:
    """Project, job id and buckets: as whole words they must not reach a client, whatever the sentence around them."""
    _, project, _, _, _, job = str(resource["name"]).split("/")
    uris = _mapping(_mapping(resource, "inputConfig"), "gcsSource").get("uris")
    prefix = _mapping(_mapping(resource, "outputConfig"), "gcsDestination").get("outputUriPrefix")
    places = [*(uris if isinstance(uris, list) else []), prefix]
    buckets = {place.split("/")[2] for place in places if isinstance(place, str) and place.startswith("gs://")}
    return [project, job, *buckets]


def _mapping(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    """An int64 as protobuf's JSON has it, a string. None where it is absent, unknown (-1) or nonsense."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = int(value) if len(str(value)) <= 20 else -1  # int64
    except ValueError:
        return None
    return number if 0 <= number < 2**63 else None


def _milliseconds(value: object) -> int | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if moment is None or moment.tzinfo is None else int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
