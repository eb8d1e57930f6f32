"""Whose row is this? By the key that we gave it or, where a provider gives none back, by what it asked for.

Rows that asked for the same are interchangeable: the first that comes back answers the first that was sent.
"""

from collections import defaultdict, deque

import msgspec

from shared.providers.base import Encoded, Entry, ProviderRow, RequestLine
from shared.steps.index import Index

__all__ = ["Matcher", "entry_of"]

_MATCH = "match"  # the one hint that is ours; the others are the codec's


def entry_of(ordinal: int, line: RequestLine, model: str, encoded: Encoded) -> Entry:
    """What has to be remembered of a line as it was encoded."""
    hints = encoded.hints
    if encoded.match is not None:
        hints = {**(hints or {}), _MATCH: encoded.match}
    return Entry(ordinal, line.custom_id, model, hints, encoded.count)


class Matcher:
    """The lines of one shard, to be found by rows."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._waiting: dict[str, deque[tuple[int, int, int]]] | None = None

    def place(self, row: ProviderRow) -> int | None:
        """The position of the row's line in the index; None where it is nobody's. Fills in what a row does not say."""
        if row.match is None:
            return self._index.find(row.ordinal)
        if self._waiting is None:
            self._waiting = self._read()
        waiting = self._waiting.get(row.match)
        if not waiting:
            return None
        position, row.index, row.count = waiting.popleft()
        row.ordinal = self._index.ordinals[position]
        return position

    def _read(self) -> dict[str, deque[tuple[int, int, int]]]:
        """For each content the rows that asked for it, in order: whose, which of its rows, of how many."""
        found: dict[str, deque[tuple[int, int, int]]] = defaultdict(deque)
        for position in range(len(self._index)):
            entry = self._index.entry(position)
            for number, content in enumerate(msgspec.convert((entry.hints or {}).get(_MATCH, []), list[str])):
                found[content].append((position, number, entry.rows))
        return found
