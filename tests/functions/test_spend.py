"""Spend as admin scripts and members of teams ask for it."""

import csv
import io
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.config import PriceOverride
from shared.domain.clock import DAY
from shared.domain.keys import Key
from shared.pricing.book import Book
from tests.functions.conftest import Answer, Api
from tests.functions.spending import (
    ANN,
    ANNS,
    BARE,
    BOB,
    LEA,
    MASTERS,
    SPAN,
    TODAY,
    VIEWER,
    YESTERDAY,
    People,
    spenders,
)
from tests.functions.wire import envelope


@pytest.fixture
def people(api: Api) -> People:
    return spenders(api)


def test_spend_by_day(people: People) -> None:
    """LiteLLM's shape: each key's part beside the day's, and those of users and models inside."""
    found = people.get(VIEWER, f"/spend/logs?{SPAN}").json

    assert [each["startTime"] for each in found] == [YESTERDAY, TODAY]
    assert found[0]["spend"] == 1.000000006
    assert found[0]["spend_exact"] == "1.000000006"
    assert found[0][people.hashes["ann"]] == 1.000000001
    assert found[0]["users"] == {"ann": 1.000000001, "bob": 5e-09}
    assert found[0]["models"] == {"gemini-2.5-flash": 1.000000006}
    assert found[1]["users"] == {"ann": 2e-09, "lea": 3e-08, "": 4e-07}
    assert found[1]["models"] == {"gemini-2.5-flash": 4.02e-07, "gemini-2.5-pro": 3e-08}
    assert found[1][MASTERS] == 0.0


def test_days_behind_the_last_spend_are_empty(people: People) -> None:
    found = people.get(VIEWER, "/spend/logs?start_date=2027-01-01&end_date=2027-01-31&user_id=bob").json
    assert [each["startTime"] for each in found] == [YESTERDAY, TODAY]
    assert found[1] == {"startTime": TODAY, "spend": 0.0, "users": {}, "models": {}}


def test_a_batch_is_one_row(people: People) -> None:
    found = people.get(VIEWER, f"/spend/logs?{SPAN}&summarize=false").json
    row = next(each for each in found if each["request_id"] == "batch_a_batch_cost")

    assert len(found) == 5
    assert row["call_type"] == "aretrieve_batch"
    assert row["api_key"] == people.hashes["ann"]
    assert (row["spend"], row["spend_exact"]) == (1.000000003, "1.000000003")
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (200, 50, 250)
    assert (row["startTime"], row["endTime"]) == ("2027-01-14T07:00:00.000Z", "2027-01-15T08:00:00.000Z")
    assert (row["model"], row["model_group"]) == ("gemini-2.5-flash", "gemini-2.5-flash")
    assert (row["custom_llm_provider"], row["user"], row["team_id"]) == ("vertex_ai", "ann", "blue")
    assert (row["end_user"], row["request_tags"], row["status"]) == ("", ["night"], "success")
    assert (row["api_base"], row["requester_ip_address"]) == ("", None)
    assert (row["cache_hit"], row["cache_key"]) == ("False", "Cache OFF")
    assert row["metadata"]["user_api_key_alias"] == "ann's"
    assert row["metadata"]["user_api_key_team_alias"] == "Team blue"
    shown = people.api.get("/model/info").json["data"]
    assert row["model_id"] == shown[0]["model_info"]["id"]
    assert people.api.app.config.deployments[0].id not in json.dumps(found)


def test_without_dates_there_are_rows_of_all_time(people: People) -> None:
    assert len(people.get(VIEWER, "/spend/logs").json) == 5
    one = people.get(VIEWER, "/spend/logs?request_id=batch_a_batch_cost").json
    assert [each["spend_exact"] for each in one] == ["1.000000003"]
    assert people.get(VIEWER, "/spend/logs?request_id=batch_x_batch_cost").json == []


def test_a_key_may_be_named_in_any_way(people: People) -> None:
    for name in (ANN, people.hashes["ann"], ANNS):
        rows = people.get(VIEWER, f"/spend/logs?api_key={name}").json
        assert [each["user"] for each in rows] == ["ann"]
    for name in (MASTERS, people.api.app.master_key):
        assert [each["api_key"] for each in people.get(VIEWER, f"/spend/logs?api_key={name}").json] == [MASTERS]


