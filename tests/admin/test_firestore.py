"""The same acts on Firestore: what races there, and the end of everything."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest

from shared.admin import keys, members, teams, users
from shared.admin.keyring import KeyRing
from shared.app import App, open_documents
from shared.domain.access import ADMIN
from shared.domain.account import Account
from shared.domain.errors import ApiError
from shared.domain.keys import member_account
from shared.storage.queries import KEYS_OF_TEAM, KEYS_OF_USER


@pytest.fixture
def cloud(app: App, firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    documents = open_documents("firestore://admin-acts/(default)")
    yield replace(app, documents=documents)
    cast("Any", documents).close()


def at_once(act: Callable[[], keys.Made]) -> list[keys.Made | int]:
    """What six get who do the same at the same moment: a key, or the status of a refusal."""

    def one(_: int) -> keys.Made | int:
        try:
            return act()
        except ApiError as refused:
            return refused.status

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(one, range(6)))


def test_one_wins_a_race_and_nothing_is_left_behind(cloud: App) -> None:
    wanted = {"team_id": "t", "team_member_budget": 1, "members_with_roles": [{"user_id": "u"}, {"user_email": "a@x"}]}
    teams.create(cloud, ADMIN, wanted)
    users.create(cloud, ADMIN, {"user_id": "v", "user_email": "v@x", "teams": [{"team_id": "t"}]})
    asked = {"team_id": "t", "user_id": "u", "key_alias": "wanted"}

    made = at_once(lambda: keys.generate(cloud, ADMIN, asked))
    winner = next(each for each in made if isinstance(each, keys.Made))
    assert [each for each in made if each is not winner] == [400] * 5
    fresh = at_once(lambda: keys.regenerate(cloud, ADMIN, winner.key, {"key_alias": "another"}))
    last = next(each for each in fresh if isinstance(each, keys.Made))
    assert [each for each in fresh if each is not last] == [404] * 5
    assert KeyRing().find(cloud, winner.secret) is None
    assert KeyRing().find(cloud, last.secret) is not None

    teams.update(cloud, ADMIN, "t", {"team_member_budget": 3})
    paying = cloud.documents.get(Account, member_account("t", "v"))
    assert paying is not None
    assert paying.max_budget == 3 * 10**9
    users.update(cloud, ADMIN, "v", {"user_email": "V@x"})
    members.remove(cloud, ADMIN, "t", {"user_email": "v@X"})
    teams.delete(cloud, ADMIN, ["t"])
    users.delete(cloud, ADMIN, ["u", "v"])
    assert cloud.documents.query(KEYS_OF_TEAM, "t") == cloud.documents.query(KEYS_OF_USER, "v") == []
    assert keys.generate(cloud, ADMIN, {"key_alias": "wanted"}).account.spent == 0
