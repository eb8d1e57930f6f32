"""Parameters of callers, judged one by one, with OpenAI's own words for what is wrong with them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.domain.clock import SECOND
from shared.domain.errors import BadRequest
from shared.domain.files import LIVES

__all__ = [
    "expiry",
    "integer",
    "invalid_value",
    "invalid_window",
    "metadata",
    "number",
    "one_of",
    "required",
    "string",
    "tags",
]

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_ANCHOR: Final = "created_at"
_MOST_PAIRS, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512  # OpenAI's limits of metadata
_LONGEST_ECHO: Final = 100
_MOST_TAGS, _LONGEST_TAG = 10, 128
_KINDS: Final[Mapping[type, str]] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
}


def required(value: Any, name: str) -> Any:
    """`value`, unless it is absent."""
    if value is None:
        raise BadRequest(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    return value


def string(value: Any, name: str, *, longest: int = 1024) -> str:
    """A string that is there, is not empty and is not too long."""
    value = _typed(required(value, name), str, name, "a string")
    if not value:
        raise BadRequest(f"Invalid '{name}': empty string.", param=name, code="empty_string")
    return _short_enough(value, name, longest)


def one_of(value: Any, supported: Sequence[str], name: str) -> str:
    """A string that is one of those."""
    value = _typed(required(value, name), str, name, "a string")
    if value not in supported:
        raise invalid_value(value, name, supported)
    return str(value)


def invalid_value(value: str, name: str, supported: Sequence[str]) -> BadRequest:
    quoted = [f"'{each}'" for each in supported]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    message = f"Invalid value: '{value[:_LONGEST_ECHO]}'. Supported values are: {listed}."
    return BadRequest(message, param=name, code="invalid_value")


def invalid_window(value: str) -> BadRequest:
    message = (
        f"Invalid 'completion_window': '{value[:_LONGEST_ECHO]}'. "
        "Supported values are: '24h', and other whole hours from '1h' to '96h'."
    )
    return BadRequest(message, param="completion_window", code="invalid_value")


def integer(value: Any, name: str, *, least: int, most: int | None = None) -> int:
    """A JSON integer within bounds."""
    value = required(value, name)
    if isinstance(value, float) and value.is_integer():  # 3600.0 is an integer, too, says JSON Schema
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid_type(value, name, "an integer")
    if value < least:
        raise _out_of_range(value, name, f"below minimum value. Expected a value >= {least}", "integer_below_min_value")
    if most is not None and value > most:
        raise _out_of_range(value, name, f"above maximum value. Expected a value <= {most}", "integer_above_max_value")
    return value


def number(text: str, name: str) -> int:
    """The integer that stands in a form field or a query parameter."""
    if not _INTEGER.fullmatch(text):
        raise _invalid_type(text, name, "an integer")
    return int(text)


def expiry(value: Any, name: str, *, shape: str = "{}.{}") -> int | None:
    """Milliseconds of life that `{"anchor": "created_at", "seconds": n}` asks for; None where nothing is asked for."""
    if value is None:
        return None
    value = _typed(value, dict, name, "an object")
    one_of(value.get("anchor"), (_ANCHOR,), shape.format(name, "anchor"))
    least, most = (each // SECOND for each in LIVES)
    return integer(value.get("seconds"), shape.format(name, "seconds"), least=least, most=most) * SECOND


def metadata(value: Any, name: str = "metadata") -> dict[str, str] | None:
    """Up to sixteen pairs of strings, or nothing."""
    if value is None:
        return None
    value = _typed(value, dict, name, "an object")
    if len(value) > _MOST_PAIRS:
        raise BadRequest(
            f"Invalid '{name}': too many properties. Expected an object with at most {_MOST_PAIRS} properties, "
            f"but got an object with {len(value)} properties instead.",
            param=name,
            code="object_above_max_properties",
        )
    for key, member in value.items():
        if len(key) > _LONGEST_KEY:
            raise BadRequest(
                f"Invalid '{name}': property name too long. Expected names of at most {_LONGEST_KEY} characters, "
                f"but got one with {len(key)} characters instead.",
                param=name,
                code="string_above_max_length",
            )
        _short_enough(_typed(member, str, f"{name}.{key}", "a string"), f"{name}.{key}", _LONGEST_VALUE)
    return dict(value)


def tags(said: Any, header: str, name: str = "litellm_metadata") -> tuple[str, ...]:
    """`tags` of LiteLLM's metadata and of its header `x-litellm-tags`: what cost is summed up by, beside its key."""
    listed = _typed(said, dict, name, "an object").get("tags") if said is not None else None
    name = f"{name}.tags"
    both = [*(_typed(listed, list, name, "an array") if listed is not None else ()), *header.split(",")]
    found = tuple(dict.fromkeys(tag.strip() for tag in (_typed(each, str, name, "a string") for each in both)))
    found = tuple(filter(None, found))
    if len(found) > _MOST_TAGS:
        raise BadRequest(f"Invalid '{name}': at most {_MOST_TAGS} tags, but got {len(found)}.", param=name)
    for tag in found:
        _short_enough(tag, name, _LONGEST_TAG)
    return found


def _typed(value: Any, kind: type, name: str, expected: str) -> Any:
    if not isinstance(value, kind):
        raise _invalid_type(value, name, expected)
    return value


def _short_enough(value: str, name: str, longest: int) -> str:
    if len(value) > longest:
        raise BadRequest(
            f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, "
            f"but got a string with length {len(value)} instead.",
            param=name,
            code="string_above_max_length",
        )
    return value


def _out_of_range(value: int, name: str, problem: str, code: str) -> BadRequest:
    shown = str(value) if abs(value) < 10**_LONGEST_ECHO else "a larger one"
    return BadRequest(f"Invalid '{name}': integer {problem}, but got {shown} instead.", param=name, code=code)


def _invalid_type(value: object, name: str, expected: str) -> BadRequest:
    message = f"Invalid type for '{name}': expected {expected}, but got {_kind(value)} instead."
    return BadRequest(message, param=name, code="invalid_type")


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS.get(type(value), "an object")
