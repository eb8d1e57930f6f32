"""What a value of a body must be, said as OpenAI says it. A path names the place; the value is never quoted."""

import re
from collections.abc import Set as AbstractSet
from typing import Any, Final

from shared.lines.errors import LineError

__all__ = [
    "INT64",
    "array",
    "flag",
    "integer",
    "members",
    "missing",
    "number",
    "object_",
    "one_of",
    "only",
    "shown",
    "text",
    "unsupported",
    "wrong_type",
    "wrong_value",
]

INT64: Final = 2**63 - 1
_NAME: Final = 64  # how much of a name of the caller's own we repeat
_KINDS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
}
_ODD: Final = re.compile(r"[^A-Za-z0-9_.$/-]")


def shown(name: str) -> str:
    """A name that the caller made up, short and harmless enough for a message."""
    return _ODD.sub("?", name[:_NAME])


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "an object")


def wrong_type(param: str, expected: str, value: Any) -> LineError:
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return LineError("invalid_type", message, param)


def wrong_value(param: str, why: str) -> LineError:
    return LineError("invalid_value", f"Invalid value for '{param}': {why}", param)


def missing(param: str) -> LineError:
    return LineError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def unsupported(param: str, why: str = "it is not supported by this model.") -> LineError:
    return LineError("unsupported_parameter", f"Unsupported parameter: '{param}': {why}", param)


def _other(value: Any, param: str, expected: str) -> LineError:
    """Null is OpenAI's way to say: not given."""
    return missing(param) if value is None else wrong_type(param, expected, value)


def text(value: Any, param: str) -> str:
    if not isinstance(value, str):
        raise _other(value, param, "a string")
    return value


def flag(value: Any, param: str) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(param, "a boolean", value)
    return value


def integer(value: Any, param: str, low: int = -INT64 - 1, high: int = INT64) -> int:
    if type(value) is not int:
        raise wrong_type(param, "an integer", value)
    if not low <= value <= high:
        raise wrong_value(param, f"it must be between {low} and {high}.")
    return value


def number(value: Any, param: str, low: float, high: float) -> float:
    if type(value) is not float and type(value) is not int:
        raise wrong_type(param, "a number", value)
    if not low <= value <= high:
        raise wrong_value(param, f"it must be between {low} and {high}.")
    return value


def array(value: Any, param: str) -> list[Any]:
    if not isinstance(value, list):
        raise _other(value, param, "an array")
    return value


def object_(value: Any, param: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _other(value, param, "an object")
    return value


def one_of(value: Any, param: str, allowed: AbstractSet[str]) -> str:
    if text(value, param) not in allowed:
        raise wrong_value(param, f"supported values are: {', '.join(sorted(allowed))}.")
    return value  # type: ignore[no-any-return]


def members(value: Any, param: str) -> dict[str, Any]:
    """Those members of an object that say something."""
    return {name: member for name, member in object_(value, param).items() if member is not None}


def only(value: dict[str, Any], known: AbstractSet[str], param: str = "") -> None:
    """Refuse what we do not know, by name: nothing that a caller wrote is dropped in silence."""
    if not value.keys() <= known:
        name = shown(min(value.keys() - known))
        raise unsupported(f"{param}.{name}" if param else name, "it is not known here.")
