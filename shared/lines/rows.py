"""Rows of output and error files, in OpenAI's shape. All four keys are always there.

answered          response: {status_code, request_id, body}   error: null      below 400 to the output file
never executed    response: null                              error: {code, message}    to the error file
"""

import hashlib
from typing import Any, Final

import msgspec

from shared.lines.errors import LineError
from shared.providers.base import Answer

__all__ = ["answered", "line_of", "refused", "row_id", "unanswered"]


class _Response(msgspec.Struct, gc=False):
    status_code: int
    request_id: str
    body: Any


class _Answered(msgspec.Struct, gc=False):
    id: str
    custom_id: str
    response: _Response
    error: None = None


class _Error(msgspec.Struct, gc=False):
    code: str
    message: str


class _Unanswered(msgspec.Struct, gc=False):
    id: str
    custom_id: str
    error: _Error
    response: None = None


_encode: Final = msgspec.json.Encoder().encode


def row_id(batch: str) -> str:
    """The beginning of the ids of a batch's rows; the line's ordinal in hexadecimal makes one whole."""
    return "batch_req_" + hashlib.sha256(batch.encode()).hexdigest()[:24]


def line_of(row: bytes) -> bytes:
    r"""The row and its end. Clients that split text into lines also split at U+2028, U+2029 and U+0085: not here."""
    if b"\xe2\x80" in row:
        row = row.replace(b"\xe2\x80\xa8", rb"\u2028").replace(b"\xe2\x80\xa9", rb"\u2029")
    if b"\xc2\x85" in row:
        row = row.replace(b"\xc2\x85", rb"\u0085")
    return row + b"\n"


def answered(prefix: str, ordinal: int, custom_id: str, answer: Answer) -> bytes:
    """The row of a line that got an answer, good or bad."""
    response = _Response(answer.status, answer.request_id, answer.body)
    return line_of(_encode(_Answered(f"{prefix}{ordinal:08x}", custom_id, response)))


def refused(prefix: str, ordinal: int, custom_id: str, error: LineError) -> bytes:
    """The row of a line that we would not send: what the endpoint itself would have answered with 400."""
    body = {
        "error": {
            "message": error.message,
            "type": "invalid_request_error",
            "param": error.param,
            "code": error.code,
        }
    }
    request_id = f"req_{prefix.removeprefix('batch_req_')}{ordinal:08x}"
    return answered(prefix, ordinal, custom_id, Answer(status=400, body=body, request_id=request_id))


def unanswered(prefix: str, ordinal: int, custom_id: str, *, code: str, message: str) -> bytes:
    """The row of a line that never ran."""
    return line_of(_encode(_Unanswered(f"{prefix}{ordinal:08x}", custom_id, _Error(code, message))))
