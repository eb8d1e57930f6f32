"""Caps on money and access that LiteLLM has and nothing here would hold: refused, with what would hold instead.

To take one and not to hold it would be worse than to refuse it: whoever set it believes in it. What stands for none, as
scripts and Terraform send it where nothing was set (`{}`, `[]`, an empty string, null), is taken.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

__all__ = ["NoMemberCaps", "NoRotation", "NoTeamCaps", "NoUnenforced"]

_NONE: Final[tuple[object, ...]] = (None, "", [], {})
_EMPTY: Final = WithJsonSchema({"enum": [None, "", [], {}]})


def _refused(why: str, *, but: tuple[object, ...] = ()) -> BeforeValidator:
    """Refuses all but nothing, and what is as good as nothing (`but`)."""

    def judge(value: object) -> object:
        if not any(value == none and type(value) is type(none) for none in (*_NONE, *but)):
            raise ValueError(why)
        return value

    return BeforeValidator(judge)


_OWN_KEYS: Final = "nothing here would hold it. Make a key with a max_budget for each model"
_ONE_BUDGET: Final = "nothing here would hold it. Set max_budget and budget_duration"
_RAISE: Final = "nothing here would take it back. Raise max_budget, and lower it again when the time is over"
_LIST: Final = "nothing here would hold it. Set models of the member's keys"
_RATE: Final = "nothing here would hold it. Set rpm_limit of the member's keys, of the user or of the team"
_LENGTH: Final = "nothing here would hold it. Set duration of each key"
_NO_INCREASE: Final = WithJsonSchema({"enum": [None, "", 0]})
_NO_ROTATION: Final = WithJsonSchema({"enum": [None, "", False]})
_BY_HAND: Final = "nothing here rotates keys. Let a job of yours call /key/{key}/regenerate, with a grace_period"


class NoUnenforced(BaseModel):
    """Of keys, users, teams and members."""

    model_config = ConfigDict(protected_namespaces=())

    model_max_budget: Annotated[Any, _refused(_OWN_KEYS), _EMPTY] = Field(
        default=None, description="Not supported: one budget is for all models."
    )
    budget_limits: Annotated[Any, _refused(_ONE_BUDGET), _EMPTY] = Field(
        default=None, description="Not supported: there is one budget, which is `max_budget`."
    )
    budget_id: Annotated[Any, _refused(_ONE_BUDGET), _EMPTY] = Field(
        default=None, description="Not supported: budgets have no names."
    )
    temp_budget_increase: Annotated[Any, _refused(_RAISE, but=(0, 0.0)), _NO_INCREASE] = Field(
        default=None, description="Not supported: raise `max_budget`."
    )


class NoMemberCaps(NoUnenforced):
    """Of members of teams."""

    allowed_models: Annotated[Any, _refused(_LIST), _EMPTY] = Field(
        default=None, description="Not supported: what a member may use is what the team and his keys allow."
    )
    rpm_limit: Annotated[Any, _refused(_RATE), _EMPTY] = Field(
        default=None, description="Not supported: keys, users and teams have one."
    )
    tpm_limit: Annotated[Any, _refused(_RATE), _EMPTY] = Field(default=None, description="Not supported.")


class NoTeamCaps(BaseModel):
    """Of all members of a team."""

    team_member_rpm_limit: Annotated[Any, _refused(_RATE), _EMPTY] = Field(default=None, description="Not supported.")
    team_member_tpm_limit: Annotated[Any, _refused(_RATE), _EMPTY] = Field(default=None, description="Not supported.")
    team_member_key_duration: Annotated[Any, _refused(_LENGTH), _EMPTY] = Field(
        default=None, description="Not supported: each key has a `duration`."
    )
    default_team_member_models: Annotated[Any, _refused(_LIST), _EMPTY] = Field(
        default=None, description="Not supported: keys have `models`."
    )


class NoRotation(BaseModel):
    """Of keys: nothing here makes a key anew by itself."""

    auto_rotate: Annotated[Any, _refused(_BY_HAND, but=(False,)), _NO_ROTATION] = Field(
        default=None, description="Not supported: regenerate keys yourself."
    )
    rotation_interval: Annotated[Any, _refused(_BY_HAND), _EMPTY] = Field(default=None, description="Not supported.")
