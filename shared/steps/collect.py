"""collect(shard): one streaming pass over what the provider wrote. OpenAI rows, error rows, usage, price.

Every line of the shard gets exactly one row: the first that the provider returned for it, else one that says why there
is none. The result is committed once, with its ledger entry.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, Counts, Ending, Rows
from shared.domain.cost import LedgerEntry
from shared.domain.shard import JobState, Result, Shard, ShardStatus, move_to
from shared.lines.read import chunks_of, lines_of
from shared.lines.rows import answered, row_id, unanswered
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Answer, Codec, Entry, Provider, ProviderRow
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.finish import finalizing
from shared.steps.index import Index
from shared.steps.parts import Buffers, Parts
from shared.storage.ports import ObjectMissing

__all__ = ["collect"]

_BEAT: Final = 1024  # rows between two looks at the clock
_LONGEST_ROW: Final = 64 * 2**20  # a provider is not trusted either: what is longer is nobody's row
_GATHERED: Final = 128 * 2**20  # of rows that are pieces of lines, this much is looked at in one pass

_WHY: Final = {
    Ending.CANCELLED: "This request was not executed because the batch was cancelled.",
    Ending.EXPIRED: "This request could not be executed before the completion window expired.",
    Ending.FAILED: "This request was not executed because the batch failed.",
}


def collect(app: App, shard_id: str) -> None:
    """Move a shard from ended to collected; with the last one, its batch to finalizing."""
    with claim(app, Shard, shard_id, wanted=_wanted) as held:
        if held is None:
            return
        shard = held.record
        batch = app.documents.get(Batch, shard.batch)
        if batch is None:
            return
        work = _Work(app, held, batch)
        _commit(app, held, work.run(), work.meter)


def _wanted(shard: Shard) -> bool:
    return shard.status is ShardStatus.ENDED


class _Work:
    """One pass (several, where lines became several rows each) over one shard's predictions."""

    def __init__(self, app: App, held: Held[Shard], batch: Batch) -> None:
        shard = held.record
        self._app, self._held, self._shard = app, held, shard
        self._provider: Provider = app.provider(shard.deployment)
        self._codec: Codec = self._provider.codec_named(shard.codec)
        self._index = Index(app.objects, shard.index)
        self._row_prefix = row_id(batch.id)
        self._unfinished = _unfinished(shard, batch)
        prefix = layout.rows_prefix(app.data_bucket, shard.batch, f"{shard.number:04d}", shard.epoch)
        buffers = Buffers(app.objects, held.beat)
        self._prefix = prefix
        self._outputs: Parts = buffers.parts(prefix, "output")
        self._errors: Parts = buffers.parts(prefix, "errors")
        self._completed = self._failed = self._strange = 0
        self.meter = Meter(app.book, self._provider.price_model, self._provider.location)

    def run(self) -> Result:
        predictions = self._predictions()
        passes = self._passes(predictions)
        for number in range(passes):
            self._read(predictions, number, passes)
        self._explain_missing()
        if self._strange:
            log("rows_ignored", severity="WARNING", **self._shard.log_context(), rows=self._strange)
        return Result(
            rows=Rows(prefix=self._prefix, output_parts=self._outputs.close(), error_parts=self._errors.close()),
            counts=Counts(completed=self._completed, failed=self._failed),
            usage=self.meter.usage(),
            cost=self.meter.cost(),
            predictions=tuple(predictions),
        )

    def _predictions(self) -> list[str]:
        shard = self._shard
        if shard.job is None or not shard.job.name:
            return []
        output = layout.shard_output(self._app.work_bucket, shard.batch, shard.number, shard.attempt)
        return self._provider.predictions(shard.job, (stat.name for stat in self._app.objects.list(output)))

    def _passes(self, predictions: list[str]) -> int:
        """One, unless pieces of lines have to be gathered: then each pass gathers those of some of the lines."""
        if self._shard.rows == self._shard.lines:
            return 1
        size = sum(self._app.objects.stat(name).size for name in predictions)
        return 1 + size // _GATHERED

    def _read(self, predictions: list[str], number: int, passes: int) -> None:
        gathered: dict[int, list[ProviderRow | None]] = {}
        for count, raw in enumerate(self._raw_rows(predictions), start=1):
            if count & (_BEAT - 1) == 0:
                self._held.beat()
            row = self._codec.read(raw) if raw is not None else None
            position = self._index.find(row.ordinal) if row is not None else None
            if row is None or position is None:
                self._strange += number == 0
            elif position % passes != number or self._index.done(position):
                continue
            elif row.count == 1:
                self._answer(position, [row])
            else:
                pieces = gathered.setdefault(position, [None] * row.count)
                if row.count == len(pieces) and 0 <= row.index < row.count and pieces[row.index] is None:
                    pieces[row.index] = row
                whole = [piece for piece in pieces if piece is not None]
                if len(whole) == len(pieces):
                    self._answer(position, whole)
                    del gathered[position]

    def _raw_rows(self, predictions: list[str]) -> Iterator[bytes | None]:
        for name in predictions:
            try:
                stream = self._app.objects.open(name)
            except ObjectMissing:  # what it held will be missing, and said to be
                log("predictions_missing", severity="ERROR", **self._shard.log_context(), object=name)
                continue
            with stream:
                for _, raw in lines_of(chunks_of(stream), longest=_LONGEST_ROW):
                    yield raw

    def _answer(self, position: int, rows: list[ProviderRow]) -> None:
        entry = self._index.entry(position)
        answer = self._codec.answer(rows, entry)
        self._index.finish(position)
        self._write(entry, answer)

    def _write(self, entry: Entry, answer: Answer) -> None:
        line = answered(self._row_prefix, entry.ordinal, entry.custom_id, answer)
        if answer.status < 400:
            self._completed += 1
            self._outputs.add(line)
        else:
            self._failed += 1
            self._errors.add(line)
        if answer.tokens is not None:
            self.meter.add(answer.tokens, answer.day or self._app.today())
        elif answer.status < 400:
            self.meter.miss()

    def _explain_missing(self) -> None:
        why = self._unfinished
        for count, position in enumerate(self._index.missing(), start=1):
            if count & (_BEAT - 1) == 0:
                self._held.beat()
            entry = self._index.entry(position)
            self._errors.add(
                unanswered(self._row_prefix, entry.ordinal, entry.custom_id, code=why.code, message=why.message)
            )
            self._failed += why.counts


