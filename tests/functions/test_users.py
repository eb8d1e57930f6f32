from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.account import Account
from shared.domain.clock import SECOND
from shared.domain.keys import User, member_account, user_account
from shared.storage.queries import KEYS_OF_USER
from tests.functions.conftest import Answer, Api
from tests.functions.office import as_key, key_of, ok, told, uses
from tests.functions.wire import KEY


def user_of(api: Api, **body: Any) -> Any:
    return ok(api.post("/user/new", json=body))


def account(api: Api, id: str) -> Account:
    found = api.app.documents.get(Account, id)
    assert found is not None
    return found


def test_a_user_has_what_was_asked_for_an_account_and_a_key(api: Api) -> None:
    made = user_of(
        api, user_email="ishaan@example.com", user_role="internal_user", max_budget=3, budget_duration="7d", rpm_limit=9
    )

    assert len(made["user_id"]) == 36
    assert (made["user_role"], made["max_budget"], made["spend"]) == ("internal_user", 3, 0)
    assert uses(api, made["key"]) == 200
    kept = account(api, user_account(made["user_id"]))
    assert (kept.name, kept.max_budget) == (f"User={made['user_id']}", 3 * 10**9)
    info = ok(api.get(f"/user/info?user_id={made['user_id']}"))
    assert (info["user_info"]["user_email"], info["teams"]) == ("ishaan@example.com", [])
    assert [each["token"] for each in info["keys"]] == [made["token"]]
    assert made["key"] not in api.get(f"/user/info?user_id={made['user_id']}").text


def test_no_key_is_made_where_none_is_wanted(api: Api) -> None:
    made = user_of(api, user_id="u", auto_create_key=False)
    assert made["key"] == ""
    assert api.app.documents.query(KEYS_OF_USER, "u") == []


def test_id_and_address_are_for_one_user_alone(api: Api) -> None:
    user_of(api, user_id="u", user_email="A@x.com")

    assert told(api.post("/user/new", json={"user_id": "u"})) == (409, "user_id", "User with id u already exists")
    assert told(api.post("/user/new", json={"user_email": " a@X.com "}))[:2] == (409, "user_email")
    user_of(api, user_id="v", user_email="b@x.com")
    assert told(api.post("/user/update", json={"user_id": "v", "user_email": "a@x.com"}))[:2] == (409, "user_email")
    ok(api.post("/user/update", json={"user_id": "u", "user_email": "a@X.com"}))  # one's own, written otherwise
    assert api.post("/user/new", json={"user_email": "a@x.com"}).status_code == 409
    ok(api.post("/user/update", json={"user_id": "u", "user_email": "c@x.com"}))
    ok(api.post("/user/update", json={"user_id": "v", "user_email": "a@x.com"}))
    ok(api.post("/user/update", json={"user_id": "v", "user_email": "b@x.com"}))
    user_of(api, user_id="w", user_email="a@x.com")


def test_of_many_who_want_one_address_one_gets_it(api: Api) -> None:
    def ask(_: int) -> Answer:
        return api.post("/user/new", json={"user_email": "a@x.com"})

    with ThreadPoolExecutor(8) as pool:
        assert sorted(each.status_code for each in pool.map(ask, range(12))) == [200] + [409] * 11
    assert ok(api.get("/user/list"))["total"] == 1


def test_a_user_comes_with_teams_or_not_at_all(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "team_member_budget": 1}))
    ok(api.post("/team/new", json={"team_id": "s"}))
    assert told(api.post("/user/new", json={"user_id": "u", "teams": ["t", "unknown"]}))[:2] == (400, "teams")
    assert api.get("/user/info?user_id=u").status_code == 404

    member = {"team_id": "s", "max_budget_in_team": 2, "user_role": "admin"}
    made = user_of(api, user_id="u", teams=["t", member])
    assert made["teams"] == ["t", "s"]
    assert account(api, member_account("t", "u")).max_budget == 10**9
    assert account(api, member_account("s", "u")).max_budget == 2 * 10**9
    assert ok(api.get("/team/info?team_id=s"))["team_info"]["members_with_roles"][0]["role"] == "admin"
    assert {each["team_id"] for each in ok(api.get("/user/info?user_id=u"))["teams"]} == {"t", "s"}


