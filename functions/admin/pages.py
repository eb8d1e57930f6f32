"""Lists of keys, teams and users: LiteLLM's numbered pages over the declared queries.

A page says how many there are in all, so all that the query finds is read, a thousand at a time; no more than the page
is kept of it, nor anything read beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from functions.checks import integer, number, one_of
from functions.http import Call
from shared.domain.errors import BadRequest
from shared.storage.ports import Query

__all__ = ["Page", "count", "flag", "newest", "page_of", "records"]

_GULP: Final = 1_000
_MOST: Final = 100  # LiteLLM's bound of a page
_TRUE, _FALSE = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}


@dataclass(frozen=True, slots=True)
class Page:
    """Some of all."""

    items: list[Any]
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        return -(-self.total // self.size)


def flag(call: Call, name: str) -> bool:
    """A query parameter that is true or false."""
    text = call.request.args.get(name, "").lower()
    if text not in _TRUE | _FALSE:
        raise BadRequest(f"Invalid '{name}': expected true or false.", param=name, code="invalid_type")
    return text in _TRUE


def records(call: Call, query: Query, *values: object) -> Iterator[Any]:
    """All that a query finds."""
    last: Any = None
    while True:
        some = call.app.documents.query(query, *values, after=last, limit=_GULP)
        yield from some
        if len(some) < _GULP:
            return
        last = some[-1]


def newest(call: Call, query: Query, *values: object, limit: int = _MOST) -> list[Any]:
    return call.app.documents.query(query, *values, limit=limit)


def count(call: Call, query: Query, *values: object) -> int:
    """How many a query finds, up to a thousand."""
    return len(call.app.documents.query(query, *values, limit=_GULP))


def page_of(
    call: Call,
    found: Iterator[Any],
    *,
    size: str,
    default: int,
    sorts: Mapping[str, Callable[[Any], Any]],
    keep: Callable[[Any], bool] = lambda _: True,
) -> Page:
    """The page that is asked for. `size`: the parameter that says how long it is; `sorts`: what it may be sorted by."""
    args = call.request.args
    at = integer(number(args.get("page", "1"), "page"), "page", least=1)
    long = integer(number(args.get(size, str(default)), size), size, least=1, most=_MOST)
    first, total = (at - 1) * long, 0
    wanted: Iterator[Any] = (each for each in found if keep(each))
    order = one_of(args.get("sort_order", "desc").lower(), ("asc", "desc"), "sort_order")
    if args.get("sort_by"):
        by = sorts[one_of(args["sort_by"], list(sorts), "sort_by")]
        wanted = iter(_sorted(wanted, by, down=order == "desc"))
    items = []
    for each in wanted:
        if first <= total < first + long:
            items.append(each)
        total += 1
    return Page(items, total, at, long)


def _sorted(found: Iterator[Any], by: Callable[[Any], Any], *, down: bool) -> list[Any]:
    everything = list(found)
    has = [each for each in everything if by(each) is not None]
    return sorted(has, key=by, reverse=down) + [each for each in everything if by(each) is None]
