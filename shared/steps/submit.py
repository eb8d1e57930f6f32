"""submit(shard): create the provider's job, at most once.

claim, tries + 1 ──► look for our label (from the second try on) ──► create ──► record the job
      │                └ an answer was lost: look for a minute before another create
      │                                     refused, and nothing was made ──► the next deployment of the group
      └ died anywhere here: the next try looks before it creates, and finds what the dead one made
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError, Ending
from shared.domain.clock import SECOND
from shared.domain.errors import Transient
from shared.domain.shard import Job, JobState, Shard, ShardStatus, label, move_to
from shared.log import log
from shared.providers.base import Busy, Client, JobMissing, JobRequest, Refused, Unknown
from shared.steps.cancel import overdue
from shared.steps.claim import Held, LeaseLost, claim
from shared.steps.commit import Turn, commit
from shared.steps.headroom import most_tokens, note_room
from shared.steps.move import NOT_AGAIN, SILENT, Trouble, move
from shared.steps.patience import patience, room_after
from shared.storage.queries import SHARDS_OF_DEPLOYMENT

__all__ = ["end", "submit"]

_MOST_TROUBLES: Final = 5  # refusals that time might heal, such as 403 after a fresh grant: about a minute
_FIRST_CHECK: Final = SECOND
_LONGEST_PAUSE: Final = 1_800.0  # seconds that a Retry-After may ask for
_UNSEEN: Final = 60 * SECOND  # after a lost answer, so long a job may take to be seen in a list; not documented
_NOT_YET: Final = "a job may have been made that cannot be seen yet"
_MOST_LOST: Final = 2  # troubles of creates that got no answer, and of looks for their jobs, before others are asked
_LOOK_SOON: Final = 15 * SECOND
_MOST_RUNNING: Final = 300  # shards of one deployment that are counted


class _NotMade(Exception):
    """This try has certainly made no job."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


def submit(app: App, shard_id: str) -> None:
    """Move a shard from waiting to running, to another deployment, or to ended where none will have it."""
    with claim(app, Shard, shard_id, wanted=_wanted, change=_one_more_try) as held:
        if held is None:
            return
        batch = app.documents.get(Batch, held.record.batch)
        try:
            client = app.provider(held.record.deployment).client
            job = _job(app, held, batch, client)
        except _NotMade as none:
            _try_elsewhere(app, held, batch, none.trouble)
        except Transient as error:
            lost = isinstance(error, Unknown)
            if batch is not None and overdue(batch, app.now()):
                _end(app, held, None, unread=lost or held.record.lost_at is not None)
            else:
                _wait(app, held, Trouble(reason=str(error)), made_none=False, lost=lost)
        else:
            if job is not None:
                _record(app, held, job, client)


def _job(app: App, held: Held[Shard], batch: Batch | None, client: Client) -> Job | None:
    """The shard's job, found or made; None where the shard is settled without one."""
    shard = held.record
    job = _made_before(client, shard)
    if job is not None:
        log("job_adopted", **shard.log_context(), tries=shard.tries)
        return job
    if batch is None or batch.ending is not None or batch.terminal:
        unseen = _unseen(app, shard)
        if unseen and batch is not None and not batch.terminal and not overdue(batch, app.now()):
            raise Transient(_NOT_YET)  # where it is found, it is told to stop, and what it has used is charged
        _end(app, held, None, unread=unseen)
        return None
    if _gone_elsewhere(app, held):
        return None
    held.fresh()
    try:
        _refuse_crowd(app, shard)
        return client.create_job(_request(app, held, batch))
    except Unknown:
        raise
    except Busy as busy:
        raise _NotMade(Trouble(reason=str(busy), retry_after=busy.retry_after)) from busy
    except Transient as error:
        raise _NotMade(Trouble(reason=str(error))) from error
    except Refused as refusal:
        settled = refusal.settled or shard.troubles >= _MOST_TROUBLES
        said = refusal.error
        raise _NotMade(Trouble(reason=said.message, error=said if settled else None)) from refusal


def _unseen(app: App, shard: Shard) -> bool:
    """Whether an answer was lost so lately that its job may not be seen yet."""
    return shard.lost_at is not None and app.now() - shard.lost_at < _UNSEEN


def _gone_elsewhere(app: App, held: Held[Shard]) -> bool:
    """Whether what happened here before has sent the shard to another place, or to rest. Transient where an answer was
    lost so lately that its job may not be seen yet.
    """
    shard = held.record
    if _unseen(app, shard):
        raise Transient(_NOT_YET)
    held.record = replace(shard, tries=1)  # whatever was asked for before, nothing came of it
    if shard.lost_at is not None and shard.troubles >= _MOST_LOST and move(app, held, SILENT) is None:
        return True
    if shard.deployment not in shard.busy_at:
        return False
    left = move(app, held, NOT_AGAIN)
    if left is not None and left.dear is not None and shard.failed_for_good:
        _end(app, held, left.dear)
    elif left is not None:
        _rest(app, held)
    return True


