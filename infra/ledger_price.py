"""Amounts of the ledger once more: from the tokens in an entry, and from what the provider wrote.

An entry has the sums of its tokens by kind. They tell its amount exactly where one rate held for all of its lines;
where that is not known, nothing is claimed.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from infra.ledger_look import Difference, everything
from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.clock import DAY
from shared.domain.cost import Cost
from shared.domain.ledger import LedgerEntry
from shared.domain.passthrough import VertexJob, resource_of
from shared.domain.shard import Shard
from shared.domain.usage import Tokens
from shared.lines.read import chunks_of, lines_of
from shared.pricing.meter import Meter
from shared.pricing.price import Rate
from shared.providers.base import Codec, Entry, Provider, ProviderRow
from shared.steps.count import JobCount
from shared.steps.index import Index
from shared.steps.match import Matcher
from shared.storage.ports import ObjectMissing
from shared.storage.queries import LEDGER

__all__ = ["Unknowable", "amounts", "predictions"]

_LONGEST_ROW: Final = 64 * 2**20
_LONGEST: Final = 10 * DAY  # of a batch or a job


class Unknowable(Exception):
    """The amount cannot be told again; the message says why, as a kind of entries."""


def amounts(app: App, reasons: Counter[str]) -> Iterator[Difference]:
    """Entries whose amount is not what the price book says of their tokens. `reasons` counts all, "" the recomputed."""
    for entry in everything(app, LEDGER):
        try:
            nano = _amount(app, entry)
        except Unknowable as why:
            reasons[str(why)] += 1
            continue
        reasons[""] += 1
        if nano != entry.cost.nano:
            said = f"{entry.cost.nano:,} nano-dollars"
            yield Difference("prices", entry.id, "amount", said, f"{nano:,}: so the price book says of its tokens")


def predictions(app: App, reasons: Counter[str]) -> Iterator[Difference]:
    """Entries whose tokens or amount are not what the provider's predictions say, as far as these still exist."""
    for entry in everything(app, LEDGER):
        try:
            meter, cost = _recounted(app, entry)
        except Unknowable as why:
            reasons[str(why)] += 1
            continue
        reasons[""] += 1
        if meter.tokens() != {kind: count for kind, count in entry.tokens.items() if count}:
            yield Difference("predictions", entry.id, "tokens", str(entry.tokens), str(meter.tokens()))
        if cost != entry.cost and entry.book == app.book.version:
            yield Difference("predictions", entry.id, "cost", str(entry.cost), str(cost))


def _amount(app: App, entry: LedgerEntry) -> int:
    tokens = Tokens(**{kind: count for kind, count in entry.tokens.items() if kind in Tokens._fields})
    if entry.book != app.book.version:
        raise Unknowable("of another price book")
    location = _provider(app, entry.deployment).location
    tariffs = {app.book.tariff(entry.model, location=location, day=day) for day in _days(entry)}
    if len(tariffs) != 1:
        raise Unknowable("over a change of prices")
    tariff = tariffs.pop()
    if tariff is None:
        return 0
    if tariff.above is not None and tokens.prompt > tariff.above and tariff.long != tariff.rate:
        raise Unknowable("perhaps with long context")
    if not _known(tariff.rate, tokens):
        if entry.cost.priced_lines or entry.cost.nano:
            raise Unknowable("with lines that have no price")
        return 0
    meter = Meter(app.book, entry.model, location)
    meter.add(tokens, _day(entry.created_at))
    return meter.cost().nano


def _known(rate: Rate | None, tokens: Tokens) -> bool:
    return rate is not None and all(usd is not None or not count for usd, count in zip(rate, tokens, strict=True))


def _days(entry: LedgerEntry) -> Iterator[str]:
    """Every day on which a line of it may have been answered, and one more at each end, for the clocks."""
    since = max(entry.created_at if entry.started_at is None else entry.started_at, entry.created_at - _LONGEST) - DAY
    while since < entry.created_at + 2 * DAY:
        yield _day(since)
        since += DAY


