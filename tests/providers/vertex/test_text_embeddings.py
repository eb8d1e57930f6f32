"""The older text embeddings, whose rows have no key and are known again by their text."""

import json
from typing import Any

import pytest

from shared.domain.usage import Tokens
from shared.lines.errors import LineError
from shared.providers.base import Answer, Encoded, Entry, ProviderRow, RequestLine
from shared.providers.vertex.text_embeddings import mark_of, text_embedding_codec
from tests.providers.vertex.rules import SAMPLES, breaches

CODEC = text_embedding_codec("text-embedding-005")
RAW = (SAMPLES / "text_embedding_predictions.jsonl").read_bytes().splitlines()


def encode(**body: Any) -> Encoded:
    return CODEC.encode(RequestLine("a", "/v1/embeddings", {"model": "m", **body}), 3)


def placed(raw: bytes, index: int, count: int) -> ProviderRow:
    """As whoever finds its place leaves it."""
    row = CODEC.read(raw)
    assert row is not None
    row.ordinal, row.index, row.count = 3, index, count
    return row


def answer(*raws: bytes, hints: dict[str, Any] | None = None) -> Answer:
    rows = [placed(raw, at, len(raws)) for at, raw in enumerate(raws)]
    return CODEC.answer(rows, Entry(3, "a", "mine", hints, len(rows)))


def test_each_text_is_a_row_of_its_own_and_unchanged() -> None:
    encoded = encode(input=["Lemons are yellow fruit.", "é \u2028\n"], task_type="RETRIEVAL_QUERY")
    rows = [json.loads(line) for line in encoded.rows.splitlines()]
    assert rows == [
        {"content": "Lemons are yellow fruit.", "task_type": "RETRIEVAL_QUERY"},
        {"content": "é \u2028\n", "task_type": "RETRIEVAL_QUERY"},
    ]
    assert [breaches(row) for row in rows] == [[], []]
    assert encoded.count == 2
    assert encoded.match == [mark_of(row["content"]) for row in rows]


def test_a_row_is_known_again_by_its_text() -> None:
    matches = encode(input=["Lemons are yellow fruit.", "colour of lemons"]).match
    read = [CODEC.read(raw) for raw in RAW]
    assert matches is not None
    assert [row.match for row in read if row is not None] == [matches[1], matches[0]]


def test_equal_texts_of_one_job_ask_for_the_same() -> None:
    """Rows with another task do not share a job, since nothing but the text says whose an answer is."""
    query, plain = encode(input="a", task_type="RETRIEVAL_QUERY"), encode(input="a")
    assert query.match == plain.match
    assert query.shape != plain.shape
    assert plain.shape == encode(input="b").shape


def test_the_answer() -> None:
    given = answer(RAW[1], RAW[0])
    assert given.status == 200
    assert [item["embedding"] for item in given.body["data"]] == [[0.2, -0.1, 0.05], [0.1, 0.2, -0.3]]
    assert given.tokens == Tokens(text=8)
    assert isinstance(answer(RAW[0], hints={"base64": True}).body["data"][0]["embedding"], str)


@pytest.mark.parametrize(
    "row",
    [
        {"predictions": [], "status": 'Bad Request: {"error":{"code":400,"message":"No."}}'},
        {"predictions": None, "status": "INVALID_ARGUMENT"},
    ],
)
def test_one_failed_text_fails_the_line(row: dict[str, Any]) -> None:
    assert answer(RAW[1], json.dumps({"instance": {"content": "x"}, **row}).encode()).status == 400


@pytest.mark.parametrize(
    "row", [{}, {"predictions": [None]}, {"predictions": 7}, {"predictions": [{"embeddings": {"values": ["x"]}}]}]
)
def test_a_text_without_a_vector_is_an_error(row: dict[str, Any]) -> None:
    assert answer(json.dumps({"instance": {"content": "x"}, **row}).encode()).status == 500


@pytest.mark.parametrize("count", [None, -1, "many"])
def test_what_was_used_is_unknown_and_not_zero(count: Any) -> None:
    said = [{"embeddings": {"statistics": {"token_count": count}, "values": [1.0]}}]
    given = answer(json.dumps({"instance": {"content": "x"}, "predictions": said}).encode())
    assert (given.status, given.tokens) == (200, None)


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"instance":{}}', b'{"instance":7}', b'{"key":"r-000001"}'])
def test_what_is_nobodys_row_is_said_to_be(raw: bytes) -> None:
    assert CODEC.read(raw) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "a", "dimensions": 5}, "dimensions"),
        ({"input": "a", "title": "t"}, "title"),
        ({"input": "a", "task_type": "X"}, "task_type"),
        ({"input": [1, 2]}, "input[0]"),
        ({"input": ""}, "input"),
    ],
)
def test_what_cannot_be_run_names_the_parameter(body: dict[str, Any], param: str) -> None:
    with pytest.raises(LineError) as caught:
        encode(**body)
    assert caught.value.param == param
