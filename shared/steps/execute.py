"""execute(shard): run its lines one by one, where the server has no batch API. Instead of submit and check.

a slot of the deployment ──► lines in flight ──► parts, every second or so ──► ended, and the next shard that waits here
   └ none is free: whoever has one will come to it        │
                                                           └ 7 minutes are over: the rest is for the next message
What a worker leaves that dies is found again: all rows in the parts that it wrote. Only what was in flight, and what of
its rows was not written yet, is run twice.
"""

import asyncio
from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain.clock import MINUTE
from shared.domain.shard import Shard
from shared.steps.commit import Turn, commit
from shared.steps.in_hand import end_unbegun, to_execute, wound_up
from shared.steps.slots import Seat, take_seat
from shared.steps.worker import Worker

__all__ = ["execute"]

_QUEUED: Final = 5 * MINUTE


def execute(app: App, shard_id: str) -> None:
    """Run the lines of this shard, and of others that wait for the same deployment, as far as time allows."""
    shard = app.documents.get(Shard, shard_id)
    if shard is None or not to_execute(shard):
        return
    if wound_up(app, shard_id):
        end_unbegun(app, shard_id)
        return
    provider = app.provider(shard.deployment)
    first: str | None = shard_id
    while True:
        seat = take_seat(app, shard.deployment, provider.parallel)
        if not isinstance(seat, Seat):  # others have the slots, or wait for the server: they will come to this shard
            _postpone(app, shard, until=max(seat or 0, app.now() + _QUEUED))
            return
        worker = Worker(app, provider, seat, shard.deployment)
        asyncio.run(worker.work(first))
        # Who came when this worker was about to leave found no slot, and has left the shard to it.
        if not (worker.ran_dry and worker.opened and worker.waiting()):
            return
        first = None


def _postpone(app: App, seen: Shard, *, until: int) -> None:
    def body(turn: Turn) -> None:
        shard = turn.get(Shard, seen.id)
        if shard is not None and to_execute(shard) and shard.lease is None:
            turn.put(replace(shard, due_at=until))

    commit(app, body)
