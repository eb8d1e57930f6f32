"""Bodies of the admin's requests: read, judged field by field, and handed on as the fields that were sent.

Fields that are not declared are accepted, too: they are kept and given back. What is said of a field here is what
`/openapi.json` says.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from flask import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from functions.admin.harmless import Harmless
from functions.admin.unenforced import NoUnenforced, NoZeroRates
from functions.body import json_object
from shared.domain.cost import nano
from shared.domain.errors import BadRequest

__all__ = [
    "Alias",
    "Body",
    "Budget",
    "Count",
    "Duration",
    "Id",
    "Metadata",
    "Models",
    "Name",
    "Need",
    "Usd",
    "asked",
    "judged",
]

_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f]*$"
_MOST_MODELS, _MOST_STARS = 1_000, 3
_MOST: Final = 10**15
_ECHO: Final = 100
_WHY: Final = {
    "string_pattern_mismatch": "it has control characters",
    "string_type": "expected a string",
    "list_type": "expected an array",
    "dict_type": "expected an object",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "int_type": "expected an integer",
    "int_parsing": "expected an integer",
    "int_from_float": "expected an integer",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
}


class Body(BaseModel):
    """The body of one route."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True, protected_namespaces=())


def _blank(value: object) -> object:
    """Forms send empty strings where nothing is meant."""
    return None if isinstance(value, str) and not value.strip() else value


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, but got a boolean")  # noqa: TRY004  # pydantic's way to refuse
    return _blank(value)


def _usd(value: object) -> object:
    value = _no_boolean(value)
    if value is not None:
        nano(value)
    return value


def _no_key(value: object) -> object:
    if isinstance(value, str) and value.startswith("sk-"):
        raise ValueError("an alias must not look like a key: it is shown to everybody who may see the key's name")
    return value


def _few_stars(value: str) -> str:
    if value.count("*") > _MOST_STARS:
        raise ValueError(f"a model may have {_MOST_STARS} asterisks")
    return value


Need = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_NO_CONTROLS)]
Id = Annotated[Need | None, BeforeValidator(_blank)]
Name = Annotated[
    Annotated[str, StringConstraints(max_length=256, pattern=_NO_CONTROLS)] | None, BeforeValidator(_blank)
]
Alias = Annotated[Name, Field(json_schema_extra={"not": {"pattern": "^sk-"}}), BeforeValidator(_no_key)]
Count = Annotated[Annotated[int, Field(ge=0, le=_MOST)] | None, BeforeValidator(_no_boolean)]
Usd = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_usd)]
Duration = Annotated[str, StringConstraints(max_length=20)] | None
Metadata = dict[str, Any] | None
_Model = Annotated[Need, BeforeValidator(lambda each: _few_stars(each) if isinstance(each, str) else each)]
Models = Annotated[list[_Model], Field(max_length=_MOST_MODELS)] | None


class Budget(NoUnenforced, NoZeroRates, Harmless, Body):
    """What keys, users and teams have in common."""

    models: Models = Field(
        default=None,
        description="Model groups that may be used; `*` stands for any characters. Empty or null: all. "
        "`all-proxy-models` is all, `all-team-models` those of the team, `no-default-models` none.",
    )
    max_budget: Usd = Field(default=None, description="US dollars that may be spent. Null: no limit.")
    budget_duration: Duration = Field(
        default=None,
        description="After which time the budget begins anew: `30s`, `10m`, `24h`, `7d`, `30d`, `1mo`. Null: never. "
        "Empty: as it was.",
    )
    soft_budget: Usd = Field(default=None, description="Kept; has no effect here.")
    rpm_limit: Count = Field(default=None, description="Requests a minute. Null: no limit.")
    tpm_limit: Count = Field(default=None, description="Kept; has no effect here.")
    metadata: Metadata = Field(
        default=None,
        description="Kept. `tags` go on everything that is run. `visibility: own` hides what is a team's. Limits: "
        "`max_batch_file_records`, `max_batch_file_size_mb`, `max_batch_file_uploads_per_day`, "
        "`batch_enqueued_token_limit`, `max_open_batches`, `max_batches_per_hour`; also as strings of digits.",
    )
    blocked: bool | None = Field(default=None, description="Whether it may not be used.")
    spend: Usd = Field(default=None, description="What is to count as spent of the budget, also elsewhere before.")


B = TypeVar("B", bound=Body)


def asked(request: Request, model: type[B]) -> dict[str, Any]:
    """The fields that a request's body has; BadRequest names the first that is wrong."""
    return judged(json_object(request), model)


def judged(body: Mapping[str, Any], model: type[B]) -> dict[str, Any]:
    """The fields of a body that was read already."""
    try:
        found = model.model_validate(body)
    except ValidationError as error:
        raise _told(error.errors(include_url=False, include_input=False)[0]) from None
    return found.model_dump(exclude_unset=True)


def _told(error: Mapping[str, Any]) -> BadRequest:
    name = ".".join(str(part) for part in error["loc"])[:_ECHO]
    if error["type"] == "missing":
        message = f"Missing required parameter: '{name}'."
        return BadRequest(message, param=name, code="missing_required_parameter")
    why = _WHY.get(error["type"], error["msg"].removeprefix("Value error, "))
    if not name:
        return BadRequest(f"{why[:1].upper()}{why[1:]}.", code="invalid_value")
    code = "invalid_type" if error["type"].endswith("_type") or "parsing" in error["type"] else "invalid_value"
    return BadRequest(f"Invalid '{name}': {why}.", param=name, code=code)
