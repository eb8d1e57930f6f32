"""prepare(batch): one streaming pass over the input. Parse, check, split into shards, encode for their providers.

A line that is no line of this batch fails the whole batch, with its number; all of them are reported together. A line
that its provider could not run becomes a row of the error file, and the others run.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError, Counts, Rows, Status, advance
from shared.domain.clock import MINUTE
from shared.domain.cost import Cost, Unpriced
from shared.domain.shard import Shard, next_step
from shared.lines.errors import InvalidLine, LineError
from shared.lines.native import refused_native
from shared.lines.parse import too_long
from shared.lines.rows import refused, row_id
from shared.lines.unique import CustomIds, Repeats
from shared.log import log
from shared.steps.accounts import Purse, close, strictest
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.finish import finalizing
from shared.steps.lanes import TooManyJobs
from shared.steps.parts import Buffers
from shared.steps.report import report
from shared.steps.source import input_lines, parser_of
from shared.steps.split import Splitter
from shared.storage.ports import ObjectMissing

__all__ = ["MOST_ERRORS", "prepare"]

MOST_ERRORS: Final = 100
_BEAT: Final = 1024  # lines between two looks at the clock
_SLOT: Final = 32  # lines in flight of one worker, see slots.py
_MOST_BEGUN: Final = 33  # shards of one batch at a deployment where lines are run one by one: as many as have a slot
_QUEUED: Final = 5 * MINUTE

_NO_FILE: Final = "Cannot find file {id}, or organization does not have access to it."
_EMPTY: Final = "The input file is empty. Please ensure that the batch contains at least one request."
_REFUSALS: Final = {"budget_exceeded", "model_not_found", "token_limit_exceeded"}  # which are about who asks
_REPEATED: Final = (
    "The custom_id for this request is a duplicate of another request. "
    "The custom_id parameter must be unique for each request in a batch."
)


def prepare(app: App, batch_id: str) -> None:
    """Move a batch from validating to in_progress, or to failed with its errors."""
    with claim(app, Batch, batch_id, wanted=_wanted) as held:
        if held is None:
            return
        try:
            found = _read(app, held)
        except ObjectMissing:
            found = Problems.one("invalid_request", _NO_FILE.format(id=held.record.input_file_id), "file_id")
        if isinstance(found, Problems):
            _fail(app, held, found)
        else:
            _start(app, held, found)


def _wanted(batch: Batch) -> bool:
    return batch.status is Status.VALIDATING


class Problems:
    """What is wrong with a file: the first hundred by line, and how many more there are."""

    def __init__(self) -> None:
        self.first: list[BatchError] = []
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, line: int, error: InvalidLine) -> None:
        self.count += 1
        if len(self.first) < MOST_ERRORS:
            code = error.code or "invalid_request"
            self.first.append(BatchError(code=code, message=error.message, param=error.param, line=line))

    @classmethod
    def one(cls, code: str, message: str, param: str | None = None) -> "Problems":
        """Something wrong with the file as a whole."""
        problems = cls()
        problems.count = 1
        problems.first = [BatchError(code=code, message=message, param=param)]
        return problems

    def absorb(self, other: "Problems") -> None:
        """Take the other's problems too, in order of lines."""
        self.count += other.count
        ordered = heapq.merge(self.first, other.first, key=lambda error: error.line or 0)
        self.first = list(ordered)[:MOST_ERRORS]

    def report(self) -> tuple[BatchError, ...]:
        """At most a hundred errors, and one more that counts the rest."""
        if self.count <= len(self.first):
            return tuple(self.first)
        rest = f"{self.count - len(self.first):,} more errors were found; the first {MOST_ERRORS} are listed."
        return (*self.first, BatchError(code="too_many_errors", message=rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a pass over a sound input found and wrote."""

    shards: list[Shard]
    refused: Rows
    lines: int
    refusals: int
    model: str | None
    tokens: int  # about so many are in the lines that run
    expected: Cost  # of those lines
    unpriced: Unpriced  # of them


class _Pass:
    """One pass over the input, line by line."""

    def __init__(self, app: App, held: Held[Batch]) -> None:
        batch = held.record
        self._limits = app.config.limits
        buffers = Buffers(app.objects, held.beat)
        self._prefix = layout.rows_prefix(app.data_bucket, batch.id, "prepare", batch.epoch)
        self._row_prefix = row_id(batch.id)
        self._errors = buffers.parts(self._prefix, "errors")
        self.marks: list[tuple[int, int]] = []
        self._splitter = Splitter(app, batch, buffers, self.marks)
        self._parser = parser_of(batch)
        self._native = batch.native
        self.ids = CustomIds()
        self.problems = Problems()
        self.lines = self.refusals = 0

    def read(self, number: int, raw: bytes | None) -> None:
        """One line: into a shard, into the error file, or among the problems."""
        self.lines += 1
        line = None
        try:
            if raw is None:
                raise too_long(self._limits.line_bytes)
            line = self._parser.parse(raw)
            if not self._native:
                self.ids.add(line.custom_id)
            group = self._splitter.group(line)
            if not self.problems.count:  # else nothing of this file will run
                self._splitter.add(number, line, group, len(raw))
        except InvalidLine as error:
            self.problems.add(number, error)
        except TooManyJobs:
            raise
        except LineError as error:
            if self.problems or line is None:
                return
            self.refusals += 1
            self._errors.add(
                refused_native(line, error)
                if self._native
                else refused(self._row_prefix, number, line.custom_id, error)
            )

    def draft(self) -> Draft:
        """What came of it, all of it written."""
        shards = self._splitter.close()
        return Draft(
            shards=shards,
            refused=Rows(prefix=self._prefix, error_parts=self._errors.close()),
            lines=self.lines,
            refusals=self.refusals,
            model=self._splitter.only_model(),
            tokens=sum(shard.tokens for shard in shards),
            expected=self._splitter.expected(),
            unpriced=self._splitter.unpriced(),
        )


def _read(app: App, held: Held[Batch]) -> Draft | Problems:
    """The draft of a sound file, or what is wrong with it."""
    work, most = _Pass(app, held), _most_lines(app, held.record)
    for number, raw in input_lines(app, held.record, marks=work.marks):
        if number & (_BEAT - 1) == 0:
            held.beat()
        try:
            work.read(number, raw)
        except TooManyJobs as error:
            return Problems.one("too_many_jobs", error.message)
        if work.lines > most:
            return Problems.one("too_many_tasks", f"The input file has too many lines: a batch may have {most:,}.")
    if work.lines == 0:
        return Problems.one("empty_file", _EMPTY)
    if (repeats := work.ids.repeats()) is not None:
        work.problems.absorb(_repeated(app, held, repeats))
    return work.problems or work.draft()


def _most_lines(app: App, batch: Batch) -> int:
    own, most = strictest(app, batch.payers).lines_per_batch, app.config.limits.lines_per_batch
    return most if own is None else min(own, most)


def _repeated(app: App, held: Held[Batch], repeats: Repeats) -> Problems:
    """A second pass, for the numbers of the lines that repeat a custom_id."""
    problems = Problems()
    parser = parser_of(held.record)
    for number, raw in input_lines(app, held.record):
        if number & (_BEAT - 1) == 0:
            held.beat()
        try:
            custom_id = parser.parse(raw).custom_id if raw is not None else None
        except InvalidLine:
            continue
        if custom_id is not None and repeats.is_repeat(custom_id):
            problems.add(number, InvalidLine("duplicate_custom_id", _REPEATED, "custom_id"))
    return problems


def _fail(app: App, held: Held[Batch], problems: Problems) -> None:
    def body(turn: Turn) -> Batch:
        batch = advance(held.current(turn), Status.FAILED, at=turn.now)
        purse = Purse(app, turn, batch.payers)
        return close(app, turn, purse, replace(batch, errors=problems.report()))

    batch = commit(app, body)
    report(batch, errors=problems.count)
    refused = sorted({error.code for error in problems.first} & _REFUSALS)
    if refused and batch.payers:
        who = {"key_id": batch.key, "owner": batch.owner, "team": batch.team}
        log("refused", severity="WARNING", audit=True, batch_id=batch.id, **who, codes=refused)


def _start(app: App, held: Held[Batch], draft: Draft) -> None:
    most = {id: _begun(app, id) for id in {shard.deployment for shard in draft.shards if shard.executes}}

    def body(turn: Turn) -> Batch | Problems:
        batch = advance(held.current(turn), Status.IN_PROGRESS, at=turn.now)
        purse = Purse(app, turn, batch.payers)
        if (problems := _too_dear(purse, batch, draft)) is not None:
            held.settled = False
            return problems
        purse.reserve(draft.expected.nano, draft.tokens - batch.tokens)
        purse.put()
        batch = replace(
            batch,
            model=draft.model,
            counts=Counts(total=draft.lines, failed=draft.refusals),
            refused=draft.refused,
            reserved=draft.expected.nano,
            tokens=draft.tokens,
            shards=len(draft.shards),
            open_shards=len(draft.shards),
            lease=None,
            due_at=batch.expires_at,
        )
        begun: Counter[str] = Counter()
        for shard in draft.shards:
            begun[shard.deployment] += shard.executes
            queued = begun[shard.deployment] > most.get(shard.deployment, 0)  # who has done the first goes on with them
            turn.add(replace(shard, due_at=turn.now + (_QUEUED if queued else LOOK_AGAIN)))
            step = next_step(shard)
            if step is not None and not queued:
                turn.send(step, shard=shard.id)
        if not draft.shards:
            batch = finalizing(turn, batch)
        turn.put(batch)
        return batch

    batch = commit(app, body)
    if isinstance(batch, Problems):
        _fail(app, held, batch)
        return
    report(batch, lines=draft.lines, refused=draft.refusals, shards=batch.shards)


def _too_dear(purse: Purse, batch: Batch, draft: Draft) -> Problems | None:
    """Why those who pay for it do not let it run; None where they do."""
    why = purse.why_not(draft.expected.nano, draft.tokens, batch.tokens)
    why = why or purse.why_unpriced(draft.unpriced)
    if why is None:
        return None
    return Problems.one(*why)


def _begun(app: App, deployment: str) -> int:
    """How many shards are begun by messages of their own: one for each worker that finds a slot, and one more."""
    return min(_MOST_BEGUN, -(-app.provider(deployment).parallel // _SLOT) + 1)
