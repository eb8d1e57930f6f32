"""Whatever a line holds: either it is refused, or its row is one that the importer takes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.lines.errors import LineError
from shared.providers.vertex.importer import Shape, survey
from tests.providers.vertex.rules import breaches, chat

NAMES = st.sampled_from(
    ["a", "b", "A", "city", "City", "x_1", "$ref", "a b", "type", "properties", "", "_TABLE_x", "é"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def _nodes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "object", "array", ["string", "null"], ["object", "string"]]),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, max_size=2),
            "enum": st.lists(st.sampled_from(["a", "b", 1, 2.5, None, True]), max_size=3),
            "description": st.text(max_size=3),
            "minimum": st.integers(-5, 5),
            "minLength": st.integers(0, 5),
            "additionalProperties": st.booleans(),
            "$ref": st.sampled_from(["#", "#/$defs/D", "#/properties/a"]),
        },
    )


TYPED = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": ["number", "null"]}, {"enum": ["a", "b"]}])
SCHEMAS = st.recursive(TYPED, _nodes, max_leaves=10)


def role(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    calls = [
        {"id": f"c{at}", "type": "function", "function": {"name": "f", "arguments": json.dumps(args)}}
        for at, args in enumerate(draw(st.lists(OBJECTS, min_size=1, max_size=3)))
    ]
    tools = [
        {"role": "tool", "tool_call_id": call["id"], "content": draw(OBJECTS.map(json.dumps) | st.text(max_size=4))}
        for call in calls
    ]
    return [role("a"), {"role": "assistant", "tool_calls": calls}, *tools]


def check(body: dict[str, Any]) -> None:
    try:
        encoded = chat(**body)
    except LineError as error:
        assert error.param in {None, "stream"} or error.param in error.message  # noqa: PT017  # a refusal is as good as a row
        return
    row = json.loads(encoded.rows)
    assert breaches(row) == []
    assert encoded.rows == chat(**body).rows


@settings(max_examples=300, deadline=None)
@given(conversations())
def test_any_conversation_with_tools(messages: list[dict[str, Any]]) -> None:
    check({"messages": messages})


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, SCHEMAS)
def test_any_schema(answer: dict[str, Any], parameters: dict[str, Any]) -> None:
    whole = {"type": "object", "properties": {"a": answer}, "$defs": {"D": parameters}}
    check({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": whole}}})
    check({"tools": [{"type": "function", "function": {"name": "f", "parameters": whole}}]})


PARAMETERS = [
    "messages", "max_tokens", "temperature", "top_p", "n", "stop", "seed", "tools", "tool_choice", "functions",
    "function_call", "parallel_tool_calls", "response_format", "logprobs", "top_logprobs", "reasoning_effort",
    "extra_body", "google", "safety_settings", "thinking_config", "modalities", "presence_penalty", "metadata",
    "stream", "logit_bias", "user", "unknown",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(PARAMETERS), VALUES, min_size=1, max_size=4))
def test_any_value_anywhere(body: dict[str, Any]) -> None:
    check(body)


KEYS = st.sampled_from([
    "role", "content", "type", "text", "image_url", "url", "file", "file_data", "tool_calls", "function", "name",
    "arguments", "id", "tool_call_id", "extra_content", "google", "input_audio", "data", "format", "refusal",
])  # fmt: skip
WORDS = st.sampled_from([
    "user", "assistant", "tool", "system", "function", "text", "image_url", "gs://bucket/a.png", "data:a/b;base64,AAAA",
    "wav", "AAAA", "{}", "file", "input_audio",
])  # fmt: skip
SOUP = st.recursive(
    SCALARS | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)


@settings(max_examples=500, deadline=None)
@given(st.lists(SOUP | st.dictionaries(KEYS, SOUP, max_size=4), max_size=3))
def test_any_messages(messages: list[Any]) -> None:
    check({"messages": messages})


@pytest.mark.parametrize(
    ("row", "param"),
    [
        ({"a": {}}, "a"),
        ({"a": []}, "a"),
        ({"a": {"b": [[1]]}}, "a.b"),
        ({"a": [1, "b"]}, "a"),
        ({"a": [1, None]}, "a"),
        ({"a": 1, "A": 1}, "A"),
        ({"a b": 1}, "a?b"),
        ({"a": [{"b": 1}, {"b": "c"}]}, "a[1].b"),
        ({"a": [{"b": None}, {"b": [1]}]}, "a[1].b"),
        (json.loads('{"a":' * 15 + "[1]" + "}" * 15), ".".join("a" * 15)),
        ({"a": 2**63}, "a"),
        ({"a": [2**63]}, "a"),
    ],
)
def test_a_row_that_goes_out_as_it_is_may_not_fail_its_job(row: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        survey(row, "", "", 1, Shape())
    assert caught.value.param == param


def test_a_survey_notes_the_type_of_each_path_and_changes_nothing() -> None:
    row = {"a": [1, 2.5], "b": {"C": None}, "d": [{"e": True}]}
    before, shape = json.dumps(row), Shape()
    survey(row, "", "", 1, shape)
    assert json.dumps(row) == before
    assert shape == {
        "a": "a:array<number>",
        "a[]": "a:array",
        "b": "b:struct",
        "b.c[]": "C:null",
        "d": "d:array<struct>",
        "d[]": "d:array",
        "d.e": "e:bool",
    }


@pytest.mark.parametrize(
    "row",
    [
        {"a": {}},
        {"a": []},
        {"a": None},
        {"a": [[1]]},
        {"a": [1, "b"]},
        {"a": 1, "A": 1},
        {"a b": 1},
        {"a": [{"b": 1}, {"b": "c"}]},
        json.loads('{"a":' * 15 + "[1]" + "}" * 15),
        {"a": 2**63},
    ],
)
def test_the_checker_itself_finds_what_is_wrong(row: dict[str, Any]) -> None:
    assert breaches(row) != []