@pytest.mark.parametrize("name", ["a/b", "..", "__x__", "", "key-", "key-" + "a" * 2_000, "é" * 2_000, "sk-/", "sk-ü"])
@pytest.mark.parametrize("who", [VIEWER, LEA])
def test_what_cannot_be_a_key_has_spent_nothing(people: People, who: str, name: str) -> None:
    for path in ("/spend/logs?", f"/spend/logs/v2?{SPAN}&", f"/user/daily/activity?{SPAN}&"):
        answer = people.get(who, f"{path}api_key={name}")
        assert answer.status_code == 200
        assert (answer.json or {}).get("data", answer.json.get("results")) == [] if answer.json else answer.json == []


FOREIGN = ("api_key=" + BOB, "user_id=bob", "api_key=key-" + "b" * 24, "request_id=batch_b_batch_cost")
UNKNOWN = ("api_key=sk-test-nobody-at-all", "user_id=eve", "api_key=key-" + "z" * 24, "request_id=batch_z_batch_cost")


@pytest.mark.parametrize(("foreign", "unknown"), [*zip(FOREIGN, UNKNOWN, strict=True)])
@pytest.mark.parametrize("who", [ANN, LEA, BARE])
def test_what_is_somebody_elses_is_unknown(people: People, who: str, foreign: str, unknown: str) -> None:
    for path in (f"/spend/logs?{SPAN}&", "/spend/logs?", f"/spend/logs/v2?{SPAN}&", f"/spend/logs?{SPAN}&format=csv&"):
        one, other = people.get(who, path + foreign), people.get(who, path + unknown)
        assert (one.status_code, one.data) == (other.status_code, other.data)
        assert b"bob" not in one.data
    for path in ("/user/daily/activity", "/tag/daily/activity", "/team/daily/activity"):
        one, other = (people.get(who, f"{path}?{SPAN}&{each}") for each in (foreign, unknown))
        assert one.status_code == other.status_code
        assert b"5e-09" not in one.data


def test_who_sees_what(people: People) -> None:
    """Rows of all time, and sums by day, for each of them: what its key, and its user, has spent."""
    seen = {ANN: {"batch_a"}, LEA: {"batch_l"}, BOB: {"batch_b"}, BARE: {"batch_n"}}
    everything = {"batch_a", "batch_b", "batch_l", "batch_n", "batch_m"}
    for who, due in {**seen, VIEWER: everything}.items():
        found = people.get(who, "/spend/logs").json
        assert {each["metadata"]["batch_id"] for each in found} == due
        total = sum(Decimal(each["spend_exact"] or 0) for each in found)
        days = people.get(who, f"/spend/logs?{SPAN}").json
        assert sum(Decimal(each.get("spend_exact", 0)) for each in days) == total
        page = people.get(who, f"/user/daily/activity?{SPAN}").json
        assert Decimal(page["metadata"]["total_spend_exact"]) == total


@pytest.mark.parametrize("path", ["report", "keys", "models", "teams", "tags", "logs", ""])
def test_global_reports_are_for_admins_and_viewers(people: People, path: str) -> None:
    route = f"/global/spend/{path}?{SPAN}".replace("/?", "?")
    assert people.get(ANN, route).status_code == 403
    assert people.get(VIEWER, route).status_code == 200
    assert people.api.get(route).status_code == 200
    assert people.api.get(route, headers={"authorization": ""}).status_code == 401


