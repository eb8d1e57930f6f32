"""Caps on money and access that LiteLLM has and nothing here would hold: refused, with what would hold instead.

To take one and not to hold it would be worse than to refuse it: whoever set it believes in it. What stands for none, as
scripts and Terraform send it where nothing was set (`{}`, `[]`, an empty string, null), is taken.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

__all__ = ["NoKeyDuration", "NoMemberCaps", "NoRotation", "NoTeamCaps", "NoUnenforced", "NoZeroRates"]

_NONE: Final[tuple[object, ...]] = (None, "", [], {})
_EMPTY: Final = WithJsonSchema({"enum": [None, "", [], {}]})
_HOLLOW: Final = WithJsonSchema(
    {
        "anyOf": [
            {"enum": [None, "", [], {}]},
            {"type": "object", "additionalProperties": {"enum": [None, "", [], {}, False]}},
        ]
    }
)
_NO_ZERO: Final = WithJsonSchema(
    {"anyOf": [{"type": "object", "additionalProperties": {"not": {"enum": [0, "0"]}}}, {"not": {"type": "object"}}]}
)


def _one_of(value: object, these: tuple[object, ...]) -> bool:
    return any(value == each and type(value) is type(each) for each in these)


def _refused(why: str, *, but: tuple[object, ...] = ()) -> BeforeValidator:
    """Refuses all but nothing, and what is as good as nothing (`but`)."""

    def judge(value: object) -> object:
        if not _one_of(value, (*_NONE, *but)):
            raise ValueError(why)
        return value

    return BeforeValidator(judge)


def _full_refused(why: str) -> BeforeValidator:
    """Refuses all but nothing, and objects of nothing alone, which forms send: each of them is read as null."""

    def judge(value: object) -> None:
        inside = value.values() if isinstance(value, dict) else (value,)
        if not all(_one_of(each, (*_NONE, False) if isinstance(value, dict) else _NONE) for each in inside):
            raise ValueError(why)

    return BeforeValidator(judge)


def _zero_refused(why: str) -> BeforeValidator:
    """Refuses an object with a 0 in it: at LiteLLM (1.106.2, `parallel_request_limiter_v3`) nothing gets past one."""

    def judge(value: object) -> object:
        if isinstance(value, dict) and any(_one_of(each, (0, 0.0, "0")) for each in value.values()):
            raise ValueError(why)
        return value

    return BeforeValidator(judge)


_OWN_KEYS: Final = "nothing here would hold it. Make a key with a max_budget for each model"
_ONE_BUDGET: Final = "nothing here would hold it. Set max_budget and budget_duration"
_RAISE: Final = "nothing here would take it back. Raise max_budget, and lower it again when the time is over"
_LIST: Final = "nothing here would hold it. Set models of the member's keys"
_WITH_TAGS: Final = "nothing here would hold it. Set tags of the keys, which go on everything that they run"
_ROUTES: Final = "nothing here would hold it. Set allowed_routes of the keys"
_NOBODY: Final = "nothing here would hold it. Make a key with a max_budget for each end user"
_OBJECTS: Final = "nothing here would hold it. Set models and allowed_routes of the keys"
_GROUPS: Final = "nothing here would hold it. Set models, which may name access_groups of the configuration"
_TOKENS: Final = (
    "nothing here would hold it. Set metadata.batch_enqueued_token_limit of keys, users or teams, or a budget with a "
    "budget_duration of 1d"
)
_NO_MODEL: Final = "nothing here would hold a 0. Set models to those that may be used"
_NO_TAG: Final = "nothing here would hold a 0. Block the keys that have the tag"
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
    temp_budget_expiry: Any = Field(default=None, description="Has no effect here, as there is no increase.")
    tpd_limit: Annotated[Any, _refused(_TOKENS), _EMPTY] = Field(
        default=None, description="Not supported: `metadata` may have a `batch_enqueued_token_limit`."
    )
    end_user_budget_id: Annotated[Any, _refused(_NOBODY), _EMPTY] = Field(
        default=None, description="Not supported: end users have no budgets."
    )
    enforced_params: Annotated[Any, _refused(_WITH_TAGS), _EMPTY] = Field(
        default=None, description="Not supported: keys have `tags`."
    )
    denied_passthrough_routes: Annotated[Any, _refused(_ROUTES), _EMPTY] = Field(
        default=None, description="Not supported: keys have `allowed_routes`."
    )
    access_group_ids: Annotated[Any, _refused(_GROUPS), _EMPTY] = Field(
        default=None, description="Not supported: `models` may name `access_groups`."
    )
    object_permission: Annotated[Any, _full_refused(_OBJECTS), _HOLLOW] = Field(
        default=None, description="Not supported: keys have `models` and `allowed_routes`."
    )


class NoZeroRates(BaseModel):
    """Of keys, users and teams: rates that bound nothing here are kept, but a 0 would take a model away."""

    model_config = ConfigDict(protected_namespaces=())

    model_rpm_limit: Annotated[Any, _zero_refused(_NO_MODEL), _NO_ZERO] = Field(
        default=None, description="Kept; has no effect here. No 0: `models` says what may be used."
    )
    model_tpm_limit: Annotated[Any, _zero_refused(_NO_MODEL), _NO_ZERO] = Field(
        default=None, description="Kept; has no effect here. No 0: `models` says what may be used."
    )
    tag_rpm_limit: Annotated[Any, _zero_refused(_NO_TAG), _NO_ZERO] = Field(
        default=None, description="Kept; has no effect here. No 0: nothing would hold it."
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


class NoKeyDuration(BaseModel):
    """Of users who are there already: no key comes with what changes them."""

    duration: Annotated[Any, _refused(_LENGTH), _EMPTY] = Field(
        default=None, description="Not supported: each key has a `duration`."
    )


class NoRotation(BaseModel):
    """Of keys: nothing here makes a key anew by itself."""

    auto_rotate: Annotated[Any, _refused(_BY_HAND, but=(False,)), _NO_ROTATION] = Field(
        default=None, description="Not supported: regenerate keys yourself."
    )
    rotation_interval: Annotated[Any, _refused(_BY_HAND), _EMPTY] = Field(default=None, description="Not supported.")
