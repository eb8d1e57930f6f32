"""Spend, as LiteLLM's admin scripts ask for it: logs, reports, daily activity, and what a request would cost.

Everything is read from the ledger and its sums by day, UTC; a cost belongs to the day on which it was charged. Amounts
are USD numbers, and beside them as exact decimal strings (`spend_exact`). `format=csv` gives tables.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final

from flask import Response

from functions.answers import json_answer
from functions.body import json_object
from functions.checks import one_of, string
from functions.http import Call, Route, route
from functions.spend import activity
from functions.spend.answers import array_answer, csv_answer, dumped
from functions.spend.asked import (
    as_csv_wanted,
    flag,
    listed,
    most,
    no_table,
    page_of,
    row_filter,
    row_order,
    span_if_any,
    span_of,
    wanted_of,
)
from shared.admin.reports.csv import ROW, flat_days, flat_groups, flat_row
from shared.admin.reports.daily import summaries
from shared.admin.reports.groups import (
    GROUPS,
    by_day,
    by_key,
    by_model,
    by_tag,
    keys_ranked,
    models_ranked,
    teams_by_day,
)
from shared.admin.reports.names import Names
from shared.admin.reports.price import priced, tokens_of_messages, tokens_of_usage
from shared.admin.reports.read import days, entries, tag_days
from shared.admin.reports.rows import MOST, Row, row_rendered, rows
from shared.admin.reports.scope import Scope, scope_of
from shared.admin.reports.sums import summed, told
from shared.admin.reports.time import Span, day_number, days_after, last_days
from shared.domain.errors import BadRequest
from shared.domain.ledger import Day

__all__ = ["ROUTES"]

_MONTH: Final = 30  # days before today, in reports that take no dates
_COSTS: Final = ("total_cost", "unpriced_requests", "total_input_tokens", "total_output_tokens")
_LAST: Final = ("total_spend", "model", "api_key", "spend", "unpriced_requests", "total_tokens")
_SPENT: Final = ("total_spend", "unpriced_requests")
_COLUMNS: Final = {
    "team": ("group_by_day", "team_name", *_LAST),
    "customer": ("group_by_day", "customer", *_LAST),
    "api_key": ("api_key", "model", *_COSTS),
    "model": ("model", *_COSTS),
    "tag": ("tag", "log_count", *_COSTS),
}


def logs(call: Call) -> Response:
    """Spend by day; with `summarize=false`, or without dates, a row for each batch, the newest 10,000 of them."""
    span, names, scope = span_if_any(call), Names(call.app), _scope(call)
    if not flag(call, "summarize", default=True) or span is None:
        found = rows(entries(call.app, scope, span), None if as_csv_wanted(call) else MOST)
        return _rows_answer(call, found, names)
    records = days(call.app, scope, span)
    if as_csv_wanted(call):
        return csv_answer(*flat_days(records, names))
    newest_first: list[bytes] = []
    last = 0
    for each in summaries(records, names):
        last = last or day_number(each["startTime"])
        newest_first += dumped([each])
    until = min(span.days[1], last_days(call.app.now(), 0).days[1])
    empty = ({"startTime": day, "spend": 0.0, "users": {}, "models": {}} for day in days_after(last, until))
    return array_answer(chain(reversed(newest_first), dumped(empty)))


def logs_page(call: Call) -> Response:
    """One page of rows, with LiteLLM's filters as far as a batch has something to compare them with."""
    span, names, keep = span_of(call), Names(call.app), row_filter(call)
    (page, size), (key, down) = page_of(call, 50), row_order(call)
    found = (row for row in rows(entries(call.app, _scope(call), span)) if keep(row))
    if as_csv_wanted(call):
        return _rows_answer(call, found, names)
    newest = list(islice(found, MOST + 1))
    count = min(len(newest), MOST)
    shown = sorted(newest[:count], key=key, reverse=down)[(page - 1) * size : page * size]
    return json_answer(
        {
            "data": [row_rendered(row, names) for row in shown],
            "total": count,
            "page": page,
            "page_size": size,
            "total_pages": -(-count // size),
            "total_is_capped": len(newest) > MOST,
        }
    )


def report(call: Call) -> Response:
    """Spend by team (the default), customer, key, model or tag."""
    args, span, names = call.request.args, span_of(call), Names(call.app)
    group = one_of(args.get("group_by", "team"), GROUPS, "group_by")
    if group in {"team", "customer"} and {"api_key", "internal_user_id"} & args.keys():
        group = "api_key"  # as at LiteLLM
    scope = _scope(call, user="internal_user_id")
    of_nobody = bool(args.get("customer_id"))  # there are no customers here
    found: Iterator[Day] = iter(()) if of_nobody else days(call.app, scope, span)
    match group:
        case "tag":
            parts = by_tag(() if of_nobody else tag_days(call.app, scope, span))
        case "model":
            parts = by_model(found)
        case "api_key":
            parts = by_key(found, names)
        case _ if as_csv_wanted(call):
            return csv_answer(_COLUMNS[group], flat_groups(by_day(found, names, group=group)))
        case _:
            return array_answer(reversed(list(dumped(by_day(found, names, group=group)))))
    return _list_answer(call, _COLUMNS[group], parts)


def tags(call: Call) -> Response:
    """Spend by tag; of all time, unless there are dates."""
    span, scope = span_if_any(call), _scope(call)
    found = (
        {
            "individual_request_tag": each["tag"],
            "log_count": each["log_count"],
            "total_spend": each["total_cost"],
            "total_spend_exact": each["total_cost_exact"],
            "unpriced_requests": each["unpriced_requests"],
        }
        for each in by_tag(tag_days(call.app, scope, span))
    )
    return _list_answer(call, ("individual_request_tag", "log_count", *_SPENT), found)


def tags_ranked(call: Call) -> dict[str, Any]:
    """The tags that have cost most."""
    no_table(call)
    asked, span = listed(call, "tags"), span_of(call)
    chosen = None if not asked or not any(asked) or "all-tags" in asked else frozenset(asked)
    scope = _scope(call, tags=chosen)
    return {
        "spend_per_tag": [
            {
                "name": each["tag"],
                "spend": each["total_cost"],
                "spend_exact": each["total_cost_exact"],
                "unpriced_requests": each["unpriced_requests"],
                "log_count": each["log_count"],
            }
            for each in by_tag(tag_days(call.app, scope, span))
        ]
    }


def month(call: Call) -> dict[str, Any]:
    """All spend of the last thirty days."""
    no_table(call)
    return {**told("spend", summed(_month(call))), "max_budget": 0.0}


def days_of_month(call: Call) -> Response:
    """The same by day, oldest first; with `api_key` that of one key."""
    found = summaries(_month(call), Names(call.app))
    amounts = ("spend", "spend_exact", "unpriced_requests")
    shown = [{"date": day["startTime"], **{name: day[name] for name in amounts}} for day in found]
    return _list_answer(call, ("date", "spend", "unpriced_requests"), shown[::-1])


def keys_of_month(call: Call) -> Response:
    """The keys that have spent most of it."""
    found = keys_ranked(_month(call), Names(call.app), most(call, MOST))
    return _list_answer(call, ("api_key", "key_alias", "key_name", *_SPENT), found)


def models_of_month(call: Call) -> Response:
    """The models that it was spent on."""
    return _list_answer(call, ("model", *_SPENT), models_ranked(_month(call), most(call, 10)))


def teams_of_month(call: Call) -> dict[str, Any]:
    """What each team has spent of it, by day."""
    no_table(call)
    return teams_by_day(_month(call), Names(call.app))


def calculate(call: Call) -> dict[str, Any]:
    """The batch price of a request, by its model and messages, or of an answer; null where it is not known."""
    body = json_object(call.request)
    answer = body.get("completion_response")
    if body.get("model") is not None:
        model = string(body["model"], "model", longest=512)
        if not isinstance(body.get("messages"), list):
            raise BadRequest("Send the messages whose cost is asked for, as an array.", param="messages")
        return priced(call.app, model, call.group(model), tokens_of_messages(body["messages"]), about=True)
    if not isinstance(answer, dict):
        raise BadRequest("Send either 'model' and 'messages', or 'completion_response'.", param="model")
    model = string(answer.get("model"), "completion_response.model", longest=512)
    usage = answer.get("usage")
    tokens = tokens_of_usage(usage) if isinstance(usage, dict) else None
    if tokens is None:
        raise BadRequest(
            "Send the answer with its usage: prompt_tokens and completion_tokens, and details that fit into them.",
            param="completion_response.usage",
        )
    return priced(call.app, model, call.group(model), tokens, about=False)


def _scope(call: Call, **named: Any) -> Scope:
    return scope_of(call.app, call.caller, wanted_of(call, **named))


def _month(call: Call) -> Iterator[Day]:
    span: Span = last_days(call.app.now(), _MONTH)
    return days(call.app, _scope(call), span)


def _list_answer(call: Call, columns: Iterable[str], found: Iterable[Mapping[str, Any]]) -> Response:
    return csv_answer(columns, flat_groups(found)) if as_csv_wanted(call) else array_answer(dumped(found))


def _rows_answer(call: Call, found: Iterator[Row], names: Names) -> Response:
    if as_csv_wanted(call):
        return csv_answer(ROW, (flat_row(row, names) for row in found))
    return array_answer(dumped(row_rendered(row, names) for row in found))


ROUTES: Final[tuple[Route, ...]] = (
    route("GET", "/spend/logs", logs),
    route("GET", "/spend/logs/v2", logs_page),
    route("GET", "/spend/tags", tags),
    route("POST", "/spend/calculate", calculate),
    route("GET", "/global/spend", month, admin=True),
    route("GET", "/global/spend/report", report, admin=True),
    route("GET", "/global/spend/logs", days_of_month, admin=True),
    route("GET", "/global/spend/keys", keys_of_month, admin=True),
    route("GET", "/global/spend/models", models_of_month, admin=True),
    route("GET", "/global/spend/teams", teams_of_month, admin=True),
    route("GET", "/global/spend/tags", tags_ranked, admin=True),
    route("GET", "/user/daily/activity", activity.users),
    route("GET", "/team/daily/activity", activity.teams),
    route("GET", "/tag/daily/activity", activity.tags),
    route("GET", "/customer/daily/activity", activity.nobody),
    route("GET", "/organization/daily/activity", activity.nobody),
)
