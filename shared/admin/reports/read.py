"""Reading the ledger and its sums: the days that were asked for, newest first, in pages, and nothing else."""

import heapq
from collections.abc import Iterator
from functools import reduce
from itertools import groupby
from typing import Any, Final

from shared.admin.reports.names import deployment_shown
from shared.admin.reports.scope import Scope
from shared.admin.reports.time import Span
from shared.app import App
from shared.domain.ledger import Day, LedgerEntry, TagDay, added, day_of, day_sum, tag_sum
from shared.storage.ports import Query
from shared.storage.queries import LEDGER_OF_BATCH, TAG_DAYS

__all__ = ["PAGE", "days", "entries", "pages", "tag_days"]

PAGE: Final = 1_000  # records of one query


def entries(app: App, scope: Scope, span: Span | None) -> Iterator[LedgerEntry]:
    """Entries of the ledger."""
    wanted = scope.wanted
    least, most = (None, None) if span is None else (span.since, span.until)
    if wanted.batch is not None:  # whoever may see it: what is not the caller's is not in its scope
        streams = [pages(app, LEDGER_OF_BATCH, (wanted.batch,), least, most)]
    else:
        streams = [pages(app, query, values, least, most) for query, values in scope.sources(LedgerEntry)]
    for entry in _merged(streams, "created_at"):
        if (
            wanted.has(entry)
            and _inside(scope, entry)
            and (wanted.tags is None or any(tag in wanted.tags for tag in entry.tags))
            and (wanted.deployment is None or deployment_shown(entry.deployment) == wanted.deployment)
        ):
            yield entry


def days(app: App, scope: Scope, span: Span | None) -> Iterator[Day]:
    """Sums by day, key, user, team, model and provider. Of some tags they are made from the entries."""
    if scope.wanted.tags is not None or scope.wanted.batch is not None:
        yield from _folded(entries(app, scope, span), lambda entry: [day_sum(entry)])
        return
    least, most = (None, None) if span is None else span.days
    streams = [pages(app, query, values, least, most) for query, values in scope.sources(Day)]
    for day in _merged(streams, "day"):
        if scope.wanted.has(day):
            yield day


def tag_days(app: App, scope: Scope, span: Span | None) -> Iterator[TagDay]:
    """Sums by day and tag: those of the ledger where all of it may be seen and is asked for, else from the entries.

    Slices are put together: id and slice are those of the first.
    """
    tags = scope.wanted.tags
    for _, slices in groupby(_sliced(app, scope, span), lambda each: (each.day, each.tag)):
        whole = reduce(added, slices)
        if tags is None or whole.tag in tags:
            yield whole


def _sliced(app: App, scope: Scope, span: Span | None) -> Iterator[TagDay]:
    if scope.places is None and scope.wanted.plain:
        least, most = (None, None) if span is None else span.days
        return pages(app, TAG_DAYS, (), least, most)
    return _folded(entries(app, scope, span), lambda entry: [tag_sum(entry, tag) for tag in entry.tags])


def pages(app: App, query: Query, values: tuple[str, ...], least: int | None, most: int | None) -> Iterator[Any]:
    """All that a query finds within its bounds."""
    last = None
    while True:
        found = app.documents.query(query, *values, at_least=least, at_most=most, after=last, limit=PAGE)
        yield from found
        if len(found) < PAGE:
            return
        last = found[-1]


def _merged(streams: list[Iterator[Any]], order: str) -> Iterator[Any]:
    """Newest first, each record once: one's own may be one's user's, too."""
    if len(streams) == 1:
        yield from streams[0]
        return
    last = None
    for record in heapq.merge(*streams, key=lambda each: (getattr(each, order), each.id), reverse=True):
        if record.id != last:
            last = record.id
            yield record


def _inside(scope: Scope, entry: LedgerEntry) -> bool:
    return scope.places is None or any(getattr(entry, field) == value for field, value in scope.places)


def _folded(found: Iterator[LedgerEntry], sums: Any) -> Iterator[Any]:
    """The sums that entries are added to, day by day."""
    day, at = dict[str, Any](), 0
    for entry in found:
        if day_of(entry.created_at) != at:
            yield from sorted(day.values(), key=lambda each: each.id, reverse=True)
            day, at = {}, day_of(entry.created_at)
        for empty in sums(entry):
            day[empty.id] = added(day.get(empty.id, empty), entry)
    yield from sorted(day.values(), key=lambda each: each.id, reverse=True)
