"""settle(shard): what ran is paid for, though its batch is over: it was given up, or ended while a job still went on.

claim ──► the job goes on ──► tell it again to stop, and look later: nobody waits for this any more
  └─────► it is over, or there was none ──► one pass over what it wrote, for the meter alone ──► ledger entry, accounts

Nobody gets these rows. What cannot be read, and what was given up, stays unpriced, and is never free.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, Counts, Rows, Status
from shared.domain.clock import DAY, MINUTE
from shared.domain.cost import Cost
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Job, JobState, Result, Shard
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import JobMissing, Provider, Refused
from shared.steps.books import Books
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.entry import entry_of
from shared.steps.patience import patience
from shared.steps.predictions import Predictions
from shared.steps.recount import Recount, Unreadable
from shared.steps.tidy import tidy
from shared.steps.waste import throw_away

__all__ = ["give_up_settling", "goes_on", "settle"]

_GONE_AFTER: Final = 3  # answers in a row that there is no such job
_LATEST: Final = 10 * MINUTE  # between two looks
_VISIBLE: Final = 2 * MINUTE  # how long after its success a job may take to show what it wrote; not documented
_STUCK: Final = 10 * DAY  # a job waits for three days and runs for one: "batch prediction", 72 h and 24 h


@dataclass(frozen=True, slots=True)
class _Used:
    """What the shard's lines have come to; `unread` of them have no price, since nobody can say."""

    meter: Meter
    unread: int = 0
    job: Job | None = None  # as it was read last

    @property
    def cost(self) -> Cost:
        return self.meter.cost() + Cost(unpriced_lines=self.unread)


def goes_on(shard: Shard) -> bool:
    """Whether the shard's job was not over when it was read last."""
    return shard.job is not None and bool(shard.job.name) and not shard.executes and not shard.job.state.terminal


def settle(app: App, shard_id: str) -> None:
    """Write the entry of a shard that owes one, as soon as it can be known."""
    with claim(app, Shard, shard_id, wanted=_owes) as held:
        if held is None:
            return
        shard = held.record
        if shard.unread or shard.job is None or not shard.job.name:
            _write(app, held, _Used(_unknown(app, shard), shard.lines if shard.unread else 0))
            return
        used = _used(app, held, shard.job)
        if used is not None:
            _write(app, held, used)
            if used.job is not None:
                tidy(app, shard, used.job)


def give_up_settling(app: App, shard_id: str) -> None:
    """The entry of a shard that no delivery gets any further: none of its lines has a price."""
    with claim(app, Shard, shard_id, wanted=_owes) as held:
        if held is not None:
            log("shard_given_up", severity="ERROR", **held.record.log_context())
            _write(app, held, _Used(_unknown(app, held.record), held.record.lines))


def _owes(shard: Shard) -> bool:
    return shard.owes


def _unknown(app: App, shard: Shard) -> Meter:
    """The meter of what nobody can read."""
    deployment = app.config.deployment(shard.deployment)
    return Meter(app.book, "" if deployment is None else deployment.price_name or deployment.model, "")


def _used(app: App, held: Held[Shard], last: Job) -> _Used | None:
    """What the job has used; None where it is too early to say, and somebody will look again."""
    shard = held.record
    late = app.now() - shard.created_at >= _STUCK
    try:
        return _seen(app, held, last, late=late)
    except (Transient, ConfigError, Refused) as trouble:
        if late:
            log("shard_given_up", severity="ERROR", **shard.log_context(), reason=str(trouble))
            return _Used(_unknown(app, shard), shard.lines)
        _later(app, held, patience(shard.troubles + 1), troubles=shard.troubles + 1)
        log("settle_postponed", severity="WARNING", **shard.log_context(), reason=str(trouble))
        return None


