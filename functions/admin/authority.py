"""Who may manage keys and members: admins all of them, and the admins of a team those of the team.

A team's admin is a user whose role in the team is `admin`. Such a one makes keys of the team for himself or for nobody,
changes, blocks and deletes all of them, makes anew those that are nobody's or his own, and has users who exist come and
go. A key acts as its user, so that nobody is ever handed a key of somebody else's. Whoever is neither is refused before
anything else of the request is looked at: what exists and what does not is all the same to him.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from functions.http import Call
from shared.admin.people import member_of
from shared.admin.teams import find as find_team
from shared.admin.users import find as find_user
from shared.admin.users import find_by_email
from shared.domain.errors import Forbidden
from shared.domain.keys import Key

__all__ = ["leads", "may_ask", "may_change", "may_have_secret", "may_join", "may_manage"]

_ADMINS_ALONE: Final = ("user_id", "team_id", "key_type", "allowed_routes", "spend")  # of what a key may be changed in


def may_ask(call: Call) -> None:
    """Forbidden for who cannot be an admin of anything."""
    if not call.caller.admin and call.caller.user is None:
        raise _forbidden(call)


def leads(call: Call, team_id: object) -> bool:
    """Whether the caller is an admin of this team."""
    user = call.caller.user
    if user is None or not isinstance(team_id, str) or not team_id:
        return False
    team = find_team(call.app, team_id)
    member = None if team is None else member_of(team, user)
    return member is not None and member.role == "admin"


def may_manage(call: Call, team_id: object) -> None:
    """Forbidden unless the caller is an admin, or one of this team's."""
    if not call.caller.admin and not leads(call, team_id):
        raise _forbidden(call)


def may_have_secret(call: Call, user_id: str | None) -> None:
    """Forbidden where a team's admin would be shown a key of somebody else's."""
    if not call.caller.admin and user_id not in {None, call.caller.user}:
        raise Forbidden("Only an admin may be given a key of another user.", type="auth_error")


def may_change(call: Call, key: Key, wanted: Mapping[str, Any]) -> None:
    """Forbidden where a team's admin would change what a key is at all."""
    for name in () if call.caller.admin else _ADMINS_ALONE:
        if name in wanted and wanted[name] != getattr(key, name, None):
            raise Forbidden(f"Only an admin may change {name} of a key.", type="auth_error")


def may_join(call: Call, wanted: Collection[Mapping[str, Any]]) -> None:
    """Forbidden where a team's admin names users who do not exist: they would be created."""
    for each in () if call.caller.admin else wanted:
        user_id, email = each.get("user_id"), each.get("user_email")
        if (find_user(call.app, user_id) if user_id else find_by_email(call.app, email or "")) is None:
            raise Forbidden("Only an admin may have users join who do not exist yet.", type="auth_error")


def _forbidden(call: Call) -> Forbidden:
    return Forbidden(f"Only an admin may do this: {call.request.method} {call.request.path[:100]}.", type="auth_error")
