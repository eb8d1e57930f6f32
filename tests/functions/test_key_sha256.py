"""LiteLLM's token is the SHA-256 of a key, and its scripts make it themselves: it names a key, and is none."""

from collections.abc import Callable
from hashlib import sha256

import pytest

from shared.domain.keys import Key
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok, uses
from tests.functions.wire import KEY


def digest_of(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def test_a_key_is_found_by_its_sha256_wherever_it_is_named(api: Api) -> None:
    made = key_of(api, user_id="u")
    digest = digest_of(made["key"])

    assert digest != made["token"]
    assert ok(api.get(f"/key/info?key={digest}"))["info"]["key_id"] == made["key_id"]
    assert ok(api.get(f"/key/list?key_hash={digest}"))["keys"] == [made["token"]]
    assert ok(api.get(f"/key/list?key_hash={digest}&user_id=v"))["keys"] == []
    assert ok(api.post("/key/update", json={"key": digest, "rpm_limit": 5}))["rpm_limit"] == 5
    assert ok(api.post("/key/block", json={"key": digest}))["blocked"] is True
    assert ok(api.post("/key/unblock", json={"key": digest}))["blocked"] is False
    assert ok(api.post(f"/key/{digest}/reset_spend", json={"reset_to": 0}))["key_hash"] == made["token"]
    fresh = ok(api.post(f"/key/{digest}/regenerate"))
    assert fresh["key_id"] == made["key_id"]
    digest = digest_of(fresh["key"])
    assert ok(api.post("/key/delete", json={"keys": [digest]})) == {"deleted_keys": [digest]}
    assert uses(api, fresh["key"]) == 401


@pytest.mark.parametrize("path", ["/spend/logs?", "/spend/logs/v2?start_date=2027-01-01&end_date=2027-01-31&"])
def test_reports_take_it_as_they_take_the_key(api: Api, path: str) -> None:
    made = key_of(api)
    found = [ok(api.get(f"{path}api_key={named}")) for named in (made["key"], made["token"], digest_of(made["key"]))]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "headers",
    [
        as_key,
        lambda it: as_key(f"sk-{it}"),
        lambda it: {"x-litellm-api-key": it},
        lambda it: {"api-key": it},
        lambda it: {"x-api-key": it},
    ],
)
def test_it_lets_nobody_in(api: Api, headers: Callable[[str], dict[str, str]]) -> None:
    """Neither it, nor the token that is shown of a key, nor that of the master key."""
    made = key_of(api)
    api.headers = {}
    for it in (digest_of(made["key"]), made["token"], digest_of(KEY), made["key_id"]):
        assert api.get("/v1/files", headers=headers(it)).status_code == 401


def test_the_store_has_neither_the_key_nor_its_sha256(api: Api) -> None:
    """Who reads the store alone can neither use a key, nor tell whether one that he has is in it."""
    made = key_of(api)
    stored = str(api.app.documents.get(Key, made["token"]))
    assert made["key"] not in stored
    assert digest_of(made["key"]) not in stored


def test_foreign_keys_are_no_more_there_by_it_than_by_anything_else(api: Api) -> None:
    mine, theirs = key_of(api, user_id="u"), key_of(api, user_id="v")
    api.headers = as_key(mine["key"])
    foreign = api.get(f"/key/info?key={digest_of(theirs['key'])}")
    unknown = api.get(f"/key/info?key={'f' * 64}")
    assert (foreign.status_code, foreign.data) == (unknown.status_code, unknown.data)
    assert ok(api.get(f"/key/info?key={digest_of(mine['key'])}"))["info"]["user_id"] == "u"
