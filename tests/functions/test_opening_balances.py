"""What was spent elsewhere, by who moves here: it uses up the budget, and is nothing that the ledger has to prove."""

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.ledger import check
from shared.admin.keys import account_of
from shared.domain.clock import DAY
from tests.functions.conftest import Answer, Api
from tests.functions.office import as_key, key_of, ok

LINE = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "hello"}]},
}


def starts(api: Api, key: str) -> Answer:
    """What the key is told when it creates a batch."""
    before, api.headers = api.headers, as_key(key)
    file = api.upload_file(json.dumps(LINE).encode() + b"\n")
    answer = api.post(
        "/v1/batches",
        json={"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
    )
    api.headers = before
    return answer


def spent(api: Api, id: str, nano: int) -> None:
    """As if so much had been spent here."""
    before = account_of(api.app, id)
    api.app.documents.transact(lambda tx: tx.put(replace(before, spent=before.spent + nano)))


def test_a_key_that_moves_here_goes_on_with_what_it_has_spent(api: Api) -> None:
    made = key_of(api, spend=3.5, max_budget=5)

    assert (made["spend"], made["total_spend"], made["max_budget"]) == (3.5, 0, 5)
    spent(api, made["key_id"], 250_000_000)
    info = ok(api.get(f"/key/info?key={made['token']}"))["info"]
    assert (info["spend"], info["total_spend"]) == (3.75, 0.25)


@pytest.mark.parametrize("who", ["key", "user", "team"])
def test_a_budget_that_is_used_up_lets_nothing_begin(api: Api, who: str) -> None:
    money = {"max_budget": 5, "spend": 5}
    match who:
        case "key":
            key = key_of(api, **money)["key"]
        case "user":
            key = ok(api.post("/user/new", json=money))["key"]
        case _:
            ok(api.post("/team/new", json={"team_id": "t", **money}))
            key = key_of(api, team_id="t")["key"]

    refused = starts(api, key)

    assert (refused.status_code, refused.json["error"]["type"]) == (422, "budget_exceeded")
    assert "Current cost: $5.00" in refused.json["error"]["message"]


def test_users_and_teams_show_what_they_came_with(api: Api) -> None:
    ok(api.post("/user/new", json={"user_id": "u", "spend": 1.5}))
    ok(api.post("/team/new", json={"team_id": "t", "spend": 2.5}))

    assert ok(api.get("/user/info?user_id=u"))["user_info"]["spend"] == 1.5
    assert ok(api.get("/team/info?team_id=t"))["team_info"]["spend"] == 2.5


@pytest.mark.parametrize("spend", [0, 0.25, 7.5])
def test_an_update_says_what_is_spent_also_more_than_it_is(api: Api, spend: float) -> None:
    made = key_of(api, max_budget=10)
    spent(api, made["key_id"], 10**9)

    row = ok(api.post("/key/update", json={"key": made["key"], "spend": spend}))

    assert (row["spend"], row["total_spend"]) == (spend, 1)
    assert account_of(api.app, made["key_id"]).spent == 10**9
    same = ok(api.post("/key/update", json={"key": made["key"], "spend": None}))
    assert same["spend"] == spend


def test_a_budget_that_begins_anew_forgets_it(api: Api) -> None:
    made = key_of(api, spend=5, max_budget=5, budget_duration="1d")
    assert starts(api, made["key"]).status_code == 422

    api.clock.pass_by(DAY)

    assert ok(api.get(f"/key/info?key={made['token']}"))["info"]["spend"] == 0
    assert starts(api, made["key"]).status_code == 200


def test_it_can_be_taken_back_where_a_budget_is_reset(api: Api) -> None:
    made = key_of(api, spend=5, max_budget=5)
    answer = ok(api.post(f"/key/{made['token']}/reset_spend", json={"reset_to": 1}))
    assert (answer["spend"], answer["previous_spend"]) == (1, 5)


def test_the_ledger_agrees_with_accounts_that_have_one(api: Api) -> None:
    key_of(api, spend=3, user_id="u")
    ok(api.post("/team/new", json={"team_id": "t", "spend": 4}))
    ok(api.post("/user/update", json={"user_id": "u", "spend": 5}))

    assert check(api.app, pause=lambda _: None).code == 0


@pytest.mark.parametrize("body", [{"max_budget": 1e-12}, {"spend": 1e-12}], ids=str)
def test_less_than_the_smallest_amount_is_the_smallest_amount(api: Api, body: dict[str, Any]) -> None:
    made = key_of(api, **body)
    assert [made[name] for name in body] == [1e-9]


def test_the_budget_of_a_member_in_litellms_own_example(api: Api) -> None:
    """proxy/team_budgets: so small that the first batch uses it up, and neither nothing nor no limit."""
    ok(api.post("/team/new", json={"team_id": "t"}))
    body = {"team_id": "t", "max_budget_in_team": 0.000000000001, "member": {"role": "user", "user_id": "ishaan"}}
    ok(api.post("/team/member_add", json=body))

    found = ok(api.get("/team/info?team_id=t"))["team_memberships"]
    assert [each["litellm_budget_table"]["max_budget"] for each in found] == [1e-9]
