"""Where a key's sight of spend ends: at its user, at when that user or team began, and at teams that it leads."""

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.clock import DAY, HOUR
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok
from tests.functions.spending import ANN, LEA, SPAN, VIEWER, charge, spenders

DAYS = "start_date=2027-01-01&end_date=2027-03-31"


def hire(api: Api, user: str, team: str) -> Any:
    """A user who leads a team, and a key of both."""
    ok(api.post("/user/new", json={"user_id": user, "auto_create_key": False}))
    ok(api.post("/team/new", json={"team_id": team}))
    ok(api.post("/team/member_add", json={"team_id": team, "member": {"user_id": user, "role": "admin"}}))
    return key_of(api, user_id=user, team_id=team)


def fire(api: Api, user: str, team: str) -> None:
    ok(api.post("/user/delete", json={"user_ids": [user]}))
    ok(api.post("/team/delete", json={"team_ids": [team]}))


def seen(api: Api, key: str, span: str = DAYS, user: str = "sam", team: str = "t") -> dict[str, Any]:
    """What each report says that the key has spent; of rows their batches."""

    def get(path: str) -> Any:
        return ok(api.get(path, headers=as_key(key)))

    def total(path: str) -> str:
        return str(get(path)["metadata"]["total_spend_exact"])

    return {
        "rows": [each["metadata"]["batch_id"] for each in get(f"/spend/logs?{span}&summarize=false")],
        "page": [each["metadata"]["batch_id"] for each in get(f"/spend/logs/v2?{span}")["data"]],
        "days": sum((Decimal(each.get("spend_exact", 0)) for each in get(f"/spend/logs?{span}")), Decimal(0)),
        "user": total(f"/user/daily/activity?{span}"),
        "named": total(f"/user/daily/activity?{span}&user_id={user}"),
        "team": total(f"/team/daily/activity?{span}&team_ids={team}"),
        "tags": [(each["individual_request_tag"], each["total_spend_exact"]) for each in get(f"/spend/tags?{span}")],
        "tag": total(f"/tag/daily/activity?{span}"),
    }


def amounts(nano: int, *batches: str) -> dict[str, Any]:
    """The same, where there are these rows, all of the tag `t`."""
    exact = f"{Decimal(nano).scaleb(-9):.9f}"
    return {
        **{name: list(batches) for name in ("rows", "page")},
        "days": Decimal(exact),
        **dict.fromkeys(("user", "named", "team", "tag"), exact),
        "tags": [("t", exact)] if batches else [],
    }


def test_a_new_user_or_team_of_an_old_name_sees_nothing_of_what_was_spent(api: Api) -> None:
    """Neither on the day on which it began, nor what was begun before and counted since; from then on its own."""
    old = hire(api, "sam", "t")
    of: dict[str, Any] = {"user": "sam", "team": "t", "tags": ("t",)}
    charge(api, "batch_old", 7, key=old["key_id"], **of)
    assert seen(api, old["key"]) == amounts(7, "batch_old")
    began = api.clock()
    api.clock.pass_by(HOUR)
    fire(api, "sam", "t")
    key = hire(api, "sam", "t")
    assert seen(api, key["key"]) == amounts(0)

    api.clock.pass_by(HOUR)
    charge(api, "batch_old", 70, shard=2, key=old["key_id"], started_at=began, **of)
    charge(api, "batch_one", 1, key=key["key_id"], started_at=api.clock(), **of)
    assert seen(api, key["key"]) == amounts(1, "batch_one")
    api.clock.pass_by(3 * DAY)
    charge(api, "batch_old", 700, shard=3, key=old["key_id"], started_at=began, **of)
    charge(api, "batch_two", 2, key=key["key_id"], started_at=api.clock(), **of)
    assert seen(api, key["key"]) == amounts(3, "batch_two", "batch_one")
    api.clock.pass_by(30 * DAY)
    charge(api, "batch_three", 4, key=key["key_id"], started_at=api.clock(), **of)
    assert seen(api, key["key"]) == amounts(7, "batch_three", "batch_two", "batch_one")
    everything = ok(api.get(f"/user/daily/activity?{DAYS}&user_id=sam"))
    assert everything["metadata"]["total_spend_exact"] == "0.000000784"


