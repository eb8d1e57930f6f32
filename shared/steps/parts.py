"""Rows on their way into objects: gathered in memory up to a bound, written as numbered parts, joined at the end.

All the streams of one step share one bound, so that a file of twenty models needs no more memory than one of one.
"""

from collections.abc import Callable
from typing import Final

from shared.storage.ports import Objects

__all__ = ["Buffers", "Parts"]

_LOOK: Final = 2**20  # how much a stream grows between two looks at the bounds
_PART: Final = 8 * 2**20
_TOTAL: Final = 24 * 2**20


class Buffers:
    """What all open streams of one step hold together. `beat` is called with every part that is written."""

    def __init__(self, objects: Objects, beat: Callable[[], None]) -> None:
        self.objects, self.beat = objects, beat
        self.open: list[Parts] = []

    def parts(self, prefix: str, kind: str) -> "Parts":
        """A new stream of `<prefix>/<kind>-00001.jsonl` and so on."""
        stream = Parts(self, prefix, kind)
        self.open.append(stream)
        return stream

    def bound(self) -> None:
        """Write the fullest streams until all of them together are small enough."""
        while sum(stream.held for stream in self.open) > _TOTAL:
            max(self.open, key=lambda stream: stream.held).flush()


class Parts:
    """One stream of rows."""

    def __init__(self, buffers: Buffers, prefix: str, kind: str) -> None:
        self._buffers, self._prefix, self._kind = buffers, prefix, kind
        self._rows: list[bytes] = []
        self._names: list[str] = []
        self._look_at = _LOOK
        self.held = 0
        self.written = 0

    @property
    def size(self) -> int:
        """All that was added."""
        return self.written + self.held

    def add(self, row: bytes) -> None:
        """One or more rows, each ended by a newline."""
        self._rows.append(row)
        self.held += len(row)
        if self.held >= self._look_at:
            self._look_at += _LOOK
            if self.held >= _PART:
                self.flush()
            self._buffers.bound()

    def flush(self) -> None:
        """Write what is held as the next part."""
        if self._rows:
            self._write(f"{self._prefix}/{self._kind}-{len(self._names) + 1:05d}.jsonl")

    def close(self) -> int:
        """Write what is left; how many parts there are."""
        self.flush()
        self._buffers.open.remove(self)
        return len(self._names)

    def join(self) -> str:
        """Write what is left, and make one object of all of it: `<prefix>/<kind>.jsonl`."""
        whole = f"{self._prefix}/{self._kind}.jsonl"
        if self._names:
            self.flush()
            self._buffers.objects.compose(whole, self._names)
        else:
            self._write(whole)
        self._buffers.open.remove(self)
        return whole

    def _write(self, name: str) -> None:
        self._buffers.beat()
        self._buffers.objects.write(name, self._rows)
        self._names.append(name)
        self.written += self.held
        self._rows, self.held, self._look_at = [], 0, _LOOK
