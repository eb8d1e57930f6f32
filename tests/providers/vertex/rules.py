"""The importer's rules once more, written apart from the code: what a job of rows must be for Vertex to take it."""

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shared.providers.base import Encoded, RequestLine
from shared.providers.vertex.codecs import chat_codec

SAMPLES: Final = Path(__file__).parent / "samples"
FIRST: Final = set(string.ascii_letters + "_")
OTHERS: Final = FIRST | set(string.digits)


def chat(model: str = "gemini-2.5-flash", *, ordinal: int = 1, **body: Any) -> Encoded:
    """A line as it arrives, encoded; with a plain message where the test gives none."""
    body.setdefault("messages", [{"role": "user", "content": "Hi"}])
    return chat_codec(model).encode(RequestLine("a", "/v1/chat/completions", {"model": model, **body}), ordinal)


def request_of(encoded: Encoded) -> dict[str, Any]:
    assert encoded.rows.endswith(b"\n")
    assert encoded.rows.count(b"\n") == encoded.count == 1
    row: dict[str, Any] = json.loads(encoded.rows)
    assert list(row) == ["key", "request"]
    request: dict[str, Any] = row["request"]
    return request


def request(model: str = "gemini-2.5-flash", **body: Any) -> dict[str, Any]:
    return request_of(chat(model, **body))


def breaches(row: dict[str, Any]) -> list[str]:
    """Everything in a row that would fail its job."""
    types: dict[str, set[str]] = {}
    _collect(row, "", types)
    clashes = [f"{path}: {sorted(kinds)}" for path, kinds in types.items() if len(kinds) > 1]
    return [*_walk(row, "row", 1), *clashes]


def breaches_but_nulls(row: dict[str, Any]) -> list[str]:
    """The same for rows that go out as they were written: a null may stand where no list ever does."""
    return [said for said in breaches(row) if not said.endswith(": null") and not _only_null(said)]


def _only_null(said: str) -> bool:
    """A path that is null here and something else there, but no array."""
    kinds = said.partition(": ")[2]
    return kinds.startswith("[") and "null" in kinds and kinds.count("'") <= 4 and "array" not in kinds


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", dict: "struct", list: "array", type(None): "null"}[type(value)]


def _walk(value: Any, where: str, depth: int) -> Iterator[str]:
    if value is None:
        yield f"{where}: null"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield f"{where}: not 64 bits"
    elif isinstance(value, (dict, list)):
        if depth > 15:
            yield f"{where}: level {depth}"
        if not value:
            yield f"{where}: empty"
        yield from _struct(value, where, depth) if isinstance(value, dict) else _array(value, where, depth)


def _struct(value: dict[str, Any], where: str, depth: int) -> Iterator[str]:
    if len({key.lower() for key in value}) != len(value):
        yield f"{where}: keys that differ in case alone"
    for key, member in value.items():
        if not key or key[0] not in FIRST or not set(key) <= OTHERS or len(key) > 300:
            yield f"{where}: field name {key!r}"
        if key.upper().startswith(("_TABLE_", "_FILE_", "_PARTITION")):
            yield f"{where}: reserved name {key!r}"
        yield from _walk(member, f"{where}.{key}", depth + 1)


def _array(value: list[Any], where: str, depth: int) -> Iterator[str]:
    kinds = {_kind(item) for item in value}
    if len(kinds) > 1 or "array" in kinds:
        yield f"{where}: array of {sorted(kinds)}"
    for item in value:
        yield from _walk(item, where, depth + 1)


def _collect(value: Any, path: str, types: dict[str, set[str]], prefix: str = "") -> None:
    """The type of each path, arrays transparent, and how its last key is spelled."""
    if isinstance(value, list):
        for item in value:
            _collect(item, path, types, "array of ")
        return
    types.setdefault(path.lower(), set()).add(f"{prefix}{_kind(value)} {path.rpartition('.')[2]}")
    if isinstance(value, dict):
        for key, member in value.items():
            _collect(member, f"{path}.{key}", types)
