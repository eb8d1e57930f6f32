"""What new keys, users and teams are given that asks for nothing, and how much any key may be given.

LiteLLM's `litellm_settings` has it; `listed_settings.py` reads it from there, and `admin/terms.py` applies it.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.durations import duration

__all__ = ["KeyBounds", "KeyDefaults", "TeamDefaults", "Terms", "UserDefaults"]


def _lasts(text: str) -> str:
    if duration(text) is None:
        raise ValueError("not a duration such as 30s, 10m, 24h, 30d, 1w or 1mo")
    return text


_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]
_Duration = Annotated[str, AfterValidator(_lasts)]


class _Limits(BaseModel):
    model_config = ConfigDict(frozen=True)

    max_budget: _Usd | None = None
    budget_duration: _Duration | None = None
    tpm_limit: _Count | None = None
    rpm_limit: _Count | None = None

    @property
    def said(self) -> dict[str, Any]:
        """What is not left open, as a body has it."""
        return self.model_dump(exclude_none=True)


class KeyBounds(_Limits):
    """`upperbound_key_generate_params`: the most that a key may have, and what it has where it asks for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_parallel_requests: _Count | None = None
    duration: _Duration | None = None


class KeyDefaults(_Limits):
    """`default_key_generate_params`."""

    max_parallel_requests: _Count | None = None
    duration: _Duration | None = None
    user_id: str | None = None
    team_id: str | None = None
    models: list[str] | None = None
    metadata: dict[str, Any] | None = None


class TeamOfUser(BaseModel):
    """A team that new users come into."""

    model_config = ConfigDict(frozen=True)

    team_id: str
    max_budget_in_team: _Usd | None = None
    user_role: Literal["admin", "user"] = "user"


class UserDefaults(_Limits):
    """`default_internal_user_params`: of users who are not to be admins."""

    user_role: Literal["proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"] | None = None
    models: list[str] | None = None
    metadata: dict[str, Any] | None = None
    teams: list[str | TeamOfUser] | None = None


class TeamDefaults(_Limits):
    """`default_team_params`, or the `max_budget` of the first of `default_team_settings`."""


class Terms(BaseModel):
    """All of them together."""

    model_config = ConfigDict(frozen=True)

    upper: KeyBounds = KeyBounds()
    key: KeyDefaults = KeyDefaults()
    user: UserDefaults = UserDefaults()
    internal_user: TeamDefaults = TeamDefaults()  # `max_internal_user_budget`: of users with that role
    team: TeamDefaults = TeamDefaults()
