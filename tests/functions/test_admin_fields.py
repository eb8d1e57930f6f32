"""Every field of LiteLLM's admin requests (1.106.2, `proxy/_types.py`) acts here, is refused, or is said to be kept."""

from typing import Any

import pytest

from tests.functions.conftest import Api
from tests.functions.office import ok

_BASE = """
key_alias duration models spend max_budget user_id team_id agent_id max_parallel_requests metadata tpm_limit rpm_limit
budget_duration budget_limits allowed_cache_controls config permissions model_max_budget budget_fallbacks
model_rpm_limit model_tpm_limit mcp_rpm_limit tag_rpm_limit guardrails policies prompts blocked aliases
object_permission
"""
_KEYS = """
key tpd_limit default_estimated_output_tokens default_estimated_output_tokens_per_model budget_id end_user_budget_id
tags disable_global_guardrails enable_prompt_caching throttle_on_budget_exceeded enforced_params allowed_routes
allowed_passthrough_routes denied_passthrough_routes allowed_vector_store_indexes rpm_limit_type tpm_limit_type
router_settings access_group_ids soft_budget auto_rotate rotation_interval organization_id project_id
"""
_TEAMS = """
team_alias team_id organization_id metadata tpm_limit rpm_limit tpd_limit max_budget soft_budget budget_duration
budget_limits models blocked router_settings access_group_ids default_team_member_models model_aliases
model_max_budget tags guardrails policies prompts object_permission allowed_passthrough_routes
denied_passthrough_routes disable_global_guardrails secret_manager_settings model_rpm_limit model_tpm_limit
default_estimated_output_tokens default_estimated_output_tokens_per_model mcp_rpm_limit team_member_budget
team_member_rpm_limit team_member_tpm_limit team_member_key_duration team_member_budget_duration
allowed_vector_store_indexes enforced_batch_output_expires_after enforced_file_expires_after
"""
_MEMBERS = "team_id max_budget_in_team budget_duration allowed_models"
FIELDS = {
    "/key/generate": f"{_BASE} {_KEYS} send_invite_email key_type",
    "/key/service-account/generate": f"{_BASE} {_KEYS} send_invite_email key_type",
    "/key/update": f"{_BASE} {_KEYS} temp_budget_increase temp_budget_expiry",
    "/key/regenerate": f"{_BASE} {_KEYS} send_invite_email key_type new_key grace_period",
    "/team/new": f"{_TEAMS} admins members members_with_roles team_member_permissions rpm_limit_type tpm_limit_type",
    "/team/update": _TEAMS,
    "/user/new": f"{_BASE} user_email user_alias user_role teams auto_create_key send_invite_email sso_user_id "
    "organizations password",
    "/user/update": f"{_BASE} password user_alias user_role user_email",
    "/team/member_add": f"{_MEMBERS} member",
    "/team/member_update": f"{_MEMBERS} user_id user_email role tpm_limit rpm_limit temp_budget_increase "
    "temp_budget_expiry",
}


@pytest.fixture
def described(api: Api) -> Any:
    return ok(api.get("/openapi.json"))


@pytest.mark.parametrize("path", FIELDS)
def test_no_field_is_taken_of_which_nothing_is_said(described: Any, path: str) -> None:
    schema = described["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    said = {name: each.get("description", "") for name, each in body["properties"].items()}

    assert [name for name in FIELDS[path].split() if not said.get(name)] == []
