import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from shared.admin.keyring import KeyRing
from shared.admin.keys import account_of
from shared.admin.people import alias_id
from shared.domain.account import Account
from shared.domain.clock import DAY, MINUTE, SECOND
from shared.domain.keys import Alias, Key, User, user_account
from shared.domain.secret_key import hashed, mint
from shared.storage.queries import KEYS
from tests.functions.conftest import Answer, Api
from tests.functions.office import as_key, count_calls, key_of, ok, told, uses
from tests.functions.wire import KEY

Facts = Callable[[], list[dict[str, Any]]]


def account(api: Api, made: dict[str, Any]) -> Account:
    return account_of(api.app, made["key_id"])


def spent(api: Api, made: dict[str, Any], nano: int) -> None:
    """As if so much had been spent with the key."""
    before = account(api, made)
    api.app.documents.transact(lambda tx: tx.put(replace(before, spent=before.spent + nano)))


# What is made


def test_a_key_is_shown_once_and_works_at_once(api: Api, facts: Facts) -> None:
    made = key_of(api, key_alias="mine", models=["gemini-2.5-flash"], metadata={"team": "blue"})

    assert uses(api, made["key"]) == 200
    assert made["token"] == made["token_id"] == hashed(api.app.key_pepper, made["key"])
    assert made["key_name"] == f"sk-...{made['key'][-4:]}"
    for path in ("/key/list?return_full_object=true", f"/key/info?key={made['token']}", "/user/info"):
        assert made["key"] not in api.get(path).text
    stored = [api.app.documents.get(Key, made["token"]), account(api, made)]
    assert made["key"] not in str(stored)
    assert made["key"] not in json.dumps(facts())


def test_a_key_has_its_account_with_budget_and_caps_from_the_first_moment_on(api: Api) -> None:
    metadata = {"max_batch_file_records": 10, "max_batch_file_size_mb": 1.5, "max_open_batches": 3}
    made = key_of(
        api,
        key_alias="a",
        max_budget=0.1,
        budget_duration="1d",
        metadata=metadata,
        max_open_batches=2,
        batch_enqueued_token_limit=1_000,
        max_batch_file_uploads_per_day=5,
        max_batches_per_hour=7,
    )

    found = account(api, made)
    assert (found.name, found.max_budget, found.budget_duration) == ("Key=a", 100_000_000, "1d")
    assert found.budget_reset_at is not None
    assert found.budget_reset_at % DAY == 0
    assert (found.caps.lines_per_batch, found.caps.file_bytes, found.caps.open_batches) == (10, 1_572_864, 2)
    assert (found.caps.enqueued_tokens, found.caps.files_per_day, found.caps.batches_per_hour) == (1_000, 5, 7)
    assert made["max_open_batches"] == 2
    assert made["metadata"] == metadata


def test_an_account_without_alias_is_called_by_the_end_of_its_key(api: Api) -> None:
    made = key_of(api)
    assert account(api, made).name == f"Key=sk-...{made['key'][-4:]}"


def test_fields_without_effect_are_given_back(api: Api) -> None:
    sent = {"tpm_limit": 5, "soft_budget": 1.5, "aliases": {"a": "b"}, "permissions": {"p": True}, "something": [1]}
    made = key_of(api, **sent)

    info = ok(api.get(f"/key/info?key={made['token']}"))["info"]
    assert {name: info[name] for name in sent} == sent
    updated = ok(api.post("/key/update", json={"key": made["token"], "something": None}))
    assert updated["something"] is None
    assert updated["tpm_limit"] == 5


def test_a_key_may_be_brought(api: Api) -> None:
    made = key_of(api, key="sk-brought-by-its-owner")
    assert made["key"] == "sk-brought-by-its-owner"
    assert uses(api, "sk-brought-by-its-owner") == 200


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("no-prefix-but-long-enough", "must start with 'sk-'"),
        ("sk-short", "at least 16 characters"),
        ("sk-with a blank in it", "characters that no key may have"),
        ("sk-" + "x" * 257, "Invalid 'key'"),
        (KEY, "it is taken"),
    ],
)
def test_a_key_of_the_wrong_shape_is_not_taken(api: Api, key: str, why: str) -> None:
    answer = api.post("/key/generate", json={"key": key})
    assert answer.status_code == 400
    assert why in told(answer)[2]
    assert key not in answer.text


