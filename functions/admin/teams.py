"""`/team`: teams and who is in them, with LiteLLM's routes and fields."""

from typing import Any, Final

from functions.admin.authority import may_ask, may_budget, may_manage, may_name
from functions.admin.bodies import Body, asked, judged
from functions.admin.people_bodies import TEAM_BODIES as BODIES
from functions.admin.people_bodies import (
    AddMember,
    BlockTeam,
    DeleteMember,
    DeleteTeams,
    NewTeam,
    UpdateMember,
    UpdateTeam,
)
from functions.admin.rows import membership_row, team_row, user_row
from functions.admin.team_views import available, info, listing, pages
from functions.body import json_object
from functions.http import Call, route
from shared.admin import members, teams

__all__ = ["BODIES", "ROUTES"]


def new(call: Call) -> dict[str, Any]:
    joined = teams.create(call.app, call.caller, asked(call.request, NewTeam))
    return team_row(joined.team, joined.account)


def update(call: Call) -> dict[str, Any]:
    wanted = asked(call.request, UpdateTeam)
    team, account = teams.update(call.app, call.caller, wanted.pop("team_id"), wanted)
    row = team_row(team, account)
    return {"team_id": team.team_id, "data": row, **{name: row[name] for name in row if name != "data"}}


def delete(call: Call) -> dict[str, Any]:
    named = asked(call.request, DeleteTeams)["team_ids"]
    teams.delete(call.app, call.caller, named)
    return {"deleted_teams": list(dict.fromkeys(named))}


def member_add(call: Call) -> dict[str, Any]:
    """The team with more members. Of the users themselves only admins are shown anything."""
    wanted = _managed(call, AddMember)
    may_name(call, wanted["member"])
    joined = members.add(call.app, call.caller, wanted.pop("team_id"), wanted)
    roles = [{"user_id": each.user_id, "role": each.role} for each in joined.members]
    return {
        **team_row(joined.team, joined.account),
        "updated_users": [user_row(each) for each in joined.users] if call.caller.admin else roles,
        "updated_team_memberships": [
            membership_row(joined.team, each, joined.allowances.get(each.user_id)) for each in joined.members
        ],
    }


def member_update(call: Call) -> dict[str, Any]:
    wanted = _managed(call, UpdateMember)
    may_name(call, [wanted])
    may_budget(call, wanted)
    team, member, account = members.update(call.app, call.caller, wanted.pop("team_id"), wanted)
    row = membership_row(team, member, account)
    budget = row["litellm_budget_table"] or {}
    return {
        "team_id": team.team_id,
        "user_id": member.user_id,
        "user_email": wanted.get("user_email"),
        "role": member.role,
        "max_budget_in_team": budget.get("max_budget"),
        "budget_duration": budget.get("budget_duration"),
        "tpm_limit": wanted.get("tpm_limit"),
        "rpm_limit": wanted.get("rpm_limit"),
        "allowed_models": wanted.get("allowed_models"),
    }


def member_delete(call: Call) -> dict[str, Any]:
    wanted = _managed(call, DeleteMember)
    may_name(call, [wanted])
    return team_row(*members.remove(call.app, call.caller, wanted.pop("team_id"), wanted))


def block(call: Call) -> dict[str, Any]:
    return _blocked(call, blocked=True)


def unblock(call: Call) -> dict[str, Any]:
    return _blocked(call, blocked=False)


ROUTES: Final = (
    route("POST", "/team/new", new, admin=True),
    route("GET", "/team/info", info),
    route("GET", "/team/list", listing),
    route("GET", "/team/available", available),
    route("GET", "/v2/team/list", pages),
    route("POST", "/team/update", update, admin=True),
    route("POST", "/team/delete", delete, admin=True),
    route("POST", "/team/member_add", member_add),
    route("POST", "/team/member_update", member_update),
    route("POST", "/team/member_delete", member_delete),
    route("POST", "/team/block", block, admin=True),
    route("POST", "/team/unblock", unblock, admin=True),
)


def _managed(call: Call, model: type[Body]) -> dict[str, Any]:
    """The body of a request that an admin of the team may make, too."""
    may_ask(call)
    body = json_object(call.request)
    may_manage(call, body.get("team_id"))
    return judged(body, model)


def _blocked(call: Call, *, blocked: bool) -> dict[str, Any]:
    team_id = asked(call.request, BlockTeam)["team_id"]
    return team_row(*teams.block(call.app, call.caller, team_id, blocked=blocked))
