"""What keys, teams and users have to do with one another: part of the transactions that change any of them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import msgspec

from shared.admin.asked import begun, budgeted
from shared.admin.sight import leads_team
from shared.app import App
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.errors import BadRequest, Forbidden, NotFound
from shared.domain.ids import derived
from shared.domain.keys import Alias, Key, Member, Team, User, member_account, team_account, user_account
from shared.storage.ports import Transaction
from shared.storage.queries import KEYS_OF_TEAM

__all__ = [
    "alias_id",
    "allowance",
    "blank_user",
    "email_id",
    "keys_of_team",
    "live_team",
    "may_lead",
    "member_of",
    "name_of_team",
    "others_of_key",
    "taken",
    "team_for_key",
    "with_member",
    "with_team",
]

_LENGTH: Final = "team_member_budget_duration"
_GULP: Final = 200
_MOST_MEMBERS: Final = 1_000  # of a team
_MOST_TEAMS: Final = 1_000  # of a user


def alias_id(alias: str) -> str:
    """The record that says that a key alias is taken."""
    return f"alias-{derived('key_alias', alias)}"


def email_id(email: str) -> str:
    """The record that says that an e-mail address is taken, however it is written."""
    return f"email-{derived('user_email', email.strip().lower())}"


def team_for_key(tx: Transaction, team_id: str | None) -> Team | None:
    """The team that a key is to be of; BadRequest where there is none."""
    if team_id is None:
        return None
    team = tx.get(Team, team_account(team_id))
    if team is None:
        message = f"Team not found for team_id={team_id}. Create it first with /team/new."
        raise BadRequest(message, param="team_id", code="team_not_found")
    return team


def blank_user(tx: Transaction, user_id: str, now: int) -> tuple[User, Account] | None:
    """A user of whom no more than the id is known, with the account; None where there is one of that id.

    LiteLLM gives keys to users that nobody has created. Here they are created then.
    """
    id = user_account(user_id)
    if tx.get(User, id) is not None:
        return None
    since = begun(tx, partial(user_account, user_id), now)
    user = User(id=id, user_id=user_id, since=since, created_at=now, updated_at=now)
    return user, Account(id=user.account, name=f"User={user_id}")


def name_of_team(team: Team) -> str:
    return team.team_alias or team.team_id


def member_of(team: Team, user_id: str) -> Member | None:
    return next((each for each in team.members if each.user_id == user_id), None)


def with_member(team: Team, member: Member) -> Team:
    """The team with one more member, unless he is in it already; a namesake makes room for him. BadRequest where it is
    full.
    """
    known = member_of(team, member.user_id)
    if known is not None and known.since == member.since:
        return team
    if known is not None:
        return replace(team, members=tuple(member if each is known else each for each in team.members))
    if len(team.members) >= _MOST_MEMBERS:
        message = f"Too many members: a team may have {_MOST_MEMBERS:,} members. It is full: team_id={team.team_id}."
        raise BadRequest(message, param="member", code="too_many_members")
    return replace(team, members=(*team.members, member))


def with_team(user: User, team_id: str) -> User:
    """The other side: the user with one more team."""
    if team_id in user.teams:
        return user
    if len(user.teams) >= _MOST_TEAMS:
        message = f"Too many teams: a user may be in {_MOST_TEAMS:,} teams. Already so is user_id={user.user_id}."
        raise BadRequest(message, param="user_id", code="too_many_teams")
    return replace(user, teams=(*user.teams, team_id))


def allowance(
    tx: Transaction, app: App, team: Team | None, user_id: str | None, since: int | None = None
) -> Account | None:
    """The account of a user in a team, with the budget that the team gives; None where it gives none, nor ever has, and
    nothing was spent there yet. `since`: the user's own; None: as the store has it.
    """
    if team is None or user_id is None:
        return None
    if since is None:
        user = tx.get(User, user_account(user_id))
        since = 0 if user is None else user.since
    member = member_of(team, user_id)
    own = None if member is None or member.since != since else member.max_budget_in_team
    budget = team.member_budget if own is None else own
    id = member_account(team.team_id, user_id, team.since, since)
    before = tx.get(Account, id)
    if before is None and budget is None:
        return None
    account = before or Account(id=id)
    length = msgspec.json.decode(team.fields).get(_LENGTH)
    if length is not None and account.max_budget is None and account.budget_duration is None:
        account = budgeted(account, {"budget_duration": length}, app.now())
    return replace(account, name=f"Member={user_id} in {name_of_team(team)}", max_budget=budget)


def may_lead(by: Caller, team: Team | None) -> None:
    """Forbidden unless the caller is an admin, or one of this team's, as the transaction sees it: who was one when he
    asked, and is none any more, comes too late.
    """
    if not by.admin and (team is None or not leads_team(by, team)):
        raise Forbidden("Only an admin may do this.", type="auth_error")


def others_of_key(
    tx: Transaction, app: App, by: Caller, key: Key, before: Key | None, *, fresh_user: User | None = None
) -> Callable[[], None]:
    """Read the alias, the team and the user of a key; what is returned writes what has to change with it.

    `fresh_user`: its user, where the same transaction makes the user, too.
    """
    team = team_for_key(tx, key.team_id)
    may_lead(by, team)
    alias, old = key.key_alias, None if before is None else before.key_alias
    if alias is not None and alias != old and taken(tx, alias_id(alias), key.key_id):
        message = f"Key with alias '{alias}' already exists. Unique key aliases across all keys are required."
        raise BadRequest(message, param="key_alias", code="alias_taken")
    new: tuple[User, Account] | None = None
    if key.user_id is not None and fresh_user is None and (before is None or before.user_id != key.user_id):
        new = blank_user(tx, key.user_id, app.now())
    fresh_user = fresh_user if new is None else new[0]
    member = allowance(tx, app, team, key.user_id, None if fresh_user is None else fresh_user.since)

    def write() -> None:
        if old is not None and old != alias:
            tx.delete(Alias, alias_id(old))
        if alias is not None and alias != old:
            tx.put(Alias(id=alias_id(alias), of=key.key_id))
        for record in (*(new or ()), *((member,) if member is not None else ())):
            tx.put(record)

    return write


def taken(tx: Transaction, id: str, of: str) -> bool:
    """Whether a name belongs to somebody else."""
    alias = tx.get(Alias, id)
    return alias is not None and alias.of != of


def live_team(tx: Transaction, team_id: str) -> Team:
    team = tx.get(Team, team_account(team_id))
    if team is None:
        raise NotFound(f"Team not found, passed team_id={team_id}", param="team_id", code="team_not_found")
    return team


def keys_of_team(app: App, team_id: str) -> list[Key]:
    """All keys of a team."""
    found: list[Key] = []
    while True:
        some = app.documents.query(KEYS_OF_TEAM, team_id, after=found[-1] if found else None, limit=_GULP)
        found += some
        if len(some) < _GULP:
            return found
