"""A shard's index in memory: from a line's ordinal to what we remember of it, and whether it has had its row.

Rows come back in any order, some twice, some never. 200,000 lines take about fifteen megabytes: the index itself as
one block of bytes, a number and an offset for each line, and one byte that says whether the line is done.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

import msgspec

from shared.lines.read import chunks_of
from shared.providers.base import Entry
from shared.storage.ports import Objects

__all__ = ["Index"]

_decode = msgspec.json.Decoder(Entry).decode


class Index:
    """Lines of one shard, by ordinal."""

    def __init__(self, objects: Objects, name: str) -> None:
        with objects.open(name) as stream:
            self._block = b"".join(chunks_of(stream))
        self.ordinals, self._starts = array("L"), array("L")  # the first is what a move needs
        start = 0
        while (end := self._block.find(b"\n", start)) >= 0:
            self._starts.append(start)
            self.ordinals.append(int(self._block[start + 1 : self._block.index(b",", start)]))
            start = end + 1
        self._starts.append(start)
        self._done = bytearray(len(self.ordinals))

    def __len__(self) -> int:
        return len(self.ordinals)

    def find(self, ordinal: int) -> int | None:
        """The position of a line, or None where the shard has no such line."""
        position = bisect_left(self.ordinals, ordinal)
        if position < len(self.ordinals) and self.ordinals[position] == ordinal:
            return position
        return None

    def entry(self, position: int) -> Entry:
        return _decode(memoryview(self._block)[self._starts[position] : self._starts[position + 1]])

    def done(self, position: int) -> bool:
        return self._done[position] != 0

    def finish(self, position: int) -> None:
        self._done[position] = 1

    def missing(self) -> Iterator[int]:
        """Positions of lines that have had no row."""
        position = self._done.find(0)
        while position >= 0:
            yield position
            position = self._done.find(0, position + 1)
