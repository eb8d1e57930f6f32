"""What a chat completion request becomes."""

import json
from typing import Any

import pytest

from shared.providers.vertex.abilities import profile_for
from tests.providers.vertex.rules import SAMPLES, breaches, chat, request, request_of

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": True,
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
PIXEL = "iVBORw0KGgo="


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


# What each row of the recorded input must have come from.
LINES: dict[str, dict[str, Any]] = {
    "r-000000": {
        "messages": [
            {"role": "system", "content": "Answer in one short sentence."},
            user("Name the colour of a ripe lemon."),
        ],
        "max_tokens": 64,
        "temperature": 0.2,
    },
    "r-000001": {"messages": [user("Count upwards from one in words.")], "max_completion_tokens": 10},
    "r-000002": {
        "messages": [user("What is 17 * 23? Think first.")],
        "extra_body": {"google": {"thinking_config": {"include_thoughts": True, "thinking_budget": 1024}}},
    },
    "r-000003": {
        "messages": [user("Is it raining in Oslo and in Lima?")],
        "tools": [WEATHER],
        "tool_choice": "auto",
    },
    "r-000004": {"messages": [user("Give one adjective for gravel.")], "n": 2, "temperature": 1.0},
    "r-000005": {
        "messages": [user("Extract name and age: Ann, 31.")],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "person",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                    "required": ["name", "age"],
                    "additionalProperties": False,
                },
            },
        },
    },
    "r-000006": {
        "messages": [user("Yes or no: is ice cold?")],
        "logprobs": True,
        "top_logprobs": 2,
        "max_tokens": 4,
    },
    "r-000008": {
        "messages": [user("(a prompt whose answer the safety filter stops)")],
        "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}],
    },
    "r-000012": {
        "messages": [user("(a row with a broken tool call)")],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "noop",
                    "description": "takes no arguments",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
    },
    "r-000013": {
        "messages": [
            user(
                [
                    {"type": "text", "text": "Summarise this call."},
                    {"type": "file", "file": {"file_id": "gs://my-bucket/media/call-1.wav"}},
                ]
            )
        ]
    },
    "r-000014": {
        "messages": [user("(a row that spends its whole budget on thinking)")],
        "max_completion_tokens": 16,
        "reasoning_effort": "minimal",
    },
    "r-000017": {
        "messages": [
            user("Is it raining in Oslo?"),
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain, 6 C"},
        ],
        "tools": [WEATHER],
    },
}
ROWS = {row["key"]: row for row in map(json.loads, (SAMPLES / "gemini_rows.jsonl").read_text().splitlines())}


@pytest.mark.parametrize("key", LINES)
def test_a_line_becomes_the_recorded_row(key: str) -> None:
    encoded = chat(ordinal=int(key[2:]), **LINES[key])

    assert json.loads(encoded.rows) == ROWS[key]
    assert breaches(ROWS[key]) == []


def test_a_plain_line_leaves_no_hints_and_no_shape() -> None:
    encoded = chat(temperature=0.5, max_tokens=5, stop=["a"], seed=1)

    assert encoded.hints is None
    assert encoded.shape is None


PARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 5, "max_completion_tokens": 5}, {"maxOutputTokens": 5}),
    ({"temperature": 0}, {"temperature": 0}),
    ({"temperature": 2, "top_p": 0.5}, {"temperature": 2, "topP": 0.5}),
    ({"n": 1}, {}),
    ({"n": 8}, {"candidateCount": 8}),
    ({"stop": "END"}, {"stopSequences": ["END"]}),
    ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
    ({"stop": []}, {}),
    ({"seed": 7}, {"seed": 7}),
    ({"seed": -(2**31)}, {"seed": -(2**31)}),
    ({"seed": 2**31}, {"seed": -(2**31)}),
    ({"seed": 2**63 - 1}, {"seed": -1}),
    ({"presence_penalty": 1.5, "frequency_penalty": -2}, {"presencePenalty": 1.5, "frequencyPenalty": -2}),
    ({"presence_penalty": 0}, {}),
    ({"logprobs": True}, {"responseLogprobs": True}),
    ({"logprobs": True, "top_logprobs": 0}, {"responseLogprobs": True}),
    ({"logprobs": False}, {}),
    ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
    ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingBudget": 1024}}),
    ({"reasoning_effort": "medium"}, {"thinkingConfig": {"thinkingBudget": 8192}}),
    ({"reasoning_effort": "high"}, {"thinkingConfig": {"thinkingBudget": 24576}}),
    ({"reasoning_effort": "max"}, {"thinkingConfig": {"thinkingBudget": 24576}}),
    (
        {"reasoning_effort": "low", "google": {"thinking_config": {"include_thoughts": True}}},
        {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}},
    ),
    ({"thinking_config": {"thinkingBudget": -1}}, {"thinkingConfig": {"thinkingBudget": -1}}),
    ({"thinking_config": {}}, {}),
    ({"response_format": {"type": "text"}}, {"responseMimeType": "text/plain"}),
    ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "any"}}},
        {"responseMimeType": "application/json"},
    ),
    ({"modalities": ["text"]}, {}),
    ({"logit_bias": {}}, {}),
    ({"stream": False}, {}),
    (
        {
            "service_tier": "auto",
            "store": True,
            "prediction": {"type": "content", "content": "x"},
            "user": "u",
            "safety_identifier": "s",
            "prompt_cache_key": "k",
            "verbosity": "low",
            "metadata": {"a": "b"},
            "stream_options": {"include_usage": True},
        },
        {},
    ),
    (dict.fromkeys(("temperature", "tools", "logit_bias", "response_format", "stream", "web_search_options")), {}),
]


