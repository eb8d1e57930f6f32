"""Fields of LiteLLM's that limit nothing here and would limit nothing that is here: kept, and given back.

They are named so that `/openapi.json` tells each of them from a field that acts, and from one that is refused.
"""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Harmless", "HarmlessOfKeys", "HarmlessOfTeams", "HarmlessOfUsers"]

_KEPT: Final = "Kept; has no effect here."
_LISTED: Final = "Kept, and what lists may be filtered by; has no other effect here."
_NO_MAIL: Final = "Taken; has no effect here: nothing sends e-mail."


class Harmless(BaseModel):
    """Of keys, users and teams."""

    max_parallel_requests: Any = Field(default=None, description=_KEPT)
    mcp_rpm_limit: Any = Field(default=None, description=_KEPT)
    rpm_limit_type: Any = Field(default=None, description=_KEPT)
    tpm_limit_type: Any = Field(default=None, description=_KEPT)
    default_estimated_output_tokens: Any = Field(default=None, description=_KEPT)
    default_estimated_output_tokens_per_model: Any = Field(default=None, description=_KEPT)
    guardrails: Any = Field(default=None, description=_KEPT)
    disable_global_guardrails: Any = Field(default=None, description=_KEPT)
    policies: Any = Field(default=None, description=_KEPT)
    prompts: Any = Field(default=None, description=_KEPT)
    router_settings: Any = Field(default=None, description=_KEPT)
    allowed_passthrough_routes: Any = Field(default=None, description=_KEPT)
    allowed_vector_store_indexes: Any = Field(default=None, description=_KEPT)
    organization_id: Any = Field(default=None, description=_LISTED)


class HarmlessOfKeys(BaseModel):
    """Of keys, and of users, who may be given one."""

    agent_id: Any = Field(default=None, description=_LISTED)
    aliases: Any = Field(default=None, description=_KEPT)
    allowed_cache_controls: Any = Field(default=None, description=_KEPT)
    budget_fallbacks: Any = Field(default=None, description=_KEPT)
    config: Any = Field(default=None, description=_KEPT)
    enable_prompt_caching: Any = Field(default=None, description=_KEPT)
    project_id: Any = Field(default=None, description=_LISTED)
    send_invite_email: Any = Field(default=None, description=_NO_MAIL)
    throttle_on_budget_exceeded: Any = Field(default=None, description=_KEPT)


class HarmlessOfTeams(BaseModel):
    """Of teams alone."""

    model_config = ConfigDict(protected_namespaces=())

    model_aliases: Any = Field(default=None, description=_KEPT)
    secret_manager_settings: Any = Field(default=None, description=_KEPT)
    team_member_permissions: Any = Field(default=None, description=_KEPT)


class HarmlessOfUsers(HarmlessOfKeys):
    """Of users."""

    organizations: Any = Field(default=None, description=_LISTED)
    permissions: Any = Field(default=None, description=_KEPT)
    sso_user_id: Any = Field(default=None, description=_LISTED)
