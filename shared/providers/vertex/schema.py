"""JSON Schema as Gemini's Schema, in a form that the importer takes: no `$` keys, one type per node, no nulls.

What only annotates is left out (`title`, `default`, `examples` …, and formats that Gemini does not know); what
constrains and cannot be expressed is a line error that names the place. `additionalProperties: false` needs no
expression: Gemini writes no property that it was not told of. Numbers in an `enum` keep their type and are written as
strings, as Google's documentation of Schema has it: {"type": "INTEGER", "format": "enum", "enum": ["101", "201"]}.
An `anyOf` stands alone, since Vertex allows no other field beside it: its siblings move into its branches.
"""

from typing import Any, Final

import msgspec

from shared.lines.checks import (
    array,
    integer,
    object_,
    shown,
    text,
    wrong_type,
    wrong_value,
)
from shared.lines.errors import LineError
from shared.providers.vertex.importer import Shape, check_level, check_name
from shared.providers.vertex.schema_cache import Key, Recent, Result
from shared.providers.vertex.schema_merge import Document
from shared.providers.vertex.schema_terms import bounds_of, enum_of, types_of, values_of

__all__ = ["RECENT", "convert"]

RECENT: Final = 2 * 2**20  # bytes of schemas that are worth remembering
_recent: Final = Recent(RECENT)
_MAX_NODES: Final = 5000
_MAX_DEPTH: Final = 24  # while reading; what comes out is measured by the importer's rule
_FORMATS: Final = {
    "string": frozenset({"date-time"}),
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}
_ANNOTATIONS: Final = frozenset(
    {
        "title",
        "default",
        "example",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "contentEncoding",
        "contentMediaType",
        "discriminator",
        "externalDocs",
        "xml",
        "definitions",
        "propertyOrdering",
    }
)
_WHOLE: Final = {  # counts, by the type that they constrain
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_KNOWN: Final = frozenset(
    {
        "type",
        "format",
        "description",
        "nullable",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "items",
        "properties",
        "required",
        "additionalProperties",
        "unevaluatedProperties",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "uniqueItems",
        "pattern",
        *(name for names in _WHOLE.values() for name in names),
    }
)


def convert(schema: Any, param: str, path: str, level: int, shape: Shape, *, ordered: bool = False) -> dict[str, Any]:
    """The schema in Gemini's words, to be read and not changed.

    `level` is its own depth in the row; `ordered` asks for answers in our order. The lines of a file mostly share
    their schemas, so the last ones are kept.
    """
    key = (msgspec.json.encode(object_(schema, param)), param, path, level, ordered)
    result = _recent.get(key)
    if result is None:
        result = _converted(key)
        _recent.keep(key, result)
    if isinstance(result, LineError):
        raise LineError(result.code, result.message, result.param)
    converted, found = result
    shape.absorb(found, param)
    return converted


def _converted(key: Key) -> Result:
    raw, param, path, level, ordered = key
    root = msgspec.json.decode(raw)
    shape = Shape()
    try:
        converted = _Converter(root, ordered=ordered).node(root, param, 0)
        _survey(converted, param, path, level, shape)
    except LineError as error:
        return LineError(error.code, error.message, error.param)  # without its traceback, which holds all of the above
    return converted, shape


def _survey(schema: dict[str, Any], param: str, path: str, level: int, shape: Shape) -> None:
    """Check how deep a finished schema is, and note the only names in it that are the caller's: its properties."""
    lists = any(isinstance(value, list) for value in schema.values())
    check_level(level + (1 if lists or "properties" in schema else 0), param)
    for at, branch in enumerate(schema.get("anyOf", ())):
        _survey(branch, f"{param}.anyOf[{at}]", f"{path}.anyof", level + 2, shape)
    if "items" in schema:
        _survey(schema["items"], f"{param}.items", f"{path}.items", level + 1, shape)
    for name, inner in schema.get("properties", {}).items():
        here, below = f"{param}.properties.{shown(name)}", f"{path}.properties.{name.lower()}"
        shape.record(below, name, "struct", here)
        _survey(inner, here, below, level + 2, shape)


class _Converter:
    __slots__ = ("document", "nodes", "ordered")

    def __init__(self, root: dict[str, Any], *, ordered: bool) -> None:
        self.document = Document(root)
        self.ordered = ordered
        self.nodes = 0

    def node(self, schema: Any, param: str, depth: int) -> dict[str, Any]:
        self.nodes += 1
        if depth > _MAX_DEPTH or self.nodes > _MAX_NODES:
            why = "too deep or too large for batch prediction; a recursive schema, which has no end, is never possible."
            raise LineError("invalid_value", f"Invalid value for '{param}': the schema is {why}", param)
        flat = self.document.flat(schema, param)
        _refuse_unknown(flat, param)
        if "anyOf" in flat or "oneOf" in flat:
            branches, nullable = self._union(flat, param, depth)
        else:
            branches, nullable = self._typed(flat, param, depth)
        return _one(branches, param, flat.get("description"), nullable=nullable)

    def _union(self, flat: dict[str, Any], param: str, depth: int) -> tuple[list[dict[str, Any]], bool]:
        """The branches of anyOf, each with all that stands beside it."""
        if "anyOf" in flat and "oneOf" in flat:
            raise wrong_value(param, "anyOf and oneOf of one schema cannot be expressed together.")
        key = "anyOf" if "anyOf" in flat else "oneOf"
        beside = {name: value for name, value in flat.items() if name in _KNOWN and name not in {key, "description"}}
        nullable = beside.pop("nullable", False) is True
        branches: list[dict[str, Any]] = []
        for at, branch in enumerate(array(flat[key], f"{param}.{key}")):
            here = f"{param}.{key}[{at}]"
            whole = {"allOf": [object_(branch, here), beside]} if beside else branch
            node = self.node(whole, here, depth + 1)
            inner = node.get("anyOf", [node])
            nullable = nullable or any(one.pop("nullable", False) or one.get("type") == "NULL" for one in inner)
            branches += [one for one in inner if one.get("type") != "NULL"]
        if not branches and not nullable:
            raise wrong_value(f"{param}.{key}", "it must not be empty.")
        return branches, nullable

    def _typed(self, flat: dict[str, Any], param: str, depth: int) -> tuple[list[dict[str, Any]], bool]:
        """One branch for each type that is possible, and whether null is."""
        types = types_of(flat, param)
        values = values_of(flat, param)
        nullable = ("null" in types or flat.get("nullable") is True) and (values is None or None in values)
        types = [kind for kind in types if kind != "null"]
        branches = []
        for kind in types:
            branch: dict[str, Any] = {"type": kind.upper()}
            if values is not None:
                mine = enum_of(values, kind, param)
                if not mine:
                    continue
                branch |= mine
            self._constraints(branch, flat, kind, param, depth)
            branches.append(branch)
        return branches, nullable

    def _constraints(self, branch: dict[str, Any], flat: dict[str, Any], kind: str, param: str, depth: int) -> None:
        if isinstance(flat.get("format"), str) and flat["format"] in _FORMATS.get(kind, ()):
            branch.setdefault("format", flat["format"])
        for name in _WHOLE.get(kind, ()):
            if name in flat:
                branch[name] = integer(flat[name], f"{param}.{name}", 0)
        match kind:
            case "string" if "pattern" in flat:
                branch["pattern"] = text(flat["pattern"], f"{param}.pattern")
            case "integer" | "number":
                branch |= bounds_of(flat, kind, param)
            case "array":
                self._items(branch, flat, param, depth)
            case "object":
                self._properties(branch, flat, param, depth)
            case _:  # nothing else constrains a boolean, or a string without a pattern
                pass

    def _items(self, branch: dict[str, Any], flat: dict[str, Any], param: str, depth: int) -> None:
        if flat.get("uniqueItems") is True:
            raise wrong_value(f"{param}.uniqueItems", "this constraint cannot be expressed for Gemini.")
        if "items" not in flat:
            raise wrong_value(param, "an array needs 'items' for Gemini.")
        branch["items"] = self.node(flat["items"], f"{param}.items", depth + 1)

    def _properties(self, branch: dict[str, Any], flat: dict[str, Any], param: str, depth: int) -> None:
        for name in ("additionalProperties", "unevaluatedProperties"):
            if flat.get(name, False) not in (True, False, {}):
                raise wrong_value(f"{param}.{name}", "a schema for further properties cannot be expressed for Gemini.")
        properties = {}
        for name, schema in object_(flat.get("properties", {}), f"{param}.properties").items():
            here = f"{param}.properties.{shown(name)}"
            check_name(name, here)
            properties[name] = self.node(schema, here, depth + 1)
        required = array(flat.get("required", []), f"{param}.required")
        for at, name in enumerate(required):
            if text(name, f"{param}.required[{at}]") not in properties:
                raise wrong_value(f"{param}.required[{at}]", "it is not among the properties.")
        if properties:
            branch["properties"] = properties
        if required:
            branch["required"] = list(dict.fromkeys(required))
        if self.ordered and len(properties) > 1:
            branch["propertyOrdering"] = list(properties)


def _refuse_unknown(flat: dict[str, Any], param: str) -> None:
    for name, value in flat.items():
        if name in _KNOWN or name in _ANNOTATIONS or name.startswith(("$", "x-")):
            continue
        if value is not False:
            raise wrong_value(f"{param}.{shown(name)}", "this constraint cannot be expressed for Gemini.")


def _one(branches: list[dict[str, Any]], param: str, description: Any, *, nullable: bool) -> dict[str, Any]:
    """The only branch, or an anyOf of all."""
    if description is not None and not isinstance(description, str):
        raise wrong_type(f"{param}.description", "a string", description)
    if not branches:
        if not nullable:
            raise wrong_value(param, "no value can satisfy this schema.")
        branches = [{"type": "NULL"}]
        nullable = False
    for branch in branches:
        if nullable:
            branch["nullable"] = True
        if description:
            own = branch.get("description")
            branch["description"] = f"{description}\n{own}" if own else description
    return branches[0] if len(branches) == 1 else {"anyOf": branches}
