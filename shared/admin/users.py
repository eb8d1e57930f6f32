"""Users: made, changed and deleted. No two have one e-mail address, however it is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import uuid4

from shared.admin.asked import Asked, amount, audit, begun, budgeted, caps_of, kept, text_of
from shared.admin.keyring import KeyRing
from shared.admin.keys import Made, place
from shared.admin.keys import delete as delete_keys
from shared.admin.people import allowance, email_id, member_of, taken, with_member, with_team
from shared.admin.terms import bounded, changed_user, new_user
from shared.app import App
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.errors import BadRequest, Conflict, NotFound
from shared.domain.ids import new_key_id
from shared.domain.keys import Alias, Key, Member, Team, User, team_account, user_account
from shared.storage.ports import Record, Transaction
from shared.storage.queries import KEYS_OF_USER

__all__ = ["Welcome", "create", "delete", "find", "find_by_email", "update"]

_MOST_TEAMS: Final = 50
_GULP: Final = 200
_LIMITS: Final = frozenset({"max_budget", "budget_duration", "tpm_limit", "rpm_limit", "model_max_budget"})
_OF_THE_KEY: Final = ("key_alias", "duration", "user_id", "team_id")


@dataclass(frozen=True, slots=True)
class Welcome:
    """A new user with the account, and with a key unless none was wanted."""

    user: User
    account: Account
    made: Made | None


def find(app: App, user_id: str) -> User | None:
    return app.documents.get(User, user_account(user_id))


def find_by_email(app: App, email: str) -> User | None:
    alias = app.documents.get(Alias, email_id(email))
    return None if alias is None else find(app, alias.of)


def create(app: App, by: Caller, asked: Asked) -> Welcome:
    """A new user, in the teams that are named, with a key: all in one transaction.

    Conflict where the id or the e-mail address is taken; BadRequest where a team does not exist.
    """
    asked = new_user(app, asked)
    user_id = text_of(asked.get("user_id")) or str(uuid4())
    wanted = _teams(asked)
    of_key = bounded(app, {name: asked[name] for name in _OF_THE_KEY if name in asked} | {"user_id": user_id})
    with_key, key_id = asked.get("auto_create_key") is not False, new_key_id()
    _sweep_leftovers(app, by, user_id)

    def body(tx: Transaction) -> Welcome:
        id, now = user_account(user_id), app.now()
        if tx.get(User, id) is not None:
            raise Conflict(f"User with id {user_id} already exists", param="user_id", code="user_exists")
        since = begun(tx, partial(user_account, user_id), now)
        bare = User(id=id, user_id=user_id, since=since, created_at=now, updated_at=now)
        for each in wanted:
            bare = with_team(bare, each)
        user, account = _changed(app, bare, Account(id=bare.account, name=f"User={user_id}"), asked)
        email = _email(tx, user, None)
        teams = [_joined(tx, each, user, member) for each, member in wanted.items()]
        paying = [one for team in teams if (one := allowance(tx, app, team, user_id, user.since)) is not None]
        write_key = place(tx, app, by, of_key, key_id=key_id, fresh_user=user) if with_key else None
        made = write_key() if write_key is not None else None
        records: tuple[Record, ...] = (user, account, *email, *teams, *paying)
        for record in records:
            tx.put(record)
        return Welcome(user, account, made)

    welcome = app.documents.transact(body)
    ring = app.remembered(KeyRing)
    ring.forget(User, welcome.user.id)
    for team_id in wanted:
        ring.forget(Team, team_account(team_id))
    audit(by, "user/new", user_id, asked)
    if welcome.made is not None:
        audit(by, "key/generate", welcome.made.key.key_id, of_key)
    return welcome


def update(app: App, by: Caller, user_id: str, asked: Asked) -> tuple[User, Account]:
    """The user with what is asked for. Null takes limits away; of all else null and nothing change nothing.

    As at LiteLLM 1.106.2, `_update_internal_user_params`.
    """
    asked = {name: value for name, value in asked.items() if name in _LIMITS or value not in (None, "", [], {})}
    if "model_max_budget" in asked:
        asked["model_max_budget"] = asked["model_max_budget"] or {}
    asked = changed_user(app, asked)

    def body(tx: Transaction) -> tuple[User, Account]:
        before = _live(tx, user_id)
        _refuse_teams(before, asked)
        user, account = _changed(app, before, tx.get(Account, before.account) or Account(id=before.account), asked)
        email = _email(tx, user, before)
        if before.user_email is not None and before.user_email != user.user_email:
            tx.delete(Alias, email_id(before.user_email))  # and put again, where no more than its writing has changed
        records: tuple[Record, ...] = (user, account, *email)
        for record in records:
            tx.put(record)
        return user, account

    changed = app.documents.transact(body)
    app.remembered(KeyRing).forget(User, changed[0].id)
    audit(by, "user/update", user_id, asked)
    return changed


def delete(app: App, by: Caller, user_ids: Sequence[str]) -> int:
    """Delete users with their keys; NotFound where one of them does not exist, and then none is touched.

    As teams are deleted: blocked first, then without keys and teams, then gone; so it may die anywhere and be repeated.
    """
    user_ids = list(dict.fromkeys(user_ids))

    def close(tx: Transaction) -> None:
        for user in [_live(tx, each) for each in user_ids]:
            tx.put(replace(user, blocked=True))

    def remove(tx: Transaction) -> None:
        for user in [tx.get(User, user_account(each)) for each in user_ids]:
            if user is not None:
                tx.delete(User, user.id)
                if user.user_email is not None:
                    tx.delete(Alias, email_id(user.user_email))

    app.documents.transact(close)
    for user_id in user_ids:
        app.remembered(KeyRing).forget(User, user_account(user_id))
        _leave(app, user_id)
        delete_keys(app, by, _keys(app, user_id))
    app.documents.transact(remove)
    for user_id in user_ids:
        app.remembered(KeyRing).forget(User, user_account(user_id))
        delete_keys(app, by, _keys(app, user_id))
        audit(by, "user/delete", user_id, {})
    return len(user_ids)


def _changed(app: App, user: User, account: Account, asked: Asked) -> tuple[User, Account]:
    fields = kept(user.fields, asked)
    email = asked.get("user_email", user.user_email)
    after = replace(
        user,
        user_email=text_of(email.strip() if email else None),
        user_alias=text_of(asked.get("user_alias", user.user_alias)),
        user_role=text_of(asked.get("user_role", user.user_role)),
        models=tuple(asked.get("models", user.models) or ()),
        rpm_limit=asked.get("rpm_limit", user.rpm_limit),
        blocked=bool(asked.get("blocked", user.blocked)),
        fields=fields,
        updated_at=app.now(),
    )
    account = replace(account, name=f"User={user.user_id}", caps=caps_of(fields))
    return after, budgeted(account, asked, app.now())


def _email(tx: Transaction, user: User, before: User | None) -> list[Alias]:
    """The record that takes the user's e-mail address, where there is a new one."""
    if user.user_email is None or (before is not None and before.user_email == user.user_email):
        return []
    if taken(tx, email_id(user.user_email), user.user_id):
        message = f"User with email {user.user_email} already exists"
        raise Conflict(message, param="user_email", code="email_taken")
    return [Alias(id=email_id(user.user_email), of=user.user_id)]


