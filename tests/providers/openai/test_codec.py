"""Lines out and rows back: what passes and what is refused, and what any row that a provider may write becomes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.lines.errors import LineError
from shared.providers.base import Answer, Encoded, Entry, RequestLine
from shared.providers.openai.codec import openai_codec
from shared.providers.openai.profile import ENDPOINTS, PARAMETERS, endpoints_of
from shared.providers.openai.usage import tokens_of

CHAT, EMBED, RESPONSES, COMPLETIONS, MODERATIONS = ENDPOINTS
MODEL = "gpt-4o-mini"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def encode(endpoint: str = CHAT, **body: Any) -> Encoded:
    return openai_codec(endpoint, MODEL).encode(RequestLine("mine", endpoint, {"model": "caller's", **body}), 12)


def sent(endpoint: str = CHAT, **body: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(encode(endpoint, **body).rows)
    return row


def refusal(endpoint: str = CHAT, **body: Any) -> LineError:
    with pytest.raises(LineError) as caught:
        encode(endpoint, **body)
    return caught.value


def answer(row: Any, model: str = "caller's") -> Answer:
    codec = openai_codec(CHAT, MODEL)
    read = codec.read(row if isinstance(row, bytes) else json.dumps(row).encode())
    assert read is not None
    return codec.answer([read], Entry(read.ordinal, "mine", model))


def row(**rest: Any) -> dict[str, Any]:
    return {"id": "batch_req_1", "custom_id": "r-000012", "response": None, "error": None, **rest}


def good(**body: Any) -> dict[str, Any]:
    whole = {"id": "chatcmpl-1", "model": "gpt-4o-mini-2024-07-18", "usage": USAGE, "created": 1_795_000_000, **body}
    return row(response={"status_code": 200, "request_id": "req_theirs", "body": whole})


def test_a_line_goes_out_in_openai_s_words_under_our_key_and_the_provider_s_model() -> None:
    row = sent(messages=[{"role": "user", "content": "Hi"}], temperature=0.5, stream=False, seed=None)
    assert row == {
        "custom_id": "r-000012",
        "method": "POST",
        "url": CHAT,
        "body": {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5},
    }


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_whatever_the_table_names_passes_as_it_is(endpoint: str) -> None:
    values: dict[str, Any] = {name: ["anything"] for name in PARAMETERS[endpoint] - {"model", "stream"}}
    for name in ("tools", "service_tier"):
        if name in values:
            values[name] = [{"type": "function", "function": {"name": "f"}}] if name == "tools" else "auto"
    assert sent(endpoint, **values)["body"] == {"model": MODEL, **values}


NEVER = [
    *("api_base", "base_url", "api_key", "api_version", "organization", "vertex_project", "aws_access_key_id"),
    *("azure_ad_token", "extra_body", "extra_headers", "custom_llm_provider", "provider", "previous_response_id"),
    *("conversation", "background", "stream_options", "web_search_options", "__proto__", "MODEL", "metadata.x"),
]


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("value", ["x", None])
def test_nothing_else_passes_not_even_empty(endpoint: str, name: str, value: str | None) -> None:
    error = refusal(endpoint, **{name: value})
    assert (error.code, error.param) == ("unsupported_parameter", name)


@given(st.text(max_size=30), st.sampled_from(list(ENDPOINTS)))
def test_only_names_of_the_table_pass(name: str, endpoint: str) -> None:
    if name not in PARAMETERS[endpoint]:
        assert refusal(endpoint, **{name: 1}).code == "unsupported_parameter"


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, {"tools": [{"type": "function"}, {"type": "mcp", "authorization": "x"}]}, "tools[1].type"),
        (RESPONSES, {"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "tools[0].type"),
        (RESPONSES, {"tools": [{"type": "web_search"}]}, "tools[0].type"),
        (CHAT, {"service_tier": "priority"}, "service_tier"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            "messages[0].content[0].file.file_id",
        ),
        (
            RESPONSES,
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]},
            "input[0].content[0].file_id",
        ),
        (
            RESPONSES,
            {"input": [{"type": "function_call_output", "output": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].output[0].file_id",
        ),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        (RESPONSES, {"input": [{"id": "msg_1"}]}, "input[0]"),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}, "prompt"),
        (
            RESPONSES,
            {"input": [{"type": "computer_call_output", "output": {"file_id": "file-1"}}]},
            "input[0].output.file_id",
        ),
    ],
)
def test_what_is_another_s_or_charged_apart_is_refused_by_its_place(
    endpoint: str, body: dict[str, Any], param: str
) -> None:
    assert refusal(endpoint, **body).param == param


INSIDE = [
    "http://127.0.0.1/x",
    "http://2130706433/",
    "https://metadata.google.internal/",
    "file:///etc/passwd",
    "//h/x",
]


@pytest.mark.parametrize("url", INSIDE)
@pytest.mark.parametrize(
    ("endpoint", "seat", "part", "param"),
    [
        (CHAT, "messages", {"type": "image_url", "image_url": {"url": "*"}}, "messages[0].content[0].image_url.url"),
        (RESPONSES, "input", {"type": "input_image", "image_url": "*"}, "input[0].content[0].image_url"),
        (RESPONSES, "input", {"type": "input_file", "file_url": "*"}, "input[0].content[0].file_url"),
    ],
)
def test_a_url_that_leads_inside_a_network_is_refused_by_its_place(
    url: str, endpoint: str, seat: str, part: dict[str, Any], param: str
) -> None:
    part = json.loads(json.dumps(part).replace("*", url))
    assert refusal(endpoint, **{seat: [{"role": "user", "content": [part]}]}).param == param


@pytest.mark.parametrize("url", INSIDE)
def test_what_is_to_be_moderated_leads_nowhere_either(url: str) -> None:
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]
    assert refusal(MODERATIONS, input=parts).param == "input[1].image_url.url"


@pytest.mark.parametrize("url", ["https://example.com/cat.png", "data:image/png;base64,AAAA"])
def test_what_anyone_may_read_passes(url: str) -> None:
    content = [{"type": "image_url", "image_url": {"url": url}}]
    assert sent(messages=[{"role": "user", "content": content}])["body"]["messages"][0]["content"] == content
    assert sent(MODERATIONS, input=content)["body"]["input"] == content


def test_moderation_costs_nothing() -> None:
    body = {"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": []}
    codec = openai_codec(MODERATIONS, "omni-moderation-latest")
    read = codec.read(json.dumps(row(response={"status_code": 200, "request_id": "r", "body": body})).encode())
    assert read is not None
    said = codec.answer([read], Entry(12, "mine", "caller's"))
    assert (said.status, said.body["model"], said.tokens) == (200, "caller's", Tokens())


def test_values_of_a_caller_stay_text() -> None:
    odd = "os.environ/OPENAI_API_KEY ${HOME} {{x}} gs://bucket/x"
    assert sent(messages=[{"role": "user", "content": odd}], user=odd)["body"]["user"] == odd


@pytest.mark.parametrize(
    ("given", "inputs"), [("text", 1), (["a", "b", "c"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ([], 1)]
)
def test_inputs_are_counted_as_openai_does(given: Any, inputs: int) -> None:
    assert encode(EMBED, input=given).inputs == inputs
    assert encode(CHAT, messages=[]).inputs == 1


@pytest.mark.parametrize(
    ("model", "endpoints"),
    [
        ("text-embedding-3-small", {EMBED}),
        ("gpt-4o-mini", {CHAT, RESPONSES, COMPLETIONS}),
        ("ft:gpt-4o-mini:acme::1", {CHAT, RESPONSES, COMPLETIONS}),
        ("o4-mini", {CHAT, RESPONSES, COMPLETIONS}),
        ("omni-moderation-latest", {MODERATIONS}),
        ("my-own", set(ENDPOINTS)),
    ],
)
def test_a_name_tells_where_a_model_can_be_asked(model: str, endpoints: set[str]) -> None:
    assert endpoints_of(model) == endpoints


def test_a_good_row_is_an_answer_in_the_caller_s_words() -> None:
    said = answer(good())
    assert said.status == 200
    assert said.body["model"] == "caller's"
    assert said.tokens == Tokens(text=7, output=3)
    assert said.day == "2026-11-18"
    assert said.request_id.startswith("req_")
    assert "theirs" not in said.request_id
    assert said.request_id == answer(good()).request_id


@pytest.mark.parametrize(
    ("response", "error", "status"),
    [
        ({"status_code": 400, "body": {"error": {"message": "No.", "code": "bad"}}}, None, 400),
        ({"status_code": 429, "body": "slow down"}, None, 429),
        ({"status_code": 0, "body": None}, None, 500),
        ({"status_code": 0, "body": {"choices": []}}, None, 500),
        ({"status_code": "200", "body": {}}, None, 500),
        ({"status_code": 200, "body": None}, None, 500),
        ({"status_code": 200, "body": {"choices": []}}, {"code": "x", "message": "y"}, 500),
        ({"status_code": 302, "body": {}}, None, 500),
        ({"status_code": 99999, "body": {}}, None, 500),
        ({"status_code": True, "body": {}}, None, 500),
        ({"status_code": 404, "body": None}, {"error": {"message": "no model", "code": 404}}, 404),
        ({}, "a text", 500),
        (None, None, 500),
    ],
)
def test_a_row_is_routed_by_what_it_says_of_itself(response: Any, error: Any, status: int) -> None:
    said = answer(row(response=response, error=error))
    assert said.status == status
    assert said.body["error"].keys() == {"message", "type", "param", "code"}
    assert said.body["error"]["message"]
    assert said.tokens is None
    assert said.never_ran is None


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": "batch_expired", "message": "Too late."}, "batch_expired", "Too late."),
        ({"code": None, "message": None}, "provider_error", "The provider gave no reason."),
        ({"code": "x" * 99, "message": "in org-AbCdEfGhIj"}, "provider_error", "in (an account)"),
        ("just a text", "provider_error", "just a text"),
    ],
)
def test_a_row_without_a_response_is_a_line_that_never_ran(error: Any, code: str, message: str) -> None:
    said = answer(row(error=error)).never_ran
    assert said is not None
    assert (said.code, said.message) == (code, message)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'"r-000001"', b'{"custom_id": "theirs"}', b"\xff\xfe"])
def test_what_bears_no_key_of_ours_is_nobody_s(raw: bytes) -> None:
    assert openai_codec(CHAT, MODEL).read(raw) is None


def test_half_a_character_and_a_number_that_is_none_spoil_only_themselves() -> None:
    raw = json.dumps(good(content="X")).replace('"X"', 'NaN, "odd": "\\ud800"').encode() + b"\xe2\x80"
    raw = raw.removesuffix(b"\xe2\x80").replace(b"chatcmpl-1", b"chatcmpl\xff")
    said = answer(raw)
    assert said.status == 200
    msgspec.json.encode(said.body)


KEYS = ["status_code", "body", "error", "message", "code", "usage", "prompt_tokens", "prompt_tokens_details", "created"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner),
    max_leaves=12,
)


@given(JSON, JSON)
def test_no_row_of_a_provider_stops_the_others(response: Any, error: Any) -> None:
    codec = openai_codec(CHAT, MODEL)
    read = codec.read(json.dumps({"custom_id": "r-000001", "response": response, "error": error}).encode())
    if read is None:  # a number beyond all bounds is no JSON
        return
    said = codec.answer([read], Entry(1, "mine", "m"))
    assert 200 <= said.status <= 599
    msgspec.json.encode(said.body)


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (USAGE, Tokens(text=7, output=3)),
        (
            {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
            },
            Tokens(text=2, audio=1, cached_text=4, output=1, thinking=2),
        ),
        (
            {
                "input_tokens": 7,
                "input_tokens_details": {"cached_tokens": 5},
                "output_tokens": 3,
                "output_tokens_details": {"reasoning_tokens": 3},
                "total_tokens": 10,
            },
            Tokens(text=2, cached_text=5, thinking=3),
        ),
        ({"prompt_tokens": 4, "total_tokens": 4}, Tokens(text=4)),
        ({"prompt_tokens": 4, "total_tokens": 9}, None),
        ({"prompt_tokens": 4}, None),
        ({**USAGE, "prompt_tokens": None}, None),
        ({**USAGE, "completion_tokens": "3"}, None),
        ({**USAGE, "completion_tokens": -1}, None),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 8}}, None),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}}, None),
        ({**USAGE, "completion_tokens_details": {"audio_tokens": 1}}, Tokens(text=7, output=2)),  # it is charged beside
        ({**USAGE, "completion_tokens_details": {"audio_tokens": 4}}, None),
        ({**USAGE, "completion_tokens_details": {"audio_tokens": "1"}}, None),
        ({**USAGE, "prompt_tokens": 2**60}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_tokens_are_what_adds_up_or_unknown(usage: Any, tokens: Tokens | None) -> None:
    assert tokens_of(usage) == tokens


@pytest.mark.parametrize(
    ("details", "extra"), [({"audio_tokens": 1}, True), ({"audio_tokens": 0}, False), (None, False)]
)
def test_audio_that_was_written_is_charged_beside_the_tokens(details: Any, extra: bool) -> None:
    body = {"usage": {**USAGE, "completion_tokens_details": details}}
    response = {"status_code": 200, "request_id": "x", "body": body}
    codec = openai_codec(CHAT, MODEL)
    read = codec.read(json.dumps({"custom_id": "r-000001", "response": response, "error": None}).encode())
    assert read is not None
    answer = codec.answer([read], Entry(1, "mine", "m"))
    assert (answer.extra, answer.tokens) == (extra, Tokens(text=7, output=3 - extra))
