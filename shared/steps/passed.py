"""Jobs in Vertex's own words: recorded, then asked for, then followed. Each belongs to who made it.

record, admitted and reserved ──► create at Vertex, with the record's id as a label ──► the record learns its name
      │                                 └ refused: the record ends, and what it held is let go
      └ died here, or the answer was lost: `meter` looks for the label, and adopts the job or ends the record

Clients of Google send no key with a create, so one that is sent again is another job. Whoever got no answer finds what
was made in the list, after two minutes at most.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from shared.app import App
from shared.domain.access import Caller
from shared.domain.clock import SECOND
from shared.domain.errors import (
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    OverBudget,
    RateLimited,
    Transient,
    Unavailable,
)
from shared.domain.ids import new_job_id
from shared.domain.ledger import LedgerEntry
from shared.domain.passthrough import OVER, VertexJob, kept, seen
from shared.domain.prefixes import Place
from shared.log import log
from shared.providers.base import JobMissing, Passthrough, Said, Unknown
from shared.steps.accounts import Purse
from shared.steps.commit import Turn, commit
from shared.steps.foreign import refuse_foreign
from shared.steps.meter import meter
from shared.steps.sample import expected
from shared.storage.queries import JOBS_BY_OUTPUT

__all__ = ["NewJob", "cancel", "create", "delete", "look", "written"]

_SEARCH: Final = 60 * SECOND  # after which `sweep` looks for a job whose create got no answer
_FRESH: Final = 30 * SECOND  # a create is sent so soon after its record, or never
_FIRST_LOOK: Final = SECOND
_PAGE: Final = 100
_BY_CODE: Final[Mapping[int, type[ApiError]]] = {403: Forbidden, 404: NotFound, 409: Conflict, 429: RateLimited}
_NO_INPUT: Final = (
    "There is nothing at inputConfig.gcsSource.uris. Write the input before you ask for the job: what it may cost is "
    "held against a budget."
)
_NOT_OVER: Final = (
    "The BatchPredictionJob is not in a terminal state: cancel it, or wait for its end, before you delete it."
)
_LOST: Final = (
    "It is not known whether this job was made. Look for it in the list in two minutes, before you ask again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a caller asks for, already checked: the model, the places and every field are allowed."""

    body: Mapping[str, Any]  # Google's JSON, all but the model
    model: str  # as the caller wrote it
    group: str
    deployment: str
    project: str
    location: str
    inputs: tuple[Place, ...]
    output: Place
    tags: tuple[str, ...] = ()


def create(app: App, caller: Caller, new: NewJob) -> VertexJob:
    """A new job. RateLimited, OverBudget, Google's own refusals; Unavailable where none was made, or nobody knows."""
    refuse_foreign(app, caller, new.inputs)
    provider = app.provider(new.deployment)
    through = _passthrough(app, new.deployment)
    nano, tokens, unpriced = expected(app, provider, new.inputs)
    id, asked = new_job_id(), kept({**new.body, "model": new.model})

    def admit(turn: Turn) -> VertexJob:
        purse = Purse(app, turn, caller.payers, "job")
        purse.admit(tokens)
        if not tokens and purse.limited:
            raise BadRequest(_NO_INPUT, code="FAILED_PRECONDITION")
        if (why := purse.why_not(nano, tokens, tokens) or purse.why_unpriced(unpriced)) is not None:
            raise OverBudget(why[1], code=why[0])  # more tokens than there is room for were refused by `admit`
        purse.reserve(nano)
        purse.put()
        job = VertexJob(
            id=id,
            owner=caller.owner,
            team=caller.team,
            key=caller.key,
            user=caller.user,
            payers=caller.payers,
            tags=tuple(dict.fromkeys((*new.tags, *caller.tags))),
            group=new.group,
            deployment=new.deployment,
            project=new.project,
            location=new.location,
            output=new.output.name,
            directory=new.output.name,
            resource=asked,
            created_at=turn.now,
            reserved=nano,
            tokens=tokens,
            due_at=turn.now + _SEARCH,
        )
        turn.add(job)
        return job

    job = commit(app, admit)
    log("job_recorded", **job.log_context(), group=job.group)
    if app.now() - job.created_at > _FRESH:  # stood still so long that others may have looked for it in vain
        unmade(app, job)
        raise Unavailable(retry_after=1)
    try:
        resource = through.create(job.id, new.body)
    except Said as said:
        unmade(app, job)
        raise as_said(said) from said
    except Unknown as error:
        _search(app, job)
        log("job_answer_lost", severity="WARNING", **job.log_context(), reason=str(error))
        raise Unavailable(_LOST, retry_after=120) from error
    except (Transient, JobMissing) as error:
        unmade(app, job)
        log("job_not_made", severity="WARNING", **job.log_context(), reason=str(error))
        raise Unavailable(retry_after=1) from error
    try:
        return made(app, job, resource)
    except Transient as error:
        raise Unavailable(_LOST, retry_after=120) from error


