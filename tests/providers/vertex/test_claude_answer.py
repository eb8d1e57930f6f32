"""What a row of Claude's becomes: a chat completion, or an error as OpenAI's."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from shared.domain.usage import Tokens
from shared.providers.base import Answer, Entry
from shared.providers.vertex.claude_codec import claude_codec
from tests.providers.vertex.rules import SAMPLES

CODEC = claude_codec("claude-sonnet-4-5@20250929")
RAW = {json.loads(raw)["custom_id"]: raw for raw in (SAMPLES / "claude_predictions.jsonl").read_bytes().splitlines()}


def answer(raw: bytes, hints: dict[str, Any] | None = None) -> Answer:
    row = CODEC.read(raw)
    assert row is not None
    return CODEC.answer([row], Entry(row.ordinal, "mine", "my-model", hints))


def row(**response: Any) -> bytes:
    said = {"id": "msg_1", "type": "message", "content": [], "stop_reason": "end_turn", **response}
    return json.dumps(
        {"custom_id": "r-000001", "status": "", "processed_time": "2026-11-14T10:32:00.000+00:00", "response": said}
    ).encode()


def said(raw: bytes, hints: dict[str, Any] | None = None) -> dict[str, Any]:
    given = answer(raw, hints)
    assert given.status == 200
    body = json.loads(msgspec.json.encode(given.body))
    ChatCompletion.model_validate(body, strict=True)
    choice: dict[str, Any] = body["choices"][0]
    return choice


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def test_the_recorded_answer() -> None:
    given = answer(RAW["r-000000"])
    assert given.status == 200
    assert given.body["id"] == "chatcmpl-msg_vrtx_01ABC"
    assert given.body["created"] == 1794652320
    assert given.body["model"] == "my-model"
    assert given.body["choices"][0]["message"]["content"] == "Yellow."
    assert given.body["choices"][0]["finish_reason"] == "stop"
    assert given.body["usage"]["total_tokens"] == 19
    assert given.tokens == Tokens(text=14, output=5)
    assert (given.day, given.request_id) == ("2026-11-14", "msg_vrtx_01ABC")


def test_the_recorded_failure() -> None:
    given = answer(RAW["r-000001"])
    assert given.status == 400
    assert given.tokens is None
    assert given.body["error"]["message"] == "max_tokens: must be greater than 0"
    assert given.body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("some_future_reason", "stop"),
        (None, "stop"),
    ],
)
def test_why_it_stopped(reason: str | None, finish: str) -> None:
    choice = said(row(content=[text("a"), text("b")], stop_reason=reason))
    assert choice["finish_reason"] == finish
    assert choice["native_finish_reason"] == reason
    assert choice["message"]["content"] == "ab"


def test_a_refusal_may_say_nothing() -> None:
    assert said(row(stop_reason="refusal"))["message"]["content"] is None
    assert said(row())["message"]["content"] == ""


CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1, 2.5]}}


def test_calls_keep_their_ids_and_arguments() -> None:
    bare = {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}
    choice = said(row(content=[text("Well."), CALL, bare], stop_reason="tool_use"))
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Well."
    assert [(call["id"], call["function"]["arguments"]) for call in choice["message"]["tool_calls"]] == [
        ("toolu_1", '{"a": [1, 2.5]}'),
        ("toolu_2", "{}"),
    ]


def test_a_schema_for_the_answer_is_answered_in_words() -> None:
    choice = said(row(content=[CALL], stop_reason="tool_use"), {"json": True})
    assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", '{"a": [1, 2.5]}')
    assert choice["message"].get("tool_calls") is None


def test_thoughts_are_shown_to_those_who_asked() -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "redacted_thinking", "data": "x"},
        text("A"),
    ]
    assert "reasoning_content" not in said(row(content=content))["message"]
    shown = said(row(content=content), {"thoughts": True})["message"]
    assert (shown["reasoning_content"], shown["content"]) == ("Hm.", "A")


def test_tokens_from_a_cache_and_those_that_fill_it_are_kinds_of_their_own() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 0, "output_tokens": 5}
    given = answer(row(content=[text("a")], usage=usage))
    assert given.tokens == Tokens(text=10, cached_text=90, output=5)
    assert given.body["usage"]["prompt_tokens"] == 100
    assert given.body["usage"]["prompt_tokens_details"]["cached_tokens"] == 90
    given = answer(row(content=[text("a")], usage={**usage, "cache_creation_input_tokens": 7}))
    assert given.tokens == Tokens(text=10, cached_text=90, output=5, cache_write=7)
    assert given.body["usage"]["total_tokens"] == 112


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 5}, {"input_tokens": -1, "output_tokens": 2}, "much"])
def test_what_was_used_is_unknown_and_not_zero(usage: Any) -> None:
    given = answer(row(content=[text("a")], usage=usage))
    assert (given.status, given.tokens, given.body["usage"]) == (200, None, None)


def status(said: str, response: Any = None) -> bytes:
    return json.dumps({"custom_id": "r-000001", "status": said, "response": response or {}}).encode()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("rate_limit_error", 429),
        ("overloaded_error", 503),
        ("api_error", 500),
        ("request_too_large", 413),
        ("timeout_error", 504),
        ("permission_error", 403),
        ("new_error", 500),
    ],
)
def test_failures_have_the_status_of_their_type(kind: str, code: int) -> None:
    problem = {"type": "error", "error": {"type": kind, "message": "No, said projects/my-project/x."}}
    for raw in (status(f"Failed: {json.dumps(problem)}"), status("", problem)):
        given = answer(raw)
        assert given.status == code
        assert "my-project" not in given.body["error"]["message"]


@pytest.mark.parametrize(
    "raw", [status(""), status("odd"), b'{"custom_id":"r-000001"}', b'{"custom_id":"r-000001","response":7}']
)
def test_a_row_without_an_answer_is_an_error(raw: bytes) -> None:
    assert answer(raw).status == 500


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"custom_id":"mine"}', b'{"key":"r-000001"}', b'{"custom_id":7}', b"\xff"]
)
def test_what_is_nobodys_row_is_said_to_be(raw: bytes) -> None:
    assert CODEC.read(raw) is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "type", "text", "id", "input", "usage", "error", "stop_reason"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JUNK, JUNK, JUNK)
def test_whatever_comes_back_is_answered(response: Any, usage: Any, content: Any) -> None:
    for said in (response, {"content": content, "usage": usage, "stop_reason": "end_turn"}):
        raw = json.dumps({"custom_id": "r-000001", "status": "", "response": said}).encode()
        given = answer(raw)
        assert 200 <= given.status <= 599
        msgspec.json.encode(given.body)
