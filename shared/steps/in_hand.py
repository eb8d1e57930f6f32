"""A shard in hand, whose lines are run one by one: taken, kept, and let go of. Each of these is one commit.

take_in_hand ──► keep, again and again ──┬─► end       every line has its row, or will have none
                                         ├─► put_off   not here and now: another deployment, later, or for good
                                         ├─► hand_on   time is over: the rest is for the next message
                                         └─► close     something went wrong: what an error means, `claim` knows
"""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain.batch import Batch, BatchError
from shared.domain.shard import Job, JobState, Shard, ShardStatus, label, move_to
from shared.log import log
from shared.steps.checkpoint import MOST_HELD, Checkpoint, parts_of
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.move import Trouble, move
from shared.steps.submit import end

__all__ = ["InHand", "end_unbegun", "take_in_hand", "to_execute", "wound_up"]

_FLUSH: Final = 1.0  # seconds that a row may be kept before it is written


class InHand:
    """One shard and its lines. Whatever commits raises LeaseLost where the shard is not ours any more."""

    def __init__(self, app: App, stack: ExitStack, held: Held[Shard], checkpoint: Checkpoint) -> None:
        self._app, self._stack, self._held, self.checkpoint = app, stack, held, checkpoint
        self.taken_up = False  # whether its lines are in flight or wait for it
        self._flushed = self._renewed = time.monotonic()

    @property
    def shard(self) -> Shard:
        """As it was when it was taken."""
        return self._held.record

    def stopping(self) -> bool:
        """Whether its batch is over, or being wound up."""
        return _over(self._app.documents.get(Batch, self.shard.batch))

    def keep(self, now: float, *, room: int, every: float) -> None:
        """Write the rows that are due; and as often as `every` says, in seconds, keep the lease and tell the counts."""
        held = self.checkpoint.held
        if held and (now - self._flushed >= _FLUSH or held >= min(MOST_HELD, room)):
            self.checkpoint.flush()
            self._flushed = now
        if now - self._renewed >= every:
            self.checkpoint.flush()
            self._renewed = self._flushed = now
            commit(self._app, self._tell)

    def end(self, state: JobState, error: BatchError | None = None) -> None:
        """All rows are written; commit which parts count."""
        checkpoint, shard = self.checkpoint, self.shard
        checkpoint.flush()

        def body(turn: Turn) -> None:
            current = self._held.current(turn)
            job = Job(name=label(current), state=state, error=error, files=tuple(checkpoint.parts))
            end(turn, current, job)

        commit(self._app, body)
        self.close()
        log(
            "shard_executed",
            **shard.log_context(),
            state=str(state),
            lines=checkpoint.total,
            resumed=checkpoint.resumed,
            calls=checkpoint.calls,
            parts=len(checkpoint.parts),
        )

    def put_off(self, trouble: Trouble, until: int) -> None:
        """Let go of a shard that cannot be run here now: for another deployment, for later, or for good."""
        self.checkpoint.flush()
        begun = bool(self.checkpoint.parts)
        left = trouble if begun else move(self._app, self._held, trouble)
        if left is None:
            self.close()
            return
        if left.error is not None:
            self.end(JobState.FAILED, left.dear or left.error)
            return

        def body(turn: Turn) -> None:
            shard = self._held.current(turn)
            self._count(turn, shard)
            shard = self._noted(shard)
            troubles = shard.troubles + 1
            turn.put(replace(shard, lease=None, troubles=troubles, busy_at=(), rest_until=until, due_at=until))

        commit(self._app, body)
        self.close()
        log("execute_postponed", severity="WARNING", **self.shard.log_context(), reason=trouble.reason)

    def hand_on(self) -> None:
        """Leave what is not done to the next message."""
        self.checkpoint.flush()

        def body(turn: Turn) -> None:
            shard = self._held.current(turn)
            self._count(turn, shard)
            turn.put(replace(self._noted(shard), lease=None, due_at=turn.now + LOOK_AGAIN))
            turn.send("execute", shard=shard.id)

        commit(self._app, body)
        self.close()
        log("execute_continued", **self.shard.log_context(), left=self.checkpoint.total)

    def close(self, error: BaseException | None = None) -> None:
        """Let go of the shard. What an error means, `claim` knows; what is none of its own comes out again."""
        with self._stack:
            if error is not None:
                raise error

    def _tell(self, turn: Turn) -> None:
        shard = self._held.kept(turn)
        self._count(turn, shard)
        turn.put(replace(self._noted(shard), troubles=0))

    def _noted(self, shard: Shard) -> Shard:
        """What is known of its lines by now."""
        return replace(shard, counted=self.checkpoint.counts, line_tries=self.checkpoint.line_tries())

    def _count(self, turn: Turn, shard: Shard) -> None:
        """Bring the batch's live counts up to date. To be called before the shard is put."""
        batch = turn.get(Batch, shard.batch)
        counts = self.checkpoint.counts
        if batch is not None and not batch.terminal and counts != shard.counted:
            turn.put(replace(batch, counts=batch.counts + counts + shard.counted.negated()))


def to_execute(shard: Shard) -> bool:
    """Whether there are lines of this shard that are run one by one."""
    return shard.executes and shard.status in {ShardStatus.WAITING, ShardStatus.RUNNING}


def take_in_hand(app: App, id: str) -> InHand | None:
    """The shard, taken; None where somebody else has it, or it has ended, or its batch is being wound up."""
    if wound_up(app, id):
        end_unbegun(app, id)
        return None
    stack = ExitStack()
    held = stack.enter_context(claim(app, Shard, id, wanted=to_execute, change=_begun))
    if held is None:
        stack.close()
        return None
    checkpoint = None
    with ExitStack() as guard:
        guard.push(stack)  # should the next fail, the shard is let go of
        checkpoint = Checkpoint(app, held.record)
        guard.pop_all()
    return None if checkpoint is None else InHand(app, stack, held, checkpoint)


def wound_up(app: App, shard_id: str) -> bool:
    """Whether the shard's batch is over, or being wound up."""
    shard = app.documents.get(Shard, shard_id)
    return _over(app.documents.get(Batch, shard.batch) if shard is not None else None)


def end_unbegun(app: App, shard_id: str) -> None:
    """Its batch is being wound up: what an earlier worker left is collected, nothing is begun."""
    with claim(app, Shard, shard_id, wanted=to_execute, change=_begun) as held:
        if held is None:
            return
        parts = parts_of(app, held.record)

        def body(turn: Turn) -> None:
            shard = held.current(turn)
            end(turn, shard, Job(name=label(shard), state=JobState.CANCELLED, files=tuple(parts)))

        commit(app, body)


def _over(batch: Batch | None) -> bool:
    return batch is None or batch.ending is not None or batch.terminal


def _begun(shard: Shard) -> Shard:
    if shard.status is ShardStatus.RUNNING:
        return shard
    job = Job(name=label(shard), state=JobState.RUNNING)
    return replace(shard, status=move_to(shard, ShardStatus.RUNNING), job=job)
