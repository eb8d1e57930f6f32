"""Lists are narrowed by all that LiteLLM's are: a script that lists in order to delete gets what it named."""

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.account import Account
from shared.domain.keys import Key, Team, User, team_account, user_account
from shared.domain.keys import member_account as member_account_of
from tests.functions.conftest import Api
from tests.functions.office import count_calls, key_of, ok, told


def put(api: Api, *records: Any) -> None:
    def body(tx: Any) -> None:
        for record in records:
            tx.put(record)

    api.app.documents.transact(body)


@pytest.fixture(autouse=True)
def office(api: Api) -> None:
    of = {"project_id": "p", "access_group_id": "h", "agent_id": "a"}
    key_of(api, key_alias="mine", organization_id="o", **of)
    key_of(api, key_alias="other", organization_id="x", project_id="x")
    key_of(api, key_alias="plain")
    for team, body in {"mine": {"organization_id": "o"}, "other": {"organization_id": "x"}, "plain": {}}.items():
        ok(api.post("/team/new", json={"team_id": team, "members_with_roles": [{"user_id": f"of {team}"}], **body}))
    users: dict[str, dict[str, Any]] = {
        "mine": {"organizations": ["o", "q"], "sso_user_id": "s"},
        "other": {"organization_id": "x", "sso_user_id": "x"},
        "plain": {},
    }
    for user, body in users.items():
        ok(api.post("/user/new", json={"user_id": user, "auto_create_key": False, **body}))


@pytest.mark.parametrize("name", ["organization_id=o", "project_id=p", "access_group_id=h", "agent_id=a"])
def test_keys_are_those_that_were_named(api: Api, name: str) -> None:
    found = ok(api.get(f"/key/list?return_full_object=true&{name}"))
    assert ([each["key_alias"] for each in found["keys"]], found["total_count"]) == (["mine"], 1)
    assert ok(api.get(f"/key/list?{name}nothing"))["keys"] == []


def test_teams_are_those_that_were_named(api: Api) -> None:
    def ids(query: str) -> list[str]:
        found = ok(api.get(f"/v2/team/list?{query}"))
        assert found["total"] == len(found["teams"])
        return [each["team_id"] for each in found["teams"]]

    assert ids("organization_id=o") == ["mine"]
    assert ids("organization_id=nothing") == ids("status=deleted") == []
    assert ids("user_id=of mine&team_id=mine") == ["mine"]
    assert ids("user_id=of mine&team_id=other") == []
    assert ids("user_id=unknown&team_id=mine") == []
    assert told(api.get("/v2/team/list?status=active"))[:2] == (400, "status")
    assert [each["team_id"] for each in ok(api.get("/team/list?user_id=of mine&team_id=other"))] == []
    assert [each["team_id"] for each in ok(api.get("/team/list?organization_id=o"))] == ["mine"]


@pytest.mark.parametrize("name", ["organization_ids=z,q", "organization_ids=o", "sso_user_ids=s,z"])
def test_users_are_those_that_were_named(api: Api, name: str) -> None:
    found = ok(api.get(f"/user/list?{name}"))
    assert ([each["user_id"] for each in found["users"]], found["total"]) == (["mine"], 1)
    assert ok(api.get(f"/user/list?{name.partition('=')[0]}=nothing"))["total"] == 0


