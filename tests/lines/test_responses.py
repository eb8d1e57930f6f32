"""What a Responses request is as a chat, what is refused because it would be lost, and the way back."""

import json
from typing import Any

import pytest
from openai.types.responses import Response

from shared.lines.errors import LineError
from shared.lines.responses import RESPONSES

PNG = "data:image/png;base64,aaaa"
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Oslo"}'}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}


def lowered(**body: Any) -> dict[str, Any]:
    body.setdefault("input", "Hi")
    return RESPONSES.lower({"model": "m", **body}).body


def messages(*items: dict[str, Any], **body: Any) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = lowered(input=list(items), **body)["messages"]
    return made


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def part(given: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = messages(user(given))[0]["content"][0]
    return made


def test_a_text_is_what_the_user_says() -> None:
    assert lowered(input="Hi") == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_instructions_come_first_and_from_the_system() -> None:
    assert lowered(instructions="Be brief.")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_messages_of_every_role() -> None:
    said = [{"role": role, "content": role} for role in ("developer", "system", "user", "assistant")]
    assert messages(*said) == said
    assert messages(*({"type": "message", "id": None, **one} for one in said)) == said


@pytest.mark.parametrize(
    ("given", "chat"),
    [
        ({"type": "input_text", "text": "a"}, {"type": "text", "text": "a"}),
        ({"type": "output_text", "text": "a", "annotations": [], "logprobs": []}, {"type": "text", "text": "a"}),
        ({"type": "refusal", "refusal": "no"}, {"type": "refusal", "refusal": "no"}),
        (
            {"type": "input_image", "image_url": PNG, "detail": "low", "file_id": None},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "aaaa", "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": "aaaa", "format": "wav"}},
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "aaaa", "detail": "auto"},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "aaaa"}},
        ),
        (
            {"type": "input_file", "file_url": "gs://b/a.pdf"},
            {"type": "file", "file": {"file_id": "gs://b/a.pdf"}},
        ),
    ],
)
def test_parts_of_content(given: dict[str, Any], chat: dict[str, Any]) -> None:
    assert part(given) == chat


def test_calls_belong_to_the_turn_that_they_continue() -> None:
    spoken = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]}
    second = {**CALL, "call_id": "call_2", "extra_content": {"google": {"thought_signature": "c2ln"}}}
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
        {
            "id": "call_2",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
            "extra_content": {"google": {"thought_signature": "c2ln"}},
        },
    ]
    results: list[dict[str, Any]] = [
        RESULT,
        {**RESULT, "call_id": "call_2", "output": [{"type": "input_text", "text": "sun"}]},
    ]
    thought: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}

    assert messages({"role": "user", "content": "a"}, spoken, CALL, thought, second, *results) == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}], "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "sun"}]},
    ]
    assert messages({"role": "user", "content": "a"}, CALL)[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": calls[:1],
    }


def test_the_request_itself_is_left_as_it_was() -> None:
    body = {
        "model": "m",
        "input": [{"role": "assistant", "content": "a"}, CALL, RESULT],
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": {"type": "function", "name": "f"},
        "thinking_config": {"thinking_budget": 5},
        "reasoning": {"summary": "auto"},
    }
    before = json.dumps(body)
    RESPONSES.lower(body)
    assert json.dumps(body) == before


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given", "chat"),
    [
        ({"max_output_tokens": 9}, {"max_completion_tokens": 9}),
        ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
        (
            {"top_logprobs": 2, "include": ["message.output_text.logprobs", "web_search_call.results"]},
            {"top_logprobs": 2, "logprobs": True},
        ),
        ({"text": {"format": {"type": "text"}}}, {"response_format": {"type": "text"}}),
        (
            {"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
            {"response_format": {"type": "json_object"}, "verbosity": "low"},
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        ({"reasoning": {"effort": "low", "summary": None}}, {"reasoning_effort": "low"}),
        ({"reasoning": {"summary": "auto"}}, {"thinking_config": {"include_thoughts": True}}),
        (
            {"thinking_config": {"thinking_budget": 5}, "reasoning": {"summary": "auto"}},
            {"thinking_config": {"thinking_budget": 5, "include_thoughts": True}},
        ),
        (
            {"reasoning": {"summary": "auto"}, "thinking_config": {"thinking_budget": 5}},
            {"thinking_config": {"thinking_budget": 5, "include_thoughts": True}},
        ),
        (
            {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": True, "description": None}]},
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}]},
        ),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
                }
            },
        ),
        ({"parallel_tool_calls": False, "store": True}, {"parallel_tool_calls": False, "store": True}),
        ({"metadata": {"a": "b"}, "user": "u"}, {"metadata": {"a": "b"}, "user": "u"}),
        ({"safety_settings": []}, {"safety_settings": []}),
        ({"truncation": "disabled", "background": False}, {}),
        ({"previous_response_id": None, "conversation": None, "max_tool_calls": None, "prompt": None}, {}),
    ],
)
def test_parameters(given: dict[str, Any], chat: dict[str, Any]) -> None:
    assert lowered(**given) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **chat}


