"""What the admin of a team may do in it, and that it is nothing beside it."""

import itertools
import re
from typing import Any

import pytest

from tests.functions.conftest import Answer, Api
from tests.functions.office import as_key, key_of, ok, told, uses


@pytest.fixture
def lead(api: Api) -> dict[str, str]:
    """The headers of an admin of the team `t`, in which there is `mate`; `other` is another team."""
    members = [{"role": "admin", "user_id": "lead"}, {"role": "user", "user_id": "mate"}]
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": members}))
    ok(api.post("/team/new", json={"team_id": "other", "members_with_roles": [{"user_id": "lead"}]}))
    ok(api.post("/user/new", json={"user_id": "boss", "user_role": "proxy_admin"}))
    return as_key(key_of(api, user_id="lead", team_id="t")["key"])


def test_keys_of_the_team_are_made_changed_and_deleted(api: Api, lead: dict[str, str]) -> None:
    made = ok(api.post("/key/generate", json={"team_id": "t", "key_alias": "ci", "max_budget": 1}, headers=lead))
    assert (made["user_id"], made["created_by"]) == ("lead", "lead")
    assert uses(api, made["key"]) == 200
    assert ok(api.post("/key/update", json={"key_alias": "ci", "max_budget": 2}, headers=lead))["max_budget"] == 2
    assert ok(api.post("/key/block", json={"key": made["key"]}, headers=lead))["blocked"] is True
    assert ok(api.post("/key/unblock", json={"key": made["token"]}, headers=lead))["blocked"] is False
    fresh = ok(api.post(f"/key/{made['token']}/regenerate", headers=lead))
    assert ok(api.get("/key/list?team_id=t", headers=lead))["total_count"] == 2
    assert len(ok(api.get("/team/info?team_id=t", headers=lead))["keys"]) == 2
    assert ok(api.post("/key/delete", json={"keys": [fresh["token"]]}, headers=lead))["deleted_keys"]
    assert uses(api, fresh["key"]) == 401


def test_a_teams_admin_gets_round_none_of_his_own_limits(api: Api, lead: dict[str, str]) -> None:
    """A key of nobody's would know no limit of his, and outlive his time in the team."""
    nobodys = key_of(api, team_id="t")
    assert told(api.post("/key/service-account/generate", json={"team_id": "t"}, headers=lead))[0] == 403
    assert told(api.post(f"/key/{nobodys['token']}/regenerate", headers=lead))[0] == 403
    for more in ({"max_budget_in_team": 1_000_000}, {"max_budget_in_team": None}, {"budget_duration": "1s"}):
        own = {"team_id": "t", "user_id": "lead", **more}
        assert told(api.post("/team/member_update", json=own, headers=lead))[0] == 403
    minted = ok(api.post("/key/generate", json={"team_id": "t"}, headers=lead))
    ok(api.post("/team/member_delete", json={"team_id": "t", "user_id": "lead"}))
    assert uses(api, minted["key"]) == 401


def test_members_of_the_team_come_and_go(api: Api, lead: dict[str, str]) -> None:
    ok(api.post("/user/new", json={"user_id": "new", "user_email": "new@x.com"}))
    added = ok(api.post("/team/member_add", json={"team_id": "t", "member": {"user_id": "new"}}, headers=lead))
    assert added["members"][-1] == "new"
    body: dict[str, Any] = {"team_id": "t", "user_id": "new"}
    assert ok(api.post("/team/member_update", json=body | {"max_budget_in_team": 1}, headers=lead))["user_id"] == "new"
    assert ok(api.post("/team/member_delete", json=body, headers=lead))["members"] == ["lead", "mate"]


def test_whoever_adds_a_user_learns_nothing_of_him(api: Api, lead: dict[str, str]) -> None:
    """Not even whether there is one of that name; and none is made."""
    known = {"user_email": "secret@x.com", "user_alias": "Secret", "metadata": {"salary": 1}, "teams": ["other"]}
    ok(api.post("/user/new", json={"user_id": "known", "user_role": "proxy_admin", "models": ["m"], **known}))

    def answers(user: str) -> list[str]:
        member, body = {"user_id": user, "role": "admin"}, {"team_id": "t", "user_id": user}
        given = [
            api.post(
                "/team/member_add", json={"team_id": "t", "member": member, "max_budget_in_team": 1}, headers=lead
            ),
            api.post("/team/member_add", json={"team_id": "t", "member": member}, headers=lead),
            api.get("/team/info?team_id=t", headers=lead),
            api.post("/team/member_update", json={**body, "role": "user"}, headers=lead),
            api.post("/team/member_delete", json=body, headers=lead),
        ]
        assert [each.status_code for each in given] == [200, 400, 200, 200, 200]
        assert given[0].json["updated_users"] == [{"user_id": user, "role": "admin"}]
        budgets = re.compile(r'"(member-[0-9a-f]+|20[0-9T:.-]+Z)"')
        return [budgets.sub("", each.text.replace(user, "USER")) for each in given]

    assert answers("known") == answers("nobody")
    assert api.get("/user/info?user_id=nobody").status_code == 404
    assert ok(api.get("/user/info?user_id=known"))["user_info"]["teams"] == ["other"]


def test_a_member_who_was_nobody_is_in_the_team_when_he_is_somebody(api: Api, lead: dict[str, str]) -> None:
    ok(api.post("/team/member_add", json={"team_id": "t", "member": {"user_id": "late"}}, headers=lead))
    ok(api.post("/user/new", json={"user_id": "late", "teams": ["t"]}))
    assert ok(api.get("/team/info?team_id=t"))["team_info"]["members"].count("late") == 1
    assert ok(api.post("/user/delete", json={"user_ids": ["late"]})) == 1
    assert "late" not in ok(api.get("/team/info?team_id=t"))["team_info"]["members"]


