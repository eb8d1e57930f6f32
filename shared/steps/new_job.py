"""A job in Vertex's own words, asked for: recorded before Google hears of it, and found again whatever happens.

record, admitted and reserved ──► create at Vertex, with the record's id as a label ──► the record learns its name
      │                                 └ refused: the record ends, and what it held is let go
      └ died here, or the answer was lost: `meter` looks for the label, and adopts the job or ends the record

Clients of Google send no key with a create, so one that is sent again is another job. Whoever got no answer finds what
was made in the list, after two minutes at most.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from shared.app import App
from shared.domain.access import Caller
from shared.domain.clock import SECOND
from shared.domain.errors import BadRequest, OverBudget, Transient, Unavailable
from shared.domain.ids import new_job_id
from shared.domain.passthrough import VertexJob, kept, seen
from shared.domain.prefixes import Place
from shared.log import log
from shared.providers.base import JobMissing, Said, Unknown
from shared.steps.accounts import Purse
from shared.steps.commit import Turn, commit
from shared.steps.foreign import refuse_among_foreign, refuse_foreign
from shared.steps.passed import as_said, passage, reopen
from shared.steps.projects import unheard
from shared.steps.sample import expected

__all__ = ["NewJob", "create"]

_SEARCH: Final = 60 * SECOND  # after which `sweep` looks for a job whose create got no answer
_FRESH: Final = 30 * SECOND  # a create is sent so soon after its record, or never
_FIRST_LOOK: Final = SECOND
_NO_INPUT: Final = (
    "There is nothing at inputConfig.gcsSource.uris. Write the input before you ask for the job: what it may cost is "
    "held against a budget."
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
    refuse_among_foreign(app, caller, new.output)
    provider = app.provider(new.deployment)
    through = passage(app, new.deployment)
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
        _unmade(app, job)
        raise Unavailable(retry_after=1)
    try:
        resource = through.create(job.id, new.body)
    except Said as said:
        _unmade(app, job)
        raise as_said(said) from said
    except Unknown as error:
        _search(app, job)
        log("job_answer_lost", severity="WARNING", **job.log_context(), reason=str(error))
        raise Unavailable(_LOST, retry_after=120) from error
    except (Transient, JobMissing) as error:
        _unmade(app, job)
        log("job_not_made", severity="WARNING", **job.log_context(), reason=str(error))
        raise Unavailable(retry_after=1) from error
    try:
        return _made(app, job, resource)
    except Transient as error:
        raise Unavailable(_LOST, retry_after=120) from error


def _unmade(app: App, job: VertexJob) -> None:
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


def _made(app: App, job: VertexJob, resource: Mapping[str, Any]) -> VertexJob:
    """Record the job that Google has made of it."""
    name = str(resource["name"])

    def body(turn: Turn) -> VertexJob:
        found = turn.get(VertexJob, job.id) or job
        if found.name is not None:
            return found
        told = unheard(turn, name, found.project)
        if found.ended:
            reopen(app, turn, found)
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
        for number in told:
            turn.put(number)
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
            reopen(app, turn, found)
        later = turn.now + _SEARCH
        turn.put(replace(found, ended=False, directory=found.output, lost_at=turn.now, due_at=later))

    with suppress(Transient):
        commit(app, body)
