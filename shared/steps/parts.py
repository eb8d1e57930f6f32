"""Rows on their way into objects: gathered in memory up to a bound, written as numbered parts, joined at the end.

All the streams of one step share one bound, so that a file of twenty models needs no more memory than one of one.
"""

from collections.abc import Callable
from typing import Final

from shared.storage.ports import Objects

__all__ = ["Buffers", "Parts"]

_PART: Final = 6 * 2**20  # with the line that fills it, one request of Cloud Storage's adapter: that takes 8 MiB
_TOTAL: Final = 24 * 2**20


class Buffers:
    """What all open streams of one step hold together. `beat` is called with every part that is written."""

    def __init__(self, objects: Objects, beat: Callable[[], None]) -> None:
        self.objects, self.beat = objects, beat
        self.open: list[Parts] = []
        self.held = 0

    def parts(self, prefix: str, kind: str) -> "Parts":
        """A new stream of `<prefix>/<kind>-00001.jsonl` and so on."""
        stream = Parts(self, prefix, kind)
        self.open.append(stream)
        return stream

    def bound(self) -> None:
        """Write the fullest stream."""
        max(self.open, key=lambda stream: stream.held).flush()


class Parts:
    """One stream of rows."""

    def __init__(self, buffers: Buffers, prefix: str, kind: str) -> None:
        self._buffers, self._prefix, self._kind = buffers, prefix, kind
        self._rows: list[bytes] = []
        self.names: list[str] = []
        self.held = 0
        self.written = 0

    @property
    def size(self) -> int:
        """Bytes of all that was added."""
        return self.written + self.held

    def add(self, row: bytes) -> None:
        """One or more rows, each ended by a newline."""
        size, buffers = len(row), self._buffers
        self._rows.append(row)
        self.held += size
        buffers.held += size
        if self.held >= _PART:
            self.flush()
        elif buffers.held >= _TOTAL:
            buffers.bound()

    def flush(self) -> None:
        """Write what is held as the next part."""
        if self._rows:
            self._write(f"{self._prefix}/{self._kind}-{len(self.names) + 1:05d}.jsonl")

    def close(self) -> int:
        """Write what is left; how many parts there are."""
        self.flush()
        self._buffers.open.remove(self)
        return len(self.names)

    def join(self) -> str:
        """Write what is left, and make one object of all of it: `<prefix>/<kind>.jsonl`."""
        whole = f"{self._prefix}/{self._kind}.jsonl"
        if self.names:
            self.flush()
            self._buffers.objects.compose(whole, self.names)
        else:
            self._write(whole)
        self._buffers.open.remove(self)
        return whole

    def _write(self, name: str) -> None:
        self._buffers.beat()
        self._buffers.objects.write(name, self._rows)
        self._buffers.held -= self.held
        self.names.append(name)
        self.written += self.held
        self._rows, self.held = [], 0
