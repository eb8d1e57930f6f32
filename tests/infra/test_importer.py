"""The stand-in's importer is as strict as Vertex: a table of rows, each of which fails its whole job."""

import json
from typing import Any

import pytest

from infra.local.standin.importer import Importer, ImportFailed, ImportRules, rows_of


def row(key: str = "r-000001", **request: Any) -> dict[str, Any]:
    return {"key": key, "request": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], **request}}


def load(*rows: Any, rules: ImportRules | None = None) -> int:
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in rows]
    return Importer(rules or ImportRules()).read(lines)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"leaf": 1}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def config(**fields: Any) -> dict[str, Any]:
    return row(generationConfig=fields)


BAD: list[tuple[str, list[Any], str]] = [
    ("an empty object", [row(tools=[{"googleSearch": {}}])], "Cannot store struct 'request.tools.googleSearch' with"),
    ("an empty object, deep", [row(a={"b": [{"c": {}}]})], "Cannot store struct 'request.a.b.c' with no fields"),
    ("an empty row", [b"{}"], "request"),
    ("a list and a scalar at one path", [row(a={"type": ["x"]}), row(a={"type": "x"})], "Repeated field must be"),
    ("a scalar and a list at one path", [row(a="x"), row(a=["x"])], "Repeated field must be imported as a JSON array"),
    ("text and a number", [row(a="x"), row(a=1)], "request.a from NUMBER to STRING"),
    ("text and a boolean", [row(a="x"), row(a=True)], "request.a from BOOLEAN to STRING"),
    ("text and an object", [row(a="x"), row(a={"b": 1})], "request.a from RECORD to STRING"),
    ("a key of another type", [row("r-1"), {**row(), "key": 7}], "key from NUMBER to STRING"),
    ("sixteen levels", [row(a=nested(14))], "at least 16 compared to the maximum allowed level of 15"),
    ("a dollar key", [row(a={"$defs": 1})], 'Invalid field name "$defs"'),
    ("a key with a space", [row(a={"two words": 1})], "Invalid field name"),
    ("a key with a hyphen", [row(a={"x-y": 1})], "Invalid field name"),
    ("a key that begins with a digit", [row(a={"1st": 1})], "Invalid field name"),
    ("an empty key", [row(a={"": 1})], "Invalid field name"),
    ("a key with an accent", [row(a={"né": 1})], "Invalid field name"),
    ("a reserved key", [row(a={"_PARTITIONTIME": 1})], "Invalid field name"),
    ("keys that differ in case", [row(a={"City": 1, "city": 2})], "case insensitive"),
    ("keys that differ in case, in two rows", [row(a={"City": 1}), row(a={"city": 1})], "case insensitive"),
    ("null among values", [row(a=["x", None])], "Only optional fields can be set to NULL"),
    ("null for a list", [row(enum=["x"]), row(enum=None)], "Only optional fields can be set to NULL. Field: enum"),
    ("null for a list, before it", [row(enum=None), row(enum=["x"])], "Only optional fields can be set to NULL"),
    ("a list of lists", [row(a=[[1], [2]])], "Array of arrays"),
    ("a list of mixed types", [row(a=[1, "x"])], "request.a from STRING to NUMBER"),
    ("a list of scalars and objects", [row(a=[1, {"b": 1}])], "request.a from RECORD to NUMBER"),
    ("no JSON", [b"{"], "JSON parsing error"),
    ("two objects on a line", [b'{"request":{"a":1}}{"request":{"a":1}}'], "JSON parsing error"),
    ("a list as a row", [b"[1]"], "Expected an object"),
    ("NaN", [b'{"request":{"a":NaN}}'], "JSON parsing error"),
    ("a byte order mark", [b'\xef\xbb\xbf{"request":{"a":1}}'], "JSON parsing error"),
    ("bytes that are no UTF-8", [b'{"request":{"a":"\xff"}}'], "JSON parsing error"),
    ("no request", [{"key": "r-1", "contents": []}], "Name request not found"),
    ("a column that the output adds", [{**row(), "status": "x"}], "status"),
    ("another of them", [{**row(), "Response": {"a": 1}}], "Response"),
    ("no rows", [], "no rows"),
    ("blank rows alone", [b"", b"  "], "no rows"),
]


@pytest.mark.parametrize(("rows", "reason"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_one_bad_row_fails_the_file(rows: list[Any], reason: str) -> None:
    good = [] if reason == "no rows" else [row("r-000000")] * 3
    with pytest.raises(ImportFailed) as caught:
        load(*good, *rows)
    assert str(caught.value).startswith("Failed to import data. Please check 'Prepare input' section")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "rows",
    [
        [row()],
        [config(temperature=1), config(temperature=0.5)],
        [config(temperature=None), config(temperature=0.5)],
        [row(a=nested(13))],
        [row(tools=[{"googleSearch": {"excludeDomains": ["example.invalid"]}}])],
        [row(a=[]), row(a=["x"])],
        [row(a={"b": 1}), row(c={"b": "x"})],
        [row(), b"", row()],
        [row(a="a\u2028b")],
    ],
)
def test_rows_that_are_imported(rows: list[Any]) -> None:
    assert load(*rows) == len([line for line in rows if line != b""])


def test_more_rows_than_a_job_takes() -> None:
    rules = ImportRules(most_rows=3)
    assert load(*[row()] * 3, rules=rules) == 3
    with pytest.raises(ImportFailed, match="maximum of 3"):
        load(*[row()] * 4, rules=rules)


def test_an_embedding_option_beside_the_request() -> None:
    rules = ImportRules(columns_refused=frozenset({"embed_content_config"}))
    with pytest.raises(ImportFailed):
        load({"request": {"content": {"parts": [{"text": "x"}]}}, "embed_content_config": {"a": 1}}, rules=rules)


@pytest.mark.parametrize(
    ("rules", "good", "bad"),
    [
        (ImportRules(column="body"), {"custom_id": "r-1", "body": {"a": 1}}, row()),
        (ImportRules(column="content", kind=str), {"content": "a"}, {"content": {"a": 1}}),
    ],
)
def test_families_have_columns_of_their_own(rules: ImportRules, good: Any, bad: Any) -> None:
    assert load(good, rules=rules) == 1
    with pytest.raises(ImportFailed, match=f"Name {rules.column} not found"):
        load(bad, rules=rules)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_come_whole_out_of_blocks(size: int) -> None:
    text = b"one\n\ntwo\xe2\x80\xa8\nthree"
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    assert list(rows_of(blocks)) == [b"one", b"", b"two\xe2\x80\xa8", b"three"]
    assert list(rows_of([*blocks, b"\n"])) == [b"one", b"", b"two\xe2\x80\xa8", b"three"]