def unmade(app: App, job: VertexJob) -> None:
    """End a record for which there certainly is no job. Where even that cannot be written, `sweep` does it."""

    def body(turn: Turn) -> None:
        found = turn.get(VertexJob, job.id)
        if found is None or found.ended or found.name is not None:
            return
        purse = Purse(app, turn, found.payers)
        purse.close(found.reserved, found.tokens)
        purse.put()
        turn.put(replace(found, ended=True, directory="", reserved=0, tokens=0, lease=None, due_at=None))

    with suppress(Transient):
        commit(app, body)


def made(app: App, job: VertexJob, resource: Mapping[str, Any]) -> VertexJob:
    """Record the job that Google has made of it."""
    name = str(resource["name"])

    def body(turn: Turn) -> VertexJob:
        found = turn.get(VertexJob, job.id) or job
        if found.name is not None:
            return found
        if found.ended:
            _reopen(app, turn, found)
        found = replace(
            found,
            name=name,
            number=name.rpartition("/")[2],
            ended=False,
            troubles=0,
            due_at=turn.now + _FIRST_LOOK,
            **seen(found, resource),
        )
        turn.put(found)
        return found

    job = commit(app, body)
    log("job_made", **job.log_context(), number=job.number)
    return job


def _search(app: App, job: VertexJob) -> None:
    """There may be a job, from now on: have it looked for."""

    def body(turn: Turn) -> None:
        found = turn.get(VertexJob, job.id)
        if found is None or found.name is not None:
            return
        if found.ended:
            _reopen(app, turn, found)
        later = turn.now + _SEARCH
        turn.put(replace(found, ended=False, directory=found.output, lost_at=turn.now, due_at=later))

    with suppress(Transient):
        commit(app, body)


def _reopen(app: App, turn: Turn, job: VertexJob) -> None:
    """It was given up while we stood still, and costs all the same."""
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
    return {"name": f"{str(job.name).partition('/batch')[0]}/operations/{job.number}", "done": True, "response": {}}


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
            _reopen(app, turn, job)
            job = replace(job, ended=False, troubles=0, unread_since=None, due_at=turn.now + _FIRST_LOOK)
        turn.send("meter", job=job.id)
    turn.put(job)
    return job


def _asked(app: App, job: VertexJob, ask: Callable[[Passthrough, str], dict[str, Any]]) -> dict[str, Any]:
    """Google's answer, or what a client is told instead."""
    through = _passthrough(app, job.deployment)
    try:
        return ask(through, str(job.name))
    except JobMissing as missing:
        raise NotFound from missing
    except Said as said:
        raise as_said(said) from said
    except Transient as error:
        log("provider_silent", severity="WARNING", **job.log_context(), reason=str(error))
        raise Unavailable(retry_after=1) from error


def _passthrough(app: App, deployment: str) -> Passthrough:
    try:
        through = app.provider(deployment).passthrough
    except Transient as error:
        raise Unavailable(retry_after=60) from error
    if through is None:
        raise NotFound
    return through