def test_a_minted_key_with_a_wrong_check_sum_is_not_taken(api: Api) -> None:
    good = mint()
    wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
    assert told(api.post("/key/generate", json={"key": wrong}))[0] == 400


def test_a_key_that_is_taken_is_not_given_twice(api: Api) -> None:
    key_of(api, key="sk-brought-by-its-owner", key_alias="first")
    answer = api.post("/key/generate", json={"key": "sk-brought-by-its-owner"})
    assert told(answer) == (400, "key", "Invalid 'key': it is taken.")


def test_an_alias_is_for_one_key_alone(api: Api) -> None:
    first = key_of(api, key_alias="one")
    message = "Key with alias 'one' already exists. Unique key aliases across all keys are required."
    assert told(api.post("/key/generate", json={"key_alias": "one"})) == (400, "key_alias", message)

    ok(api.post("/key/update", json={"key": first["token"], "key_alias": "two"}))
    second = key_of(api, key_alias="one")
    assert api.post("/key/update", json={"key": second["token"], "key_alias": "two"}).status_code == 400
    ok(api.post("/key/update", json={"key": second["token"], "key_alias": "one"}))
    ok(api.post("/key/delete", json={"key_aliases": ["two"]}))
    key_of(api, key_alias="two")


def test_an_alias_is_not_a_place_for_a_key(api: Api) -> None:
    assert told(api.post("/key/generate", json={"key_alias": mint()}))[:2] == (400, "key_alias")


def test_of_many_who_want_one_alias_one_gets_it(api: Api) -> None:
    """Threads at the same moment: the record of the alias decides."""
    statuses: list[int] = []

    def ask(_: int) -> Answer:
        return api.post("/key/generate", json={"key_alias": "wanted"})

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(each.status_code for each in pool.map(ask, range(16)))

    assert statuses == [200] + [400] * 15
    assert len(api.app.documents.query(KEYS)) == 1


def test_a_team_has_to_exist_and_a_user_is_made(api: Api) -> None:
    assert told(api.post("/key/generate", json={"team_id": "nobody"}))[:2] == (400, "team_id")

    made = key_of(api, user_id="ishaan@example.com")
    assert uses(api, made["key"]) == 200
    assert ok(api.get("/user/info?user_id=ishaan@example.com"))["keys"][0]["token"] == made["token"]
    assert api.app.documents.get(Account, user_account("ishaan@example.com")) is not None


def test_a_service_account_is_of_a_team_and_of_no_user(api: Api) -> None:
    assert told(api.post("/key/service-account/generate", json={"key_alias": "s"}))[:2] == (400, "team_id")
    assert told(api.post("/key/service-account/generate", json={"team_id": "x"}))[:2] == (400, "team_id")
    ok(api.post("/team/new", json={"team_id": "x"}))

    made = ok(api.post("/key/service-account/generate", json={"team_id": "x", "user_id": "somebody"}))
    assert (made["team_id"], made["user_id"]) == ("x", None)


def test_without_a_pepper_virtual_keys_are_off_and_the_answer_says_how_to_turn_them_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(api.app, key_pepper="")
    monkeypatch.setattr("functions.http.app", lambda: bare)

    answer = api.post("/key/generate", json={})
    assert answer.status_code == 409
    assert (answer.json["error"]["type"], answer.json["error"]["code"]) == ("bad_request_error", "409")
    assert "OFFPEAK_KEY_PEPPER" in told(answer)[2]
    assert api.post("/user/new", json={}).status_code == 409
    assert ok(api.post("/user/new", json={"auto_create_key": False}))["key"] == ""
    assert api.get(f"/key/info?key={mint()}").status_code == 404


