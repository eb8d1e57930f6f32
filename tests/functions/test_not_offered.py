"""LiteLLM's routes that are not offered: what who asks for one is told, and who is not."""

import pytest

from functions.not_offered import INSTEAD
from functions.routes import routes_of
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok
from tests.functions.test_http import Facts
from tests.functions.wire import envelope

SOME = [  # of every kind: by its path, by its method, with an id in it, and under a prefix
    ("POST", "/key/bulk_update", "Not offered: call /key/update for each key."),
    ("PATCH", "/team/t", "Not offered: call POST /team/update, with team_id."),
    ("GET", "/team/t/members/me", "/team/info?team_id="),
    ("POST", "/team/t/member/u/reset_spend", "/team/member_update"),
    ("POST", "/budget/new", "set max_budget"),
    ("POST", "/v1/budget/new", "set max_budget"),
    ("GET", "/organization/list", "/team/new"),
    ("DELETE", "/organization/delete", "/team/new"),
    ("GET", "/credentials", "configuration"),
    ("POST", "/config/update", "configuration"),
    ("POST", "/model/new", "configuration"),
    ("PATCH", "/model/m/update", "configuration"),
    ("GET", "/provider/budgets", "max_budget"),
    ("GET", "/scim/v2/Users", "/user/new"),
    ("POST", "/cost/estimate", "/spend/calculate"),
    ("GET", "/global/activity", "/user/daily/activity"),
    ("GET", "/global/activity/model", "/user/daily/activity"),
]
TYPOS = ("/key/bulk_updat", "/key/bulk_update/x", "/budgets/new", "/model/nwe", "/team/t/u", "/costs/estimate", "/tags")


def asked_for(entry: str) -> tuple[str, str]:
    """A request that an entry of the table is about."""
    method, _, path = entry.rpartition(" ")
    return method or "GET", path.replace("*", "x").replace("{", "").replace("}", "")


@pytest.mark.parametrize(("method", "path", "says"), SOME)
def test_who_asks_for_a_route_that_litellm_has_is_told_what_to_use_in_litellms_words(
    api: Api, method: str, path: str, says: str
) -> None:
    plain = as_key(key_of(api)["key"])
    for headers in (api.headers, plain):
        answer = api.call(method, path, headers=headers, json={} if method == "POST" else None)
        error = envelope(answer.data)
        assert (answer.status_code, error["type"], error["code"]) == (404, "not_found_error", "404")
        assert error["message"].startswith("Not offered: ")
        assert says in error["message"]


@pytest.mark.parametrize(("method", "path", "says"), SOME)
@pytest.mark.parametrize("key", ["", "sk-nobody-has-this-one", "expired", "blocked"])
def test_who_has_no_key_is_told_no_more_than_of_any_path(api: Api, method: str, path: str, says: str, key: str) -> None:
    if key in {"expired", "blocked"}:
        made = key_of(api, duration="1s")["key"]
        if key == "blocked":
            ok(api.post("/key/block", json={"key": made}))
        key = made
        api.clock.pass_by(60_000)
    answer = api.call(method, path, headers=as_key(key) if key else {"authorization": ""})
    assert answer.status_code == 404
    assert envelope(answer.data)["message"] == f"Invalid URL ({method} {path})"


def test_a_stranger_gets_the_same_envelope_as_for_any_path(api: Api) -> None:
    api.headers = {}
    known, unknown = api.get("/credentials"), api.get("/xredentials")
    assert known.data.replace(b"/credentials", b"/xredentials") == unknown.data


def test_a_wrong_key_is_on_record_there_too(api: Api, facts: Facts) -> None:
    facts()
    api.get("/key/aliases", headers=as_key("sk-nobody-has-this-one"))
    refused = [each for each in facts() if each.get("audit")]
    assert [(each["message"], each["status"]) for each in refused] == [("refused", 401)]
    api.get("/key/aliases", headers={"authorization": ""})
    assert [each for each in facts() if each.get("audit")] == []


@pytest.mark.parametrize("path", TYPOS)
def test_a_typo_is_an_invalid_url(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status_code, envelope(answer.data)["message"]) == (404, f"Invalid URL (GET {path})")


@pytest.mark.parametrize("entry", INSTEAD)
def test_no_entry_of_the_table_is_a_route_of_ours(api: Api, entry: str) -> None:
    method, path = asked_for(entry)
    assert not [each for each in routes_of("api") if each.pattern.fullmatch(path) and each.method == method]
    answer = api.call(method, path)
    assert answer.json["error"]["message"] == f"Not offered: {INSTEAD[entry]}."


def test_what_is_offered_under_a_prefix_stays_so(api: Api) -> None:
    for path in ("tag", "customer", "organization", "user", "team"):
        assert api.get(f"/{path}/daily/activity?start_date=2026-11-01&end_date=2026-11-02").status_code == 200


def test_the_routes_that_it_names_are_offered() -> None:
    """What to use instead is there."""
    offered = {each.path for each in routes_of("api")}
    for why in INSTEAD.values():
        words = [word.partition("?")[0].strip(",.;)(") for word in why.split()]
        assert {word for word in words if word.startswith("/")} <= offered, why
