"""What a change of a user leaves alone, as LiteLLM does, and what it refuses."""

from typing import Any

import pytest

from tests.functions.conftest import Api
from tests.functions.office import ok, told

EVERYTHING: dict[str, Any] = {
    "user_id": "u",
    "user_email": "u@x.com",
    "user_alias": "A",
    "user_role": "internal_user",
    "models": ["gemini*"],
    "max_budget": 5,
    "budget_duration": "1d",
    "rpm_limit": 7,
    "tpm_limit": 8,
    "metadata": {"a": 1},
}


def changed(api: Api, **body: Any) -> dict[str, Any]:
    ok(api.post("/user/update", json={"user_id": "u", **body}))
    row: dict[str, Any] = ok(api.get("/user/info?user_id=u"))["user_info"]
    return row


@pytest.fixture
def before(api: Api) -> dict[str, Any]:
    ok(api.post("/user/new", json={**EVERYTHING, "auto_create_key": False}))
    row: dict[str, Any] = ok(api.get("/user/info?user_id=u"))["user_info"]
    return row


@pytest.mark.parametrize(
    "body",
    [
        {"user_email": None, "user_alias": None, "user_role": None, "metadata": None, "blocked": None, "spend": None},
        {"models": None},
        {"models": []},
        {"metadata": {}},
        {"user_email": "", "user_alias": ""},
        {"teams": None},
        {"teams": []},
    ],
    ids=str,
)
def test_null_and_nothing_change_nothing(api: Api, before: dict[str, Any], body: dict[str, Any]) -> None:
    assert {**changed(api, **body), "updated_at": ""} == {**before, "updated_at": ""}


def test_null_takes_a_limit_away(api: Api, before: dict[str, Any]) -> None:
    limits = ("max_budget", "budget_duration", "tpm_limit", "rpm_limit")
    after = changed(api, **dict.fromkeys((*limits, "model_max_budget")))
    assert [after[name] for name in limits] == [None] * 4
    assert after["model_max_budget"] == {}
    assert {name: after[name] for name in ("user_email", "models", "metadata")} == {
        name: before[name] for name in ("user_email", "models", "metadata")
    }


def test_teams_are_joined_and_left_elsewhere(api: Api, before: dict[str, Any]) -> None:
    for team in ("s", "t"):
        ok(api.post("/team/new", json={"team_id": team, "members_with_roles": [{"user_id": "u"}]}))
    status, param, message = told(api.post("/user/update", json={"user_id": "u", "teams": ["s"]}))
    assert (status, param) == (400, "teams")
    assert "/team/member_add" in message
    assert "/team/member_delete" in message
    assert told(api.post("/user/update", json={"user_id": "u", "teams": "s"}))[:2] == (400, "teams")
    assert changed(api, teams=["t", "s"], user_alias="B")["user_alias"] == "B"
    assert changed(api, teams=[{"team_id": "s"}, {"team_id": "t"}])["teams"] == ["s", "t"]


def test_an_address_that_nobody_has_is_a_new_user_without_a_key(api: Api) -> None:
    made = ok(api.post("/user/update", json={"user_email": "new@x.com", "user_alias": "N", "max_budget": 2}))
    assert (made["data"]["user_email"], made["data"]["user_alias"], made["max_budget"]) == ("new@x.com", "N", 2)
    assert ok(api.get(f"/user/info?user_id={made['user_id']}"))["keys"] == []
    again = ok(api.post("/user/update", json={"user_email": "New@x.com", "user_alias": "M"}))
    assert (again["user_id"], again["data"]["user_alias"]) == (made["user_id"], "M")
    assert told(api.post("/user/update", json={"user_id": "unknown"}))[0] == 404
