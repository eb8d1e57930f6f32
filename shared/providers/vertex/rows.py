"""Reading a row of Vertex's output: strictly and fast where it is as it should be, patiently where it is not."""

import json
import math
from collections.abc import Callable
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from shared.providers.base import ProviderRow
from shared.providers.vertex.claude_reply import ClaudeUsage
from shared.providers.vertex.keys import parse_key
from shared.providers.vertex.reply import MOST, Row, UsageMetadata

__all__ = ["patiently", "read_row", "reader"]

_T = TypeVar("_T")


def reader(kind: type[_T]) -> Callable[[bytes], _T | None]:
    """Reads rows of this type; None where one is no JSON object."""
    strictly = msgspec.json.Decoder(kind).decode

    def read(raw: bytes) -> _T | None:
        try:
            return strictly(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return patiently(raw, kind)

    return read


_read: Final = reader(Row)


def read_row(raw: bytes) -> ProviderRow | None:
    """One row of Gemini's; None where it is no JSON or bears no key of ours."""
    row = _read(raw)
    place = None if row is None else parse_key(row.key or row.custom_id)
    return None if place is None else ProviderRow(*place, row)


def patiently(raw: bytes, kind: type[_T]) -> _T | None:
    """The row where some of it is not what it should be; what makes no sense counts as missing.

    Numbers may be strings, strings numbers, NaN a number, and half a character may have been cut off.
    """
    try:
        value = json.loads(raw.decode("utf-8", "replace"), parse_constant=_nothing)
    except (ValueError, RecursionError):
        return None
    return _struct(kind, value)


def _struct(kind: type[_T], value: Any) -> _T | None:
    if not isinstance(value, dict):
        return None
    return kind(**{name: fit(value.get(key)) for name, key, fit in _fields(kind)})


_FIELDS: Final[dict[type, list[tuple[str, str, Callable[[Any], Any]]]]] = {}


def _fields(kind: type) -> list[tuple[str, str, Callable[[Any], Any]]]:
    """Name, key and converter of each field; worked out once for a type."""
    if kind not in _FIELDS:
        hints = get_type_hints(kind)
        _FIELDS[kind] = [
            (field.name, field.encode_name, _converter(hints[field.name])) for field in msgspec.structs.fields(kind)
        ]
    return _FIELDS[kind]


def _converter(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) in {Union, UnionType}:
        hint = next(option for option in get_args(hint) if option is not type(None))
    if hint in _LEAVES:
        return _LEAVES[hint]
    if arguments := get_args(hint):  # list[...]
        inside = _converter(arguments[0])
        if inside is _number:
            return _vector
        return lambda value: [inside(item) for item in value] if isinstance(value, list) else None
    return lambda value: _struct(hint, value)


def _nothing(_: str) -> None:
    """NaN and its like say nothing."""


def _text(value: Any) -> str | None:
    if value is None:
        return None
    said = value if isinstance(value, str) else json.dumps(value)
    return said.encode("utf-8", "replace").decode()  # a lone surrogate is no text


def _number(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _vector(value: Any) -> list[float] | None:
    """All of its numbers, or none: without one of them it would be another vector."""
    numbers = [_number(item) for item in value] if isinstance(value, list) else []
    return [x for x in numbers if x is not None] if all(x is not None and math.isfinite(x) for x in numbers) else None


def _whole(value: Any) -> int | None:
    """Counts and places in lists: never negative."""
    number = value if type(value) is int else _number(value)
    return int(number) if number is not None and 0 <= number <= MOST else None


def _counts(kind: type[_T]) -> Callable[[Any], _T | None]:
    """All of its counts, or none: where one of them makes no sense, nobody knows what was used."""

    def counts(value: Any) -> _T | None:
        try:
            return msgspec.convert(value, kind, strict=False)
        except (msgspec.ValidationError, ValueError):
            return None

    return counts


def _bool(value: Any) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(
        b""
        if value is None
        else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    )


_LEAVES: Final[dict[Any, Callable[[Any], Any]]] = {
    str: _text,
    float: _number,
    int: _whole,
    bool: _bool,
    msgspec.Raw: _raw,
    UsageMetadata: _counts(UsageMetadata),
    ClaudeUsage: _counts(ClaudeUsage),
}
