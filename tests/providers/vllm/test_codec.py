"""Lines out and rows back: what passes to a vLLM server and what does not, and what its rows become."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.lines.errors import LineError
from shared.providers.base import Answer, Codec, Entry, RequestLine
from shared.providers.vllm.answer import known
from shared.providers.vllm.codec import vllm_codec
from shared.providers.vllm.profile import CHAT, COMPLETIONS, EMBEDDINGS, ENDPOINTS, IGNORED, PARAMETERS, RESPONSES

MODEL = "/models/tiny"
HOSTS = frozenset({"images.example.com"})
HI = [{"role": "user", "content": "Hi"}]


def codec(endpoint: str = CHAT) -> Codec:
    found = vllm_codec(endpoint, MODEL, HOSTS, ("vllm.internal", MODEL))
    assert found is not None
    return found


def sent(endpoint: str = CHAT, **body: Any) -> dict[str, Any]:
    encoded = codec(endpoint).encode(RequestLine("mine", endpoint, {"model": "caller's", **body}), 12)
    row: dict[str, Any] = json.loads(encoded.rows)
    return row


def refusal(endpoint: str = CHAT, **body: Any) -> LineError:
    with pytest.raises(LineError) as caught:
        sent(endpoint, **body)
    return caught.value


def part(**members: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "Look"}, members]}]


def chat(**rest: Any) -> dict[str, Any]:
    """An answer as vLLM 0.33 writes it."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "reasoning": None,
        "tool_calls": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    usage = {"prompt_tokens": 5, "total_tokens": 8, "completion_tokens": 3, "prompt_tokens_details": None}
    return {
        "id": "chatcmpl-batch_x-0001-r-000012-1",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": MODEL,
        "choices": [{**choice, "token_ids": [1], "routed_experts": None}],
        "usage": usage,
        "service_tier": None,
        "system_fingerprint": None,
        "prompt_logprobs": None,
        "kv_transfer_params": {"host": "10.0.0.7"},
        "metrics": {"x": 1},
        **rest,
    }


def answer(body: Any, status: int = 200, endpoint: str = CHAT) -> Answer:
    response = {"status_code": status, "request_id": "batch_x-12-1", "body": body}
    read = codec(endpoint).read(json.dumps({"custom_id": "r-000012", "response": response, "error": None}).encode())
    assert read is not None
    return codec(endpoint).answer([read], Entry(12, "mine", "caller's"))


def test_a_line_goes_out_as_a_batch_line_for_the_served_model() -> None:
    assert sent(messages=HI, temperature=0.5, top_k=4, stream=False, seed=None, user="u", metadata={"a": "b"}) == {
        "custom_id": "r-000012",
        "method": "POST",
        "url": CHAT,
        "body": {"model": MODEL, "messages": HI, "temperature": 0.5, "top_k": 4},
    }


def test_a_response_goes_out_as_a_chat() -> None:
    row = sent(RESPONSES, input="Hi", instructions="Be brief", max_output_tokens=9, reasoning={"summary": "auto"})
    assert row["url"] == CHAT
    assert row["body"] == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
    }


NEVER = [
    *("chat_template", "chat_template_kwargs", "mm_processor_kwargs", "media_io_kwargs", "guided_json", "guided_regex"),
    *("guided_choice", "guided_grammar", "guided_decoding_backend", "structured_outputs", "kv_transfer_params"),
    *("priority", "request_id", "session_id", "cache_salt", "extra_body", "extra_headers", "vllm_xargs", "documents"),
    *("prompt_embeds", "use_beam_search", "api_base", "api_key", "custom_llm_provider", "stream_options", "audio"),
    *("functions", "function_call", "web_search_options", "background", "previous_response_id", "__proto__", "MODEL"),
    *("add_generation_prompt", "continue_final_message", "logits_processors", "return_token_ids", "prompt_logprobs"),
]


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("value", ["x", None])
def test_what_reaches_past_the_request_never_passes_not_even_empty(endpoint: str, name: str, value: Any) -> None:
    error = refusal(endpoint, **{name: value})
    assert (error.code, error.param) == ("unsupported_parameter", name)


