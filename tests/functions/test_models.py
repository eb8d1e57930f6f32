from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Request

from shared.domain.access import Caller
from tests.functions.conftest import Api
from tests.functions.office import as_key, key_of, ok
from tests.functions.wire import envelope

RICH = """
model_list:
  - model_name: chat
    litellm_params: {model: vertex_ai/gemini-2.5-flash, vertex_project: canary-p, vertex_location: us-central1}
    model_info: {max_input_tokens: 1000000, supports_vision: true, supports_tool_choice: true, tier: one}
  - model_name: chat
    litellm_params: {model: vertex_ai/gemini-2.5-pro, vertex_project: canary-p, vertex_location: global, weight: 3}
    model_info:
      id: canary-id
      mode: chat
      max_input_tokens: 200000
      max_output_tokens: 65536
      supports_vision: false
      supported_openai_params: [temperature, tools]
      api_key: canary-in-info
      aws_region_name: canary-region
      batch_limits: {lines: 10}
  - model_name: tuned
    litellm_params:
      model: vertex_ai/projects/canary-p/locations/us-central1/models/123
      vertex_project: canary-p
      vertex_location: us-central1
  - model_name: mini
    litellm_params:
      model: openai/gpt-nobody-prices
      api_key: canary-key
      api_base: https://canary-host.example.com/v1
      organization: canary-org
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000002
  - model_name: openai/*
    litellm_params: {model: openai/*, api_key: canary-key}
offpeak:
  limits: {lines_per_batch: 1000, file_bytes: 5000}
"""
FLASH = {
    "id": "gemini-2.5-flash",
    "object": "model",
    "created": 1_677_610_602,
    "owned_by": "google",
    "mode": "batch",
}
SLASHED = {**FLASH, "id": "team/embeddings"}


def test_models_are_the_groups_of_the_configuration(api: Api) -> None:
    assert api.get("/v1/models?return_wildcard_routes=false").json == {"object": "list", "data": [FLASH, SLASHED]}


@pytest.mark.parametrize("times", [0, 1, 2])
@pytest.mark.parametrize("model", [FLASH, SLASHED])
def test_a_model_is_found_however_its_name_is_encoded(api: Api, model: dict[str, str], times: int) -> None:
    name = str(model["id"])
    for _ in range(times):
        name = quote(name, safe="")
    assert api.get(f"/v1/models/{name}").json == model


