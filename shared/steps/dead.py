"""A message that no delivery has helped: the batch shows what happened, instead of hanging."""

from dataclasses import replace

from shared.app import App
from shared.domain.batch import Batch, BatchError, Ending, Status, advance
from shared.domain.messages import Message
from shared.domain.shard import Shard
from shared.log import log
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.waste import throw_away

__all__ = ["record_dead"]

_MESSAGE = "Offpeak could not go on with this batch ({step}). Its operator finds the reason in the log."


def record_dead(app: App, message: Message, reason: str) -> None:
    """Write a dead message on its batch, and wind the batch up. What has finished so far is kept where it can be."""
    log("message_dead", severity="ERROR", **message.body(), reason=reason)
    batch_id = message.batch
    if batch_id is None and message.shard is not None:
        shard = app.documents.get(Shard, message.shard)
        batch_id = shard.batch if shard else None
    if batch_id is None:
        return

    def body(turn: Turn) -> None:
        batch = turn.get(Batch, batch_id)
        if batch is None or batch.terminal:
            return
        error = BatchError(code="internal_error", message=_MESSAGE.format(step=message.step))
        batch = replace(batch, errors=(*batch.errors, error)[:100])
        if batch.status is not Status.CANCELLING and message.step in {"prepare", "collect", "finish"}:
            batch = advance(batch, Status.FAILED, at=turn.now)  # these cannot be gone around
            throw_away(app, turn.tx, batch.id)
        elif batch.ending is None:
            batch = replace(batch, ending=Ending.FAILED, due_at=turn.now + LOOK_AGAIN)
            turn.send("cancel", batch=batch.id)
        turn.put(batch)

    commit(app, body)
