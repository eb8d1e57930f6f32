"""Spend by team, customer, key, model or tag: `/global/spend/report` and its smaller siblings."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from shared.admin.reports.names import Names, model_shown
from shared.admin.reports.sums import Sum, facts, told
from shared.admin.reports.time import day_shown
from shared.domain.cost import dollars
from shared.domain.ledger import Day, TagDay

__all__ = ["GROUPS", "by_day", "by_key", "by_model", "by_tag", "keys_ranked", "models_ranked", "teams_by_day"]

GROUPS: Final = ("team", "customer", "api_key", "model", "tag")  # the last two are our own
_MOST_TEAMS: Final = 10
_NOBODY: Final = "Unassigned"
_DATE: Final = "date"  # beside the names of teams: none can be called so


def by_day(found: Iterable[Day], names: Names, *, group: str) -> Iterator[dict[str, Any]]:
    """For each day the teams, or the customers, and what each has spent by model and key, newest first.

    There are no customers here: all spend is that of the one without a name.
    """
    name, plural = ("team_name", "teams") if group == "team" else ("customer", "customers")
    for day, records in groupby(found, lambda each: each.day):
        parts: dict[str | None, dict[tuple[str, str], tuple[Sum, list[int]]]] = {}
        for record in records:
            part = parts.setdefault(record.team if group == "team" else None, {})
            spent, tokens = part.setdefault((record.model, record.key), (Sum(), []))
            spent.add(facts(record))
            tokens.append(sum(record.tokens.values()))
        yield {
            "group_by_day": f"{day_shown(day)}T00:00:00.000Z",
            plural: [
                {
                    name: names.team_name(who) if group == "team" else "",
                    **told("total_spend", _all(spent for spent, _ in part.values())),
                    "metadata": [
                        {
                            "model": model_shown(model),
                            "api_key": names.key(key),
                            **told("spend", spent),
                            "total_tokens": sum(tokens),
                        }
                        for (model, key), (spent, tokens) in part.items()
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
            **_cost(_all(models.values())),
            "model_details": _dearest({"model": model, **_cost(spent)} for model, spent in models.items()),
        }
        for key, models in parts.items()
    )


def by_model(found: Iterable[Day]) -> list[dict[str, Any]]:
    """Each model, the dearest first."""
    parts: dict[str, Sum] = {}
    for record in found:
        _add(parts, model_shown(record.model), record)
    return _dearest({"model": model, **_cost(spent)} for model, spent in parts.items())


def by_tag(found: Iterable[TagDay]) -> list[dict[str, Any]]:
    """Each tag, the dearest first. What has two tags counts for each. `log_count`: entries of the ledger."""
    parts: dict[str, Sum] = {}
    counts: dict[str, int] = {}
    for record in found:
        _add(parts, record.tag, record)
        counts[record.tag] = counts.get(record.tag, 0) + record.entries
    return _dearest({"tag": tag, "log_count": counts[tag], **_cost(spent)} for tag, spent in parts.items())


def keys_ranked(found: Iterable[Day], names: Names, most: int | None) -> list[dict[str, Any]]:
    """The keys that have spent most."""
    sums: dict[str, Sum] = {}
    for record in found:
        _add(sums, record.key, record)
    return [
        {
            "api_key": names.key(key),
            "key_alias": names.alias(key),
            "key_name": names.key_name(key),
            **told("total_spend", spent),
        }
        for key, spent in _ranked(sums)[:most]
    ]


def models_ranked(found: Iterable[Day], most: int) -> list[dict[str, Any]]:
    """The models that have cost most."""
    sums: dict[str, Sum] = {}
    for record in found:
        _add(sums, model_shown(record.model), record)
    return [{"model": model, **told("total_spend", spent)} for model, spent in _ranked(sums)[:most]]


def teams_by_day(found: Iterable[Day], names: Names) -> dict[str, Any]:
    """What each team has spent on each day, and in all."""
    sums: dict[str, Sum] = {}
    days = []
    for day, records in groupby(found, lambda each: each.day):
        of_day: dict[str, Sum] = {}
        for record in records:
            team = _beside_dates(record.team, names)
            _add(of_day, team, record)
            _add(sums, team, record)
        days.append({_DATE: day_shown(day), **{team: dollars(spent.facts.nano) for team, spent in of_day.items()}})
    return {
        "daily_spend": days[::-1],
        "teams": list(sums),
        "total_spend_per_team": [
            {"team_id": team, **told("total_spend", spent)} for team, spent in _ranked(sums)[:_MOST_TEAMS]
        ],
    }


def _add(sums: dict[str, Sum], name: str, record: Day | TagDay) -> None:
    if name in sums:
        sums[name].add(facts(record))
    else:
        sums[name] = Sum(facts(record))


def _all(sums: Iterable[Sum]) -> Sum:
    found = Sum()
    for each in sums:
        found.add(each.facts)
    return found


def _cost(spent: Sum) -> dict[str, Any]:
    return {
        **told("total_cost", spent),
        "total_input_tokens": spent.facts.prompt,
        "total_output_tokens": spent.facts.completion,
    }


def _beside_dates(team_id: str | None, names: Names) -> str:
    if team_id is None:
        return _NOBODY
    return next(each for each in (names.team_name(team_id), team_id, f"team {team_id}") if each != _DATE)


def _dearest(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda each: -each["total_cost"])


def _ranked(sums: dict[str, Sum]) -> list[tuple[str, Sum]]:
    return sorted(sums.items(), key=lambda pair: -pair[1].facts.nano)