def test_lists_are_sorted_by_money(api: Api) -> None:
    tokens = {each["key_alias"]: each for each in ok(api.get("/key/list?return_full_object=true"))["keys"]}
    ids = {
        "key": {name: tokens[name]["key_id"] for name in ("mine", "other", "plain")},
        "user": {name: user_account(name) for name in ("mine", "other", "plain")},
        "team": {name: team_account(name) for name in ("mine", "other", "plain")},
    }
    money = {"mine": (5, 10, None), "other": (9, 0, 7), "plain": (0, 0, 3)}  # spent, of it before, budget
    for of_kind in ids.values():
        put(
            api,
            *(
                Account(id=id, spent=money[name][0] + money[name][1], before=money[name][1], max_budget=money[name][2])
                for name, id in of_kind.items()
            ),
        )

    def order(path: str, rows: str, name: str) -> list[str]:
        return [each[name] for each in ok(api.get(path))[rows] if each[name] in money]

    for path, rows, name in (
        ("/key/list?return_full_object=true", "keys", "key_alias"),
        ("/user/list?a=b", "users", "user_id"),
        ("/v2/team/list?a=b", "teams", "team_id"),
    ):
        assert order(f"{path}&sort_by=spend&sort_order=desc", rows, name) == ["other", "mine", "plain"]
        assert order(f"{path}&sort_by=spend&sort_order=asc", rows, name) == ["plain", "mine", "other"]
        assert order(f"{path}&sort_by=max_budget&sort_order=desc", rows, name) == ["other", "plain", "mine"]


def test_teams_and_users_are_sorted_upwards_unless_it_is_said(api: Api) -> None:
    users = [each["user_id"] for each in ok(api.get("/user/list?sort_by=user_id"))["users"]]
    assert users == sorted(users)
    teams = [each["team_id"] for each in ok(api.get("/v2/team/list?sort_by=team_id"))["teams"]]
    assert teams == ["mine", "other", "plain"]


def test_what_teams_cannot_be_sorted_by_is_passed_over(api: Api) -> None:
    plain = ok(api.get("/v2/team/list"))
    for query in ("sort_by=budget_reset_at", "sort_by=nothing&sort_order=up", "sort_by="):
        assert ok(api.get(f"/v2/team/list?{query}")) == plain
    assert told(api.get("/user/list?sort_by=nothing"))[:2] == (400, "sort_by")


def test_no_more_than_a_thousand_are_sorted_by_money(api: Api) -> None:
    template = Key(id="", key_id="", key_name="sk-...", team_id="big", created_at=1, created_by="", updated_at=1)
    put(api, *(replace(template, id=f"{number:064x}", key_id=f"key-{number}") for number in range(1_000)))
    assert ok(api.get("/key/list?team_id=big&sort_by=spend"))["total_count"] == 1_000
    status, param, message = told(api.get("/key/list?sort_by=spend"))
    assert (status, param) == (400, "sort_by")
    assert "1,000" in message


def test_what_a_member_has_spent_without_a_budget_is_shown(api: Api) -> None:
    put(api, Account(id=member_account_of("mine", "of mine"), spent=7 * 10**9, before=2 * 10**9))
    for found in (
        ok(api.get("/team/info?team_id=mine"))["team_memberships"],
        ok(api.get("/team/list?user_id=of mine"))[0]["team_memberships"],
    ):
        assert [(each["spend"], each["total_spend"], each["litellm_budget_table"]) for each in found] == [(5, 7, None)]


def test_addresses_of_a_thousand_members_are_read_in_a_few_goes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    team = api.app.documents.get(Team, team_account("mine"))
    assert team is not None
    member = team.members[0]
    put(api, replace(team, members=tuple(replace(member, user_id=f"u{number}") for number in range(1_000))))
    put(
        api,
        *(
            User(id=user_account(f"u{n}"), user_id=f"u{n}", user_email=f"{n}@x", created_at=1, updated_at=1)
            for n in range(1_000)
        ),
    )
    spy = count_calls(api.app.documents)
    seen = replace(api.app, documents=spy)
    monkeypatch.setattr("functions.http.app", lambda: seen)

    shown = ok(api.get("/team/info?team_id=mine"))
    assert [each["user_email"] for each in shown["team_info"]["members_with_roles"]] == [f"{n}@x" for n in range(1_000)]
    assert (len(shown["team_memberships"]), len(spy.calls)) == (100, 1 + 1 + 5 + 1 + 1)
