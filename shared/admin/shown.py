"""Names by which answers tell what is so: whoever sends one with a key, team or user would tell it in our stead.

They are those of LiteLLM's records that no request of its sets (1.106.2: `models/verification_token.py`,
`models/team.py`, `models/user.py`, and `LiteLLM_VerificationTokenView` of `proxy/_types.py`), and our own.
"""

from typing import Final

__all__ = ["is_fact"]

_FACTS: Final = frozenset(
    {
        *("key_id", "hash", "api_key", "owner", "info", "id", "model_id", "org_id", "object_permission_id"),
        *("total_spend", "reserved", "model_spend", "user_spend", "user_max_budget", "soft_budget_cooldown"),
        *("updated_by", "deleted_at", "deleted_by", "deleted_by_api_key", "settings_updated_at"),
        *("last_active", "last_refreshed_at", "last_rotation_at", "key_rotation_at", "rotation_count"),
        *("organization_memberships", "team_memberships", "team_info", "user_info"),
        *("members_count", "keys_count", "key_count"),
        *("team_spend", "team_max_budget", "team_soft_budget", "team_model_max_budget", "team_models", "team_blocked"),
        *("team_tpm_limit", "team_rpm_limit", "team_tpd_limit", "team_model_aliases", "team_metadata", "team_member"),
        *("team_member_spend", "team_object_permission_id"),
        *("end_user_id", "end_user_max_budget", "end_user_model_max_budget"),
        *("end_user_tpm_limit", "end_user_rpm_limit", "end_user_tpd_limit"),
        *("organization_alias", "organization_max_budget", "organization_tpm_limit", "organization_rpm_limit"),
        *("organization_metadata", "project_alias", "project_metadata"),
    }
)


def is_fact(name: str) -> bool:
    """Whether answers call something so that nobody is asked for."""
    return name in _FACTS or name.startswith("litellm_") or name.endswith("_exact")