@given(st.text(max_size=30), st.sampled_from(list(ENDPOINTS)))
def test_only_names_of_the_table_pass(name: str, endpoint: str) -> None:
    if name not in PARAMETERS[endpoint]:
        assert refusal(endpoint, **{name: 1}).code == "unsupported_parameter"


def test_what_changes_no_answer_is_accepted_and_stays_here() -> None:
    values: dict[str, Any] = dict.fromkeys(IGNORED, "x") | {"service_tier": "auto"}
    assert sent(messages=HI, **values)["body"] == {"model": MODEL, "messages": HI}


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, {}, "messages"),
        (CHAT, {"messages": [{"role": "user", "content": "x", "tools": []}]}, "messages[0].tools"),
        (CHAT, {"messages": [{"role": "user", "content": {"a": 1}}]}, "messages[0].content"),
        (CHAT, {"messages": ["x"]}, "messages[0]"),
        (CHAT, {"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        (CHAT, {"messages": part(image_url={"url": "https://images.example.com/a"})}, "messages[0].content[1].type"),
        (CHAT, {"messages": part(type="image_embeds", image_embeds="AAAA")}, "messages[0].content[1].type"),
        (CHAT, {"messages": part(type="file", file={"file_id": "file-1"})}, "messages[0].content[1].type"),
        (
            CHAT,
            {"messages": part(type="image_url", image_url={"url": "data:x,"}, uuid="another's")},
            "messages[0].content[1].uuid",
        ),
        (
            CHAT,
            {"messages": part(type="text", text="x", image_url={"url": "https://images.example.com/a"})},
            "messages[0].content[1].image_url",
        ),
        (
            CHAT,
            {"messages": part(type="image_url", image_url={"url": "http://169.254.169.254/latest"})},
            "messages[0].content[1].image_url.url",
        ),
        (
            CHAT,
            {"messages": part(type="video_url", video_url="file:///etc/passwd")},
            "messages[0].content[1].video_url",
        ),
        (
            CHAT,
            {"messages": part(type="input_audio", input_audio={"data": "A", "format": "wav,http://x"})},
            "messages[0].content[1].input_audio.format",
        ),
        (
            CHAT,
            {"messages": part(type="input_audio", input_audio={"data": "http://x", "format": "wav"})},
            "messages[0].content[1].input_audio.data",
        ),
        (CHAT, {"messages": HI, "tools": [{"type": "web_search"}]}, "tools[0].type"),
        (CHAT, {"messages": HI, "response_format": {"type": "structural_tag"}}, "response_format.type"),
        (CHAT, {"messages": HI, "service_tier": "priority"}, "service_tier"),
        (CHAT, {"messages": HI, "modalities": ["text", "audio"]}, "modalities"),
        (CHAT, {"messages": HI, "thinking_config": {"thinking_budget": 1}}, "thinking_config"),
        (COMPLETIONS, {"prompt": "x", "suffix": "end"}, "suffix"),
        (COMPLETIONS, {"prompt": "x", "best_of": 3, "n": 2}, "best_of"),
        (COMPLETIONS, {"prompt": "x", "best_of": 1, "n": 8}, "best_of"),
        (RESPONSES, {"input": "x", "previous_response_id": "resp_1"}, "previous_response_id"),
        (
            RESPONSES,
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://10.0.0.1/a"}]}]},
            "input[0].content[0].image_url",
        ),
    ],
)
def test_what_the_server_cannot_or_may_not_do_names_its_place(endpoint: str, body: dict[str, Any], param: str) -> None:
    assert refusal(endpoint, **body).param == param


