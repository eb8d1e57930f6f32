"""Answers that may be long: arrays and tables, sent as they are made.

What fails before there is anything to send is told as any error is. What fails later ends the connection: the body has
no end then, nor an array its bracket.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextvars import Context, copy_context
from typing import Any, Final

import msgspec
from flask import Response

from functions.answers import stream_answer
from functions.faults import stack
from shared.admin.reports.csv import as_csv
from shared.log import log

__all__ = ["Broken", "array_answer", "csv_answer", "dumped"]

_CHUNK: Final = 64 * 1024


class Broken(Exception):
    """The answer cannot be sent to its end. What it was is in the log."""


def dumped(found: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Objects as JSON."""
    return map(msgspec.json.encode, found)


def array_answer(found: Iterable[bytes]) -> Response:
    """A JSON array of these values."""
    return stream_answer(_begun(_joined(found)), mimetype="application/json")


def csv_answer(columns: Iterable[str], records: Iterable[Mapping[str, Any]]) -> Response:
    """A table, as a file to keep."""
    answer = stream_answer(_begun(as_csv(columns, records)), mimetype="text/csv")
    answer.headers["content-disposition"] = 'attachment; filename="spend.csv"'
    return answer


def _joined(found: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray(b"[")
    for number, each in enumerate(found):
        waiting += b"," + each if number else each
        if len(waiting) > _CHUNK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting) + b"]"


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, of which the first has been made."""
    return _sent(next(chunks), chunks, copy_context())


def _sent(first: bytes, rest: Iterator[bytes], about: Context) -> Iterator[bytes]:
    """`about`: which request it is; that is forgotten by the time the rest is asked for."""
    yield first
    try:
        yield from rest
    except Exception as error:  # noqa: BLE001  whatever it is, it ends here
        about.run(log, "answer_broken", severity="ERROR", **stack(error))
        raise Broken(Broken.__doc__) from None  # the server prints what it is given: none of a stranger's words
