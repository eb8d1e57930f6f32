"""A shard given to another deployment of its group.

Only what certainly has not begun is moved, or what a failed job has left unanswered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError
from shared.domain.shard import Shard, ShardStatus, label, move_to, next_step
from shared.log import log
from shared.steps.claim import Held
from shared.steps.commit import Turn, commit
from shared.steps.cooldown import cool_down
from shared.steps.create import LOOK_AGAIN
from shared.steps.elsewhere import elsewhere
from shared.steps.patience import patience

__all__ = ["NOT_AGAIN", "SILENT", "Trouble", "add_shards", "held_within", "move"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a deployment does not run a shard now; with an error, it never will."""

    reason: str
    error: BatchError | None = None
    retry_after: float | None = None  # seconds
    dear: BatchError | None = None  # why those who pay do not let another deployment run it


NOT_AGAIN: Final = Trouble(reason="its last job there failed, or there was no room")
SILENT: Final = Trouble(reason="what it is asked for gets no answer, and nothing comes of it")


def move(app: App, held: Held[Shard], trouble: Trouble) -> Trouble | None:
    """Give another deployment the shard, of which this one certainly runs nothing; or the trouble that is left.

    Those that had no room are asked again when all others were; those that refused for good never are.
    """
    shard = held.record
    if shard.tries > 1:  # an earlier try may have made a job that cannot be seen yet
        return trouble
    here = (shard.deployment,)
    refused = (*shard.refused_by, *here) if trouble.error is not None else shard.refused_by
    busy = shard.busy_at if trouble.error is not None or here[0] in shard.busy_at else (*shard.busy_at, *here)
    dear: set[str] = set()
    if trouble.error is None and not shard.failed_for_good:  # it may wait for what it can afford
        dear = {id for id, until in shard.dear_at if until > app.now()}
    found = elsewhere(app, held, None, without={*here, *refused, *busy, *dear})
    pause, why = 0, found.dear
    if not found and trouble.error is not None and busy:  # all others had no room a while ago
        found, busy, pause = elsewhere(app, held, None, without=refused), (), patience(shard.troubles + 3)
    if not found:
        return replace(trouble, dear=why or found.dear)

    def body(turn: Turn) -> None:
        current = held.current(turn)
        due = {"due_at": turn.now + pause} if pause else {}
        _hand_over(turn, current, found.shards, refused_by=refused, busy_at=busy, troubles=current.troubles, **due)
        cool_down(turn, here[0], trouble.reason, retry_after=trouble.retry_after)

    commit(app, body)
    log("shard_moved", **shard.log_context(), was=here[0], to=found.shards[0].deployment, reason=trouble.reason)
    return None


def _hand_over(turn: Turn, shard: Shard, found: Sequence[Shard], **changes: object) -> None:
    """Give a shard that has not begun to another deployment: the first of `found` takes its place."""
    first, *others = held_within(found, shard.reserved)
    moved = replace(
        shard,
        deployment=first.deployment,
        group=first.group,
        codec=first.codec,
        executes=first.executes,
        source=first.source,
        index=first.index,
        lines=first.lines,
        rows=first.rows,
        since=first.since,
        tokens=first.tokens,
        reserved=shard.reserved - sum(each.reserved for each in others),  # what is too much there stays with the first
        status=ShardStatus.WAITING if shard.status is ShardStatus.WAITING else move_to(shard, ShardStatus.WAITING),
        attempt=shard.attempt + 1,
        tries=0,
        troubles=0,
        gone=0,
        empty_since=None,
        lost_at=None,
        left_behind=shard.left_behind if shard.lost_at is None else (*shard.left_behind, _left_behind(shard)),
        failed_for_good=False,
        dear_at=() if others else shard.dear_at,
        line_tries=(),
        rest_until=None,
        job=None,
        lease=None,
        due_at=turn.now + LOOK_AGAIN,
    )
    moved = replace(moved, **changes)  # type: ignore[arg-type]
    batch = turn.get(Batch, shard.batch) if others else None
    turn.put(moved)
    step = next_step(moved)
    if step is not None and (moved.due_at or 0) <= turn.now + LOOK_AGAIN:
        turn.send(step, shard=moved.id)
    if batch is not None:
        turn.put(add_shards(turn, batch, others, refused_by=moved.refused_by, busy_at=moved.busy_at))


def _left_behind(shard: Shard) -> str:
    return f"{shard.deployment} {label(shard)}"


def held_within(found: Sequence[Shard], most: int) -> list[Shard]:
    """The shards, each with what it is expected to cost where it is, as far as what is held back for all goes."""
    held = []
    for each in found:
        own = min(each.reserved, most)
        most -= own
        held.append(replace(each, reserved=own))
    return held


def add_shards(turn: Turn, batch: Batch, found: Sequence[Shard], **changes: object) -> Batch:
    """The batch with these shards behind its others; they get their numbers here."""
    for number, each in enumerate(found, start=batch.shards + 1):
        shard = replace(
            each,
            id=layout.shard_id(batch.id, number),
            number=number,
            due_at=turn.now + LOOK_AGAIN,
            **changes,  # type: ignore[arg-type]
        )
        turn.add(shard)
        step = next_step(shard)
        if step is not None:
            turn.send(step, shard=shard.id)
    return replace(batch, shards=batch.shards + len(found), open_shards=batch.open_shards + len(found))
