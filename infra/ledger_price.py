"""Amounts of the ledger once more: from the tokens in an entry, and from what the provider wrote.

An entry has the sums of its tokens by kind. They tell its amount exactly where one rate held for all of its lines;
where that is not known, nothing is claimed. So it is where prices were others then, and the amount with them.
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
from shared.pricing.meter import Meter
from shared.pricing.price import Rate
from shared.providers.base import Provider
from shared.steps.count import JobCount
from shared.steps.recount import Recount, Unreadable
from shared.storage.ports import ObjectMissing
from shared.storage.queries import LEDGER

__all__ = ["Unknowable", "amounts", "predictions"]

_LONGEST: Final = 10 * DAY  # of a batch or a job


class Unknowable(Exception):
    """The amount cannot be told again; the message says why, as a kind of entries."""


def amounts(app: App, reasons: Counter[str]) -> Iterator[Difference]:
    """Entries whose amount is not what the price book says of their tokens. `reasons` counts all, "" the recomputed."""
    for entry in everything(app, LEDGER):
        try:
            nano = _amount(app, entry) if entry.book == app.book.version else _as_it_was(app, entry)
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


def _as_it_was(app: App, entry: LedgerEntry) -> int:
    """The amount of an entry of another price book, where this one says the same of it. A book's version stands for all
    its prices at once: where the amount is another one by now, nobody knows which price held.
    """
    try:
        nano = _amount(app, entry)
    except Unknowable:
        nano = None
    if nano != entry.cost.nano:
        raise Unknowable("of another price book")
    return nano


def _amount(app: App, entry: LedgerEntry) -> int:
    tokens = Tokens(**{kind: count for kind, count in entry.tokens.items() if kind in Tokens._fields})
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
    provider = _provider(app, shard.deployment)
    names = _names(app, provider, batch, shard)
    if not names and entry.cost.priced_lines + entry.cost.unpriced_lines:
        raise Unknowable("whose predictions are gone")
    again = Recount(app, provider, shard, day=_day(entry.created_at))
    try:
        again.read(names)
    except Unreadable as why:
        raise Unknowable(str(why)) from why
    if shard.settled_at is None or shard.job is None or not names:
        return again.meter, again.cost()
    if not shard.executes and not shard.job.state.terminal:
        raise Unknowable("of jobs whose end nobody saw")
    return again.meter, again.cost(again.unread(shard.job, names))


def _names(app: App, provider: Provider, batch: Batch, shard: Shard) -> list[str]:
    if shard.job is None or not shard.job.name:
        return []
    if shard.executes:
        return list(shard.job.files)
    output = layout.shard_output(app.work_bucket, batch.id, shard.number, shard.attempt)
    return provider.predictions(shard.job, (stat.name for stat in app.objects.list(output)))
