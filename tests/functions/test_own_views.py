"""What a user's key sees of keys and teams: what is its user's, and what is others' in a team that the user leads."""

from typing import Any

import pytest

from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok, told


@pytest.fixture
def keys(api: Api) -> dict[str, Any]:
    """Keys of ann, who leads the team `led` and is in `joined`; of bob, who is in both; and of nobody."""
    ok(api.post("/user/new", json={"user_id": "ann", "user_email": "ann@x.com", "auto_create_key": False}))
    ok(api.post("/user/new", json={"user_id": "bob", "user_email": "bob@x.com", "auto_create_key": False}))
    leads = [{"role": "admin", "user_id": "ann"}, {"user_id": "bob"}]
    ok(api.post("/team/new", json={"team_id": "led", "members_with_roles": leads}))
    ok(
        api.post(
            "/team/new", json={"team_id": "joined", "members_with_roles": [{"user_id": "ann"}, {"user_id": "bob"}]}
        )
    )
    ok(api.post("/team/new", json={"team_id": "foreign", "members_with_roles": [{"user_id": "carl"}]}))
    whose: dict[str, dict[str, Any]] = {
        "ann": {"user_id": "ann"},
        "ann in joined": {"user_id": "ann", "team_id": "joined"},
        "bob": {"user_id": "bob"},
        "bob in led": {"user_id": "bob", "team_id": "led"},
        "bob in joined": {"user_id": "bob", "team_id": "joined"},
        "of led": {"team_id": "led"},
        "foreign": {"user_id": "carl", "team_id": "foreign"},
        "nobody": {},
    }
    return {name: key_of(api, key_alias=name, **body) for name, body in whose.items()}


def listed(api: Api, keys: dict[str, Any], who: str, query: str = "") -> set[str]:
    """The aliases of the keys that somebody's list has, counted right."""
    page = ok(api.get(f"/key/list?return_full_object=true{query}", headers=as_key(keys[who]["key"])))
    assert page["total_count"] == len(page["keys"])
    return {each["key_alias"] for each in page["keys"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"ann", "ann in joined"}),
        ("&user_id=ann", {"ann", "ann in joined"}),
        ("&team_id=joined", {"ann in joined"}),
        ("&team_id=led", {"bob in led", "of led"}),
        ("&include_team_keys=true", {"ann", "ann in joined", "bob in led", "of led"}),
        ("&include_team_keys=true&search=bob", {"bob in led"}),
        ("&search=bob", set()),
        ("&key_alias=foreign", set()),
        ("&sort_by=spend", {"ann", "ann in joined"}),
    ],
)
def test_keys_are_the_users_and_those_of_a_team_that_is_led(
    api: Api, keys: dict[str, Any], query: str, expected: set[str]
) -> None:
    assert listed(api, keys, "ann", query) == expected


def test_somebody_elses_keys_are_not_listed_and_not_counted(api: Api, keys: dict[str, Any]) -> None:
    long = "x" * 300
    for query in ("user_id=bob", f"user_id={long}", "team_id=foreign", "team_id=unknown", f"team_id={long}"):
        status, _, foreign = told(api.get(f"/key/list?{query}", headers=as_key(keys["ann"]["key"])))
        assert (status, "Only an admin" in foreign) == (403, True)
    for name, number in (("bob", 0), ("ann in joined", 1)):
        query = f"&key_hash={keys[name]['token']}"
        assert len(listed(api, keys, "ann", query)) == number


def test_a_key_of_nobody_sees_itself(api: Api, keys: dict[str, Any]) -> None:
    assert listed(api, keys, "nobody") == {"nobody"}
    assert listed(api, keys, "nobody", "&include_team_keys=true") == {"nobody"}
    assert listed(api, keys, "of led", "&team_id=led") == {"of led"}
    headers = as_key(keys["nobody"]["key"])
    assert ok(api.get("/team/list", headers=headers)) == []
    assert ok(api.get("/v2/team/list", headers=headers))["total"] == 0
    assert [each["team_id"] for each in ok(api.get("/team/list", headers=as_key(keys["of led"]["key"])))] == ["led"]


