"""Rows of objects that somebody else wrote: all of them, or pieces at places that chance chooses anew each time.

objects, end to end   ├────────┼───────────────────┼──┼────────────┤
one piece of each         ▂▂        ▂▂         ▂▂        ▂▂    ▂▂       rows that begin in it, each whole
equal stretch

Every row is as likely to be looked at as any other, however long it is and wherever it lies: who writes rows cannot
know which ones will be seen.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from secrets import SystemRandom
from typing import Final

from shared.storage.ports import ObjectMissing, Objects, Stat

__all__ = ["Pieces", "every_row", "small"]

_WHOLE: Final = 8 * 2**20  # bytes of inputs that are read whole
_FEW: Final = 64  # objects of these
_PIECES: Final = 32
_MOST_READ: Final = 64 * 2**20  # bytes for all pieces: a row that begins in one may be long
_MOST_OPENED: Final = 128  # times, where there are very many small objects
_LONGEST: Final = 20 * 2**20  # bytes of a row; of a longer one, so much is seen

_chance: Final = SystemRandom()


def small(stats: Sequence[Stat]) -> bool:
    """Whether there is so little that all of it can be read."""
    return len(stats) <= _FEW and sum(stat.size for stat in stats) <= _WHOLE


def every_row(objects: Objects, stats: Sequence[Stat]) -> Iterator[bytes]:
    for stat in stats:
        yield from _begun(objects, stat.name, 0, stat.size)


class Pieces:
    """One look at objects that are too large for more: so many bytes at each of the places."""

    def __init__(self, objects: Objects, stats: Sequence[Stat], size: int) -> None:
        """`size`: of one piece."""
        self._objects = objects
        self._stats = [stat for stat in stats if stat.size]
        self._ends = list(accumulate(stat.size for stat in self._stats))
        self._all = self._ends[-1] if self._ends else 0
        self._size = min(size, -(-self._all // _PIECES))
        self._read = self._opened = 0

    def rows(self) -> Iterator[bytes]:
        """Those that begin in a piece, blank ones too, until so much has been read that it has to be enough."""
        stretches = [*range(_PIECES)]
        _chance.shuffle(stretches)
        for stretch in stretches:
            for row in self._piece(int((stretch + _chance.random()) * self._all / _PIECES)):
                self._read += len(row)
                yield row
                if self._read >= _MOST_READ:
                    return

    def _piece(self, at: int) -> Iterator[bytes]:
        """Behind the last object comes the first one again: else their first rows were looked at less often."""
        left = self._size
        while left > 0 and self._opened < _MOST_OPENED:
            at %= self._all
            number = bisect_right(self._ends, at)
            stat, rest = self._stats[number], self._ends[number] - at
            here = min(left, rest)
            self._opened += 1
            yield from _begun(self._objects, stat.name, stat.size - rest, here)
            at, left = at + here, left - here


def _begun(objects: Objects, name: str, first: int, length: int) -> Iterator[bytes]:
    """The whole rows of which the first byte is one of these; of an object that has just gone, none."""
    at = max(0, first - 1)
    with suppress(ObjectMissing), objects.open(name, offset=at) as stream:
        if first:
            before = stream.readline(length)  # what is left of the row that began before
            at += len(before)
            if not before.endswith(b"\n"):
                return
        while at < first + length and (row := stream.readline(_LONGEST)):
            at += len(row)
            yield row
            if not row.endswith(b"\n"):
                return