# What is refused


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"max_budget": -0.01}, "max_budget"),
        ({"max_budget": "NaN"}, "max_budget"),
        ({"max_budget": "Infinity"}, "max_budget"),
        ({"max_budget": 1e30}, "max_budget"),
        ({"max_budget": True}, "max_budget"),
        ({"max_budget": [1]}, "max_budget"),
        ({"soft_budget": "much"}, "soft_budget"),
        ({"models": "gemini"}, "models"),
        ({"models": ["a", 5]}, "models.1"),
        ({"models": [""]}, "models.0"),
        ({"models": ["*a*a*a*a*a*a*"]}, "models.0"),
        ({"duration": "soon"}, "duration"),
        ({"duration": "0d"}, "duration"),
        ({"duration": 5}, "duration"),
        ({"budget_duration": "a while"}, "budget_duration"),
        ({"rpm_limit": -1}, "rpm_limit"),
        ({"rpm_limit": 1.5}, "rpm_limit"),
        ({"rpm_limit": True}, "rpm_limit"),
        ({"rpm_limit": 10**30}, "rpm_limit"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"max_open_batches": "3.5"}}, "metadata.max_open_batches"),
        ({"metadata": {"max_batch_file_size_mb": -1}}, "metadata.max_batch_file_size_mb"),
        ({"max_batches_per_hour": True}, "max_batches_per_hour"),
        ({"batch_enqueued_token_limit": 10**40}, "batch_enqueued_token_limit"),
        ({"tags": "x"}, "tags"),
        ({"tags": [f"t{n}" for n in range(21)]}, "tags"),
        ({"metadata": {"tags": [1]}}, "metadata.tags"),
        ({"key_type": "root"}, "key_type"),
        ({"blocked": "perhaps"}, "blocked"),
        ({"allowed_routes": "/key/info"}, "allowed_routes"),
        ({"user_id": "a\x00b"}, "user_id"),
        ({"user_id": "u" * 5_000}, "user_id"),
        ({"user_id": 5}, "user_id"),
        ({"team_id": "t" * 5_000}, "team_id"),
        ({"team_id": "a\nb"}, "team_id"),
        ({"key_alias": "a\x1b[31m"}, "key_alias"),
        ({"spend": -1}, "spend"),
        ({"spend": "much"}, "spend"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(api: Api, body: dict[str, Any], name: str) -> None:
    status, param, message = told(api.post("/key/generate", json=body))

    assert (status, param) == (400, name)
    assert name in message
    assert len(message) < 300
    assert api.app.documents.query(KEYS) == []


@pytest.mark.parametrize("text", [b'{"max_budget": NaN}', b'{"max_budget": Infinity}', b"[]", b"{", b"\xff"])
def test_what_is_no_json_object_is_refused(api: Api, text: bytes) -> None:
    assert api.post("/key/generate", data=text).status_code == 400


def test_more_than_a_document_holds_is_refused(api: Api) -> None:
    assert api.post("/key/generate", json={"metadata": {"a": "x" * 70_000}}).status_code == 400
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    assert api.post("/key/generate", json={"metadata": {"a": nested}}).status_code in {200, 400}


def test_a_field_that_would_be_the_records_own_changes_nothing_of_it(api: Api) -> None:
    made = key_of(
        api,
        token="f" * 64,
        key_id="key-other",
        key_name="sk-...zzzz",
        created_at="1970",
        owner="admin",
        status="active",
    )
    assert made["token"] == hashed(api.app.key_pepper, made["key"])
    assert made["key_id"] != "key-other"
    assert made["key_name"] == f"sk-...{made['key'][-4:]}"
    record = api.app.documents.get(Key, made["token"])
    assert record is not None
    assert record.owner == f"key:{made['key_id']}"


# Models


@pytest.mark.parametrize(
    ("models", "seen"),
    [
        ([], {"gemini-2.5-flash", "team/embeddings"}),
        (["all-proxy-models"], {"gemini-2.5-flash", "team/embeddings"}),
        (["all-team-models"], {"gemini-2.5-flash", "team/embeddings"}),
        (["no-default-models"], set()),
        (["gemini*"], {"gemini-2.5-flash"}),
        (["vertex_ai/*"], {"gemini-2.5-flash", "team/embeddings"}),
        (["gemini-2.5-flash"], {"gemini-2.5-flash"}),
        ([".*"], set()),  # a pattern of other tools is a name here
        (["gemini.2.5.flash"], set()),
        (["[a-z]*"], set()),
        (["gemini|team/embeddings"], set()),
        (["gemini-2.5-flash\\"], set()),
        (["*", "no-default-models"], set()),
        (["nothing-like-it"], set()),
    ],
)
def test_a_list_of_models_is_names_and_asterisks(api: Api, models: list[str], seen: set[str]) -> None:
    made = key_of(api, models=models)
    found = ok(api.get("/v1/models", headers=as_key(made["key"])))["data"]
    assert {each["id"] for each in found} == seen


def test_key_team_and_user_all_have_to_allow_a_model(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "models": ["gemini*"]}))
    ok(api.post("/user/new", json={"user_id": "u", "models": ["team/*"], "auto_create_key": False}))

    def seen(**body: Any) -> set[str]:
        found = ok(api.get("/v1/models", headers=as_key(key_of(api, **body)["key"])))["data"]
        return {each["id"] for each in found}

    assert seen(team_id="t") == {"gemini-2.5-flash"}
    assert seen(user_id="u") == {"team/embeddings"}
    assert seen(team_id="t", user_id="u") == set()
    assert seen(team_id="t", models=["team/embeddings"]) == set()
    assert seen(team_id="t", models=["all-proxy-models"]) == {"gemini-2.5-flash"}


