"""Lines that go to another deployment may be dearer there: those who pay have the difference, or they do not go.

It is held back before the move, on the shard that the lines come from. A worker that dies in between has held too much,
until the shard is collected; and who moves the shard next finds it held.
"""

from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain.batch import Batch, BatchError
from shared.domain.clock import MINUTE
from shared.domain.cost import Unpriced, usd
from shared.domain.shard import Shard
from shared.steps.accounts import Purse
from shared.steps.claim import Held
from shared.steps.commit import Turn, commit

__all__ = ["afford"]

_UNASKED: Final = 15 * MINUTE  # to know what lines cost elsewhere, all of them are encoded for there
_DEARER: Final = (
    "Where else these requests could run, they are expected to cost about {more} more than is held back for them"
)


def afford(app: App, held: Held[Shard], to: str, nano: int, unpriced: Unpriced) -> BatchError | None:
    """See to it that so much is held back for the shard; else why its payers do not let that happen, in numbers.

    `to`: the deployment that its lines would go to. `unpriced`: which of the lines would have no price where they go.
    """
    if nano <= held.record.reserved and not unpriced.lines:
        return None

    def body(turn: Turn) -> tuple[str, str] | None:
        shard = held.kept(turn)
        batch = turn.get(Batch, shard.batch)
        if batch is None or batch.terminal:  # it holds nothing any more
            return None
        purse, more = Purse(app, turn, batch.payers), nano - shard.reserved
        why = purse.why_unpriced(unpriced)
        if why is None and more > 0:
            why = purse.why_too_dear(more, _DEARER.format(more=usd(more)))
        if why is None and more > 0:
            purse.reserve(more)
            purse.put()
            turn.put(replace(batch, reserved=batch.reserved + more))
            turn.put(replace(shard, reserved=nano))
        if why is not None:
            others = (each for each in shard.dear_at if each[0] != to)
            turn.put(replace(shard, dear_at=(*others, (to, turn.now + _UNASKED))))
        return why

    why = commit(app, body)
    return None if why is None else BatchError(code=why[0], message=why[1])
