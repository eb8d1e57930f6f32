"""Lines of other endpoints on Gemini: the row of the chat they are, errors in the caller's own words, the way back."""

import json
from typing import Any

import msgspec
import pytest
from openai.types import Completion
from openai.types.responses import Response

from shared.config import Deployment
from shared.lines.completions import COMPLETIONS
from shared.lines.errors import LineError
from shared.lines.responses import RESPONSES
from shared.providers.base import Answer, Codec, Encoded, Entry, Media, Provider, RequestLine
from shared.providers.lowered import lowered_codec
from shared.providers.vertex.codecs import chat_codec
from shared.providers.vertex.provider import open_provider as open_vertex
from tests.providers.vertex.rules import SAMPLES, breaches, chat, request_of

RAW = {json.loads(raw)["key"]: raw for raw in (SAMPLES / "gemini_predictions.jsonl").read_bytes().splitlines()}
RESPONSES_CODEC = lowered_codec(chat_codec("gemini-2.5-flash"), RESPONSES)
COMPLETIONS_CODEC = lowered_codec(chat_codec("gemini-2.5-flash"), COMPLETIONS)
PNG = "data:image/png;base64,aaaa"


def encode(**body: Any) -> Encoded:
    body.setdefault("input", "Hi")
    return RESPONSES_CODEC.encode(RequestLine("a", "/v1/responses", {"model": "m", **body}), 1)


def error(codec: Codec, body: dict[str, Any]) -> LineError:
    with pytest.raises(LineError) as caught:
        codec.encode(RequestLine("a", "/v1/…", {"model": "m", **body}), 1)
    return caught.value


def answer(codec: Codec, raw: bytes, hints: dict[str, Any] | None = None) -> Answer:
    row = codec.read(raw)
    assert row is not None
    return codec.answer([row], Entry(row.ordinal, "mine", "my-model", hints))


def body_of(given: Answer) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(msgspec.json.encode(given.body))
    return body


def test_a_codec_is_named_after_both() -> None:
    assert RESPONSES_CODEC.name == "gemini-chat+responses"
    assert COMPLETIONS_CODEC.name == "gemini-chat+completions"


@pytest.mark.parametrize("endpoint", ["/v1/responses", "/v1/completions"])
def test_models_that_chat_offer_it_and_find_it_again(endpoint: str) -> None:
    def opened(model: str) -> Provider:
        deployment = Deployment(id="d#0", group="d", provider="vertex_ai", model=model, project="p", location="eu")
        return open_vertex(deployment, Media())

    codec = opened("gemini-2.5-flash").codec(endpoint)
    assert codec is not None
    assert codec.name == f"gemini-chat+{endpoint.rpartition('/')[2]}"
    assert opened("gemini-2.5-flash").codec_named(codec.name).name == codec.name
    assert opened("gemini-embedding-001").codec(endpoint) is None
    with pytest.raises(LookupError):
        opened("gemini-embedding-001").codec_named(codec.name)


def test_a_line_is_the_row_of_its_chat() -> None:
    tool = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    call = {"call_id": "c", "name": "weather", "arguments": '{"city":"Oslo"}'}
    encoded = encode(
        instructions="Be brief.",
        input=[
            {"role": "user", "content": [{"type": "input_image", "image_url": PNG, "detail": "low"}]},
            {"type": "function_call", **call},
            {"type": "function_call_output", "call_id": "c", "output": "rain"},
        ],
        max_output_tokens=9,
        reasoning={"effort": "low", "summary": "auto"},
        tools=[{"type": "function", **tool, "strict": True}],
        text={
            "format": {
                "type": "json_schema",
                "name": "n",
                "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
            }
        },
    )
    function = {"name": "weather", "arguments": '{"city":"Oslo"}'}
    same = chat(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}]},
            {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "c", "content": "rain"},
        ],
        max_completion_tokens=9,
        reasoning_effort="low",
        thinking_config={"include_thoughts": True},
        tools=[{"type": "function", "function": {**tool, "strict": True}}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        },
    )
    assert json.loads(encoded.rows) == json.loads(same.rows)
    assert breaches(json.loads(encoded.rows)) == []
    assert encoded.shape == same.shape
    echo = {"max_output_tokens": 9, "effort": "low", "summary": "auto", "format": "json_schema"}
    assert encoded.hints == {"thoughts": True, "echo": echo}


def test_a_plain_line_needs_no_hints() -> None:
    assert request_of(encode()) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    assert encode().hints is None


def items(*given: dict[str, Any]) -> dict[str, Any]:
    return {"input": list(given)}


def content(part: dict[str, Any]) -> dict[str, Any]:
    return items({"role": "user", "content": [part]})