# Changes


def test_an_update_changes_what_is_named_and_null_takes_limits_away(api: Api) -> None:
    made = key_of(
        api, key_alias="a", max_budget=5, budget_duration="1d", rpm_limit=100, models=["gemini*"], duration="1d"
    )
    same = ok(api.post("/key/update", json={"key": made["key"]}))
    assert {name: same[name] for name in ("max_budget", "rpm_limit", "models", "expires", "key_alias")} == {
        name: made[name] for name in ("max_budget", "rpm_limit", "models", "expires", "key_alias")
    }

    nulls = {"max_budget": None, "budget_duration": None, "rpm_limit": None, "models": None, "duration": None}
    changed = ok(api.post("/key/update", json={"key": made["key"], **nulls}))
    assert (changed["max_budget"], changed["budget_reset_at"], changed["rpm_limit"]) == (None, None, None)
    assert (changed["models"], changed["expires"]) == ([], None)
    assert account(api, made).max_budget is None
    assert made["key"] not in str(api.app.documents.get(Key, made["token"]))


def test_a_key_is_found_by_itself_its_hash_its_id_and_its_alias(api: Api) -> None:
    made = key_of(api, key_alias="a")
    for named in (made["key"], made["token"], made["key_id"]):
        assert ok(api.post("/key/update", json={"key": named, "rpm_limit": 5}))["token"] == made["token"]
        assert ok(api.get("/key/info", query_string={"key": named}))["info"]["key_alias"] == "a"
    assert ok(api.post("/key/update", json={"key_alias": "a", "rpm_limit": 6}))["rpm_limit"] == 6
    unknown = {mint(), "f" * 64, "key-" + "a" * 24, "F" * 64, "sk-x", "/", "../x", "\x00", "x" * 200}
    for named in unknown:
        assert told(api.post("/key/update", json={"key": named}))[0] in {400, 404}
        assert api.get("/key/info", query_string={"key": named}).status_code == 404
    assert api.post("/key/update", json={"key_alias": "b"}).status_code == 404
    assert api.post("/key/update", json={"rpm_limit": 6}).status_code == 400