MESSAGE = {"role": "user", "content": "a"}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"input": None}, "input"),
        ({"input": None, "prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": None, "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": 5}, "input"),
        ({"input": ["a"]}, "input[0]"),
        ({"input": [{}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"type": "message", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{**MESSAGE, "phase": "commentary"}]}, "input[0].phase"),
        ({"input": [{**MESSAGE, "n\name": 1}]}, "input[0].n?ame"),
        ({"input": [user({"text": "a"})]}, "input[0].content[0].type"),
        ({"input": [user({"type": "text", "text": "a"})]}, "input[0].content[0].type"),
        ({"input": [user({"type": "input_text"})]}, "input[0].content[0].text"),
        ({"input": [user({"type": "input_image", "file_id": "file-1"})]}, "input[0].content[0].file_id"),
        ({"input": [user({"type": "input_image"})]}, "input[0].content[0].image_url"),
        ({"input": [user({"type": "input_audio"})]}, "input[0].content[0].input_audio"),
        ({"input": [user({"type": "input_file"})]}, "input[0].content[0].file_data"),
        (
            {"input": [user({"type": "input_file", "file_data": "a", "file_url": "b"})]},
            "input[0].content[0].file_url",
        ),
        (
            {"input": [user({"type": "input_file", "file_data": "a", "detail": "high"})]},
            "input[0].content[0].detail",
        ),
        ({"input": [{**CALL, "call_id": None}]}, "input[0].call_id"),
        ({"input": [{**CALL, "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{**CALL, "namespace": "n"}]}, "input[0].namespace"),
        ({"input": [{**RESULT, "output": None}]}, "input[0].output"),
        ({"input": [{"type": "reasoning", "encrypted_content": "gAAA"}]}, "input[0].encrypted_content"),
        ({"instructions": ["a"]}, "instructions"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"background": "no"}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_tool_calls": 3}, "max_tool_calls"),
        ({"messages": []}, "messages"),
        ({"n": 2}, "n"),
        ({"max_tokens": 2}, "max_tokens"),
        ({"include": ["reasoning.encrypted_content"]}, "include[0]"),
        ({"include": "all"}, "include"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"text": {"form": "a"}}, "text.form"),
        ({"text": {"format": {}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "json_schema": {}}}}, "text.format.json_schema"),
        ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "name": "f", "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].function"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice.tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}},
            "tool_choice.tools[0].type",
        ),
    ],
)
def test_what_would_be_lost_is_refused_by_name(given: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        lowered(**given)
    assert caught.value.param == param
    assert f"'{param}'" in caught.value.message


def test_only_short_things_are_remembered() -> None:
    given = {
        "input": "Hi",
        "instructions": "long",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "tools": [{"type": "function", "name": "f"}],
        "tool_choice": {"type": "function", "name": "f"},
    }
    assert RESPONSES.lower(given).echo == {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "effort": "low",
        "summary": "auto",
        "format": "json_schema",
        "tool_choice": {"type": "function", "name": "f"},
    }
    defaults = {"text": {"format": {"type": "text"}}, "tool_choice": "auto", "parallel_tool_calls": True}
    assert RESPONSES.lower({"input": "Hi", **defaults}).echo == {}


def chat(finish: str = "stop", logprobs: Any = None, usage: Any = None, **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, "refusal": None, **message}
    choice = {"index": 0, "message": said, "logprobs": logprobs, "finish_reason": finish}
    return {
        "id": "chatcmpl-x1",
        "object": "chat.completion",
        "created": 1794652150,
        "model": "m",
        "choices": [{**choice, "native_finish_reason": "STOP"}],
        "usage": usage,
        "system_fingerprint": None,
    }


USAGE = {
    "prompt_tokens": 15,
    "completion_tokens": 7,
    "total_tokens": 22,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def respond(completion: dict[str, Any], **echo: Any) -> tuple[dict[str, Any], Response]:
    """The body as it is, and as the SDK reads it, which must be the same to the letter and to the type."""
    body: dict[str, Any] = json.loads(json.dumps(RESPONSES.answer(completion, echo)))
    read = Response.model_validate(body, strict=True)
    for item in read.output:
        assert type(item).__module__.startswith("openai.types.responses")
    assert {name: value for name, value in read.to_dict(mode="json").items() if name in body} == body
    return body, read


def test_an_answer_in_full() -> None:
    body, response = respond(chat(content="Yellow.", usage=USAGE), temperature=0.5, effort="low", max_output_tokens=64)
    assert response.output_text == "Yellow."
    assert body == {
        "id": "resp_x1",
        "object": "response",
        "created_at": 1794652150,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": 64,
        "max_tool_calls": None,
        "model": "m",
        "output": [
            {
                "id": "msg_x1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Yellow.", "annotations": []}],
            }
        ],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "low", "summary": None},
        "store": False,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": {
            "input_tokens": 15,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 22,
        },
        "metadata": {},
        "native_finish_reason": "STOP",
    }


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_off_says_why(finish: str, reason: str) -> None:
    body, response = respond(chat(finish, content="Yel"))
    assert (response.status, body["incomplete_details"]) == ("incomplete", {"reason": reason})
    assert body["output"][0]["status"] == "incomplete"
    assert response.output_text == "Yel"


