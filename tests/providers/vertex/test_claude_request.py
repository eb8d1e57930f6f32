"""What a chat completion request becomes for Claude: a row that its API takes, or an error that names the parameter."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.standin.claude import check_message
from shared.lines.errors import LineError
from shared.providers.base import Encoded, RequestLine
from shared.providers.vertex.claude_codec import claude_codec
from tests.providers.vertex.rules import breaches
from tests.providers.vertex.test_importer import KEYS, OBJECTS, PARAMETERS, SCHEMAS, SOUP, VALUES, conversations

HI = {"role": "user", "content": "Hi"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather",
        "parameters": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$defs": {"unit": {"type": ["string", "null"], "enum": ["C", "F", None]}},
            "type": "object",
            "properties": {
                "city": {"type": "string", "title": "City", "default": "Oslo"},
                "unit": {"$ref": "#/$defs/unit"},
                "what": {},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
BARE = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo","d":3}'}}
PIXEL = "iVBORw0KGgo="
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "p", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


def chat(model: str = "claude-sonnet-4-5@20250929", **body: Any) -> Encoded:
    body.setdefault("messages", [HI])
    return claude_codec(model).encode(RequestLine("a", "/v1/chat/completions", {"model": model, **body}), 17)


def request(model: str = "claude-sonnet-4-5@20250929", **body: Any) -> dict[str, Any]:
    encoded = chat(model, **body)
    row = json.loads(encoded.rows)
    assert encoded.rows.endswith(b"\n")
    assert (list(row), row["custom_id"], encoded.count) == (["custom_id", "request"], "r-000017", 1)
    assert breaches(row) == []
    check_message(row["request"])
    made: dict[str, Any] = row["request"]
    return made


def error(**body: Any) -> LineError:
    with pytest.raises(LineError) as caught:
        chat(**body)
    return caught.value


def test_a_plain_line() -> None:
    assert request() == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert (chat().hints, chat().shape) == (None, None)


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("claude-3-5-haiku@20241022", 8_192),
        ("claude-3-opus@20240229", 4_096),
        ("claude-3-7-sonnet@20250219", 32_000),
        ("claude-haiku-5-5", 32_000),
    ],
)
def test_a_line_without_a_limit_gets_one_that_the_model_has(model: str, most: int) -> None:
    assert request(model)["max_tokens"] == most
    assert request(model, max_tokens=7, max_completion_tokens=7)["max_tokens"] == 7


def test_turns_of_one_role_are_one_and_what_is_not_said_by_anyone_is_system() -> None:
    made = request(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Really."}, {"type": "text", "text": ""}]},
            HI,
            HI,
            {"role": "assistant", "content": "Yes?", "refusal": None, "annotations": []},
            HI,
        ]
    )
    assert [block["text"] for block in made["system"]] == ["Be brief.", "Really."]
    assert [(turn["role"], len(turn["content"])) for turn in made["messages"]] == [
        ("user", 2),
        ("assistant", 1),
        ("user", 1),
    ]


def test_a_conversation_with_tools() -> None:
    made = request(
        messages=[
            HI,
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {"role": "user", "content": "And?"},
        ],
        tools=[TOOL, BARE],
    )
    assert made["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Oslo", "d": 3}}
    ]
    assert made["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "rain"}]},
        {"type": "text", "text": "And?"},
    ]
    assert made["tools"][1] == {"name": "now", "input_schema": {"type": "object"}}
    assert made["tools"][0]["input_schema"] == {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"anyOf": [{"type": "string", "enum": ["C", "F"]}, {"type": "null"}]},
            "what": {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean", "object", "array", "null")]},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_media() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PIXEL}", "detail": "high"}}
    pdf = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PIXEL}", "filename": "a.pdf"}}
    plain = {"type": "file", "file": {"file_data": "data:text/plain;base64,SGk="}}
    made = request(messages=[{"role": "user", "content": [{"type": "text", "text": "Look"}, image, pdf, plain]}])
    assert [(block["type"], block.get("source", {}).get("media_type")) for block in made["messages"][0]["content"]] == [
        ("text", None),
        ("image", "image/jpeg"),
        ("document", "application/pdf"),
        ("document", "text/plain"),
    ]
    assert made["messages"][0]["content"][2]["title"] == "a.pdf"
    assert made["messages"][0]["content"][3]["source"]["data"] == "Hi"


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": []}, {}),
        ({"n": 1, "logprobs": False, "presence_penalty": 0, "logit_bias": {}, "seed": None, "top_logprobs": 0}, {}),
        ({"user": "u", "store": True, "service_tier": "auto", "metadata": {}, "verbosity": "low"}, {}),
        ({"reasoning_effort": "none"}, {}),
        ({"reasoning_effort": "minimal"}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ({"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ({"reasoning_effort": "medium"}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ({"reasoning_effort": "high", "temperature": 1}, {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
        ({"thinking_config": {"thinkingBudget": 5000}}, {"thinking": {"type": "enabled", "budget_tokens": 5000}}),
        ({"thinking_config": {"thinking_budget": 0}}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"modalities": ["text"]}, {}),
        ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}, {}),
    ],
)
def test_parameters(body: dict[str, Any], made: dict[str, Any]) -> None:
    known = {"anthropic_version", "max_tokens", "messages"}
    assert {name: value for name, value in request(**body).items() if name not in known} == made


@pytest.mark.parametrize(
    ("body", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": {"type": "function", "function": {"name": "now"}}}, {"type": "tool", "name": "now"}),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_choices(body: dict[str, Any], choice: dict[str, Any] | None) -> None:
    assert request(tools=[TOOL, BARE], **body).get("tool_choice") == choice


def test_a_schema_for_the_answer_is_a_tool_that_must_be_called() -> None:
    made = request(response_format=SCHEMA)
    assert made["tools"][0]["input_schema"]["properties"] == {"a": {"type": "integer"}}
    assert made["tool_choice"]["type"] == "tool"
    assert chat(response_format=SCHEMA).hints == {"json": True}


CASES: list[tuple[dict[str, Any], str]] = [
    ({"temperature": 1.5}, "temperature"),
    ({"n": 2}, "n"),
    ({"seed": 0}, "seed"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 2}, "top_logprobs"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": -1}, "frequency_penalty"),
    ({"logit_bias": {"1": 2}}, "logit_bias"),
    ({"stream": True}, "stream"),
    ({"functions": [{}]}, "functions"),
    ({"safety_settings": []}, "safety_settings"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "max_completion_tokens"),
    ({"stop": [" "]}, "stop[0]"),
    ({"reasoning_effort": "low", "max_completion_tokens": 1024}, "max_completion_tokens"),
    ({"reasoning_effort": "low", "temperature": 0.5}, "temperature"),
    ({"reasoning_effort": "low", "top_p": 0.5}, "top_p"),
    ({"reasoning_effort": "low", "tools": [BARE], "tool_choice": "required"}, "tool_choice"),
    ({"reasoning_effort": "low", "response_format": SCHEMA}, "response_format"),
    ({"reasoning_effort": "low", "thinking_config": {"thinking_budget": 2000}}, "reasoning_effort"),
    ({"thinking_config": {"thinking_budget": 10}}, "thinking_config.thinking_budget"),
    ({"thinking_config": {"thinking_level": "LOW"}}, "thinking_config.thinking_level"),
    ({"response_format": {"type": "json_object"}}, "response_format.type"),
    ({"response_format": SCHEMA, "tools": [BARE]}, "response_format"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tools": [BARE, BARE]}, "tools"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    (
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"type": "object", "not": {"type": "null"}}},
                }
            ]
        },
        "tools[0].function.parameters.not",
    ),
    ({"messages": [{"role": "assistant", "content": "a"}]}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content"),
    ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
    ({"messages": [HI, {"role": "tool", "tool_call_id": "none", "content": "x"}]}, "messages[1].tool_call_id"),
    (
        {
            "messages": [
                HI,
                {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{}"}}]},
            ]
        },
        "messages[1].tool_calls[0].function.arguments",
    ),
    (
        {
            "messages": [
                HI,
                {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": '{"a b":1}'}}]},
            ]
        },
        "messages[1].tool_calls[0].function.arguments.a?b",
    ),
    (
        {
            "messages": [
                HI,
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "x"},
            ],
            "reasoning_effort": "low",
        },
        "reasoning_effort",
    ),
]
PARTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, ".image_url.url"),
    ({"type": "image_url", "image_url": {"url": "gs://bucket/a.png"}}, ".image_url.url"),
    ({"type": "image_url", "image_url": {"url": f"data:image/tiff;base64,{PIXEL}"}}, ".image_url.url"),
    (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        ".image_url.detail",
    ),
    ({"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}}, ".type"),
    ({"type": "file", "file": {"file_id": "gs://bucket/a.pdf"}}, ".file.file_id"),
    ({"type": "file", "file": {"file_data": "data:video/mp4;base64,AAAA"}}, ".file.file_data"),
    ({"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}}, ".file.file_data"),
]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        *CASES,
        *(({"messages": [{"role": "user", "content": [part]}]}, f"messages[0].content[0]{at}") for part, at in PARTS),
    ],
)
def test_what_claude_cannot_do_names_the_parameter(body: dict[str, Any], param: str) -> None:
    refused = error(**body)
    assert refused.param == param
    assert param in refused.message.lower() or param in refused.message


def test_a_responses_summary_asks_for_thoughts() -> None:
    assert chat(reasoning_effort="low", thinking_config={"include_thoughts": True}).hints == {"thoughts": True}


def check(body: dict[str, Any]) -> None:
    """Either the line is refused, or its row is one that the importer and Claude take."""
    try:
        encoded = chat(**body)
    except LineError as refused:
        assert refused.param in {None, "stream"} or refused.param in refused.message  # noqa: PT017
        return
    row = json.loads(encoded.rows)
    assert breaches(row) == []
    assert encoded.rows == chat(**body).rows
    settled = {name: value for name, value in row["request"].items() if name != "messages"}
    check_message({**settled, "messages": [{"role": "user", "content": "x"}]})


@settings(max_examples=200, deadline=None)
@given(conversations())
def test_any_conversation_with_tools(messages: list[dict[str, Any]]) -> None:
    check({"messages": messages})
    try:
        encoded = chat(messages=messages)
    except LineError:
        return
    check_message(json.loads(encoded.rows)["request"])


@settings(max_examples=200, deadline=None)
@given(SCHEMAS, SCHEMAS)
def test_any_schema(answer: dict[str, Any], parameters: dict[str, Any]) -> None:
    whole = {"type": "object", "properties": {"a": answer}, "$defs": {"D": parameters}}
    check({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": whole}}})
    check({"tools": [{"type": "function", "function": {"name": "f", "parameters": whole}}]})


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*PARAMETERS, "top_k"]), VALUES, min_size=1, max_size=4))
def test_any_value_anywhere(body: dict[str, Any]) -> None:
    check(body)


@settings(max_examples=300, deadline=None)
@given(st.lists(SOUP | st.dictionaries(KEYS, SOUP | OBJECTS, max_size=4), max_size=3))
def test_any_messages(messages: list[Any]) -> None:
    check({"messages": messages})
