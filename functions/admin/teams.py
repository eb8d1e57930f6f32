"""`/team`: teams and who is in them, with LiteLLM's routes and fields."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from flask import Response

from functions.admin.authority import leads, may_ask, may_budget, may_manage, may_name, own_team
from functions.admin.bodies import Body, asked, judged
from functions.admin.pages import count, newest, page_of, records
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
from functions.admin.rows import key_row, membership_row, team_row, user_row
from functions.body import json_object
from functions.http import Call, route
from functions.spend.answers import array_answer
from shared.admin import members, teams
from shared.admin.keys import account_of
from shared.admin.sight import sees_all
from shared.admin.users import find as find_user
from shared.domain.errors import BadRequest, NotFound
from shared.domain.keys import Team, member_account
from shared.storage.queries import KEYS_OF_TEAM, TEAMS

__all__ = ["BODIES", "ROUTES", "memberships"]

_SHOWN: Final = 100  # keys and members in one answer
_GULP: Final = 1_000
_SORTS: Final = {
    name: (lambda team, name=name: getattr(team, name))
    for name in ("created_at", "updated_at", "team_id", "team_alias")
}


def new(call: Call) -> dict[str, Any]:
    joined = teams.create(call.app, call.caller, asked(call.request, NewTeam))
    return team_row(joined.team, joined.account)


def info(call: Call) -> dict[str, Any]:
    """A team with its newest keys; `/key/list` has them all. A foreign team answers like an unknown one.

    Who is no admin sees the own keys of it alone.
    """
    caller, team_id = call.caller, call.request.args.get("team_id") or call.caller.team
    if team_id is None:
        raise BadRequest("Malformed request. No team id passed in.", param="team_id", code="missing_required_parameter")
    team = own_team(call, team_id)
    if team is None:
        raise _unknown(team_id)
    everything = sees_all(caller) or leads(call, team_id)
    keys = newest(call, KEYS_OF_TEAM, team_id, limit=_SHOWN if everything else _GULP)
    if not everything:
        own = (each for each in keys if each.key_id == caller.key or (caller.user and each.user_id == caller.user))
        keys = list(own)[:_SHOWN]
    found = memberships(call, team)
    return {
        "team_id": team_id,
        "team_info": team_row(team, account_of(call.app, team.id)),
        "keys": [key_row(each, account_of(call.app, each.key_id)) for each in keys],
        "team_memberships": [each for each in found if everything or each["user_id"] == caller.user],
    }


def listing(call: Call) -> Response:
    """All teams, by alias; their keys without what was spent."""
    args = call.request.args
    wanted = args.get("organization_id")
    found = sorted(_candidates(call), key=lambda team: team.team_alias or "")
    rows = [team_row(team, account_of(call.app, team.id)) for team in found]
    return array_answer(
        [
            msgspec.json.encode(
                {
                    **row,
                    "team_memberships": memberships(call, team) if args.get("user_id") else [],
                    "keys": [key_row(each) for each in newest(call, KEYS_OF_TEAM, team.team_id, limit=_SHOWN)],
                }
            )
            for team, row in zip(found, rows, strict=True)
            if wanted is None or row["organization_id"] == (None if wanted == "default_organization" else wanted)
        ]
    )


def pages(call: Call) -> dict[str, Any]:
    """One page of teams, newest first."""
    args = call.request.args
    search, alias = args.get("search", "").lower(), args.get("team_alias", "").lower()

    def keep(team: Team) -> bool:
        name = (team.team_alias or "").lower()
        return alias in name and (not search or search in name or search == team.team_id.lower())

    page = page_of(call, _candidates(call), size="page_size", default=10, sorts=_SORTS, keep=keep)
    return {
        "teams": [
            {
                **team_row(team, account_of(call.app, team.id)),
                "members_count": len(team.members),
                "keys_count": count(call, KEYS_OF_TEAM, team.team_id),
            }
            for team in page.items
        ],
        "total": page.total,
        "page": page.number,
        "page_size": page.size,
        "total_pages": page.pages,
    }


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


def memberships(call: Call, team: Team) -> list[dict[str, Any]]:
    """Users in a team with what they have spent there, as far as it is counted: where they have a budget in it."""
    found = []
    for member in team.members[:_SHOWN]:
        has = team.member_budget is not None or member.max_budget_in_team is not None
        account = account_of(call.app, member_account(team.team_id, member.user_id)) if has else None
        found.append(membership_row(team, member, account))
    return found


ROUTES: Final = (
    route("POST", "/team/new", new, admin=True),
    route("GET", "/team/info", info),
    route("GET", "/team/list", listing, admin=True),
    route("GET", "/v2/team/list", pages, admin=True),
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


def _candidates(call: Call) -> Iterator[Team]:
    """The teams of a user, or the one that is named, or all."""
    args = call.request.args
    if args.get("team_id"):
        ids = [args["team_id"]]
    elif args.get("user_id"):
        user = find_user(call.app, args["user_id"])
        ids = [] if user is None else list(user.teams)
    else:
        yield from records(call, TEAMS)
        return
    for each in ids:
        team = teams.find(call.app, each)
        if team is not None:
            yield team


def _unknown(team_id: str) -> NotFound:
    message = f"Team not found, passed team id: {team_id[:256]}."
    return NotFound(message, param="team_id", code="team_not_found", type="not_found_error")