def test_a_refusal_is_content_and_nothing_at_all_is_no_message() -> None:
    body, response = respond(chat("content_filter", refusal="No."))
    assert body["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert response.output_text == ""
    assert respond(chat("content_filter"))[0]["output"] == []


def test_an_empty_answer_is_an_empty_text() -> None:
    body, _ = respond(chat(content=""))
    assert body["output"][0]["content"] == [{"type": "output_text", "text": "", "annotations": []}]


def test_thoughts_words_pictures_and_calls_are_items_in_this_order() -> None:
    call = {"id": "call_a1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, "id": "call_a2", "extra_content": {"google": {"thought_signature": "c2ln"}}}
    image = {"type": "image_url", "index": 0, "image_url": {"url": PNG}}
    body, response = respond(
        chat("tool_calls", content="a", reasoning_content="hm", images=[image], tool_calls=[call, signed])
    )
    assert response.status == "completed"
    assert [(item["type"], item["id"]) for item in body["output"]] == [
        ("reasoning", "rs_x1"),
        ("message", "msg_x1"),
        ("image_generation_call", "ig_x1_0"),
        ("function_call", "fc_a1"),
        ("function_call", "fc_a2"),
    ]
    assert body["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert body["output"][2]["result"] == "aaaa"
    assert body["output"][4] == {
        "id": "fc_a2",
        "type": "function_call",
        "call_id": "call_a2",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    }


def test_calls_alone_come_without_a_message() -> None:
    call = {"id": "call_a1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body, _ = respond(chat("tool_calls", tool_calls=[call], content=""))
    assert [item["type"] for item in body["output"]] == ["function_call"]


def test_the_items_of_an_answer_can_be_given_back() -> None:
    call = {"id": "call_a1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    completion = chat("tool_calls", content="a", reasoning_content="hm", tool_calls=[call])
    _, response = respond(completion)
    items = [item.to_dict(mode="json", exclude_unset=False) for item in response.output]
    assert messages(MESSAGE, *items, {**RESULT, "call_id": "call_a1"})[1:] == [
        {"role": "assistant", "content": [{"type": "text", "text": "a"}], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_a1", "content": "rain"},
    ]


def test_log_probabilities_stand_with_the_text() -> None:
    token = {"token": "a", "logprob": -0.5, "bytes": [97]}
    content = [{**token, "top_logprobs": [token]}]
    body, _ = respond(chat(content="a", logprobs={"content": content, "refusal": None}))
    assert body["output"][0]["content"][0]["logprobs"] == content


def test_what_is_remembered_is_said_again_and_a_schema_is_not_made_up() -> None:
    choice = {"type": "function", "name": "f"}
    body, _ = respond(chat(content="{}"), format="json_schema", tool_choice=choice, summary="auto", top_p=0.9)
    assert body["text"] is None
    assert (body["tool_choice"], body["top_p"]) == (choice, 0.9)
    assert body["reasoning"] == {"effort": None, "summary": "auto"}
    assert respond(chat(content="{}"), format="json_object")[0]["text"] == {"format": {"type": "json_object"}}