def test_a_moved_key_sees_what_its_user_may_see(api: Api) -> None:
    """What it has made for another user is not its new user's, as with the batches; its own account goes on."""
    for user in ("mia", "max"):
        ok(api.post("/user/new", json={"user_id": user, "auto_create_key": False}))
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"role": "user", "user_id": "max"}]}))
    made = key_of(api, user_id="mia")
    charge(api, "batch_mias", 7, key=made["key_id"], user="mia", owner="user:mia", tags=("t",))
    ok(api.post("/key/update", json={"key": made["key"], "user_id": "max", "team_id": "t"}))
    api.clock.pass_by(HOUR)
    charge(api, "batch_maxs", 1, key=made["key_id"], user="max", team="t", owner="user:max", tags=("t",))

    assert seen(api, made["key"], user="max") == amounts(1, "batch_maxs")
    by_key = ok(api.get(f"/spend/logs/v2?{DAYS}&api_key={made['key']}", headers=as_key(made["key"])))
    assert [each["metadata"]["batch_id"] for each in by_key["data"]] == ["batch_maxs"]
    rows = ok(api.get(f"/spend/logs?api_key={made['key']}"))
    assert [each["metadata"]["batch_id"] for each in rows] == ["batch_maxs", "batch_mias"]


def test_a_key_without_a_user_sees_what_it_made_without_one(api: Api) -> None:
    made = key_of(api)
    charge(api, "batch_mias", 7, key=made["key_id"], user="mia", tags=("t",))
    charge(api, "batch_own", 1, key=made["key_id"], tags=("t",))
    due = amounts(1, "batch_own")
    found = ok(api.get(f"/spend/logs?{DAYS}&summarize=false", headers=as_key(made["key"])))
    assert [each["metadata"]["batch_id"] for each in found] == due["rows"]
    page = ok(api.get(f"/user/daily/activity?{DAYS}", headers=as_key(made["key"])))
    assert page["metadata"]["total_spend_exact"] == due["user"]


def test_a_key_that_may_read_the_reports_about_all_sees_all_in_these_alone(api: Api) -> None:
    made = key_of(api, user_id="sam", permissions={"get_spend_routes": True})
    charge(api, "batch_own", 1, key=made["key_id"], user="sam", tags=("t",))
    charge(api, "batch_else", 70, user="mia", tags=("t",))

    def get(path: str) -> Any:
        return ok(api.get(path, headers=as_key(made["key"])))

    assert get("/global/spend")["spend_exact"] == "0.000000071"
    assert get(f"/global/spend/tags?{SPAN}")["spend_per_tag"][0]["spend_exact"] == "0.000000071"
    for group in ("api_key", "model", "tag"):
        found = get(f"/global/spend/report?{SPAN}&group_by={group}")
        assert sum(Decimal(each["total_cost_exact"]) for each in found) == Decimal("0.000000071")
    assert [each["metadata"]["batch_id"] for each in get("/spend/logs")] == ["batch_own"]
    assert get("/spend/tags")[0]["total_spend_exact"] == "0.000000001"
    assert get(f"/user/daily/activity?{SPAN}")["metadata"]["total_spend_exact"] == "0.000000001"


@pytest.mark.parametrize(
    ("who", "teams", "nano"),
    [
        (LEA, "blue", 1_000_000_033),
        (LEA, "blue,red", 30),
        (LEA, "red,blue", 30),
        (ANN, "blue", 1_000_000_003),
        (VIEWER, "blue,red", 1_000_000_038),
    ],
)
def test_who_leads_one_of_two_teams_does_not_read_both(api: Api, who: str, teams: str, nano: int) -> None:
    """Of several teams at once only who leads all of them sees all: else it is one's own part."""
    people = spenders(api)
    ok(api.post("/team/member_add", json={"team_id": "red", "member": {"user_id": "lea", "role": "user"}}))
    page = ok(people.get(who, f"/team/daily/activity?{SPAN}&team_ids={teams}"))
    assert page["metadata"]["total_spend_exact"] == f"{Decimal(nano).scaleb(-9):.9f}"