@pytest.mark.parametrize("query", ["", "?user_id=ann"])
def test_teams_are_those_that_the_user_is_in(api: Api, keys: dict[str, Any], query: str) -> None:
    headers = as_key(keys["ann"]["key"])
    rows = ok(api.get(f"/team/list{query}", headers=headers))
    shown = {row["team_id"]: {each["key_alias"] for each in row["keys"]} for row in rows}
    assert shown == {"led": {"bob in led", "of led"}, "joined": {"ann in joined"}}
    for row in rows if query else ():
        assert [each["user_id"] for each in row["team_memberships"]] == ["ann"]
    page = ok(api.get(f"/v2/team/list{query}", headers=headers))
    assert {each["team_id"]: each["keys_count"] for each in page["teams"]} == {"led": 2, "joined": 1}
    assert page["total"] == 2


@pytest.mark.parametrize("path", ["/team/list", "/v2/team/list"])
def test_teams_of_others_are_not_listed(api: Api, keys: dict[str, Any], path: str) -> None:
    headers = as_key(keys["ann"]["key"])
    for query in ("user_id=bob", "user_id=unknown", "team_id=foreign", "team_id=unknown"):
        assert told(api.get(f"{path}?{query}", headers=headers))[0] == 403
    assert "foreign" not in api.get(f"{path}?team_id=joined", headers=headers).text


def test_a_team_that_the_user_is_in_is_shown_without_what_is_others_in_it(api: Api, keys: dict[str, Any]) -> None:
    headers = as_key(keys["ann"]["key"])
    joined = ok(api.get("/team/info?team_id=joined", headers=headers))
    assert [each["key_alias"] for each in joined["keys"]] == ["ann in joined"]
    assert [each["user_id"] for each in joined["team_memberships"]] == ["ann"]
    emails = {each["user_id"]: each["user_email"] for each in joined["team_info"]["members_with_roles"]}
    assert emails == {"ann": "ann@x.com", "bob": None}
    led = ok(api.get("/team/info?team_id=led", headers=headers))
    assert {each["key_alias"] for each in led["keys"]} == {"bob in led", "of led"}
    assert {each["user_id"] for each in led["team_memberships"]} == {"ann", "bob"}
    assert ok(api.get("/team/info?team_id=led", headers=as_key(keys["of led"]["key"])))["team_memberships"] == []
    foreign, unknown = (api.get(f"/team/info?team_id={each}", headers=headers) for each in ("foreign", "unknown"))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data.replace(b"foreign", b"unknown") == unknown.data


def test_admins_see_the_addresses_of_all_members(api: Api, keys: dict[str, Any]) -> None:
    shown = ok(api.get("/team/info?team_id=joined"))["team_info"]["members_with_roles"]
    assert [each["user_email"] for each in shown] == ["ann@x.com", "bob@x.com"]


def test_a_user_is_shown_alone(api: Api, keys: dict[str, Any]) -> None:
    headers = as_key(keys["ann"]["key"])
    for query in ("", "?user_id=ann"):
        shown = ok(api.get(f"/v2/user/info{query}", headers=headers))
        assert (shown["user_id"], sorted(shown["teams"]), "keys" in shown) == ("ann", ["joined", "led"], False)
    assert told(api.get("/v2/user/info?user_id=bob", headers=headers))[0] == 404
    assert told(api.get("/v2/user/info"))[0] == 404
    assert ok(api.get("/v2/user/info?user_id=bob"))["user_email"] == "bob@x.com"


def test_nobody_joins_a_team_alone(api: Api, keys: dict[str, Any]) -> None:
    assert ok(api.get("/team/available", headers=as_key(keys["ann"]["key"]))) == []
