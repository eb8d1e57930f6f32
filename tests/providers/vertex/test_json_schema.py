"""JSON Schema for models that speak it, in a form that the importer takes."""

from typing import Any

import pytest

from shared.lines.errors import LineError
from shared.providers.vertex.json_schema import plain_schema


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        ({"type": "string", "title": "T", "default": 1, "x-a": 1, "$comment": "c"}, {"type": "string"}),
        (
            {"type": ["string", "null"], "description": "d"},
            {"description": "d", "anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"type": ["integer"], "minimum": 1}, {"type": "integer", "minimum": 1}),
        ({"enum": ["a", None]}, {"anyOf": [{"type": "null"}, {"type": "string", "enum": ["a"]}]}),
        (
            {"type": ["string", "integer"], "enum": ["a", 1]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "integer", "enum": [1]}]},
        ),
        ({"type": "object", "properties": {}, "required": []}, {"type": "object"}),
        ({"type": "array", "items": {}}, {"type": "array"}),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, {"type": "string", "minLength": 2}),
        ({"anyOf": [{"type": "string"}, {}]}, {}),
        ({"type": "object", "additionalProperties": True}, {"type": "object"}),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        ({"const": 1}, {"const": 1}),
        ({"const": None, "type": ["string", "null"]}, {"type": "null"}),
    ],
)
def test_it_allows_the_same(schema: dict[str, Any], plain: dict[str, Any]) -> None:
    assert plain_schema(schema, "s") == plain


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"not": {"type": "string"}}, "s.not"),
        ({"patternProperties": {"a": {}}}, "s.patternProperties"),
        ({"type": "array", "items": [{"type": "string"}]}, "s.items"),
        ({"properties": {"a b": {"type": "string"}}}, "s.properties.a?b"),
        ({"enum": [[1]]}, "s.enum"),
        ({"enum": []}, "s.enum"),
        ({"oneOf": [{"type": "string"}, {}]}, "s.oneOf"),
        ({"type": "string", "enum": [1, "a", None], "anyOf": [{"minLength": 1}]}, "s.type"),
        ({"type": "boolean", "enum": [1, "a"]}, "s"),
        ({"const": {"a": 1}}, "s.const"),
        ({"type": 7}, "s.type"),
        ({"$ref": "#"}, "s"),
        ({"properties": {"a": {"$ref": "#"}}}, "s" + ".properties.a" * 13),
        ({"$dynamicRef": "#a"}, "s.$dynamicRef"),
    ],
)
def test_what_cannot_be_held_names_its_place(schema: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        plain_schema(schema, "s")
    assert caught.value.param == param
