"""Who is named like somebody who was in a team is not in it."""

from typing import Any

import pytest

from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok, told


@pytest.fixture
def bob(api: Api) -> dict[str, str]:
    """The headers of the second of two users called bob; the first was in the team `t` before there was any bob."""
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": "lead"}]}))
    lead = as_key(key_of(api, user_id="lead", team_id="t")["key"])
    named: dict[str, Any] = {"team_id": "t", "member": {"role": "admin", "user_id": "bob"}}
    ok(api.post("/team/member_add", json=named, headers=lead))
    first = as_key(ok(api.post("/user/new", json={"user_id": "bob"}))["key"])
    assert ok(api.get("/key/list?team_id=t", headers=first))["total_count"] == 1
    ok(api.post("/user/delete", json={"user_ids": ["bob"]}))
    api.clock.pass_by(1)
    return as_key(ok(api.post("/user/new", json={"user_id": "bob"}))["key"])


def test_a_namesake_leads_nothing(api: Api, bob: dict[str, str]) -> None:
    assert told(api.post("/key/generate", json={"team_id": "t"}, headers=bob))[0] == 403
    assert told(api.post("/team/member_delete", json={"team_id": "t", "user_id": "lead"}, headers=bob))[0] == 403
    assert told(api.get("/team/info?team_id=t", headers=bob))[0] == 404
    assert told(api.get("/key/list?team_id=t", headers=bob))[0] == 403


def test_a_namesake_who_comes_in_himself_is_in_it(api: Api, bob: dict[str, str]) -> None:
    added = ok(api.post("/team/member_add", json={"team_id": "t", "member": {"role": "user", "user_id": "bob"}}))
    assert [each["user_id"] for each in added["members_with_roles"]] == ["lead", "bob"]
    again = api.post("/team/member_add", json={"team_id": "t", "member": {"role": "user", "user_id": "bob"}})
    assert told(again)[0] == 400
    assert ok(api.get("/team/info?team_id=t", headers=bob))["team_id"] == "t"
    assert told(api.post("/key/generate", json={"team_id": "t"}, headers=bob))[0] == 403


def test_a_namesake_gets_no_budget_that_nobody_would_hold(api: Api, bob: dict[str, str]) -> None:
    wanted = {"team_id": "t", "user_id": "bob", "max_budget_in_team": 0.5}
    status, param, message = told(api.post("/team/member_update", json=wanted))
    assert (status, param) == (400, "user_id")
    assert "/team/member_add" in message
    ok(api.post("/team/member_add", json={"team_id": "t", "member": {"role": "user", "user_id": "bob"}}))
    assert ok(api.post("/team/member_update", json=wanted))["max_budget_in_team"] == 0.5


def test_a_namesake_who_is_made_in_the_team_is_what_he_is_made(api: Api, bob: dict[str, str]) -> None:
    ok(api.post("/user/delete", json={"user_ids": ["bob"]}))
    api.clock.pass_by(1)
    made = ok(api.post("/user/new", json={"user_id": "bob", "teams": [{"team_id": "t"}]}))
    assert told(api.post("/key/generate", json={"team_id": "t"}, headers=as_key(made["key"])))[0] == 403
    assert ok(api.get("/team/info?team_id=t", headers=as_key(made["key"])))["team_id"] == "t"