def test_a_team_is_seen_by_who_leads_it(people: People) -> None:
    """Its members see their own part of it, and of a team that is not theirs that they have none."""

    def spent(who: str, team: str) -> str:
        return str(
            people.get(who, f"/team/daily/activity?{SPAN}&team_ids={team}").json["metadata"]["total_spend_exact"]
        )

    assert spent(LEA, "blue") == "1.000000033"
    assert spent(ANN, "blue") == "1.000000003"
    assert spent(VIEWER, "blue") == "1.000000033"
    assert people.get(VIEWER, f"/team/daily/activity?{SPAN}&team_ids=nothing").json["results"] == []
    for who in (ANN, LEA):
        answers = [people.get(who, f"/team/daily/activity?{SPAN}&team_ids={team}") for team in ("red", "pink")]
        assert [answer.status_code for answer in answers] == [404, 404]
        told = [envelope(answer.data)["message"] for answer in answers]
        assert told[0].replace("red", "pink") == told[1]
    assert len(people.get(LEA, f"/spend/logs/v2?{SPAN}&team_id=blue").json["data"]) == 2
    assert len(people.get(ANN, f"/spend/logs/v2?{SPAN}&team_id=blue").json["data"]) == 1
    assert people.get(ANN, f"/spend/logs/v2?{SPAN}&team_id=red").json["data"] == []
    assert spent(VIEWER, "blue,red") == "1.000000038"
    without = people.get(VIEWER, f"/team/daily/activity?{SPAN}&exclude_team_ids=blue,red").json
    assert without["metadata"]["total_spend_exact"] == "0.000000400"


