"""JSON Schema in Gemini's words."""

import gc
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from shared.lines.errors import LineError
from shared.providers.vertex.importer import Shape
from shared.providers.vertex.schema import RECENT, convert
from shared.providers.vertex.schema_cache import Key, Recent
from tests.providers.vertex.rules import breaches, chat, request

ROOT = "response_format.json_schema.schema"


def body(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **more}}}


def converted(schema: dict[str, Any]) -> dict[str, Any]:
    """A property's schema, as it comes out."""
    whole = {"type": "object", "properties": {"p": schema}}
    made = request(**body(whole))
    assert breaches({"key": "r-000001", "request": made}) == []
    assert chat(**body(whole)).rows == chat(**body(json.loads(json.dumps(whole)))).rows
    result: dict[str, Any] = made["generationConfig"]["responseSchema"]["properties"]["p"]
    return result


STRING = {"type": "STRING"}
INTEGER = {"type": "INTEGER"}

CONVERSIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "string", "title": "T", "default": None, "examples": [], "$comment": "c", "x-mine": 1}, STRING),
    ({"type": "STRING"}, STRING),
    ({"type": "string", "description": "d"}, {"type": "STRING", "description": "d"}),
    (
        {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "a+"},
        {"type": "STRING", "minLength": 1, "maxLength": 5, "pattern": "a+"},
    ),
    ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
    ({"type": "string", "format": "uuid"}, STRING),
    ({"type": "string", "format": ["odd"]}, STRING),
    ({"type": "string", "minimum": 5}, STRING),
    ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
    ({"type": "string", "nullable": True}, {"type": "STRING", "nullable": True}),
    ({"type": "null"}, {"type": "NULL"}),
    (
        {"type": ["string", "integer"], "minLength": 2, "minimum": 0},
        {"anyOf": [{"type": "STRING", "minLength": 2}, {"type": "INTEGER", "minimum": 0}]},
    ),
    (
        {"type": ["string", "integer", "null"]},
        {"anyOf": [{"type": "STRING", "nullable": True}, {"type": "INTEGER", "nullable": True}]},
    ),
    (
        {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
        {"type": "STRING", "nullable": True, "description": "d"},
    ),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [STRING, INTEGER]}),
    (
        {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "boolean"}]},
        {"anyOf": [STRING, INTEGER, {"type": "BOOLEAN"}]},
    ),
    (
        {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 2}]},
        {"anyOf": [{"type": "INTEGER", "minimum": 5}, {"type": "INTEGER", "maximum": 2}]},
    ),
    ({"enum": ["a", "b", "a"]}, {"type": "STRING", "enum": ["a", "b"]}),
    ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
    ({"type": "integer", "enum": [101, 201]}, {"type": "INTEGER", "format": "enum", "enum": ["101", "201"]}),
    ({"enum": [1, 1.5]}, {"type": "NUMBER", "format": "enum", "enum": ["1", "1.5"]}),
    ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
    ({"type": "string", "enum": ["a", None]}, {"type": "STRING", "enum": ["a"]}),
    ({"type": ["string", "null"], "enum": ["a"]}, {"type": "STRING", "enum": ["a"]}),
    (
        {"enum": ["a", 1]},
        {"anyOf": [{"type": "STRING", "enum": ["a"]}, {"type": "INTEGER", "format": "enum", "enum": ["1"]}]},
    ),
    ({"enum": [True, False]}, {"type": "BOOLEAN"}),
    (
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9.5},
        {"type": "INTEGER", "minimum": 1, "maximum": 9},
    ),
    ({"type": "integer", "minimum": 5, "exclusiveMinimum": 0, "multipleOf": 1}, {"type": "INTEGER", "minimum": 5}),
    ({"type": "number", "minimum": 0.5, "exclusiveMaximum": False}, {"type": "NUMBER", "minimum": 0.5}),
    (
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": False},
        {"type": "ARRAY", "minItems": 1, "items": STRING},
    ),
    ({"items": {"type": "string"}}, {"type": "ARRAY", "items": STRING}),
    ({"type": "object"}, {"type": "OBJECT"}),
    ({"type": "object", "properties": {}, "required": [], "additionalProperties": True}, {"type": "OBJECT"}),
    (
        {"properties": {"b": {"type": "string"}, "a": {"type": "integer"}}, "required": ["a", "a"]},
        {
            "type": "OBJECT",
            "properties": {"b": STRING, "a": INTEGER},
            "required": ["a"],
            "propertyOrdering": ["b", "a"],
        },
    ),
    (
        {"allOf": [{"type": "string"}, {"minLength": 2}, {"minLength": 3}], "description": "outer"},
        {"type": "STRING", "minLength": 3, "description": "outer"},
    ),
    (
        {"allOf": [{"type": "number"}, {"type": "integer", "maximum": 5}, {"maximum": 7}]},
        {"type": "INTEGER", "maximum": 5},
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "allOf": [{"properties": {"a": {"minLength": 1}, "b": {"type": "integer"}}, "required": ["b"]}],
        },
        {
            "type": "OBJECT",
            "properties": {"a": {"type": "STRING", "minLength": 1}, "b": INTEGER},
            "required": ["a", "b"],
            "propertyOrdering": ["a", "b"],
        },
    ),
    ({"allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}, {"type": "STRING", "enum": ["b"]}),
    ({"type": "object", "discriminator": {}, "unevaluatedProperties": False}, {"type": "OBJECT"}),
]


@pytest.mark.parametrize(("schema", "made"), CONVERSIONS, ids=lambda case: json.dumps(case)[:60])
def test_a_schema_is_said_in_geminis_words(schema: dict[str, Any], made: dict[str, Any]) -> None:
    assert converted(schema) == made


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"title": "Any"}, ""),
    ({"type": "text"}, ".type"),
    ({"type": 5}, ".type"),
    ({"type": "array"}, ""),
    ({"type": "array", "items": True}, ".items"),
    ({"type": "array", "items": [{"type": "string"}]}, ".items"),
    ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, ".uniqueItems"),
    ({"type": "array", "prefixItems": [{"type": "string"}]}, ".prefixItems"),
    ({"type": "object", "additionalProperties": {"type": "string"}}, ".additionalProperties"),
    ({"type": "object", "patternProperties": {"a": {}}}, ".patternProperties"),
    ({"type": "object", "required": ["a"]}, ".required[0]"),
    ({"type": "object", "required": [5]}, ".required[0]"),
    ({"type": "object", "properties": []}, ".properties"),
    ({"type": "object", "properties": {"a-b": {"type": "string"}}}, ".properties.a-b"),
    ({"type": "object", "properties": {"$a": {"type": "string"}}}, ".properties.$a"),
    ({"type": "object", "properties": {"a": {"type": "string"}, "A": {"type": "string"}}}, ".properties.A"),
    ({"type": "string", "not": {"const": "a"}}, ".not"),
    ({"type": "string", "if": {}}, ".if"),
    ({"type": "string", "frobnicate": 1}, ".frobnicate"),
    ({"type": "string", "minLength": -1}, ".minLength"),
    ({"type": "string", "maxLength": "5"}, ".maxLength"),
    ({"type": "string", "pattern": 5}, ".pattern"),
    ({"type": "string", "description": 5}, ".description"),
    ({"type": "number", "exclusiveMinimum": 0}, ".exclusiveMinimum"),
    ({"type": "integer", "exclusiveMinimum": True}, ".exclusiveMinimum"),
    ({"type": "integer", "multipleOf": 5}, ".multipleOf"),
    ({"type": "integer", "minimum": "0"}, ".minimum"),
    ({"enum": []}, ".enum"),
    ({"enum": "a"}, ".enum"),
    ({"enum": [{}]}, ".enum"),
    ({"enum": [""]}, ".enum"),
    ({"const": True}, ".enum"),
    ({"const": "a", "enum": ["b"]}, ".const"),
    ({"type": "integer", "enum": ["a"]}, ""),
    ({"anyOf": []}, ".anyOf"),
    ({"anyOf": [5]}, ".anyOf[0]"),
    ({"anyOf": [{"type": "string"}], "oneOf": [{"type": "string"}]}, ""),
    ({"allOf": [{"type": "string"}, {"type": "integer"}]}, ".allOf[1].type"),
    ({"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, ".allOf[1].pattern"),
    ({"allOf": [{"enum": ["a"]}, {"enum": ["b"]}]}, ".allOf[1].enum"),
    ({"$ref": "#/$defs/none"}, ".$ref"),
    ({"$ref": "https://example.com/schema"}, ".$ref"),
    ({"$ref": 5}, ".$ref"),
    ({"$ref": "#/required/0000000009999999"}, ".$ref"),
]


@pytest.mark.parametrize(("schema", "place"), REFUSED, ids=lambda case: json.dumps(case)[:60])
def test_what_cannot_be_expressed_is_said_with_its_place(schema: dict[str, Any], place: str) -> None:
    with pytest.raises(LineError) as caught:
        chat(**body({"type": "object", "properties": {"p": schema}, "required": ["p"]}))

    assert caught.value.param == f"{ROOT}.properties.p{place}"


def test_references_are_written_out() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {"Name": {"type": "string", "title": "Name"}, "A~/%": {"$ref": "#/$defs/Name"}},
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A~0~1%25", "description": "mine"}, "b": {"$ref": "#/$defs/Name"}},
    }
    made = request(**body(schema))["generationConfig"]["responseSchema"]

    assert made["properties"] == {"a": {"type": "STRING", "description": "mine"}, "b": STRING}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}, {"type": "object"}]},
    ],
)
def test_a_schema_without_an_end_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(LineError, match="recursive"):
        chat(**body(schema))


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_a_schema_may_be_as_deep_as_the_importer_can_follow() -> None:
    """The line, the request, its configuration and the schema; then two levels for each object."""
    assert breaches({"key": "r-000001", "request": request(**body(nested(5)))}) == []
    with pytest.raises(LineError, match=r"nested too deeply .*, where objects and arrays both count\."):
        chat(**body(nested(6)))


