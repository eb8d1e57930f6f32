"""Who sees which keys, teams, users and spend: one place decides.

Admins and their viewers see all. Anybody else sees the own key and those of the own user, the own user, and the own
key's team; what is somebody else's in a team sees who leads it.
"""

from shared.app import App
from shared.domain.access import Caller
from shared.domain.keys import Key, Team, team_account

__all__ = ["leads", "sees_all", "sees_key", "sees_team", "sees_user"]


def sees_all(caller: Caller) -> bool:
    return caller.admin or caller.viewer


def sees_key(caller: Caller, key: Key) -> bool:
    own = key.key_id == caller.key or (caller.user is not None and key.user_id == caller.user)
    return sees_all(caller) or own


def sees_user(caller: Caller, user_id: str) -> bool:
    return sees_all(caller) or user_id == caller.user


def sees_team(caller: Caller, team_id: str) -> bool:
    return sees_all(caller) or team_id == caller.team


def leads(app: App, caller: Caller, team_id: str) -> bool:
    """Whether the caller's user is an admin of the team."""
    team = None if caller.user is None else app.documents.get(Team, team_account(team_id))
    return team is not None and any(each.user_id == caller.user and each.role == "admin" for each in team.members)
