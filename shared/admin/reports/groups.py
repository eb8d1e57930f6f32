"""Spend by team, customer, key, model or tag: `/global/spend/report` and its smaller siblings."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from shared.admin.reports.names import Names, model_shown
from shared.admin.reports.sums import Sum, exact, facts
from shared.admin.reports.time import day_shown
from shared.domain.cost import dollars
from shared.domain.ledger import Day, TagDay

__all__ = ["GROUPS", "by_day", "by_key", "by_model", "by_tag", "keys_ranked", "models_ranked", "teams_by_day", "total"]

GROUPS: Final = ("team", "customer", "api_key", "model", "tag")  # the last two are our own
_MOST_TEAMS: Final = 10


def by_day(found: Iterable[Day], names: Names, *, group: str) -> Iterator[dict[str, Any]]:
    """For each day the teams, or the customers, and what each has spent by model and key, newest first.

    There are no customers here: all spend is that of the one without a name.
    """
    name, plural = ("team_name", "teams") if group == "team" else ("customer", "customers")
    for day, records in groupby(found, lambda each: each.day):
        parts: dict[str | None, dict[tuple[str, str], list[int]]] = {}
        for record in records:
            part = parts.setdefault(record.team if group == "team" else None, {})
            amounts = part.setdefault((record.model, record.key), [0, 0])
            amounts[0] += record.cost.nano
            amounts[1] += sum(record.tokens.values())
        yield {
            "group_by_day": f"{day_shown(day)}T00:00:00.000Z",
            plural: [
                {
                    name: names.team_name(who) if group == "team" else "",
                    **_spend("total_spend", sum(nano for nano, _ in part.values())),
                    "metadata": [
                        {
                            "model": model_shown(model),
                            "api_key": names.key(key),
                            "spend": dollars(nano),
                            "spend_exact": exact(nano),
                            "total_tokens": tokens,
                        }
                        for (model, key), (nano, tokens) in part.items()
                    ],
                }
                for who, part in parts.items()
            ],
        }


def by_key(found: Iterable[Day], names: Names) -> list[dict[str, Any]]:
    """Each key with its models, the dearest first."""
    parts: dict[str, dict[str, Sum]] = {}
    for record in found:
        _add(parts.setdefault(record.key, {}), model_shown(record.model), record)
    return _dearest(
        {
            "api_key": names.key(key),
            **_cost(models.values()),
            "model_details": _dearest({"model": model, **_cost([sum])} for model, sum in models.items()),
        }
        for key, models in parts.items()
    )


def by_model(found: Iterable[Day]) -> list[dict[str, Any]]:
    """Each model, the dearest first."""
    parts: dict[str, Sum] = {}
    for record in found:
        _add(parts, model_shown(record.model), record)
    return _dearest({"model": model, **_cost([sum])} for model, sum in parts.items())


def by_tag(found: Iterable[TagDay]) -> list[dict[str, Any]]:
    """Each tag, the dearest first. What has two tags counts for each. `log_count`: entries of the ledger."""
    parts: dict[str, Sum] = {}
    counts: dict[str, int] = {}
    for record in found:
        _add(parts, record.tag, record)
        counts[record.tag] = counts.get(record.tag, 0) + record.entries
    return _dearest({"tag": tag, "log_count": counts[tag], **_cost([sum])} for tag, sum in parts.items())


def total(found: Iterable[Day]) -> int:
    """Nano-dollars of all of them."""
    return sum(record.cost.nano for record in found)


def keys_ranked(found: Iterable[Day], names: Names, most: int | None) -> list[dict[str, Any]]:
    """The keys that have spent most."""
    sums: dict[str, int] = {}
    for record in found:
        sums[record.key] = sums.get(record.key, 0) + record.cost.nano
    return [
        {
            "api_key": names.key(key),
            "key_alias": names.alias(key),
            "key_name": names.key_name(key),
            **_spend("total_spend", nano),
        }
        for key, nano in _ranked(sums)[:most]
    ]


def models_ranked(found: Iterable[Day], most: int) -> list[dict[str, Any]]:
    """The models that have cost most."""
    sums: dict[str, int] = {}
    for record in found:
        model = model_shown(record.model)
        sums[model] = sums.get(model, 0) + record.cost.nano
    return [{"model": model, **_spend("total_spend", nano)} for model, nano in _ranked(sums)[:most]]


def teams_by_day(found: Iterable[Day], names: Names) -> dict[str, Any]:
    """What each team has spent on each day, and in all."""
    sums: dict[str, int] = {}
    days = []
    for day, records in groupby(found, lambda each: each.day):
        of_day: dict[str, int] = {}
        for record in records:
            team = names.team_name(record.team) if record.team is not None else "Unassigned"
            of_day[team] = of_day.get(team, 0) + record.cost.nano
            sums[team] = sums.get(team, 0) + record.cost.nano
        days.append({"date": day_shown(day), **{team: dollars(nano) for team, nano in of_day.items()}})
    return {
        "daily_spend": days[::-1],
        "teams": list(sums),
        "total_spend_per_team": [
            {"team_id": team, **_spend("total_spend", nano)} for team, nano in _ranked(sums)[:_MOST_TEAMS]
        ],
    }


def _add(sums: dict[str, Sum], name: str, record: Day | TagDay) -> None:
    if name in sums:
        sums[name].add(facts(record))
    else:
        sums[name] = Sum(facts(record))


def _spend(name: str, nano: int) -> dict[str, Any]:
    return {name: dollars(nano), f"{name}_exact": exact(nano)}


def _cost(sums: Iterable[Sum]) -> dict[str, Any]:
    found = [each.facts for each in sums]
    return {
        **_spend("total_cost", sum(each.nano for each in found)),
        "total_input_tokens": sum(each.prompt for each in found),
        "total_output_tokens": sum(each.completion for each in found),
    }


def _dearest(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda each: -each["total_cost"])


def _ranked(sums: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(sums.items(), key=lambda pair: -pair[1])
