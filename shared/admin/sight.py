"""Who sees which keys, teams, users and spend: one place decides.

Admins and their viewers see all. Anybody else sees the own key and those of the own user, the own user, the own key's
team and those that the user is in; what is somebody else's in a team sees who leads it.
"""

from shared.app import App
from shared.domain.access import Caller
from shared.domain.keys import Key, Team, User, team_account, user_account

__all__ = ["leads", "leads_team", "sees_all", "sees_key", "sees_team", "sees_user", "teams_of"]


def sees_all(caller: Caller) -> bool:
    return caller.admin or caller.viewer


def sees_key(caller: Caller, key: Key) -> bool:
    own = key.key_id == caller.key or (caller.user is not None and key.user_id == caller.user)
    return sees_all(caller) or own


def sees_user(caller: Caller, user_id: str) -> bool:
    return sees_all(caller) or user_id == caller.user


def sees_team(caller: Caller, team: Team) -> bool:
    return sees_all(caller) or team.team_id == caller.team or _role(caller, team) is not None


def leads_team(caller: Caller, team: Team) -> bool:
    """Whether the caller's user is an admin of the team."""
    return _role(caller, team) == "admin"


def leads(app: App, caller: Caller, team_id: str) -> bool:
    """The same of a team that has not been read yet."""
    team = None if caller.user is None else app.documents.get(Team, team_account(team_id))
    return team is not None and leads_team(caller, team)


def teams_of(app: App, caller: Caller) -> list[str]:
    """The teams of a caller: its key's and its user's."""
    user = None if caller.user is None else app.documents.get(User, user_account(caller.user))
    own = () if caller.team is None else (caller.team,)
    return list(dict.fromkeys((*own, *(() if user is None else user.teams))))


def _role(caller: Caller, team: Team) -> str | None:
    if caller.user is None:
        return None
    found = next((each for each in team.members if each.user_id == caller.user), None)
    return None if found is None or found.since != caller.since else found.role