def test_what_a_key_makes_stays_its_own_when_it_is_regenerated(api: Api) -> None:
    made = key_of(api, key_alias="a", max_budget=1)
    api.headers = as_key(made["key"])
    file = api.upload_file()
    api.headers = as_key(KEY)
    spent(api, made, 5)

    fresh = ok(api.post(f"/key/{made['key']}/regenerate"))

    assert fresh["key"] != made["key"]
    assert (fresh["key_id"], fresh["key_alias"], fresh["max_budget"]) == (made["key_id"], "a", 1)
    assert fresh["spend"] == 5e-9
    assert uses(api, made["key"]) == 401
    assert api.get(f"/v1/files/{file}", headers=as_key(fresh["key"])).status_code == 200
    assert api.app.documents.get(Key, made["token"]) is None
    assert api.post("/key/generate", json={"key_alias": "a"}).status_code == 400


def test_a_regenerated_key_may_be_brought_and_changed_at_once(api: Api) -> None:
    made = key_of(api, models=["gemini*"])
    body = {"key": made["token"], "new_key": "sk-brought-by-its-owner", "models": [], "duration": "1d"}
    fresh = ok(api.post("/key/regenerate", json=body))
    assert fresh["key"] == "sk-brought-by-its-owner"
    assert fresh["models"] == []
    assert fresh["expires"] is not None
    assert told(api.post("/key/regenerate", json={}))[:2] == (400, "key")
    assert told(api.post(f"/key/{fresh['token']}/regenerate", json={"new_key": fresh["key"]}))[:2] == (400, "new_key")
    assert api.post(f"/key/{made['token']}/regenerate").status_code == 404


def test_two_who_regenerate_at_once_leave_one_key(api: Api) -> None:
    made = key_of(api)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post(f"/key/{made['token']}/regenerate"), range(8)))

    fresh = [each.json["key"] for each in answers if each.status_code == 200]
    assert len(fresh) == 1
    assert {each.status_code for each in answers} == {200, 404}
    assert [uses(api, key) for key in (made["key"], *fresh)] == [401, 200]
    assert len(api.app.documents.query(KEYS)) == 1


def test_a_blocked_key_is_refused_until_it_is_unblocked(api: Api) -> None:
    made = key_of(api)
    assert uses(api, made["key"]) == 200

    assert ok(api.post("/key/block", json={"key": made["key"]}))["blocked"] is True
    refused = api.get("/v1/files", headers=as_key(made["key"]))
    assert (refused.status_code, refused.json["error"]["type"]) == (401, "auth_error")
    assert ok(api.get(f"/key/info?key={made['token']}"))["info"]["status"] == "revoked"
    assert ok(api.post("/key/unblock", json={"key": made["token"]}))["blocked"] is False
    assert uses(api, made["key"]) == 200
    assert api.post("/key/block", json={"key": "f" * 64}).status_code == 404


def test_an_expired_key_says_so(api: Api) -> None:
    made = key_of(api, duration="30s")
    assert uses(api, made["key"]) == 200

    api.clock.pass_by(30 * SECOND)
    refused = api.get("/v1/files", headers=as_key(made["key"]))
    assert (refused.status_code, refused.json["error"]["type"]) == (401, "expired_key")
    assert ok(api.get(f"/key/info?key={made['token']}"))["info"]["status"] == "expired"
    ok(api.post("/key/update", json={"key": made["token"], "duration": "-1"}))
    assert uses(api, made["key"]) == 200


