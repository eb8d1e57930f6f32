"""Reading a row of results: strictly and fast where it is as it should be, patiently where it is not."""

import json
import re
from typing import Any, Final

import msgspec

from shared.providers.base import ProviderRow

__all__ = ["Response", "Row", "read_row"]

_KEY: Final = re.compile(r"r-([0-9]{6,12})")


class Response(msgspec.Struct, gc=False):
    """What the endpoint answered."""

    status_code: Any = None
    request_id: Any = None
    body: Any = None


class Row(msgspec.Struct, gc=False):
    """A line's result. `error` is an object at OpenAI; elsewhere also a text, or an object in an object."""

    custom_id: str | None = None
    response: Response | None = None
    error: Any = None


_strictly: Final = msgspec.json.Decoder(Row).decode


def read_row(raw: bytes) -> ProviderRow | None:
    """One row; None where it is no JSON or bears no key of ours."""
    try:
        row = _strictly(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rough = _patiently(raw)
        if rough is None:
            return None
        row = rough
    found = _KEY.fullmatch(row.custom_id) if row.custom_id else None
    return None if found is None else ProviderRow(int(found[1]), 0, 1, row)


def _patiently(raw: bytes) -> Row | None:
    """The row where half a character was cut off, a number is none, or a member is not what it should be."""
    try:
        value = json.loads(raw.decode("utf-8", "replace"), parse_constant=lambda _: None)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    key, said = value.get("custom_id"), value.get("response")
    response = None
    if isinstance(said, dict):
        response = Response(said.get("status_code"), said.get("request_id"), said.get("body"))
    return Row(key if isinstance(key, str) else None, response, value.get("error"))