@pytest.mark.parametrize(("body", "config"), PARAMETERS, ids=lambda case: json.dumps(case)[:60])
def test_a_parameter_finds_its_place(body: dict[str, Any], config: dict[str, Any]) -> None:
    made = request(**body)

    assert made.pop("generationConfig", {}) == config
    assert made == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


TURNS: list[tuple[list[dict[str, Any]], list[str], list[tuple[str, list[dict[str, Any]]]]]] = [
    ([user("a"), user("b")], [], [("user", [{"text": "a"}, {"text": "b"}])]),
    (
        [
            {"role": "developer", "content": "s1"},
            user("a"),
            {"role": "system", "content": [{"type": "text", "text": "s2"}]},
            user("b"),
        ],
        ["s1", "s2"],
        [("user", [{"text": "a"}, {"text": "b"}])],
    ),
    ([{"role": "system", "content": ""}, user("a")], [], [("user", [{"text": "a"}])]),
    (
        [user("a"), {"role": "assistant", "content": "b"}, user("c")],
        [],
        [("user", [{"text": "a"}]), ("model", [{"text": "b"}]), ("user", [{"text": "c"}])],
    ),
    (
        [user([{"type": "text", "text": ""}, {"type": "text", "text": "a"}])],
        [],
        [("user", [{"text": "a"}])],
    ),
    (
        [user("a"), {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "annotations": []}],
        [],
        [("user", [{"text": "a"}]), ("model", [{"text": "no"}])],
    ),
    (
        [user("a"), {"role": "assistant", "content": None, "refusal": "no", "audio": None, "tool_calls": None}],
        [],
        [("user", [{"text": "a"}]), ("model", [{"text": "no"}])],
    ),
    (
        [
            user("a"),
            {"role": "assistant", "function_call": {"name": "f", "arguments": ""}},
            {"role": "function", "name": "f", "content": None},
        ],
        [],
        [
            ("user", [{"text": "a"}]),
            ("model", [{"functionCall": {"name": "f"}}]),
            ("user", [{"functionResponse": {"name": "f", "response": {"result": ""}}}]),
        ],
    ),
]


@pytest.mark.parametrize(("messages", "system", "contents"), TURNS)
def test_a_conversation_becomes_turns(
    messages: list[dict[str, Any]], system: list[str], contents: list[tuple[str, list[dict[str, Any]]]]
) -> None:
    made = request(messages=messages)

    assert made["contents"] == [{"role": role, "parts": parts} for role, parts in contents]
    assert [part["text"] for part in made.get("systemInstruction", {"parts": []})["parts"]] == system


def test_the_plain_turn_is_read_like_any_other() -> None:
    """The short cut for texts must not differ from the long way."""
    plain = [{"role": role, "content": f"of {role}"} for role in ("system", "user", "assistant", "user", "user")]
    long = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in plain]

    assert chat(messages=plain).rows == chat(messages=long).rows


MEDIA: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}},
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
    ),
    (
        {"type": "image_url", "image_url": f"data:image/jpeg;charset=utf-8;base64,{PIXEL}"},
        {"inlineData": {"mimeType": "image/jpeg", "data": PIXEL}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "gs://bucket/a/b.JPG"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/a/b.JPG"}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "gs://bucket/a", "format": "image/webp"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "gs://bucket/a"}},
    ),
    (
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PIXEL}"}},
        {"inlineData": {"mimeType": "image/jpeg", "data": PIXEL}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "gs://bucket/a", "format": "image/JPG"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "gs://bucket/a"}},
    ),
    (
        {"type": "file", "file": {"file_data": PIXEL, "format": "image/jpg"}},
        {"inlineData": {"mimeType": "image/jpeg", "data": PIXEL}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://www.youtube.com/watch?v=abc_1"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://www.youtube.com/watch?v=abc_1"}},
    ),
    (
        {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "mp3"}},
        {"inlineData": {"mimeType": "audio/mpeg", "data": PIXEL}},
    ),
    (
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PIXEL}", "filename": "x"}},
        {"inlineData": {"mimeType": "application/pdf", "data": PIXEL}},
    ),
    (
        {"type": "file", "file": {"file_data": PIXEL, "filename": "x.pdf"}},
        {"inlineData": {"mimeType": "application/pdf", "data": PIXEL}},
    ),
]


