"""JSON Schema as JSON Schema, in a form that the importer takes: for models that speak it themselves.

References are put in place of what they point to, allOf is merged, a list of types becomes an anyOf, and what only
annotates is left out, as are empty members, which say nothing. What constrains and cannot be held by the importer is a
line error that names the place.
"""

from typing import Any, Final

from shared.lines.checks import array, object_, shown, text, wrong_value
from shared.providers.vertex.importer import check_name
from shared.providers.vertex.schema_merge import Document

__all__ = ["plain_schema"]

_MAX_NODES: Final = 5000
_MAX_DEPTH: Final = 12  # more than 15 levels of a row cannot hold
_DROPPED: Final = frozenset(
    {"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "default", "example", "examples"}
    | {"deprecated", "readOnly", "writeOnly"}
)
_SINGLE: Final = frozenset(
    {"description", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "uniqueItems", "nullable"}
)
_BRANCHES: Final = ("anyOf", "oneOf")
_TYPE_OF: Final = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


def plain_schema(schema: Any, param: str) -> dict[str, Any]:
    """The schema, to be surveyed at its place in the row; empty where it allows everything."""
    root = object_(schema, param)
    return _Plain(root).node(root, param, 0)


class _Plain:
    __slots__ = ("document", "nodes")

    def __init__(self, root: dict[str, Any]) -> None:
        self.document = Document(root)
        self.nodes = 0

    def node(self, schema: Any, param: str, depth: int) -> dict[str, Any]:
        self.nodes += 1
        if depth > _MAX_DEPTH or self.nodes > _MAX_NODES:
            raise wrong_value(param, "the schema is too deep or too large for batch prediction, or refers to itself.")
        if schema is True:
            return {}
        flat = self.document.flat(schema, param)
        if "const" in flat and flat["const"] is None:
            return {"type": "null"}
        said: dict[str, Any] = {}
        for name, value in flat.items():
            if name in _DROPPED or name.startswith("x-") or value is None:
                continue
            here = f"{param}.{shown(name)}"
            member = self._member(name, value, here, depth)
            if member is not None and member not in ({}, []):
                said[name] = member
        return _one_type(said, param)

    def _member(self, name: str, value: Any, here: str, depth: int) -> Any:
        if name in {"type", "const"} or (name in _SINGLE and isinstance(value, str | bool | int | float)):
            return value
        match name:
            case "required":
                return [text(one, f"{here}[{at}]") for at, one in enumerate(array(value, here))]
            case "enum" if value == []:
                raise wrong_value(here, "it must not be empty.")
            case "enum":
                return array(value, here)
            case "items" | "additionalProperties" | "unevaluatedProperties":
                return value if value is False else self.node(value, here, depth + 1)
            case "properties":
                return self._properties(object_(value, here), here, depth)
            case "anyOf" | "oneOf":
                branches = [self.node(each, f"{here}[{at}]", depth + 1) for at, each in enumerate(array(value, here))]
                if {} in branches and name == "oneOf":
                    raise wrong_value(here, "a branch that allows everything cannot be expressed in batch prediction.")
                return None if {} in branches else branches
            case _:
                raise wrong_value(here, "this constraint cannot be expressed in batch prediction.")

    def _properties(self, properties: dict[str, Any], param: str, depth: int) -> dict[str, Any]:
        """Each with its schema; where that would be empty, with all the types that there are."""
        plain = {}
        for name, schema in properties.items():
            here = f"{param}.{shown(name)}"
            check_name(name, here)
            plain[name] = self.node(schema, here, depth + 1) or _anything()
        return plain


def _anything() -> dict[str, Any]:
    """An object without fields is nothing that a job can import."""
    kinds = ("string", "number", "boolean", "object", "array", "null")
    return {"anyOf": [{"type": kind} for kind in kinds]}


def _one_type(said: dict[str, Any], param: str) -> dict[str, Any]:
    """One type, and an enum of one type; where there are several, a branch for each."""
    given, values = said.get("type"), said.get("enum")
    listed = given if isinstance(given, list) else None if given is None else [given]
    for at, kind in enumerate(listed or ()):
        text(kind, f"{param}.type[{at}]" if isinstance(given, list) else f"{param}.type")
    if isinstance(said.get("const"), dict | list):
        raise wrong_value(f"{param}.const", "batch prediction takes texts, numbers and booleans only.")
    kinds = None if values is None else {_value_type(value, param) for value in values}
    if len(listed or ()) <= 1 and len(kinds or ()) <= 1 and kinds != {"null"}:
        return said if listed is None else {**said, "type": listed[0]}
    if any(name in said for name in _BRANCHES):
        raise wrong_value(
            f"{param}.type", "several types beside anyOf or oneOf cannot be expressed in batch prediction."
        )
    outer = {"description": said["description"]} if "description" in said else {}
    inner = {name: value for name, value in said.items() if name not in {"description", "type", "enum"}}
    branches = []
    for kind in listed or sorted(kinds or ()):
        mine = None if values is None else [each for each in values if _is(each, kind, param)]
        if mine is None or kind == "null":
            if mine is None or mine:
                branches.append({"type": kind, **({} if kind == "null" else inner)})
        elif mine:
            branches.append({"type": kind, "enum": mine, **inner})
    if not branches:
        raise wrong_value(param, "no value can satisfy this schema.")
    return {**outer, **branches[0]} if len(branches) == 1 else {**outer, "anyOf": branches}


def _value_type(value: Any, param: str) -> str:
    if type(value) not in _TYPE_OF:
        raise wrong_value(f"{param}.enum", "batch prediction takes texts, numbers, booleans and null only.")
    return _TYPE_OF[type(value)]


def _is(value: Any, kind: str, param: str) -> bool:
    own = _value_type(value, param)
    return own == kind or (kind == "integer" and type(value) is int)
