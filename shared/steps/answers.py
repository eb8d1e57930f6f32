"""The answers to one shard's lines: each line gets exactly one row, the first that the provider returned for it, else
one that says why there is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError, Counts, Ending, Rows
from shared.domain.shard import JobState, Shard
from shared.lines.native import unanswered_native
from shared.lines.rows import answered, line_of, row_id, unanswered
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Answer, Codec, Entry, NeverRan, Provider, ProviderRow
from shared.steps.claim import Held
from shared.steps.index import Index
from shared.steps.match import Matcher
from shared.steps.parts import Buffers, Parts
from shared.steps.predictions import Predictions

__all__ = ["Answers"]

_BEAT: Final = 1024  # rows between two looks at the clock
_HEAP: Final = 32 * 2**20  # of rows that are pieces of lines, about this much is held at once

_DEAR: Final = "budget_exceeded"
_STOPPED: Final = frozenset({Ending.CANCELLED.value, Ending.EXPIRED.value})
_WHY: Final = {
    Ending.CANCELLED: "This request was not executed because the batch was cancelled.",
    Ending.EXPIRED: "This request could not be executed before the completion window expired.",
    Ending.FAILED: "This request was not executed because the batch failed.",
}


class Answers:
    """One pass over a shard's predictions. Without a provider all its lines end as lines that never ran."""

    def __init__(self, app: App, held: Held[Shard], batch: Batch, provider: Provider | None) -> None:
        shard = held.record
        self._app, self._held, self._shard, self._batch = app, held, shard, batch
        self._codec = provider.codec_named(shard.codec) if provider else None
        self.index = Index(app.objects, shard.index)
        self._matcher = Matcher(self.index)
        self._row_prefix = row_id(batch.id)
        self._prefix = layout.rows_prefix(app.data_bucket, shard.batch, f"{shard.number:04d}", shard.epoch)
        self._buffers = Buffers(app.objects, held.beat)
        self._outputs = self._buffers.parts(self._prefix, "output")
        self._errors = self._buffers.parts(self._prefix, "errors")
        self._completed = self._failed = self._strange = 0
        model, location = (provider.price_model, provider.location) if provider else ("", "")
        self.meter = Meter(app.book, model, location)

    @property
    def counts(self) -> Counts:
        return Counts(completed=self._completed, failed=self._failed)

    def close(self) -> Rows:
        """Everything is written."""
        return Rows(prefix=self._prefix, output_parts=self._outputs.close(), error_parts=self._errors.close())

    def read(self, predictions: Predictions) -> None:
        """Answer each line whose row this is. Rows that are nobody's are counted, and logged."""
        if self._codec is not None:
            self._read(self._codec, predictions)
        if self._strange:
            log("rows_ignored", severity="WARNING", **self._shard.log_context(), rows=self._strange)

    def explain_missing(self, dear: BatchError | None = None) -> None:
        """Answer every line that has got none. `dear`: why those who pay did not let another deployment run them."""
        why = _why(self._shard, self._batch, dear)
        for count, position in enumerate(self.index.missing(), start=1):
            if count & (_BEAT - 1) == 0:
                self._held.beat()
            entry = self.index.entry(position)
            self._unanswered(entry, why.code, why.message)
            self._failed += why.counts

    def _read(self, codec: Codec, predictions: Predictions) -> None:
        """Rows that are pieces of lines are put aside, by line."""
        aside = self._aside(predictions)
        for count, raw in enumerate(predictions.rows(), start=1):
            if count & (_BEAT - 1) == 0:
                self._held.beat()
            row = codec.read(raw) if raw is not None else None
            position = self._matcher.place(row) if row is not None else None
            if raw is None or row is None or position is None or (row.count > 1 and not aside):
                self._strange += 1
            elif self.index.done(position):
                continue
            elif row.count > 1:
                aside[position % len(aside)].add(b"%d %d %d %b\n" % (position, row.index, row.count, raw))
            else:
                self._answer(codec, position, [row])
        for pieces in aside:
            pieces.close()
            self._gather(codec, predictions.rows(pieces.names))

    def _aside(self, predictions: Predictions) -> list[Parts]:
        """Where pieces of lines wait for each other, in heaps that fit into memory one at a time."""
        if self._shard.rows == self._shard.lines:
            return []
        heaps = 1 + predictions.size // _HEAP
        return [self._buffers.parts(self._prefix, f"pieces-{heap:04d}") for heap in range(heaps)]

    def _gather(self, codec: Codec, rows: Iterator[bytes | None]) -> None:
        """Bring the pieces of each line together; a line that misses one has no answer."""
        lines: dict[int, list[bytes | None]] = {}
        for piece in rows:
            if piece is None:  # a row that only just was not too long, before its place stood in front of it
                continue
            at, index, count, raw = piece.split(b" ", 3)
            position, number = int(at), int(index)
            if self.index.done(position):
                continue
            if position not in lines:
                lines[position] = [None] * self.index.entry(position).rows
            pieces = lines[position]
            if int(count) != len(pieces) or not 0 <= number < len(pieces):
                self._strange += 1
                continue
            pieces[number] = pieces[number] or raw
            if None not in pieces:
                self._held.beat()
                self._answer(codec, position, _rows_of(codec, pieces))
                del lines[position]

    def _answer(self, codec: Codec, position: int, rows: list[ProviderRow]) -> None:
        entry = self.index.entry(position)
        if len(rows) != entry.rows:  # not what we sent: whatever it is, it is no answer to this line
            self._strange += 1
            return
        answer = codec.answer(rows, entry)
        if answer.never_ran is not None:
            self._refused(position, entry, answer.never_ran)
            return
        self.index.finish(position)
        self._write(entry, answer)

    def _refused(self, position: int, entry: Entry, said: NeverRan) -> None:
        """That a line was stopped with its job is said below, in the words of its batch: it may have been cancelled."""
        if said.code in _STOPPED:
            return
        self.index.finish(position)
        self._unanswered(entry, said.code, said.message)
        self._failed += 1

    def _unanswered(self, entry: Entry, code: str, message: str) -> None:
        if self._batch.native:
            self._errors.add(unanswered_native(entry.custom_id, entry.ordinal, code=code, message=message))
        else:
            self._errors.add(unanswered(self._row_prefix, entry.ordinal, entry.custom_id, code=code, message=message))

    def _write(self, entry: Entry, answer: Answer) -> None:
        if answer.raw is not None:
            line = line_of(answer.raw)
        else:
            line = answered(self._row_prefix, entry.ordinal, entry.custom_id, answer)
        if answer.status < 400:
            self._completed += 1
            self._outputs.add(line)
        else:
            self._failed += 1
            self._errors.add(line)
        if answer.tokens is not None:
            self.meter.add(answer.tokens, answer.day or self._app.today(), extra=answer.extra)
        elif answer.status < 400:
            self.meter.miss()