@pytest.mark.parametrize(("part", "made"), MEDIA)
def test_media_go_along(part: dict[str, Any], made: dict[str, Any]) -> None:
    """An image alone stays alone: no text is made up beside it."""
    assert request(messages=[user([part])])["contents"] == [{"role": "user", "parts": [made]}]


@pytest.mark.parametrize(
    ("details", "config"), [(["low", "auto"], "LOW"), (["high", "high"], "HIGH"), (["auto"], None)]
)
def test_the_detail_of_images_is_the_resolution(details: list[str], config: str | None) -> None:
    images = [{"type": "image_url", "image_url": {"url": "gs://bucket/a.png", "detail": detail}} for detail in details]
    made = request(messages=[user(images)])

    expected = None if config is None else {"mediaResolution": f"MEDIA_RESOLUTION_{config}"}
    assert made.get("generationConfig") == expected


CHOICES: list[tuple[Any, dict[str, Any] | None]] = [
    ("none", {"mode": "NONE"}),
    ("auto", {"mode": "AUTO"}),
    ("required", {"mode": "ANY"}),
    (
        {"type": "function", "function": {"name": "get_weather"}},
        {"mode": "ANY", "allowedFunctionNames": ["get_weather"]},
    ),
    (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_weather"}}]},
        },
        {"mode": "VALIDATED", "allowedFunctionNames": ["get_weather"]},
    ),
    (None, None),
]


@pytest.mark.parametrize(("choice", "calling"), CHOICES)
def test_a_tool_is_chosen(choice: Any, calling: dict[str, Any] | None) -> None:
    made = request(tools=[WEATHER], tool_choice=choice)

    assert made.get("toolConfig") == (None if calling is None else {"functionCallingConfig": calling})


def test_all_functions_share_one_tool() -> None:
    second = {"type": "function", "function": {"name": "noop"}}

    declared = request(tools=[WEATHER, second])["tools"]

    assert [function["name"] for function in declared[0]["functionDeclarations"]] == ["get_weather", "noop"]


