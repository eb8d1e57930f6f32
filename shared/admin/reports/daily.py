"""Spend by day: `/spend/logs` summed up, and LiteLLM's daily activity."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple, Protocol

from shared.admin.reports.names import Names, model_shown
from shared.admin.reports.sums import Facts, Sum, facts, told
from shared.admin.reports.time import day_shown
from shared.domain.batch import Counts
from shared.domain.cost import Cost, dollars
from shared.domain.ledger import Day, TagDay

__all__ = ["Activity", "activity", "summaries", "tag_activity"]

_DIMENSIONS: Final = ("models", "model_groups", "providers", "entities")
_NOBODY: Final = "Unassigned"  # LiteLLM's word for what is of no user, or no team


class OfDay(Protocol):
    """A sum of one day."""

    @property
    def day(self) -> int: ...
    @property
    def tokens(self) -> dict[str, int]: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def cost(self) -> Cost: ...


def summaries(found: Iterable[Day], names: Names) -> Iterator[dict[str, Any]]:
    """One object for each day that has spend: the day's, and each key's, user's and model's part of it."""
    for day, records in groupby(found, lambda each: each.day):
        total = Sum()
        keys, users, models = dict[str, int](), dict[str, int](), dict[str, int]()
        for record in records:
            nano, model, user = record.cost.nano, model_shown(record.model), record.user or ""
            total.add(facts(record))
            keys[record.key] = keys.get(record.key, 0) + nano
            users[user] = users.get(user, 0) + nano
            models[model] = models.get(model, 0) + nano
        yield {
            **{names.key(key): dollars(nano) for key, nano in keys.items()},
            "startTime": day_shown(day),
            **told("spend", total),
            "users": {user: dollars(nano) for user, nano in users.items()},
            "models": {model: dollars(nano) for model, nano in models.items()},
        }


class _Bucket:
    """A sum, and the keys' parts of it."""

    def __init__(self) -> None:
        self.sum = Sum()
        self.keys: dict[str, Sum] = {}

    def add(self, more: Facts, key: str) -> None:
        self.sum.add(more)
        self.keys.setdefault(key, Sum()).add(more)

    def rendered(self, names: Names, metadata: dict[str, Any]) -> dict[str, Any]:
        return {
            "metrics": self.sum.metrics(),
            "metadata": metadata,
            "api_key_breakdown": _by_key(self.keys, names),
        }


class Activity(NamedTuple):
    """One page of daily activity: the days, the sum of the page, and how many records there are on all pages."""

    results: list[dict[str, Any]]
    total: Sum
    records: int


def activity(found: Iterable[Day], names: Names, *, by: str, first: int, size: int) -> Activity:
    """The page of `size` records from `first` on, put together by day. `by`: what `entities` are, user or team."""
    total, count = Sum(), 0

    def on_page() -> Iterator[Day]:
        nonlocal count
        for record in found:
            if first <= count < first + size:
                yield record
            count += 1

    results = [_day(day, records, total, names, by) for day, records in groupby(on_page(), lambda each: each.day)]
    return Activity(results, total, count)


def tag_activity(found: Iterable[TagDay], *, first: int, size: int) -> Activity:
    """The same by tag. What has two tags counts for each, as at LiteLLM."""
    total, count = Sum(), 0
    page: list[TagDay] = []
    for record in found:
        if first <= count < first + size:
            page.append(record)
        count += 1
    results = []
    for day, records in groupby(page, lambda each: each.day):
        sum, tags = Sum(), dict[str, Sum]()
        for record in records:
            more = facts(record)
            for each in (total, sum, tags.setdefault(record.tag, Sum())):
                each.add(more)
        entities = {
            tag: {"metrics": each.metrics(), "metadata": {}, "api_key_breakdown": {}} for tag, each in tags.items()
        }
        results.append(_result(day, sum, {"entities": entities}))
    return Activity(results, total, count)


def _day(day: int, records: Iterable[Day], total: Sum, names: Names, by: str) -> dict[str, Any]:
    sum, keys = Sum(), dict[str, Sum]()
    buckets: dict[str, dict[str, _Bucket]] = {dimension: {} for dimension in _DIMENSIONS}
    for record in records:
        more = facts(record)
        for each in (total, sum, keys.setdefault(record.key, Sum())):
            each.add(more)
        places = (model_shown(record.model), record.group, record.provider or "unknown", _entity(record, by))
        for dimension, name in zip(_DIMENSIONS, places, strict=True):
            buckets[dimension].setdefault(name, _Bucket()).add(more, record.key)
    breakdown: dict[str, Any] = {
        dimension: {name: bucket.rendered(names, {}) for name, bucket in buckets[dimension].items()}
        for dimension in _DIMENSIONS[:-1]
    }
    breakdown["entities"] = {
        name: bucket.rendered(
            names, {"team_alias": names.team_alias(None if name == _NOBODY else name)} if by == "team" else {}
        )
        for name, bucket in buckets["entities"].items()
    }
    return _result(day, sum, {**breakdown, "api_keys": _by_key(keys, names)})


def _entity(record: Day, by: str) -> str:
    return (record.team if by == "team" else record.user) or _NOBODY


def _result(day: int, sum: Sum, breakdown: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {
        name: {} for name in ("mcp_servers", "models", "model_groups", "providers", "endpoints", "api_keys", "entities")
    }
    return {"date": day_shown(day), "metrics": sum.metrics(), "breakdown": empty | breakdown}


def _by_key(keys: dict[str, Sum], names: Names) -> dict[str, Any]:
    return {
        names.key(key): {"metrics": sum.metrics(), "metadata": names.key_metadata(key)} for key, sum in keys.items()
    }
