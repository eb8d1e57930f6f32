"""What the stand-in says to one row: honest answers of the right shape, and Vertex's own refusals."""

import json
import math
from typing import Any

import pytest

from infra.local.standin.answers import answer, marker_of
from infra.local.standin.claude import check_message, message
from infra.local.standin.families import family_of
from infra.local.standin.request import RowRefused

HI = [{"role": "user", "parts": [{"text": "Hi"}]}]
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}, "days": {"type": "INTEGER"}}},
}


def ask(contents: Any = None, marker: str = "", **request: Any) -> dict[str, Any]:
    return answer({"contents": HI if contents is None else contents, **request}, marker, "gemini-x", embeds=False)


def first(response: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = response["candidates"][0]
    return found


def text(response: dict[str, Any]) -> str:
    return "".join(part["text"] for part in first(response)["content"]["parts"] if not part.get("thought"))


def part(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [fields]}]


def function(name: str, **rest: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": name, **rest}]}]}


CALL = {"role": "model", "parts": [{"functionCall": {"name": "f"}}]}
RESPONSE = {"functionResponse": {"name": "f", "response": {"result": "x"}}}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a role", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "Please use a valid role: user"),
    ("no contents", {"contents": []}, "at least one contents field is required"),
    ("no parts", {"contents": [{"role": "user"}]}, "at least one parts field"),
    ("an empty text", {"contents": part(text="")}, "must have a text parameter"),
    ("two data in a part", {"contents": part(text="x", functionCall={"name": "f"})}, "exactly one initialized data"),
    ("no data in a part", {"contents": part(thought=True)}, "exactly one initialized data"),
    ("media without a type", {"contents": part(inlineData={"data": "AA=="})}, "mimeType"),
    ("media of the web", {"contents": part(fileData={"mimeType": "image/png", "fileUri": "https://x/y"})}, "fileUri"),
    ("the last word to the model", {"contents": [*HI, {"role": "model", "parts": [{"text": "x"}]}]}, "end with a user"),
    ("a call without its response", {"contents": [*HI, CALL, *HI]}, "number of function response parts"),
    ("two responses for a call", {"contents": [*HI, CALL, {"role": "user", "parts": [RESPONSE] * 2}]}, "number of"),
    ("a response without a call", {"contents": [{"role": "user", "parts": [RESPONSE]}]}, "number of function response"),
    ("an unknown field", {"model": "x"}, 'Unknown name "model": Cannot find field.'),
    ("an unknown field, deep", {"generationConfig": {"max_tokens": 1}}, "at 'generation_config': Cannot find field."),
    ("an unknown field of a part", {"contents": part(txt="x")}, "at 'contents[0].parts[0]'"),
    ("a wrong type", {"generationConfig": {"maxOutputTokens": "many"}}, "Invalid value at"),
    ("a wrong enum", {"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "Invalid value at"),
    ("an object for text", {"systemInstruction": "x"}, "expected an object"),
    ("a cache", {"cachedContent": "projects/1/locations/x/cachedContents/1"}, "not supported in batch"),
    ("a temperature", {"generationConfig": {"temperature": 3}}, "temperature"),
    ("a top p", {"generationConfig": {"topP": 1.5}}, "top_p"),
    ("nine candidates", {"generationConfig": {"candidateCount": 9}}, "candidate_count"),
    ("no tokens at all", {"generationConfig": {"maxOutputTokens": 0}}, "max_output_tokens"),
    ("six stop sequences", {"generationConfig": {"stopSequences": list("abcdef")}}, "stop sequences"),
    ("a seed of 64 bits", {"generationConfig": {"seed": 2**40}}, "seed"),
    ("logprobs that were not asked for", {"generationConfig": {"logprobs": 2}}, "logprobs"),
    ("a schema for prose", {"generationConfig": {"responseSchema": {"type": "STRING"}}}, "response_mime_type"),
    ("budget and level", {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}}}, ""),
    ("a function's name", function("get weather"), "tools[0].function_declarations[0].name: [FIELD_INVALID]"),
    ("a long function's name", function("f" * 65), "[FIELD_INVALID]"),
    ("parameters that are no object", function("f", parameters={"type": "STRING"}), "should be of type OBJECT"),
    ("a call to nothing", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "without function_declarations"),
    ("a label", {"labels": {"Team": "A"}}, "Invalid label"),
]


