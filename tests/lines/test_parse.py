"""What a line must be. The codes are OpenAI's; the message never quotes the input."""

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.lines.errors import InvalidLine
from shared.lines.parse import LONGEST_CUSTOM_ID, Parser

GOOD: dict[str, Any] = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
}


def parse(raw: bytes | dict[str, Any]) -> Any:
    return Parser("/v1/chat/completions").parse(raw if isinstance(raw, bytes) else json.dumps(raw).encode())


def problem(raw: bytes | dict[str, Any]) -> tuple[str | None, str | None]:
    with pytest.raises(InvalidLine) as caught:
        parse(raw)
    return caught.value.code, caught.value.param


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def with_body(**changes: Any) -> dict[str, Any]:
    body = {**GOOD["body"], **changes}
    return {**GOOD, "body": {key: value for key, value in body.items() if value is not ...}}


def nested(levels: int) -> bytes:
    inner = b"[" * levels + b"]" * levels
    return json.dumps(GOOD).encode()[:-2] + b', "x": ' + inner + b"}}"


@pytest.mark.parametrize("name", ["custom_id", "method", "url", "body"])
def test_a_missing_parameter_is_named(name: str) -> None:
    assert problem(without(name)) == ("missing_required_parameter", name)
    assert problem({**GOOD, name: None}) == ("missing_required_parameter", name)


@pytest.mark.parametrize(
    ("line", "code", "param"),
    [
        ({**GOOD, "method": "GET"}, "invalid_method", "method"),
        ({**GOOD, "url": "/v1/embeddings"}, "invalid_url", "url"),
        ({**GOOD, "url": "https://x/v1/chat/completions"}, "invalid_url", "url"),
        ({**GOOD, "custom_id": 7}, "invalid_request", "custom_id"),
        ({**GOOD, "custom_id": ""}, "invalid_request", "custom_id"),
        ({**GOOD, "custom_id": "x" * (LONGEST_CUSTOM_ID + 1)}, "invalid_request", "custom_id"),
        ({**GOOD, "body": "text"}, "invalid_request", "body"),
        ({**GOOD, "body": []}, "invalid_request", "body"),
        (with_body(model=...), "invalid_request", "body.model"),
        (with_body(model=["m"]), "invalid_request", "body.model"),
        (with_body(messages=...), "invalid_request", "body.messages"),
        (with_body(stream=True), "streaming_unsupported", "body.stream"),
    ],
)
def test_what_is_wrong_with_the_request_is_said(line: dict[str, Any], code: str, param: str) -> None:
    assert problem(line) == (code, param)


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{} {}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        json.dumps(with_body(temperature=float("nan"))).encode(),
        json.dumps(with_body(temperature=float("inf"))).encode(),
        json.dumps(with_body(x=1)).encode().replace(b'"x": 1', b'"x": 1e400'),
        json.dumps(with_body(x=1)).encode().replace(b'"x": 1', b'"x": ' + b"9" * 5000),
        json.dumps(GOOD).encode().replace(b"hi", b"\xff"),
        json.dumps(GOOD).encode().replace(b"hi", b"\xc0\xaf"),
        json.dumps(GOOD).encode().replace(b"hi", b"\\ud800"),
        json.dumps(GOOD).encode().replace(b"hi", b"\x01"),
        json.dumps(GOOD).encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        nested(65),
        nested(100),
        json.dumps(GOOD).encode().replace(b'"model": "m"', b'"model": "allowed", "model": "forbidden"'),
        json.dumps(GOOD).encode().replace(b'"role": "user"', b'"role": "user", "role": "system"'),
        json.dumps(GOOD).encode().replace(b'"custom_id": "a"', b'"custom_id": "a", "custom_id" : "b"'),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_what_is_not_strictly_json_is_refused(raw: bytes) -> None:
    assert problem(raw) == ("invalid_json_line", None)


@pytest.mark.parametrize("crowd", [b"{}," * 600_000, b'"k":1,' * 600_000, b"[]," * 600_000], ids=["{}", "keys", "[]"])
def test_a_line_that_is_a_crowd_of_tiny_values_is_refused_before_it_is_decoded(crowd: bytes) -> None:
    """A few megabytes of it would take a gigabyte of memory."""
    inside = b"{" + crowd + b'"z":1}' if crowd.startswith(b'"') else b"[" + crowd + b"1]"
    assert problem(json.dumps(GOOD).encode()[:-2] + b', "x": ' + inside + b"}}") == ("invalid_json_line", None)


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(GOOD).encode() + b"\r",
        b"  " + json.dumps(GOOD).encode() + b"  ",
        json.dumps(with_body(stream=False)).encode(),
        json.dumps({**GOOD, "unknown": 1}).encode(),
        json.dumps(with_body(text='a : b \\" [[[[{{{{ ":')).encode(),
        json.dumps(with_body(text="[" * 500)).encode(),
        json.dumps(GOOD).encode().replace(b"hi", "\u2028é😀".encode()),
        nested(62),
    ],
)
def test_odd_but_legal_lines_pass(raw: bytes) -> None:
    assert parse(raw).custom_id == "a"


def _values(inner: Any) -> Any:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "ab", "ba"]), inner, max_size=3)


@given(st.recursive(st.none() | st.text(alphabet='":{}[], \\a', max_size=6), _values, max_leaves=12), st.booleans())
def test_a_repeated_key_is_found_wherever_it_is_and_nothing_else_is_taken_for_one(value: Any, compact: bool) -> None:
    """The quick test counts; it has to agree with the slow one, which looks at every object."""
    separators = (",", ":") if compact else (", ", " : ")
    raw = json.dumps(with_body(x=value), separators=separators)
    assert parse(raw.encode()).custom_id == "a"
    for found in re.finditer(r'"[ab]+"\s*:', raw):
        doubled = raw[: found.start()] + found.group() + "1," + raw[found.start() :]
        with contextlib.suppress(ValueError):
            json.loads(doubled)
            assert problem(doubled.encode()) == ("invalid_json_line", None)
