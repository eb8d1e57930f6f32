"""Rows that failed: the HTTP error inside Vertex's status text, as OpenAI's error body."""

import json
import re
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Protocol

from shared.providers.base import Answer
from shared.providers.vertex.resource import plain

__all__ = ["Stamped", "day_of", "failure", "failure_of_row"]

_STATUS_OF: Final = {  # google/rpc/code.proto, by number and name
    1: (499, "CANCELLED"),
    2: (500, "UNKNOWN"),
    3: (400, "INVALID_ARGUMENT"),
    4: (504, "DEADLINE_EXCEEDED"),
    5: (404, "NOT_FOUND"),
    6: (409, "ALREADY_EXISTS"),
    7: (403, "PERMISSION_DENIED"),
    8: (429, "RESOURCE_EXHAUSTED"),
    9: (400, "FAILED_PRECONDITION"),
    10: (409, "ABORTED"),
    11: (400, "OUT_OF_RANGE"),
    12: (501, "UNIMPLEMENTED"),
    13: (500, "INTERNAL"),
    14: (503, "UNAVAILABLE"),
    15: (500, "DATA_LOSS"),
    16: (401, "UNAUTHENTICATED"),
}
_BY_NAME: Final = {name: status for status, name in _STATUS_OF.values()}
_BY_TYPE: Final = {  # docs.anthropic.com/en/api/errors
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 403,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 503,
    "timeout_error": 504,
}
_WORDS: Final = re.compile("|".join((*_BY_NAME, "Bad Request")))
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_DAY: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?![0-9])")
_SHORT: Final = 1000
_OBJECT: Final = json.JSONDecoder()


class Stamped(Protocol):
    """What rows of all families say: whether they failed, and when they were made."""

    status: str | None
    processed_time: str | None


def day_of(row: Stamped) -> str | None:
    """The day of the provider's clock on which the row was made."""
    return _day(row.processed_time[:11]) if row.processed_time else None


@lru_cache(maxsize=64)  # a job has few days and many rows
def _day(time: str) -> str | None:
    found = _DAY.match(time)
    return found[0] if found else None


def failure_of_row(row: Stamped, ordinal: int) -> Answer:
    said = (row.status or "").strip()
    if not said:
        return failure(500, "The model gave no answer to this request.", None, row, ordinal)
    inner = _embedded(said)
    name = inner.get("status") if isinstance(inner.get("status"), str) else None
    if name is None and (found := _WORDS.search(said)):
        name = "INVALID_ARGUMENT" if found[0] == "Bad Request" else found[0]
    message = inner.get("message")
    if not isinstance(message, str) or not message:
        message = said
    status = _BY_TYPE.get(str(inner.get("type"))) or _http(inner.get("code"), name)
    return failure(status, _said(message), name, row, ordinal)


def failure(status: int, message: str, name: str | None, row: Stamped | None, ordinal: int) -> Answer:
    """An error body as OpenAI's, with an id that is the same each time."""
    code = "rate_limit_exceeded" if status == 429 else name.lower() if name in _BY_NAME else None
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    seed = f"{ordinal}|{row.processed_time}|{row.status}" if row is not None else f"{ordinal}"
    identity = sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]
    return Answer(status, body, f"req_{identity}", None, None if row is None else day_of(row))


_remembered: Final = lru_cache(maxsize=64)(plain)  # rows of a job mostly fail for the same reasons


def _said(message: str) -> str:
    return _remembered(message) if len(message) <= _SHORT else plain(message)


def _embedded(said: str) -> dict[str, Any]:
    """The error object inside the text; empty where there is none."""
    start = said.find("{")
    if start < 0:
        return {}
    try:
        value, _ = _OBJECT.raw_decode(said, start)
    except (ValueError, RecursionError):
        return {}
    inner = value.get("error", value)
    return inner if isinstance(inner, dict) else {}


def _http(code: Any, name: str | None) -> int:
    """An HTTP status, where the code is one or stands for one."""
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:6])
    if type(code) is int and 400 <= code <= 599:
        return code
    if type(code) is int and code in _STATUS_OF:
        return _STATUS_OF[code][0]
    return _BY_NAME.get(name or "", 500)
