"""Who is in a team already comes into it no second time, and keeps nobody else out."""

import pytest

from tests.functions.conftest import Api
from tests.functions.office import ok


@pytest.fixture(autouse=True)
def team(api: Api) -> None:
    ok(api.post("/user/new", json={"user_id": "old", "user_email": "old@example.org", "auto_create_key": False}))
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"user_id": "old", "role": "admin"}]}))


@pytest.mark.parametrize(
    "member",
    [
        {"user_id": "old", "role": "user"},
        [{"user_id": "old", "role": "user"}],
        [{"user_email": "Old@example.org", "role": "user"}],
        [{"user_id": "old", "role": "user"}, {"user_email": "old@example.org", "role": "user"}],
    ],
    ids=str,
)
def test_a_repeated_member_is_refused_in_the_word_that_scripts_take_for_success(api: Api, member: object) -> None:
    answer = api.post("/team/member_add", json={"team_id": "t", "member": member, "max_budget_in_team": 5})

    error = answer.json["error"]
    assert (answer.status_code, error["type"]) == (400, "team_member_already_in_team")
    assert (error["code"], error["param"]) == ("400", "member")
    assert "already in team" in error["message"]
    info = ok(api.get("/team/info?team_id=t"))
    assert [(each["user_id"], each["role"]) for each in info["team_info"]["members_with_roles"]] == [("old", "admin")]
    assert info["team_memberships"][0]["litellm_budget_table"] is None


def test_of_a_list_those_come_in_who_are_not_in_yet(api: Api) -> None:
    members = [{"user_id": "old", "role": "user"}, {"user_id": "new", "role": "user"}]

    added = ok(api.post("/team/member_add", json={"team_id": "t", "member": members, "max_budget_in_team": 5}))

    roles = [(each["user_id"], each["role"]) for each in added["members_with_roles"]]
    assert roles == [("old", "admin"), ("new", "user")]
    assert [each["user_id"] for each in added["updated_users"]] == ["new"]
    assert [each["user_id"] for each in added["updated_team_memberships"]] == ["new"]
    memberships = {each["user_id"]: each for each in ok(api.get("/team/info?team_id=t"))["team_memberships"]}
    assert memberships["old"]["litellm_budget_table"] is None
    assert memberships["new"]["litellm_budget_table"]["max_budget"] == 5


def test_a_team_shows_whose_the_budget_of_each_member_is(api: Api) -> None:
    def seen() -> list[tuple[str, object]]:
        rows = ok(api.get("/team/info?team_id=t"))["team_memberships"]
        for each in rows:
            assert (each["litellm_budget_table"] or {}).get("budget_id") == each["budget_id"]
        return [(each["budget_source"], (each["litellm_budget_table"] or {}).get("max_budget")) for each in rows]

    assert seen() == [("none", None)]
    ok(api.post("/team/update", json={"team_id": "t", "team_member_budget": 7}))
    assert seen() == [("team_default", 7)]
    ok(api.post("/team/member_update", json={"team_id": "t", "user_id": "old", "max_budget_in_team": 3}))
    assert seen() == [("custom", 3)]


def test_the_duration_of_a_members_budget_stands_beside_its_id(api: Api) -> None:
    """There Terraform's provider looks for it (ncecere/litellm, `findMembershipBudget`)."""
    change = {"team_id": "t", "user_id": "old", "max_budget_in_team": 3, "budget_duration": "30d"}
    ok(api.post("/team/member_update", json=change))

    table = ok(api.get("/team/info?team_id=t"))["team_memberships"][0]["litellm_budget_table"]

    assert table["budget_id"]
    assert table["budget_duration"] == "30d"
    assert table["budget_reset_at"]
