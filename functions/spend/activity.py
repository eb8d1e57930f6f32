"""`/user/daily/activity` and its siblings for teams and tags, as LiteLLM has them."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from functions.answers import json_answer
from functions.http import Call
from functions.spend.answers import csv_answer
from functions.spend.asked import as_csv_wanted, listed, page_of, span_of, text_of, wanted_of
from shared.admin.reports.csv import flat_days, flat_tags
from shared.admin.reports.daily import Activity, activity, tag_activity
from shared.admin.reports.names import Names
from shared.admin.reports.read import days, tag_days
from shared.admin.reports.scope import Wanted, scope_of
from shared.admin.reports.sums import Sum
from shared.admin.sight import sees_all, teams_of
from shared.admin.teams import find as find_team
from shared.domain.errors import Forbidden, NotFound

__all__ = ["nobody", "tags", "teams", "users"]


def users(call: Call) -> Response:
    """Of all users, or of one; a key that sees only its own need not name it."""
    user, caller = text_of(call, "user_id"), call.caller
    if user is not None and not sees_all(caller) and user != caller.user:
        raise Forbidden("This key may see its own user's spend alone.", param="user_id", type="auth_error")
    return _by(call, wanted_of(call), "user", 50)


def teams(call: Call) -> Response:
    """Of all teams, or of some. Who does not lead every one of them sees what is its own of it."""
    chosen, without = listed(call, "team_ids"), listed(call, "exclude_team_ids")
    if not sees_all(call.caller):
        own = teams_of(call.app, call.caller)
        chosen = own if chosen is None else chosen
        for team in chosen:
            if team not in own:
                if find_team(call.app, team) is not None:
                    call.record_try(team)
                raise NotFound(f"This key's user does not belong to a team {team[:200]!r}.", param="team_ids")
    return _by(call, wanted_of(call, teams=chosen, but_teams=[each for each in without or () if each]), "team", 10)


def tags(call: Call) -> Response:
    """Of all tags, or of some."""
    tags, span = listed(call, "tags"), span_of(call)
    page, size = page_of(call, 10)
    scope = scope_of(call.app, call.caller, wanted_of(call, tags=frozenset(tags) if tags and any(tags) else None))
    found = tag_days(call.app, scope, span)
    if as_csv_wanted(call):
        return csv_answer(*flat_tags(found))
    return json_answer(_rendered(tag_activity(found, first=(page - 1) * size, size=size), page, size))


def nobody(call: Call) -> Response:
    """Of customers, or of organizations: there are none here, so none has spent anything."""
    span_of(call)
    page, size = page_of(call, 50)
    if as_csv_wanted(call):
        return csv_answer(*flat_days((), Names(call.app)))
    return json_answer(_rendered(Activity([], Sum(), 0), page, size))


def _by(call: Call, wanted: Wanted, by: str, default: int) -> Response:
    span, names = span_of(call), Names(call.app)
    page, size = page_of(call, default)
    found = days(call.app, scope_of(call.app, call.caller, wanted), span)
    if as_csv_wanted(call):
        return csv_answer(*flat_days(found, names))
    return json_answer(_rendered(activity(found, names, by=by, first=(page - 1) * size, size=size), page, size))


def _rendered(found: Activity, page: int, size: int) -> Mapping[str, Any]:
    """A page is so many records of the ledger's sums; its totals are those of the page, as at LiteLLM."""
    metrics = found.total.metrics()
    renamed = {name: f"total_{name.removeprefix('total_')}" for name in metrics}
    return {
        "results": found.results,
        "metadata": {
            **{renamed[name]: value for name, value in metrics.items()},
            "page": page,
            "total_pages": -(-found.records // size),
            "has_more": page * size < found.records,
        },
    }
