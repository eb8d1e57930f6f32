"""`/team/info` and the lists of teams, for admins and for those who are in them."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from flask import Response

from functions.admin.authority import own_team, own_teams
from functions.admin.pages import count, kept, newest, page_of, records
from functions.admin.rows import key_row, membership_row, team_row
from functions.http import Call
from functions.spend.answers import array_answer
from shared.admin import teams
from shared.admin.keys import account_of
from shared.admin.sight import leads_team, sees_all, sees_user
from shared.admin.together import together
from shared.admin.users import find as find_user
from shared.domain.account import Account, at
from shared.domain.errors import BadRequest, Forbidden, NotFound
from shared.domain.keys import Key, Team, User, member_account, user_account
from shared.storage.queries import KEYS_OF_KEY_ID, KEYS_OF_TEAM, KEYS_OF_USER, TEAMS

__all__ = ["available", "info", "listing", "pages"]

_SHOWN: Final = 100  # keys and members in one answer
_GULP: Final = 1_000
_NOBODYS: Final = "default_organization"  # LiteLLM's word for none
_KEPT: Final = {"organization_id": ("organization_id",)}
_SORTS: Final = {
    name: (lambda team, name=name: getattr(team, name))
    for name in ("created_at", "updated_at", "team_id", "team_alias")
}


def info(call: Call) -> dict[str, Any]:
    """A team with its newest keys; `/key/list` has them all. A foreign team answers like an unknown one.

    Who neither is an admin nor leads it sees of keys and members what is his own.
    """
    team_id = call.request.args.get("team_id") or call.caller.team
    if team_id is None:
        raise BadRequest("Malformed request. No team id passed in.", param="team_id", code="missing_required_parameter")
    team = own_team(call, team_id)
    if team is None:
        message = f"Team not found, passed team id: {team_id[:256]}."
        raise NotFound(message, param="team_id", code="team_not_found", type="not_found_error")
    return {
        "team_id": team_id,
        "team_info": team_row(team, account_of(call.app, team.account), _emails(call, team)),
        "keys": [key_row(each, account_of(call.app, each.key_id)) for each in _Keys(call).of(team)],
        "team_memberships": _memberships(call, team),
    }


def listing(call: Call) -> Response:
    """All teams that may be seen, by alias; their keys without what was spent."""
    args = call.request.args
    wanted, user_id = args.get("organization_id"), args.get("user_id")
    found = sorted(_candidates(call), key=lambda team: team.team_alias or "")
    accounts, keys = together(call.app, Account, (team.account for team in found)), _Keys(call)
    paying = [at(accounts.get(team.account) or Account(id=team.account), call.app.now()) for team in found]
    rows = [team_row(team, account) for team, account in zip(found, paying, strict=True)]
    return array_answer(
        [
            msgspec.json.encode(
                {
                    **row,
                    "team_memberships": _memberships(call, team, user_id) if user_id else [],
                    "keys": [key_row(each) for each in keys.of(team)],
                }
            )
            for team, row in zip(found, rows, strict=True)
            if wanted is None or row["organization_id"] == (None if wanted == _NOBODYS else wanted)
        ]
    )


def pages(call: Call) -> dict[str, Any]:
    """One page of teams, newest first."""
    args = call.request.args
    search, alias, asked = args.get("search", "").lower(), args.get("team_alias", "").lower(), kept(call, _KEPT)
    if args.get("status") not in {None, "deleted"}:
        message = "Invalid status value. Currently only 'deleted' is supported."
        raise BadRequest(message, param="status", code="invalid_value")

    def keep(team: Team) -> bool:
        name = (team.team_alias or "").lower()
        return alias in name and (not search or search in name or search == team.team_id.lower()) and asked(team)

    found, keys = _candidates(call), _Keys(call)
    page = page_of(
        call,
        iter(()) if "status" in args else found,  # what was deleted is not kept
        size="page_size",
        default=10,
        sorts=_SORTS,
        account=lambda each: str(each.account),
        keep=keep,
        order="asc",
        lenient=True,
    )
    return {
        "teams": [
            {
                **team_row(team, account_of(call.app, team.account)),
                "members_count": len(team.members),
                "keys_count": count(call, KEYS_OF_TEAM, team.team_id)
                if _all_of(call, team)
                else len(keys.of(team, _GULP)),
            }
            for team in page.items
        ],
        **page.numbers,
    }


def available(_: Call) -> Response:
    """Teams that a user may join without an admin: none here."""
    return array_answer([])


def _candidates(call: Call) -> Iterator[Team]:
    """The teams of a user, and the one that is named, or all that may be seen. Forbidden where somebody else's are
    named.
    """
    team_id, user_id = (call.request.args.get(name) for name in ("team_id", "user_id"))
    if not sees_all(call.caller):
        if user_id and user_id != call.caller.user:
            raise _foreign("user_id")
        own = [team for team in own_teams(call) if not user_id or user_id in {each.user_id for each in team.members}]
        if team_id and team_id not in {team.team_id for team in own}:
            raise _foreign("team_id")
        return (team for team in own if not team_id or team.team_id == team_id)
    if user_id:
        user = find_user(call.app, user_id)
        ids = [] if user is None else [each for each in user.teams if not team_id or each == team_id]
    elif team_id:
        ids = [team_id]
    else:
        return records(call, TEAMS)
    return (team for each in ids if (team := teams.find(call.app, each)) is not None)


def _all_of(call: Call, team: Team) -> bool:
    """Whether the caller sees what is others' in a team."""
    return sees_all(call.caller) or leads_team(call.caller, team)


class _Keys:
    """The keys of teams that the caller may see. The caller's own are read once for all teams of an answer."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._own: list[Key] | None = None

    def of(self, team: Team, most: int = _SHOWN) -> list[Key]:
        """The newest of one team."""
        if _all_of(self._call, team):
            return newest(self._call, KEYS_OF_TEAM, team.team_id, limit=most)
        if self._own is None:
            self._own = self._read()
        return [each for each in self._own if each.team_id == team.team_id][:most]

    def _read(self) -> list[Key]:
        caller = self._call.caller
        if caller.user is None:
            return newest(self._call, KEYS_OF_KEY_ID, caller.key, limit=1)
        return list(records(self._call, KEYS_OF_USER, caller.user))


def _emails(call: Call, team: Team) -> dict[str, str | None]:
    """The addresses of a team's members, where they may be seen."""
    ids = [user_account(each.user_id) for each in team.members if sees_user(call.caller, each.user_id)]
    return {user.user_id: user.user_email for user in together(call.app, User, ids).values()}


def _memberships(call: Call, team: Team, user_id: str | None = None) -> list[dict[str, Any]]:
    """Users in a team, or that one of them, with what they have spent there, as far as the caller may see it."""
    everything = _all_of(call, team)
    seen = [each for each in team.members if everything or each.user_id == call.caller.user]
    shown = [each for each in seen if user_id in {None, each.user_id}][:_SHOWN]
    ids = {each.user_id: member_account(team.team_id, each.user_id, team.since, each.since) for each in shown}
    accounts = together(call.app, Account, ids.values())
    now = call.app.now()
    return [
        membership_row(team, each, None if (known := accounts.get(ids[each.user_id])) is None else at(known, now))
        for each in shown
    ]


def _foreign(name: str) -> Forbidden:
    whose = "users" if name == "user_id" else "teams"
    return Forbidden(f"Only an admin may list teams of other {whose}.", param=name, type="auth_error")
