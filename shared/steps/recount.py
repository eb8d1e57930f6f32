"""What the rows of one shard have used: a pass over its predictions for the sake of the meter alone.

What `collect` remembers of the lines may have been thrown away by then: tokens can do without, as long as a row says
whose it is.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from shared.app import App
from shared.domain.cost import Cost
from shared.domain.shard import Job, JobState, Shard
from shared.lines.read import chunks_of, lines_of
from shared.pricing.meter import Meter
from shared.providers.base import Codec, Entry, Provider, ProviderRow
from shared.steps.index import Index
from shared.steps.match import Matcher
from shared.storage.ports import ObjectMissing

__all__ = ["Recount", "Unreadable"]

_BEAT: Final = 1024  # rows between two looks at the clock
_LONGEST_ROW: Final = 64 * 2**20
_MOST_HELD: Final = 64 * 2**20  # bytes of rows whose lines have more; in memory they are about twice as much


class Unreadable(Exception):
    """Rows cannot be counted; the message says which: "whose …"."""


class Recount:
    """Lines and tokens of a shard, each line once, however many rows there are of it."""

    def __init__(self, app: App, provider: Provider, shard: Shard, *, day: str) -> None:
        """`day`: of what does not say when it was answered."""
        self._app, self._shard, self._day = app, shard, day
        self.meter = Meter(app.book, provider.price_model, provider.location)
        self._codec = provider.codec_named(shard.codec)
        self._index = _index(app, shard)
        self._matcher = None if self._index is None else Matcher(self._index)
        self._done: set[int] = set()
        self._good = 0

    def read(self, names: Sequence[str], beat: Callable[[], None] = lambda: None) -> None:
        """Count what these objects hold. Unreadable in the midst of it: what was counted stays counted."""
        pieces: dict[int, dict[int, ProviderRow]] = {}
        sizes: dict[int, int] = {}
        held = 0
        for count, raw in enumerate(self._rows(names), start=1):
            if count & (_BEAT - 1) == 0:
                beat()
            row = self._codec.read(raw)
            position = None if row is None else self._place(row)
            if row is None or position is None or position in self._done:
                continue
            of_line = pieces.setdefault(position, {})
            if row.index not in of_line:
                of_line[row.index] = row
                sizes[position] = sizes.get(position, 0) + len(raw)
                held += len(raw)
            if len(of_line) == row.count:
                self._answer(self._codec, position, [of_line[number] for number in sorted(of_line)])
                del pieces[position]
                held -= sizes.pop(position)
            if held > _MOST_HELD:
                raise Unreadable("whose rows are too many to be brought together")

    def unread(self, job: Job, names: Sequence[str]) -> int:
        """Lines that ran, as the provider says of a job that is over, and that were not to be read."""
        if job.state is JobState.SUCCEEDED and not names:
            return self.left
        counted = (job.completed or 0) * self._shard.lines // max(self._shard.rows, 1)
        return max(0, min(counted, self._shard.lines) - self._good)

    @property
    def left(self) -> int:
        """Lines of which nothing was read."""
        return max(0, self._shard.lines - len(self._done))

    def cost(self, unread: int = 0) -> Cost:
        return self.meter.cost() + Cost(unpriced_lines=unread)

    def _place(self, row: ProviderRow) -> int | None:
        if self._matcher is not None:
            return self._matcher.place(row)
        if row.match is not None:
            raise Unreadable("whose index is gone")
        return row.ordinal

    def _answer(self, codec: Codec, position: int, rows: list[ProviderRow]) -> None:
        entry = Entry(position, "", "", None, len(rows)) if self._index is None else self._index.entry(position)
        if len(rows) != entry.rows:
            return
        answer = codec.answer(rows, entry)
        if answer.never_ran is not None:
            return
        self._done.add(position)
        self._good += answer.status < 400
        if answer.tokens is not None:
            self.meter.add(answer.tokens, answer.day or self._day, extra=answer.extra)
        elif answer.status < 400:
            self.meter.miss()

    def _rows(self, names: Sequence[str]) -> Iterator[bytes]:
        for name in names:
            try:
                stream = self._app.objects.open(name)
            except ObjectMissing:
                raise Unreadable("whose predictions are gone") from None
            with stream:
                for _, raw in lines_of(chunks_of(stream), longest=_LONGEST_ROW):
                    if raw is not None:
                        yield raw


def _index(app: App, shard: Shard) -> Index | None:
    """What is remembered of the lines; None once the batch's waste was thrown away."""
    try:
        return Index(app.objects, shard.index)
    except ObjectMissing:
        return None