def test_an_alias_that_is_taken_leaves_no_half_made_user(api: Api) -> None:
    key_of(api, key_alias="a")
    assert told(api.post("/user/new", json={"user_id": "u", "key_alias": "a"}))[:2] == (400, "key_alias")
    assert api.get("/user/info?user_id=u").status_code == 404
    assert user_of(api, user_id="u", key_alias="b", duration="1d")["expires"] is not None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"user_id": "a\x00"}, "user_id"),
        ({"user_id": "x" * 5_000}, "user_id"),
        ({"user_email": 5}, "user_email"),
        ({"user_role": "root"}, "user_role"),
        ({"password": "secret"}, "password"),
        ({"max_budget": -1}, "max_budget"),
        ({"teams": "t"}, "teams"),
        ({"teams": [5]}, "teams.0"),
        ({"auto_create_key": "perhaps"}, "auto_create_key"),
        ({"budget_duration": "1x"}, "budget_duration"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(api: Api, body: dict[str, Any], name: str) -> None:
    assert told(api.post("/user/new", json=body))[:2] == (400, name)
    assert ok(api.get("/user/list"))["total"] == 0


def test_an_update_finds_the_user_by_id_or_by_address(api: Api) -> None:
    user_of(api, user_id="u", user_email="a@x.com", max_budget=5, user_alias="A")

    changed = ok(api.post("/user/update", json={"user_email": "A@x.com", "max_budget": None, "rpm_limit": 5}))
    assert (changed["user_id"], changed["data"]["max_budget"], changed["data"]["rpm_limit"]) == ("u", None, 5)
    assert ok(api.post("/user/update", json={"user_id": "u"}))["data"]["user_alias"] == "A"
    assert told(api.post("/user/update", json={"max_budget": 5}))[0] == 400
    assert told(api.post("/user/update", json={"user_id": "v"}))[0] == 404
    assert told(api.post("/user/update", json={"user_id": "u", "password": "x"}))[:2] == (400, "password")


def test_a_deleted_users_keys_and_memberships_go_and_the_account_stays(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t"}))
    made = user_of(api, user_id="u", user_email="a@x.com", teams=["t"])
    other = key_of(api, team_id="t", user_id="v")
    before = replace(account(api, user_account("u")), spent=7)
    api.app.documents.transact(lambda tx: tx.put(before))

    assert told(api.post("/user/delete", json={"user_ids": ["u", "unknown"]}))[0] == 404
    assert uses(api, made["key"]) == 200
    assert ok(api.post("/user/delete", json={"user_ids": ["u"]})) == 1

    assert [uses(api, each["key"]) for each in (made, other)] == [401, 200]
    assert api.app.documents.get(User, user_account("u")) is None
    assert ok(api.get("/team/info?team_id=t"))["team_info"]["members"] == []
    assert account(api, user_account("u")).spent == 7
    assert told(api.post("/user/delete", json={"user_ids": ["u"]}))[0] == 404
    assert told(api.post("/user/delete", json={"user_ids": []}))[:2] == (400, "user_ids")
    again = user_of(api, user_id="u", user_email="a@x.com")
    assert (again["spend"], again["total_spend"]) == (0, 0)


def test_users_are_listed(api: Api) -> None:
    ok(api.post("/team/new", json={"team_id": "t"}))
    for number in range(5):
        api.clock.pass_by(SECOND)
        role = "internal_user" if number % 2 else None
        user_of(api, user_id=f"u{number}", user_email=f"U{number}@x.com", user_role=role, teams=["t"] if number else [])

    page = ok(api.get("/user/list?page=2&page_size=2"))
    assert [each["user_id"] for each in page["users"]] == ["u2", "u1"]
    assert (page["total"], page["page"], page["page_size"], page["total_pages"]) == (5, 2, 2, 3)
    assert page["users"][0]["key_count"] == 1
    for query, number in (
        ("role=internal_user", 2),
        ("user_ids=u1,u3", 2),
        ("user_ids=u", 5),
        ("user_email=u3@", 1),
        ("team=t", 4),
        ("search=U4", 1),
        ("search=nobody", 0),
    ):
        assert ok(api.get(f"/user/list?{query}"))["total"] == number
    up = ok(api.get("/user/list?sort_by=user_id&sort_order=asc&page_size=1"))
    assert up["users"][0]["user_id"] == "u0"


def test_a_key_sees_its_user_and_nobody_else(api: Api) -> None:
    mine = user_of(api, user_id="u")
    user_of(api, user_id="v")
    lonely = key_of(api)
    api.headers = as_key(mine["key"])

    for path in ("/user/info?user_id=u", "/user/info"):
        assert ok(api.get(path))["user_id"] == "u"
    foreign, unknown = api.get("/user/info?user_id=v"), api.get("/user/info?user_id=w")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data.replace(b"User v", b"User w") == unknown.data
    assert api.get("/user/info", headers=as_key(lonely["key"])).status_code == 404


def test_a_proxy_admin_may_everything_a_viewer_sees_everything_and_others_nothing(api: Api) -> None:
    keys = {
        role: user_of(api, user_id=role, user_role=role)["key"]
        for role in ("proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer")
    }
    reads = ("/key/list", "/team/list", "/v2/team/list", "/user/list", "/user/info?user_id=internal_user")
    acts: tuple[tuple[str, dict[str, str]], ...] = (
        ("/key/generate", {}),
        ("/team/new", {}),
        ("/user/new", {}),
        ("/user/update", {"user_id": "internal_user"}),
    )

    def statuses(role: str) -> tuple[set[int], set[int]]:
        headers = as_key(keys[role])
        seen = {api.get(path, headers=headers).status_code for path in reads[:4]}
        return seen, {api.post(path, json=body, headers=headers).status_code for path, body in acts}

    assert statuses("proxy_admin") == ({200}, {200})
    assert statuses("proxy_admin_viewer") == ({200}, {403})
    assert statuses("internal_user") == ({200, 403}, {403})
    assert statuses("internal_user_viewer") == ({200, 403}, {403})
    for role in ("proxy_admin", "proxy_admin_viewer"):
        assert api.get(reads[4], headers=as_key(keys[role])).status_code == 200
    answer = api.post(
        "/user/update",
        json={"user_id": "internal_user", "user_role": "proxy_admin"},
        headers=as_key(keys["internal_user"]),
    )
    assert answer.status_code == 403


def test_nobody_makes_himself_an_admin_by_naming_fields(api: Api) -> None:
    made = key_of(api, user_id="u", user_role="proxy_admin", admin=True, permissions={"admin": True})
    assert api.get("/user/list", headers=as_key(made["key"])).status_code == 403
    for path in ("/user/update", "/key/update", "/team/new", "/user/new"):
        body = {"user_id": "u", "user_role": "proxy_admin", "key": made["key"]}
        assert api.post(path, json=body, headers=as_key(made["key"])).status_code == 403


def test_the_master_key_sees_what_everybody_has(api: Api) -> None:
    made = user_of(api, user_id="u")
    seen = ok(api.get("/user/info", headers=as_key(KEY)))
    assert (seen["user_id"], [each["token"] for each in seen["keys"]]) == (None, [made["token"]])