@pytest.mark.parametrize(("request_", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_the_service_refuses_of_one_row(request_: dict[str, Any], said: str) -> None:
    with pytest.raises(RowRefused) as caught:
        ask(**request_)
    assert said in caught.value.message
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


def test_an_answer_says_where_it_comes_from() -> None:
    response = ask()
    assert "stand-in" in text(response)
    assert "Hi" in text(response)
    assert response["modelVersion"] == "gemini-x@stand-in"
    assert ask()["responseId"] == response["responseId"]
    usage = response["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert usage["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": usage["promptTokenCount"]}]


def test_both_spellings_are_understood() -> None:
    for config in ({"maxOutputTokens": 3}, {"max_output_tokens": "3"}):
        assert ask(generationConfig=config)["usageMetadata"]["candidatesTokenCount"] == 3


def test_an_answer_that_is_too_long_is_cut() -> None:
    response = ask(generationConfig={"maxOutputTokens": 5})
    assert first(response)["finishReason"] == "MAX_TOKENS"
    assert response["usageMetadata"]["candidatesTokenCount"] == 5


def test_thinking_is_counted_and_comes_out_of_the_same_budget() -> None:
    response = ask(generationConfig={"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}})
    assert response["usageMetadata"]["thoughtsTokenCount"] == 24
    assert first(response)["content"]["parts"][0]["thought"] is True
    spent = ask(generationConfig={"maxOutputTokens": 16, "thinkingConfig": {"thinkingBudget": 512}})
    assert first(spent) == {"finishReason": "MAX_TOKENS"}
    assert spent["usageMetadata"]["thoughtsTokenCount"] == 16
    assert "candidatesTokenCount" not in spent["usageMetadata"]


def test_candidates_logprobs_and_stop_sequences() -> None:
    response = ask(generationConfig={"candidateCount": 3, "responseLogprobs": True, "logprobs": 2})
    assert [candidate.get("index", 0) for candidate in response["candidates"]] == [0, 1, 2]
    result = first(response)["logprobsResult"]
    assert "".join(token["token"] for token in result["chosenCandidates"]) == text(response)
    assert all(len(top["candidates"]) == 2 for top in result["topCandidates"])
    assert "stand-in" not in text(ask(generationConfig={"stopSequences": ["Vertex"]}))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {
                "type": "OBJECT",
                "properties": {"b": {"type": "INTEGER"}, "a": {"type": "STRING"}},
                "propertyOrdering": ["a", "b"],
            },
            {"a": "stand-in", "b": 1},
        ),
        ({"type": "ARRAY", "items": {"type": "NUMBER", "minimum": 2.5}, "minItems": "2"}, [2.5, 2.5]),
        ({"type": "STRING", "enum": ["red", "green"]}, "red"),
        ({"anyOf": [{"type": "BOOLEAN"}, {"type": "STRING"}]}, True),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "INTEGER", "maximum": -3}, -3),
        ({"type": "STRING", "minLength": 12, "maxLength": 12}, "stand-in----"),
    ],
)
def test_json_that_fits_a_schema(schema: dict[str, Any], expected: Any) -> None:
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    assert json.loads(text(ask(generationConfig=config))) == expected


def test_json_without_a_schema() -> None:
    assert "stand_in" in json.loads(text(ask(generationConfig={"responseMimeType": "application/json"})))


def test_a_function_is_called_where_one_must_be() -> None:
    tools: dict[str, Any] = {"tools": [{"functionDeclarations": [{"name": "noop"}, WEATHER]}]}
    must = {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}
    response = ask(**tools, toolConfig={"functionCallingConfig": must})
    assert first(response)["content"]["parts"] == [
        {"functionCall": {"name": "get_weather", "args": {"city": "stand-in", "days": 1}}}
    ]
    assert "stand-in" in text(ask(**tools, toolConfig={"functionCallingConfig": {"mode": "AUTO"}}))
    bare = ask(**tools, toolConfig={"functionCallingConfig": {"mode": "ANY"}})
    assert first(bare)["content"]["parts"] == [{"functionCall": {"name": "noop"}}]


def test_a_conversation_with_a_tool_is_answered() -> None:
    turns = [*HI, CALL, {"role": "user", "parts": [RESPONSE]}]
    assert "stand-in" in text(ask(turns, **function("f")))


def test_media_has_tokens_of_its_own_kind() -> None:
    media = [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]
    details = ask([{"role": "user", "parts": media}])["usageMetadata"]["promptTokensDetails"]
    assert {detail["modality"]: detail["tokenCount"] for detail in details} == {"TEXT": 4, "IMAGE": 258}


@pytest.mark.parametrize(
    ("marker", "code", "status"),
    [("fail", 400, "INVALID_ARGUMENT"), ("quota", 429, "RESOURCE_EXHAUSTED"), ("deadline", 504, "DEADLINE_EXCEEDED")],
)
def test_a_row_that_is_asked_to_fail(marker: str, code: int, status: str) -> None:
    with pytest.raises(RowRefused) as caught:
        ask(marker=marker)
    assert (caught.value.code, caught.value.status) == (code, status)


def test_answers_that_are_stopped() -> None:
    assert first(ask(marker="safety"))["finishReason"] == "SAFETY"
    assert "content" not in first(ask(marker="recitation"))
    assert first(ask(marker="malformed-call"))["finishReason"] == "MALFORMED_FUNCTION_CALL"
    assert "candidates" not in ask(marker="blocked")
    odd = ask(marker="odd")
    assert first(odd)["finishReason"] == "SOME_FUTURE_REASON"
    assert "totalTokenCount" not in odd["usageMetadata"]


