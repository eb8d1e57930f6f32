"""Caps on money and access that nothing here would hold are refused, with what would; nothing is taken for none."""

from typing import Any

import pytest

from shared.storage.queries import KEYS, TEAMS, USERS
from tests.functions.conftest import ROOT, Api
from tests.functions.office import key_of, ok, told

COMMON: dict[str, tuple[Any, str]] = {
    "model_max_budget": ({"gemini-2.5-flash": {"budget_limit": 1, "time_period": "1d"}}, "a max_budget for each model"),
    "budget_limits": ([{"budget_duration": "1d", "max_budget": 1}], "max_budget and budget_duration"),
    "budget_id": ("free-tier", "max_budget and budget_duration"),
    "temp_budget_increase": (10, "Raise max_budget"),
    "tpd_limit": (5, "batch_enqueued_token_limit"),
    "end_user_budget_id": ("free-tier", "a max_budget for each end user"),
    "enforced_params": (["user"], "tags of the keys"),
    "denied_passthrough_routes": (["/vertex_ai/*"], "allowed_routes"),
    "access_group_ids": (["g"], "Set models"),
    "object_permission": ({"vector_stores": ["v"], "mcp_servers": []}, "models and allowed_routes"),
}
RATES: dict[str, tuple[Any, str]] = {
    "model_rpm_limit": ({"gemini-2.5-flash": 0, "other": 5}, "Set models"),
    "model_tpm_limit": ({"gemini-2.5-flash": "0"}, "Set models"),
    "tag_rpm_limit": ({"nightly": 0}, "Block the keys"),
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
    "/key/generate": ({}, COMMON | RATES | OF_KEYS),
    "/key/service-account/generate": ({"team_id": "t"}, COMMON | RATES | OF_KEYS),
    "/key/update": ({"key_alias": "known"}, COMMON | RATES | OF_KEYS),
    "/key/regenerate": ({"key": "sk-known-to-everybody"}, COMMON | RATES | OF_KEYS),
    "/user/new": ({}, COMMON | RATES),
    "/user/update": ({"user_id": "u"}, COMMON | RATES | {"duration": ("1d", "duration of each key")}),
    "/team/new": ({}, COMMON | RATES | OF_TEAMS),
    "/team/update": ({"team_id": "t"}, COMMON | RATES | OF_TEAMS),
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


def test_the_readme_names_every_cap_that_is_refused() -> None:
    said = (ROOT / "README.md").read_text()
    said = said[said.index("A cap on money or access") : said.index("A key is named by itself")]
    assert [name for name in COMMON | RATES | OF_KEYS | OF_TEAMS | OF_MEMBERS if f"`{name}`" not in said] == []


def test_no_rotation_and_no_increase_are_taken(api: Api) -> None:
    made = key_of(api, auto_rotate=False, rotation_interval=None, temp_budget_increase=0)
    assert made["auto_rotate"] is False


def test_an_alert_limits_nothing_and_is_kept(api: Api) -> None:
    assert key_of(api, soft_budget=5)["soft_budget"] == 5


def test_a_rate_that_bounds_nothing_here_is_kept(api: Api) -> None:
    rates = {"model_rpm_limit": {"gemini-2.5-flash": 5}, "tag_rpm_limit": {"nightly": 1}, "max_parallel_requests": 3}
    made = key_of(api, **rates)
    assert {name: made[name] for name in rates} == rates


@pytest.mark.parametrize("path", [path for path in ROUTES if "member" not in path])
def test_an_object_permission_of_nothing_is_none(api: Api, path: str) -> None:
    """As forms of LiteLLM's pages send it (1.106.2); shown as it came, it would be no object permission of theirs."""
    hollow: dict[str, Any] = {
        "mcp_servers": [],
        "mcp_tool_permissions": {},
        "agents": None,
        "mcp_tool_search_enabled": False,
    }
    body, _ = ROUTES[path]

    row = ok(api.post(path, json={**body, "object_permission": hollow}))

    assert row.get("data", row)["object_permission"] is None
    for key in ok(api.get("/key/list?return_full_object=true"))["keys"]:
        assert key["object_permission"] is None


@pytest.mark.parametrize("wrong", [[[]], [None], {"vector_stores": [None]}, {"mcp_tool_search_enabled": True}, False])
def test_an_object_permission_of_something_is_refused(api: Api, wrong: Any) -> None:
    assert told(api.post("/key/generate", json={"object_permission": wrong}))[:2] == (400, "object_permission")


def test_nobody_is_lost_who_was_to_get_into_a_team_by_a_field_that_lets_nobody_in(api: Api) -> None:
    somebody = [{"user_id": "u"}, {"user_id": "boss", "role": "admin"}]
    row = {"members_with_roles": somebody, "admins": ["boss"], "members": ["u", "boss"]}
    assert ok(api.post("/team/new", json={"team_id": "copy", **row}))["admins"] == ["boss"]

    for name, lost in {"members": ["u", "else"], "admins": ["u"]}.items():
        status, _, message = told(api.post("/team/new", json={**row, name: lost}))
        assert status == 400
        assert message.startswith(f"'{name}' lets nobody in. Name everybody in 'members_with_roles'")
    assert told(api.post("/team/new", json={"members": ["u"]}))[0] == 400
    ok(api.post("/team/new", json={"members": [], "admins": None}))
