"""What becomes of a configuration on its way to where this machine's variables are not."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.portable import named_keys, portable
from shared.app import configuration
from shared.domain.errors import ConfigError
from shared.listed_settings import GENERAL, TRAVELS

ROOT = Path(__file__).resolve().parents[2]

ENVIRONMENT = {
    "MY_PROJECT": "p",
    "MY_BASE": "https://gateway.example.com/v1",
    "MY_KEY": "sk-goldfinch",
    "OPENAI_API_KEY": "sk-another-goldfinch",
    "OPENAI_ORGANIZATION": "org-mine",
    "MY_LIMIT": "77",
    "SOMEBODY_ELSES": "s3cret-goldfinch",
}
TEXT = """
model_list:
  - model_name: flash
    litellm_params: {model: vertex_ai/gemini-2.5-flash, vertex_project: os.environ/MY_PROJECT, vertex_location: global}
  - model_name: mini
    litellm_params:
      model: openai/gpt-4o-mini
      api_base: os.environ/MY_BASE
      api_key: os.environ/MY_KEY
      aws_secret_access_key: os.environ/SOMEBODY_ELSES
      input_cost_per_token: 0.00000015
    model_info: {mode: batch}
  - model_name: plain
    litellm_params: {model: openai/gpt-4o-mini}
