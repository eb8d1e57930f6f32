"""Reading the ledger and its sums: what was asked for, newest first, in pages, and nothing else.

  entries  ├──── a day from its middle ────┤├─ whole days ─┤├─ a day to its middle ─┤
                    from entries              from sums           from entries

Where a filter is about what no sum has, all comes from entries.
"""

import heapq
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import groupby
from typing import Any, Final

from shared.admin.reports.scope import Scope
from shared.admin.reports.time import EVER, Span, pieces
from shared.app import App
from shared.domain.ledger import Day, LedgerEntry, TagDay, added, day_of, day_sum, tag_sum
from shared.storage.ports import Query
from shared.storage.queries import LEDGER_OF_BATCH, TAG_DAYS

__all__ = ["PAGE", "days", "entries", "pages", "tag_days"]

PAGE: Final = 1_000  # records of one query


def entries(app: App, scope: Scope, span: Span | None) -> Iterator[LedgerEntry]:
    """Entries of the ledger."""
    since, until = (0, None) if span is None else (span.since, span.until)
    if scope.wanted.batch is not None:  # whoever may see it: what is not the caller's is not in its scope
        streams = [pages(app, LEDGER_OF_BATCH, (scope.wanted.batch,), since, until)]
    else:
        streams = [
            pages(app, query, values, max(since, began), until) for query, values, began in scope.sources(LedgerEntry)
        ]
    for entry in _merged(streams, "created_at"):
        if scope.wanted.has_entry(entry) and scope.has_entry(entry):
            yield entry


def days(app: App, scope: Scope, span: Span | None) -> Iterator[Day]:
    """Sums by day, key, user, team, model and provider."""

    def stored(part: Span) -> Iterator[Day]:
        streams = [pages(app, query, values, *part.days) for query, values, _ in scope.sources(Day)]
        return (day for day in _merged(streams, "day") if scope.wanted.has(day) and scope.has(day))

    return _summed(app, scope, span, None if scope.wanted.of_entries else stored, lambda entry: [day_sum(entry)])


def tag_days(app: App, scope: Scope, span: Span | None) -> Iterator[TagDay]:
    """Sums by day and tag: those of the ledger where all of it may be seen and is asked for, else from the entries.

    Slices are put together: id and slice are those of the first.
    """

    def stored(part: Span) -> Iterator[TagDay]:
        return pages(app, TAG_DAYS, (), *part.days)

    tags, all_of_it = scope.wanted.tags, scope.places is None and scope.wanted.plain
    slices = _summed(
        app, scope, span, stored if all_of_it else None, lambda entry: [tag_sum(entry, tag) for tag in entry.tags]
    )
    for _, same in groupby(slices, lambda each: (each.day, each.tag)):
        whole = reduce(added, same)
        if tags is None or whole.tag in tags:
            yield whole


def pages(app: App, query: Query, values: tuple[str, ...], least: int | None, most: int | None) -> Iterator[Any]:
    """All that a query finds within its bounds."""
    last = None
    while True:
        found = app.documents.query(query, *values, at_least=least, at_most=most, after=last, limit=PAGE)
        yield from found
        if len(found) < PAGE:
            return
        last = found[-1]


def _summed(
    app: App,
    scope: Scope,
    span: Span | None,
    stored: Callable[[Span], Iterator[Any]] | None,
    empties: Callable[[LedgerEntry], list[Any]],
) -> Iterator[Any]:
    """Sums of the span, newest first: those that are `stored`, and where there are none for it, those of entries."""
    if stored is None:
        yield from _folded(entries(app, scope, span), empties)
        return
    for part, whole in pieces(span or EVER, scope.settled):
        yield from stored(part) if whole else _folded(entries(app, scope, part), empties)


def _merged(streams: list[Iterator[Any]], order: str) -> Iterator[Any]:
    """Newest first, each record once."""
    if len(streams) == 1:
        yield from streams[0]
        return
    last = None
    for record in heapq.merge(*streams, key=lambda each: (getattr(each, order), each.id), reverse=True):
        if record.id != last:
            last = record.id
            yield record


def _folded(found: Iterator[LedgerEntry], empties: Callable[[LedgerEntry], list[Any]]) -> Iterator[Any]:
    """The sums that entries are added to, day by day."""
    day, at = dict[str, Any](), 0
    for entry in found:
        if day_of(entry.created_at) != at:
            yield from sorted(day.values(), key=lambda each: each.id, reverse=True)
            day, at = {}, day_of(entry.created_at)
        for empty in empties(entry):
            day[empty.id] = added(day.get(empty.id, empty), entry)
    yield from sorted(day.values(), key=lambda each: each.id, reverse=True)