def test_another_user_is_refused_whether_there_is_one_or_not(people: People) -> None:
    answers = [people.get(ANN, f"/user/daily/activity?{SPAN}&user_id={user}") for user in ("bob", "nobody")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert envelope(answers[0].data) == envelope(answers[1].data)
    assert people.get(ANN, f"/user/daily/activity?{SPAN}&user_id=ann").status_code == 200


def test_daily_activity(people: People) -> None:
    page = people.get(VIEWER, f"/user/daily/activity?{SPAN}").json
    today, yesterday = page["results"]

    assert (today["date"], yesterday["date"]) == (TODAY, YESTERDAY)
    assert yesterday["metrics"] == {
        "spend": 1.000000006,
        "spend_exact": "1.000000006",
        "prompt_tokens": 200,
        "completion_tokens": 50,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 0,
        "total_tokens": 250,
        "successful_requests": 4,
        "failed_requests": 2,
        "api_requests": 6,
        "unpriced_requests": 0,
    }
    breakdown = yesterday["breakdown"]
    assert set(breakdown) == {
        *("models", "model_groups", "providers", "api_keys", "entities"),
        *("mcp_servers", "endpoints"),
    }
    anns = breakdown["api_keys"][people.hashes["ann"]]
    assert anns["metrics"]["spend"] == 1.000000001
    assert anns["metadata"] == {"key_alias": "ann's", "team_id": "blue", "user_id": "ann", "key_exists": True}
    assert breakdown["entities"]["bob"]["metrics"]["spend_exact"] == "0.000000005"
    assert set(breakdown["models"]["gemini-2.5-flash"]["api_key_breakdown"]) == {
        people.hashes["ann"],
        people.hashes["bob"],
    }
    metadata = page["metadata"]
    assert (metadata["total_spend_exact"], metadata["total_api_requests"]) == ("1.000000438", 18)
    assert (metadata["page"], metadata["total_pages"], metadata["has_more"]) == (1, 1, False)


def test_pages_of_activity_come_to_the_same(people: People) -> None:
    pages = [
        people.get(VIEWER, f"/team/daily/activity?{SPAN}&page_size=2&page={number}").json for number in (1, 2, 3, 4)
    ]
    assert [page["metadata"]["has_more"] for page in pages] == [True, True, False, False]
    assert {page["metadata"]["total_pages"] for page in pages} == {3}
    assert sum(Decimal(page["metadata"]["total_spend_exact"] or 0) for page in pages) == Decimal("1.000000438")
    assert pages[3]["results"] == []


def test_activity_by_tag(people: People) -> None:
    page = people.get(VIEWER, f"/tag/daily/activity?{SPAN}").json
    assert set(page["results"][1]["breakdown"]["entities"]) == {"night", "=red"}
    assert page["metadata"]["total_spend_exact"] == "1.000000013"
    one = people.get(VIEWER, f"/tag/daily/activity?{SPAN}&tags=%3Dred").json
    assert one["metadata"]["total_spend_exact"] == "0.000000005"
    own = people.get(ANN, f"/tag/daily/activity?{SPAN}").json
    assert own["metadata"]["total_spend_exact"] == "1.000000003"


def test_tags(people: People) -> None:
    found = {each["individual_request_tag"]: each for each in people.get(VIEWER, "/spend/tags").json}
    assert found["night"]["total_spend_exact"] == "1.000000008"
    assert found["night"]["log_count"] == 3
    assert found["=red"]["total_spend"] == 5e-09
    assert [each["individual_request_tag"] for each in people.get(ANN, "/spend/tags").json] == ["night"]
    ranked = people.get(VIEWER, f"/global/spend/tags?{SPAN}&tags=night").json["spend_per_tag"]
    assert [(each["name"], each["log_count"]) for each in ranked] == [("night", 3)]


def test_reports_by_group(people: People) -> None:
    def report(group: str, more: str = "") -> Any:
        return people.get(VIEWER, f"/global/spend/report?{SPAN}&group_by={group}{more}").json

    first, second = report("team")
    assert (first["group_by_day"], second["group_by_day"]) == (f"{YESTERDAY}T00:00:00.000Z", f"{TODAY}T00:00:00.000Z")
    teams = {each["team_name"]: each for each in second["teams"]}
    assert set(teams) == {"Team blue", "Unassigned Team"}
    assert teams["Team blue"]["total_spend_exact"] == "0.000000032"
    part = next(each for each in teams["Team blue"]["metadata"] if each["model"] == "gemini-2.5-pro")
    assert part == {
        "model": "gemini-2.5-pro",
        "api_key": people.hashes["lea"],
        "spend": 3e-08,
        "spend_exact": "0.000000030",
        "unpriced_requests": 0,
        "total_tokens": 125,
    }
    assert report("customer")[0]["customers"][0]["customer"] == ""
    dearest = report("api_key")[0]
    assert (dearest["api_key"], dearest["total_cost_exact"]) == (people.hashes["ann"], "1.000000003")
    assert (dearest["total_input_tokens"], dearest["total_output_tokens"]) == (200, 50)
    assert [each["model"] for each in dearest["model_details"]] == ["gemini-2.5-flash"]
    assert report("team", f"&api_key={people.hashes['ann']}") == [dearest]
    assert [each["model"] for each in report("model")] == ["gemini-2.5-flash", "gemini-2.5-pro"]
    assert {each["tag"]: each["total_cost_exact"] for each in report("tag")} == {
        "night": "1.000000008",
        "=red": "0.000000005",
    }
    assert len(report("team", "&team_id=red")) == 1
    assert report("team", "&customer_id=x") == []


def test_reports_of_the_last_thirty_days(people: People) -> None:
    people.api.clock.pass_by(29 * DAY)
    assert people.get(VIEWER, "/global/spend").json["spend_exact"] == "1.000000438"
    people.api.clock.pass_by(DAY)
    keys = people.get(VIEWER, "/global/spend/keys?limit=2").json
    assert [(each["key_alias"], each["total_spend_exact"]) for each in keys] == [
        ("bare's", "0.000000400"),
        ("lea's", "0.000000030"),
    ]
    models = people.get(VIEWER, "/global/spend/models").json
    assert [each["model"] for each in models] == ["gemini-2.5-flash", "gemini-2.5-pro"]
    teams = people.get(VIEWER, "/global/spend/teams").json
    assert teams["daily_spend"] == [{"date": TODAY, "Team blue": 3.2e-08, "Unassigned": 4e-07}]
    assert teams["total_spend_per_team"][0]["team_id"] == "Unassigned"
    assert [each["date"] for each in people.get(VIEWER, "/global/spend/logs").json] == [TODAY]


def test_pages_of_rows_with_filters_and_orders(people: People) -> None:
    def page(more: str) -> Any:
        answer = people.get(VIEWER, f"/spend/logs/v2?{SPAN}{more}")
        assert answer.status_code == 200, answer.text
        return answer.json

    def ids(more: str) -> list[str]:
        return [each["metadata"]["batch_id"] for each in page(more)["data"]]

    first = page("&page_size=2&page=3")
    assert (first["total"], first["page"], first["page_size"], first["total_pages"]) == (5, 3, 2, 3)
    assert len(first["data"]) == 1
    assert ids("&sort_by=spend&sort_order=asc") == ["batch_m", "batch_b", "batch_l", "batch_n", "batch_a"]
    assert ids("&min_spend=0.0000004&max_spend=0.5") == ["batch_n"]
    assert ids("&model=gemini-2.5-pro") == ids("&model_group=pro") == ids("&key_alias=lea%27s") == ["batch_l"]
    assert ids("&user_id=bob") == ids("&team_id=red") == ids("&request_id=batch_b_batch_cost") == ["batch_b"]
    assert ids("&status_filter=failure") == ids("&end_user=x") == ids("&span_type=llm") == ids("&model_id=x") == []
    assert ids(f"&api_key={people.hashes['bob']}&key_alias=lea%27s") == []
    moment = "start_date=2027-01-15 07:59:59&end_date=2027-01-15 08:00:00"
    assert len(people.get(VIEWER, f"/spend/logs/v2?{moment}").json["data"]) == 4
    for name, value in (
        *(("sort_by", "x"), ("sort_order", "x"), ("page", "0"), ("page_size", "1001"), ("min_spend", "x")),
        *(("error_code", "404"), ("page", "x")),
    ):
        answer = people.get(VIEWER, f"/spend/logs/v2?{SPAN}&{name}={value}")
        assert (answer.status_code, envelope(answer.data)["param"]) == (400, name)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/spend/logs?start_date=2027-01-01", "end_date"),
        ("/spend/logs?end_date=2027-01-01", "start_date"),
        ("/spend/logs?start_date=01/02/2027&end_date=2027-01-03", "start_date"),
        ("/spend/logs?start_date=2027-01-05&end_date=2027-01-03", "start_date"),
        (f"/spend/logs?{SPAN}&summarize=perhaps", "summarize"),
        (f"/spend/logs?{SPAN}&format=xml", "format"),
        ("/spend/logs/v2", "start_date"),
        ("/user/daily/activity", "start_date"),
        ("/global/spend/report", "start_date"),
        (f"/global/spend/report?{SPAN}&group_by=x", "group_by"),
        ("/global/spend/keys?limit=0", "limit"),
        (f"/tag/daily/activity?{SPAN}&page=x", "page"),
        *((f"/spend/logs?{name}={'é' * 300}", name) for name in ("request_id", "key_alias", "user_id", "team_id")),
        *((f"/spend/logs?{name}={'é' * 2_000}", name) for name in ("tag", "model", "model_group", "model_id")),
        (f"/user/daily/activity?{SPAN}&user_id={'u' * 2_000}", "user_id"),
        (f"/team/daily/activity?{SPAN}&team_ids=red,{'t' * 2_000}", "team_ids"),
        (f"/team/daily/activity?{SPAN}&exclude_team_ids={'t' * 2_000}", "exclude_team_ids"),
        (f"/tag/daily/activity?{SPAN}&tags={'t' * 2_000}", "tags"),
        (f"/global/spend/tags?{SPAN}&tags={'t' * 2_000}", "tags"),
        (f"/global/spend/report?{SPAN}&internal_user_id={'u' * 2_000}", "internal_user_id"),
    ],
)
def test_a_wrong_parameter_is_named(people: People, path: str, param: str) -> None:
    answer = people.get(VIEWER, path)
    assert (answer.status_code, envelope(answer.data)["param"]) == (400, param)