general_settings: {master_key: os.environ/MY_KEY, max_batch_file_size_mb: 50, database_url: postgres://goldfinch}
litellm_settings: {cache: os.environ/NOT_SET}
offpeak:
  limits: {lines_per_batch: os.environ/MY_LIMIT}
  prices:
    - {model: gemini-2.5-flash, since: 2026-11-01, usd_per_million: {input: "0.10"}}
"""


def written(text: str = TEXT, environment: dict[str, str] = ENVIRONMENT) -> str:
    return portable(text, name="mine.yaml", environment=environment)


def params(text: str) -> list[dict[str, Any]]:
    return [entry["litellm_params"] for entry in yaml.safe_load(text)["model_list"]]


def test_it_means_the_same_where_only_the_keys_are_set() -> None:
    keys = {name: ENVIRONMENT[name] for name in named_keys(TEXT, ENVIRONMENT)}
    assert sorted(keys) == ["MY_KEY", "OPENAI_API_KEY"]
    here = configuration(TEXT, name="here", environment=ENVIRONMENT)
    assert configuration(written(), name="there", environment=keys) == here.model_copy(update={"master_key": None})


def test_models_that_no_batch_runs_stay_here_with_their_keys() -> None:
    others = """
  - model_name: claude
    litellm_params: {model: anthropic/claude-sonnet-5, api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: voice
    litellm_params: {model: openai/tts-1, api_key: sk-in-the-file}
    model_info: {mode: audio_speech}
general_settings:"""
    text = TEXT.replace("\ngeneral_settings:", others)
    assert written(text) == written()
    assert named_keys(text, ENVIRONMENT) == named_keys(TEXT, ENVIRONMENT)


def test_it_holds_no_key_and_nothing_of_others() -> None:
    assert "goldfinch" not in written()
    assert [each.get("api_key") for each in params(written())] == [
        None,
        "os.environ/MY_KEY",
        "os.environ/OPENAI_API_KEY",
    ]
    assert set(yaml.safe_load(written())["general_settings"]) == {"max_batch_file_size_mb"}


HELD = """
general_settings:
  litellm_key_header_name: X-My-Key
  max_batch_file_size_mb: 7
  max_batch_file_records: 11
  max_batch_file_uploads_per_day: 3
  database_url: postgres://goldfinch
litellm_settings:
  upperbound_key_generate_params: {max_budget: 100, duration: 30d}
  default_key_generate_params: {models: [mini], max_budget: os.environ/MOST}
  default_internal_user_params: {max_budget: 9, teams: [{team_id: t, max_budget_in_team: 1}]}
  default_team_params: {budget_duration: 1d}
  default_team_settings: [{max_budget: 5, team_id: t, langfuse_secret: os.environ/SOMEBODY_ELSES}]
  max_internal_user_budget: 2
  default_max_internal_user_budget: 4
  internal_user_budget_duration: 30d
  callbacks: [goldfinch]
"""


def test_all_that_holds_here_holds_there() -> None:
    text = TEXT[: TEXT.index("\ngeneral_settings:")] + HELD
    environment = ENVIRONMENT | {"MOST": "50"}
    here = configuration(text, name="here", environment=environment)

    there = configuration(written(text, environment), name="there", environment={}, keys=False)

    assert here.terms.key.max_budget == 50
    assert (there.terms, there.limits, there.key_header) == (here.terms, here.limits, here.key_header)
    said = yaml.safe_load(HELD)
    assert {*said["general_settings"]} - {"database_url"} == GENERAL
    assert {*said["litellm_settings"]} - {"callbacks", "default_team_settings"} == TRAVELS
    assert {*yaml.safe_load(written(text, environment))["litellm_settings"]} == TRAVELS
    assert "goldfinch" not in written(text, environment)


def test_terraform_lets_through_what_holds() -> None:
    [held] = re.findall(r"held = \{(.*?)\n  \}", (ROOT / "infra/gcp/config.tf").read_text(encoding="utf-8"), re.DOTALL)
    general, theirs = (set(re.findall(r'"(\w+)"', part)) for part in held.split("litellm_settings ="))
    assert (general, theirs) == ({*GENERAL}, {*TRAVELS})


@pytest.mark.parametrize("said", ["X-My-Key", "os.environ/MY_HEADER"])
def test_keys_of_clients_stand_there_where_they_stand_here(said: str) -> None:
    text = TEXT.replace("general_settings: {", f"general_settings: {{litellm_key_header_name: {said}, ")
    there = written(text, ENVIRONMENT | {"MY_HEADER": "X-My-Key"})
    assert configuration(there, name="there", environment={}, keys=False).key_header == "X-My-Key"


def test_who_has_no_keys_sees_the_same_deployments() -> None:
    """Shards remember their deployment by its id, and that follows from the address."""
    there = configuration(written(), name="there", environment={}, keys=False)
    here = configuration(TEXT, name="here", environment=ENVIRONMENT)
    assert [each.id for each in there.deployments] == [each.id for each in here.deployments]
    assert {each.api_key for each in there.deployments} == {None}
    with pytest.raises(ConfigError, match=r"there:\d+: the variable MY_KEY is not set"):
        configuration(written(), name="there", environment={})


def test_what_litellm_s_variables_say_is_said_in_it() -> None:
    text = "model_list: [{model_name: flash, litellm_params: {model: vertex_ai/gemini-2.5-flash}}]"
    environment = {"VERTEXAI_PROJECT": "p", "VERTEXAI_CREDENTIALS": "/home/me/key.json"}
    (said,) = params(written(text, environment))
    assert said == {"model": "vertex_ai/gemini-2.5-flash", "vertex_project": "p", "vertex_location": "us-central1"}


def test_a_model_without_a_prefix_and_any_model_mean_the_same_there() -> None:
    text = """
model_list:
  - {model_name: mini, litellm_params: {model: gpt-4o-mini}}
  - {model_name: "*", litellm_params: {model: "*"}, model_info: {id: mine}}
  - {model_name: claude, litellm_params: {model: claude-sonnet-5, api_key: sk-in-the-file}}
"""
    environment = {"OPENAI_API_KEY": "sk-goldfinch", "HOSTED_VLLM_API_BASE": "http://gpu:8000"}
    assert named_keys(text, environment) == ["OPENAI_API_KEY"]
    here = configuration(text, name="here", environment=environment)
    there = written(text, environment)
    assert "goldfinch" not in there
    assert configuration(there, name="there", environment={"OPENAI_API_KEY": "sk-goldfinch"}) == here
    assert here.groups() == ["mini", "openai/*", "hosted_vllm/*"]


def test_openai_s_key_is_not_sent_along_for_another_host() -> None:
    text = """
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_base: os.environ/MY_BASE}
    model_info: {batches: execute}
"""
    assert named_keys(text, ENVIRONMENT) == []
    assert params(written(text))[0]["api_base"] == ENVIRONMENT["MY_BASE"]
    assert named_keys(text, {**ENVIRONMENT, "OPENAI_BASE_URL": ENVIRONMENT["MY_BASE"]}) == ["OPENAI_API_KEY"]


def test_azure_s_application_keeps_its_secret_and_shows_its_name() -> None:
    text = """
model_list:
  - model_name: mini
    litellm_params: {model: azure/mini, api_base: https://r.openai.azure.com, tenant_id: os.environ/T, client_id: i,
                     client_secret: os.environ/S}
"""
    (said,) = params(written(text, {"T": "tenant", "S": "goldfinch"}))
    assert (said["tenant_id"], said["client_secret"]) == ("tenant", "os.environ/S")
    assert named_keys(text, {}) == ["S"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("os.environ/MY_KEY\n", "sk-in-the-file\n"), "mine.yaml: mini: api_key stands in the file"),
        (("vertex_location: global", "vertex_credentials: k.json"), "mine.yaml: flash: .*leave vertex_credentials out"),
        (("api_base: os.environ/MY_BASE", "organization: os.environ/MY_KEY"), "MY_KEY cannot be a key and something"),
    ],
)
def test_what_must_not_travel_is_refused(change: tuple[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        written(TEXT.replace(*change))


@pytest.mark.parametrize("text", ["a: [", "", "[]", "model_list: 5", "model_list: [7, {litellm_params: {}}]"])
def test_what_is_no_configuration_names_no_key(text: str) -> None:
    """Whoever reads it says what is wrong, and where."""
    assert named_keys(text, ENVIRONMENT) == []
