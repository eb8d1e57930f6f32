"""Who may manage keys and members, and who sees whose records; that somebody has tried is put on record.

Admins manage all of them, and the admins of a team those of the team.

A team's admin is a user whose role in the team is `admin`. Such a one makes keys of the team for himself, changes,
blocks and deletes all of them, makes anew his own, and has users come and go, by their ids alone: whether there is such
a user he is not told. A key acts as its user, so that nobody is ever handed a key of somebody else's; nor one of
nobody's, for which none of the limits would hold that are set for him. Nor does he set his own budget in the team.
Whoever is neither is refused before anything else of the request is looked at: what exists and what does not is all the
same to him.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

from functions.http import Call
from shared.admin import sight
from shared.admin.teams import find as find_team
from shared.admin.together import together
from shared.admin.users import find as find_user
from shared.domain.errors import Forbidden
from shared.domain.keys import Key, Team, User, team_account

__all__ = [
    "leads",
    "may_ask",
    "may_budget",
    "may_change",
    "may_have_secret",
    "may_manage",
    "may_name",
    "may_permit",
    "own_key",
    "own_team",
    "own_teams",
    "own_user",
]

_ADMINS_ALONE: Final = ("user_id", "team_id", "key_type", "allowed_routes", "spend")  # of what a key may be changed in
_ALLOWANCE: Final = frozenset({"max_budget_in_team", "budget_duration"})

R = TypeVar("R", Key, User, Team)


def may_ask(call: Call) -> None:
    """Forbidden for who cannot be an admin of anything."""
    if not call.caller.admin and call.caller.user is None:
        raise _forbidden(call)


def leads(call: Call, team_id: object) -> bool:
    """Whether the caller is an admin of this team."""
    return isinstance(team_id, str) and bool(team_id) and sight.leads(call.app, call.caller, team_id)


def may_manage(call: Call, team_id: object) -> None:
    """Forbidden unless the caller is an admin, or one of this team's."""
    if not call.caller.admin and not leads(call, team_id):
        raise _forbidden(call)


def may_have_secret(call: Call, user_id: str | None) -> None:
    """Forbidden where a team's admin would be shown a key that is not his own."""
    if not call.caller.admin and user_id != call.caller.user:
        raise Forbidden("Only an admin may be given a key of another user, or of none.", type="auth_error")


def may_change(call: Call, key: Key, wanted: Mapping[str, Any]) -> None:
    """Forbidden where a team's admin would change what a key is at all."""
    may_permit(call, wanted)
    for name in () if call.caller.admin else _ADMINS_ALONE:
        if name in wanted and wanted[name] != getattr(key, name, None):
            raise Forbidden(f"Only an admin may change {name} of a key.", type="auth_error")


def may_permit(call: Call, wanted: Mapping[str, Any]) -> None:
    """Forbidden where a team's admin would have a key do more than keys of the team do."""
    if not call.caller.admin and wanted.get("permissions"):
        raise Forbidden("Only an admin may give permissions to a key.", param="permissions", type="auth_error")


def may_name(call: Call, wanted: Collection[Mapping[str, Any]]) -> None:
    """Forbidden where a team's admin names users by address: whoever guesses one would be told whose it is."""
    if not call.caller.admin and any(each.get("user_email") for each in wanted):
        raise Forbidden("Only an admin may name users by user_email. Name them by user_id.", type="auth_error")


def may_budget(call: Call, wanted: Mapping[str, Any]) -> None:
    """Forbidden where a team's admin would set his own budget in the team, or when it begins anew."""
    own = wanted.get("user_id") == call.caller.user
    if not call.caller.admin and own and not _ALLOWANCE.isdisjoint(wanted):
        raise Forbidden("Only an admin may change your own budget in the team.", type="auth_error")


def own_key(call: Call, key: Key | None) -> Key | None:
    """The key, where the caller may see it."""
    return _seen(call, key, lambda found: sight.sees_key(call.caller, found), "" if key is None else key.key_id)


def own_user(call: Call, user_id: str) -> User | None:
    """The user of this id, where the caller may see him."""
    return _seen(call, find_user(call.app, user_id), lambda _: sight.sees_user(call.caller, user_id), user_id)


def own_team(call: Call, team_id: str) -> Team | None:
    """The team of this id, where the caller may see it; what is others' in it is for who `leads` it."""
    return _seen(call, find_team(call.app, team_id), lambda found: sight.sees_team(call.caller, found), team_id)


def _seen(call: Call, found: R | None, sees: Callable[[R], bool], id: str) -> R | None:
    """What there is, if it may be seen; that somebody has tried is put on record."""
    if found is None or sees(found):
        return found
    call.record_try(id)
    return None


def own_teams(call: Call) -> list[Team]:
    """The teams of the caller's key and user."""
    ids = [team_account(each) for each in sight.teams_of(call.app, call.caller)]
    found = together(call.app, Team, ids)
    return [found[id] for id in ids if id in found and sight.sees_team(call.caller, found[id])]


def _forbidden(call: Call) -> Forbidden:
    return Forbidden(f"Only an admin may do this: {call.route}.", type="auth_error")
