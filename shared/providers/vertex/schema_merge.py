"""One schema out of several: `$ref` followed, `allOf` merged, so that what remains has no `$ref` and no `allOf`."""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from shared.lines.checks import array, object_, text, wrong_value

__all__ = ["Document"]

_MAX_HOPS: Final = 40  # of $ref and allOf at one place of a schema
_INDEX: Final = re.compile("[0-9]{1,6}")
_OUTER_WINS: Final = frozenset({"description", "title", "default", "example", "examples", "$comment", "deprecated"})
_DEFINITIONS: Final = frozenset({"$defs", "definitions"})


class Document:
    """A whole schema: what a `$ref` inside it can point to."""

    __slots__ = ("root",)

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def flat(self, schema: Any, param: str, hops: int = 0) -> dict[str, Any]:
        """The keywords that hold at this place."""
        if hops > _MAX_HOPS:
            raise wrong_value(param, "its $ref is recursive, or goes through too many schemas.")
        if schema is True:
            raise wrong_value(param, "a schema without a type cannot be expressed in batch prediction.")
        own = object_(schema, param)
        if "$ref" not in own and "allOf" not in own:
            return own
        merged = {name: value for name, value in own.items() if name not in {"$ref", "allOf"}}
        if "$ref" in own:
            target = self._target(text(own["$ref"], f"{param}.$ref"), f"{param}.$ref")
            _merge(merged, self.flat(target, param, hops + 1), param)
        for at, part in enumerate(array(own.get("allOf", []), f"{param}.allOf")):
            here = f"{param}.allOf[{at}]"
            _merge(merged, self.flat(part, here, hops + 1), here)
        return merged

    def _target(self, ref: str, param: str) -> Any:
        if not ref.startswith("#"):
            raise wrong_value(param, "it must point into the schema itself (#/...).")
        place: Any = self.root
        for step in ref[1:].split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, list) and _INDEX.fullmatch(name) and int(name) < len(place):
                place = place[int(name)]
            elif isinstance(place, dict) and name in place:
                place = place[name]
            else:
                raise wrong_value(param, "it points to nothing.")
        return place


def _merge(into: dict[str, Any], other: dict[str, Any], param: str) -> None:
    """What satisfies both. LineError where one schema cannot say it."""
    for name, value in other.items():
        if name not in into:
            into[name] = value
        elif name in _OUTER_WINS or name in _DEFINITIONS or into[name] == value:
            continue
        elif name in _BOTH:
            into[name] = _BOTH[name](into[name], value, f"{param}.{name}")
        else:
            raise wrong_value(f"{param}.{name}", "allOf with two of these cannot be expressed in batch prediction.")


def _types(one: Any, two: Any, param: str) -> list[Any]:
    first = one if isinstance(one, list) else [one]
    second = two if isinstance(two, list) else [two]
    common = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    common += [kind for kind in second if kind == "integer" and "number" in first and kind not in common]
    if not common:
        raise wrong_value(param, "no value can satisfy all of these types.")
    return common


def _enums(one: Any, two: Any, param: str) -> list[Any]:
    common = [value for value in array(one, param) if value in array(two, param)]
    if not common:
        raise wrong_value(param, "no value can satisfy all of these lists.")
    return common


def _properties(one: Any, two: Any, param: str) -> dict[str, Any]:
    both = dict(object_(one, param))
    for name, schema in object_(two, param).items():
        both[name] = {"allOf": [both[name], schema]} if name in both and both[name] != schema else schema
    return both


def _items(one: Any, two: Any, _: str) -> dict[str, Any]:
    return {"allOf": [one, two]}


def _required(one: Any, two: Any, param: str) -> list[Any]:
    return [*array(one, param), *(name for name in array(two, param) if name not in one)]


def _tighter(choose: Callable[[Any, Any], Any]) -> Callable[[Any, Any, str], Any]:
    def limit(one: Any, two: Any, param: str) -> Any:
        if type(one) not in {int, float} or type(two) not in {int, float}:
            raise wrong_value(param, "it must be a number.")
        return choose(one, two)

    return limit


def _closed(one: Any, two: Any, param: str) -> bool:
    if not isinstance(one, bool) or not isinstance(two, bool):
        raise wrong_value(param, "allOf with two of these cannot be expressed in batch prediction.")
    return one and two


_BOTH: Final[dict[str, Callable[[Any, Any, str], Any]]] = {
    "type": _types,
    "enum": _enums,
    "properties": _properties,
    "items": _items,
    "required": _required,
    "additionalProperties": _closed,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _tighter(max)),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _tighter(min)),
}
