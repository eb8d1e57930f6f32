"""One shard whose lines are run one by one: what is done, what is left, and the parts in which it is kept.

Results are rows of OpenAI's batch output, keyed as the rows that were sent. A part is written once and whole, under a
name with our epoch in it; the shard's last commit names the parts that count. So what a worker writes that has been
presumed dead is in nobody's way.
"""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Counts
from shared.domain.shard import Shard
from shared.lines.read import chunks_of, lines_of
from shared.storage.ports import ABSENT, Objects

if TYPE_CHECKING:
    from shared.providers.base import Outcome

__all__ = ["MOST_HELD", "Checkpoint", "Line", "given_up", "parts_of"]

MOST_HELD: Final = 50  # rows of one shard that may be lost with us, and never more than are in flight
_LONGEST_ROW: Final = 64 * 2**20


class _Response(msgspec.Struct, gc=False):
    status_code: int


class _Row(msgspec.Struct, gc=False):
    custom_id: str
    response: _Response | None = None


_decode: Final = msgspec.json.Decoder(_Row).decode
_encode: Final = msgspec.json.Encoder().encode


class Line:
    """One line that has to be run."""

    __slots__ = ("attempt", "key", "outages", "row", "work")

    def __init__(self, work: "Checkpoint", key: str, row: bytes) -> None:
        self.work, self.key, self.row = work, key, row
        self.attempt, self.outages = work.tries.get(key, (1, 0))  # the next call that counts; times it saw the end


class Checkpoint:
    """The lines of one shard. `left` is what an earlier worker did not leave a row of."""

    def __init__(self, app: App, shard: Shard) -> None:
        self.name = shard.id
        self._objects: Objects = app.objects
        self._prefix = layout.executed_prefix(app.data_bucket, shard.batch, shard.number, shard.attempt)
        self._epoch = shard.epoch
        self._written = 0
        self._rows: list[tuple[bytes, bool]] = []
        self.tries = {key: (attempt, outages) for key, attempt, outages in shard.line_tries}
        self.refusal: Outcome | None = None  # no line of this shard will ever run here
        self._lock = threading.Lock()  # rows come in the event loop, and are written in a thread
        self._done: set[str] = set()
        self.completed = self.failed = self.calls = 0
        self.parts = parts_of(app, shard)
        for name in self.parts:
            for raw in _lines(app.objects, name):
                self._resume(raw)
        self.resumed = len(self._done)
        self.left = [line for line in self._source(app.objects, shard.source) if line.key not in self._done]
        self.total = len(self.left) + self.resumed

    @property
    def complete(self) -> bool:
        """Whether every line has its row, written or not."""
        return len(self._done) >= self.total

    @property
    def held(self) -> int:
        """Rows that would be lost with us."""
        return len(self._rows)

    @property
    def counts(self) -> Counts:
        return Counts(completed=self.completed, failed=self.failed)

    def add(self, line: Line, row: bytes, *, good: bool) -> None:
        """The row of a line; a second one is dropped."""
        if line.key in self._done:
            return
        with self._lock:
            self._rows.append((row, good))
        self._done.add(line.key)
        self.tries.pop(line.key, None)

    def done(self, line: Line) -> bool:
        """Whether a line has its row."""
        return line.key in self._done

    def note(self, line: Line) -> None:
        """Remember how often a line was tried, also for a worker after us."""
        if line.key not in self._done:
            self.tries[line.key] = line.attempt, line.outages

    def line_tries(self) -> tuple[tuple[str, int, int], ...]:
        """What has to be stored of that."""
        return tuple((key, *tried) for key, tried in sorted(self.tries.items()))

    def flush(self) -> None:
        """Write what is held as the next part."""
        with self._lock:
            rows, self._rows = self._rows, []
        if not rows:
            return
        name = f"{self._prefix}part-e{self._epoch:05d}-{self._written + 1:05d}.jsonl"
        try:
            self._objects.write(name, [row for row, _ in rows], if_generation=ABSENT)
        except BaseException:
            with self._lock:
                self._rows = [*rows, *self._rows]
            raise
        self._written += 1
        self.parts.append(name)
        good = sum(good for _, good in rows)
        self.completed += good
        self.failed += len(rows) - good

    def _resume(self, raw: bytes) -> None:
        """A row that an earlier worker left; what is no row of ours is as if it were not there."""
        try:
            row = _decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if row.response is not None and row.custom_id not in self._done:
            self._done.add(row.custom_id)
            good = row.response.status_code < 400
            self.completed += good
            self.failed += not good

    def _source(self, objects: Objects, name: str) -> Iterator[Line]:
        for raw in _lines(objects, name):
            yield Line(self, _decode(raw).custom_id, raw)


def parts_of(app: App, shard: Shard) -> list[str]:
    """The parts that workers before us have left of this attempt."""
    prefix = layout.executed_prefix(app.data_bucket, shard.batch, shard.number, shard.attempt)
    return [stat.name for stat in app.objects.list(prefix)]


def given_up(line: Line, status: int | None, said: str) -> bytes:
    """The row of a line that has had all its tries."""
    error = {"message": said, "type": "server_error", "param": None, "code": None}
    response = {"status_code": status or 500, "request_id": line.key, "body": {"error": error}}
    return _encode({"custom_id": line.key, "response": response, "error": None}) + b"\n"


def _lines(objects: Objects, name: str) -> Iterator[bytes]:
    with objects.open(name) as stream:
        for _, raw in lines_of(chunks_of(stream), longest=_LONGEST_ROW):
            if raw is not None:
                yield raw