def test_functions_of_old_are_tools_and_are_remembered() -> None:
    encoded = chat(functions=[WEATHER["function"]], function_call={"name": "get_weather"})
    made = request_of(encoded)

    assert made["tools"] == request(tools=[WEATHER])["tools"]
    assert made["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["get_weather"]
    assert encoded.hints == {"functions": True}


def test_a_thought_signature_goes_back_with_its_call() -> None:
    call = {**CALL, "extra_content": {"google": {"thought_signature": "c2lnbg=="}}}
    made = request(messages=[user("a"), {"role": "assistant", "content": "b", "tool_calls": [call]}])

    assert made["contents"][1]["parts"] == [
        {"text": "b"},
        {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2lnbg=="},
    ]


def conversation(*results: str) -> list[dict[str, Any]]:
    calls = [{**CALL, "id": f"c{at}"} for at in range(len(results))]
    tools = [{"role": "tool", "tool_call_id": f"c{at}", "content": said} for at, said in enumerate(results)]
    return [user("a"), {"role": "assistant", "tool_calls": calls}, *tools]


RESULTS: list[tuple[list[str], list[dict[str, Any]]]] = [
    (['{"t": 6, "tags": ["a"], "in": {"b": true}}'], [{"t": 6, "tags": ["a"], "in": {"b": True}}]),
    (["rain"], [{"result": "rain"}]),
    ([""], [{"result": ""}]),
    (["{}"], [{"result": ""}]),
    (["[1, 2]"], [{"result": "[1, 2]"}]),
    (['{"a": null}'], [{"result": '{"a": null}'}]),
    (['{"a": []}'], [{"result": '{"a": []}'}]),
    (['{"a": [1, "x"]}'], [{"result": '{"a": [1, "x"]}'}]),
    (['{"a b": 1}'], [{"result": '{"a b": 1}'}]),
    (['{"a": 1, "a": 2}'], [{"result": '{"a": 1, "a": 2}'}]),
    (['{"a": 1, "A": 2}'], [{"result": '{"a": 1, "A": 2}'}]),
    (['{"a": 99999999999999999999}'], [{"result": '{"a": 99999999999999999999}'}]),
    (['{"a": ' * 12 + "1" + "}" * 12], [{"result": '{"a": ' * 12 + "1" + "}" * 12}]),
    (['{"a": 1}', '{"a": "x"}'], [{"result": '{"a": 1}'}, {"result": '{"a": "x"}'}]),
    (['{"result": 1}', "text"], [{"result": '{"result": 1}'}, {"result": "text"}]),
    (['{"a": 1}', '{"b": "x"}'], [{"a": 1}, {"b": "x"}]),
]


@pytest.mark.parametrize(("said", "sent"), RESULTS)
def test_the_result_of_a_tool_is_sent_exactly(said: list[str], sent: list[dict[str, Any]]) -> None:
    """As an object where the importer can hold all of it, else as the text that it was."""
    made = request(messages=conversation(*said))

    assert [part["functionResponse"]["response"] for part in made["contents"][2]["parts"]] == sent
    assert breaches({"key": "r-000001", "request": made}) == []


@pytest.mark.parametrize("name", ["get_weather", None])
def test_the_result_of_a_tool_may_name_its_function(name: str | None) -> None:
    """As OpenAI's older examples do."""
    *before, result = conversation("rain")

    assert chat(messages=[*before, {**result, "name": name}]).rows == chat(messages=[*before, result]).rows


def test_arguments_without_a_value_are_left_out() -> None:
    arguments = '{"a": null, "b": {}, "c": [], "d": {"e": null}, "f": 1}'
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    made = request(messages=[user("a"), {"role": "assistant", "tool_calls": [call]}])

    assert made["contents"][1]["parts"] == [{"functionCall": {"name": "f", "args": {"f": 1}}}]


def test_the_shape_tells_lines_apart_that_cannot_share_a_job() -> None:
    def shape(arguments: str) -> dict[str, str]:
        call = {**CALL, "function": {"name": "f", "arguments": arguments}}
        found = chat(messages=[user("a"), {"role": "assistant", "tool_calls": [call]}]).shape
        assert found is not None
        return found

    path = "contents.parts.functioncall.args"
    assert shape('{"City": "x", "n": [{"k": 1.5}]}') == {
        f"{path}.city": "City:string",
        f"{path}.n": "n:array<struct>",
        f"{path}.n.k": "k:number",
    }
    assert shape('{"city": "x"}')[f"{path}.city"] == "city:string"


def test_the_shape_of_a_schema_is_the_names_of_its_properties() -> None:
    properties = {"City": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    schema = {"type": "object", "properties": properties}
    shape = chat(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}).shape

    assert shape == {
        "generationconfig.responseschema.properties.city": "City:struct",
        "generationconfig.responseschema.properties.city.items.properties.a": "a:struct",
    }


def test_thoughts_are_remembered_where_they_were_asked_for() -> None:
    assert chat(thinking_config={"include_thoughts": True}).hints == {"thoughts": True}


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("google/gemini-2.5-pro", "minimal", {"thinkingBudget": 128}),
        ("vertex_ai/gemini-2.5-flash-lite", "none", {"thinkingBudget": 0}),
        ("gemini-2.0-flash", "none", None),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH"}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", "none", {"thinkingLevel": "LOW"}),
        ("gemini-3.5-flash-lite", "minimal", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.8-flash", "minimal", {"thinkingLevel": "LOW"}),
        ("gemini-4-argon", "xhigh", {"thinkingLevel": "HIGH"}),
        ("publishers/google/models/gemini-11-neon", "low", {"thinkingLevel": "LOW"}),
        ("gemini-flash-latest", "medium", {"thinkingLevel": "MEDIUM"}),
        ("projects/1/locations/l/models/2", "low", {"thinkingBudget": 1024}),
    ],
)
def test_effort_is_said_in_the_words_of_the_model(model: str, effort: str, thinking: dict[str, Any] | None) -> None:
    config = request(model, reasoning_effort=effort).get("generationConfig", {})

    assert config.get("thinkingConfig") == thinking


def test_what_newer_models_take_no_notice_of_is_not_sent() -> None:
    assert "generationConfig" not in request("gemini-4-argon", temperature=0.5, top_p=0.5, presence_penalty=0)
    assert not profile_for("gemini-3.8-flash").sampling
    assert profile_for("gemini-3.5-flash").sampling


def test_the_same_line_gives_the_same_bytes() -> None:
    body = LINES["r-000005"] | LINES["r-000017"]

    assert chat(**body).rows == chat(**json.loads(json.dumps(body))).rows
