"""Open models: OpenAI's batch lines, of text alone, and answers in either shape that a row may have."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.standin.openmodel import completion
from shared.domain.usage import Tokens
from shared.lines.completions import COMPLETIONS
from shared.lines.errors import LineError
from shared.lines.responses import RESPONSES
from shared.providers.base import Answer, Encoded, Entry, RequestLine
from shared.providers.lowered import lowered_codec
from shared.providers.vertex.open_codec import CHAT, EMBEDDINGS, open_codec
from tests.providers.vertex.rules import SAMPLES, breaches, breaches_but_nulls
from tests.providers.vertex.test_importer import PARAMETERS, SCHEMAS, VALUES

MODEL = "meta/llama-3.3-70b-instruct-maas"
CODEC = open_codec(CHAT, MODEL)
HI = {"role": "user", "content": "Hi"}
RAW = (SAMPLES / "open_predictions.jsonl").read_bytes().splitlines()[0]
BODY = json.loads(RAW)["response"]["body"]


def chat(**body: Any) -> Encoded:
    body.setdefault("messages", [HI])
    return CODEC.encode(RequestLine("a", CHAT, {"model": "llama", **body}), 17)


def sent(**body: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(chat(**body).rows)
    assert breaches(row) == []
    assert (row["custom_id"], row["method"], row["url"]) == ("r-000017", "POST", CHAT)
    made: dict[str, Any] = row["body"]
    completion(made, CHAT, "", MODEL)
    return made


def answer(row: Any, codec: Any = CODEC) -> Answer:
    read = codec.read(row if isinstance(row, bytes) else json.dumps(row).encode())
    assert read is not None
    given: Answer = codec.answer([read], Entry(read.ordinal, "mine", "llama"))
    return given


def test_a_line_goes_out_as_it_is_but_for_the_model() -> None:
    body = {
        "messages": [{"role": "system", "content": "Be brief."}, HI],
        "max_tokens": 5,
        "temperature": 0.2,
        "n": 2,
        "seed": 1,
    }
    assert sent(**body) == {"model": MODEL, **body}


def test_schemas_are_said_as_the_importer_can_hold_them() -> None:
    schema = {
        "$defs": {"a": {"type": ["string", "null"]}},
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/a"}},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    bare = {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}}
    made = sent(
        tools=[tool, bare], response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    )
    plain = {"type": "object", "properties": {"x": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
    assert made["tools"][0]["function"] == {"name": "f", "parameters": plain, "strict": True}
    assert made["tools"][1]["function"] == {"name": "g", "parameters": {"type": "object"}}
    assert made["response_format"]["json_schema"] == {"name": "n", "schema": plain}


def test_lines_whose_types_clash_are_said_to() -> None:
    plain, parts = chat().shape, chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]).shape
    assert plain is not None
    assert parts is not None
    assert plain["body.messages.content"] != parts["body.messages.content"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:a/b;base64,A"}}]}
                ]
            },
            "messages[0].content[0].type",
        ),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {"a": 1}}, "web_search_options"),
        ({"unknown": 1}, "unknown"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"messages": "x"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [7]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    ],
)
def test_what_cannot_be_run_names_the_parameter(body: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        chat(**body)
    assert caught.value.param == param


def test_both_shapes_of_an_answer_are_read() -> None:
    whole = answer(RAW)
    bare = answer({"custom_id": "r-000000", "status": "", "processed_time": "2026-11-14T10:00:00Z", "response": BODY})
    text = answer({"custom_id": "r-000000", "response": json.dumps(BODY)})
    for one in (whole, bare, text):
        assert one.status == 200
        assert one.body["choices"][0]["message"]["content"] == "Yellow."
        assert one.body["model"] == "llama"
        assert one.tokens == Tokens(text=14, output=3)
    assert bare.day == "2026-11-14"


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"response": {"status_code": 429, "body": {"error": {"message": "Slow down."}}}, "error": None}, 429),
        ({"response": {"error": {"message": "No.", "code": 422}}}, 422),
        ({"response": {"error": "No."}}, 400),
        ({"status": 'Bad Request: {"error":{"code":400,"message":"No."}}', "response": {}}, 400),
        ({"status": "RESOURCE_EXHAUSTED: no quota"}, 429),
        ({"response": None}, 500),
        ({"response": 7}, 500),
        ({"response": {"choices": []}}, 500),
        ({"response": {"status_code": 200, "body": {"choices": [{"message": {"content": 7}}]}}}, 500),
        ({"response": {"choices": [{"message": {"tool_calls": [{"id": 1}]}}]}}, 500),
        ({"response": {"status_code": 0, "body": BODY}}, 500),
    ],
)
def test_what_is_no_answer_is_an_error(row: dict[str, Any], status: int) -> None:
    given = answer({"custom_id": "r-000001", **row})
    assert given.status == status
    assert given.body["error"]["message"]


@pytest.mark.parametrize("lowering", [RESPONSES, COMPLETIONS])
def test_what_an_answer_leaves_out_is_put_in_for_other_endpoints(lowering: Any) -> None:
    codec = lowered_codec(CODEC, lowering)
    sparse = {"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 1}}
    given = answer({"custom_id": "r-000001", "response": sparse}, codec)
    assert given.status == 200
    assert b'"Hi"' in msgspec.json.encode(given.body)


def test_embeddings() -> None:
    codec = open_codec(EMBEDDINGS, "intfloat/multilingual-e5-large-instruct-maas")
    encoded = codec.encode(RequestLine("a", EMBEDDINGS, {"model": "e5", "input": ["One", "Two"]}), 3)
    row = json.loads(encoded.rows)
    assert (encoded.count, row["url"], row["body"]["input"]) == (1, EMBEDDINGS, ["One", "Two"])
    body = {
        "object": "list",
        "data": [{"embedding": [1.0], "index": 0}],
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    given = answer({"custom_id": "r-000003", "response": body}, codec)
    assert (given.status, given.tokens) == (200, Tokens(text=2))
    assert answer({"custom_id": "r-000003", "response": {"data": []}}, codec).status == 500
    with pytest.raises(LineError) as caught:
        codec.encode(RequestLine("a", EMBEDDINGS, {"model": "e5", "input": [[1, 2]]}), 3)
    assert caught.value.param == "input"


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"custom_id":"mine"}', b'{"key":"r-000001"}', b"\xff"])
def test_what_is_nobodys_row_is_said_to_be(raw: bytes) -> None:
    assert CODEC.read(raw) is None


def check(body: dict[str, Any]) -> None:
    try:
        encoded = chat(**body)
    except LineError as refused:
        assert refused.param in {None, "stream"} or refused.param in refused.message  # noqa: PT017
        return
    assert breaches_but_nulls(json.loads(encoded.rows)) == []


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(PARAMETERS), VALUES, min_size=1, max_size=4))
def test_any_value_anywhere(body: dict[str, Any]) -> None:
    check(body)


@settings(max_examples=200, deadline=None)
@given(SCHEMAS)
def test_any_schema(schema: dict[str, Any]) -> None:
    check({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]})
    check({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}})


@settings(max_examples=300, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_whatever_comes_back_is_answered(response: Any, choice: Any, usage: Any) -> None:
    codec = lowered_codec(CODEC, RESPONSES)
    for said in (response, {"choices": [choice], "usage": usage}, {"choices": [{"message": choice}], "usage": usage}):
        given = answer(json.dumps({"custom_id": "r-000001", "response": said, "error": choice}).encode(), codec)
        assert 200 <= given.status <= 599
        msgspec.json.encode(given.body)
