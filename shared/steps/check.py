"""check(shard): ask the provider how its job stands. Whoever sent us here only gave a hint.

No lease: reading twice does no harm, and every change is made only to a shard that still runs the job that was read.
"""

from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError, Counts
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Job, JobState, Shard, ShardStatus, move_to
from shared.log import log
from shared.providers.base import JobMissing, Refused
from shared.steps.cancel import overdue
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.patience import patience, room_after
from shared.steps.places import places
from shared.steps.submit import end
from shared.steps.tidy import cancel_doubles, tidy
from shared.storage.ports import ObjectMissing

__all__ = ["check"]

_MOST_ATTEMPTS: Final = 3  # of running a job that failed for no fault of its lines
_MOST_PLACES: Final = 12  # as long as there are deployments that have not been asked; a move counts as an attempt
_GONE_AFTER: Final = 3  # answers in a row that there is no such job
_GONE: Final = BatchError(code="provider_error", message="The provider no longer knows the job of these requests.")
_VISIBLE: Final = 2 * MINUTE  # how long after its success a job may take to show what it wrote; not documented
_CANCEL_AGAIN: Final = MINUTE


def check(app: App, shard_id: str) -> None:
    """Move a running shard to ended when its job is over; else bring its batch's counts up to date."""
    shard = app.documents.get(Shard, shard_id)
    if shard is None or shard.status is not ShardStatus.RUNNING or shard.job is None:
        return
    last: Job = shard.job
    batch = app.documents.get(Batch, shard.batch)
    if batch is None:
        return
    unwanted = batch.ending is not None or batch.terminal
    try:
        client = app.provider(shard.deployment).client
        job = client.get_job(last.name)
        if not job.state.terminal and (shard.lost_at is not None or shard.left_behind):
            cancel_doubles(app, shard, job)
        if not job.state.terminal and unwanted and _cancel_due(shard, app.now()):
            client.cancel_job(job.name)
            shard = replace(shard, cancel_sent_at=app.now())
    except JobMissing:
        if shard.gone + 1 < _GONE_AFTER:
            _wait(app, shard, "the provider does not know the job", gone=shard.gone + 1)
            return
        job = replace(last, state=JobState.FAILED, error=_GONE)
    except (Transient, Refused) as trouble:
        if not overdue(batch, app.now()):
            _wait(app, shard, str(trouble))
            return
        job = last
    try:
        _follow(app, shard, batch, job)
    except (Transient, ConfigError) as trouble:  # a store in trouble, or a grant that is gone: no delivery is spent
        _wait(app, shard, str(trouble))


def _follow(app: App, shard: Shard, batch: Batch, job: Job) -> None:
    """What follows from the job as it was read just now."""
    if _too_early(app, shard, job):
        _look_again(app, shard, job)
    elif job.state.terminal or overdue(batch, app.now()):
        try:
            _ended(app, shard, batch, job)
        except ObjectMissing:  # swept away with a batch that has ended since we looked; or really gone
            now = app.documents.get(Shard, shard.id)
            if now is not None and now.status is ShardStatus.RUNNING and now.attempt == shard.attempt:
                raise
            log("check_late", **shard.log_context())
    else:
        _still_running(app, shard, job)


def _cancel_due(shard: Shard, now: int) -> bool:
    return shard.cancel_sent_at is None or now - shard.cancel_sent_at >= _CANCEL_AGAIN


def _too_early(app: App, shard: Shard, job: Job) -> bool:
    """Whether a job says that it succeeded, and its predictions are not to be seen yet."""
    since = shard.empty_since or app.now()
    if job.state is not JobState.SUCCEEDED or app.now() - since >= _VISIBLE:
        return False
    copied = app.provider(shard.deployment).fetch is not None  # then there is nothing to see before `collect`
    return not copied and not _left_rows(app, shard, job)


def _look_again(app: App, seen: Shard, job: Job) -> None:
    def body(turn: Turn) -> None:
        shard = _unchanged(turn, seen)
        if shard is not None:
            since = shard.empty_since or turn.now
            turn.put(replace(shard, job=job, empty_since=since, troubles=0, due_at=turn.now + 2 * SECOND))

    commit(app, body)
    log("predictions_awaited", **seen.log_context())