def test_optional_fields_cost_no_depth() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5):
        schema = {"type": "object", "properties": {"a": {"anyOf": [schema, {"type": "null"}]}}}

    assert breaches({"key": "r-000001", "request": request(**body(schema))}) == []


def test_the_description_of_a_format_describes_its_schema() -> None:
    made = request(**body({"type": "object"}, description="d"))["generationConfig"]["responseSchema"]
    assert made == {"description": "d", "type": "OBJECT"}
    union = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    made = request(**body(union, description="d"))["generationConfig"]["responseSchema"]
    assert made == {"anyOf": [{"description": "d", "type": "STRING"}, {"description": "d", "type": "INTEGER"}]}


def test_a_schema_that_was_seen_before_is_refused_again() -> None:
    """Schemas are kept from line to line, refusals too."""
    for _ in range(2):
        with pytest.raises(LineError, match="not"):
            chat(**body({"type": "string", "not": {}}))


def held_after(fill: Callable[[int], None], times: int) -> int:
    """Bytes of Python objects that are left."""
    tracemalloc.start()
    try:
        for number in range(times):
            fill(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("last", [{"type": "string"}, {"not": {}}])
def test_large_schemas_do_not_fill_the_memory(last: dict[str, Any]) -> None:
    """Converted or refused: 20 of them took 20 to 40 MB."""

    def fill(number: int) -> None:
        properties = {f"p{number + 100}_{at}": {"type": "string"} for at in range(2100)}
        schema = {"type": "object", "properties": {**properties, "z": last}}
        assert 58_000 < len(json.dumps(schema, separators=(",", ":"))) < 65_536
        with suppress(LineError):
            convert(schema, "p", "p", 4, Shape())

    assert held_after(fill, 20) < 14 * 2**20


def test_what_is_kept_is_bounded_however_many_there_are() -> None:
    """256 of 62 KB took 300 MB as Python objects."""
    properties = {f"p{at}": {"type": "STRING"} for at in range(2500)}
    written = json.dumps({"type": "OBJECT", "properties": properties}, separators=(",", ":"))
    assert 58_000 < len(written) < 65_536

    def fill(number: int) -> None:
        shape = Shape({f"{number}.properties.p{at}": f"p{at}:struct" for at in range(2500)})
        key = (f"{number}{written}".encode(), "p", "p", 4, True)
        recent.keep(key, (msgspec.json.decode(written), shape))

    recent = Recent(RECENT)
    assert held_after(fill, 256) < 14 * 2**20
    assert held_after(lambda number: recent.keep((b"%d" % number, "p", "p", 4, False), ({}, Shape())), 20_000) < (
        4 * 2**20
    )


def test_the_oldest_of_the_schemas_that_are_kept_goes_first() -> None:
    recent = Recent(8_000)
    keys: list[Key] = [(b"%d" % at, "p", "p", 4, True) for at in range(9)]
    for key in keys:
        recent.keep(key, ({"type": "STRING"}, Shape()))
        recent.keep(key, ({"type": "NUMBER"}, Shape()))  # the first result stays

    assert [recent.get(key) for key in keys] == [None] * 2 + [({"type": "STRING"}, {})] * 7
    large = (b"x" * 2_000, "p", "p", 4, True)
    recent.keep(large, ({}, Shape()))
    assert recent.get(large) is None
    assert recent.get(keys[-1]) is not None


def test_a_bound_that_no_double_holds_is_refused() -> None:
    with pytest.raises(LineError, match="between"):
        chat(**body({"type": "integer", "maximum": 10**400}))
