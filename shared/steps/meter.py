"""meter(job): follow a job that was passed through; once it is over, count what it has used, and charge it, once.

claim ──► its name is not known: look for its label ──► adopt it, or end the record when it cannot come any more
  └────► ask Vertex ──► it runs: look again later
                  └──► it is over: one streaming pass over its predictions ──► ledger entry, sums, accounts, end

Whoever sends us here only gives a hint: a finalize event, a client that looked, the sweep. What cannot be read stays
unpriced in the end, by Vertex's own count of it, and never free. Nothing is given up that may still go on at Vertex.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from shared.app import App, Unconfigured
from shared.domain.batch import Counts
from shared.domain.clock import DAY, HOUR, MINUTE, SECOND
from shared.domain.cost import Cost
from shared.domain.errors import ConfigError, Transient
from shared.domain.passthrough import OVER, VertexJob, resource_of, seen
from shared.log import log
from shared.providers.base import JobMissing, Passthrough, Provider, Said
from shared.steps.accounts import Purse
from shared.steps.books import Books
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.count import JobCount
from shared.steps.entry import entry_of
from shared.steps.expect import note_habit
from shared.steps.patience import patience
from shared.steps.projects import unheard
from shared.storage.ports import ObjectMissing

__all__ = ["give_up", "meter"]

_UNMADE: Final = 2 * MINUTE  # after its record or a lost answer, a job that nobody sees does not come any more
_SEARCH_AGAIN: Final = 15 * SECOND
_GONE_AFTER: Final = 3  # answers in a row that there is no such job
_VISIBLE: Final = 2 * MINUTE  # how long after its end a job may take to show what it wrote; not documented
_UNREADABLE: Final = DAY  # how long a store may refuse us what a job wrote
_STUCK: Final = 10 * DAY  # a job waits for three days and runs for one: "batch prediction", 72 h and 24 h


def meter(app: App, id: str) -> None:
    """Move a job on, as far as it goes at the moment."""
    with claim(app, VertexJob, id, wanted=_wanted) as held:
        if held is not None:
            _follow(app, held)


def give_up(app: App, id: str) -> None:
    """End a job that no delivery gets any further, where it is over: its rows stay unpriced. Else `sweep` goes on."""
    with claim(app, VertexJob, id, wanted=_wanted) as held:
        if held is not None:
            _give_up(app, held, "no delivery has helped")


def _wanted(job: VertexJob) -> bool:
    return not job.ended


def _follow(app: App, held: Held[VertexJob]) -> None:
    job = held.record
    try:
        provider = app.provider(job.deployment)
        through = provider.passthrough
        if through is None:
            raise Unconfigured("jobs are not passed through to this deployment any more")
        if job.name is None and not _adopted(app, held, through):
            return
        resource = through.get(str(held.record.name))
    except JobMissing:
        if job.gone + 1 < _GONE_AFTER:
            _later(app, held, patience(job.gone + 1), gone=job.gone + 1)
            return
        log("job_missing", severity="WARNING", **job.log_context())
        resource, provider = resource_of(job), app.provider(job.deployment)
        if job.state not in OVER:  # whatever it has written is there; nobody will say more
            resource = {**resource, "state": "JOB_STATE_FAILED"}
    except (Transient, Said) as trouble:
        if app.now() - job.created_at < _STUCK:
            _later(app, held, patience(job.troubles + 1), troubles=job.troubles + 1)
            log("meter_postponed", severity="WARNING", **job.log_context(), reason=str(trouble))
            return
        _give_up(app, held, str(trouble))
        return
    if str(resource.get("state")) in OVER:
        _end(app, held, provider, resource)
    else:
        age = app.now() - job.created_at
        _later(app, held, max(SECOND, min(MINUTE, age // 10)), **seen(job, resource))


def _give_up(app: App, held: Held[VertexJob], reason: str) -> None:
    """The end of a job that is over, by Vertex's own count alone. One that may still run is held, and looked at again:
    ended now, it would cost nobody anything.
    """
    job = held.record
    if job.state not in OVER:
        _later(app, held, HOUR, troubles=job.troubles + 1)
        log("job_stuck", severity="ERROR", **job.log_context(), reason=reason)
        return
    log("job_given_up", severity="ERROR", **job.log_context(), reason=reason)
    _settle(app, held, resource_of(job), _unread(app, job))


def _adopted(app: App, held: Held[VertexJob], through: Passthrough) -> bool:
    """Whether the job whose create got no answer was found. Else the record waits, or ends."""
    job = held.record
    resource = through.find(job.id)
    if resource is None:
        if app.now() - (job.lost_at or job.created_at) < _UNMADE:
            _later(app, held, _SEARCH_AGAIN)
        else:
            _settle(app, held, resource_of(job), None)
            log("job_never_made", severity="WARNING", **job.log_context())
        return False
    name = str(resource["name"])

    def body(turn: Turn) -> VertexJob:
        told = unheard(turn, name, job.project)
        adopted = replace(held.kept(turn), name=name, number=name.rpartition("/")[2], **seen(job, resource))
        turn.put(adopted)
        for number in told:
            turn.put(number)
        return adopted

    held.record = commit(app, body)
    log("job_adopted", **held.record.log_context(), number=held.record.number)
    return True


def _end(app: App, held: Held[VertexJob], provider: Provider, resource: Mapping[str, Any]) -> None:
    """Charge a job that is over, or look again where what it wrote cannot be read yet."""
    count, blind = JobCount(app, held.record, resource, provider), True
    try:
        ready = count.run(held.beat)
    except (ConfigError, ObjectMissing) as error:
        log("predictions_unreadable", severity="ERROR", **held.record.log_context(), reason=str(error))
        if _waits(app, held, resource, _UNREADABLE, least=MINUTE):
            return
        count = JobCount(app, held.record, resource, None)
    else:
        if not ready and _waits(app, held, resource, _VISIBLE):
            return
        blind = not ready
    count.add_missing(blind=blind)
    _settle(app, held, resource, count)
    if held.record.payers:
        note_habit(app, count.meter.model, count.read, count.meter.usage().output_tokens)


def _waits(app: App, held: Held[VertexJob], resource: Mapping[str, Any], most: int, *, least: int = 0) -> bool:
    """Whether it is too early to believe that there is no more to read; then somebody will look again."""
    job, now = held.record, app.now()
    since = job.unread_since or now
    if now - since >= most:
        return False
    pause = max(least, patience(job.troubles))
    _later(app, held, min(pause, HOUR), unread_since=since, troubles=job.troubles + 1, **seen(job, resource))
    return True


def _unread(app: App, job: VertexJob) -> JobCount:
    """By Vertex's own count alone."""
    count = JobCount(app, job, resource_of(job), None)
    count.add_missing(blind=True)
    return count


