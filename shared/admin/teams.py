"""Teams: made, changed, blocked and deleted."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final
from uuid import uuid4

from shared.admin.asked import Asked, amount, audit, begun, budgeted, caps_of, kept, labels, text_of, visible
from shared.admin.keyring import KeyRing
from shared.admin.keys import account_of
from shared.admin.keys import delete as delete_keys
from shared.admin.members import Joined, forget, joining, lasting
from shared.admin.people import allowance, keys_of_team, live_team, name_of_team
from shared.admin.retention import lives, placed
from shared.admin.terms import new_team
from shared.app import App
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.errors import BadRequest
from shared.domain.keys import Team, User, team_account, user_account
from shared.storage.ports import Transaction

__all__ = ["block", "create", "delete", "find", "update"]

_GULP: Final = 200
_ALLOWANCE: Final = {"team_member_budget", "team_member_budget_duration"}


def find(app: App, team_id: str) -> Team | None:
    return app.documents.get(Team, team_account(team_id))


def create(app: App, by: Caller, asked: Asked) -> Joined:
    """A new team. BadRequest where there is one of this id."""
    asked = new_team(app, asked)
    team_id = text_of(asked.get("team_id")) or str(uuid4())
    _sweep_leftovers(app, by, team_id)

    def body(tx: Transaction) -> Joined:
        id, now = team_account(team_id), app.now()
        if tx.get(Team, id) is not None:
            message = f"Team id = {team_id} already exists. Please use a different team id."
            raise BadRequest(message, param="team_id", code="team_exists")
        since = begun(tx, partial(team_account, team_id), now)
        bare = Team(id=id, team_id=team_id, since=since, created_at=now, updated_at=now)
        team, account = _changed(app, bare, Account(id=bare.account), asked)
        joined, write = joining(tx, app, team, account, wanted=asked.get("members_with_roles") or (), asked={})
        write()
        return joined

    joined = app.documents.transact(body)
    forget(app, joined)
    audit(by, "team/new", team_id, asked, joined.members)
    return joined


def update(app: App, by: Caller, team_id: str, asked: Asked) -> tuple[Team, Account]:
    """The team with what is asked for. A new budget of its members is that of all who have none of their own.

    The members' accounts have it before the team says so, so that nobody pays from one without; and once more behind
    it, for those who came meanwhile. Whoever dies on the way is repeated.
    """
    allows = not _ALLOWANCE.isdisjoint(asked)

    def body(tx: Transaction) -> tuple[Team, Account]:
        changed = _asked_of(tx, app, team_id, asked)
        for record in changed:
            tx.put(record)
        return changed

    if allows:
        _allow(app, team_id, asked, ahead=True)
    changed = app.documents.transact(body)
    app.remembered(KeyRing).forget(Team, changed[0].id)
    if allows:
        _allow(app, team_id, asked, ahead=False)
    audit(by, "team/update", team_id, asked)
    return changed


def block(app: App, by: Caller, team_id: str, *, blocked: bool) -> tuple[Team, Account]:
    """The team, whose keys may not be used any more, or may be again."""

    def body(tx: Transaction) -> Team:
        team = replace(live_team(tx, team_id), blocked=blocked, updated_at=app.now())
        tx.put(team)
        return team

    team = app.documents.transact(body)
    app.remembered(KeyRing).forget(Team, team.id)
    audit(by, "team/block" if blocked else "team/unblock", team_id, {"blocked": blocked})
    return team, account_of(app, team.account)


def delete(app: App, by: Caller, team_ids: Sequence[str]) -> None:
    """Delete teams with their keys; NotFound where one of them does not exist, and then none is touched.

    They are blocked, then emptied, then gone, all of them in one transaction: whoever dies on the way is repeated, and
    finds them all. Keys that were made meanwhile cannot be used, and go last.
    """
    team_ids = list(dict.fromkeys(team_ids))

    def close(tx: Transaction) -> None:
        for team in [live_team(tx, each) for each in team_ids]:
            tx.put(replace(team, blocked=True))

    def remove(tx: Transaction) -> None:
        for each in team_ids:
            tx.delete(Team, team_account(each))

    app.documents.transact(close)
    for team_id in team_ids:
        app.remembered(KeyRing).forget(Team, team_account(team_id))
        _dismiss(app, team_id)
        delete_keys(app, by, keys_of_team(app, team_id))
    app.documents.transact(remove)
    for team_id in team_ids:
        app.remembered(KeyRing).forget(Team, team_account(team_id))
        delete_keys(app, by, keys_of_team(app, team_id))
        audit(by, "team/delete", team_id, {})


def _asked_of(tx: Transaction, app: App, team_id: str, asked: Asked) -> tuple[Team, Account]:
    before = live_team(tx, team_id)
    return _changed(app, before, tx.get(Account, before.account) or Account(id=before.account), asked)


def _allow(app: App, team_id: str, asked: Asked, *, ahead: bool) -> None:
    """Give members' accounts the budget of the team, as it is to be (`ahead`) or is, a number of them at a time."""
    everybody = _everybody(app, team_id)
    for first in range(0, len(everybody), _GULP):

        def body(tx: Transaction, some: Sequence[str | None] = everybody[first : first + _GULP]) -> None:
            team = _asked_of(tx, app, team_id, asked)[0] if ahead else live_team(tx, team_id)
            found = [allowance(tx, app, team, each) for each in some]
            for each in found:
                if each is not None:
                    tx.put(lasting(each, asked, "team_member_budget_duration", app.now()))

        app.documents.transact(body)


