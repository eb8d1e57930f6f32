"""What a user spends in a team is counted from the first day, whether there is a budget or not."""

from typing import Any

import pytest

from shared.admin import keys, members, teams, users
from shared.admin.keyring import KeyRing
from shared.app import App
from shared.domain.access import ADMIN
from shared.domain.account import Account, left, spend
from shared.domain.cost import nano
from shared.domain.keys import member_account
from shared.steps.accounts import Purse
from shared.steps.commit import Turn, commit

T, U = "t", "u"


def pay(app: App, secret: str, usd: str) -> None:
    """Spend with a key, as a collected shard does."""
    found = app.remembered(KeyRing).find(app, secret)
    assert found is not None

    def body(turn: Turn) -> None:
        purse = Purse(app, turn, found.caller.payers)
        purse.spend(nano(usd), released=0)
        purse.put()

    commit(app, body)


def of_member(app: App, user: str = U) -> Account:
    team, known = teams.find(app, T), users.find(app, user)
    assert team is not None
    id = member_account(T, user, team.since, 0 if known is None else known.since)
    return app.documents.get(Account, id) or Account(id=id)


@pytest.fixture
def secret(app: App) -> str:
    """A key of a member of a team, neither of which has a budget."""
    teams.create(app, ADMIN, {"team_id": T, "members_with_roles": [{"user_id": U}]})
    return keys.generate(app, ADMIN, {"team_id": T, "user_id": U}).secret


@pytest.mark.parametrize("how", ["team", "member"])
def test_a_budget_that_is_given_later_begins_with_what_was_spent(app: App, secret: str, how: str) -> None:
    pay(app, secret, "3")
    if how == "team":
        teams.update(app, ADMIN, T, {"team_member_budget": 5, "team_member_budget_duration": "1mo"})
    else:
        members.update(app, ADMIN, T, {"user_id": U, "max_budget_in_team": 5, "budget_duration": "1mo"})
    found = of_member(app)
    assert (found.name, found.budget_duration) == ("Member=u in t", "1mo")
    assert (spend(found), left(found)) == (nano("3"), nano("2"))
    pay(app, secret, "1")
    assert left(of_member(app)) == nano("1")


def test_who_comes_into_a_team_with_a_budget_of_a_length_has_that_though_he_has_spent_in_it(app: App) -> None:
    teams.create(app, ADMIN, {"team_id": T})
    guest = keys.generate(app, ADMIN, {"team_id": T, "user_id": U})
    pay(app, guest.secret, "1")
    keys.delete(app, ADMIN, [guest.key])
    teams.update(app, ADMIN, T, {"team_member_budget": 5, "team_member_budget_duration": "7d"})
    members.add(app, ADMIN, T, {"member": [{"user_id": U}]})
    found = of_member(app)
    assert (found.max_budget, found.budget_duration, spend(found)) == (nano("5"), "7d", nano("1"))


def test_who_leaves_and_comes_again_has_spent_what_he_has(app: App, secret: str) -> None:
    pay(app, secret, "3")
    members.remove(app, ADMIN, T, {"user_id": U})
    members.add(app, ADMIN, T, {"member": [{"user_id": U}], "max_budget_in_team": 5})
    assert left(of_member(app)) == nano("2")


@pytest.mark.parametrize("who", ["team", "user", "guest"])
def test_namesakes_of_the_deleted_have_spent_nothing(app: App, secret: str, who: str) -> None:
    if who == "guest":
        members.remove(app, ADMIN, T, {"user_id": U})
        secret = keys.generate(app, ADMIN, {"team_id": T, "user_id": U}).secret
    pay(app, secret, "3")
    again: dict[str, Any] = {"team_id": T, "members_with_roles": [{"user_id": U}], "team_member_budget": 5}
    if who == "team":
        teams.delete(app, ADMIN, [T])
        teams.create(app, ADMIN, again)
    else:
        users.delete(app, ADMIN, [U])
        users.create(app, ADMIN, {"user_id": U, "teams": [{"team_id": T, "max_budget_in_team": 5}]})
    found = of_member(app)
    assert (found.spent, left(found)) == (0, nano("5"))
    before = app.documents.get(Account, member_account(T, U))
    assert before is not None
    assert before.spent == nano("3")  # what the ledger says of who was deleted


def test_a_key_of_nobody_or_of_no_team_is_no_members(app: App, secret: str) -> None:
    pay(app, keys.generate(app, ADMIN, {"team_id": T}).secret, "3")
    pay(app, keys.generate(app, ADMIN, {"user_id": U}).secret, "3")
    assert of_member(app).spent == 0
