"""Jobs in Vertex's own words, once they are made: looked at, cancelled, deleted, heard of. Each belongs to who made it.

What they cost is counted by `meter`, once, when they are over.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from shared.app import App
from shared.domain.clock import SECOND
from shared.domain.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Transient,
    Unavailable,
)
from shared.domain.ledger import LedgerEntry
from shared.domain.passthrough import OVER, VertexJob, kept, seen
from shared.log import log
from shared.providers.base import JobMissing, Passthrough, Said
from shared.steps.accounts import Purse
from shared.steps.commit import Turn, commit
from shared.steps.meter import meter
from shared.storage.queries import JOBS_BY_OUTPUT

__all__ = ["as_said", "cancel", "delete", "look", "passage", "reopen", "written"]

_FIRST_LOOK: Final = SECOND
_PAGE: Final = 100
_BY_CODE: Final[Mapping[int, type[ApiError]]] = {403: Forbidden, 404: NotFound, 409: Conflict, 429: RateLimited}
_NOT_OVER: Final = (
    "The BatchPredictionJob is not in a terminal state: cancel it, or wait for its end, before you delete it."
)
# google.protobuf.Any in JSON says of what type it is; without that Google's clients do not read it.
_EMPTY: Final[Mapping[str, str]] = {"@type": "type.googleapis.com/google.protobuf.Empty"}


def reopen(app: App, turn: Turn, job: VertexJob) -> None:
    """A record was given up while we stood still, and its job costs all the same: it is open again."""
    purse = Purse(app, turn, job.payers)
    purse.accounts = [replace(each, open_batches=each.open_batches + 1) for each in purse.accounts]
    purse.put()


def look(app: App, job: VertexJob) -> VertexJob:
    """The job as Google has it now. Where it is over, its cost will be counted. NotFound where it is gone.

    A record that ended before its job did is asked about like any other.
    """
    if job.name is None or (job.ended and job.state in OVER):
        return job
    resource = _asked(app, job, lambda through, name: through.get(name))
    state = str(resource.get("state", ""))
    if state != job.state:
        job = commit(app, lambda turn: _noted(app, turn, job, resource))
    return job if job.ended and job.state in OVER else replace(job, resource=kept(resource), state=state)


def cancel(app: App, job: VertexJob) -> dict[str, Any]:
    """Ask for an early end. Google's answer, or its refusal where the job is over."""
    answer = _asked(app, job, lambda through, name: through.cancel(name))

    def body(turn: Turn) -> None:
        found = turn.get(VertexJob, job.id)
        if found is not None and not found.ended and found.lease is None:
            turn.put(replace(found, due_at=turn.now + _FIRST_LOOK))

    commit(app, body)
    return answer


def delete(app: App, job: VertexJob) -> dict[str, Any]:
    """Delete a job that is over, once its cost is counted. The record stays for the ledger, unknown to clients."""
    try:
        job = look(app, job)
    except NotFound:
        if not job.ended:
            raise
    else:
        if job.state not in OVER:
            raise BadRequest(_NOT_OVER, code="FAILED_PRECONDITION")
    if not job.ended:
        meter(app, job.id)
        job = app.documents.get(VertexJob, job.id) or job
    if not job.ended:
        raise Unavailable("The cost of this job is being counted. Delete it in a moment.", retry_after=5)
    with suppress(NotFound):  # somebody has deleted it there, or we have, and died on it
        _asked(app, job, lambda through, name: through.delete(name))

    def body(turn: Turn) -> None:
        found = turn.get(VertexJob, job.id)
        if found is not None:
            turn.put(replace(found, deleted=True))

    commit(app, body)
    log("job_deleted", **job.log_context())
    name = f"{str(job.name).partition('/batch')[0]}/operations/{job.number}"
    return {"name": name, "done": True, "response": dict(_EMPTY)}


def written(app: App, output: str) -> bool:
    """Predictions were written under a prefix: have the jobs looked at that write there. Whether there are any."""
    jobs: list[VertexJob] = app.documents.query(
        JOBS_BY_OUTPUT, output, limit=_PAGE
    )  # the newest; others find the sweep
    waiting = [job.id for job in jobs if not job.ended]

    def body(turn: Turn) -> None:
        for id in waiting:
            turn.send("meter", job=id)

    if waiting:
        commit(app, body)
    return bool(waiting)


def as_said(said: Said) -> ApiError:
    """A provider's refusal as an error of ours, in its own words."""
    kind = _BY_CODE.get(said.code, BadRequest)
    seconds = None if said.retry_after is None else max(1, int(said.retry_after))
    return kind(str(said) or None, code=said.status, retry_after=seconds)


def _noted(app: App, turn: Turn, known: VertexJob, resource: Mapping[str, Any]) -> VertexJob:
    job = turn.get(VertexJob, known.id)
    if job is None or (job.ended and job.state in OVER):
        return job or known
    job = replace(job, **seen(job, resource))
    if job.state in OVER and (not job.ended or turn.get(LedgerEntry, job.id) is None):
        if job.ended:
            reopen(app, turn, job)
            job = replace(job, ended=False, troubles=0, unread_since=None, due_at=turn.now + _FIRST_LOOK)
        turn.send("meter", job=job.id)
    turn.put(job)
    return job


def _asked(app: App, job: VertexJob, ask: Callable[[Passthrough, str], dict[str, Any]]) -> dict[str, Any]:
    """Google's answer, or what a client is told instead."""
    through = passage(app, job.deployment)
    try:
        return ask(through, str(job.name))
    except JobMissing as missing:
        raise NotFound from missing
    except Said as said:
        raise as_said(said) from said
    except Transient as error:
        log("provider_silent", severity="WARNING", **job.log_context(), reason=str(error))
        raise Unavailable(retry_after=1) from error


def passage(app: App, deployment: str) -> Passthrough:
    """The way to the provider's own jobs. Unavailable; NotFound where there is none any more."""
    try:
        through = app.provider(deployment).passthrough
    except Transient as error:
        raise Unavailable(retry_after=60) from error
    if through is None:
        raise NotFound
    return through
