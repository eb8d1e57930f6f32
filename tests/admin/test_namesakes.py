"""Who has the name of somebody who was deleted neither sees nor pays for what the other one left running."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.ledger import check
from shared.admin import keys, teams, users
from shared.admin.keyring import KeyRing
from shared.domain.access import ADMIN, Caller, visible
from shared.domain.account import Account
from shared.domain.clock import SECOND
from shared.domain.files import File
from tests.steps.world import World, chat

LINES = [chat(f"line {number}") for number in range(3)]
MEMBERS = {"members_with_roles": [{"user_id": "u"}]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.app = replace(world.app, key_pepper="a pepper for tests alone")
    yield world
    world.documents.close()


def hired(world: World, who: str, **terms: Any) -> Caller:
    """A key of a new user, or of a new team and its one member."""
    if who == "user":
        users.create(world.app, ADMIN, {"user_id": "u", "auto_create_key": False, **terms})
        made = keys.generate(world.app, ADMIN, {"user_id": "u"})
    else:
        teams.create(world.app, ADMIN, {"team_id": "t", **MEMBERS, **terms})
        made = keys.generate(world.app, ADMIN, {"team_id": "t", "user_id": "u"})
    found = world.app.remembered(KeyRing).find(world.app, made.secret)
    assert found is not None
    return found.caller


def fire(world: World, who: str) -> None:
    if who == "user":
        users.delete(world.app, ADMIN, ["u"])
    else:
        teams.delete(world.app, ADMIN, ["t"])
    world.clock += SECOND


def accounts(world: World, caller: Caller) -> dict[str, Account]:
    found = {id: world.documents.get(Account, id) or Account(id=id) for id in caller.payers}
    return {id.split("-")[0]: account for id, account in found.items()}


@pytest.mark.parametrize("who", ["user", "team"])
def test_a_namesake_has_nothing_of_what_still_runs(world: World, who: str) -> None:
    before = hired(world, who)
    batch = world.start(LINES, caller=before)
    world.pump(3)
    held = accounts(world, before)[who].reserved
    assert held > 0
    assert world.batch(batch.id).status == "in_progress"

    fire(world, who)
    after = hired(world, who)
    own = accounts(world, after)
    assert {kind for kind, account in own.items() if account.open_batches} == ({"user"} if who == "team" else set())
    world.settle(batch.id)

    done = world.batch(batch.id)
    assert done.status == "completed"
    assert done.output_file_id is not None
    file = world.documents.get(File, done.output_file_id)
    assert file is not None
    assert file.created_at > max(after.since, after.team_since) > done.created_at
    mine = before if who == "user" else replace(before, owner="user:another")
    assert visible(mine, file) is file
    assert visible(replace(after, owner=mine.owner), file) is None
    now = accounts(world, after)
    assert (now[who].spent, now[who].reserved) == (0, 0)
    assert accounts(world, before)[who].spent == done.cost.nano > 0
    if who == "team":  # the member's, too; the user is still the same
        assert now["member"].spent == 0
        assert now["user"].spent == done.cost.nano
    assert check(world.app, pause=lambda _: None).differences == []


@pytest.mark.parametrize("who", ["user", "team"])
def test_a_namesakes_budget_is_not_used_up_by_what_still_runs(world: World, who: str) -> None:
    held = world.start(LINES, caller=hired(world, who))
    world.pump(3)
    most = 2 * world.batch(held.id).reserved - 1  # not enough for both
    fire(world, who)

    batch = world.start(LINES, caller=hired(world, who, max_budget=most / 10**9))
    world.settle(batch.id, held.id)

    assert [world.batch(each.id).status for each in (held, batch)] == ["completed", "completed"]


def test_each_of_several_namesakes_has_an_account_of_its_own(world: World) -> None:
    """Though all of them come and go within one millisecond."""
    found = set()
    for _ in range(3):
        found.add(hired(world, "user").payers[-1])
        users.delete(world.app, ADMIN, ["u"])
    assert len(found) == 3