def test_an_unknown_model_is_a_404(api: Api) -> None:
    for method in ("GET", "DELETE"):
        answer = api.call(method, "/v1/models/gpt-4o")
        assert answer.status_code == 404
        assert envelope(answer.data) == {
            "message": "The model 'gpt-4o' does not exist or you do not have access to it.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }


def test_a_model_of_the_configuration_is_not_deleted(api: Api) -> None:
    answer = api.delete("/v1/models/gemini-2.5-flash")

    assert (answer.status_code, answer.json) == (200, {"id": FLASH["id"], "object": "model", "deleted": False})
    assert api.get("/v1/models/gemini-2.5-flash").status_code == 200


@pytest.fixture
def rich(request: pytest.FixtureRequest, environment: dict[str, str]) -> Api:
    Path(environment["OFFPEAK_CONFIG"]).write_text(RICH, encoding="utf-8")
    api: Api = request.getfixturevalue("api")
    return api


def described(api: Api, path: str = "/model_group/info") -> dict[str, Any]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return {each["model_group"]: each for each in answer.json["data"]}


@pytest.mark.parametrize("query", ["", "?return_wildcard_routes=true&include_metadata=true&healthy_only=1"])
def test_models_tell_what_the_configuration_tells_of_them(rich: Api, query: str) -> None:
    listed = {each["id"]: each for each in rich.get(f"/v1/models{query}").json["data"]}

    assert list(listed) == ["chat", "tuned", "mini", "openai/*"]
    chat = {**FLASH, "id": "chat", "mode": "chat", "max_input_tokens": 1_000_000, "max_output_tokens": 65_536}
    assert listed["chat"] == rich.get(f"/v1/models/chat{query}").json == chat
    assert listed["tuned"] == {**FLASH, "id": "tuned"}
    assert listed["mini"]["owned_by"] == "openai"


def test_a_model_that_a_pattern_stands_for_is_found(rich: Api) -> None:
    assert rich.get("/v1/models/gpt-4o").json["id"] == "gpt-4o"
    assert rich.get("/v1/models/openai/gpt-4o").json["id"] == "gpt-4o"
    assert rich.get("/v1/models/openai/*").json["id"] == "openai/*"
    assert list(described(rich, "/model_group/info?model_group=gpt-4o")) == ["gpt-4o"]


def test_a_group_is_described_by_all_its_deployments(rich: Api) -> None:
    """Prices are a batch's of today, and the highest where deployments differ; LiteLLM's keys are all there."""
    assert described(rich)["chat"] == {
        "model_group": "chat",
        "providers": ["vertex_ai"],
        "mode": "chat",
        "max_input_tokens": 1_000_000,
        "max_output_tokens": 65_536,
        "input_cost_per_token": 6.25e-07,
        "output_cost_per_token": 5e-06,
        "tpm": None,
        "rpm": None,
        "batch_limits": {"lines": 1_000, "bytes": 5_000},
        "supports_parallel_function_calling": True,
        "supports_vision": True,
        "supports_web_search": False,
        "supports_url_context": False,
        "supports_reasoning": True,
        "supports_function_calling": True,
        "supports_tool_choice": True,
        "supported_openai_params": ["temperature", "tools"],
    }


def test_what_nobody_knows_of_a_model_is_not_said_of_it(rich: Api) -> None:
    groups = described(rich)
    for name in ("tuned", "mini", "openai/*"):
        assert not any(value for ability, value in groups[name].items() if ability.startswith("supports_"))


def test_a_price_is_the_configurations_or_nobodys(rich: Api) -> None:
    groups = described(rich, "/v1/model_group/info")

    assert list(groups) == ["chat", "tuned", "mini", "openai/*"]
    assert groups["mini"]["mode"] == "batch"
    assert (groups["mini"]["input_cost_per_token"], groups["mini"]["output_cost_per_token"]) == (5e-07, 1e-06)
    assert groups["tuned"]["input_cost_per_token"] is None
    assert groups["openai/*"]["output_cost_per_token"] is None
    assert groups["tuned"]["max_input_tokens"] is None


def test_one_group_may_be_asked_for(rich: Api) -> None:
    assert list(described(rich, "/model_group/info?model_group=mini")) == ["mini"]


def test_an_unknown_group_is_an_unknown_model(api: Api) -> None:
    answer = api.get("/model_group/info?model_group=no-such")

    assert answer.status_code == 404
    assert envelope(answer.data) == {
        "message": "The model 'no-such' does not exist or you do not have access to it.",
        "type": "not_found_error",
        "param": "model_group",
        "code": "404",
    }


@pytest.mark.parametrize("path", ["/model/info", "/v1/model/info"])
def test_deployments_are_listed_without_anything_that_leads_to_them(rich: Api, path: str) -> None:
    listed = rich.get(path).json["data"]

    assert [(each["model_name"], each["litellm_params"]) for each in listed] == [
        ("chat", {"model": "vertex_ai/gemini-2.5-flash"}),
        ("chat", {"model": "vertex_ai/gemini-2.5-pro"}),
        ("tuned", {"model": "vertex_ai/models/123"}),
        ("mini", {"model": "openai/gpt-nobody-prices"}),
        ("openai/*", {"model": "openai/*"}),
    ]
    ids = [each["model_info"].pop("id") for each in listed]
    assert len(set(ids)) == 5
    assert not set(ids) & {each.id for each in rich.app.config.deployments}
    assert listed[0]["model_info"] == {
        "mode": "batch",
        "max_input_tokens": 1_000_000,
        "supports_vision": True,
        "supports_tool_choice": True,
        "tier": "one",
    }
    assert (listed[1]["model_info"]["mode"], listed[2]["model_info"]) == ("chat", {"mode": "batch"})


@pytest.mark.parametrize("path", ["/model/info", "/model_group/info", "/v1/models", "/v1/models/tuned"])
def test_nothing_of_a_connection_is_shown(rich: Api, path: str) -> None:
    text = rich.get(path).text

    assert "canary" not in text
    assert "us-central1" not in text
    assert not [each.id for each in rich.app.config.deployments if each.id in text]


def test_a_key_sees_the_groups_that_it_may_use(rich: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(_: Request, __: str) -> Caller:
        return Caller(owner="few", models=(("mini",),))

    monkeypatch.setattr("functions.http.authenticate", few)

    assert list(described(rich)) == ["mini"]
    assert [each["model_name"] for each in rich.get("/model/info").json["data"]] == ["mini"]
    assert rich.get("/model_group/info?model_group=chat").status_code == 404
    assert rich.get("/v1/models/gpt-4o").status_code == 404


@pytest.mark.parametrize("path", ["/model/info", "/model_group/info"])
def test_what_there_is_to_run_on_is_not_for_everybody(rich: Api, path: str) -> None:
    assert rich.client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["beta-models"], []),
        (["beta-models", "mini"], ["mini"]),
        (["gpt-4o"], ["gpt-4o"]),  # which says whose it is
        (["openai/anything"], ["anything"]),
        (["openai/*"], ["mini", "openai/*"]),
        (["m*"], ["mini"]),
        (["*"], ["chat", "tuned", "mini", "openai/*"]),
    ],
)
def test_names_that_are_no_models_are_not_listed_as_such(
    rich: Api, monkeypatch: pytest.MonkeyPatch, names: list[str], expected: list[str]
) -> None:
    """A pattern of a whole provider takes any name; that of a group of models that is not there is no model."""
    caller = Caller(owner="few", models=(tuple(names),))
    monkeypatch.setattr("functions.http.authenticate", lambda _, __: caller)
    assert [each["id"] for each in rich.get("/v1/models").json["data"]] == expected