def test_media_pass_as_content_or_from_a_listed_host() -> None:
    content = [
        {"type": "image_url", "image_url": "data:image/png;base64,AA"},
        {"type": "image_url", "image_url": {"url": "https://images.example.com/a.png", "detail": "low", "format": "x"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    assert sent(messages=[{"role": "user", "content": content}])["body"]["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
        {"type": "image_url", "image_url": {"url": "https://images.example.com/a.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]


def test_values_that_ask_for_nothing_are_no_errors() -> None:
    assert sent(COMPLETIONS, prompt="x", suffix="", best_of=2, n=2, echo=True)["body"] == {
        "model": MODEL,
        "prompt": "x",
        "n": 2,
        "echo": True,
    }
    assert sent(messages=HI, modalities=["text"])["body"] == {"model": MODEL, "messages": HI}


def test_an_answer_keeps_what_openai_s_contract_knows_under_the_caller_s_name() -> None:
    said = answer(chat())
    assert said.status == 200
    assert said.body.pop("id").startswith("chatcmpl-")
    assert said.body == {
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": "caller's",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
        "system_fingerprint": None,
    }
    assert said.tokens == Tokens(text=5, output=3)
    assert said.day == "2026-11-18"


def test_the_name_that_we_gave_the_request_is_not_in_its_answer() -> None:
    said = answer(chat())
    assert "batch_x" not in json.dumps([said.body, said.request_id])
    assert said.body["id"] == answer(chat()).body["id"]


def test_what_was_kept_once_is_kept_again_as_it_is() -> None:
    once = known(CHAT, chat())
    assert once is not None
    assert known(CHAT, json.loads(json.dumps(once))) == once


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_thoughts_have_one_name(name: str) -> None:
    message = {"role": "assistant", "content": "4", name: "2 + 2"}
    said = answer(chat(choices=[{"index": 0, "message": message, "finish_reason": "stop"}]))
    assert said.body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "4",
        "refusal": None,
        "reasoning_content": "2 + 2",
    }


def test_a_tool_call_comes_back() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [{**call, "index": 0}]}
    said = answer(chat(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}]))
    assert said.body["choices"][0]["message"]["tool_calls"] == [call]


def test_a_response_comes_back_as_one() -> None:
    said = answer(chat(), endpoint=RESPONSES)
    assert (said.body["object"], said.body["model"]) == ("response", "caller's")
    assert said.body["output"][0]["content"][0]["text"] == "Hello"
    assert said.body["usage"]["total_tokens"] == 8


@pytest.mark.parametrize("vector", [[0.5, 1, -2e-3], "AACAPw=="])
def test_embeddings_come_back_in_either_form(vector: Any) -> None:
    body = {
        "id": "embd-1",
        "object": "list",
        "created": 1,
        "model": MODEL,
        "data": [{"index": 0, "object": "embedding", "embedding": vector}],
        "usage": {"prompt_tokens": 4, "total_tokens": 4, "completion_tokens": 0, "prompt_tokens_details": None},
    }
    said = answer(body, endpoint=EMBEDDINGS)
    assert said.body == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": "caller's",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert said.tokens == Tokens(text=4)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"object": "error", "message": "no"},
        chat(object="text_completion"),
        chat(choices=[]),
        chat(choices=None),
        chat(choices=["x"]),
        chat(choices=[{"index": 0, "message": None}]),
        chat(choices=[{"index": 0, "message": {"content": 4}}]),
        chat(choices=[{"index": 0, "message": {"content": None, "tool_calls": [{"id": "x"}]}}]),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_line_and_not_a_success(body: Any) -> None:
    said = answer(body)
    assert said.status == 500
    assert said.body["error"]["message"]


def test_an_error_names_neither_the_host_nor_the_path_of_the_model() -> None:
    said = answer({"error": {"message": f"{MODEL} at vllm.internal says no: http://10.0.0.1/x"}}, 400)
    assert said.status == 400
    assert "vllm.internal" not in said.body["error"]["message"]
    assert "10.0.0.1" not in said.body["error"]["message"]
    assert MODEL not in said.body["error"]["message"]


KEYS = [
    "object",
    "choices",
    "message",
    "content",
    "tool_calls",
    "function",
    "data",
    "embedding",
    "usage",
    "id",
    "index",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


@given(JSON, st.sampled_from([CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES]))
def test_no_answer_of_a_server_stops_the_others(body: Any, endpoint: str) -> None:
    said = answer(body, endpoint=endpoint)
    assert 200 <= said.status <= 599
    msgspec.json.encode(said.body)


@given(st.dictionaries(st.sampled_from(["id", "created", "usage", "model", "choices"]), JSON))
def test_nor_does_one_that_is_almost_right(rest: dict[str, Any]) -> None:
    said = answer(chat(**rest), endpoint=RESPONSES)
    msgspec.json.encode(said.body)