def _later(app: App, held: Held[VertexJob], pause: int, **changes: Any) -> None:
    changes = {"troubles": 0, "gone": 0, **changes}

    def body(turn: Turn) -> None:
        turn.put(replace(held.current(turn), lease=None, due_at=turn.now + pause, **changes))

    commit(app, body)


def _settle(app: App, held: Held[VertexJob], resource: Mapping[str, Any], count: JobCount | None) -> None:
    """The end of a job, with what it cost: one transaction. Without a count there never was one."""

    def body(turn: Turn) -> VertexJob:
        job = held.current(turn)
        cost = Cost() if count is None else count.cost
        if count is not None and count.counts != Counts():
            entry = entry_of(app, job, job, meter=count.meter, counts=count.counts, cost=count.cost, now=turn.now)
            books = Books(app, turn, entry, job.payers)
            books.purse.close(0, job.tokens)
            books.write(released=job.reserved)
        else:
            purse = Purse(app, turn, job.payers)
            purse.close(job.reserved, job.tokens)
            purse.put()
        told = {"directory": ""} if count is None else seen(job, resource)
        job = replace(job, cost=cost, reserved=0, tokens=0, ended=True, troubles=0, lease=None, due_at=None, **told)
        turn.put(job)
        return job

    held.record = commit(app, body)
    if count is not None:
        counts = count.counts
        log(
            "job_metered",
            **held.record.log_context(),
            completed=counts.completed,
            failed=counts.failed,
            usd=count.cost.total,
            unpriced=count.cost.unpriced_lines,
        )