def call(**more: Any) -> dict[str, Any]:
    made = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", **more}
    return items({"role": "user", "content": "a"}, {"type": "reasoning", "summary": []}, made)


DEEP = {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {"a": {"type": "wrong"}}}}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": 5}]}
TOOLS = {"input": "a", "tools": [{"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "system", "content": "alone"}]}, "input"),
        (items({"role": "user", "content": ""}), "input[0].content"),
        ({"instructions": "a", **items({"role": "user", "content": []})}, "input[0].content"),
        (
            {"instructions": "a", **content({"type": "input_image", "image_url": "https://example.com/a.png"})},
            "input[0].content[0].image_url",
        ),
        (content({"type": "input_image", "image_url": PNG, "detail": "original"}), "input[0].content[0].detail"),
        (content({"type": "input_audio", "input_audio": {"format": "wav"}}), "input[0].content[0].input_audio.data"),
        (content({"type": "input_file", "file_id": "file-1"}), "input[0].content[0].file_id"),
        (content({"type": "input_file", "file_url": "https://a.b/c.pdf"}), "input[0].content[0].file_url"),
        (content({"type": "input_file", "file_data": "aaaa"}), "input[0].content[0].format"),
        (call(name="not a name"), "input[2].name"),
        (call(arguments="{"), "input[2].arguments"),
        (items({"type": "function_call_output", "call_id": "x", "output": "a"}), "input[0].call_id"),
        (
            items(
                *call()["input"],
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_image", "image_url": PNG}],
                },
            ),
            "input[3].output[0].type",
        ),
        ({"input": "a", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "a", "temperature": "hot"}, "temperature"),
        ({"input": "a", "reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"input": "a", "text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": "a", "text": {"verbosity": 5}}, "text.verbosity"),
        ({"input": "a", "text": {"format": DEEP}}, "text.format.schema.properties.a.type"),
        ({"input": "a", "tools": [{"type": "function", "name": "not a name"}]}, "tools[0].name"),
        ({"input": "a", "tool_choice": "required"}, "tool_choice"),
        ({**TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({**TOOLS, "tool_choice": ALLOWED}, "tool_choice.tools[0].name"),
        ({"input": "a", "store": "yes"}, "store"),
        ({"input": "a", "thinking_config": {"a": 1}}, "thinking_config.a"),
    ],
)
def test_errors_name_what_the_caller_wrote(body: dict[str, Any], param: str) -> None:
    told = error(RESPONSES_CODEC, body)
    assert told.param == param
    assert "messages" not in told.message
    if "'" in told.message:
        assert f"'{param}'" in told.message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": [""]}, "prompt[0]"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "logit_bias": {"5": 1}}, "logit_bias"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
    ],
)
def test_errors_of_completions_too(body: dict[str, Any], param: str) -> None:
    assert error(COMPLETIONS_CODEC, body).param == param


@pytest.mark.parametrize("key", sorted(RAW))
def test_every_answer_of_the_samples_is_one_of_the_endpoint(key: str) -> None:
    """What is good becomes the endpoint's own object, and has the tokens of the chat; errors stay as they are."""
    plain = answer(chat_codec("gemini-2.5-flash"), RAW[key])
    response = answer(RESPONSES_CODEC, RAW[key])
    completion = answer(COMPLETIONS_CODEC, RAW[key])
    for lowered in (response, completion):
        assert (lowered.status, lowered.request_id, lowered.tokens, lowered.day) == (
            plain.status,
            plain.request_id,
            plain.tokens,
            plain.day,
        )
    if plain.status >= 400:
        assert response.body == completion.body == plain.body
        return
    Response.model_validate(body_of(response), strict=True)
    Completion.model_validate(body_of(completion), strict=True)


def test_an_answer_repeats_what_the_line_remembers() -> None:
    encoded = encode(temperature=0.2, max_output_tokens=64)
    response = Response.model_validate(body_of(answer(RESPONSES_CODEC, RAW["r-000000"], encoded.hints)))
    assert response.output_text == "A ripe lemon is yellow."
    assert (response.temperature, response.max_output_tokens, response.model) == (0.2, 64, "my-model")


def test_thoughts_that_were_asked_for_are_a_summary() -> None:
    encoded = encode(reasoning={"summary": "auto"})
    response = Response.model_validate(body_of(answer(RESPONSES_CODEC, RAW["r-000002"], encoded.hints)))
    assert [item.type for item in response.output] == ["reasoning", "message"]


def test_a_line_without_an_answer_stays_an_error() -> None:
    missing = RESPONSES_CODEC.answer([], Entry(1, "mine", "m"))
    assert missing.status == 500
    assert "error" in missing.body