@pytest.mark.parametrize("act", ["block", "delete", "expire", "regenerate", "user", "team"])
def test_an_instance_that_knows_a_key_learns_within_a_minute_that_it_is_none(
    api: Api, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Two processes on the same documents: the other one has used the key a moment ago."""
    ok(api.post("/team/new", json={"team_id": "t"}))
    made = key_of(api, team_id="t", user_id="u", duration="50s")
    assert uses(api, made["key"]) == 200
    here = api.app
    other = replace(here, _memory={})
    monkeypatch.setattr("functions.http.app", lambda: other)
    assert uses(api, made["key"]) == 200

    monkeypatch.setattr("functions.http.app", lambda: here)
    match act:
        case "block":
            ok(api.post("/key/block", json={"key": made["key"]}))
        case "delete":
            ok(api.post("/key/delete", json={"keys": [made["key"]]}))
        case "regenerate":
            ok(api.post(f"/key/{made['key']}/regenerate"))
        case "user":
            ok(api.post("/user/delete", json={"user_ids": ["u"]}))
        case "team":
            ok(api.post("/team/block", json={"team_id": "t"}))
        case _:
            api.clock.pass_by(50 * SECOND)
    assert uses(api, made["key"]) == 401  # where it was changed, at once
    monkeypatch.setattr("functions.http.app", lambda: other)
    api.clock.pass_by(MINUTE - 1)
    assert uses(api, made["key"]) == 401


def test_deleting_is_all_or_nothing_and_leaves_the_account(api: Api) -> None:
    one, two = key_of(api, key_alias="one"), key_of(api, key_alias="two")
    spent(api, one, 5)

    assert told(api.post("/key/delete", json={"keys": [one["key"], mint()]}))[0] == 400
    assert uses(api, one["key"]) == 200
    assert told(api.post("/key/delete", json={"keys": [mint()]}))[0] == 404
    assert told(api.post("/key/delete", json={}))[0] == 400

    assert ok(api.post("/key/delete", json={"keys": [one["key"]]})) == {"deleted_keys": [one["key"]]}
    assert ok(api.post("/key/delete", json={"key_aliases": ["two"]})) == {"deleted_keys": ["two"]}
    assert [uses(api, each["key"]) for each in (one, two)] == [401, 401]
    assert account(api, one).spent == 5
    assert api.app.documents.query(KEYS) == []


def test_a_budget_begins_anew_and_what_was_spent_stays(api: Api) -> None:
    made = key_of(api, max_budget=1)
    spent(api, made, 1_500_000_000)
    path = f"/key/{made['token']}/reset_spend"

    for wrong in (2, -1, "1", True, None):
        assert told(api.post(path, json={"reset_to": wrong}))[:2] == (400, "reset_to")
    assert told(api.post(path, json={}))[:2] == (400, "reset_to")
    assert told(api.post(path, json={"reset_to": 1.2}))[:2] == (400, "reset_to")  # more than the budget
    answer = ok(api.post(path, json={"reset_to": 0.25}))

    assert answer == {
        "key_hash": made["token"],
        "spend": 0.25,
        "previous_spend": 1.5,
        "max_budget": 1.0,
        "budget_reset_at": None,
    }
    assert account(api, made).spent == 1_500_000_000
    info = ok(api.get(f"/key/info?key={made['token']}"))["info"]
    assert (info["spend"], info["total_spend"]) == (0.25, 1.5)


def test_spend_is_shown_to_the_last_unit_and_as_of_now(api: Api) -> None:
    made = key_of(api, max_budget=5, budget_duration="1d")
    spent(api, made, 123_456_789_123_456_789 % 10**15 + 1)

    shown = ok(api.get("/key/info", headers=as_key(made["key"])))["info"]["spend"]
    assert round(shown * 10**9) == account(api, made).spent
    api.clock.pass_by(DAY)
    assert ok(api.get("/key/info", headers=as_key(made["key"])))["info"]["spend"] == 0
    row = ok(api.get("/key/list?return_full_object=true"))["keys"][0]
    assert row["spend"] == 0


# Who may


def test_a_key_sees_itself_and_nobody_else(api: Api) -> None:
    mine, other = key_of(api, user_id="u"), key_of(api, user_id="v")
    sibling = key_of(api, user_id="u")
    api.headers = as_key(mine["key"])

    own = ok(api.get("/key/info"))
    assert (own["key"], own["info"]["user_id"]) == (mine["token"], "u")
    assert "token" not in own["info"]
    assert ok(api.get(f"/key/info?key={sibling['token']}"))["info"]["user_id"] == "u"
    foreign = [api.get("/key/info", query_string={"key": named}) for named in (other["key"], other["token"])]
    unknown = [api.get("/key/info", query_string={"key": named}) for named in (mint(), "f" * 64)]
    assert {(each.status_code, each.data) for each in foreign} == {(each.status_code, each.data) for each in unknown}
    assert foreign[0].status_code == 404


def test_a_key_of_a_user_called_admin_or_master_is_like_any_other(api: Api) -> None:
    file = api.upload_file()
    for name in ("admin", "master", "proxy_admin", "default_user_id"):
        made = key_of(api, user_id=name)
        assert api.get(f"/v1/files/{file}", headers=as_key(made["key"])).status_code == 404
        assert ok(api.get("/v1/files", headers=as_key(made["key"])))["data"] == []
        assert api.post("/key/generate", headers=as_key(made["key"])).status_code == 403
        assert ok(api.get("/key/info", headers=as_key(made["key"])))["info"]["user_id"] == name


def test_the_master_key_has_no_record(api: Api) -> None:
    assert api.get("/key/info").status_code == 404
    assert api.get("/key/info", query_string={"key": KEY}).status_code == 404
    for path in (f"/key/{KEY}/regenerate", f"/key/{KEY}/reset_spend"):
        assert api.post(path, json={"reset_to": 0}).status_code == 404


def test_every_act_is_on_record_without_a_secret(api: Api, facts: Facts) -> None:
    made = key_of(api, key_alias="a", max_budget=5)
    ok(api.post("/key/update", json={"key": made["key"], "rpm_limit": 5}))
    ok(api.post("/key/block", json={"key": made["key"]}))
    ok(api.post("/key/unblock", json={"key": made["key"]}))
    ok(api.post(f"/key/{made['token']}/reset_spend", json={"reset_to": 0}))
    fresh = ok(api.post(f"/key/{made['key']}/regenerate"))
    ok(api.post("/key/delete", json={"keys": [fresh["key"]]}))
    api.post("/key/generate", headers=as_key(fresh["key"]))

    logged = facts()
    acts = [each for each in logged if each["message"] == "admin_act"]
    names = ("generate", "update", "block", "unblock", "reset_spend", "regenerate", "delete")
    assert [each["act"] for each in acts] == [f"key/{name}" for name in names]
    assert {(each["actor"], each["target"], each["audit"]) for each in acts} == {("master", made["key_id"], True)}
    assert acts[0]["fields"] == ["key_alias", "max_budget"]
    for secret in (made["key"], fresh["key"]):
        assert secret not in json.dumps(logged)


# What a look-up costs


def test_a_look_up_is_one_read_and_a_mistyped_key_none(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = key_of(api)
    spy = count_calls(api.app.documents)
    seen = replace(api.app, documents=spy, _memory={})
    monkeypatch.setattr("functions.http.app", lambda: seen)

    api.get("/v1/models", headers=as_key(made["key"]))
    assert spy.calls == ["get Key"]
    api.get("/v1/models", headers=as_key(made["key"]))
    assert spy.calls == ["get Key"]  # and for half a minute none

    wrong = made["key"][:-1] + ("0" if made["key"][-1] != "0" else "1")
    for key in (wrong, "sk-", "sk-short", "x", "sk-" + "x" * 1_000):
        assert api.get("/v1/models", headers=as_key(key)).status_code == 401
    assert spy.calls == ["get Key"]


def test_what_stays_behind_agrees(api: Api) -> None:
    """After a life of changes: one key record, one alias, and the account that was there from the beginning."""
    made = key_of(api, key_alias="a", user_id="u")
    ok(api.post("/key/update", json={"key": made["token"], "key_alias": "b"}))
    fresh = ok(api.post(f"/key/{made['token']}/regenerate", json={"key_alias": "c"}))
    get = api.app.documents.get

    assert [get(Alias, each) is not None for each in map(alias_id, "abc")] == [False, False, True]
    assert get(Key, fresh["token"]) is not None
    assert get(Account, made["key_id"]) is not None
    assert get(User, user_account("u")) is not None
    assert api.app.remembered(KeyRing).find(api.app, fresh["key"]) is not None
