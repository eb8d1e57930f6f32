"""What a request says, taken apart: arguments, preconditions, ranges, and bodies of two parts."""

import email.parser
import email.policy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from tests.google.cloud_storage.answers import Refusal
from tests.google.cloud_storage.store import MOST_SOURCES, Conditions, Source

__all__ = [
    "CONDITIONS",
    "Arguments",
    "Piece",
    "read_json",
    "read_piece",
    "read_range",
    "read_sources",
    "split_multipart",
]

CONDITIONS: Final = ("ifGenerationMatch", "ifGenerationNotMatch")
_ANYWHERE: Final = frozenset({"prettyPrint", "alt", "fields", "projection", "key", "quotaUser", "userProject"})
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE: Final = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+)|\*)/(?P<total>\d+|\*)")


class Arguments:
    """The query of a request. One that the call does not know is refused: it might have been a precondition."""

    def __init__(self, query: str) -> None:
        self._values = dict(parse_qsl(query, keep_blank_values=True))

    def allow(self, *names: str) -> None:
        for name in self._values:
            if name not in _ANYWHERE and name not in names:
                raise Refusal(501, f"The argument {name} is not offered here.", "notImplemented")

    def text(self, name: str) -> str | None:
        return self._values.get(name)

    def number(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is not None and not re.fullmatch(r"-?\d{1,19}", value):
            raise Refusal(400, f"Invalid value for {name}: {value}", "invalidParameter")
        return None if value is None else int(value)

    def conditions(self) -> Conditions:
        return Conditions(
            generation=self.number("ifGenerationMatch"), not_generation=self.number("ifGenerationNotMatch")
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """Where the bytes of a piece of an upload belong, and how many there will be in all, once that is known."""

    first: int
    total: int | None


def read_piece(header: str | None, length: int) -> Piece:
    """What `Content-Range` says of a body of so many bytes; without it the body is all there is."""
    if header is None:
        return Piece(0, length)
    match = _PIECE.fullmatch(header)
    if match is None:
        raise Refusal(400, f"Failed to parse Content-Range header: {header}")
    total = None if match["total"] == "*" else int(match["total"])
    first, last = (0, -1) if match["first"] is None else (int(match["first"]), int(match["last"]))
    if last - first + 1 != length or (total is not None and last >= total):
        raise Refusal(400, f"Content-Range {header} does not fit a body of {length} bytes")
    return Piece(first, total)


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The part that a `Range` asks for, from and up to; None for all of it. 416 where there is none of it."""
    if header is None:
        return None
    match = _RANGE.fullmatch(header)
    if match is None or match.groups() == ("", ""):
        raise Refusal(501, f"Range {header} is not offered here.", "notImplemented")
    first, last = match.groups()
    if first == "":
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if start >= end:
        raise Refusal(416, "Request range not satisfiable", headers={"content-range": f"bytes */{size}"})
    return start, end


def split_multipart(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes, str | None]:
    """The two parts of multipart/related: what is said of the object, its bytes, and their content type."""
    message = email.parser.Parser(policy=email.policy.HTTP).parsestr(f"Content-Type: {content_type}\n\n")
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/related" or not boundary:
        raise Refusal(400, "The body is not multipart/related")
    mark = f"--{boundary}".encode()
    parts = body.split(b"\r\n" + mark) if body.startswith(mark) else []
    if len(parts) != 3 or not parts[2].startswith(b"--"):
        raise Refusal(400, "The body is not of two parts")
    said, content = parts[0].partition(b"\r\n\r\n")[2], parts[1].partition(b"\r\n\r\n")
    header = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(content[0].lstrip() + b"\r\n\r\n")
    return read_json(said), content[2], header.get("content-type")


def read_json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise Refusal(400, "Parse Error", "parseError") from None
    if not isinstance(value, dict):
        raise Refusal(400, "Parse Error", "parseError")
    return value


def read_sources(body: Mapping[str, Any]) -> list[Source]:
    """What a compose is to join."""
    given = body.get("sourceObjects") or []
    if not given:
        raise Refusal(400, "You must provide at least one source component.", "required")
    if len(given) > MOST_SOURCES:
        raise Refusal(400, f"The number of source components provided ({len(given)}) exceeds the maximum (32)")
    sources = []
    for each in given:
        unknown = set(each) - {"name", "generation", "objectPreconditions"}
        if unknown or not isinstance(each.get("name"), str):
            raise Refusal(400, f"A source component is malformed: {sorted(unknown)}")
        wanted = (each.get("objectPreconditions") or {}).get("ifGenerationMatch")
        sources.append(
            Source(
                name=each["name"],
                generation=None if each.get("generation") is None else int(each["generation"]),
                conditions=Conditions(generation=None if wanted is None else int(wanted)),
            )
        )
    return sources