def _try_elsewhere(app: App, held: Held[Shard], batch: Batch | None, trouble: Trouble) -> None:
    if batch is not None and overdue(batch, app.now()):
        _end(app, held, None)
    elif (left := move(app, held, trouble)) is not None:
        if left.error is not None:
            _end(app, held, left.dear or left.error)
        else:
            _wait(app, held, left, made_none=True)


def _refuse_crowd(app: App, shard: Shard) -> None:
    """Busy where so many tokens run there already that this shard's would be more than the configuration allows."""
    deployment = app.config.deployment(shard.deployment)
    most = None if deployment is None else most_tokens(app, deployment)
    if most is None:
        return
    running = app.documents.query(SHARDS_OF_DEPLOYMENT, shard.deployment, ShardStatus.RUNNING, limit=_MOST_RUNNING)
    tokens = sum(each.tokens for each in running)
    if running and tokens + shard.tokens > most:
        raise Busy(f"{tokens:,} tokens are enqueued there, of {most:,}")


def end(turn: Turn, shard: Shard, job: Job | None) -> None:
    """The job is over, or there will be none: what is there can be collected."""
    turn.put(replace(shard, status=move_to(shard, ShardStatus.ENDED), job=job, lease=None, troubles=0, due_at=turn.now))
    turn.send("collect", shard=shard.id)


def _made_before(client: Client, shard: Shard) -> Job | None:
    """What an earlier try may have made. As long as we cannot look, we do not know, whatever the reason."""
    if shard.tries == 1:
        return None
    try:
        return client.find_job(label(shard), since=shard.created_at)
    except Refused as refusal:
        raise Transient(refusal.error.message) from refusal


def _wanted(shard: Shard) -> bool:
    return shard.status is ShardStatus.WAITING


def _one_more_try(shard: Shard) -> Shard:
    return replace(shard, tries=shard.tries + 1)


def _request(app: App, held: Held[Shard], batch: Batch) -> JobRequest:
    shard = held.record
    return JobRequest(
        label=label(shard),
        endpoint=batch.endpoint,
        source=shard.source,
        output=layout.shard_output(app.work_bucket, shard.batch, shard.number, shard.attempt),
        size=lambda: app.objects.stat(shard.source).size,
        open=partial(app.objects.open, shard.source),
        hold=held,
    )


def _record(app: App, held: Held[Shard], job: Job, client: Client) -> None:
    def body(turn: Turn) -> None:
        shard = held.current(turn)
        turn.put(
            replace(
                shard,
                status=move_to(shard, ShardStatus.RUNNING),
                job=job,
                lease=None,
                troubles=0,
                due_at=turn.now + _FIRST_CHECK,
            )
        )
        if job.room is not None:
            note_room(turn, shard.deployment, job.room)

    try:
        commit(app, body)
    except LeaseLost:
        now_there = app.documents.get(Shard, held.record.id)
        if now_there is not None and now_there.job is not None and now_there.job.name != job.name:
            with suppress(Transient, Refused, JobMissing):
                client.cancel_job(job.name)  # another worker's job was adopted: nobody will ever read this one
        raise
    log("job_created", **held.record.log_context(), tries=held.record.tries)


def _rest(app: App, held: Held[Shard]) -> None:
    """A job has failed here, and no other place takes the lines: once more here, but not at once."""

    def body(turn: Turn) -> None:
        shard = held.current(turn)
        due_at = turn.now + room_after(shard.attempt - 1)
        turn.put(replace(shard, lease=None, busy_at=(), tries=shard.tries - 1, due_at=due_at))

    commit(app, body)


def _wait(app: App, held: Held[Shard], trouble: Trouble, *, made_none: bool, lost: bool = False) -> None:
    """The provider is in trouble, not the line: try again later, however long that takes.

    A try that certainly made no job is forgotten, so that the next one need not look for it.
    """

    def body(turn: Turn) -> Shard:
        shard = held.current(turn)
        troubles, tries = shard.troubles + 1, shard.tries - made_none
        pause = max(patience(troubles), int(min(trouble.retry_after or 0, _LONGEST_PAUSE) * SECOND))
        lost_at = turn.now if lost else shard.lost_at
        shard = replace(
            shard,
            lease=None,
            troubles=troubles,
            tries=tries,
            busy_at=(),
            lost_at=lost_at,
            due_at=turn.now + (min(pause, _LOOK_SOON) if lost_at is not None else pause),
        )
        turn.put(shard)
        return shard

    shard = commit(app, body)
    log("submit_postponed", severity="WARNING", **shard.log_context(), troubles=shard.troubles, reason=trouble.reason)


def _end(app: App, held: Held[Shard], error: BatchError | None, *, unread: bool = False) -> None:
    """`unread`: a job may run that nobody has seen."""

    def body(turn: Turn) -> None:
        shard = held.current(turn)
        job = None if error is None else Job(name="", state=JobState.FAILED, error=error)
        end(turn, replace(shard, unread=shard.unread or unread), job)

    commit(app, body)
    code = Ending.FAILED if error is not None else None
    log("shard_ended", **held.record.log_context(), reason=code, error=error.code if error else None)
