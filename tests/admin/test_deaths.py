"""Whoever deletes a team or a user, or changes many, may die between any two writes, and somebody else begins again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.admin import keys, members, teams, users
from shared.admin.keyring import KeyRing
from shared.app import App
from shared.domain.access import ADMIN
from shared.domain.account import Account
from shared.domain.errors import BadRequest, NotFound
from shared.domain.keys import Key, Member, Team, User, member_account, team_account, user_account
from shared.storage.queries import KEYS


class Died(BaseException):
    """The process is gone."""


class Mortal:
    """Documents of a process that dies before, or after, its n-th transaction."""

    def __init__(self, documents: Any, last: int, *, committed: bool) -> None:
        self.documents, self.left, self.committed = documents, last, committed

    def transact(self, body: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            return self.documents.transact(body)
        if self.committed:
            self.documents.transact(body)
        raise Died

    def __getattr__(self, name: str) -> Any:
        return getattr(self.documents, name)


def kill_team(app: App) -> None:
    teams.delete(app, ADMIN, ["t"])


def kill_user(app: App) -> None:
    users.delete(app, ADMIN, ["u"])


def leave_team(app: App) -> None:
    members.remove(app, ADMIN, "t", {"user_id": "u"})


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("last", range(6))
@pytest.mark.parametrize("act", [kill_team, kill_user, leave_team])
def test_it_is_done_in_the_end(app: App, act: Callable[[App], None], last: int, committed: bool) -> None:
    teams.create(app, ADMIN, {"team_id": "t", "members_with_roles": [{"user_id": "u"}], "max_budget": 5})
    made = [keys.generate(app, ADMIN, {"team_id": "t", "user_id": "u", "key_alias": f"k{each}"}) for each in range(3)]
    mortal = replace(app, documents=Mortal(app.documents, last, committed=committed), _memory={})

    done = False
    try:
        act(mortal)
        done = True
    except Died:
        pass
    if not done:
        try:
            act(app)
        except (BadRequest, NotFound):  # it was the last thing that it did
            assert committed

    assert app.documents.query(KEYS) == []
    for each in made:
        assert app.documents.get(Key, each.key.id) is None
        assert KeyRing().find(app, each.secret) is None
        assert app.documents.get(Account, each.key.key_id) is not None
    team, user = app.documents.get(Team, team_account("t")), app.documents.get(User, user_account("u"))
    assert (team is None) == (act is kill_team)
    assert (user is None) == (act is kill_user)
    assert team is None or team.members == ()
    assert user is None or user.teams == () or act is kill_user
    keys.generate(app, ADMIN, {"key_alias": "k0"})  # the aliases are free


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("last", range(5))
def test_a_budget_of_all_members_is_that_of_all_in_the_end(app: App, last: int, committed: bool) -> None:
    """And of nobody does it hold only in the team: whoever pays from an account has the limit in it before."""
    everybody = [f"u{each}" for each in range(450)]
    made = teams.create(app, ADMIN, {"team_id": "t"}).team
    app.documents.transact(lambda tx: tx.put(replace(made, members=tuple(map(in_team, everybody)))))
    asked = {"team_member_budget": 2, "team_member_budget_duration": "7d"}
    mortal = replace(app, documents=Mortal(app.documents, last, committed=committed), _memory={})

    try:
        teams.update(mortal, ADMIN, "t", asked)
    except Died:
        team = app.documents.get(Team, team_account("t"))
        assert team is not None
        if team.member_budget is not None:
            assert all(app.documents.get(Account, member_account("t", each)) is not None for each in everybody)
        teams.update(app, ADMIN, "t", asked)

    found = [app.documents.get(Account, member_account("t", each)) for each in everybody]
    assert {each and (each.max_budget, each.budget_duration) for each in found} == {(2 * 10**9, "7d")}


def in_team(user_id: str) -> Member:
    return Member(user_id=user_id)