@dataclass(frozen=True, slots=True)
class _Why:
    """Why a line has no answer, and whether it counts as failed: OpenAI does not count expired lines."""

    code: str
    message: str
    counts: bool


def _unfinished(shard: Shard, batch: Batch) -> _Why:
    job = shard.job
    if batch.ending is not None:
        return _Why(batch.ending.value, _WHY[batch.ending], counts=batch.ending is Ending.FAILED)
    if job is not None and job.state in {JobState.EXPIRED, JobState.CANCELLED}:
        return _Why(Ending.EXPIRED.value, _WHY[Ending.EXPIRED], counts=False)
    if job is not None and job.state is JobState.SUCCEEDED:
        return _Why("missing_result", "The provider returned no result for this request.", counts=True)
    reason = f" The provider says: {job.error.message}" if job is not None and job.error is not None else ""
    return _Why(Ending.FAILED.value, _WHY[Ending.FAILED] + reason, counts=True)


def _commit(app: App, held: Held[Shard], result: Result, meter: Meter) -> None:
    provider = app.provider(held.record.deployment)

    def body(turn: Turn) -> None:
        shard = held.current(turn)
        batch = turn.get(Batch, shard.batch)
        turn.put(
            replace(
                shard,
                status=move_to(shard, ShardStatus.COLLECTED),
                result=result,
                counted=result.counts,
                lease=None,
                due_at=None,
            )
        )
        if batch is None:
            return
        turn.add(
            LedgerEntry(
                id=shard.id,
                batch=batch.id,
                owner=batch.owner,
                team=batch.team,
                group=shard.group,
                deployment=shard.deployment,
                model=provider.price_model,
                book=app.book.version,
                tokens=meter.tokens(),
                cost=result.cost,
                created_at=turn.now,
            )
        )
        batch = replace(
            batch,
            counts=batch.counts + shard.counted.negated() + result.counts,
            usage=batch.usage + result.usage,
            cost=batch.cost + result.cost,
            open_shards=batch.open_shards - 1,
        )
        if not batch.terminal:  # a batch that was given up has said all it will say
            turn.put(finalizing(turn, batch) if batch.open_shards == 0 else batch)

    commit(app, body)
    log(
        "shard_collected",
        **held.record.log_context(),
        completed=result.counts.completed,
        failed=result.counts.failed,
        usd=result.cost.total,
    )
