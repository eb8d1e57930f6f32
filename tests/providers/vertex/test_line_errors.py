"""What cannot be done as asked is said, with the name of the place; the value is never repeated."""

from typing import Any

import pytest

from shared.lines.errors import LineError
from shared.providers.base import Media, RequestLine
from shared.providers.vertex.codecs import chat_codec
from tests.providers.vertex.rules import chat

SECRET = "s3cr3t value of mine"


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def image(url: Any, **more: Any) -> dict[str, Any]:
    return {"messages": user([{"type": "image_url", "image_url": {"url": url, **more}}])}


def part(kind: str, value: Any) -> dict[str, Any]:
    return {"messages": user([{"type": kind, kind: value}])}


def tool(**function: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", **function}}]}


def call(arguments: Any, **more: Any) -> dict[str, Any]:
    made = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}, **more}
    return {"messages": [*user("a"), {"role": "assistant", "tool_calls": [made]}]}


def result(**more: Any) -> dict[str, Any]:
    return {"messages": [*call("{}")["messages"], {"role": "tool", "tool_call_id": "c", "content": "a", **more}]}


def schema(**keywords: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": keywords}}}


ARGS = "messages[1].tool_calls[0].function.arguments"
URL = "messages[0].content[0].image_url.url"
ROOT = "response_format.json_schema.schema"
DEEP = '{"a":' * 9 + "1" + "}" * 9

ERRORS: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": None}, "missing_required_parameter", "messages"),
    ({"messages": SECRET}, "invalid_type", "messages"),
    ({"messages": []}, "invalid_value", "messages"),
    ({"messages": [{"role": "system", "content": "alone"}]}, "invalid_value", "messages"),
    ({"messages": [SECRET]}, "invalid_type", "messages[0]"),
    ({"messages": [{"content": "a"}]}, "missing_required_parameter", "messages[0].role"),
    ({"messages": [{"role": SECRET, "content": "a"}]}, "invalid_value", "messages[0].role"),
    ({"messages": [{"role": ["user"], "content": "a"}]}, "invalid_type", "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "missing_required_parameter", "messages[0].content"),
    ({"messages": user(5)}, "invalid_type", "messages[0].content"),
    ({"messages": user("")}, "invalid_value", "messages[0].content"),
    ({"messages": user([])}, "invalid_value", "messages[0].content"),
    ({"messages": user([7])}, "invalid_type", "messages[0].content[0]"),
    ({"messages": user([{}])}, "missing_required_parameter", "messages[0].content[0].type"),
    ({"messages": user([{"type": ["text"]}])}, "invalid_type", "messages[0].content[0].type"),
    ({"messages": user([{"type": "video"}])}, "invalid_value", "messages[0].content[0].type"),
    ({"messages": user([{"type": "text"}])}, "missing_required_parameter", "messages[0].content[0].text"),
    ({"messages": user([{"type": "text", "text": 5}])}, "invalid_type", "messages[0].content[0].text"),
    (
        {"messages": user([{"type": "text", "text": "a", "cache_control": {}}])},
        "unsupported_parameter",
        "messages[0].content[0].cache_control",
    ),
    *(
        ({"messages": [{"role": role, "content": "a", "name": "n"}]}, "unsupported_parameter", "messages[0].name")
        for role in ("user", "system", "developer", "assistant")
    ),
    (result(name=SECRET), "invalid_value", "messages[2].name"),
    (result(name=""), "invalid_value", "messages[2].name"),
    (result(name=5), "invalid_type", "messages[2].name"),
    (result(names="f"), "unsupported_parameter", "messages[2].names"),
    (
        {"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {}}]}, *user("a")]},
        "invalid_value",
        "messages[0].content[0].type",
    ),
    ({"messages": [*user("a"), {"role": "assistant", "content": None}]}, "invalid_value", "messages[1].content"),
    (
        {"messages": [*user("a"), {"role": "assistant", "audio": {"id": "x"}}]},
        "unsupported_parameter",
        "messages[1].audio",
    ),
    (
        {"messages": [{"role": "tool", "tool_call_id": "x", "content": "a"}]},
        "invalid_value",
        "messages[0].tool_call_id",
    ),
    ({"messages": [{"role": "function", "content": "a"}]}, "missing_required_parameter", "messages[0].name"),
    (image("https://example.com/a.png"), "invalid_value", URL),
    (image("http://169.254.169.254/"), "invalid_value", URL),
    (image("https://www.youtube.com.evil.example/watch?v=1"), "invalid_value", URL),
    (image(5), "invalid_type", URL),
    (image(None), "missing_required_parameter", URL),
    (image("data:image/png,abc"), "invalid_value", URL),
    (image("data:image/png;base64,a*b"), "invalid_value", URL),
    (image("data:image/png;base64,"), "invalid_value", URL),
    (image("data:image/png;base64,é"), "invalid_value", URL),
    (image("gs://bucket"), "invalid_value", URL),
    (image("gs://bucket/name"), "invalid_value", "messages[0].content[0].image_url.format"),
    (image("gs://bucket/a", format="png"), "invalid_value", "messages[0].content[0].image_url.format"),
    (image("gs://bucket/a.png", detail="ultra"), "invalid_value", "messages[0].content[0].image_url.detail"),
    (
        {
            "messages": user(
                [
                    {"type": "image_url", "image_url": {"url": "gs://bucket/a.png", "detail": detail}}
                    for detail in ("low", "high")
                ]
            )
        },
        "invalid_value",
        "messages",
    ),
    (
        part("input_audio", {"data": "AAAA", "format": "midi"}),
        "invalid_value",
        "messages[0].content[0].input_audio.format",
    ),
    (part("input_audio", {"format": "wav"}), "missing_required_parameter", "messages[0].content[0].input_audio.data"),
    (part("file", {"file_id": "file-abc"}), "unsupported_parameter", "messages[0].content[0].file.file_id"),
    (part("file", {}), "missing_required_parameter", "messages[0].content[0].file.file_data"),
    (part("file", {"file_data": "AAAA"}), "invalid_value", "messages[0].content[0].file.format"),
    (call("{"), "invalid_value", ARGS),
    (call('{"a": NaN}'), "invalid_value", ARGS),
    (call('{"a": 1, "a": 2}'), "invalid_value", ARGS),
    (call("[1]"), "invalid_value", ARGS),
    (call("[" * 100_000), "invalid_value", ARGS),
    (call({"a": 1}), "invalid_type", ARGS),
    (call('{"a": [null]}'), "invalid_value", f"{ARGS}.a"),
    (call('{"a": [[1]]}'), "invalid_value", f"{ARGS}.a"),
    (call('{"a": [1, "b"]}'), "invalid_value", f"{ARGS}.a"),
    (call('{"a": [{}]}'), "invalid_value", f"{ARGS}.a"),
    (call('{"a": [{"b": 1}, {"b": "c"}]}'), "invalid_value", f"{ARGS}.a[1].b"),
    (call('{"City": 1, "city": 2}'), "invalid_value", f"{ARGS}.city"),
    (call('{"a b": 1}'), "invalid_value", f"{ARGS}.a?b"),
    (call('{"$ref": 1}'), "invalid_value", f"{ARGS}.$ref"),
    (call('{"": 1}'), "invalid_value", f"{ARGS}."),
    (call('{"1a": 1}'), "invalid_value", f"{ARGS}.1a"),
    (call('{"é": 1}'), "invalid_value", f"{ARGS}.?"),
    (call('{"%s": 1}' % ("a" * 301)), "invalid_value", f"{ARGS}.{'a' * 64}"),
    (call('{"_PARTITIONTIME": 1}'), "invalid_value", f"{ARGS}._PARTITIONTIME"),
    (call('{"a": 9007199254740993}'), "invalid_value", f"{ARGS}.a"),
    (call('{"a": [1, 9007199254740993]}'), "invalid_value", f"{ARGS}.a"),
    (call(DEEP), "invalid_value", f"{ARGS}{'.a' * 8}"),
    (call("{}", type="custom"), "invalid_value", "messages[1].tool_calls[0].type"),
    (
        call("{}", extra_content={"openai": {}}),
        "unsupported_parameter",
        "messages[1].tool_calls[0].extra_content.openai",
    ),
    (
        call("{}", extra_content={"google": {"thought_signature": "?"}}),
        "invalid_value",
        "messages[1].tool_calls[0].extra_content.google.thought_signature",
    ),
    ({"max_tokens": "abc"}, "invalid_type", "max_tokens"),
    ({"max_tokens": True}, "invalid_type", "max_tokens"),
    ({"max_tokens": 5.0}, "invalid_type", "max_tokens"),
    ({"max_tokens": 0}, "invalid_value", "max_tokens"),
    ({"max_completion_tokens": 2**63}, "invalid_value", "max_completion_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "unsupported_parameter", "max_completion_tokens"),
    ({"temperature": "hot"}, "invalid_type", "temperature"),
    ({"temperature": True}, "invalid_type", "temperature"),
    ({"temperature": 2.1}, "invalid_value", "temperature"),
    ({"temperature": -1}, "invalid_value", "temperature"),
    ({"top_p": 1.5}, "invalid_value", "top_p"),
    ({"n": 10**9}, "invalid_value", "n"),
    ({"n": 0}, "invalid_value", "n"),
    ({"stop": 5}, "invalid_type", "stop"),
    ({"stop": ["a"] * 6}, "invalid_value", "stop"),
    ({"stop": ["a", 1]}, "invalid_type", "stop[1]"),
    ({"stop": ""}, "invalid_value", "stop"),
    ({"seed": 1.5}, "invalid_type", "seed"),
    ({"seed": 2**63}, "invalid_value", "seed"),
    ({"presence_penalty": 3}, "invalid_value", "presence_penalty"),
    ({"logprobs": "yes"}, "invalid_type", "logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "invalid_value", "top_logprobs"),
    ({"top_logprobs": 2}, "invalid_value", "top_logprobs"),
    ({"logit_bias": {"5": 1}}, "unsupported_parameter", "logit_bias"),
    ({"stream": True}, "streaming_unsupported", "stream"),
    ({"stream": "no"}, "invalid_type", "stream"),
    ({"modalities": ["text", "audio"]}, "unsupported_parameter", "modalities"),
    ({"modalities": "text"}, "invalid_type", "modalities"),
    ({"audio": {"voice": "x"}}, "unsupported_parameter", "audio"),
    ({"web_search_options": {}}, "unsupported_parameter", "web_search_options"),
    ({"store": "yes"}, "invalid_type", "store"),
    ({"user": 5}, "invalid_type", "user"),
    ({"metadata": []}, "invalid_type", "metadata"),
    ({"frobnicate": None}, "unsupported_parameter", "frobnicate"),
    ({"labels": {"a": "b"}}, "unsupported_parameter", "labels"),
    ({"prompt": "x"}, "unsupported_parameter", "prompt"),
    ({"x" * 100: 1}, "unsupported_parameter", "x" * 64),
    ({"reasoning_effort": "huge"}, "invalid_value", "reasoning_effort"),
    ({"reasoning_effort": 5}, "invalid_type", "reasoning_effort"),
    (
        {"reasoning_effort": "low", "thinking_config": {"thinking_budget": 5}},
        "unsupported_parameter",
        "reasoning_effort",
    ),
    (
        {"thinking_config": {"thinking_budget": 5, "thinkingBudget": 6}},
        "invalid_value",
        "thinking_config.thinkingBudget",
    ),
    ({"thinking_config": {"thinking_level": "LOW"}}, "unsupported_parameter", "thinking_config.thinking_level"),
    ({"thinking_config": {"depth": 5}}, "unsupported_parameter", "thinking_config.depth"),
    ({"thinking_config": {"include_thoughts": 1}}, "invalid_type", "thinking_config.include_thoughts"),
    ({"cached_content": "c"}, "unsupported_parameter", "cached_content"),
    ({"extra_body": {"google": {"cached_content": "c"}}}, "unsupported_parameter", "extra_body.google.cached_content"),
    ({"google": {"thought_tag_marker": "t"}}, "unsupported_parameter", "google.thought_tag_marker"),
    ({"google": {"thinking_config": {}}, "extra_body": {"google": {}}}, "invalid_value", "google"),
    ({"extra_body": {"anthropic": {}}}, "unsupported_parameter", "extra_body.anthropic"),
    ({"extra_body": 5}, "invalid_type", "extra_body"),
    ({"safety_settings": {}}, "invalid_type", "safety_settings"),
    ({"safety_settings": [{"category": "X"}]}, "missing_required_parameter", "safety_settings[0].threshold"),
    ({"safety_settings": [{"category": "x y", "threshold": "OFF"}]}, "invalid_value", "safety_settings[0].category"),
    ({"tools": {}}, "invalid_type", "tools"),
    ({"tools": [{"type": "custom", "custom": {}}]}, "invalid_value", "tools[0].type"),
    ({"tools": [{"googleSearch": {}}]}, "missing_required_parameter", "tools[0].type"),
    (tool(name="a b"), "invalid_value", "tools[0].function.name"),
    (tool(name="1a"), "invalid_value", "tools[0].function.name"),
    (tool(name="a" * 65), "invalid_value", "tools[0].function.name"),
    (tool(name=5), "invalid_type", "tools[0].function.name"),
    (tool(description=5), "invalid_type", "tools[0].function.description"),
    (tool(strict="yes"), "invalid_type", "tools[0].function.strict"),
    (tool(returns={}), "unsupported_parameter", "tools[0].function.returns"),
    (tool(parameters=[]), "invalid_type", "tools[0].function.parameters"),
    (tool(parameters={"type": "string"}), "invalid_value", "tools[0].function.parameters.type"),
    ({"tools": tool()["tools"] * 2}, "invalid_value", "tools"),
    ({"tool_choice": "required"}, "invalid_value", "tool_choice"),
    ({**tool(), "tool_choice": "any"}, "invalid_value", "tool_choice"),
    ({**tool(), "tool_choice": {"type": "function", "function": {"name": "g"}}}, "invalid_value", "tool_choice"),
    ({**tool(), "functions": [{"name": "g"}]}, "unsupported_parameter", "functions"),
    (
        {"tools": [*tool()["tools"], *tool(name="g")["tools"]], "parallel_tool_calls": False},
        "unsupported_parameter",
        "parallel_tool_calls",
    ),
    ({"response_format": "json"}, "invalid_type", "response_format"),
    ({"response_format": {}}, "missing_required_parameter", "response_format.type"),
    ({"response_format": {"type": "grammar"}}, "invalid_value", "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "missing_required_parameter", "response_format.json_schema"),
    ({"response_format": {"type": "json_object", "schema": {}}}, "unsupported_parameter", "response_format.schema"),
    (schema(type="object", properties={"a b": {"type": "string"}}), "invalid_value", f"{ROOT}.properties.a?b"),
]


@pytest.mark.parametrize(("body", "code", "param"), ERRORS, ids=lambda case: str(case)[:70])
def test_a_line_that_cannot_run_says_where(body: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(LineError) as caught:
        chat(**body)

    assert (caught.value.code, caught.value.param) == (code, param)
    assert param in caught.value.message or code == "streaming_unsupported"
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("model", "body", "param"),
    [
        ("gemini-2.0-flash", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("gemini-3.8-flash", {"presence_penalty": 0.5}, "presence_penalty"),
        ("gemini-4-argon", {"frequency_penalty": -1}, "frequency_penalty"),
        (
            "gemini-2.5-pro",
            {"google": {"thinking_config": {"thinking_level": "low"}}},
            "google.thinking_config.thinking_level",
        ),
    ],
)
def test_what_a_model_cannot_do_is_said(model: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError, match="Unsupported") as caught:
        chat(model, **body)

    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


def test_messages_are_required() -> None:
    with pytest.raises(LineError, match="messages"):
        chat_codec("gemini-4-argon").encode(RequestLine("a", "/v1/chat/completions", {"model": "m"}), 1)


def test_media_come_from_the_buckets_that_are_open_to_them() -> None:
    codec = chat_codec("gemini-2.5-flash", Media(open=frozenset({"open"})))

    def encode(url: str) -> bytes:
        return codec.encode(RequestLine("a", "/v1/chat/completions", image(url)), 1).rows

    assert b"gs://open/a.png" in encode("gs://open/a.png")
    with pytest.raises(LineError, match="bucket"):
        encode("gs://closed/a.png")
