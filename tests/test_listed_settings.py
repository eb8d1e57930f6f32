"""What of LiteLLM's settings holds here, what is refused, and what is passed over by name."""

import json
from typing import Any

import pytest

from shared.app import configuration
from shared.config import Config
from shared.domain.errors import ConfigError


def read(text: str) -> Config:
    return configuration(text, name="c.yaml")


def test_what_new_keys_users_and_teams_get_is_read_and_may_stand_in_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOST", "12.5")
    terms = read("""
litellm_settings:
  upperbound_key_generate_params: {max_budget: os.environ/MOST, duration: 30d, rpm_limit: 7}
  default_key_generate_params: {max_budget: 1, models: [m], metadata: {a: 1}}
  default_internal_user_params: {max_budget: 2, user_role: internal_user, teams: [t, {team_id: s}]}
  max_internal_user_budget: os.environ/MOST
  internal_user_budget_duration: 1mo
  default_team_params: {tpm_limit: 5}
  default_team_settings: [{team_id: x, max_budget: 3}]
""").terms
    assert terms.upper.said == {"max_budget": 12.5, "duration": "30d", "rpm_limit": 7}
    assert terms.key.said == {"max_budget": 1.0, "models": ["m"], "metadata": {"a": 1}}
    assert terms.user.said["teams"] == ["t", {"team_id": "s", "user_role": "user"}]
    assert terms.internal_user.said == {"max_budget": 12.5, "budget_duration": "1mo"}
    assert terms.team.said == {"max_budget": 3.0, "tpm_limit": 5}


def test_the_budget_of_internal_users_has_two_names_and_the_first_counts() -> None:
    both = "litellm_settings: {max_internal_user_budget: 3, default_max_internal_user_budget: 4}"
    assert read(both).terms.internal_user.max_budget == 3
    assert read("litellm_settings: {default_max_internal_user_budget: 4}").terms.internal_user.max_budget == 4


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("litellm_settings:\n  drop_params: true\n  max_budget: 100", 3, "litellm_settings.max_budget"),
        ("litellm_settings:\n  max_budget: os.environ/MOST", 2, "litellm_settings.max_budget"),
        ("litellm_settings:\n  tag_budget_config: {a: {max_budget: 1}}", 2, "litellm_settings.tag_budget_config"),
        ("litellm_settings:\n  max_end_user_budget: 0.1", 2, "litellm_settings.max_end_user_budget"),
        ("litellm_settings:\n  cost_margin_config: {openai: 0.1}", 2, "litellm_settings.cost_margin_config"),
        ("general_settings:\n  allowed_ips: [10.0.0.1]", 2, "general_settings.allowed_ips"),
        ("general_settings:\n  custom_auth: auth.user", 2, "general_settings.custom_auth"),
        ("general_settings:\n  enable_jwt_auth: true", 2, "general_settings.enable_jwt_auth"),
        ("general_settings:\n\n  admin_only_routes: [/key/list]", 3, "general_settings.admin_only_routes"),
        ("router_settings:\n  provider_budget_config: {openai: {}}", 2, "router_settings.provider_budget_config"),
    ],
)
def test_what_would_limit_somebody_and_does_not_hold_is_refused_at_start(
    monkeypatch: pytest.MonkeyPatch, text: str, line: int, name: str
) -> None:
    monkeypatch.setenv("MOST", "5")
    with pytest.raises(ConfigError) as refused:
        read(text)
    where, _, why = str(refused.value).partition(": ")
    assert where == f"c.yaml:{line}"
    assert why.startswith(f"{name} does not hold here: ")


@pytest.mark.parametrize(
    "text",
    [
        "litellm_settings: {max_budget: 0, tag_budget_config: {}, blocked_user_list: null}",
        "litellm_settings: {max_budget: 0.0, max_budget: os.environ/MOST}",
        "general_settings: {custom_auth: null, enable_jwt_auth: false, allowed_ips: [], enforce_user_param: 'False'}",
        "litellm_settings:\ngeneral_settings:\nrouter_settings: null",
    ],
)
def test_what_is_turned_off_is_no_limit(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MOST", "0")
    assert read(text).terms == Config().terms


@pytest.mark.parametrize(
    ("inner", "place"),
    [
        ("upperbound_key_generate_params: {max_budget: -1}", "upperbound_key_generate_params.max_budget"),
        ("upperbound_key_generate_params: {duration: 1 month}", "upperbound_key_generate_params.duration"),
        ("upperbound_key_generate_params: {unknown_limit: 1}", "upperbound_key_generate_params.unknown_limit"),
        ("default_internal_user_params: {user_role: root}", "default_internal_user_params.user_role"),
        ("default_team_params: {budget_duration: x}", "default_team_params.budget_duration"),
        ("default_key_generate_params: [1]", "default_key_generate_params"),
    ],
)
def test_a_wrong_one_is_named_with_its_line(inner: str, place: str) -> None:
    with pytest.raises(ConfigError, match=rf"^c\.yaml:2: litellm_settings\.{place}: "):
        read(f"litellm_settings:\n  {inner}")


def test_what_is_passed_over_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    read("""
litellm_settings:
  callbacks: [langfuse]
  redis_password: os.environ/NOT_SET
  default_key_generate_params: {max_budget: 1, object_permission: {}}
general_settings: {master_key: sk-1234, database_url: os.environ/NOT_SET, max_batch_file_uploads_per_day: 9}
router_settings: {num_retries: 2}
guardrails: []
""")
    (warning,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (warning["message"], warning["keys"]) == (
        "config_keys_ignored",
        [
            "general_settings.database_url",
            "guardrails",
            "litellm_settings.callbacks",
            "litellm_settings.default_key_generate_params.object_permission",
            "litellm_settings.redis_password",
            "router_settings.num_retries",
        ],
    )


def test_uploads_a_day_are_limited_as_litellms_settings_say() -> None:
    text: Any = "general_settings: {max_batch_file_uploads_per_day: 9}"
    assert read(text).limits.files_per_day == 9
    assert read(f"{text}\noffpeak: {{limits: {{files_per_day: 3}}}}").limits.files_per_day == 3
