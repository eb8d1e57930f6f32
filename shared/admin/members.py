"""Who is in a team, and what a member may spend there.

A team stands in its members, and each member's user in its team: both sides change in one transaction. A member may be
no more than an id, of a user whom nobody has created yet: admins of teams name whom they like, and make no users.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from shared.admin.asked import Asked, amount, audit, budgeted, text_of
from shared.admin.keyring import KeyRing
from shared.admin.keys import account_of
from shared.admin.keys import delete as delete_keys
from shared.admin.people import (
    allowance,
    blank_user,
    email_id,
    keys_of_team,
    live_team,
    may_lead,
    member_of,
    with_member,
    with_team,
)
from shared.app import App
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.errors import BadRequest
from shared.domain.keys import Alias, Member, Team, User, user_account
from shared.storage.ports import Transaction

__all__ = ["Joined", "add", "forget", "joining", "lasting", "remove", "update"]

_MOST_ADDED: Final = 100  # at once
_MOST_NAMED: Final = 3  # in a message


@dataclass(frozen=True, slots=True)
class Joined:
    """A team with its account, and those who came into it, with what they may spend there."""

    team: Team
    account: Account
    members: tuple[Member, ...]
    users: tuple[User, ...]  # of those members, as far as they exist
    allowances: Mapping[str, Account]  # by user_id


def add(app: App, by: Caller, team_id: str, asked: Asked) -> Joined:
    """The team with more members, and those alone who came in now: who is in it already stays as he is. BadRequest
    where that is everybody. Users whom nobody has created an admin creates.
    """

    def body(tx: Transaction) -> Joined:
        team = live_team(tx, team_id)
        may_lead(by, team)
        account = tx.get(Account, team.account) or Account(id=team.account)
        team = replace(team, updated_at=app.now())
        joined, write = joining(tx, app, team, account, wanted=asked["member"], asked=asked, creates=by.admin)
        write()
        return joined

    joined = app.documents.transact(body)
    forget(app, joined)
    audit(by, "team/member_add", team_id, asked, joined.members)
    return joined


def update(app: App, by: Caller, team_id: str, asked: Asked) -> tuple[Team, Member, Account | None]:
    """The member with another role or budget."""

    def body(tx: Transaction) -> tuple[Team, Member, Account | None]:
        team = live_team(tx, team_id)
        may_lead(by, team)
        before = _member(tx, team, asked)
        user = tx.get(User, user_account(before.user_id))
        if user is not None and user.since != before.since:
            message = "Who was in the team under this name was deleted. Add the user with /team/member_add."
            raise BadRequest(message, param="user_id", code="user_not_in_team")
        budget = before.max_budget_in_team
        if "max_budget_in_team" in asked:
            budget = amount(asked["max_budget_in_team"], "max_budget_in_team")
        member = replace(before, role=asked.get("role") or before.role, max_budget_in_team=budget)
        team = replace(_with(team, member), updated_at=app.now())
        account = allowance(tx, app, team, member.user_id, member.since)
        if account is not None:
            account = lasting(account, asked, "budget_duration", app.now())
            tx.put(account)
        tx.put(team)
        return team, member, account

    changed = app.documents.transact(body)
    app.remembered(KeyRing).forget(Team, changed[0].id)
    audit(by, "team/member_update", team_id, asked, [changed[1]])
    return changed


def remove(app: App, by: Caller, team_id: str, asked: Asked) -> tuple[Team, Account]:
    """The team without this member, whose keys of this team are deleted, and before that: so it may be done again.

    Who leads the team leads it no more before his keys are looked for: else he could go on making some.
    """

    def demoted(tx: Transaction) -> Member:
        team = live_team(tx, team_id)
        may_lead(by, team)
        leaving = _member(tx, team, asked)
        if leaving.role == "admin":
            tx.put(_with(team, replace(leaving, role="user")))
        return leaving

    leaving = app.documents.transact(demoted)
    delete_keys(app, by, [key for key in keys_of_team(app, team_id) if key.user_id == leaving.user_id])

    def body(tx: Transaction) -> Team:
        team, user = live_team(tx, team_id), tx.get(User, user_account(leaving.user_id))
        team = replace(
            team, members=tuple(each for each in team.members if each.user_id != leaving.user_id), updated_at=app.now()
        )
        tx.put(team)
        if user is not None:
            tx.put(replace(user, teams=tuple(each for each in user.teams if each != team_id)))
        return team

    team = app.documents.transact(body)
    app.remembered(KeyRing).forget(Team, team.id)
    audit(by, "team/member_delete", team_id, asked, [leaving])
    return team, account_of(app, team.account)


def _with(team: Team, member: Member) -> Team:
    """The team with a member as he is now."""
    return replace(team, members=tuple(member if each.user_id == member.user_id else each for each in team.members))


def joining(
    tx: Transaction,
    app: App,
    team: Team,
    account: Account,
    *,
    wanted: Sequence[Mapping[str, Any]],
    asked: Asked,
    creates: bool = True,
) -> tuple[Joined, Callable[[], None]]:
    """Read all that is needed for so many to come in; what is returned writes it, and the team."""
    now = app.now()
    if len(wanted) > _MOST_ADDED:
        message = f"Too many members: {_MOST_ADDED} at once may come into a team."
        raise BadRequest(message, param="member", code="too_many_members")
    budget = amount(asked.get("max_budget_in_team"), "max_budget_in_team")
    emails = [each["user_email"].strip().lower() for each in wanted if each.get("user_email")]
    if len(set(emails)) < len(emails):
        raise _twice()
    users: list[User] = []
    fresh: list[Any] = []
    members: list[Member] = []
    for each in wanted:
        user_id, user, new = _user(tx, each, now, creates=creates)
        if any(user_id == other.user_id for other in members):
            raise _twice()
        member = Member(
            user_id=user_id,
            role=each.get("role") or "user",
            max_budget_in_team=budget,
            since=0 if user is None else user.since,
        )
        known = member_of(team, user_id)
        if known is not None and known.since == member.since:
            continue
        users += () if user is None else (with_team(user, team.team_id),)
        fresh += new
        members.append(member)
        team = with_member(team, member)
    if wanted and not members:
        raise _all_in(team, wanted)
    found = {each.user_id: allowance(tx, app, team, each.user_id, each.since) for each in members}
    paying = {each: lasting(one, asked, "budget_duration", now) for each, one in found.items() if one is not None}

    def write() -> None:
        for record in (*fresh, team, account, *users, *paying.values()):
            tx.put(record)

    return Joined(team, account, tuple(members), tuple(users), paying), write


def _twice() -> BadRequest:
    return BadRequest("One user is named more than once.", param="member", code="invalid_value")


def _all_in(team: Team, wanted: Sequence[Mapping[str, Any]]) -> BadRequest:
    """In LiteLLM's word (1.106.2, `team_member_add_duplication_check`): Terraform's provider takes it for success."""
    who = ", ".join(str(each.get("user_id") or each.get("user_email")) for each in wanted[:_MOST_NAMED])
    message = f"User already in team. Member: {who}, team_id={team.team_id}."
    return BadRequest(message, param="member", type="team_member_already_in_team", code="team_member_already_in_team")


def _user(tx: Transaction, wanted: Mapping[str, Any], now: int, *, creates: bool) -> tuple[str, User | None, list[Any]]:
    """The id of who is meant, by id or by e-mail address, the user, and what is new where nobody has created one."""
    user_id, email = text_of(wanted.get("user_id")), text_of(wanted.get("user_email"))
    known = None if email is None else tx.get(Alias, email_id(email))
    if known is not None and user_id is not None and known.of != user_id:
        message = f"user_email and user_id are not those of one user: {user_id}."
        raise BadRequest(message, param="member", code="invalid_value")
    user_id = user_id or (known.of if known is not None else str(uuid4()))
    found = tx.get(User, user_account(user_id))
    new = blank_user(tx, user_id, now) if found is None and creates else None
    if new is None:
        return user_id, found, []
    user, account = new
    if email is None:
        return user_id, user, [account]
    return user_id, replace(user, user_email=email), [account, Alias(id=email_id(email), of=user_id)]


def _member(tx: Transaction, team: Team, asked: Asked) -> Member:
    user_id, email = text_of(asked.get("user_id")), text_of(asked.get("user_email"))
    if user_id is None and email is not None:
        alias = tx.get(Alias, email_id(email))
        user_id = None if alias is None else alias.of
    found = None if user_id is None else member_of(team, user_id)
    if found is None:
        raise BadRequest("User not found in team.", param="user_id", code="user_not_in_team")
    return found


def lasting(account: Account, asked: Asked, name: str, now: int) -> Account:
    """A member's account with the duration that is asked for its budget, if any is."""
    return budgeted(account, {"budget_duration": asked[name]} if name in asked else {}, now)


def forget(app: App, joined: Joined) -> None:
    ring = app.remembered(KeyRing)
    ring.forget(Team, joined.team.id)
    for user in joined.users:
        ring.forget(User, user.id)
