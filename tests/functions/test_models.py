from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Request

from shared.domain.access import Caller
from tests.functions.conftest import Api
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


@pytest.mark.parametrize("query", ["", "?return_wildcard_routes=true&team_id=t&include_metadata=true&healthy_only=1"])
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
        "supports_parallel_function_calling": False,
        "supports_vision": True,
        "supports_web_search": False,
        "supports_url_context": False,
        "supports_reasoning": False,
        "supports_function_calling": False,
        "supports_tool_choice": True,
        "supported_openai_params": ["temperature", "tools"],
    }


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