def table(answer: Answer) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.data.count(b"\n") == answer.data.count(b"\r\n")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.mark.parametrize(
    ("path", "amount"),
    [
        ("/spend/logs?{}", "spend"),
        ("/spend/logs?{}&summarize=false", "spend"),
        ("/spend/logs/v2?{}", "spend"),
        ("/global/spend/report?{}", "spend"),
        ("/global/spend/report?{}&group_by=customer", "spend"),
        ("/global/spend/report?{}&group_by=api_key", "total_cost"),
        ("/global/spend/report?{}&group_by=model", "total_cost"),
        ("/user/daily/activity?{}", "spend"),
        ("/team/daily/activity?{}&page_size=1", "spend"),
    ],
)
def test_tables_come_to_the_same_amount(people: People, path: str, amount: str) -> None:
    """All of it, whatever the page; to the nano-dollar, and empty where it is not known."""
    lines = table(people.get(VIEWER, path.format(SPAN) + "&format=csv"))
    again = table(people.get(VIEWER, path.format(SPAN), headers={"accept": "text/csv"}))

    assert lines == again
    assert sum(Decimal(line[amount] or 0) for line in lines) == Decimal("1.000000438")
    assert all(line[amount] == "" or len(line[amount].partition(".")[2]) == 9 for line in lines)


