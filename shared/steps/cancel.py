"""cancel: wind a batch up early, because its caller or its time says so. What finished is kept.

The batch is marked first; this step then tells every shard, and the way through check, collect and finish is the usual.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from shared.app import App
from shared.domain.batch import Batch, Ending, Status, advance, wind_up
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import Conflict, NotFound
from shared.domain.shard import Shard, next_step
from shared.log import log
from shared.steps.accounts import Purse, close
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.finish import shards_of
from shared.steps.report import report

__all__ = ["cancel", "expire", "overdue", "request_cancel"]

_LONGEST_WAIT: Final = 10 * MINUTE  # OpenAI: a cancelled batch is `cancelled` within ten minutes


def request_cancel(app: App, batch_id: str) -> Batch:
    """Mark a batch as cancelling. Again is the same as once; Conflict where it has ended otherwise."""

    def body(turn: Turn) -> Batch:
        batch = turn.get(Batch, batch_id)
        if batch is None:
            raise NotFound(f"No batch found with id '{batch_id}'.")
        if batch.status in {Status.CANCELLING, Status.CANCELLED}:
            return batch
        if batch.terminal:
            raise Conflict(f"Cannot cancel a batch with status '{batch.status}'.")
        batch = advance(batch, Status.CANCELLING, at=turn.now)
        batch = wind_up(batch, Ending.CANCELLED, at=turn.now, look=LOOK_AGAIN)
        turn.put(batch)
        turn.send("cancel", batch=batch.id)
        return batch

    batch = commit(app, body)
    report(batch)
    return batch


def expire(app: App, batch_id: str) -> None:
    """The time of a batch is over. What has not been started never will be; what runs is told to stop."""

    def body(turn: Turn) -> Batch | None:
        batch = turn.get(Batch, batch_id)
        if batch is None or batch.expires_at > turn.now or batch.ending is not None:
            return None
        if batch.status is Status.VALIDATING:
            purse = Purse(app, turn, batch.payers)
            return close(app, turn, purse, advance(batch, Status.EXPIRED, at=turn.now))
        if batch.status is not Status.IN_PROGRESS:
            return None
        batch = wind_up(batch, Ending.EXPIRED, at=turn.now, look=LOOK_AGAIN)
        turn.put(batch)
        turn.send("cancel", batch=batch.id)
        return batch

    batch = commit(app, body)
    if batch is not None:
        log("batch_expiring", **batch.log_context())


def overdue(batch: Batch, now: int) -> bool:
    """Whether a batch has been waiting so long for its jobs to stop that it ends without them."""
    return batch.ending_at is not None and now - batch.ending_at >= _LONGEST_WAIT


def cancel(app: App, batch_id: str) -> None:
    """Tell each shard of a batch that is being wound up."""
    batch = app.documents.get(Batch, batch_id)
    if batch is None or batch.terminal or batch.ending is None:
        return
    if Status.IN_PROGRESS not in batch.stamps:
        _end_unprepared(app, batch_id)
        return
    for shard in shards_of(app, batch):
        commit(app, partial(_tell, shard.id))


def _end_unprepared(app: App, batch_id: str) -> None:
    """No line has been looked at yet, so there is nothing to wait for, and there are no files."""

    def body(turn: Turn) -> None:
        batch = turn.get(Batch, batch_id)
        if batch is None or batch.status is not Status.CANCELLING:
            return
        purse = Purse(app, turn, batch.payers)
        close(app, turn, purse, advance(batch, Status.CANCELLED, at=turn.now))

    commit(app, body)


def _tell(shard_id: str, turn: Turn) -> None:
    """Waiting shards are looked after by `submit`, which knows whether a job was made; running ones by `check`."""
    shard = turn.get(Shard, shard_id)
    if shard is None:
        return
    step = next_step(shard)
    if step is not None:
        turn.put(replace(shard, due_at=turn.now + 5 * SECOND))
        turn.send(step, shard=shard.id)
