"""What a row of the output becomes: OpenAI's answer, or an error that says what happened."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.providers.base import Answer, Entry, ProviderRow
from shared.providers.vertex.chat_answer import answer_chat
from shared.providers.vertex.codecs import chat_codec
from shared.providers.vertex.keys import parse_key
from shared.providers.vertex.reply import Row
from shared.providers.vertex.rows import patiently
from tests.providers.vertex.rules import SAMPLES

RAW = {json.loads(raw)["key"]: raw for raw in (SAMPLES / "gemini_predictions.jsonl").read_bytes().splitlines()}
CODEC = chat_codec("gemini-2.5-flash")


def answer(raw: bytes, hints: dict[str, Any] | None = None) -> Answer:
    row = CODEC.read(raw)
    assert row is not None
    return CODEC.answer([row], Entry(row.ordinal, "mine", "my-model", hints))


def body(raw: bytes, hints: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(msgspec.json.encode(answer(raw, hints).body))
    return made


def row(response: Any, **more: Any) -> bytes:
    return json.dumps({"key": "r-000001", "status": "", "response": response, **more}).encode()


def candidate(**fields: Any) -> bytes:
    return row({"candidates": [fields], "usageMetadata": {}})


def choice(**fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = body(candidate(**fields))["choices"][0]
    return made


def test_a_plain_answer_in_full() -> None:
    given_answer = answer(RAW["r-000000"])

    assert (given_answer.status, given_answer.day) == (200, "2026-11-14")
    assert given_answer.request_id == "Ija0F6RI4kUoV5qWqvdxKw"
    assert given_answer.tokens == Tokens(text=15, output=7)
    assert body(RAW["r-000000"]) == {
        "id": "chatcmpl-Ija0F6RI4kUoV5qWqvdxKw",
        "object": "chat.completion",
        "created": 1794652150,
        "model": "my-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A ripe lemon is yellow.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
                "native_finish_reason": "STOP",
            }
        ],
        "usage": {
            "prompt_tokens": 15,
            "completion_tokens": 7,
            "total_tokens": 22,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "system_fingerprint": None,
    }


GOOD: list[tuple[str, list[tuple[str | None, str, str]], Tokens, int]] = [
    ("r-000001", [("one, two, three, four, five", "length", "MAX_TOKENS")], Tokens(text=7, output=10), 17),
    ("r-000002", [("17 * 23 = 391.", "stop", "STOP")], Tokens(text=12, output=11, thinking=187), 210),
    ("r-000003", [(None, "tool_calls", "STOP")], Tokens(text=41, output=14, thinking=63), 118),
    ("r-000004", [("Coarse", "stop", "STOP"), ("Crunchy", "stop", "STOP")], Tokens(text=8, output=3), 11),
    ("r-000005", [('{"name":"Ann","age":31}', "stop", "STOP")], Tokens(text=10, output=12), 22),
    ("r-000006", [("Yes.", "stop", "STOP")], Tokens(text=11, output=2), 13),
    ("r-000007", [(None, "content_filter", "PROHIBITED_CONTENT")], Tokens(text=12), 12),
    ("r-000008", [(None, "content_filter", "SAFETY")], Tokens(text=10), 10),
    ("r-000009", [(None, "content_filter", "RECITATION")], Tokens(text=9), 9),
    ("r-000012", [("", "stop", "MALFORMED_FUNCTION_CALL")], Tokens(text=25), 25),
    (
        "r-000013",
        [("The caller asks for a refund.", "stop", "STOP")],
        Tokens(text=6, audio=250, cached_text=2048, output=9),
        2313,
    ),
    ("r-000014", [("", "length", "MAX_TOKENS")], Tokens(text=11, thinking=14), 25),
    ("r-000016", [("partial", "stop", "SOME_FUTURE_REASON")], Tokens(text=12, output=1), 13),
    ("r-000017", [("Yes, it is raining in Oslo at 6 C.", "stop", "STOP")], Tokens(text=60, output=12), 72),
]


@pytest.mark.parametrize(("key", "choices", "tokens", "total"), GOOD)
def test_a_recorded_row_is_answered(
    key: str, choices: list[tuple[str | None, str, str]], tokens: Tokens, total: int
) -> None:
    made = body(RAW[key])

    assert [
        (choice["message"]["content"], choice["finish_reason"], choice["native_finish_reason"])
        for choice in made["choices"]
    ] == choices
    assert [choice["index"] for choice in made["choices"]] == list(range(len(choices)))
    assert answer(RAW[key]).tokens == tokens
    assert made["usage"]["total_tokens"] == total == sum(tokens)
    assert made["usage"]["completion_tokens"] == tokens.output + tokens.thinking
    assert made["usage"]["completion_tokens_details"]["reasoning_tokens"] == tokens.thinking


@pytest.mark.parametrize(
    ("key", "status", "kind", "code", "message"),
    [
        ("r-000010", 400, "invalid_request_error", "invalid_argument", "Please use a valid role: user, model."),
        ("r-000011", 504, "server_error", "deadline_exceeded", "Request deadline exceeded before prefill finished"),
        ("r-000015", 429, "rate_limit_error", "rate_limit_exceeded", "Resource exhausted. Please try again later."),
    ],
)
def test_a_recorded_failure_is_an_error(key: str, status: int, kind: str, code: str, message: str) -> None:
    failed = answer(RAW[key])

    assert failed.status == status
    assert failed.body == {"error": {"message": message, "type": kind, "param": None, "code": code}}
    assert failed.tokens is None
    assert failed.day == "2026-11-14"
    assert failed.request_id.startswith("req_")


def test_every_recorded_row_is_accounted_for() -> None:
    assert RAW.keys() == {"r-000000", "r-000010", "r-000011", "r-000015", *(case[0] for case in GOOD)}


FAILURES: list[tuple[Any, Any, int, str]] = [
    ("", None, 500, "The model gave no answer to this request."),
    ("", {}, 500, "The model gave no answer to this request."),
    ("", "garbage", 500, "The model gave no answer to this request."),
    ("", {"candidates": []}, 500, "The model gave no answer to this request."),
    ("something odd", {}, 500, "something odd"),
    ("Bad Request: no JSON", {}, 400, "Bad Request: no JSON"),
    ("UNAVAILABLE: later", {}, 503, "UNAVAILABLE: later"),
    ('x: {"error": {"code": 4, "message": "m"}}', {}, 504, "m"),
    ('x: {"error": {"code": "403", "message": "m", "status": "PERMISSION_DENIED"}}', {}, 403, "m"),
    ('x: {"error": {"code": 200, "message": "m"}}', {}, 500, "m"),
    ('x: {"error": "m"}', {}, 500, 'x: {"error": "m"}'),
    ('{"code": 404, "message": "m"} and more', {}, 404, "m"),
    ('x: {"error": {"code": 400', {}, 500, 'x: {"error": {"code": 400'),
    ({"code": 8, "message": "m"}, {}, 429, "m"),
    (5, {}, 500, "5"),
    ("failed", {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, 500, "failed"),
]


@pytest.mark.parametrize(("status", "response", "http", "message"), FAILURES)
def test_a_failed_row_is_an_error_whatever_it_says(status: Any, response: Any, http: int, message: str) -> None:
    failed = answer(row(response, status=status))

    assert (failed.status, failed.tokens) == (http, None)
    assert failed.body["error"]["message"] == message


ACCOUNT = "service-123456789012@gcp-sa-aiplatform.iam.gserviceaccount.com"
PRIVATE: list[tuple[str, str]] = [
    (
        f"Service account {ACCOUNT} does not have storage.objects.get access to gs://offpeak-work/in/batch_x.",
        "Service account (an account) does not have storage.objects.get access to (an object).",
    ),
    (
        "Denied on resource '//aiplatform.googleapis.com/projects/123456789012/locations/global' (or does not exist).",
        "Denied on resource '(a resource)' (or does not exist).",
    ),
    ("No access to projects/123456789012.", "No access to (a resource)."),
    ("Vertex AI is not enabled in project offpeak-prod.", "Vertex AI is not enabled in project (a name)."),
    ("Quota of consumer 'project:offpeak-prod' is used up.", "Quota of consumer 'project:(a name)' is used up."),
    ("Quota of consumer 'project_number:123456789012'.", "Quota of consumer 'project_number:(a number)'."),
    ('Not found in project "offpeak".', "Not found in project (a name)."),
    ("Job batch_0123456789abcdef-0001-a1 was stopped.", "Job (a name) was stopped."),
    ("Not found: storage.googleapis.com/offpeak-work/in/x.", "Not found: (an object)."),
    ("The project is over its quota; the job failed.", "The project is over its quota; the job failed."),
    ("two\nlines \ud800", "two lines"),
]


@pytest.mark.parametrize(("said", "shown"), PRIVATE)
@pytest.mark.parametrize("plain", [False, True])
def test_a_failed_row_names_nothing_of_ours(said: str, shown: str, plain: bool) -> None:
    """The clients of a batch are not those who run its project."""
    error = json.dumps({"error": {"code": 403, "message": said, "status": "PERMISSION_DENIED"}})
    failed = answer(row({}, status=f"PERMISSION_DENIED: {said if plain else error}"))

    assert (failed.status, failed.tokens) == (403, None)
    message = failed.body["error"]["message"].strip("?").strip()
    assert message == (f"PERMISSION_DENIED: {shown}" if plain else shown)
    msgspec.json.encode(failed.body)


def test_the_message_of_a_failed_row_is_bounded() -> None:
    for said in ("a" * 10**6, "job " + "-" * 10**6, "a@" * 10**6, "x-job:" * 10**5):
        assert len(answer(row({}, status=said)).body["error"]["message"]) <= 1000

    cut = f"a gs://b/{'x' * (3975 - len('a gs://b/'))} from {ACCOUNT} to me"
    assert answer(row({}, status=cut)).body["error"]["message"] == "a (an object) from"


def test_calls_of_functions_are_tool_calls() -> None:
    calls = body(RAW["r-000003"])["choices"][0]["message"]["tool_calls"]

    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Oslo"}, {"city": "Lima"}]
    assert calls[0]["extra_content"] == {"google": {"thought_signature": "5x9CP/V4/C65hpH0"}}
    assert "extra_content" not in calls[1]
    assert len({call["id"] for call in calls}) == 2
    assert all(call["id"].startswith("call_") and call["type"] == "function" for call in calls)


def test_the_calls_go_back_as_they_came() -> None:
    """An answer of ours is a message of the next request."""
    from tests.providers.vertex.rules import request  # noqa: PLC0415

    message = body(RAW["r-000003"])["choices"][0]["message"]
    tools = [{"role": "tool", "tool_call_id": call["id"], "content": "dry"} for call in message["tool_calls"]]
    made = request(messages=[{"role": "user", "content": "a"}, message, *tools])

    recorded = json.loads(RAW["r-000003"])["response"]["candidates"][0]["content"]["parts"]
    assert made["contents"][1]["parts"] == recorded


def test_functions_of_old_get_an_answer_of_old() -> None:
    part = {"functionCall": {"name": "f", "args": {"a": 1}}}
    made = body(candidate(content={"parts": [part]}), {"functions": True})["choices"][0]

    assert made["finish_reason"] == "function_call"
    assert made["message"]["function_call"] == {"name": "f", "arguments": '{"a": 1}'}
    made = body(candidate(content={"parts": [part, part]}), {"functions": True})["choices"][0]
    assert made["finish_reason"] == "tool_calls"


def test_thoughts_are_shown_where_they_were_asked_for() -> None:
    assert "reasoning_content" not in body(RAW["r-000002"])["choices"][0]["message"]
    message = body(RAW["r-000002"], {"thoughts": True})["choices"][0]["message"]
    assert message["reasoning_content"] == "17*20 = 340, 17*3 = 51"
    assert message["content"] == "17 * 23 = 391."


def test_logprobs_have_openais_form() -> None:
    logprobs = body(RAW["r-000006"])["choices"][0]["logprobs"]

    assert logprobs["content"][0] == {
        "token": "Yes",
        "logprob": -0.1,
        "bytes": [89, 101, 115],
        "top_logprobs": [
            {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115]},
            {"token": "No", "logprob": -2.4, "bytes": [78, 111]},
        ],
    }
    assert logprobs["refusal"] is None


def test_a_token_that_could_not_be_has_a_number_all_the_same() -> None:
    result = {"chosenCandidates": [{"token": "a", "logProbability": "-Infinity"}, {"token": "b"}, None]}
    content = choice(logprobsResult=result)["logprobs"]["content"]

    assert [token["logprob"] for token in content] == [-9999.0] * 3


def test_a_refused_prompt_says_why() -> None:
    message = body(RAW["r-000007"])["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "refusal": "The prompt was blocked."}
    made = body(row({"promptFeedback": {"blockReason": "JAILBREAK"}}))["choices"][0]["message"]
    assert made["refusal"] == "JAILBREAK"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ""),
        ({}, ""),
        ({"parts": []}, ""),
        ({"parts": [{}]}, ""),
        ({"parts": None, "role": "model"}, ""),
        ({"parts": [{"text": "a", "fileData": None, "functionCall": None, "thought": False}]}, "a"),
        ({"parts": [{"text": "a"}, {"text": "b"}, {"executableCode": {"code": "c"}}]}, "ab"),
        ({"parts": [{"text": "a", "thought": True}]}, ""),
        ({"parts": [{"text": 5}]}, "5"),
        ({"parts": [None, {"text": "a"}]}, "a"),
    ],
)
def test_content_is_what_was_said(content: Any, said: str) -> None:
    assert choice(content=content, finishReason="STOP")["message"]["content"] == said


def test_an_image_that_nobody_asked_for_is_not_lost() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    message = choice(content={"parts": [{"text": "here"}, part]})["message"]

    assert message["content"] == "here"
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"trafficType": "ON_DEMAND"},
        {"totalTokenCount": 12},
        {"promptTokenCount": 5, "totalTokenCount": 12},
        {"promptTokenCount": 5, "candidatesTokenCount": "many"},
        "garbage",
    ],
)
def test_an_answer_without_usage_has_none(usage: Any) -> None:
    """Better unknown than zero."""
    unmeasured = answer(row({"candidates": [{"content": {"parts": [{"text": "a"}]}}], "usageMetadata": usage}))

    assert (unmeasured.status, unmeasured.tokens, unmeasured.body["usage"]) == (200, None, None)


def test_a_refused_prompt_used_what_it_says() -> None:
    block = {"blockReason": "SAFETY"}

    assert answer(row({"promptFeedback": block, "usageMetadata": {"promptTokenCount": 9}})).tokens == Tokens(text=9)
    assert answer(row({"promptFeedback": block, "usageMetadata": {}})).tokens is None


@pytest.mark.parametrize(
    ("created", "processed", "seconds"),
    [
        ("2025-09-19T21:29:47.484619Z", None, 1758317387),
        (None, "2025-09-19T21:29:47.352+00:00", 1758317387),
        ("soon", "later", 0),
        (None, None, 0),
    ],
)
def test_created_is_the_rows_own_time(created: Any, processed: Any, seconds: int) -> None:
    raw = row({"candidates": [{}], "createTime": created}, processed_time=processed)

    assert body(raw)["created"] == seconds
    assert answer(raw).day == (processed[:10] if processed and processed[0] == "2" else None)


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("r-000017", (17, 0, 1)),
        ("r-1234567", (1234567, 0, 1)),
        ("r-000017#1/3", (17, 1, 3)),
        ("r-000017#3/3", None),
        ("r-17", None),
        ("r-000017 ", None),
        ("r-\uff10\uff10\uff10\uff10\uff10\uff11", None),
        ("x", None),
        ("", None),
        (None, None),
    ],
)
def test_a_row_is_found_by_its_key(key: str | None, place: tuple[int, int, int] | None) -> None:
    assert parse_key(key) == place


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"{", b"[]", b"5", b"null", b'{"key": 5}', b'{"key": "unknown"}', b"\xff", b"[" * 100_000, b"{}"],
)
def test_what_is_nobodys_row_is_said_to_be(raw: bytes) -> None:
    assert CODEC.read(raw) is None


def test_a_custom_id_will_do_for_a_key() -> None:
    found = CODEC.read(b'{"custom_id": "r-000005", "key": null}')
    assert found is not None
    assert found.ordinal == 5


@pytest.mark.parametrize("key", RAW)
def test_the_patient_reading_agrees_with_the_strict_one(key: str) -> None:
    rough = patiently(RAW[key], Row)
    entry = Entry(1, "mine", "my-model", {"thoughts": True})
    strict = CODEC.read(RAW[key])
    assert strict is not None

    one = CODEC.answer([strict], entry)
    two = CODEC.answer([ProviderRow(strict.ordinal, 0, 1, rough)], entry)

    assert msgspec.json.encode(one) == msgspec.json.encode(two)


def test_numbers_may_be_strings_and_nan_no_number() -> None:
    raw = RAW["r-000013"].replace(b'"tokenCount":2048', b'"tokenCount":"2048"')
    raw = raw.replace(b"2313", b'"2313"').replace(b'"avgLogprobs":-0.2', b'"avgLogprobs":NaN')

    assert msgspec.json.encode(answer(raw)) == msgspec.json.encode(answer(RAW["r-000013"]))


def test_a_character_that_was_cut_in_half_is_replaced() -> None:
    made = body(b'{"key":"r-000001","response":{"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}]}}]}}')
    assert made["choices"][0]["message"]["content"] == "a?"


def test_no_rows_are_an_error() -> None:
    assert answer_chat([], Entry(1, "a", "m")).status == 500


def test_the_same_row_gives_the_same_bytes() -> None:
    for raw in RAW.values():
        assert msgspec.json.encode(answer(raw)) == msgspec.json.encode(answer(raw))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, member in inner for place in places(member, (*path, key)))]


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.builds(list), st.builds(dict),
    st.builds(lambda: [None, 5, "x", {}]), st.sampled_from(["NaN", "-Infinity", "2", "\ud800", "MAX_TOKENS"]),
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_no_row_is_ever_too_odd(data: st.DataObject) -> None:
    """Whatever a provider writes, the line gets an answer that can be written down."""
    value = json.loads(RAW[data.draw(st.sampled_from(sorted(RAW)))])
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([place for place in places(value) if place and place[0] != "key"]))
        parent = value
        for step in path[:-1]:
            parent = parent[step]
        if data.draw(st.booleans()):
            parent[path[-1]] = data.draw(JUNK)
        else:
            del parent[path[-1]]
    raw = json.dumps(value).encode()

    made = answer(raw, {"thoughts": True})

    assert 200 <= made.status < 600
    assert made.tokens is None or min(made.tokens) >= 0
    assert (made.status == 200) == ("choices" in made.body)
    written = msgspec.json.encode(made.body)
    assert msgspec.json.decode(written)
    assert written == msgspec.json.encode(answer(raw, {"thoughts": True}).body)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(sorted(RAW)), st.integers(0, 10**6), st.binary(max_size=3))
def test_no_bytes_are_ever_too_odd(key: str, at: int, junk: bytes) -> None:
    raw = RAW[key]
    at %= len(raw)
    found = CODEC.read(raw[:at] + junk + raw[at + 1 :])
    if found is not None:
        msgspec.json.encode(CODEC.answer([found], Entry(found.ordinal, "a", "m")))