def test_an_address_is_for_admins_to_name(api: Api, lead: dict[str, str]) -> None:
    """Else whoever guesses one is told whose it is."""
    ok(api.post("/user/new", json={"user_id": "known", "user_email": "known@x.com", "teams": ["t"]}))
    refusals = set()
    for email in ("known@x.com", "nobody@x.com"):
        for path, body in (
            ("member_add", {"member": {"user_email": email}}),
            ("member_add", {"member": [{"user_id": "new"}, {"user_id": "known", "user_email": email}]}),
            ("member_update", {"user_email": email, "role": "user"}),
            ("member_update", {"user_id": "known", "user_email": email, "role": "user"}),
            ("member_delete", {"user_email": email}),
        ):
            refusals.add(told(api.post(f"/team/{path}", json={"team_id": "t", **body}, headers=lead)))
    assert {each[0] for each in refusals} == {403}
    assert len(refusals) == 1


def test_nobody_is_handed_a_key_that_acts_as_somebody_else(api: Api, lead: dict[str, str]) -> None:
    """Not even of a member: the key would see what the member has elsewhere, and a member may be an admin of all."""
    theirs = key_of(api, team_id="t", user_id="mate")
    for user in ("mate", "boss", "nobody"):
        assert told(api.post("/key/generate", json={"team_id": "t", "user_id": user}, headers=lead))[0] == 403
    assert told(api.post(f"/key/{theirs['token']}/regenerate", headers=lead))[0] == 403
    body = {"key": theirs["token"], "new_key": "sk-known-to-the-lead"}
    assert told(api.post("/key/regenerate", json=body, headers=lead))[0] == 403
    own = ok(api.post("/key/generate", json={"team_id": "t"}, headers=lead))
    for change in ({"user_id": "boss"}, {"team_id": "other"}, {"key_type": "management"}, {"allowed_routes": ["*"]}):
        assert told(api.post("/key/update", json={"key": own["token"], **change}, headers=lead))[0] == 403
        assert told(api.post(f"/key/{own['token']}/regenerate", json=change, headers=lead))[0] == 403
    assert uses(api, theirs["key"]) == 200
    assert uses(api, own["key"]) == 200


def test_other_teams_keys_and_what_does_not_exist_are_the_same(api: Api, lead: dict[str, str]) -> None:
    """In status and words: a team's admin learns nothing of what is outside."""
    foreign = key_of(api, team_id="other", key_alias="foreign")
    loose = key_of(api)

    def refused(path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        answer: Answer = api.post(path, json=body, headers=lead)
        return answer.status_code, answer.data

    for path, named in itertools.product(
        ("/key/update", "/key/block", "/key/unblock", "/key/regenerate"),
        (foreign["key"], foreign["token"], loose["token"], "f" * 64, "", None, 5),
    ):
        assert refused(path, {"key": named}) == refused(path, {"key": "e" * 64})
        assert refused(path, {"key": named})[0] == 403
    for aliases in (["foreign"], ["nothing"], [], None, [5]):
        assert refused("/key/delete", {"key_aliases": aliases})[0] == 403
    mine = ok(api.post("/key/generate", json={"team_id": "t"}, headers=lead))
    assert refused("/key/delete", {"keys": [mine["token"], foreign["token"]]})[0] == 403
    for team in ("other", "unknown", "", None, 5, ["t"]):
        assert refused("/key/generate", {"team_id": team})[0] == 403
        assert refused("/team/member_add", {"team_id": team, "member": {"user_id": "lead"}})[0] == 403
        assert refused("/team/member_update", {"team_id": team, "user_id": "lead", "role": "admin"})[0] == 403
        assert refused("/team/member_delete", {"team_id": team, "user_id": "mate"})[0] == 403
    for path in ("/key/list?team_id=unknown", "/key/list?user_id=mate", "/key/list?user_id=unknown"):
        assert api.get(path, headers=lead).status_code == 403
    assert ok(api.get("/key/list?team_id=other", headers=lead))["total_count"] == 0
    assert [uses(api, each["key"]) for each in (foreign, loose, mine)] == [200, 200, 200]


def test_a_team_itself_is_for_admins_of_all(api: Api, lead: dict[str, str]) -> None:
    for path in ("/team/update", "/team/block", "/team/unblock"):
        assert api.post(path, json={"team_id": "t", "max_budget": None}, headers=lead).status_code == 403
    assert api.post("/team/delete", json={"team_ids": ["t"]}, headers=lead).status_code == 403
    made = key_of(api, team_id="t")
    assert api.post(f"/key/{made['token']}/reset_spend", json={"reset_to": 0}, headers=lead).status_code == 403


def test_members_who_are_no_admins_manage_nothing(api: Api, lead: dict[str, str]) -> None:
    mate = as_key(key_of(api, team_id="t", user_id="mate")["key"])
    nobodys = as_key(key_of(api, team_id="t")["key"])
    for headers in (mate, nobodys):
        assert api.post("/key/generate", json={"team_id": "t"}, headers=headers).status_code == 403
        assert ok(api.get("/key/list?team_id=t", headers=headers))["total_count"] == 1  # itself
    ok(api.post("/team/member_update", json={"team_id": "t", "user_id": "lead", "role": "user"}))
    assert api.post("/key/generate", json={"team_id": "t"}, headers=lead).status_code == 403  # at once
