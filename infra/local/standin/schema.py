"""The plainest JSON value that fits a schema: Gemini's OpenAPI subset or JSON Schema, in either spelling."""

import math
from typing import Any, Final

from infra.local.standin.request import snake

__all__ = ["value_for"]

_DEEPEST: Final = 12
_FORMATS: Final = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "stand-in@example.invalid",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.invalid/stand-in",
    "ipv4": "192.0.2.1",
}


def value_for(schema: object, depth: int = 0) -> Any:
    """Every declared property is there, every string says that it is a stand-in's."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return "stand-in"
    said = {snake(name): member for name, member in schema.items()}
    for choice in ("any_of", "one_of"):
        if said.get(choice):
            return value_for(said[choice][0], depth + 1)
    if said.get("enum"):
        return said["enum"][0]
    return said["const"] if "const" in said else _of_type(said, depth)


def _of_type(said: dict[str, Any], depth: int) -> Any:
    kind = said.get("type", "object" if "properties" in said else "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    makers: dict[str, Any] = {
        "object": lambda: _object(said, depth),
        "array": lambda: [value_for(said.get("items"), depth + 1)] * min(max(1, int(said.get("min_items", 1))), 100),
        "integer": lambda: math.ceil(_number(said)),
        "number": lambda: _number(said),
        "boolean": lambda: True,
        "null": lambda: None,
    }
    return makers.get(str(kind).lower(), lambda: _text(said))()


def _number(said: dict[str, Any]) -> float:
    least, most = said.get("minimum"), said.get("maximum")
    if least is not None:
        return float(least)
    return 1 if most is None else min(1, float(most))


def _object(said: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = said.get("properties") or {}
    order = [name for name in said.get("property_ordering") or [] if name in properties]
    names = [*order, *(name for name in properties if name not in order)]
    return {name: value_for(properties[name], depth + 1) for name in names}


def _text(said: dict[str, Any]) -> str:
    text = _FORMATS.get(str(said.get("format")), "stand-in")
    text = text.ljust(min(int(said.get("min_length", 0)), 10_000), "-")
    return text[: int(said["max_length"])] if "max_length" in said else text