def _changed(app: App, team: Team, account: Account, asked: Asked) -> tuple[Team, Account]:
    fields = kept(team.fields, placed(team.fields, asked))
    file_life, output_life = lives(fields)
    after = replace(
        team,
        team_alias=text_of(asked.get("team_alias", team.team_alias)),
        models=tuple(asked.get("models", team.models) or ()),
        rpm_limit=asked.get("rpm_limit", team.rpm_limit),
        blocked=bool(asked.get("blocked", team.blocked)),
        tags=labels(fields),
        visibility=visible(fields),
        file_life=file_life,
        output_life=output_life,
        fields=fields,
        updated_at=app.now(),
    )
    if "team_member_budget" in asked:
        after = replace(after, member_budget=amount(asked["team_member_budget"], "team_member_budget"))
    lasting(Account(id=""), asked, "team_member_budget_duration", app.now())  # what is wrong is said before it is kept
    account = replace(account, name=f"Team={name_of_team(after)}", caps=caps_of(fields))
    return after, budgeted(account, asked, app.now())


def _sweep_leftovers(app: App, by: Caller, team_id: str) -> None:
    """Delete what a deleted namesake of a team left behind: keys that were made while it went."""
    now = app.now()
    if find(app, team_id) is None:
        delete_keys(app, by, [key for key in keys_of_team(app, team_id) if key.created_at < now])


def _dismiss(app: App, team_id: str) -> None:
    """Take a team off its members, and off whoever else has a key of it, a number of them at a time."""
    everybody = [each for each in _everybody(app, team_id) if each is not None]
    for first in range(0, len(everybody), _GULP):

        def body(tx: Transaction, some: Sequence[str] = everybody[first : first + _GULP]) -> None:
            users = [tx.get(User, user_account(each)) for each in some]
            for user in users:
                if user is not None and team_id in user.teams:
                    tx.put(replace(user, teams=tuple(each for each in user.teams if each != team_id)))

        app.documents.transact(body)


def _everybody(app: App, team_id: str) -> list[str | None]:
    """The members of a team, and those who have a key of it; None where that is nobody's."""
    team = find(app, team_id)
    members = () if team is None else (each.user_id for each in team.members)
    return list(dict.fromkeys((*members, *(key.user_id for key in keys_of_team(app, team_id)))))
