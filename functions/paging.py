"""Lists: OpenAI's cursor pages over the declared queries."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from functions.checks import integer, number
from functions.http import Call
from shared.domain.errors import ApiError
from shared.storage.ports import Query

__all__ = ["page"]

_GULP = 1_000  # records of one query


def page(
    call: Call,
    query: Query,
    values: Sequence[str],
    *,
    most: int,
    default: int,
    missing: Callable[[str, str], ApiError],
    render: Callable[[Any], Mapping[str, Any]],
    keep: Callable[[Any], bool] = lambda _: True,
) -> dict[str, Any]:
    """The page that `limit` and `after` ask for. What `keep` refuses is passed over, and counts nowhere."""
    text = call.request.args.get("limit")
    limit = default if text is None else integer(number(text, "limit"), "limit", least=1, most=most)
    cursor = _cursor(call, query, missing)
    found: list[Any] = []
    gulp = 0
    while len(found) <= limit:
        gulp = min(max(limit + 1 - len(found), 2 * gulp), _GULP)  # more each time: little of what there is may be kept
        records = call.app.documents.query(query, *values, after=cursor, limit=gulp)
        found += filter(keep, records)
        if len(records) < gulp:
            break
        cursor = records[-1]
    data = [render(record) for record in found[:limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
    }


def _cursor(call: Call, query: Query, missing: Callable[[str, str], ApiError]) -> Any:
    after = call.request.args.get("after")
    if not after:
        return None
    record = call.find(query.kind, after)
    if record is None:
        raise missing(after, "after")
    return record