def _ended(app: App, seen: Shard, batch: Batch, job: Job) -> None:
    failed = job.state is JobState.FAILED and batch.ending is None and not batch.terminal
    failed = failed and not _left_rows(app, seen, job)
    others = failed and bool(places(app, batch, seen) - {*seen.refused_by, *seen.busy_at, seen.deployment})
    most = _MOST_PLACES if others else _MOST_ATTEMPTS
    again = failed and (job.retryable or others) and (job.crowded or seen.attempt < most)

    def body(turn: Turn) -> Shard | None:
        shard = _unchanged(turn, seen)
        if shard is None:
            return None
        if again:
            here = shard.deployment
            later = job.crowded and not others
            turn.put(
                replace(
                    shard,
                    status=move_to(shard, ShardStatus.WAITING),
                    attempt=shard.attempt + 1,
                    tries=0,
                    troubles=0,
                    gone=0,
                    empty_since=None,
                    lost_at=None,
                    job=None,
                    failed_for_good=not job.crowded and (not job.retryable or seen.attempt >= _MOST_ATTEMPTS),
                    busy_at=(*shard.busy_at, here) if others and here not in shard.busy_at else shard.busy_at,
                    due_at=turn.now + (room_after(seen.attempt) if later else LOOK_AGAIN),
                )
            )
            if not later:
                turn.send("submit", shard=shard.id)
        else:
            end(turn, shard, job)
        return shard

    if commit(app, body) is not None:
        error = job.error.code if job.error else None
        log("job_ended", **seen.log_context(), state=str(job.state), error=error, again=again)
        if again:
            tidy(app, seen, job)


def _left_rows(app: App, shard: Shard, job: Job) -> bool:
    """Whether the job left anything to collect."""
    provider = app.provider(shard.deployment)
    if provider.fetch is not None:
        return bool(job.files)
    output = layout.shard_output(app.work_bucket, shard.batch, shard.number, shard.attempt)
    return bool(provider.predictions(job, (stat.name for stat in app.objects.list(output))))


def _still_running(app: App, seen: Shard, job: Job) -> None:

    def body(turn: Turn) -> None:
        shard = _unchanged(turn, seen)
        batch = turn.get(Batch, seen.batch)
        if shard is None or batch is None:
            return
        counted = _live(shard, job)
        if counted != shard.counted and not batch.terminal:
            turn.put(replace(batch, counts=batch.counts + counted + shard.counted.negated()))
        turn.put(
            replace(
                shard,
                job=job,
                counted=counted,
                cancel_sent_at=seen.cancel_sent_at,
                troubles=0,
                gone=0,
                due_at=turn.now + _interval(turn.now - shard.created_at),
            )
        )

    commit(app, body)


def _live(shard: Shard, job: Job) -> Counts:
    """Lines done so far as far as the provider tells; never less than before, never more than there are."""
    completed = max(shard.counted.completed, (job.completed or 0) * shard.lines // max(shard.rows, 1))
    failed = max(shard.counted.failed, (job.failed or 0) * shard.lines // max(shard.rows, 1))
    completed = min(completed, shard.lines)
    return Counts(completed=completed, failed=min(failed, shard.lines - completed))


def _interval(age: int) -> int:
    """How long until the next look: a tenth of the shard's age, from a second to a minute."""
    return max(SECOND, min(MINUTE, age // 10))


def _wait(app: App, seen: Shard, reason: str, *, gone: int = 0) -> None:
    def body(turn: Turn) -> None:
        shard = _unchanged(turn, seen)
        if shard is not None:
            troubles = shard.troubles + 1
            turn.put(replace(shard, troubles=troubles, gone=gone, due_at=turn.now + patience(troubles)))

    commit(app, body)
    log("check_postponed", severity="WARNING", **seen.log_context(), reason=reason)


def _unchanged(turn: Turn, seen: Shard) -> Shard | None:
    """The shard, if it still runs the job that we asked about."""
    shard = turn.get(Shard, seen.id)
    if shard is None or shard.status is not ShardStatus.RUNNING or shard.attempt != seen.attempt:
        return None
    return shard
