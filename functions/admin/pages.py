"""Lists of keys, teams and users: LiteLLM's numbered pages over the declared queries.

A page says how many there are in all, so all that the query finds is read, a thousand at a time; no more than the page
is kept of it, nor anything read beside it. What is sorted by money is read with its accounts, and so there may be no
more than a thousand of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from functions.checks import integer, number, one_of
from functions.http import Call
from shared.admin.together import together
from shared.domain.account import Account, at, spend
from shared.domain.errors import BadRequest
from shared.storage.ports import Query

__all__ = ["Page", "count", "flag", "kept", "newest", "page_of", "records"]

_GULP: Final = 1_000
_MOST: Final = 100  # LiteLLM's bound of a page
_MOST_ACCOUNTS: Final = 1_000  # that are read to sort by what is in them
_BY_ACCOUNT: Final[Mapping[str, Callable[[Account], int | None]]] = {
    "spend": spend,
    "max_budget": lambda account: account.max_budget,
}
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

    @property
    def numbers(self) -> dict[str, int]:
        """What the pages of users and teams say of themselves."""
        return {"total": self.total, "page": self.number, "page_size": self.size, "total_pages": self.pages}


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


def kept(call: Call, names: Mapping[str, tuple[str, ...]]) -> Callable[[Any], bool]:
    """Whether a record has what parameters ask for of what is only kept. `names`: parameters, and in which fields that
    may stand; parameters in the plural are lists with commas.

    Nobody has what there is no word for here: whoever lists in order to delete must not be given what he did not name.
    """
    wanted: list[tuple[tuple[str, ...], set[str]]] = []
    for name, fields in names.items():
        if said := call.request.args.get(name):
            listed = said.split(",") if name.endswith("_ids") else [said]
            wanted.append((fields, {each.strip() for each in listed if each.strip()}))

    def keep(record: Any) -> bool:
        known = msgspec.json.decode(record.fields) if wanted else {}
        return all(any(_has(known.get(field), values) for field in fields) for fields, values in wanted)

    return keep


def page_of(
    call: Call,
    found: Iterator[Any],
    *,
    size: str,
    default: int,
    sorts: Mapping[str, Callable[[Any], Any]],
    account: Callable[[Any], str],
    keep: Callable[[Any], bool] = lambda _: True,
    order: str = "desc",
    lenient: bool = False,
) -> Page:
    """The page that is asked for. `size`: the parameter that says how long it is; `sorts`: what it may be sorted by,
    beside what is in the `account` of this id; `order` where none is asked for.

    `lenient`: what it cannot be sorted by is passed over.
    """
    args = call.request.args
    page = integer(number(args.get("page", "1"), "page"), "page", least=1)
    long = integer(number(args.get(size, str(default)), size), size, least=1, most=_MOST)
    first, total = (page - 1) * long, 0
    wanted: Iterator[Any] = (each for each in found if keep(each))
    down = _down(call, order, lenient=lenient)
    if by := _sort(call, (*sorts, *_BY_ACCOUNT), lenient=lenient):
        value = sorts.get(by)
        if value is None:
            wanted, value = _with_money(call, wanted, by, account)
        wanted = iter(_sorted(wanted, value, down=down))
    items = []
    for each in wanted:
        if first <= total < first + long:
            items.append(each)
        total += 1
    return Page(items, total, page, long)


def _sort(call: Call, names: tuple[str, ...], *, lenient: bool) -> str | None:
    said = call.request.args.get("sort_by")
    if not said or (lenient and said not in names):
        return None
    return one_of(said, names, "sort_by")


def _down(call: Call, order: str, *, lenient: bool) -> bool:
    said = call.request.args.get("sort_order", order).lower()
    return said == "desc" if lenient else one_of(said, ("asc", "desc"), "sort_order") == "desc"


def _with_money(
    call: Call, found: Iterator[Any], by: str, account: Callable[[Any], str]
) -> tuple[Iterator[Any], Callable[[Any], int | None]]:
    """All that is found, and what each of it has spent or may spend."""
    everything = list(islice(found, _MOST_ACCOUNTS + 1))
    if len(everything) > _MOST_ACCOUNTS:
        message = f"Too many to sort by {by}: it can be done with {_MOST_ACCOUNTS:,}. Ask for fewer, such as a team's."
        raise BadRequest(message, param="sort_by", code="invalid_value")
    accounts = together(call.app, Account, map(account, everything))
    values = {id: _BY_ACCOUNT[by](at(each, call.app.now())) for id, each in accounts.items()}
    nothing = _BY_ACCOUNT[by](Account(id=""))
    return iter(everything), lambda each: values.get(account(each), nothing)


def _has(known: object, values: set[str]) -> bool:
    return any(each in values for each in (known if isinstance(known, list) else [known]) if isinstance(each, str))


def _sorted(found: Iterator[Any], by: Callable[[Any], Any], *, down: bool) -> list[Any]:
    everything = list(found)
    has = [each for each in everything if by(each) is not None]
    return sorted(has, key=by, reverse=down) + [each for each in everything if by(each) is None]
