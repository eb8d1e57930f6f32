"""What Offpeak's codecs write, the stand-in imports and understands: two readings of the same specification."""

import json
from typing import Any

import pytest

from infra.local.standin.answers import answer
from infra.local.standin.families import family_of
from infra.local.standin.importer import Importer, ImportRules
from shared.config import Deployment
from shared.lines.errors import LineError
from shared.providers.base import Encoded, Entry, Media, RequestLine
from shared.providers.vertex.codecs import chat_codec, embedding_codec
from shared.providers.vertex.profile import model_of
from shared.providers.vertex.provider import open_provider

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather",
        "parameters": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where"},
                "unit": {"type": ["string", "null"], "enum": ["C", "F"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
BARE = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
PICTURE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="  # noqa: E501
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "strict": True,
        "schema": {
            "$defs": {"age": {"type": "integer"}},
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"$ref": "#/$defs/age"},
                "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["name", "age", "nick", "tags"],
            "additionalProperties": False,
        },
    },
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
EMPTY_CALL = {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}}
HI = {"role": "user", "content": "Hi"}

BODIES: dict[str, dict[str, Any]] = {
    "plain": {"messages": [HI]},
    "system and developer": {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Really."}, HI]
    },
    "numbers": {"messages": [HI], "temperature": 1, "top_p": 0.5, "seed": 2**40, "max_completion_tokens": 64, "n": 2},
    "penalties and stop": {"messages": [HI], "presence_penalty": 1, "frequency_penalty": -1.5, "stop": ["a", "b"]},
    "one stop": {"messages": [HI], "stop": "END"},
    "logprobs": {"messages": [HI], "logprobs": True, "top_logprobs": 3},
    "json": {"messages": [HI], "response_format": {"type": "json_object"}},
    "schema": {"messages": [HI], "response_format": SCHEMA},
    "tools": {"messages": [HI], "tools": [TOOL, BARE], "tool_choice": "auto"},
    "a named tool": {
        "messages": [HI],
        "tools": [TOOL, BARE],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
    "a required tool without arguments": {"messages": [HI], "tools": [BARE], "tool_choice": "required"},
    "a conversation with tools": {
        "messages": [
            HI,
            {"role": "assistant", "content": None, "tool_calls": [CALL, EMPTY_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"rain": true}'},
            {"role": "tool", "tool_call_id": "call_2", "content": "{}"},
            {"role": "assistant", "content": "It rains."},
            {"role": "user", "content": "And tomorrow?"},
        ],
        "tools": [TOOL, BARE],
    },
    "a picture": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                ],
            }
        ]
    },
    "effort": {"messages": [HI], "reasoning_effort": "low"},
    "turns of one role": {"messages": [HI, HI, {"role": "assistant", "content": "Yes?"}, HI]},
}
MODELS = ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.8-flash")
UNLIKE = {("gemini-3.8-flash", "penalties and stop")}  # the codec refuses these lines, as it should


def chat(model: str, body: dict[str, Any], ordinal: int) -> Encoded:
    line = RequestLine(f"line-{ordinal}", "/v1/chat/completions", {"model": model, **body})
    return chat_codec(model).encode(line, ordinal)


CASES = [(model, name) for model in MODELS for name in BODIES if (model, name) not in UNLIKE]


@pytest.mark.parametrize(("model", "name"), CASES)
def test_an_encoded_line_is_imported_answered_and_read_back(model: str, name: str) -> None:
    encoded = chat(model, BODIES[name], 1)
    assert Importer(ImportRules()).read(encoded.rows.splitlines()) == 1
    row = json.loads(encoded.rows)
    response = answer(row["request"], "", model, embeds=False)
    codec = chat_codec(model)
    read = codec.read(json.dumps({**row, "status": "", "processed_time": "", "response": response}).encode())
    assert read is not None
    final = codec.answer([read], Entry(1, "line-1", model, encoded.hints))
    assert final.status == 200, final.body
    assert final.tokens is not None
    assert final.tokens.prompt == response["usageMetadata"]["promptTokenCount"]


