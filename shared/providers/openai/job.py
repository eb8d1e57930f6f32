"""A batch as OpenAI and its relatives write it, read into our words. Pure; never raises on what a provider wrote."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shared.domain.batch import BatchError
from shared.domain.shard import Job, JobState
from shared.providers.openai.plain import plain

__all__ = ["FULL", "created_at", "is_id", "read_job"]

CROWDED: Final = "token_limit_exceeded"  # of tokens that wait: at create, or as a batch that fails a while later
FULL: Final = frozenset({CROWDED, "quotaExceeded"})  # the second is of files: Azure/azure-sdk-for-java#47401

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_STATES: Final[Mapping[str, JobState]] = {
    **dict.fromkeys(("validating", "pending", "queued", "scheduling", "created"), JobState.QUEUED),
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "expired": JobState.EXPIRED,
    **dict.fromkeys(("cancelled", "canceled"), JobState.CANCELLED),
}


def is_id(name: object) -> bool:
    """Whether this names a batch or a file, safe to be a part of a URL's path."""
    return isinstance(name, str) and _ID.fullmatch(name) is not None


def read_job(batch: Mapping[str, Any], private: tuple[str, ...] = ()) -> Job | None:
    """The job, or None where this is no batch at all. What we do not know is running, and never over by accident.

    `private`: names that its error's message may not hold.
    """
    name = batch.get("id")
    if not isinstance(name, str) or not is_id(name):
        return None
    state = _STATES.get(str(batch.get("status")).strip().lower(), JobState.RUNNING)
    counts = batch.get("request_counts")
    counts = counts if isinstance(counts, Mapping) else {}
    code, error = _error(batch.get("errors"), private)
    crowded = state is JobState.FAILED and code == CROWDED
    return Job(
        name=name,
        state=state,
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        files=tuple(str(file) for file in (batch.get("output_file_id"), batch.get("error_file_id")) if is_id(file)),
        error=error if state is JobState.FAILED else None,
        retryable=crowded,
        crowded=crowded,
    )


def created_at(batch: Mapping[str, Any]) -> int:
    """Milliseconds; what does not say when it was made counts as the newest."""
    moment = batch.get("created_at")
    if isinstance(moment, str):
        try:
            said = datetime.fromisoformat(moment)
            moment = (said if said.tzinfo is not None else said.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            moment = None
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 < moment < 2**40:
        return 2**63
    return int(moment * 1000)


def _error(errors: object, private: tuple[str, ...]) -> tuple[str | None, BatchError]:
    """The first of the errors, which often is the only one."""
    listed = errors.get("data") if isinstance(errors, Mapping) else errors
    first = listed[0] if isinstance(listed, list) and listed else None
    first = first if isinstance(first, Mapping) else {}
    code = first.get("code")
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else None
    return code, BatchError(code=code or "provider_error", message=plain(first.get("message"), private))


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None
