"""Forms post every field that they have: an empty one is unchanged, and null alone takes something away."""

from typing import Any

import pytest

from shared.domain.clock import DAY, SECOND
from shared.domain.keys import Key
from tests.functions.conftest import Api
from tests.functions.office import key_of, ok, uses

BLANK = {"team_id": "", "duration": "", "budget_duration": ""}
STAYS = ("team_id", "expires", "budget_duration", "budget_reset_at", "max_budget")


@pytest.fixture
def made(api: Api) -> Any:
    ok(api.post("/team/new", json={"team_id": "t"}))
    return key_of(api, team_id="t", duration="30s", max_budget=5, budget_duration="30d")


def test_an_update_with_empty_strings_leaves_expiry_budget_and_team(api: Api, made: Any) -> None:
    changed = ok(api.post("/key/update", json={"key": made["key"], "key_alias": "new", **BLANK}))

    assert {name: changed[name] for name in STAYS} == {name: made[name] for name in STAYS}
    assert changed["key_alias"] == "new"
    api.clock.pass_by(30 * SECOND)
    assert uses(api, made["key"]) == 401


@pytest.mark.parametrize("path", ["/key/{}/regenerate", "/key/regenerate"])
def test_nor_does_a_regenerated_key_live_longer(api: Api, made: Any, path: str) -> None:
    fresh = ok(api.post(path.format(made["token"]), json={"key": made["token"], "grace_period": "", **BLANK}))

    assert {name: fresh[name] for name in STAYS} == {name: made[name] for name in STAYS}
    api.clock.pass_by(30 * SECOND)
    assert uses(api, fresh["key"]) == 401


def test_spaces_are_as_empty(api: Api, made: Any) -> None:
    assert ok(api.post("/key/update", json={"key": made["key"], "team_id": "  "}))["team_id"] == "t"


def test_null_takes_away_and_minus_one_is_for_ever(api: Api, made: Any) -> None:
    nulls = {"team_id": None, "duration": None, "budget_duration": None}
    changed = ok(api.post("/key/update", json={"key": made["key"], **nulls}))
    assert [changed[name] for name in STAYS[:4]] == [None] * 4

    ok(api.post("/key/update", json={"key": made["key"], "duration": "1d"}))
    assert ok(api.post("/key/update", json={"key": made["key"], "duration": "-1"}))["expires"] is None


def test_a_new_key_with_empty_fields_has_none_of_it(api: Api) -> None:
    made = key_of(api, **BLANK)
    assert [made[name] for name in STAYS] == [None] * 5


def test_the_budget_of_a_team_and_a_user_still_begins_anew(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "max_budget": 5, "budget_duration": "1d"}))
    ok(api.post("/user/new", json={"user_id": "u", "max_budget": 5, "budget_duration": "1d"}))

    team = ok(api.post("/team/update", json={"team_id": "t", "budget_duration": ""}))["data"]
    user = ok(api.post("/user/update", json={"user_id": "u", "budget_duration": ""}))["data"]

    assert (team["budget_duration"], user["budget_duration"]) == ("1d", "1d")
    assert team["budget_reset_at"] == user["budget_reset_at"] is not None


@pytest.mark.parametrize(("said", "days"), [("7days", 7), ("2weeks", 14), ("48hours", 2)])
def test_a_duration_may_be_written_out(api: Api, said: str, days: int) -> None:
    made = key_of(api, duration=said)
    record = api.app.documents.get(Key, made["token"])
    assert record is not None
    assert record.expires_at == api.clock() + days * DAY