def test_a_marker_is_found_in_the_prompt() -> None:
    assert marker_of(b'{"text":"please stand-in:fail now"}') == "fail"
    assert marker_of(b'{"text":"a stand-in"}') == ""


def embed(**request: Any) -> dict[str, Any]:
    return answer(request, "", "gemini-embedding-001", embeds=True)


@pytest.mark.parametrize(
    ("options", "dimensions"),
    [
        ({}, 3072),
        ({"embed_content_config": {"output_dimensionality": 768}}, 768),
        ({"embedContentConfig": {"outputDimensionality": 4}}, 4),
        ({"output_dimensionality": 8}, 8),
    ],
)
def test_vectors_of_length_one_that_follow_from_the_text(options: dict[str, Any], dimensions: int) -> None:
    content = {"parts": [{"text": "First sentence"}]}
    response = embed(content=content, **options)
    vector = response["embedding"]["values"]
    assert len(vector) == dimensions
    assert math.isclose(sum(number * number for number in vector), 1.0, rel_tol=1e-5)
    assert embed(content=content, **options) == response
    assert embed(content={"parts": [{"text": "Second"}]}, **options)["embedding"] != response["embedding"]
    assert response["usageMetadata"]["promptTokenCount"] == 4


@pytest.mark.parametrize(
    "request_",
    [
        {"content": {"parts": [{"text": ""}]}},
        {"content": {"parts": [{"text": "x"}]}, "output_dimensionality": 0},
        {"content": {"parts": [{"text": "x"}]}, "dimensions": 5},
        {"contents": []},
    ],
)
def test_embeddings_that_are_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(RowRefused):
        embed(**request_)


MESSAGE: dict[str, Any] = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
}
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "x"}]}


def turns(*contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "assistant" if at % 2 else "user", "content": content} for at, content in enumerate(contents)]


SAY = [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": None},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"anthropic_version": "2023-06-01"},
        {"model": "claude"},
        {"temperature": 1.1},
        {"stop_sequences": [" "]},
        {"messages": []},
        {"messages": turns([])},
        {"messages": turns([{"type": "text", "text": " "}])},
        {"messages": [{"role": "assistant", "content": SAY}]},
        {"messages": [{"role": "system", "content": SAY}]},
        {"messages": turns(SAY, [USE])},
        {"messages": turns(SAY, [USE], SAY)},
        {"messages": turns([RESULT])},
        {"messages": turns(SAY, [{**USE, "input": None}], [RESULT])},
        {"messages": turns([{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}])},
        {
            "messages": turns(
                [{"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "AAAA"}}]
            )
        },
        {"messages": turns([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}}])},
        {"tools": [{"name": "f", "input_schema": {"type": "string"}}]},
        {"tools": [TOOL, TOOL]},
        {"tool_choice": {"type": "auto"}},
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1000}},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0.5},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL], "tool_choice": {"type": "any"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": turns(SAY, [USE], [RESULT])},
    ],
)
def test_claude_refuses_what_its_api_refuses(change: dict[str, Any]) -> None:
    with pytest.raises(RowRefused):
        check_message({**MESSAGE, **change})


@pytest.mark.parametrize(
    ("change", "marker", "reason"),
    [
        ({}, "", "end_turn"),
        ({"max_tokens": 3}, "", "max_tokens"),
        ({"stop_sequences": ["model"]}, "", "stop_sequence"),
        ({"tools": [TOOL]}, "call", "tool_use"),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "", "tool_use"),
        ({"tools": [TOOL], "messages": turns(SAY, [USE], [RESULT])}, "", "end_turn"),
        ({}, "safety", "refusal"),
        ({}, "odd", "some_future_reason"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "", "end_turn"),
    ],
)
def test_claude_answers(change: dict[str, Any], marker: str, reason: str) -> None:
    request = {**MESSAGE, **change}
    made = message(request, marker, "claude-sonnet-5")
    assert made == message(request, marker, "claude-sonnet-5")
    assert made["stop_reason"] == reason
    assert made["model"] == "claude-sonnet-5-stand-in"
    assert made["usage"]["input_tokens"] > 0


def test_families_are_told_apart_by_what_a_job_calls_its_model() -> None:
    known = [
        "google/models/gemini-2.5-flash",
        "google/models/text-embedding-005",
        "anthropic/models/claude-opus-5",
        "qwen/models/q",
    ]
    assert all(family_of(f"publishers/{name}") is not None for name in known)
    unknown = [
        "publishers/google/models/claude-opus-5",
        "publishers/anthropic/models/gemini-2.5-flash",
        "gemini-2.5-flash",
        "publishers/google/models/imagen-4.0",
        "publishers/x/models/does-not-exist",
        "",
    ]
    assert all(family_of(name) is None for name in unknown)
