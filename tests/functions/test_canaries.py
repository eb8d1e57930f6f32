"""A key that stands in a request stays there: it is in no log line, and in no refusal."""

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.admin.key_bodies import BODIES
from functions.auth import KEY_HEADERS
from shared.domain.secret_key import mint
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok

PATHS = sorted(each.partition(" ")[2] for each in BODIES)
READS = ("/key/info?key=", "/key/list?key_hash=", "/spend/logs?api_key=", "/spend/logs/v2?api_key=", "/key/info?junk=")


def requests(canary: str) -> list[tuple[str, str, Any]]:
    """Everything about keys that has one in its path, its query or its body, in the right place or in a wrong one."""
    bodies: list[Any] = [
        {"key": canary, "reset_to": 0},
        {"key": canary, "reset_to": 10**6},
        {"keys": [canary], "key_aliases": [canary]},
        {"key_alias": canary, "key_aliases": [canary]},
        {"new_key": canary},
        {"key": canary, "team_id": canary, "user_id": canary, "models": [canary], "duration": canary},
        {"key": canary, "max_budget": canary},
        {"key": {canary: 1}, "keys": {canary: canary}},
        {"key": [canary], "keys": canary},
        {"key": canary + "x" * 400},
        None,
    ]
    posts = [("POST", path.replace("{key}", canary), body) for path in PATHS for body in bodies]
    posts += [("POST", f"/key/regenerate?key={canary}", body) for body in ({"max_budget": -1}, {"key": [canary]}, None)]
    reads = [("GET", path + canary, None) for path in READS]
    wrong = [("GET", f"/key/{canary}/regenerate", None), ("POST", f"/key/{canary}/nothing", None)]
    return [*posts, *reads, *wrong, ("DELETE", f"/v1/key/{canary}", None)]


@pytest.fixture
def callers(api: Api) -> dict[str, dict[str, str]]:
    """The headers of those who are refused, each for another reason."""
    ok(api.post("/team/new", json={"team_id": "t", "members_with_roles": [{"role": "admin", "user_id": "lead"}]}))
    return {
        "nobody": {"authorization": ""},
        "a wrong key": as_key(mint()),
        "a bare key": as_key(key_of(api)["key"]),
        "a user": as_key(key_of(api, user_id="u")["key"]),
        "a lead": as_key(key_of(api, user_id="lead", team_id="t")["key"]),
        "a reader": as_key(key_of(api, user_id="lead", team_id="t", key_type="read_only")["key"]),
        "of other routes": as_key(key_of(api, user_id="lead", allowed_routes=["/v1/files"])["key"]),
        "too fast": as_key(key_of(api, user_id="lead", rpm_limit=0)["key"]),
    }


def test_a_key_in_a_request_is_in_no_log_line_and_no_refusal(
    api: Api, callers: dict[str, dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    ok(api.post("/team/new", json={"team_id": "other"}))
    canary = key_of(api, team_id="other", user_id="mate")["key"]
    capsys.readouterr()
    seen = set()

    for headers in callers.values():
        for method, path, body in requests(canary):
            answer = api.call(method, path, data=None if body is None else json.dumps(body), headers=headers)
            seen.add(answer.status_code)
            if answer.status_code != 200:
                assert canary not in answer.text, (path, body)
            out = "".join(capsys.readouterr())
            assert canary not in out, (path, body, out)

    assert seen >= {400, 401, 403, 404, 405, 429}
    assert ok(api.get("/v1/files", headers=as_key(canary)))["data"] == []


def test_nor_where_an_admin_is_refused(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    unknown, seen = mint(), set()

    for method, path, body in requests(unknown):
        answer = api.call(method, path, data=None if body is None else json.dumps(body))
        seen.add(answer.status_code)
        if answer.status_code != 200:
            assert unknown not in answer.text, (path, body)
        out = "".join(capsys.readouterr())
        assert unknown not in out, (path, body, out)

    assert seen >= {400, 404, 405}


@pytest.mark.parametrize("header", [*KEY_HEADERS, "x-of-the-configuration"])
def test_a_key_in_a_header_is_in_no_log_line_and_no_answer(
    api: Api, header: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it is right, wrong or blocked, and whether another one counts."""
    named = replace(api.app, config=api.app.config.model_copy(update={"key_header": "X-Of-The-Configuration"}))
    monkeypatch.setattr("functions.http.app", lambda: named)
    right, blocked, seen = key_of(api)["key"], key_of(api, blocked=True)["key"], set()
    capsys.readouterr()
    api.headers = {}

    for canary in (right, blocked, mint(), right[:-1]):
        said = f"Bearer {canary}" if header == "authorization" else canary
        for path in ("/v1/files", "/key/info", "/key/list", "/v1/nothing", "/v1/projects/p/locations/l/nothing"):
            for more in ({}, {"x-litellm-api-key": "sk-another-one-in-front"}):
                answer = api.get(path, headers={header: said, **more})
                seen.add(answer.status_code)
                assert canary not in answer.text + str(answer.headers) + "".join(capsys.readouterr())

    assert seen >= {200, 401, 404}
