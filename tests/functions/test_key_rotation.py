"""A key that is regenerated with a grace period: its old secret and its new one both work until that is over."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from shared.domain.clock import DAY, HOUR, MINUTE, SECOND
from shared.domain.keys import Grace
from shared.domain.secret_key import mint
from shared.steps.sweep import sweep
from shared.storage.queries import GRACES_OVER
from tests.functions.conftest import Api
from tests.functions.office import as_key, count_calls, key_of, ok, told, uses

Facts = Callable[[], list[dict[str, Any]]]
OLD = "sk-brought-by-its-owner"


def rotated(api: Api, key: str, **body: Any) -> Any:
    return ok(api.post("/key/regenerate", json={"key": key, "grace_period": "48h", **body}))


def graces(api: Api) -> list[Grace]:
    return api.app.documents.query(GRACES_OVER)


def test_both_secrets_work_until_the_grace_is_over(api: Api) -> None:
    made = key_of(api, user_id="u", key_alias="a")
    api.headers = as_key(made["key"])
    file = api.upload_file()
    api.headers = api.headers | as_key("sk-a-key-that-must-not-be-seen")
    fresh = rotated(api, made["key"])

    for key in (made["key"], fresh["key"]):
        assert ok(api.get(f"/v1/files/{file}", headers=as_key(key)))["id"] == file
        own = ok(api.get("/key/info", headers=as_key(key)))
        assert (own["key"], own["info"]["key_alias"]) == (fresh["token"], "a")
    api.clock.pass_by(2 * DAY - 1)
    assert [uses(api, each["key"]) for each in (made, fresh)] == [200, 200]
    api.clock.pass_by(1)
    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 200]


@pytest.mark.parametrize("said", [None, "", "0s", "0h"])
def test_without_a_grace_period_the_old_secret_is_none_at_once(api: Api, said: str | None) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"], grace_period=said)

    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 200]
    assert graces(api) == []


@pytest.mark.parametrize("said", ["soon", "48", "-1h", 5, True])
def test_a_grace_period_that_is_no_duration_is_refused_and_the_key_stays(api: Api, said: Any) -> None:
    made = key_of(api)

    answer = api.post("/key/regenerate", json={"key": made["key"], "grace_period": said})

    assert told(answer)[:2] == (400, "grace_period")
    assert uses(api, made["key"]) == 200


def test_a_grace_period_is_of_one_rotation_and_not_kept_with_the_key(api: Api) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"])

    assert "grace_period" not in fresh
    assert "grace_period" not in ok(api.get(f"/key/info?key={fresh['token']}"))["info"]
    again = rotated(api, fresh["key"], grace_period=None)
    assert [uses(api, each["key"]) for each in (made, fresh, again)] == [401, 401, 200]


def test_a_second_rotation_ends_the_grace_of_the_first(api: Api) -> None:
    """As at LiteLLM, where an old token stands for the one that came next, and for no other."""
    first = key_of(api)
    second = rotated(api, first["key"])
    assert uses(api, first["key"]) == 200
    third = rotated(api, second["key"])

    assert [uses(api, each["key"]) for each in (first, second, third)] == [401, 200, 200]


@pytest.mark.parametrize("act", ["block", "delete", "expire", "user", "team"])
def test_what_ends_the_key_ends_its_old_secret(api: Api, act: str) -> None:
    ok(api.post("/team/new", json={"team_id": "t"}))
    made = key_of(api, team_id="t", user_id="u", duration="1h")
    fresh = rotated(api, made["key"])
    assert [uses(api, each["key"]) for each in (made, fresh)] == [200, 200]

    match act:
        case "block":
            ok(api.post("/key/block", json={"key": fresh["key"]}))
        case "delete":
            ok(api.post("/key/delete", json={"keys": [fresh["token"]]}))
        case "user":
            ok(api.post("/user/delete", json={"user_ids": ["u"]}))
        case "team":
            ok(api.post("/team/block", json={"team_id": "t"}))
        case _:
            api.clock.pass_by(HOUR)

    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 401]
    if act == "block":
        ok(api.post("/key/unblock", json={"key": fresh["key"]}))
        assert [uses(api, each["key"]) for each in (made, fresh)] == [200, 200]


def test_what_changes_the_key_changes_it_for_both_secrets(api: Api) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"])
    ok(api.post("/key/update", json={"key": fresh["key"], "models": ["team/*"]}))

    for each in (made, fresh):
        found = ok(api.get("/v1/models", headers=as_key(each["key"])))["data"]
        assert [model["id"] for model in found] == ["team/embeddings"]


def test_both_secrets_share_one_minute_of_requests(api: Api) -> None:
    made = key_of(api, rpm_limit=2)
    fresh = rotated(api, made["key"])
    api.clock.pass_by(MINUTE)
    assert [uses(api, each["key"]) for each in (made, fresh, made, fresh)] == [200, 200, 429, 429]


def test_another_instance_learns_of_it_and_of_its_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = key_of(api)
    here, other = api.app, replace(api.app, _memory={})

    def there() -> int:
        monkeypatch.setattr("functions.http.app", lambda: other)
        status = uses(api, made["key"])
        monkeypatch.setattr("functions.http.app", lambda: here)
        return status

    assert there() == 200
    fresh = rotated(api, made["key"])
    api.clock.pass_by(31 * SECOND)
    assert there() == 200
    ok(api.post("/key/block", json={"key": fresh["key"]}))
    api.clock.pass_by(31 * SECOND)
    assert there() == 401


def test_who_deletes_an_old_secret_ends_that_one_and_nobody_deletes_the_new_one_by_it(api: Api, facts: Facts) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"])
    assert [uses(api, each["key"]) for each in (made, fresh)] == [200, 200]
    facts()

    assert ok(api.post("/key/delete", json={"keys": [made["key"]]})) == {"deleted_keys": [made["key"]]}
    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 200]
    assert graces(api) == []
    acts = [each for each in facts() if each["message"] == "admin_act"]
    assert [(each["act"], each["target"], each["fields"]) for each in acts] == [
        ("key/delete", made["key_id"], ["grace_period"])
    ]
    assert api.post("/key/delete", json={"keys": [made["key"]]}).status_code == 404


def test_an_old_secret_and_its_key_are_deleted_together_or_not_at_all(api: Api) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"])
    both = [made["key"], fresh["key"]]

    assert api.post("/key/delete", json={"keys": [*both, mint()]}).status_code == 400
    assert [uses(api, each) for each in both] == [200, 200]
    assert ok(api.post("/key/delete", json={"keys": both})) == {"deleted_keys": both}
    assert [uses(api, each) for each in both] == [401, 401]


def test_nobody_else_is_given_a_secret_that_still_works(api: Api) -> None:
    made = key_of(api, key=OLD)
    other = key_of(api)
    fresh = rotated(api, made["key"])

    assert told(api.post("/key/generate", json={"key": OLD}))[:2] == (400, "key")
    taken = api.post("/key/regenerate", json={"key": other["key"], "new_key": OLD})
    assert told(taken)[:2] == (400, "new_key")
    assert ok(api.get("/key/info", headers=as_key(OLD)))["info"]["key_id"] == made["key_id"]

    api.clock.pass_by(2 * DAY)
    assert uses(api, OLD) == 401
    assert key_of(api, key=OLD)["key_id"] != made["key_id"]
    assert [uses(api, key) for key in (OLD, fresh["key"])] == [200, 200]


def test_a_rotation_can_be_taken_back(api: Api) -> None:
    made = key_of(api, key=OLD)
    fresh = rotated(api, OLD)
    back = rotated(api, fresh["key"], new_key=OLD, grace_period=None)

    assert (back["key"], back["key_id"]) == (OLD, made["key_id"])
    assert [uses(api, key) for key in (OLD, fresh["key"])] == [200, 401]
    assert graces(api) == []
    ok(api.post("/key/delete", json={"keys": [OLD]}))
    assert uses(api, OLD) == 401


def test_a_namesake_of_the_new_secret_does_not_revive_the_old_one(api: Api) -> None:
    made = key_of(api)
    rotated(api, made["key"], new_key=OLD)
    ok(api.post("/key/delete", json={"keys": [OLD]}))
    key_of(api, key=OLD)

    assert uses(api, made["key"]) == 401


def test_what_is_over_is_swept(api: Api) -> None:
    first, second = key_of(api), key_of(api)
    rotated(api, first["key"], grace_period="1h")
    rotated(api, second["key"], grace_period="2h")
    sweep(api.app)
    assert len(graces(api)) == 2

    api.clock.pass_by(HOUR)
    sweep(api.app)

    assert [each.key_id for each in graces(api)] == [second["key_id"]]


def test_a_key_that_is_known_costs_no_look_for_an_old_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"])
    spy = count_calls(api.app.documents)
    seen = replace(api.app, documents=spy, _memory={})
    monkeypatch.setattr("functions.http.app", lambda: seen)

    api.get("/v1/models", headers=as_key(fresh["key"]))
    assert spy.calls == ["get Key"]
    api.get("/v1/models", headers=as_key(made["key"]))
    assert spy.calls == ["get Key", "get Key", "get Grace"]


def test_the_rotation_is_on_record_without_a_secret(api: Api, facts: Facts) -> None:
    made = key_of(api)
    fresh = rotated(api, made["key"])

    logged = facts()
    acts = [each for each in logged if each["message"] == "admin_act" and each["act"] == "key/regenerate"]
    assert [(each["target"], each["fields"]) for each in acts] == [(made["key_id"], ["grace_period"])]
    for secret in (made["key"], fresh["key"]):
        assert secret not in json.dumps(logged)
        assert secret not in str(graces(api))


@pytest.mark.parametrize("place", ["path", "query", "body"])
def test_a_key_is_regenerated_by_path_query_or_body(api: Api, place: str) -> None:
    made = key_of(api)
    fresh = ok(
        api.post(f"/key/{made['token']}/regenerate")
        if place == "path"
        else api.post(f"/key/regenerate?key={made['token']}")
        if place == "query"
        else api.post("/key/regenerate", json={"key": made["token"]})
    )
    assert fresh["key_id"] == made["key_id"]
    assert uses(api, fresh["key"]) == 200


def test_of_a_body_and_a_query_the_body_counts(api: Api) -> None:
    made, other = key_of(api), key_of(api)
    fresh = ok(api.post(f"/key/regenerate?key={other['token']}", json={"key": made["token"]}))
    assert fresh["key_id"] == made["key_id"]
    assert api.post(f"/key/regenerate?key={mint()}").status_code == 404


def test_a_secret_that_is_brought_back_brings_none_of_its_forerunners_back(api: Api) -> None:
    """A roll-out has failed, and the key before it comes again; the one before that may be who was to be shut out."""
    first = key_of(api)["key"]
    second, third = "sk-" + "b" * 30, "sk-" + "c" * 30
    rotated(api, first, new_key=second)
    rotated(api, second, new_key=third)

    rotated(api, third, new_key=second)

    assert [uses(api, key) for key in (first, second, third)] == [401, 200, 200]


@pytest.mark.parametrize("named", ["secret", "hash", "sha256"])
def test_a_secret_that_still_works_names_its_key_and_is_stopped_by_it(api: Api, named: str) -> None:
    made = key_of(api, key_alias="a")
    fresh = rotated(api, made["key"])
    old = {"secret": made["key"], "hash": made["token"], "sha256": sha256(made["key"].encode()).hexdigest()}[named]

    assert ok(api.get(f"/key/info?key={old}"))["info"]["key_alias"] == "a"
    assert ok(api.post("/key/block", json={"key": old}))["token"] == fresh["token"]
    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 401]
    assert ok(api.post("/key/unblock", json={"key": old}))["blocked"] is False
    assert [uses(api, each["key"]) for each in (made, fresh)] == [200, 200]
    assert ok(api.post("/key/delete", json={"keys": [old]})) == {"deleted_keys": [old]}
    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 200]
    assert api.get(f"/key/info?key={old}").status_code == 404


def test_a_secret_whose_grace_is_over_names_nothing(api: Api) -> None:
    first = key_of(api)
    second = rotated(api, first["key"])
    api.clock.pass_by(2 * DAY)
    for path in ("block", "unblock"):
        assert api.post(f"/key/{path}", json={"key": first["key"]}).status_code == 404
    assert api.post("/key/delete", json={"keys": [first["key"]]}).status_code == 404
    assert api.get(f"/key/info?key={first['key']}").status_code == 404
    rotated(api, rotated(api, second["key"])["key"])
    assert api.post("/key/block", json={"key": second["key"]}).status_code == 404


def test_a_team_admin_stops_a_key_of_the_team_by_its_old_secret_and_nobody_elses(api: Api) -> None:
    for team in ("t", "other"):
        ok(api.post("/team/new", json={"team_id": team, "members_with_roles": [{"user_id": team, "role": "admin"}]}))
    made, admin, stranger = key_of(api, team_id="t"), key_of(api, user_id="t"), key_of(api, user_id="other")
    fresh = rotated(api, made["key"])

    assert api.post("/key/block", json={"key": made["key"]}, headers=as_key(stranger["key"])).status_code == 403
    assert api.get(f"/key/info?key={made['key']}", headers=as_key(stranger["key"])).status_code == 404
    ok(api.post("/key/block", json={"key": made["key"]}, headers=as_key(admin["key"])))
    assert [uses(api, each["key"]) for each in (made, fresh)] == [401, 401]


def test_a_key_is_changed_and_made_anew_by_its_new_secret_alone(api: Api) -> None:
    """Whoever repeats a rotation that was answered does not make another one."""
    made = key_of(api)
    rotated(api, made["key"])
    assert api.post("/key/regenerate", json={"key": made["key"]}).status_code == 404
    assert api.post("/key/update", json={"key": made["key"], "rpm_limit": 1}).status_code == 404
