"""LiteLLM's routes that are not offered, and what to use instead.

The routes are those of litellm 1.106.2. What is offered is looked for first, so that an entry never hides a route.
"""

import re
from typing import Final

from shared.domain.errors import NotFound

__all__ = ["INSTEAD", "NotOffered", "instead"]

_NO_CUSTOMERS: Final = "there are no customers; give each a user (/user/new), a team (/team/new) or a tag of its own"
_ORGANIZATIONS: Final = "use teams, /team/new"
_CONFIGURED: Final = "models and their access_groups come from the server's configuration; /model/info shows them"
_NO_SIGN_IN: Final = "nobody signs in here; make users with /user/new, and keys for them with /key/generate"
_NO_CALLBACKS: Final = "nothing is sent to logging callbacks; /spend/logs has what each batch cost"
_MEMBER_BUDGET: Final = "call /team/member_update, with max_budget_in_team and budget_duration"
_ROLES: Final = "who manages a team's keys is said by the role in it, admin or user: call /team/member_update"

# Path: what to do. `{…}` is one segment of a path, `*` at its end all that is under it; perhaps with a method in front.
INSTEAD: Final[dict[str, str]] = {
    "/key/bulk_update": "call /key/update for each key",
    "/key/health": "call /key/info; nothing is sent to logging callbacks",
    "/key/aliases": "call /key/list?return_full_object=true, whose rows have key_alias",
    "/key/spend/report": "call /global/spend/report?group_by=api_key, or /spend/logs?api_key=… for one key",
    "/v2/key/info": "call /key/info for each key",
    "PATCH /team/{id}": "call POST /team/update, with team_id",
    "/team/{id}/members/me": "call /team/info?team_id=…, whose team_memberships have your own",
    "/team/{id}/member/{user}/reset_spend": _MEMBER_BUDGET,
    "/team/{id}/member/{user}/reset_budget": _MEMBER_BUDGET,
    "/team/{id}/callback": _NO_CALLBACKS,
    "/team/{id}/callback/{name}": _NO_CALLBACKS,
    "/team/{id}/disable_logging": _NO_CALLBACKS,
    "/team/key/bulk_update": "call /key/update for each key of /key/list?team_id=…",
    "/team/bulk_member_add": "call /team/member_add, whose member may be a list",
    "/team/model/add": "call /team/update with all models of the team",
    "/team/model/delete": "call /team/update with those models that the team keeps",
    "/team/permissions_list": _ROLES,
    "/team/permissions_update": _ROLES,
    "/team/permissions_bulk_update": _ROLES,
    "/team/filter/ui": "call /v2/team/list?search=…",
    "/team/spend/report": "call /global/spend/report?group_by=team, or /team/daily/activity",
    "/team/spend/by_user": "call /team/info?team_id=…, whose team_memberships have what each member has spent",
    "/teams/{id}/members/bulk_update": "call /team/member_update for each member",
    "/teams/{id}/members/bulk_delete": "call /team/member_delete for each member",
    "/user/bulk_update": "call /user/update for each user",
    "/user/available_roles": (
        "user_role is one of proxy_admin, proxy_admin_viewer, internal_user and internal_user_viewer"
    ),
    "/user/filter/ui": "call /user/list",
    "/user/password/change": _NO_SIGN_IN,
    "/user/spend/report": "call /user/daily/activity?user_id=…, or /spend/logs?user_id=…",
    "/user/daily/activity/aggregated": "call /user/daily/activity, and add up its days",
    "/users/bulk": "call /user/new for each user",
    "/users/bulk_delete": "call /user/delete, whose user_ids is a list",
    "/budget/*": "budgets have no names; set max_budget and budget_duration of keys, users, teams and members",
    "/provider/budgets": "set max_budget and budget_duration of keys, users, teams and members",
    "/customer/*": _NO_CUSTOMERS,
    "/end_user/*": _NO_CUSTOMERS,
    "/organization/*": _ORGANIZATIONS,
    "/v2/organization/*": _ORGANIZATIONS,
    "/project/*": "use teams, /team/new, or tags",
    "/tag/*": "tags need not be made: name them in tags of a key, or in x-litellm-tags; /spend/tags has what they cost",
    "/access_group/*": _CONFIGURED,
    "/model/new": _CONFIGURED,
    "/model/update": _CONFIGURED,
    "/model/delete": _CONFIGURED,
    "/model/block": _CONFIGURED,
    "/model/unblock": _CONFIGURED,
    "/model/{id}/update": _CONFIGURED,
    "/v2/model/info": "call /model/info",
    "/credentials": "providers' credentials come from the server's configuration",
    "/credentials/*": "providers' credentials come from the server's configuration",
    "/config/*": "the server's configuration is a file of its operator's",
    "/invitation/*": _NO_SIGN_IN,
    "/sso/*": _NO_SIGN_IN,
    "/scim/*": "make users with /user/new, and put them into teams with /team/member_add",
    "/spend/keys": "call /key/list?return_full_object=true&sort_by=spend",
    "/spend/users": "call /user/list?sort_by=spend",
    "/spend/logs/ui": "call /spend/logs/v2",
    "/spend/logs/ui/{id}": "call /spend/logs?request_id=…",
    "/global/activity": "call /user/daily/activity, which counts requests and tokens of each day",
    "/global/activity/*": "call /user/daily/activity, which counts requests and tokens of each day, by model and key",
    "/global/all_end_users": _NO_CUSTOMERS,
    "/global/spend/provider": "call /user/daily/activity, whose breakdown has providers",
    "/global/spend/all_tag_names": "call /spend/tags",
    "/global/spend/end_users": _NO_CUSTOMERS,
    "/global/spend/refresh": "reports are always as the ledger is",
    "/global/spend/reset": "call /key/{key}/reset_spend for each key",
    "/cost/estimate": "call /spend/calculate",
}


class NotOffered(NotFound):
    """LiteLLM has this route, and Offpeak has not. It is answered in LiteLLM's words, whatever its path."""


def instead(method: str, path: str) -> str | None:
    """What to tell who asks for a route of LiteLLM's that is not offered; None for what is no such route."""
    found = (why for pattern, why in _PATTERNS if pattern.fullmatch(f"{method} {path}"))
    why = next(found, None)
    return None if why is None else f"Not offered: {why}."


def _pattern(entry: str) -> re.Pattern[str]:
    method, _, path = entry.rpartition(" ")
    escaped = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)).replace(r"\*", ".+")
    return re.compile(f"{method or '[A-Z]+'} {escaped}", re.DOTALL)


_PATTERNS: Final = tuple((_pattern(entry), why) for entry, why in INSTEAD.items())