def _day(at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).date().isoformat()


def _provider(app: App, deployment: str) -> Provider:
    try:
        return app.provider(deployment)
    except Exception as error:  # a key that is not here, a deployment that is gone: whatever it is, it is not known
        raise Unknowable("of deployments that cannot be opened here") from error


def _recounted(app: App, entry: LedgerEntry) -> tuple[Meter, Cost]:
    job = app.documents.get(VertexJob, entry.batch)
    if job is not None:
        count = JobCount(app, job, resource_of(job), _provider(app, job.deployment))
        try:
            read = count.run(lambda: None)
        except ObjectMissing:
            read = False
        if entry.counts.completed and not (read and count.read):
            raise Unknowable("whose predictions are gone")
        count.add_missing(blind=not read)
        return count.meter, count.cost
    shard, batch = app.documents.get(Shard, entry.id), app.documents.get(Batch, entry.batch)
    if shard is None or batch is None:
        raise Unknowable("of no shard")
    meter = _Recount(app, batch, shard, entry).meter
    return meter, meter.cost()


class _Recount:
    """One pass over a shard's predictions, as `collect` makes it, for the sake of the meter alone."""

    def __init__(self, app: App, batch: Batch, shard: Shard, entry: LedgerEntry) -> None:
        provider = _provider(app, shard.deployment)
        self.meter = Meter(app.book, provider.price_model, provider.location)
        self._codec, self._day = provider.codec_named(shard.codec), _day(entry.created_at)
        self._index = _index(app, shard)
        self._matcher = None if self._index is None else Matcher(self._index)
        self._done: set[int] = set()
        pieces: dict[int, dict[int, ProviderRow]] = {}
        for raw in _rows(app, _names(app, provider, batch, shard), entry):
            row = self._codec.read(raw)
            position = None if row is None else self._place(row)
            if row is None or position is None or position in self._done:
                continue
            of_line = pieces.setdefault(position, {})
            of_line.setdefault(row.index, row)
            if len(of_line) == row.count:
                self._answer(self._codec, position, [of_line[number] for number in sorted(of_line)])
                del pieces[position]

    def _place(self, row: ProviderRow) -> int | None:
        if self._matcher is not None:
            return self._matcher.place(row)
        if row.match is not None:
            raise Unknowable("whose index is gone")
        return row.ordinal

    def _answer(self, codec: Codec, position: int, rows: list[ProviderRow]) -> None:
        entry = Entry(position, "", "", None, len(rows)) if self._index is None else self._index.entry(position)
        if len(rows) != entry.rows:
            return
        answer = codec.answer(rows, entry)
        if answer.never_ran is not None:
            return
        self._done.add(position)
        if answer.tokens is not None:
            self.meter.add(answer.tokens, answer.day or self._day, extra=answer.extra)
        elif answer.status < 400:
            self.meter.miss()


def _index(app: App, shard: Shard) -> Index | None:
    """What is remembered of the lines; None once the batch's waste was thrown away. Their tokens can do without."""
    try:
        return Index(app.objects, shard.index)
    except ObjectMissing:
        return None


def _names(app: App, provider: Provider, batch: Batch, shard: Shard) -> list[str]:
    if shard.job is None or not shard.job.name:
        return []
    if shard.executes:
        return list(shard.job.files)
    output = layout.shard_output(app.work_bucket, batch.id, shard.number, shard.attempt)
    return provider.predictions(shard.job, (stat.name for stat in app.objects.list(output)))


def _rows(app: App, names: list[str], entry: LedgerEntry) -> Iterator[bytes]:
    ran = entry.cost.priced_lines + entry.cost.unpriced_lines
    if not names and ran:
        raise Unknowable("whose predictions are gone")
    for name in names:
        try:
            stream = app.objects.open(name)
        except ObjectMissing:
            raise Unknowable("whose predictions are gone") from None
        with stream:
            for _, raw in lines_of(chunks_of(stream), longest=_LONGEST_ROW):
                if raw is not None:
                    yield raw
