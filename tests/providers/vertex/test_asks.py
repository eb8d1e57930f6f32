"""What rows as Vertex's own ask for beside an answer: known before they run, and known again when they come back."""

import json
from typing import Any

import pytest

from shared.config import Deployment
from shared.providers.base import NATIVE, Entry, Media, Provider, RequestLine
from shared.providers.vertex.provider import open_provider

GEMINI, CLAUDE, EMBEDDING = "gemini-2.5-flash", "claude-sonnet-4-5@20250929", "gemini-embedding-001"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
MESSAGES = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
SEARCH = {"googleSearch": {"excludeDomains": ["example.invalid"]}}
FUNCTIONS = {"functionDeclarations": [{"name": "f"}]}
WEB = {"type": "web_search_20250305", "name": "web_search"}
GOOD = {"usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}, "candidates": [{"finishReason": "STOP"}]}
QUOTED = {"contents": [{"role": "user", "parts": [{"text": '{"tools": [{"googleSearch": 1}]}'}]}]}
SAID: dict[str, Any] = {"content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": 4, "output_tokens": 0}}


def opened(model: str) -> Provider:
    deployment = Deployment(id="d", group="d", provider="vertex_ai", model=model, project="p", location="us-east5")
    return open_provider(deployment, Media())


def tools(*given: Any) -> dict[str, Any]:
    return {"request": {**CONTENTS, "tools": list(given)}}


@pytest.mark.parametrize(
    ("model", "row", "named"),
    [
        (GEMINI, tools(FUNCTIONS), None),
        (GEMINI, tools({"function_declarations": [{"name": "f"}], "google_search": None}), None),
        (GEMINI, tools(SEARCH), "request.tools[0].googleSearch"),
        (GEMINI, tools(FUNCTIONS, {"code_execution": {"a": 1}}), "request.tools[1].code_execution"),
        (GEMINI, tools("x", None, 7), None),
        (GEMINI, {"request": {**CONTENTS, "tools": "x"}}, None),
        (GEMINI, {"request": "x", "tools": [SEARCH]}, None),
        (GEMINI, {}, None),
        (CLAUDE, {"request": {**MESSAGES, "tools": [{"name": "f", "input_schema": {}}, WEB]}}, "request.tools[1].type"),
        (CLAUDE, {"request": {**MESSAGES, "tools": [{"type": "custom", "name": "f"}]}}, None),
        (CLAUDE, {"request": {**MESSAGES, "tools": [{"type": ["x"]}]}}, "request.tools[0].type"),
        (EMBEDDING, {"request": {"content": {"parts": [{"text": "Hi"}]}}}, None),
    ],
)
def test_a_tool_that_is_charged_beside_the_tokens_is_named(model: str, row: dict[str, Any], named: str | None) -> None:
    assert opened(model).beside(NATIVE, row) == named


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/embeddings"])
def test_of_a_line_of_openais_nothing_is(endpoint: str) -> None:
    assert opened(GEMINI).beside(endpoint, tools(SEARCH)) is None


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"request": {**CONTENTS, "cachedContent": "projects/p/x"}}, "request.cachedContent"),
        ({"request": {**CONTENTS, "cached_content": "projects/p/x"}}, "request.cached_content"),
        ({"request": {**CONTENTS, "cached_content": None}}, None),
        (tools(FUNCTIONS, {"retrieval": {"vertexAiSearch": {"datastore": "x"}}}), "request.tools[1].retrieval"),
        (tools({"retrieval": None}, SEARCH), None),
        ({"request": {"contents": [{"parts": [{"text": "cachedContent"}]}]}, "cachedContent": "x"}, None),
        ({"request": None}, None),
    ],
)
def test_what_lies_in_the_project_is_named(row: dict[str, Any], named: str | None) -> None:
    assert opened(GEMINI).withheld(row) == named


RETURNED = [
    (GEMINI, {**tools(SEARCH), "response": GOOD}, True),
    (GEMINI, {**tools(FUNCTIONS), "response": GOOD}, False),
    (GEMINI, {**tools({**FUNCTIONS, "googleSearch": None}, None), "response": GOOD}, False),
    (GEMINI, {"request": {**CONTENTS, "tools": "x"}, "response": GOOD}, True),
    (GEMINI, {"request": QUOTED, "response": GOOD}, False),
    (CLAUDE, {"response": SAID}, False),
    (CLAUDE, {"response": {**SAID, "usage": {**SAID["usage"], "server_tool_use": None}}}, False),
    (CLAUDE, {"response": {**SAID, "usage": {**SAID["usage"], "server_tool_use": {"web_search_requests": 0}}}}, False),
    (CLAUDE, {"response": {**SAID, "usage": {**SAID["usage"], "server_tool_use": {"web_search_requests": 2}}}}, True),
    (CLAUDE, {"response": {**SAID, "usage": {**SAID["usage"], "server_tool_use": 7}}}, True),
    (CLAUDE, {"response": {**SAID, "content": [*SAID["content"], {"type": "server_tool_use", "name": "s"}]}}, True),
    (CLAUDE, {"request": {"messages": [{"content": [{"type": "server_tool_use"}]}]}, "response": SAID}, False),
]  # fmt: skip


@pytest.mark.parametrize(("model", "row", "extra"), RETURNED)
def test_a_row_that_came_back_tells_whether_more_was_charged_than_its_tokens(
    model: str, row: dict[str, Any], extra: bool
) -> None:
    """The same in a batch of ours and in a job passed through, with nothing remembered of what was sent; and its tokens
    are known all the same.
    """
    provider = opened(model)
    key = "custom_id" if model == CLAUDE else "key"
    raw = json.dumps({key: "r-000042", "status": "", **row}).encode()
    codec = provider.codec(NATIVE)
    assert codec is not None
    assert provider.passthrough is not None
    found = codec.read(raw)
    assert found is not None
    answer, used = codec.answer([found], Entry(42, "", "")), provider.passthrough.read(raw)

    assert used is not None
    assert (answer.extra, used.extra) == (extra, extra)
    assert answer.tokens == used.tokens
    assert answer.tokens is not None
    assert sum(answer.tokens) == 4


def test_a_row_that_failed_is_charged_nothing_whatever_it_had() -> None:
    provider = opened(GEMINI)
    raw = json.dumps({"key": "r-000042", "status": "Bad Request: {}", **tools(SEARCH), "response": {}}).encode()
    assert provider.passthrough is not None
    used = provider.passthrough.read(raw)

    assert used is not None
    assert (used.good, used.tokens, used.extra) == (False, None, False)


def test_nothing_has_to_be_remembered_of_a_row_for_its_price() -> None:
    codec = opened(GEMINI).codec(NATIVE)
    assert codec is not None
    assert codec.encode(RequestLine("", NATIVE, tools(SEARCH)), 1).hints is None
