"""Reading request bodies: bounded, and never more of them than is wanted."""

import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final

import msgspec
from flask import Request

from shared.domain.errors import BadRequest, TooLarge, UnsupportedMedia

__all__ = ["CHUNK", "discard_rest", "json_object", "limit_body", "limit_silence", "read_chunk", "refuse_encoded"]

CHUNK: Final = 256 * 1024
_LONGEST_JSON: Final = 2**20
_MOST_DISCARDED: Final = 64 * 2**20
_LONGEST_DISCARDING: Final = 10.0  # seconds
_LONGEST_SILENCE: Final = 30.0  # seconds that a peer may neither send nor take a byte
_BOUND: Final = "offpeak.bound"  # in a request's WSGI environment


class _Bound:
    """How much of a body may still come."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.refusal = TooLarge(
            f"The request body is too large: {most // 2**20} MB reach this server. Send a larger file in parts, with "
            "client.uploads.upload_file_chunked(file=..., mime_type='application/jsonl', purpose='batch', "
            "part_size=16 * 2**20).",
            code="request_too_large",
        )


def limit_silence(request: Request, seconds: float = _LONGEST_SILENCE) -> None:
    """A peer that stands still does not keep a thread for ever: gunicorn itself waits without end."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(seconds)


def limit_body(request: Request, most: int | None) -> None:
    """TooLarge where the body has more bytes than that: at once, or where it has no length when so much was read."""
    if most is not None:
        bound = request.environ[_BOUND] = _Bound(most)
        if (request.content_length or 0) > most:
            raise bound.refusal


def read_chunk(request: Request) -> bytes:
    """The next piece of the body; empty at its end. BadRequest where it does not come."""
    chunk = _read(request)
    bound: _Bound | None = request.environ.get(_BOUND)
    if bound is not None:
        bound.left -= len(chunk)
        if bound.left < 0:
            raise bound.refusal
    return chunk


def _read(request: Request) -> bytes:
    try:
        return request.stream.read(CHUNK)
    except Exception as error:  # a peer that is gone, a broken chunk: each server has its own exceptions
        raise BadRequest("The request body is incomplete or malformed.") from error


def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object, whatever its content type says; an empty body is an empty object."""
    raw = bytearray()
    while chunk := read_chunk(request):
        raw += chunk
        if len(raw) > _LONGEST_JSON:
            raise TooLarge(f"The request body is too large: JSON may have {_LONGEST_JSON} bytes.")
    if not raw.strip():
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise BadRequest("The request body must be a JSON object.", code="invalid_json") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("We could not parse the JSON body of your request.", code="invalid_json") from error


def refuse_encoded(request: Request) -> None:
    """Compressed bodies are refused: nothing would undo it, and they would be stored as they are."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMedia("Content-Encoding is not supported. Send the body as it is.")


def discard_rest(request: Request) -> None:
    """Read what the handler left of the body, within bounds: many clients look for the answer when all is sent.

    Where the end is not reached, the server closes the connection behind the answer.
    """
    if not request.content_length and "transfer-encoding" not in request.headers:
        return
    connection = request.environ.get("gunicorn.socket")
    # A read waits for all that it asked for: a peer that sends a byte now and then would hold it for hours.
    late = threading.Timer(_LONGEST_DISCARDING, _stop_reading, (connection,))
    late.daemon = True
    late.start()
    left, until = _MOST_DISCARDED, time.monotonic() + _LONGEST_DISCARDING
    try:
        with suppress(BadRequest):
            while left > 0 and time.monotonic() < until:
                if not (chunk := _read(request)):
                    return
                left -= len(chunk)
    finally:
        late.cancel()
    _stop_reading(connection)


def _stop_reading(connection: socket.socket | None) -> None:
    if connection is not None:
        with suppress(OSError):  # closed already
            connection.shutdown(socket.SHUT_RD)
