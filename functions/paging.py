"""Lists: OpenAI's cursor pages over the declared queries."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from functions.checks import integer, number
from functions.http import Call
from shared.domain.access import visible
from shared.domain.errors import ApiError
from shared.storage.ports import Query

__all__ = ["page"]

_GULP = 1_000  # records of one query


def page(
    call: Call,
    sources: Sequence[tuple[Query, Sequence[str]]],
    *,
    most: int,
    default: int,
    missing: Callable[[str, str], ApiError],
    render: Callable[[Any], Mapping[str, Any]],
    keep: Callable[[Any], bool] = lambda _: True,
) -> dict[str, Any]:
    """The page that `limit` and `after` ask for, of what any of the queries finds: all of one kind and order.

    What `keep` refuses is passed over, and counts nowhere.
    """
    text = call.request.args.get("limit")
    limit = default if text is None else integer(number(text, "limit"), "limit", least=1, most=most)
    first, _ = sources[0]
    cursor = _cursor(call, first, missing)
    found: list[Any] = []
    streams = [_records(call, query, values, cursor, limit + 1) for query, values in sources]
    for record in heapq.merge(
        *streams, key=lambda each: (getattr(each, first.order), each.id), reverse=first.descending
    ):
        twice = bool(found) and found[-1].id == record.id  # one's own may be the team's, too
        if not twice and visible(call.caller, record) and keep(record):
            found.append(record)
            if len(found) > limit:
                break
    data = [render(record) for record in found[:limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
    }


def _records(call: Call, query: Query, values: Sequence[str], cursor: Any, gulp: int) -> Iterator[Any]:
    """All that a query finds, as far as it is asked for."""
    gulp = min(gulp, _GULP)
    while True:
        records = call.app.documents.query(query, *values, after=cursor, limit=gulp)
        yield from records
        if len(records) < gulp:
            return
        cursor, gulp = records[-1], min(2 * gulp, _GULP)  # more each time: little of what there is may be kept


def _cursor(call: Call, query: Query, missing: Callable[[str, str], ApiError]) -> Any:
    after = call.request.args.get("after")
    if not after:
        return None
    record = call.find(query.kind, after)
    if record is None:
        raise missing(after, "after")
    return record