def _teams(asked: Asked) -> dict[str, Member]:
    """What the user is to be in each team that is named."""
    user_id = ""
    found = {
        each["team_id"]: Member(
            user_id=user_id,
            role=each.get("user_role") or "user",
            max_budget_in_team=amount(each.get("max_budget_in_team"), "teams.max_budget_in_team"),
        )
        for each in asked.get("teams") or ()
    }
    if (only := text_of(asked.get("team_id"))) is not None:
        found.setdefault(only, Member(user_id=user_id))
    if len(found) > _MOST_TEAMS:
        raise BadRequest(f"Invalid 'teams': there may be {_MOST_TEAMS} at once.", param="teams", code="invalid_value")
    return found


def _refuse_teams(user: User, asked: Asked) -> None:
    """BadRequest where a change names other teams than there are: both sides of a membership change together."""
    wanted = {each["team_id"] for each in asked.get("teams") or ()}
    if wanted and wanted != set(user.teams):
        message = "Invalid 'teams': a user joins a team with /team/member_add and leaves it with /team/member_delete."
        raise BadRequest(message, param="teams", code="invalid_value")


def _joined(tx: Transaction, team_id: str, user: User, member: Member) -> Team:
    team = tx.get(Team, team_account(team_id))
    if team is None:
        message = f"Team not found for team_id={team_id}. Create it first with /team/new."
        raise BadRequest(message, param="teams", code="team_not_found")
    return with_member(team, replace(member, user_id=user.user_id, since=user.since))


def _leave(app: App, user_id: str) -> None:
    """Take a user out of his teams, one by one, and out of those of his keys."""
    user = find(app, user_id)
    teams = () if user is None else user.teams
    for team_id in dict.fromkeys((*teams, *(key.team_id for key in _keys(app, user_id) if key.team_id is not None))):

        def body(tx: Transaction, team_id: str = team_id) -> None:
            team = tx.get(Team, team_account(team_id))
            if team is not None and member_of(team, user_id) is not None:
                tx.put(replace(team, members=tuple(each for each in team.members if each.user_id != user_id)))

        app.documents.transact(body)
        app.remembered(KeyRing).forget(Team, team_account(team_id))


def _live(tx: Transaction, user_id: str) -> User:
    user = tx.get(User, user_account(user_id))
    if user is None:
        raise NotFound(f"User not found, passed user_id={user_id}", param="user_id", code="user_not_found")
    return user


def _keys(app: App, user_id: str) -> list[Key]:
    """All keys of a user."""
    found: list[Key] = []
    while True:
        some: list[Any] = app.documents.query(KEYS_OF_USER, user_id, after=found[-1] if found else None, limit=_GULP)
        found += some
        if len(some) < _GULP:
            return found


def _sweep_leftovers(app: App, by: Caller, user_id: str) -> None:
    """Delete what a deleted namesake left behind: keys that were made while the user went."""
    now = app.now()
    if find(app, user_id) is None:
        delete_keys(app, by, [key for key in _keys(app, user_id) if key.created_at < now])