@pytest.mark.parametrize("model", MODELS)
def test_lines_whose_shapes_agree_make_one_file(model: str) -> None:
    """Free-form parts that clash go to other jobs; everything else may lie in one file."""
    rows, shapes = [], dict[str, str]()
    for ordinal, name in enumerate(name for of, name in CASES if of == model):
        encoded = chat(model, BODIES[name], ordinal)
        shape = encoded.shape or {}
        if all(shapes.get(path, kind) == kind for path, kind in shape.items()):
            shapes |= shape
            rows.append(encoded.rows.strip())
    assert Importer(ImportRules()).read(rows) == len(rows) > 10


@pytest.mark.parametrize("body", [{"input": "One"}, {"input": ["One", "Two"]}, {"input": "One", "dimensions": 256}])
def test_embeddings_agree(body: dict[str, Any]) -> None:
    model = "gemini-embedding-001"
    codec = embedding_codec(model)
    encoded = codec.encode(RequestLine("a", "/v1/embeddings", {"model": model, **body}), 1)
    lines = encoded.rows.splitlines()
    assert Importer(ImportRules()).read(lines) == encoded.count
    rows = []
    for line in lines:
        row = json.loads(line)
        response = answer(row["request"], "", model, embeds=True)
        read = codec.read(json.dumps({**row, "status": "", "response": response}).encode())
        assert read is not None
        rows.append(read)
    final = codec.answer(rows, Entry(1, "a", model, encoded.hints))
    assert final.status == 200, final.body


OTHERS = (
    "claude-sonnet-4-5@20250929",
    "claude-haiku-5-5",
    "meta/llama-3.3-70b-instruct-maas",
    "openai/gpt-oss-120b-maas",
)
REFUSED = {  # by the codec, as it should
    "claude": {"numbers", "penalties and stop", "logprobs", "json", "a conversation with tools", "a picture"},
    "open": {"a picture"},
}
MARKERS = {"": 200, "call": 200, "odd": 200, "safety": 200, "bare": 200, "fail": 400, "quota": 429, "deadline": 504}


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("model", OTHERS)
def test_other_families_agree(model: str, name: str, endpoint: str, marker: str) -> None:
    found = model_of(model)
    assert found is not None
    family = family_of(found.path)
    assert family is not None
    deployment = Deployment(id="d", group="d", provider="vertex_ai", model=model, project="p", location="us-central1")
    codec = open_provider(deployment, Media()).codec(endpoint)
    assert codec is not None
    body = BODIES[name] if endpoint.endswith("completions") else {"input": "Hi", "reasoning": {"effort": "low"}}
    try:
        encoded = codec.encode(RequestLine("a", endpoint, {"model": model, **body}), 1)
    except LineError:
        assert name in REFUSED["claude" if "claude" in model else "open"]
        return
    assert Importer(family.rules).read(encoded.rows.splitlines()) == 1
    row, good = family.run(json.loads(encoded.rows), marker)
    read = codec.read(json.dumps(row).encode())
    assert read is not None
    final = codec.answer([read], Entry(1, "a", model, encoded.hints))
    assert final.status == MARKERS[marker], final.body
    assert good is (final.status == 200)
    assert (final.tokens is not None) is good


@pytest.mark.parametrize("model", ["text-embedding-005", "intfloat/multilingual-e5-large-instruct-maas"])
@pytest.mark.parametrize("given", ["One", ["One", "Two", "One"]])
def test_other_embeddings_agree(model: str, given: Any) -> None:
    found = model_of(model)
    assert found is not None
    family = family_of(found.path)
    assert family is not None
    deployment = Deployment(id="d", group="d", provider="vertex_ai", model=model, project="p", location="us-central1")
    codec = open_provider(deployment, Media()).codec("/v1/embeddings")
    assert codec is not None
    encoded = codec.encode(RequestLine("a", "/v1/embeddings", {"model": model, "input": given}), 1)
    lines = encoded.rows.splitlines()
    assert Importer(family.rules).read(lines) == encoded.count
    rows = []
    for index, line in enumerate(lines):
        read = codec.read(json.dumps(family.run(json.loads(line), "")[0]).encode())
        assert read is not None
        if encoded.match is not None:
            assert read.match == encoded.match[index]
            read.ordinal, read.index, read.count = 1, index, encoded.count
        rows.append(read)
    final = codec.answer(rows, Entry(1, "a", model, encoded.hints, encoded.count))
    assert final.status == 200, final.body
    assert len(final.body["data"]) == (1 if given == "One" else 3)
    assert final.tokens is not None
