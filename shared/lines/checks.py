"""What a value of a body must be, before any provider is thought of. A path names the place; no value is quoted."""

import re
from collections.abc import Set as AbstractSet
from typing import Any, Final

from shared.lines.errors import LineError

__all__ = ["array", "known", "missing", "object_", "text", "unsupported", "wrong_type", "wrong_value"]

_KINDS: Final = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
}
_ODD: Final = re.compile(r"[^A-Za-z0-9_.$/-]")


def wrong_type(param: str, expected: str, value: Any) -> LineError:
    kind = _KINDS.get(type(value), "an object")
    return LineError("invalid_type", f"Invalid type for '{param}': expected {expected}, but got {kind} instead.", param)


def wrong_value(param: str, why: str) -> LineError:
    return LineError("invalid_value", f"Invalid value for '{param}': {why}", param)


def missing(param: str) -> LineError:
    return LineError("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def unsupported(param: str, why: str = "it is not known here.") -> LineError:
    return LineError("unsupported_parameter", f"Unsupported parameter: '{param}': {why}", param)


def text(value: Any, param: str) -> str:
    if not isinstance(value, str):
        raise missing(param) if value is None else wrong_type(param, "a string", value)
    return value


def array(value: Any, param: str) -> list[Any]:
    if not isinstance(value, list):
        raise missing(param) if value is None else wrong_type(param, "an array", value)
    return value


def object_(value: Any, param: str) -> dict[str, Any]:
    """Its members that say something: null is OpenAI's way to say: not given."""
    if not isinstance(value, dict):
        raise missing(param) if value is None else wrong_type(param, "an object", value)
    return {name: member for name, member in value.items() if member is not None}


def known(value: dict[str, Any], names: AbstractSet[str], param: str = "") -> None:
    """Refuse what we do not know, by name: nothing that a caller wrote is dropped in silence."""
    if not value.keys() <= names:
        name = _ODD.sub("?", min(value.keys() - names)[:64])
        raise unsupported(f"{param}.{name}" if param else name)
