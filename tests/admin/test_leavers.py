"""Who led a team when he asked, and does not when it is done, has asked too late."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.admin import keys, members, teams
from shared.admin.people import keys_of_team
from shared.app import App
from shared.domain.access import ADMIN, Caller
from shared.domain.errors import Forbidden
from shared.domain.keys import Key, Team, team_account
from shared.storage.sqlite import SqliteDocuments

T, LEAD, MATE = "t", "lead", "mate"
BY = Caller(owner="user:lead", key="key-lead", user=LEAD, team=None)
ACTS: dict[str, Callable[[App, Key], Any]] = {
    "generate": lambda app, _: keys.generate(app, BY, {"team_id": T, "user_id": LEAD}),
    "update": lambda app, key: keys.update(app, BY, key, {"max_budget": 1}),
    "regenerate": lambda app, key: keys.regenerate(app, BY, key, {}),
    "block": lambda app, key: keys.block(app, BY, key, blocked=True),
    "member_add": lambda app, _: members.add(app, BY, T, {"member": [{"user_id": "new"}]}),
    "member_update": lambda app, _: members.update(app, BY, T, {"user_id": MATE, "role": "admin"}),
    "member_delete": lambda app, _: members.remove(app, BY, T, {"user_id": MATE}),
}


def team(app: App) -> Team:
    found = app.documents.get(Team, team_account(T))
    assert found is not None
    return found


@pytest.fixture
def key(app: App) -> Key:
    """A key of the lead's, in his team."""
    both = [{"role": "admin", "user_id": LEAD}, {"role": "user", "user_id": MATE}]
    teams.create(app, ADMIN, {"team_id": T, "members_with_roles": both})
    return keys.generate(app, ADMIN, {"team_id": T, "user_id": LEAD}).key


@pytest.mark.parametrize("act", ACTS)
def test_who_leads_a_team_does_this(app: App, key: Key, act: str) -> None:
    ACTS[act](app, key)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("left", ["demoted", "removed"])
def test_who_leads_it_no_more_does_nothing(app: App, key: Key, act: str, left: str) -> None:
    if left == "demoted":
        members.update(app, ADMIN, T, {"user_id": LEAD, "role": "user"})
    else:
        members.remove(app, ADMIN, T, {"user_id": LEAD})
        app.documents.transact(lambda tx: tx.put(key))
    before, found = team(app), keys_of_team(app, T)

    with pytest.raises(Forbidden, match="Only an admin"):
        ACTS[act](app, key)

    assert (team(app), keys_of_team(app, T)) == (before, found)


def test_who_leads_a_team_may_leave_it(app: App, key: Key) -> None:
    members.remove(app, BY, T, {"user_id": LEAD})

    assert [each.user_id for each in team(app).members] == [MATE]
    assert app.documents.get(Key, key.id) is None


@pytest.fixture
def on_disk(app: App, tmp_path: Path) -> Iterator[App]:
    """An application whose writers wait for their turn as long as a slow disk makes them."""
    documents = SqliteDocuments(f"sqlite://{tmp_path}/documents.db", wait=100)
    yield replace(app, documents=documents)
    documents.close()


def test_nobody_takes_a_key_along_however_fast_he_makes_them(on_disk: App) -> None:
    app = on_disk
    teams.create(app, ADMIN, {"team_id": T, "members_with_roles": [{"role": "admin", "user_id": LEAD}]})
    made, stop = threading.Semaphore(0), threading.Event()

    def hurry() -> None:
        while not stop.is_set():
            with suppress(Forbidden):
                keys.generate(app, BY, {"team_id": T, "user_id": LEAD})
                made.release()

    threads = [threading.Thread(target=hurry) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            assert made.acquire(timeout=60)
        members.remove(app, ADMIN, T, {"user_id": LEAD})
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert keys_of_team(app, T) == []
    assert team(app).members == ()
