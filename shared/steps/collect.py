"""collect(shard): one streaming pass over what the provider wrote. OpenAI rows, error rows, usage, price.

Every line of the shard gets exactly one row: the first that the provider returned for it, else one that says why there
is none. Where a job failed half way, the lines that it left become new shards instead, at another deployment. The
result is committed once, with its ledger entry.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App, Unconfigured
from shared.domain import layout
from shared.domain.batch import Batch, Counts, Ending, Rows, Status
from shared.domain.clock import MINUTE
from shared.domain.errors import Transient
from shared.domain.ledger import LedgerEntry
from shared.domain.shard import JobState, Result, Shard, ShardStatus, move_to
from shared.lines.native import unanswered_native
from shared.lines.read import chunks_of, lines_of
from shared.lines.rows import answered, line_of, row_id, unanswered
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Answer, Codec, Entry, JobMissing, NeverRan, ProviderRow
from shared.steps.books import Books
from shared.steps.cancel import overdue
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.cooldown import cool_down
from shared.steps.elsewhere import elsewhere
from shared.steps.expect import note_habit
from shared.steps.finish import finalizing
from shared.steps.index import Index
from shared.steps.match import Matcher
from shared.steps.move import add_shards, held_within
from shared.steps.parts import Buffers, Parts
from shared.steps.tidy import tidy
from shared.storage.ports import ObjectMissing

__all__ = ["collect"]

_BEAT: Final = 1024  # rows between two looks at the clock
_MOST_RERUNS: Final = 2  # of the same lines
_GONE_AFTER: Final = 5 * MINUTE  # of a provider saying so
_LONGEST_ROW: Final = 64 * 2**20  # a provider is not trusted either: what is longer is nobody's row
_HEAP: Final = 32 * 2**20  # of rows that are pieces of lines, about this much is held at once

_STOPPED: Final = frozenset({Ending.CANCELLED.value, Ending.EXPIRED.value})
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
        if batch is None or batch.terminal:
            _close(app, held)
            return
        try:
            work = _Work(app, held, batch)
        except Unconfigured:
            if batch.ending is None:
                raise  # there is time left in which the deployment may come back
            work = _Work(app, held, batch, answers=False)
        result = work.run()
        _commit(app, held, result, work)
        if batch.payers:
            note_habit(app, work.meter.model, result.counts.completed, result.usage.output_tokens)
        if work.provided and held.record.job is not None:
            tidy(app, held.record, held.record.job)


def _wanted(shard: Shard) -> bool:
    return shard.status is ShardStatus.ENDED


class _Work:
    """The pass over one shard's predictions. Without `answers`, all its lines end as lines that never ran."""

    def __init__(self, app: App, held: Held[Shard], batch: Batch, *, answers: bool = True) -> None:
        shard = held.record
        self._app, self._held, self._shard, self._batch = app, held, shard, batch
        self._provider = app.provider(shard.deployment) if answers else None
        self._codec = self._provider.codec_named(shard.codec) if self._provider else None
        self._index = Index(app.objects, shard.index)
        self._matcher = Matcher(self._index)
        self._row_prefix = row_id(batch.id)
        self._unfinished = _unfinished(shard, batch)
        self._prefix = layout.rows_prefix(app.data_bucket, shard.batch, f"{shard.number:04d}", shard.epoch)
        self._buffers = Buffers(app.objects, held.beat)
        self._outputs = self._buffers.parts(self._prefix, "output")
        self._errors = self._buffers.parts(self._prefix, "errors")
        self._completed = self._failed = self._strange = 0
        self.rest: list[Shard] = []  # of lines that are run again
        model, location = (self._provider.price_model, self._provider.location) if self._provider else ("", "")
        self.meter = Meter(app.book, model, location)

    def run(self) -> Result:
        predictions = self._predictions()
        if self._codec is not None:
            self._read(self._codec, predictions)
        self.rest = self._run_again()
        if not self.rest:
            self._explain_missing()
        if self._strange:
            log("rows_ignored", severity="WARNING", **self._shard.log_context(), rows=self._strange)
        return Result(
            rows=Rows(prefix=self._prefix, output_parts=self._outputs.close(), error_parts=self._errors.close()),
            counts=self.counts,
            usage=self.meter.usage(),
            cost=self.meter.cost(),
            predictions=self._native(predictions),
        )

    def _native(self, predictions: list[str]) -> tuple[str, ...]:
        """Those that `format=native` may show. Results that were copied from a provider hold its own ids and names."""
        copied = self._provider is not None and self._provider.fetch is not None
        return () if copied or self._shard.executes else tuple(predictions)

    @property
    def counts(self) -> Counts:
        return Counts(completed=self._completed, failed=self._failed)

    @property
    def provided(self) -> bool:
        """Whether the configuration still has the deployment."""
        return self._provider is not None

    def _run_again(self) -> list[Shard]:
        """The lines that a failed job left, for another deployment, or for the same if the failure may pass."""
        job, batch, shard = self._shard.job, self._batch, self._shard
        if job is None or job.state is not JobState.FAILED or not job.name or shard.reruns >= _MOST_RERUNS:
            return []
        if batch.ending is not None or batch.status is not Status.IN_PROGRESS:
            return []
        left = array("L", (self._index.ordinals[position] for position in self._index.missing()))
        if not left or (len(left) == len(self._index) and not shard.executes):  # `check` has asked everybody for those
            return []
        without = {*shard.refused_by, shard.deployment}
        found = elsewhere(self._app, self._held, left, without=without)
        if not found and job.retryable:
            found = elsewhere(self._app, self._held, left, without=shard.refused_by)
        if found:
            log("lines_run_again", **shard.log_context(), lines=len(left), to=found[0].deployment)
        return found

    def _predictions(self) -> list[str]:
        shard = self._shard
        if self._provider is None or shard.job is None or not shard.job.name:
            return []
        if shard.executes:
            return list(shard.job.files)
        output = layout.shard_output(self._app.work_bucket, shard.batch, shard.number, shard.attempt)
        if self._provider.fetch is not None:
            try:
                self._provider.fetch(shard.job, self._app.objects, output, self._held)
            except Transient as trouble:
                if not overdue(self._batch, self._app.now()):
                    raise
                log("results_given_up", severity="ERROR", **shard.log_context(), reason=str(trouble))
            except JobMissing as missing:
                if self._may_come_back():
                    raise Transient(
                        "the provider says that results are gone, which it may think better of"
                    ) from missing
                log("results_missing", severity="ERROR", **shard.log_context())
        return self._provider.predictions(shard.job, (stat.name for stat in self._app.objects.list(output)))

    def _may_come_back(self) -> bool:
        """Whether it is too early to believe that results which were paid for are gone."""
        since, now = self._shard.empty_since, self._app.now()
        if since is None:
            commit(self._app, lambda turn: turn.put(replace(self._held.kept(turn), empty_since=turn.now)))
        return not overdue(self._batch, now) and (since is None or now - since < _GONE_AFTER)

    def _read(self, codec: Codec, predictions: list[str]) -> None:
        """Answer each line whose row this is; rows that are pieces of lines are put aside, by line."""
        aside = self._aside(predictions)
        for count, raw in enumerate(self._raw_rows(predictions), start=1):
            if count & (_BEAT - 1) == 0:
                self._held.beat()
            row = codec.read(raw) if raw is not None else None
            position = self._matcher.place(row) if row is not None else None
            if raw is None or row is None or position is None or (row.count > 1 and not aside):
                self._strange += 1
            elif self._index.done(position):
                continue
            elif row.count > 1:
                aside[position % len(aside)].add(b"%d %d %d %b\n" % (position, row.index, row.count, raw))
            else:
                self._answer(codec, position, [row])
        for pieces in aside:
            pieces.close()
            self._gather(codec, pieces.names)

    def _aside(self, predictions: list[str]) -> list[Parts]:
        """Where pieces of lines wait for each other, in heaps that fit into memory one at a time."""
        if self._shard.rows == self._shard.lines:
            return []
        size = sum(self._app.objects.stat(name).size for name in predictions)
        return [self._buffers.parts(self._prefix, f"pieces-{heap:04d}") for heap in range(1 + size // _HEAP)]

    def _gather(self, codec: Codec, names: list[str]) -> None:
        """Bring the pieces of each line together; a line that misses one has no answer."""
        lines: dict[int, list[bytes | None]] = {}
        for piece in self._raw_rows(names):
            if piece is None:  # a row that only just was not too long, before its place stood in front of it
                continue
            at, index, count, raw = piece.split(b" ", 3)
            position, number = int(at), int(index)
            if self._index.done(position):
                continue
            if position not in lines:
                lines[position] = [None] * self._index.entry(position).rows
            pieces = lines[position]
            if int(count) != len(pieces) or not 0 <= number < len(pieces):
                self._strange += 1
                continue
            pieces[number] = pieces[number] or raw
            if None not in pieces:
                self._held.beat()
                self._answer(codec, position, _rows_of(codec, pieces))
                del lines[position]

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

    def _answer(self, codec: Codec, position: int, rows: list[ProviderRow]) -> None:
        entry = self._index.entry(position)
        if len(rows) != entry.rows:  # not what we sent: whatever it is, it is no answer to this line
            self._strange += 1
            return
        answer = codec.answer(rows, entry)
        if answer.never_ran is not None:
            self._refused(position, entry, answer.never_ran)
            return
        self._index.finish(position)
        self._write(entry, answer)

    def _refused(self, position: int, entry: Entry, said: NeverRan) -> None:
        """That a line was stopped with its job is said below, in the words of its batch: it may have been cancelled."""
        if said.code in _STOPPED:
            return
        self._index.finish(position)
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
            self.meter.add(answer.tokens, answer.day or self._app.today())
        elif answer.status < 400:
            self.meter.miss()

    def _explain_missing(self) -> None:
        why = self._unfinished
        for count, position in enumerate(self._index.missing(), start=1):
            if count & (_BEAT - 1) == 0:
                self._held.beat()
            entry = self._index.entry(position)
            self._unanswered(entry, why.code, why.message)
            self._failed += why.counts


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


def _close(app: App, held: Held[Shard]) -> None:
    """The batch was given up: nobody will ask for these rows."""

    def body(turn: Turn) -> None:
        shard = held.current(turn)
        turn.put(replace(shard, status=move_to(shard, ShardStatus.COLLECTED), lease=None, due_at=None))

    commit(app, body)
    log("shard_closed", **held.record.log_context())


def _entry(app: App, batch: Batch, shard: Shard, work: _Work, now: int) -> LedgerEntry:
    deployment = app.config.deployment(shard.deployment)
    return LedgerEntry(
        id=shard.id,
        batch=batch.id,
        owner=batch.owner,
        team=batch.team,
        key=batch.key,
        user=batch.user,
        group=shard.group,
        deployment=shard.deployment,
        provider="" if deployment is None else deployment.provider,
        model=work.meter.model,
        book=app.book.version,
        tokens=work.meter.tokens(),
        counts=work.counts,
        cost=work.meter.cost(),
        tags=batch.tags,
        started_at=batch.created_at,
        created_at=now,
    )


def _commit(app: App, held: Held[Shard], result: Result, work: _Work) -> None:
    def body(turn: Turn) -> None:
        shard = held.current(turn)
        batch = turn.get(Batch, shard.batch)
        over = batch is None or batch.terminal  # given up in the meantime
        books = (
            None if batch is None or over else Books(app, turn, _entry(app, batch, shard, work, turn.now), batch.payers)
        )
        rest = held_within(work.rest, shard.reserved)  # of the lines that are run again
        left = sum(each.reserved for each in rest)
        turn.put(
            replace(
                shard,
                status=move_to(shard, ShardStatus.COLLECTED),
                result=result,
                counted=result.counts,
                reserved=0,
                lease=None,
                due_at=None,
            )
        )
        if batch is None or books is None:
            return
        books.write(released=shard.reserved - left)
        batch = replace(
            batch,
            reserved=batch.reserved - shard.reserved + left,
            counts=batch.counts + shard.counted.negated() + result.counts,
            usage=batch.usage + result.usage,
            cost=batch.cost + result.cost,
            open_shards=batch.open_shards - 1,
        )
        if rest:
            batch = add_shards(turn, batch, rest, reruns=shard.reruns + 1, refused_by=shard.refused_by)
            cool_down(turn, shard.deployment, "a job failed there")
        turn.put(finalizing(turn, batch) if batch.open_shards == 0 else batch)

    commit(app, body)
    log(
        "shard_collected",
        **held.record.log_context(),
        completed=result.counts.completed,
        failed=result.counts.failed,
        usd=result.cost.total,
    )