def _seen(app: App, held: Held[Shard], last: Job, *, late: bool) -> _Used | None:
    """The same, where provider and store answer. Transient, ConfigError, Refused."""
    shard = held.record
    provider = app.provider(shard.deployment)
    job = _asked(provider, last) if goes_on(shard) else last
    if job is None and shard.gone + 1 < _GONE_AFTER:
        _later(app, held, patience(shard.gone + 1), gone=shard.gone + 1)
        return None
    if job is None:
        log("job_missing", severity="WARNING", **shard.log_context())
        return _counted(app, held, provider, last, blind=True)
    on = goes_on(replace(shard, job=job))
    if on and not late:
        _later(app, held, max(MINUTE, min(_LATEST, (app.now() - shard.created_at) // 10)), job=job)
        return None
    if on:
        log("job_stuck", severity="ERROR", **shard.log_context())
    return _counted(app, held, provider, job, blind=on)


def _asked(provider: Provider, last: Job) -> Job | None:
    """The job as it stands, told to stop where it still goes on; None where there is none. Transient, Refused."""
    try:
        job = provider.client.get_job(last.name)
        if not job.state.terminal:
            provider.client.cancel_job(job.name)
    except JobMissing:
        return None
    return job


def _counted(app: App, held: Held[Shard], provider: Provider, job: Job, *, blind: bool) -> _Used | None:
    """`blind`: nobody says how many lines ran, so each that is not to be read may have. None where the job's
    predictions may not be to be seen yet.
    """
    names = _names(app, held, provider, job)
    since = held.record.empty_since or app.now()
    if job.state is not JobState.FAILED and not names and app.now() - since < _VISIBLE:
        _later(app, held, patience(1), job=job, empty_since=since)
        return None
    stopped = job.state in {JobState.CANCELLED, JobState.EXPIRED} and not held.record.executes  # that one was ours
    blind = blind or (stopped and job.completed is None)
    count = Recount(app, provider, held.record, day=app.today())
    try:
        count.read(names, held.beat)
    except Unreadable as why:
        log("predictions_unreadable", severity="ERROR", **held.record.log_context(), reason=str(why))
        blind = True
    return _Used(count.meter, count.left if blind else count.unread(job, names), job)


def _names(app: App, held: Held[Shard], provider: Provider, job: Job) -> list[str]:
    """The objects with the job's rows, waited for however long its batch has been over."""
    batch = app.documents.get(Batch, held.record.batch)
    held.record = replace(held.record, job=job)
    return [] if batch is None else Predictions(app, held, replace(batch, ending_at=None), provider).names


def _later(app: App, held: Held[Shard], pause: int, **changes: Any) -> None:
    changes = {"troubles": 0, "gone": 0, **changes}

    def body(turn: Turn) -> None:
        turn.put(replace(held.current(turn), lease=None, due_at=turn.now + pause, **changes))

    commit(app, body)


def _write(app: App, held: Held[Shard], used: _Used) -> None:
    """The entry, and all that it changes: one transaction."""

    def body(turn: Turn) -> None:
        shard = held.current(turn)
        batch = turn.get(Batch, shard.batch)
        settled = replace(shard, owes=False, lease=None, due_at=None, job=used.job or shard.job)
        if batch is None:
            turn.put(settled)
            return
        result = _result(app, shard, batch, used)
        entry = entry_of(app, batch, shard, meter=used.meter, counts=result.counts, cost=result.cost, now=turn.now)
        books = Books(app, turn, entry, batch.payers)
        released = 0 if batch.terminal else shard.reserved  # a batch that has ended holds nothing any more
        turn.put(replace(settled, result=result, reserved=0, settled_at=turn.now))
        books.write(released=released)
        batch = replace(
            batch,
            reserved=batch.reserved - released,
            usage=batch.usage + result.usage,
            cost=batch.cost + result.cost,
            owing=batch.owing - 1,
        )
        turn.put(batch)
        if batch.terminal and not batch.owing and not batch.open_shards:
            throw_away(app, turn.tx, batch.id)

    commit(app, body)
    cost = used.cost
    log("shard_settled", **held.record.log_context(), usd=cost.total, unpriced=cost.unpriced_lines)


def _result(app: App, shard: Shard, batch: Batch, used: _Used) -> Result:
    """Rows and counts as the batch has them; where it was given up before there were rows, its lines have failed."""
    if shard.result is not None:
        return replace(shard.result, usage=used.meter.usage(), cost=used.cost)
    rows = Rows(prefix=layout.rows_prefix(app.data_bucket, batch.id, f"{shard.number:04d}", shard.epoch))
    counts = Counts(failed=shard.lines if batch.status is Status.FAILED else 0)
    return Result(rows=rows, counts=counts, usage=used.meter.usage(), cost=used.cost)
