"""Caps on money and access that nothing here would hold are refused, with what would; nothing is taken for none."""

from typing import Any

import pytest

from shared.storage.queries import KEYS, TEAMS, USERS
from tests.functions.conftest import Api
from tests.functions.office import key_of, ok, told

COMMON: dict[str, tuple[Any, str]] = {
    "model_max_budget": ({"gemini-2.5-flash": {"budget_limit": 1, "time_period": "1d"}}, "a max_budget for each model"),
    "budget_limits": ([{"budget_duration": "1d", "max_budget": 1}], "max_budget and budget_duration"),
    "budget_id": ("free-tier", "max_budget and budget_duration"),
    "temp_budget_increase": (10, "Raise max_budget"),
}
OF_KEYS: dict[str, tuple[Any, str]] = {
    "auto_rotate": (True, "/key/{key}/regenerate"),
    "rotation_interval": ("30d", "/key/{key}/regenerate"),
}
OF_TEAMS: dict[str, tuple[Any, str]] = {
    "team_member_rpm_limit": (5, "rpm_limit"),
    "team_member_tpm_limit": (5, "rpm_limit"),
    "team_member_key_duration": ("1d", "duration"),
    "default_team_member_models": (["gemini-2.5-flash"], "models"),
}
OF_MEMBERS: dict[str, tuple[Any, str]] = {
    "allowed_models": (["gemini-2.5-flash"], "models"),
    "rpm_limit": (0, "rpm_limit"),
    "tpm_limit": (5, "rpm_limit"),
}
ROUTES: dict[str, tuple[dict[str, Any], dict[str, tuple[Any, str]]]] = {
    "/key/generate": ({}, COMMON | OF_KEYS),
    "/key/update": ({"key_alias": "known"}, COMMON | OF_KEYS),
    "/key/regenerate": ({"key": "sk-known-to-everybody"}, COMMON | OF_KEYS),
    "/user/new": ({}, COMMON),
    "/user/update": ({"user_id": "u"}, COMMON),
    "/team/new": ({}, COMMON | OF_TEAMS),
    "/team/update": ({"team_id": "t"}, COMMON | OF_TEAMS),
    "/team/member_add": ({"team_id": "t", "member": {"user_id": "new"}}, COMMON | OF_MEMBERS),
    "/team/member_update": ({"team_id": "t", "user_id": "u"}, COMMON | OF_MEMBERS),
}


@pytest.fixture(autouse=True)
def known(api: Api) -> None:
    ok(api.post("/user/new", json={"user_id": "u", "auto_create_key": False}))
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"user_id": "u"}]}))
    key_of(api, key="sk-known-to-everybody", key_alias="known")


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, (_, fields) in ROUTES.items() for name in fields])
def test_a_cap_that_nothing_would_hold_is_refused_with_what_would(api: Api, path: str, name: str) -> None:
    body, fields = ROUTES[path]
    value, instead = fields[name]
    before = [api.app.documents.query(query) for query in (KEYS, TEAMS, USERS)]

    status, param, message = told(api.post(path, json={**body, name: value}))

    assert (status, param) == (400, name)
    assert message.startswith(f"Invalid '{name}': nothing here")
    assert instead in message
    assert [api.app.documents.query(query) for query in (KEYS, TEAMS, USERS)] == before


@pytest.mark.parametrize("nothing", [None, "", [], {}], ids=str)
@pytest.mark.parametrize("path", ROUTES)
def test_what_is_sent_where_nothing_was_set_is_taken(api: Api, path: str, nothing: Any) -> None:
    """As Terraform and forms send it."""
    body, fields = ROUTES[path]
    ok(api.post(path, json={**body, **dict.fromkeys(fields, nothing)}))


def test_no_rotation_and_no_increase_are_taken(api: Api) -> None:
    made = key_of(api, auto_rotate=False, rotation_interval=None, temp_budget_increase=0)
    assert made["auto_rotate"] is False


def test_an_alert_limits_nothing_and_is_kept(api: Api) -> None:
    assert key_of(api, soft_budget=5)["soft_budget"] == 5
