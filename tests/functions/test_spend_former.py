"""Keys that are none any more: reports know them as they did, by their hash and by their alias."""

import pytest

from tests.functions.conftest import Api
from tests.functions.office import key_of, ok
from tests.functions.spending import SPAN, charge

ALIAS = "night shift"


@pytest.fixture
def spent(api: Api) -> tuple[str, str, str]:
    """A key with an alias that has spent something: the key itself, its hash and its key_id."""
    api.post("/user/new", json={"user_id": "ann", "auto_create_key": False})
    made = key_of(api, key_alias=ALIAS, user_id="ann")
    charge(api, "batch_a", 7, key=made["key_id"], user="ann", tags=("t",))
    return made["key"], made["token"], made["key_id"]


def found(api: Api, **by: str) -> list[tuple[str, str, str]]:
    """Hash, alias and amount in the rows that a name finds."""
    rows = ok(api.get("/spend/logs", query_string=by))
    return [(row["api_key"], row["metadata"]["user_api_key_alias"], row["spend_exact"]) for row in rows]


def test_a_deleted_key_is_shown_and_found_as_before(api: Api, spent: tuple[str, str, str]) -> None:
    row = [(spent[1], ALIAS, "0.000000007")]
    assert found(api) == row
    ok(api.post("/key/delete", json={"keys": [spent[0]]}))

    assert found(api) == row
    for name in spent:
        assert found(api, api_key=name) == row
    assert found(api, key_alias=ALIAS) == row
    assert found(api, key_alias="another") == found(api, api_key="0" * 64) == []
    page = ok(api.get(f"/user/daily/activity?{SPAN}&api_key={spent[1]}"))
    keys = page["results"][0]["breakdown"]["api_keys"]
    told = {"key_alias": ALIAS, "team_id": None, "user_id": "ann", "key_exists": False}
    assert {name: each["metadata"] for name, each in keys.items()} == {spent[1]: told}
    [ranked] = ok(api.get("/global/spend/keys"))
    assert (ranked["api_key"], ranked["key_alias"]) == (spent[1], ALIAS)
    assert ranked["key_name"].startswith("sk-...")


def test_who_is_deleted_leaves_keys_that_are_found(api: Api, spent: tuple[str, str, str]) -> None:
    ok(api.post("/user/delete", json={"user_ids": ["ann"]}))
    assert found(api, api_key=spent[1]) == [(spent[1], ALIAS, "0.000000007")]


def test_a_key_made_anew_is_found_by_each_of_its_secrets(api: Api, spent: tuple[str, str, str]) -> None:
    """And, when it is deleted, still by all of them; it is shown as the last one."""
    second = ok(api.post(f"/key/{spent[0]}/regenerate", json={}))
    third = ok(api.post("/key/regenerate", json={"key": second["key"], "key_alias": "day shift"}))
    names = (*spent, *(each[name] for each in (second, third) for name in ("key", "token")))
    row = [(third["token"], "day shift", "0.000000007")]
    for name in names:
        assert found(api, api_key=name) == row
    assert found(api, key_alias=ALIAS) == []

    ok(api.post("/key/delete", json={"keys": [third["key"]]}))
    for name in names:
        assert found(api, api_key=name) == row
    assert found(api, key_alias="day shift") == row


def test_a_key_that_comes_again_is_found_with_what_it_was(api: Api) -> None:
    """The same secret, and the same alias, but another key: under its hash there is all of it, as in LiteLLM's logs."""
    secret = "sk-brought-along-once"
    charge(api, "batch_a", 7, key=key_of(api, key=secret, key_alias=ALIAS)["key_id"])
    ok(api.post("/key/delete", json={"keys": [secret]}))
    made = key_of(api, key=secret, key_alias=ALIAS)
    charge(api, "batch_b", 7, key=made["key_id"])
    row = (made["token"], ALIAS, "0.000000007")

    assert found(api, api_key=made["token"]) == found(api, key_alias=ALIAS) == [row, row]
    assert found(api, api_key=made["key_id"]) == [row]
    assert found(api, api_key=made["token"], key_alias="another") == []