def test_a_table_holds_no_formula(people: People) -> None:
    lines = table(people.get(VIEWER, f"/tag/daily/activity?{SPAN}&format=csv"))
    assert {line["tag"] for line in lines} == {"night", "'=red"}
    lines = table(people.get(VIEWER, f"/global/spend/report?{SPAN}&group_by=tag&format=csv"))
    assert [line["tag"] for line in lines] == ["night", "'=red"]


def test_json_is_what_everybody_else_gets(people: People) -> None:
    for accept in ("*/*", "application/json", "application/json, text/csv", "text/html"):
        assert people.get(VIEWER, f"/spend/logs?{SPAN}", headers={"accept": accept}).mimetype == "application/json"


def test_what_a_request_would_cost(api: Api) -> None:
    """gemini-2.5-flash in batch: 0.15 in, 1.25 out, 0.03 cached, per million."""
    before = api.post(
        "/spend/calculate", json={"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "x" * 4_000}]}
    ).json
    assert before["estimated"] is True
    assert 1_000 <= before["prompt_tokens"] <= 1_020
    assert before["cost_exact"] == f"{before['prompt_tokens'] * 150 / 10**9:.9f}"

    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 500}}
    after = api.post(
        "/spend/calculate", json={"completion_response": {"model": "gemini-2.5-flash", "usage": usage}}
    ).json
    assert (after["cost_exact"], after["estimated"]) == ("0.000215000", False)
    assert after["cost"] == 0.000215


def test_an_unknown_price_is_null_and_said_to_be(api: Api) -> None:
    found = api.post("/spend/calculate", json={"model": "nobody-knows-it", "messages": []}).json
    assert found["cost"] is None
    assert "not known" in found["message"]


def test_prices_of_groups_are_for_who_may_use_them(people: People) -> None:
    """A model of ours whose price only the configuration knows costs a stranger what an unknown one does."""
    overrides = (PriceOverride(model="secret-model", usd_per_million={"input": Decimal(1), "output": Decimal(2)}),)
    object.__setattr__(people.api.app, "book", Book.load(overrides))
    add_group(people.api, "secret-group", "secret-model")
    usage = {"prompt_tokens": 10, "completion_tokens": 1}
    body = {"completion_response": {"model": "secret-group", "usage": usage}}

    assert people.api.post("/spend/calculate", json=body).json["cost_exact"] == "0.000012000"
    key = people.api.app.documents.get(Key, people.hashes["ann"])
    assert key is not None
    people.api.app.documents.transact(lambda tx: tx.put(replace(key, models=("gemini-2.5-flash",))))
    ann = {"authorization": f"Bearer {ANN}"}
    for name in ("secret-group", "secret-model", "never-there"):
        body["completion_response"]["model"] = name
        assert people.api.post("/spend/calculate", json=body, headers=ann).json["cost"] is None


def add_group(api: Api, group: str, model: str) -> None:
    config = api.app.config
    deployment = config.deployments[0].model_copy(
        update={"id": "0" * 16, "group": group, "model": model, "price_name": model}
    )
    object.__setattr__(api.app, "config", config.model_copy(update={"deployments": (*config.deployments, deployment)}))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": 5, "messages": []}, "model"),
        ({"model": "m"}, "messages"),
        ({"completion_response": {}}, "completion_response.model"),
        ({"completion_response": {"model": "m"}}, "completion_response.usage"),
        ({"completion_response": {"model": "m", "usage": {"prompt_tokens": -1}}}, "completion_response.usage"),
    ],
)
def test_what_cannot_be_priced_is_told(api: Api, body: dict[str, Any], param: str) -> None:
    answer = api.post("/spend/calculate", json=body)
    assert (answer.status_code, envelope(answer.data)["param"]) == (400, param)
