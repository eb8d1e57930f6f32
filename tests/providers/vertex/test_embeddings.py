"""Embeddings: rows out of a line, and a line's answer out of its rows."""

import json
import math
import struct
from base64 import b64decode
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.lines.errors import LineError
from shared.providers.base import Answer, Encoded, Entry, RequestLine
from shared.providers.vertex.codecs import embedding_codec
from tests.providers.vertex.rules import SAMPLES, breaches

RAW = (SAMPLES / "embedding_predictions.jsonl").read_bytes().splitlines()


def encode(model: str = "gemini-embedding-001", **body: Any) -> Encoded:
    return embedding_codec(model).encode(RequestLine("a", "/v1/embeddings", {"model": model, **body}), 17)


def rows_of(encoded: Encoded) -> list[dict[str, Any]]:
    rows = [json.loads(raw) for raw in encoded.rows.splitlines()]
    assert len(rows) == encoded.count
    assert [breaches(row) for row in rows] == [[]] * len(rows)
    return rows


def answer(*raw: bytes, model: str = "other", hints: dict[str, Any] | None = None) -> Answer:
    codec = embedding_codec(model)
    rows = [row for row in map(codec.read, raw) if row is not None]
    return codec.answer(rows, Entry(17, "a", "my-model", hints))


def row(key: str, values: Any, **more: Any) -> bytes:
    return json.dumps({"key": key, "status": "", "response": {"embedding": {"values": values}, **more}}).encode()


def test_one_input_is_one_row() -> None:
    assert rows_of(encode(input="a b")) == [{"key": "r-000017", "request": {"content": {"parts": [{"text": "a b"}]}}}]
    assert encode(input="a").hints is None
    assert rows_of(encode(input=["a"])) == rows_of(encode(input="a"))


def test_several_inputs_are_several_rows() -> None:
    encoded = encode(
        input=["a", "b"], dimensions=4, task_type="RETRIEVAL_DOCUMENT", title="t", user="u", encoding_format="base64"
    )
    config = {"output_dimensionality": 4, "task_type": "RETRIEVAL_DOCUMENT", "title": "t"}

    assert rows_of(encoded) == [
        {"key": f"r-000017#{at}/2", "request": {"content": {"parts": [{"text": said}]}, "embed_content_config": config}}
        for at, said in enumerate("ab")
    ]
    assert encoded.hints == {"base64": True}
    assert encoded.shape is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": [1, 2]}, "input[0]"),
        ({"input": [[1, 2]]}, "input[0]"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": "5"}, "dimensions"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 4096}, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "user": 5}, "user"),
        ({"input": "a", "task_type": "GUESS"}, "task_type"),
        ({"input": "a", "title": 5}, "title"),
        ({"input": "a", "truncate": True}, "truncate"),
    ],
)
def test_a_line_that_cannot_run_says_where(body: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        encode(**body)

    assert caught.value.param == param


def test_the_second_model_takes_its_task_inside_the_text() -> None:
    with pytest.raises(LineError, match="inside the text"):
        encode("gemini-embedding-2", input="a", task_type="CLUSTERING")


def test_recorded_rows_are_one_answer_in_the_order_of_the_input() -> None:
    good = answer(RAW[0], RAW[2])

    assert (good.status, good.day, good.tokens) == (200, "2026-11-14", Tokens(text=4))
    assert json.loads(msgspec.json.encode(good.body)) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [-0.015, 0.024, 0.2, -0.4]},
            {"object": "embedding", "index": 1, "embedding": [0.021, -0.3, 0.11, 0.07]},
        ],
        "model": "my-model",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert msgspec.json.encode(good) == msgspec.json.encode(answer(RAW[2], RAW[0]))


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        ({"usageMetadata": {"promptTokenCount": 3}}, 3),
        ({"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "tokenCount": 3}, 3),
        ({"usageMetadata": {}, "tokenCount": 3}, 3),
        ({"usageMetadata": None, "tokenCount": "3"}, 3),
        ({}, None),
        ({"usageMetadata": {}}, None),
        ({"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 4}}, None),
        ({"usageMetadata": {"promptTokenCount": 3}, "tokenCount": 4}, None),
        ({"usageMetadata": {"promptTokenCount": "many"}}, None),
    ],
)
def test_a_row_without_its_tokens_leaves_the_line_unpriced(said: dict[str, Any], tokens: int | None) -> None:
    """Better unknown than zero, be it only one of the rows."""
    one = answer(row("r-000017", [1.0], **said))
    assert one.status == 200
    assert one.tokens == (None if tokens is None else Tokens(text=tokens))
    assert one.body["usage"] == (None if tokens is None else {"prompt_tokens": tokens, "total_tokens": tokens})

    two = answer(row("r-000017#0/2", [1.0], **said), row("r-000017#1/2", [1.0], tokenCount=7))
    assert (two.status, len(two.body["data"])) == (200, 2)
    assert two.tokens == (None if tokens is None else Tokens(text=tokens + 7))


def test_a_recorded_failure_is_an_error() -> None:
    failed = answer(RAW[1])

    assert (failed.status, failed.tokens) == (400, None)
    assert failed.body["error"]["message"] == "content is empty"


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([], 500),
        ([row("r-000017#0/2", [1.0])], 500),
        ([row("r-000017#1/2", [1.0])], 500),
        ([row("r-000017#0/2", [1.0]), row("r-000017#1/2", [])], 500),
        ([row("r-000017#0/2", [1.0]), row("r-000017#1/2", ["x"])], 500),
        ([row("r-000017#0/2", [1.0]), b'{"key":"r-000017#1/2","status":"RESOURCE_EXHAUSTED"}'], 429),
        ([row("r-000017", None)], 500),
        ([b'{"key":"r-000017","response":5}'], 500),
    ],
)
def test_a_line_without_all_of_its_vectors_fails(rows: list[bytes], status: int) -> None:
    failed = answer(*rows)

    assert (failed.status, failed.tokens) == (status, None)
    assert "error" in failed.body


