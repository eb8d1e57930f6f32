"""Answers that may be long: arrays and tables, sent as they are made."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from flask import Response

from functions.answers import stream_answer
from shared.admin.reports.csv import as_csv

__all__ = ["array_answer", "csv_answer", "dumped"]

_CHUNK: Final = 64 * 1024


def dumped(found: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Objects as JSON."""
    return map(msgspec.json.encode, found)


def array_answer(found: Iterable[bytes]) -> Response:
    """A JSON array of these values."""
    return stream_answer(_joined(found), mimetype="application/json")


def csv_answer(columns: Iterable[str], records: Iterable[Mapping[str, Any]]) -> Response:
    """A table, as a file to keep."""
    answer = stream_answer(as_csv(columns, records), mimetype="text/csv")
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
