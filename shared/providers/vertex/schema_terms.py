"""The keywords of one schema node: which types it allows, which values, and between which bounds."""

import math
from typing import Any, Final

from shared.lines.checks import array, number, text, wrong_value

__all__ = ["bounds_of", "enum_of", "types_of", "values_of"]

_INF: Final = math.inf
_MOST: Final = 1e300
_TYPES: Final = {"string", "integer", "number", "boolean", "array", "object", "null"}


def types_of(flat: dict[str, Any], param: str) -> list[str]:
    """The types of a node; where none is given, those that its other keywords speak of."""
    given = flat.get("type")
    if given is not None:
        names = given if isinstance(given, list) else [given]
        for name in names:
            if text(name, f"{param}.type").lower() not in _TYPES:
                raise wrong_value(f"{param}.type", f"supported types are: {', '.join(sorted(_TYPES))}.")
        if names:
            return list(dict.fromkeys(name.lower() for name in names))
    if "properties" in flat:
        return ["object"]
    if "items" in flat:
        return ["array"]
    if (values := values_of(flat, param)) is not None:
        kinds = dict.fromkeys(_type_of(value, param) for value in values)
        return [kind for kind in kinds if kind != "integer" or "number" not in kinds]
    raise wrong_value(param, "a schema without a type cannot be expressed for Gemini.")


def values_of(flat: dict[str, Any], param: str) -> list[Any] | None:
    """What `enum` and `const` leave to choose from."""
    if "const" in flat:
        values = [flat["const"]]
        if "enum" in flat and flat["const"] not in array(flat["enum"], f"{param}.enum"):
            raise wrong_value(f"{param}.const", "it is not among the values of enum.")
        return values
    if "enum" not in flat:
        return None
    if not array(flat["enum"], f"{param}.enum"):
        raise wrong_value(f"{param}.enum", "it must not be empty.")
    return flat["enum"]  # type: ignore[no-any-return]


def _type_of(value: Any, param: str) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            raise wrong_value(f"{param}.enum", "its values must be strings, numbers or booleans.")


def enum_of(values: list[Any], kind: str, param: str) -> dict[str, Any]:
    """The values of one type, as strings; nothing where there are none."""
    wanted = {"number": {"number", "integer"}}.get(kind, {kind})
    mine = [value for value in values if _type_of(value, param) in wanted]
    if not mine:
        return {}
    if kind == "boolean":
        if len(set(mine)) < 2:
            raise wrong_value(f"{param}.enum", "a single boolean cannot be expressed for Gemini.")
        return {"type": "BOOLEAN"}
    if kind == "string":
        if "" in mine:
            raise wrong_value(f"{param}.enum", "an empty string cannot be expressed for Gemini.")
        return {"enum": list(dict.fromkeys(mine))}
    return {"format": "enum", "enum": list(dict.fromkeys(str(value) for value in mine))}


def _open_bound(flat: dict[str, Any], name: str, kind: str, param: str) -> float | None:
    """A bound that is itself excluded: for integers it is the next one."""
    limit = flat.get(name, False)
    if limit is False:
        return None
    if kind != "integer" or limit is True:
        raise wrong_value(f"{param}.{name}", "this constraint can be expressed for integers only, as a number.")
    return number(limit, f"{param}.{name}", -(2.0**53), 2.0**53)


def bounds_of(flat: dict[str, Any], kind: str, param: str) -> dict[str, float]:
    bounds: dict[str, float] = {}
    for name in ("minimum", "maximum"):
        if name in flat:
            bounds[name] = float(number(flat[name], f"{param}.{name}", -_MOST, _MOST))
    if (least := _open_bound(flat, "exclusiveMinimum", kind, param)) is not None:
        bounds["minimum"] = max(bounds.get("minimum", -_INF), math.floor(least) + 1.0)
    if (most := _open_bound(flat, "exclusiveMaximum", kind, param)) is not None:
        bounds["maximum"] = min(bounds.get("maximum", _INF), math.ceil(most) - 1.0)
    if flat.get("multipleOf", 1) != 1 or ("multipleOf" in flat and kind != "integer"):
        raise wrong_value(f"{param}.multipleOf", "this constraint cannot be expressed for Gemini.")
    return bounds
