"""A message that no delivery has helped: the batch shows what happened, instead of hanging.

The step is tried once more first: what stood in its way may be gone, and then nothing is dead. Otherwise as little is
given up as can be: the lines of a shard that have no answer yet, so that its batch ends with what the others have; the
batch, where nothing else is left. What may have run all the same has no price then, and is never free: see `settle`.
"""

from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain.batch import Batch, BatchError, Counts, Status, advance
from shared.domain.errors import ConfigError, Poison, Transient
from shared.domain.messages import Message
from shared.domain.shard import Job, JobState, Shard, ShardStatus, label
from shared.log import log
from shared.steps.accounts import Purse, close
from shared.steps.checkpoint import parts_of
from shared.steps.commit import Turn, commit
from shared.steps.in_hand import to_execute
from shared.steps.meter import give_up
from shared.steps.report import report
from shared.steps.run import run
from shared.steps.settle import give_up_settling
from shared.steps.submit import end

__all__ = ["record_dead"]

_ERROR: Final = BatchError(
    code="internal_error",
    message="Offpeak could not go on with these requests. Its operator finds the reason in the log.",
)
_GIVEN_UP: Final = Job(name="", state=JobState.FAILED, error=_ERROR)  # there is none that `collect` would read


def record_dead(app: App, message: Message, reason: str) -> None:
    """Give up what a dead message was about, unless it can be done after all.

    Transient, and ConfigError where an operator has to mend something first: it cannot be said yet, so ask again.
    """
    try:
        run(app, message)
    except (Transient, ConfigError):
        raise
    except Exception as error:  # noqa: BLE001  # whatever it is, it has happened at every delivery
        what = f"{reason}; at last {type(error).__name__}" if not isinstance(error, Poison) else reason
        log("message_dead", severity="ERROR", **message.body(), reason=what)
    else:
        log("message_revived", **message.body())
        return
    if message.job is not None:
        give_up(app, message.job)
        return
    if message.step == "settle" and message.shard is not None:
        give_up_settling(app, message.shard)
        return
    if message.shard is not None:
        left = _left_by_workers(app, message.shard)
        ended = commit(app, lambda turn: _give_up_shard(app, turn, message.shard or "", left))
    elif message.batch is not None and message.step != "cancel":  # which `sweep` asks for again and again
        ended = commit(app, lambda turn: _give_up_batch(app, turn, message.batch or ""))
    else:
        return
    if ended is not None:
        report(ended)


def _left_by_workers(app: App, id: str) -> Job | None:
    """What is to be collected of a shard whose lines are run one by one; None where nothing of it can be had."""
    shard = app.documents.get(Shard, id)
    if shard is None or not to_execute(shard):
        return None
    try:
        parts = parts_of(app, shard)
    except (Transient, ConfigError):
        raise
    except Exception as error:  # noqa: BLE001  # it may be the very thing that stands in the way
        log("rows_lost", severity="ERROR", **shard.log_context(), reason=type(error).__name__)
        return None
    return replace(_GIVEN_UP, name=label(shard), files=tuple(parts)) if parts else None


def _give_up_shard(app: App, turn: Turn, id: str, left: Job | None) -> Batch | None:
    """The batch, where it ended with its shard."""
    shard = turn.get(Shard, id)
    if shard is None or shard.status is ShardStatus.COLLECTED:
        return None
    if shard.status is not ShardStatus.ENDED:
        found = left is not None and left.name == label(shard)
        begun = shard.status is ShardStatus.RUNNING or shard.tries > 0
        end(turn, replace(shard, unread=shard.unread or (begun and not found)), left if found else _GIVEN_UP)
    elif shard.job != _GIVEN_UP:
        begun = shard.job is not None and bool(shard.job.name)
        turn.put(replace(shard, job=_GIVEN_UP, unread=shard.unread or begun, lease=None, due_at=turn.now))
        turn.send("collect", shard=shard.id)
    else:
        return _give_up_batch(app, turn, shard.batch)
    return None


def _give_up_batch(app: App, turn: Turn, id: str) -> Batch | None:
    batch = turn.get(Batch, id)
    if batch is None or batch.terminal:
        return None
    purse = Purse(app, turn, batch.payers)
    to = Status.CANCELLED if batch.status is Status.CANCELLING else Status.FAILED
    batch = replace(
        advance(batch, to, at=turn.now),
        errors=(*batch.errors, _ERROR),
        counts=Counts(total=batch.counts.total, failed=batch.counts.total),
        output_file_id=None,
        error_file_id=None,
    )
    return close(app, turn, purse, batch)