def _rows_of(codec: Codec, pieces: list[bytes | None]) -> list[ProviderRow]:
    """The rows of one line, each knowing which of them it is: not every provider's rows say so."""
    rows = []
    for number, raw in enumerate(pieces):
        row = codec.read(raw) if raw is not None else None
        if row is not None:
            row.index, row.count = number, len(pieces)
            rows.append(row)
    return rows


@dataclass(frozen=True, slots=True)
class _Why:
    """Why a line has no answer, and whether it counts as failed: OpenAI does not count expired lines."""

    code: str
    message: str
    counts: bool


def _why(shard: Shard, batch: Batch, dear: BatchError | None) -> _Why:
    job = shard.job
    if dear is None and job is not None and job.error is not None and (not job.name or shard.executes):
        dear = job.error if job.error.code == _DEAR else None  # a move has found that out
    if batch.ending is not None:
        return _Why(batch.ending.value, _WHY[batch.ending], counts=batch.ending is Ending.FAILED)
    if job is not None and job.state in {JobState.EXPIRED, JobState.CANCELLED}:
        return _Why(Ending.EXPIRED.value, _WHY[Ending.EXPIRED], counts=False)
    if job is not None and job.state is JobState.SUCCEEDED:
        return _Why("missing_result", "The provider returned no result for this request.", counts=True)
    if dear is not None:
        return _Why(dear.code, dear.message, counts=True)
    reason = f" The provider says: {job.error.message}" if job is not None and job.error is not None else ""
    return _Why(Ending.FAILED.value, _WHY[Ending.FAILED] + reason, counts=True)
