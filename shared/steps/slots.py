"""Slots: all workers together never have more lines in flight at a deployment than it may.

A deployment that may have 64 lines in flight has two slots of 32. A worker holds one while it runs lines there, and
goes on from shard to shard; who finds no slot leaves its shard to those who have one.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import uuid4

from shared.app import App
from shared.domain.clock import SECOND
from shared.domain.ids import derived
from shared.domain.lease import LEASE, Lease
from shared.domain.places import Slot, place_of
from shared.storage.ports import Transaction

__all__ = ["Seat", "take_seat"]

_SIZE: Final = 32  # lines of one slot at most
_CLOSED: Final = (2, 4, 8, 16, 30, 60)  # seconds that a circuit stays open, by how often it was found so in a row


class Seat:
    """A slot that is ours for a while."""

    def __init__(self, app: App, slot: Slot, worker: str, lines: int) -> None:
        self._app, self._worker, self.lines = app, worker, lines
        self.slot = slot

    def renew(self) -> bool:
        """Keep it; False where it is not ours any more."""
        return self._put(replace(self.slot, lease=self._lease()))

    def leave(self, window: float) -> None:
        """Give it back, with what was learnt of the server."""
        self._put(replace(self.slot, lease=None, window=window, closed_until=None, troubles=0))

    def close(self, window: float) -> int:
        """Give it back and let nobody else try for a while; until when."""
        pause = _CLOSED[min(self.slot.troubles, len(_CLOSED) - 1)] * SECOND
        until = self._app.now() + pause
        self._put(replace(self.slot, lease=None, window=window, closed_until=until, troubles=self.slot.troubles + 1))
        return until

    def _lease(self) -> Lease:
        return Lease(owner=self._worker, until=self._app.now() + LEASE)

    def _put(self, slot: Slot) -> bool:
        def body(tx: Transaction) -> bool:
            now_there = tx.get(Slot, slot.id)
            if now_there is None or now_there.lease is None or now_there.lease.owner != self._worker:
                return False
            tx.put(slot)
            return True

        ours = self._app.documents.transact(body)
        if ours:
            self.slot = slot
        return ours


def take_seat(app: App, deployment: str, parallel: int) -> Seat | int | None:
    """A free slot of the deployment; None where there is none; the time until which its circuit is open.

    `parallel`: lines that it may have in flight.
    """
    count = -(-parallel // _SIZE)
    worker = uuid4().hex
    closed = 0
    for number in range(count):
        found = app.documents.transact(_taking(app, derived(place_of(deployment), str(number)), worker))
        if isinstance(found, Slot):
            return Seat(app, found, worker, parallel // count)
        closed = max(closed, found)
    return closed or None


def _taking(app: App, id: str, worker: str) -> Callable[[Transaction], Slot | int]:
    def body(tx: Transaction) -> Slot | int:
        """The slot, taken; or until when its circuit is open, 0 where somebody has it."""
        now = app.now()
        slot = tx.get(Slot, id) or Slot(id=id)
        if slot.lease is not None and not slot.lease.open_to(worker, now):
            return 0
        if slot.closed_until is not None and slot.closed_until > now:
            return slot.closed_until
        taken = replace(slot, lease=Lease(owner=worker, until=now + LEASE))
        tx.put(taken)
        return taken

    return body
