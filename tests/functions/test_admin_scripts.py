"""LiteLLM's documented admin flows, as their scripts send them: nothing but the address and the key is another one.

docs.litellm.ai: proxy/virtual_keys, proxy/users, proxy/team_budgets, proxy/cost_tracking, as of 1.106.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.account import Account
from shared.domain.clock import DAY, HOUR
from tests.functions.conftest import Api
from tests.functions.office import as_key, ok
from tests.functions.wire import KEY

BATCH = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
LINE = {
    "custom_id": "1",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "hello"}]},
}


class Script:
    """A script with a base URL and a key, like the ones of the documentation."""

    def __init__(self, api: Api, key: str) -> None:
        self.api, self.headers = api, {**as_key(key), "content-type": "application/json"}

    def get(self, path: str, **params: Any) -> Any:
        return ok(self.api.get(path, headers=self.headers, query_string=params))

    def post(self, path: str, body: Any = None) -> Any:
        return ok(self.api.post(path, headers=self.headers, data=json.dumps(body) if body is not None else None))

    def refused(self, path: str, body: Any = None) -> tuple[int, str]:
        answer = self.api.post(path, headers=self.headers, data=json.dumps(body or {}))
        return answer.status_code, answer.json["error"]["type"]

    def upload(self) -> str:
        before, self.api.headers = self.api.headers, {"authorization": self.headers["authorization"]}
        file = self.api.upload_file(json.dumps(LINE).encode() + b"\n")
        self.api.headers = before
        return file


@pytest.fixture
def admin(api: Api) -> Script:
    return Script(api, KEY)


def test_a_platform_team_hands_out_keys_and_takes_them_back(api: Api, admin: Script) -> None:
    """The life of a team, from its creation to its end, in one go."""
    team = admin.post("/team/new", {"team_alias": "my-new-team", "max_budget": 10, "budget_duration": "30d"})
    team_id = team["team_id"]
    user = admin.post("/user/new", {"user_email": "krrish@berri.ai", "user_role": "internal_user", "teams": [team_id]})
    made = admin.post(
        "/key/generate",
        {
            "models": ["gemini-2.5-flash"],
            "duration": "20m",
            "team_id": team_id,
            "user_id": user["user_id"],
            "key_alias": "prod-app1",
            "metadata": {"user": "ishaan@berri.ai"},
        },
    )
    assert made["key"].startswith("sk-")
    assert {"key", "key_name", "expires", "token", "token_id", "user_id", "created_at", "updated_at"} <= set(made)
    client = Script(api, made["key"])

    # The key is used: files, batches, models
    assert [each["id"] for each in client.get("/v1/models")["data"]] == ["gemini-2.5-flash"]
    file = client.upload()
    batch = client.post("/v1/batches", {"input_file_id": file, **BATCH})
    assert batch["status"] == "validating"
    assert client.get(f"/v1/batches/{batch['id']}")["input_file_id"] == file
    assert [each["id"] for each in client.get("/batches")["data"]] == [batch["id"]]

    # A team mate sees it, another team does not
    mate = Script(api, admin.post("/key/generate", {"team_id": team_id})["key"])
    stranger = Script(api, admin.post("/key/generate", {"team_id": admin.post("/team/new", {})["team_id"]})["key"])
    assert mate.get(f"/v1/batches/{batch['id']}")["id"] == batch["id"]
    assert stranger.api.get(f"/v1/batches/{batch['id']}", headers=stranger.headers).status_code == 404
    assert stranger.get("/v1/batches")["data"] == []

    # What is known of it
    info = admin.get("/key/info", key=made["key"])["info"]
    assert (info["key_alias"], info["spend"], info["team_id"], info["status"]) == ("prod-app1", 0, team_id, "active")
    shown = admin.get("/team/info", team_id=team_id)
    assert shown["team_info"]["max_budget"] == 10
    assert len(shown["keys"]) == 2
    assert admin.get("/user/info", user_id=user["user_id"])["teams"][0]["team_id"] == team_id
    assert made["token"] in admin.get("/key/list", team_id=team_id)["keys"]

    # It is changed, blocked, unblocked, made anew
    admin.post("/key/update", {"key": made["key"], "models": ["team/embeddings"], "duration": "1h"})
    assert [each["id"] for each in client.get("/v1/models")["data"]] == ["team/embeddings"]
    admin.post("/key/block", {"key": made["key"]})
    assert client.api.get("/v1/files", headers=client.headers).status_code == 401
    admin.post("/key/unblock", {"key": made["key"]})
    assert client.get(f"/v1/files/{file}")["id"] == file
    fresh = admin.post(f"/key/{made['key']}/regenerate", {"max_budget": 5})
    assert client.api.get("/v1/files", headers=client.headers).status_code == 401
    renewed = Script(api, fresh["key"])
    assert renewed.get(f"/v1/files/{file}")["id"] == file
    assert renewed.get("/key/info")["info"]["max_budget"] == 5

    # The end: keys of the team go with it, and what they made stays with its owner
    assert admin.post("/key/delete", {"keys": [fresh["key"]]}) == {"deleted_keys": [fresh["key"]]}
    assert admin.post("/team/delete", {"team_ids": [team_id]}) == {"deleted_teams": [team_id]}
    assert mate.api.get("/v1/files", headers=mate.headers).status_code == 401
    assert admin.get(f"/v1/batches/{batch['id']}")["id"] == batch["id"]
    own = Script(api, admin.post("/key/generate", {"user_id": user["user_id"]})["key"])
    assert own.get(f"/v1/files/{file}")["id"] == file
    assert admin.post("/user/delete", {"user_ids": [user["user_id"]]}) == 1
    assert own.api.get("/v1/files", headers=own.headers).status_code == 401


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_route_is_there_with_and_without_version(admin: Script, prefix: str) -> None:
    team = admin.post(f"{prefix}/team/new", {"team_id": "t"})
    key = admin.post(f"{prefix}/key/generate", {"team_id": "t"})
    user = admin.post(f"{prefix}/user/new", {})
    assert admin.get(f"{prefix}/key/info", key=key["key"])["info"]["team_id"] == team["team_id"]
    assert admin.get(f"{prefix}/team/info", team_id="t")["team_id"] == "t"
    assert admin.get(f"{prefix}/user/info", user_id=user["user_id"])["user_id"] == user["user_id"]
    assert admin.get(f"{prefix}/v2/team/list")["total"] == 1


def test_virtual_keys_quick_start(api: Api, admin: Script) -> None:
    """proxy/virtual_keys: `{"models": [...], "metadata": {"user": ...}}`, then the key as Bearer."""
    body = {"models": ["gpt-3.5-turbo", "gpt-4"], "metadata": {"user": "ishaan@berri.ai"}}
    made = admin.post("/key/generate", body)
    info = admin.get("/key/info", key=made["key"])["info"]
    assert {name: info[name] for name in ("models", "metadata", "spend")} == {**body, "spend": 0.0}
    status, kind = Script(api, made["key"]).refused("/key/generate", {})
    assert (status, kind) == (403, "auth_error")


def test_a_wrong_key_and_none(api: Api) -> None:
    assert api.get("/key/info", headers={"authorization": ""}).json["error"]["type"] == "auth_error"
    answer = api.get("/key/info", headers=as_key("sk-1234567890123456"))
    assert (answer.status_code, answer.json["error"]["type"]) == (401, "token_not_found_in_db")


def test_budgets_of_keys_users_teams_and_members(api: Api, admin: Script) -> None:
    """proxy/users: a budget of 0 spends nothing, and the refusal is `budget_exceeded` with 422."""
    admin.post("/team/new", {"team_id": "t", "team_alias": "QA Prod Bot", "max_budget": 0.0, "budget_duration": "1d"})
    admin.post("/user/new", {"user_id": "u", "max_budget": 0, "budget_duration": "10s", "auto_create_key": False})
    admin.post("/team/new", {"team_id": "s", "members_with_roles": [{"role": "user", "user_id": "v"}]})
    admin.post("/team/member_update", {"team_id": "s", "user_id": "v", "max_budget_in_team": 0})
    for body, name in (
        ({"max_budget": 0, "key_alias": "poor"}, "Key=poor"),
        ({"user_id": "u"}, "User=u"),
        ({"team_id": "t"}, "Team=QA Prod Bot"),
        ({"team_id": "s", "user_id": "v"}, "Member=v in s"),
    ):
        client = Script(api, admin.post("/key/generate", body)["key"])
        file = client.upload()
        answer = api.post("/v1/batches", json={"input_file_id": file, **BATCH}, headers=client.headers)
        assert (answer.status_code, answer.json["error"]["type"]) == (422, "budget_exceeded")
        assert f"Budget has been exceeded! {name} Current cost: $0.00" in answer.json["error"]["message"]


def test_a_budget_that_is_raised_or_begins_anew_lets_go_on(api: Api, admin: Script) -> None:
    made = admin.post("/key/generate", {"max_budget": 1, "budget_duration": "1d"})
    client = Script(api, made["key"])
    file = client.upload()
    id = made["key_id"]
    before = api.app.documents.get(Account, id)
    assert before is not None
    api.app.documents.transact(lambda tx: tx.put(replace(before, spent=10**9)))
    assert client.refused("/v1/batches", {"input_file_id": file, **BATCH}) == (422, "budget_exceeded")

    admin.post("/key/update", {"key": made["key"], "max_budget": 2})
    client.post("/v1/batches", {"input_file_id": file, **BATCH})
    admin.post("/key/update", {"key": made["key"], "max_budget": 1})
    assert client.refused("/v1/batches", {"input_file_id": file, **BATCH})[0] == 422
    admin.post(f"/key/{made['token']}/reset_spend", {"reset_to": 0.5})
    client.post("/v1/batches", {"input_file_id": file, **BATCH})
    api.clock.pass_by(DAY)
    assert client.get("/key/info")["info"]["spend"] == 0
    client.post("/v1/batches", {"input_file_id": file, **BATCH})


def test_limits_that_scripts_set_hold(api: Api, admin: Script) -> None:
    """`rpm_limit`, and the caps of batches in the metadata of key and team: the smaller one wins."""
    admin.post("/team/new", {"team_id": "t", "metadata": {"max_batches_per_hour": 1}})
    made = admin.post("/key/generate", {"team_id": "t", "metadata": {"max_batches_per_hour": 5}})
    client = Script(api, made["key"])
    file = client.upload()
    client.post("/v1/batches", {"input_file_id": file, **BATCH})
    assert client.refused("/v1/batches", {"input_file_id": file, **BATCH}) == (429, "batches_per_hour")
    admin.post("/team/update", {"team_id": "t", "metadata": {}})
    client.post("/v1/batches", {"input_file_id": file, **BATCH})

    api.clock.pass_by(HOUR)
    admin.post("/key/update", {"key": made["key"], "rpm_limit": 1})
    client.get("/v1/files")
    answer = api.get("/v1/files", headers=client.headers)
    assert (answer.status_code, answer.json["error"]["type"]) == (429, "requests_per_minute")
    assert int(answer.headers["retry-after"]) <= 60


def test_key_types_and_allowed_routes(api: Api, admin: Script) -> None:
    """proxy/virtual_keys: `key_type` and `allowed_routes` say what a key is for."""
    reader = Script(api, admin.post("/key/generate", {"key_type": "read_only"})["key"])
    assert reader.get("/v1/files")["data"] == []
    assert reader.refused("/v1/batches", {})[0] == 403
    client = Script(api, admin.post("/key/generate", {"key_type": "llm_api"})["key"])
    client.upload()
    assert api.get("/key/info", headers=client.headers).status_code == 403
    narrow = Script(api, admin.post("/key/generate", {"allowed_routes": ["/v1/models", "/key/info"]})["key"])
    narrow.get("/v1/models")
    narrow.get("/key/info")
    assert api.get("/v1/files", headers=narrow.headers).status_code == 403


def test_a_proxy_admins_own_key_does_what_the_master_key_does(api: Api, admin: Script) -> None:
    """proxy/access_control: a user of the role `proxy_admin` runs the same scripts."""
    boss = Script(api, admin.post("/user/new", {"user_role": "proxy_admin"})["key"])
    made = boss.post("/key/generate", {"key_alias": "by-boss"})
    assert boss.post("/key/delete", {"key_aliases": ["by-boss"]}) == {"deleted_keys": ["by-boss"]}
    assert made["created_by"] == boss.get("/user/info")["user_id"]


def test_walking_all_pages_finds_each_key_once(admin: Script) -> None:
    """As scripts do: until `total_pages`."""
    made = {admin.post("/key/generate", {"key_alias": f"k{number}"})["token"] for number in range(23)}
    found: list[str] = []
    page = pages = 1
    while page <= pages:
        answer = admin.get("/key/list", page=page, size=5)
        found += answer["keys"]
        pages, page = answer["total_pages"], page + 1
    assert pages == 5
    assert sorted(found) == sorted(made)
