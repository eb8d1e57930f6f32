"""Rows that are Vertex's own: the same there and back, under our key on the way."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.standin.families import family_of
from infra.local.standin.importer import Importer, ImportFailed
from shared.config import Deployment
from shared.lines.errors import LineError
from shared.providers.base import NATIVE, Answer, Codec, Encoded, Entry, Media, RequestLine
from shared.providers.vertex.profile import model_of
from shared.providers.vertex.provider import open_provider
from tests.providers.vertex.rules import SAMPLES, breaches_but_nulls
from tests.providers.vertex.test_importer import NAMES, VALUES

GEMINI, EMBEDDING, CLAUDE = "gemini-2.5-flash", "gemini-embedding-001", "claude-sonnet-4-5@20250929"
OPEN, TEXTS = "meta/llama-3.3-70b-instruct-maas", "text-embedding-005"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
MESSAGES = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
ROWS: dict[str, dict[str, Any]] = {
    GEMINI: {"key": "mine", "request": CONTENTS, "extra": "x"},
    EMBEDDING: {"key": "mine", "request": {"content": {"parts": [{"text": "Hi"}]}}},
    CLAUDE: {"custom_id": "mine", "request": MESSAGES},
    OPEN: {
        "custom_id": "mine",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"messages": MESSAGES["messages"]},
    },
    TEXTS: {"content": "Hi"},
}
NAME = {GEMINI: "key", EMBEDDING: "key", CLAUDE: "custom_id", OPEN: "custom_id"}


def native(model: str = GEMINI) -> Codec:
    deployment = Deployment(id="d", group="d", provider="vertex_ai", model=model, project="p", location="us-central1")
    codec = open_provider(deployment, Media(closed=frozenset({"ours"}))).codec(NATIVE)
    assert codec is not None
    return codec


def encode(row: dict[str, Any], model: str = GEMINI) -> Encoded:
    return native(model).encode(RequestLine("", NATIVE, row), 42)


def returned(encoded: Encoded, model: str, marker: str = "") -> bytes:
    """What the provider writes for the row."""
    found = model_of(model)
    family = family_of(found.path) if found is not None else None
    assert family is not None
    Importer(family.rules).read(encoded.rows.splitlines())
    row, _ = family.run(json.loads(encoded.rows), marker)
    return msgspec.json.encode(row)


def answer(raw: bytes, encoded: Encoded, model: str = GEMINI) -> Answer:
    codec = native(model)
    row = codec.read(raw)
    assert row is not None
    if encoded.match is not None:
        assert [row.match] == encoded.match
        row.ordinal = 42
    assert row.ordinal == 42
    return codec.answer([row], Entry(42, "", model, encoded.hints))


@pytest.mark.parametrize("model", ROWS)
def test_a_row_goes_out_under_our_key_and_comes_back_under_its_own(model: str) -> None:
    encoded = encode(ROWS[model], model)
    sent = json.loads(encoded.rows)
    assert sent == {
        **ROWS[model],
        **({NAME[model]: "r-000042"} if model in NAME else {}),
        **({"body": {**ROWS[model]["body"], "model": OPEN}} if model == OPEN else {}),
    }
    raw = returned(encoded, model)
    given = answer(raw, encoded, model)
    assert given.status == 200
    assert given.body is None
    assert given.tokens is not None
    assert given.raw is not None
    assert b"\n" not in given.raw
    expected = json.loads(raw)
    if model in NAME:
        expected[NAME[model]] = "mine"
    assert json.loads(given.raw) == expected


@pytest.mark.parametrize("model", NAME)
def test_a_row_without_a_key_stays_without(model: str) -> None:
    row = {name: value for name, value in ROWS[model].items() if name != NAME[model]}
    encoded = encode(row, model)
    assert encoded.hints is None
    given = answer(returned(encoded, model), encoded, model)
    assert NAME[model] not in json.loads(given.raw or b"")


@pytest.mark.parametrize("key", [7, None, True, {"a": [1]}, "r-000001", "é\u2028"])
def test_any_key_is_given_back_as_it_was(key: Any) -> None:
    encoded = encode({"key": key, "request": CONTENTS})
    given = answer(returned(encoded, GEMINI), encoded)
    assert json.loads(given.raw or b"")["key"] == key


@pytest.mark.parametrize("model", ROWS)
@pytest.mark.parametrize(("marker", "status"), [("fail", 400), ("quota", 429), ("deadline", 504)])
def test_a_failed_row_counts_as_failed(model: str, marker: str, status: int) -> None:
    encoded = encode(ROWS[model], model)
    given = answer(returned(encoded, model, marker), encoded, model)
    assert (given.status, given.tokens, given.never_ran) == (status, None, None)
    assert given.raw is not None


def test_what_came_back_names_nothing_of_ours() -> None:
    encoded = encode(ROWS[GEMINI])
    raw = json.dumps(
        {"key": "r-000042", "status": "Denied to service-1@gcp-sa-aiplatform.iam.gserviceaccount.com on gs://ours/x"}
    )
    given = answer(raw.encode(), encoded)
    assert given.raw is not None
    assert b"gserviceaccount" not in given.raw
    assert b"gs://ours" not in given.raw


@pytest.mark.parametrize(
    "raw", [(SAMPLES / "gemini_predictions.jsonl").read_bytes().splitlines()[at] for at in range(18)]
)
def test_recorded_rows_pass_through_unchanged(raw: bytes) -> None:
    key = json.loads(raw)["key"]
    codec = native()
    row = codec.read(raw)
    assert row is not None
    given = codec.answer([row], Entry(row.ordinal, "", "m", {"own": key}))
    assert json.loads(given.raw or b"") == json.loads(raw)
    assert (given.status >= 400) == (key in {"r-000010", "r-000011", "r-000015"})


@pytest.mark.parametrize(
    "raw",
    [
        b'{"key":"r-000042","a":NaN,"response":{}}',
        b'{"key":"r-000042","a":"\\ud800"}',
        b'{"key":"r-000042","a":"\xff"}',
        b'{"key":"r-000042","a":1e999}',
        b'{"key":"r-000042","a":' + b"9" * 40 + b"}",
    ],
)
def test_half_broken_rows_are_still_rows(raw: bytes) -> None:
    given = answer(raw, encode(ROWS[GEMINI]))
    assert json.loads(given.raw or b"")["key"] == "mine"


FILE = {
    "contents": [
        {"role": "user", "parts": [{"text": "a"}, {"fileData": {"mimeType": "a/b", "fileUri": "gs://ours/x"}}]}
    ]
}
SNAKE = {"contents": [{"role": "user", "parts": [{"file_data": {"mime_type": "a/b", "file_uri": " GS://ours/x"}}]}]}
URL = {
    **MESSAGES,
    "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "gs://ours/x"}}]}],
}


@pytest.mark.parametrize(
    ("model", "row", "param"),
    [
        (GEMINI, {"request": FILE}, "request.contents[0].parts[1].fileData.fileUri"),
        (GEMINI, {"request": SNAKE}, "request.contents[0].parts[0].file_data.file_uri"),
        (CLAUDE, {"request": URL}, "request.messages[0].content[0].source.url"),
        (
            GEMINI,
            {"request": json.loads(json.dumps(FILE).replace("gs://", "https://storage.googleapis.com/"))},
            "request.contents[0].parts[1].fileData.fileUri",
        ),
        (GEMINI, {"request": CONTENTS, "response": {"a": 1}}, "response"),
        (GEMINI, {"request": CONTENTS, "Status": "x"}, "Status"),
        (GEMINI, {"request": CONTENTS, "processed_time": "x"}, "processed_time"),
        (CLAUDE, {"request": MESSAGES, "predictions": [1]}, "predictions"),
        (TEXTS, {"content": "a", "predictions": [1]}, "predictions"),
        (GEMINI, {"key": "a"}, "request"),
        (GEMINI, {"request": "x"}, "request"),
        (GEMINI, {"request": {}}, "request"),
        (CLAUDE, {"request": MESSAGES, "key": "x"}, "key"),
        (EMBEDDING, {**ROWS[EMBEDDING], "embed_content_config": {"a": 1}}, "embed_content_config"),
        (OPEN, {"custom_id": "a", "request": CONTENTS}, "request"),
        (TEXTS, {"content": 7}, "content"),
        (TEXTS, {"content": ""}, "content"),
        (TEXTS, {"instances": "a"}, "instances"),
        (GEMINI, {"request": {**CONTENTS, "model": "gemini-4-argon"}}, "request.model"),
        (GEMINI, {"request": {**CONTENTS, "cached_content": "projects/p/x"}}, "request.cached_content"),
        (GEMINI, {"request": {**CONTENTS, "tools": [{"retrieval": {"a": 1}}]}}, "request.tools[0].retrieval"),
        (GEMINI, {"request": {**CONTENTS, "tools": [{"googleSearch": {}}]}}, "request.tools[0].googleSearch"),
        (GEMINI, {"request": {**CONTENTS, "tools": []}}, "request.tools"),
        (GEMINI, {"request": {**CONTENTS, "labels": {"a b": "x"}}}, "request.labels.a?b"),
        (GEMINI, {"request": {**CONTENTS, "generationConfig": {"seed": 2**64}}}, "request.generationConfig.seed"),
        (GEMINI, {"key": "k" * 2000, "request": CONTENTS}, "key"),
    ],
)
def test_what_a_row_may_not_hold(model: str, row: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        encode(row, model)
    assert caught.value.param == param


def test_objects_in_other_buckets_may_be_named() -> None:
    text = json.dumps(FILE).replace("gs://ours/", "gs://theirs/")
    assert encode({"request": json.loads(text)}).count == 1


def test_rows_of_texts_that_ask_for_different_things_do_not_share_a_job() -> None:
    plain, query = encode({"content": "a"}, TEXTS), encode({"content": "a", "task_type": "RETRIEVAL_QUERY"}, TEXTS)
    assert plain.match == query.match
    assert plain.shape is not None
    assert query.shape is not None
    assert any(query.shape.get(path, kind) != kind for path, kind in plain.shape.items())


OBJECTS = st.dictionaries(NAMES | st.sampled_from(["contents", "fileUri", "tools"]), VALUES, max_size=4)


def fits(one: Encoded, two: Encoded) -> bool:
    return all((two.shape or {}).get(path, kind) == kind for path, kind in (one.shape or {}).items())


@settings(max_examples=400, deadline=None)
@given(OBJECTS, OBJECTS, OBJECTS)
def test_rows_that_may_share_a_job_are_imported_together(
    one: dict[str, Any], two: dict[str, Any], beside: dict[str, Any]
) -> None:
    encoded = []
    for request in (one, two):
        try:
            encoded.append(encode({**beside, "request": request}))
        except LineError:
            continue
    rows = [json.loads(each.rows) for each in encoded]
    for row in rows:
        assert breaches_but_nulls(row) == []
    if len(encoded) == 2 and not fits(*encoded):
        encoded.pop()
    if encoded:
        try:
            Importer(family_of("publishers/google/models/gemini-2.5-flash").rules).read(  # type: ignore[union-attr]
                [each.rows.strip() for each in encoded]
            )
        except ImportFailed as error:
            raise AssertionError(str(error)) from error