def test_base64_is_little_endian_float32() -> None:
    given_values = [0.5, -2.0, 1e-3]
    made = answer(row("r-000017", given_values), hints={"base64": True}).body["data"][0]["embedding"]

    assert b64decode(made) == struct.pack("<3f", *given_values)


def test_the_first_model_is_scaled_to_unit_length_below_its_full_size() -> None:
    short = answer(row("r-000017", [3.0, 4.0]), model="google/gemini-embedding-001").body["data"][0]["embedding"]
    assert short == [0.6, 0.8]
    nothing = answer(row("r-000017", [0.0, 0.0]), model="gemini-embedding-001").body["data"][0]["embedding"]
    assert nothing == [0.0, 0.0]
    full = answer(row("r-000017", [2.0] * 3072), model="gemini-embedding-001").body["data"][0]["embedding"]
    assert full == [2.0] * 3072
    other = answer(row("r-000017", [3.0, 4.0]), model="gemini-embedding-2").body["data"][0]["embedding"]
    assert other == [3.0, 4.0]


def test_a_scaled_vector_has_length_one() -> None:
    made = answer(row("r-000017", [0.1 * at for at in range(768)]), model="gemini-embedding-001")
    assert math.isclose(math.hypot(*made.body["data"][0]["embedding"]), 1.0)


JUNK = st.one_of(
    st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3), st.just([]), st.just([1e300])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(JUNK | st.lists(JUNK, max_size=3), min_size=1, max_size=3), JUNK, st.booleans())
def test_no_row_is_ever_too_odd(values: list[Any], usage: Any, encoded: bool) -> None:
    count = len(values)
    rows = [row(f"r-000017#{at}/{count}", vector, usageMetadata=usage) for at, vector in enumerate(values)]
    made = answer(*rows, model="gemini-embedding-001", hints={"base64": True} if encoded else None)

    assert made.status in {200, 500}
    msgspec.json.encode(made)
