"""A ledger entry, the sums that it is added to, and those who pay: one transaction, so that they always agree."""

from collections.abc import Sequence

from shared.app import App
from shared.domain.ledger import LedgerEntry, added, empty_sums
from shared.steps.accounts import Purse
from shared.steps.commit import Turn

__all__ = ["Books"]


class Books:
    """What one entry changes. A transaction reads before it writes, so they are opened first and written last."""

    def __init__(self, app: App, turn: Turn, entry: LedgerEntry, payers: Sequence[str]) -> None:
        """Reads what is there."""
        self._turn, self._entry = turn, entry
        self.purse = Purse(app, turn, payers)
        sums = empty_sums(entry)
        turn.prefetch(*((type(empty), empty.id) for empty in sums))
        self._sums = [turn.get(type(empty), empty.id) or empty for empty in sums]

    def write(self, *, released: int) -> None:
        """`released`: nano-dollars of the reservation that were for this."""
        self._turn.add(self._entry)
        for sum in self._sums:
            self._turn.put(added(sum, self._entry))
        self.purse.spend(self._entry.cost.nano, released=released)
        self.purse.put()