@pytest.mark.parametrize("path", ["/model/info", "/v1/model/info"])
def test_one_deployment_may_be_asked_for_by_its_id(rich: Api, path: str) -> None:
    listed = rich.get(path).json["data"]
    for row in listed:
        assert rich.get(f"{path}?litellm_model_id={row['model_info']['id']}").json == {"data": [row]}


@pytest.mark.parametrize("id", ["unknown", "", "canary-id"])
def test_an_unknown_deployment_is_a_400_as_at_litellm(rich: Api, id: str) -> None:
    answer = rich.get(f"/model/info?litellm_model_id={id}")
    assert answer.status_code == 400
    assert envelope(answer.data) == {
        "message": f"Model id = {id} not found on litellm proxy",
        "type": "bad_request_error",
        "param": "litellm_model_id",
        "code": "400",
    }


def test_a_deployment_that_the_caller_may_not_use_is_an_unknown_one(rich: Api) -> None:
    mini = as_key(key_of(rich, models=["mini"])["key"])
    chat, *_, own, _ = [each["model_info"]["id"] for each in rich.get("/model/info").json["data"]]
    foreign, unknown = (rich.get(f"/model/info?litellm_model_id={id}", headers=mini) for id in (chat, "never"))
    assert foreign.status_code == 400
    assert foreign.data.replace(chat.encode(), b"never") == unknown.data
    assert rich.get(f"/model/info?litellm_model_id={own}", headers=mini).json["data"][0]["model_name"] == "mini"


def names(api: Api, query: str, headers: dict[str, str] | None = None) -> tuple[list[str], list[str]]:
    """What both lists have for one team: groups, and those of the deployments."""
    models = ok(api.get(f"/v1/models?team_id={query}", headers=headers or {}))["data"]
    rows = [ok(api.get(f"/model/info?{name}={query}", headers=headers or {}))["data"] for name in ("teamId", "team_id")]
    assert rows[0] == rows[1]
    return [each["id"] for each in models], [each["model_name"] for each in rows[0]]


@pytest.fixture
def teams(rich: Api) -> Api:
    ok(rich.post("/user/new", json={"user_id": "ann"}))
    for team, models in (("t", ["mini", "tuned"]), ("all", []), ("none", ["no-default-models"]), ("foreign", ["mini"])):
        ok(rich.post("/team/new", json={"team_id": team, "models": models}))
    for team in ("t", "all"):
        ok(rich.post("/team/member_add", json={"team_id": team, "member": {"user_id": "ann", "role": "user"}}))
    return rich


def test_an_admin_is_told_what_a_team_may_use(teams: Api) -> None:
    assert names(teams, "t") == (["tuned", "mini"], ["tuned", "mini"])
    assert names(teams, "all") == names(teams, "") == names(teams, "%20")
    assert names(teams, "all")[0] == ["chat", "tuned", "mini", "openai/*"]
    assert names(teams, "none") == ([], [])


def test_who_is_in_a_team_is_told_what_of_it_the_key_may_use(teams: Api) -> None:
    """A key is never shown a model that it may not use."""
    own = as_key(key_of(teams, user_id="ann")["key"])
    small = as_key(key_of(teams, user_id="ann", models=["mini", "chat"])["key"])
    of_team = as_key(key_of(teams, team_id="t")["key"])
    assert names(teams, "t", own) == names(teams, "t", of_team) == (["tuned", "mini"], ["tuned", "mini"])
    assert names(teams, "t", small) == (["mini"], ["mini"])
    assert names(teams, "all", small) == (["chat", "mini"], ["chat", "chat", "mini"])
    one = teams.get("/model/info?team_id=t").json["data"][0]["model_info"]["id"]
    assert teams.get(f"/model/info?team_id=none&litellm_model_id={one}").json == {"data": []}
    assert len(teams.get(f"/model/info?team_id=t&litellm_model_id={one}").json["data"]) == 1


@pytest.mark.parametrize("path", ["/v1/models?team_id=", "/model/info?teamId=", "/model/info?team_id="])
def test_whether_there_is_a_team_is_told_to_who_may_see_it_alone(teams: Api, path: str) -> None:
    keys = [key_of(teams, user_id="ann")["key"], key_of(teams, team_id="t")["key"], key_of(teams)["key"]]
    for key in map(as_key, keys):
        foreign, unknown = (teams.get(f"{path}{team}", headers=key) for team in ("foreign", "f%2F..%2F" + "x" * 3_000))
        assert foreign.status_code == unknown.status_code == 403
        assert foreign.data == unknown.data
        error = envelope(foreign.data)
        assert (error["message"], error["type"]) == ("Not authorized to view this team's models.", "auth_error")
    assert teams.get(f"{path}unknown").status_code == 404
