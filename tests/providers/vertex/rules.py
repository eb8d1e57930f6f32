"""The importer's rules once more, written apart from the code: what a job of rows must be for Vertex to take it."""

import json
import string
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
    found: list[str] = []
    types: dict[tuple[str, ...], set[str]] = {}

    def kind(value: Any) -> str:
        if isinstance(value, bool):
            return "bool"
        if isinstance(value, (int, float)):
            return "number"
        return {str: "string", dict: "struct", list: "array", type(None): "null"}[type(value)]

    def look(value: Any, path: tuple[str, ...], depth: int) -> None:
        where = ".".join(path)
        if isinstance(value, (dict, list)) and depth > 15:
            found.append(f"{where}: level {depth}")
        if value is None:
            found.append(f"{where}: null")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            found.append(f"{where}: not 64 bits")
        elif isinstance(value, dict):
            if not value:
                found.append(f"{where}: empty struct")
            if len({key.lower() for key in value}) != len(value):
                found.append(f"{where}: keys that differ in case alone")
            for key, member in value.items():
                if not key or key[0] not in FIRST or not set(key) <= OTHERS or len(key) > 300:
                    found.append(f"{where}: field name {key!r}")
                look(member, (*path, key), depth + 1)
        elif isinstance(value, list):
            if not value:
                found.append(f"{where}: empty array")
            if len({kind(item) for item in value}) > 1:
                found.append(f"{where}: mixed array")
            if any(isinstance(item, list) for item in value):
                found.append(f"{where}: array of arrays")
            for item in value:
                look(item, path, depth + 1)

    def typed(value: Any, path: tuple[str, ...], *, listed: bool = False) -> None:
        if isinstance(value, list):
            for item in value:
                typed(item, path, listed=True)
            return
        types.setdefault(tuple(step.lower() for step in path), set()).add(f"{listed}:{kind(value)}:{path[-1:]}")
        if isinstance(value, dict):
            for key, member in value.items():
                typed(member, (*path, key))

    look(row, (), 1)
    typed(row, ())
    return found + [f"{'.'.join(path)}: {sorted(kinds)}" for path, kinds in types.items() if len(kinds) > 1]
