import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.account import Account
from shared.domain.clock import SECOND
from shared.domain.keys import Member, Team, User, member_account, team_account, user_account
from shared.storage.queries import KEYS_OF_TEAM
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok, told, uses

Facts = Callable[[], list[dict[str, Any]]]


def team_of(api: Api, **body: Any) -> Any:
    return ok(api.post("/team/new", json=body))


def account(api: Api, id: str) -> Account:
    found = api.app.documents.get(Account, id)
    assert found is not None
    return found


def test_a_team_has_what_was_asked_for_and_its_account(api: Api) -> None:
    made = team_of(
        api,
        team_alias="blue",
        models=["gemini*"],
        max_budget=10.5,
        budget_duration="1mo",
        rpm_limit=60,
        tpm_limit=1_000,
        tags=["cost-centre-5"],
        metadata={"max_batches_per_hour": 3},
        enforced_file_expires_after={"anchor": "created_at", "seconds": 3600},
    )

    assert len(made["team_id"]) == 36
    assert (made["spend"], made["max_budget"], made["tpm_limit"]) == (0, 10.5, 1_000)
    assert made["budget_reset_at"].endswith("-01T00:00:00.000000Z")
    assert made["enforced_file_expires_after"] == {"anchor": "created_at", "seconds": 3600}
    kept = account(api, team_account(made["team_id"]))
    assert (kept.name, kept.max_budget, kept.caps.batches_per_hour) == ("Team=blue", 10_500_000_000, 3)


@pytest.mark.parametrize("team_id", ["a/b", "../x", "ü", "team one", "x" * 256, "%2F", "a,b", "gs://b/o", "."])
def test_an_id_may_be_what_it_likes(api: Api, team_id: str) -> None:
    team_of(api, team_id=team_id)
    made = key_of(api, team_id=team_id)

    assert ok(api.get("/team/info", query_string={"team_id": team_id}))["team_id"] == team_id
    assert ok(api.get("/key/list", query_string={"team_id": team_id}))["total_count"] == 1
    assert uses(api, made["key"]) == 200
    assert ok(api.post("/team/delete", json={"team_ids": [team_id]})) == {"deleted_teams": [team_id]}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"team_id": "a\x00b"}, "team_id"),
        ({"team_id": "x" * 5_000}, "team_id"),
        ({"team_id": 5}, "team_id"),
        ({"max_budget": -1}, "max_budget"),
        ({"team_member_budget": "NaN"}, "team_member_budget"),
        ({"budget_duration": "1y"}, "budget_duration"),
        ({"members_with_roles": {"user_id": "u"}}, "members_with_roles"),
        ({"members_with_roles": [{"role": "user"}]}, "members_with_roles.0"),
        ({"members_with_roles": [{"user_id": "u", "role": "owner"}]}, "members_with_roles.0.role"),
        ({"members_with_roles": [{"user_id": "u"}, {"user_id": "u"}]}, "member"),
        ({"metadata": []}, "metadata"),
        ({"models": {"a": 1}}, "models"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(api: Api, body: dict[str, Any], name: str) -> None:
    assert told(api.post("/team/new", json=body))[:2] == (400, name)
    assert ok(api.get("/v2/team/list"))["total"] == 0
    assert ok(api.get("/user/list"))["total"] == 0


def test_a_team_that_exists_is_not_made_again_and_keeps_its_keys(api: Api) -> None:
    team_of(api, team_id="t")
    made = key_of(api, team_id="t")
    api.clock.pass_by(SECOND)

    message = "Team id = t already exists. Please use a different team id."
    assert told(api.post("/team/new", json={"team_id": "t"})) == (400, "team_id", message)
    assert uses(api, made["key"]) == 200


def test_an_update_changes_what_is_named_and_null_takes_limits_away(api: Api) -> None:
    team_of(api, team_id="t", team_alias="a", max_budget=5, rpm_limit=10, models=["gemini*"], tags=["x"])
    changed = ok(api.post("/team/update", json={"team_id": "t", "team_alias": "b", "max_budget": None}))

    assert changed["team_id"] == "t"
    row = changed["data"]
    assert (row["team_alias"], row["max_budget"], row["rpm_limit"], row["models"]) == ("b", None, 10, ["gemini*"])
    assert row["tags"] == ["x"]
    assert account(api, team_account("t")).name == "Team=b"
    assert told(api.post("/team/update", json={"team_id": "u"}))[0] == 404
    assert told(api.post("/team/update", json={"team_alias": "u"})) == (
        400,
        "team_id",
        "Missing required parameter: 'team_id'.",
    )


def test_a_blocked_teams_keys_are_refused(api: Api) -> None:
    team_of(api, team_id="t")
    made = key_of(api, team_id="t")
    assert uses(api, made["key"]) == 200

    assert ok(api.post("/team/block", json={"team_id": "t"}))["blocked"] is True
    assert uses(api, made["key"]) == 401
    assert ok(api.post("/team/unblock", json={"team_id": "t"}))["blocked"] is False
    assert uses(api, made["key"]) == 200
    assert api.post("/team/block", json={"team_id": "u"}).status_code == 404


# Members


def test_members_come_and_go_on_both_sides(api: Api) -> None:
    team_of(api, team_id="t", members_with_roles=[{"role": "admin", "user_id": "one"}])
    added = ok(
        api.post(
            "/team/member_add",
            json={"team_id": "t", "member": [{"role": "user", "user_id": "two"}, {"user_email": "Three@x.com"}]},
        )
    )

    three = added["updated_users"][1]
    assert [each["role"] for each in added["members_with_roles"]] == ["admin", "user", "user"]
    assert three["user_email"] == "Three@x.com"
    assert ok(api.get(f"/user/info?user_id={three['user_id']}"))["teams"][0]["team_id"] == "t"
    again = api.post("/team/member_add", json={"team_id": "t", "member": {"user_email": "three@X.com"}})
    assert told(again)[:2] == (400, "member")

    left = ok(api.post("/team/member_delete", json={"team_id": "t", "user_email": "three@x.com"}))
    assert left["members"] == ["one", "two"]
    assert ok(api.get(f"/user/info?user_id={three['user_id']}"))["teams"] == []
    assert told(api.post("/team/member_delete", json={"team_id": "t", "user_id": "nobody"}))[:2] == (400, "user_id")
    assert told(api.post("/team/member_delete", json={"team_id": "t"}))[0] == 400
    assert told(api.post("/team/member_add", json={"team_id": "u", "member": {"user_id": "x"}}))[0] == 404
    assert told(api.post("/team/member_add", json={"team_id": "t"}))[:2] == (400, "member")


def test_who_leaves_a_team_loses_the_keys_of_it_alone(api: Api) -> None:
    team_of(api, team_id="t", members_with_roles=[{"user_id": "u"}, {"user_id": "v"}])
    gone, own, other = (
        key_of(api, team_id="t", user_id="u"),
        key_of(api, user_id="u"),
        key_of(api, team_id="t", user_id="v"),
    )

    ok(api.post("/team/member_delete", json={"team_id": "t", "user_id": "u"}))
    assert [uses(api, each["key"]) for each in (gone, own, other)] == [401, 200, 200]


def test_a_members_budget_is_an_account_of_its_own(api: Api) -> None:
    team_of(
        api, team_id="t", team_member_budget=1, team_member_budget_duration="1d", members_with_roles=[{"user_id": "u"}]
    )
    found = account(api, member_account("t", "u"))
    assert (found.name, found.max_budget, found.budget_duration) == ("Member=u in t", 10**9, "1d")

    ok(api.post("/team/member_add", json={"team_id": "t", "member": {"user_id": "v"}, "max_budget_in_team": 3}))
    assert account(api, member_account("t", "v")).max_budget == 3 * 10**9
    changed = ok(
        api.post(
            "/team/member_update",
            json={"team_id": "t", "user_id": "v", "role": "admin", "max_budget_in_team": 2, "budget_duration": "7d"},
        )
    )
    assert (changed["max_budget_in_team"], changed["role"], changed["budget_duration"]) == (2, "admin", "7d")

    ok(api.post("/team/update", json={"team_id": "t", "team_member_budget": 5}))
    assert account(api, member_account("t", "u")).max_budget == 5 * 10**9
    assert account(api, member_account("t", "v")).max_budget == 2 * 10**9
    ok(api.post("/team/member_update", json={"team_id": "t", "user_id": "v", "max_budget_in_team": None}))
    assert account(api, member_account("t", "v")).max_budget == 5 * 10**9
    shown = ok(api.get("/team/info?team_id=t"))["team_memberships"]
    assert [each["litellm_budget_table"]["max_budget"] for each in shown] == [5, 5]


def test_a_key_of_one_who_is_no_member_is_under_the_budget_of_members_too(api: Api) -> None:
    """Whoever pays has an account with the limit in it, in whatever order key and limit came."""
    team_of(api, team_id="t", team_member_budget=1)
    key_of(api, team_id="t", user_id="guest")
    assert account(api, member_account("t", "guest")).max_budget == 10**9

    team_of(api, team_id="late")
    key_of(api, team_id="late", user_id="guest")
    ok(api.post("/team/update", json={"team_id": "late", "team_member_budget": 2}))
    assert account(api, member_account("late", "guest")).max_budget == 2 * 10**9


def test_many_members_who_come_at_once_all_come(api: Api) -> None:
    team_of(api, team_id="t")

    def join(number: int) -> int:
        return api.post("/team/member_add", json={"team_id": "t", "member": {"user_id": f"u{number}"}}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(join, range(16))) == {200}
    assert len(ok(api.get("/team/info?team_id=t"))["team_info"]["members"]) == 16


def put(api: Api, record: Any) -> None:
    api.app.documents.transact(lambda tx: tx.put(record))


def test_a_team_is_full_by_whatever_way_one_comes_in(api: Api) -> None:
    team_of(api, team_id="t")
    team = api.app.documents.get(Team, team_account("t"))
    assert team is not None
    put(api, replace(team, members=tuple(Member(user_id=f"u{each}") for each in range(1_000))))

    refusals = [
        told(api.post(path, json=body))
        for path, body in (
            ("/team/member_add", {"team_id": "t", "member": {"user_id": "v"}}),
            ("/user/new", {"user_id": "v", "team_id": "t"}),
            ("/user/new", {"user_id": "v", "teams": ["t"]}),
        )
    ]

    assert {each[0] for each in refusals} == {400}
    assert all("1,000 members" in each[2] for each in refusals)
    ok(api.post("/user/new", json={"user_id": "u7", "teams": ["t"]}))  # who is in it already


def test_a_user_is_in_so_many_teams_and_no_more(api: Api) -> None:
    ok(api.post("/user/new", json={"user_id": "u"}))
    user = api.app.documents.get(User, user_account("u"))
    assert user is not None
    put(api, replace(user, teams=tuple(f"t{each}" for each in range(1_000))))
    team_of(api, team_id="t")

    refused = told(api.post("/team/member_add", json={"team_id": "t", "member": {"user_id": "u"}}))
    assert refused[0] == 400
    assert "1,000 teams" in refused[2]
    assert told(api.post("/team/new", json={"members_with_roles": [{"user_id": "u"}]}))[0] == 400
    assert ok(api.get("/team/info?team_id=t"))["team_info"]["members"] == []


def test_a_budget_of_many_members_is_many_small_transactions(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    team_of(api, team_id="t")
    team = api.app.documents.get(Team, team_account("t"))
    assert team is not None
    put(api, replace(team, members=tuple(Member(user_id=f"u{each}") for each in range(450))))
    most, transact = 0, api.app.documents.transact

    def watched(body: Any) -> Any:
        def counted(tx: Any) -> Any:
            nonlocal most
            found = body(tx)
            most = max(most, len(tx._writes))
            return found

        return transact(counted)

    monkeypatch.setattr(api.app.documents, "transact", watched)
    ok(api.post("/team/update", json={"team_id": "t", "team_member_budget": 2}))

    assert most <= 201
    assert {account(api, member_account("t", f"u{each}")).max_budget for each in range(450)} == {2 * 10**9}
    wrong = api.post("/team/update", json={"team_id": "t", "team_member_budget": 3, "team_member_budget_duration": "x"})
    assert told(wrong)[0] == 400
    assert ok(api.get("/team/info?team_id=t"))["team_info"]["team_member_budget"] == 2


# The end


def test_a_deleted_teams_keys_are_deleted_and_its_account_stays(api: Api) -> None:
    team_of(api, team_id="t", members_with_roles=[{"user_id": "u"}], max_budget=5)
    made, other = key_of(api, team_id="t", key_alias="a"), key_of(api, user_id="u")
    before = replace(account(api, team_account("t")), spent=7)
    api.app.documents.transact(lambda tx: tx.put(before))

    assert told(api.post("/team/delete", json={"team_ids": ["t", "unknown"]}))[0] == 404
    assert uses(api, made["key"]) == 200
    assert ok(api.post("/team/delete", json={"team_ids": ["t", "t"]})) == {"deleted_teams": ["t"]}

    assert [uses(api, each["key"]) for each in (made, other)] == [401, 200]
    assert api.app.documents.query(KEYS_OF_TEAM, "t") == []
    assert api.app.documents.get(Team, team_account("t")) is None
    user = api.app.documents.get(User, user_account("u"))
    assert user is not None
    assert user.teams == ()
    assert account(api, team_account("t")).spent == 7
    assert told(api.post("/team/delete", json={"team_ids": ["t"]}))[0] == 404
    key_of(api, key_alias="a")  # the alias is free again


def test_a_team_of_the_same_id_begins_with_nothing_spent_and_none_of_the_old_keys(api: Api) -> None:
    team_of(api, team_id="t", max_budget=5)
    made = key_of(api, team_id="t")
    record = api.app.documents.query(KEYS_OF_TEAM, "t")[0]
    old = replace(account(api, team_account("t")), spent=7)
    api.app.documents.transact(lambda tx: tx.put(old))
    ok(api.post("/team/delete", json={"team_ids": ["t"]}))
    api.app.documents.transact(lambda tx: tx.put(record))  # as if it had been made while the team went
    api.clock.pass_by(SECOND)

    again = team_of(api, team_id="t")
    assert (again["spend"], again["max_budget"], again["total_spend"]) == (0, None, 0)
    assert uses(api, made["key"]) == 401


# Lists, and who may


def test_teams_are_listed(api: Api) -> None:
    for number in range(5):
        api.clock.pass_by(SECOND)
        team_of(
            api, team_id=f"t{number}", team_alias=f"Alias {number}", members_with_roles=[{"user_id": f"u{number % 2}"}]
        )
    key_of(api, team_id="t3")

    everything = ok(api.get("/team/list"))
    assert [each["team_alias"] for each in everything] == [f"Alias {number}" for number in range(5)]
    assert [len(each["keys"]) for each in everything] == [0, 0, 0, 1, 0]
    assert {each["team_id"] for each in ok(api.get("/team/list?user_id=u1"))} == {"t1", "t3"}
    page = ok(api.get("/v2/team/list?page=2&page_size=2"))
    assert [each["team_id"] for each in page["teams"]] == ["t2", "t1"]
    assert (page["total"], page["page"], page["page_size"], page["total_pages"]) == (5, 2, 2, 3)
    assert ok(api.get("/v2/team/list?team_alias=ALIAS%203"))["teams"][0]["keys_count"] == 1
    assert ok(api.get("/v2/team/list?search=t4"))["total"] == 1
    assert ok(api.get("/v2/team/list?team_id=t4"))["total"] == 1
    assert ok(api.get("/v2/team/list?user_id=u0"))["total"] == 3
    assert told(api.get("/v2/team/list?page_size=101"))[:2] == (400, "page_size")
    assert ok(api.get("/v1/v2/team/list"))["total"] == 5


def test_a_key_sees_its_team_without_the_keys_of_others(api: Api) -> None:
    team_of(api, team_id="t", team_member_budget=1, members_with_roles=[{"user_id": "u"}, {"user_id": "v"}])
    team_of(api, team_id="foreign")
    mine = key_of(api, team_id="t", user_id="u")
    key_of(api, team_id="t", user_id="v")
    key_of(api, team_id="t")
    api.headers = as_key(mine["key"])

    for path in ("/team/info?team_id=t", "/team/info"):
        seen = ok(api.get(path))
        assert [each["token"] for each in seen["keys"]] == [mine["token"]]
        assert [each["user_id"] for each in seen["team_memberships"]] == ["u"]
    foreign, unknown = api.get("/team/info?team_id=foreign"), api.get("/team/info?team_id=unknown")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data.replace(b"foreign", b"X") == unknown.data.replace(b"unknown", b"X")
    assert [each["team_id"] for each in ok(api.get("/team/list"))] == ["t"]
    assert api.get("/user/list").status_code == 403


def test_every_act_is_on_record(api: Api, facts: Facts) -> None:
    team_of(api, team_id="t")
    body: dict[str, Any] = {"team_id": "t"}
    ok(api.post("/team/update", json=body | {"max_budget": 5}))
    ok(api.post("/team/member_add", json=body | {"member": {"user_id": "u"}}))
    ok(api.post("/team/member_update", json=body | {"user_id": "u", "role": "admin"}))
    made = key_of(api, team_id="t", user_id="u")
    ok(api.post("/team/member_delete", json=body | {"user_id": "u"}))
    ok(api.post("/team/block", json=body))
    ok(api.post("/team/unblock", json=body))
    ok(api.post("/team/delete", json={"team_ids": ["t"]}))

    logged = facts()
    acts = [each["act"] for each in logged if each["message"] == "admin_act"]
    names = ("new", "update", "member_add", "member_update", "", "", "member_delete", "block", "unblock", "delete")
    expected = [f"team/{name}" for name in names]
    expected[4:6] = ["key/generate", "key/delete"]
    assert acts == expected
    assert made["key"] not in json.dumps(logged)
