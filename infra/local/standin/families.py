"""Families of models: what their input must look like, and what becomes of one row of it."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from infra.local.standin.answers import answer, refuse_marked, vector
from infra.local.standin.claude import message
from infra.local.standin.importer import ImportRules
from infra.local.standin.openmodel import completion
from infra.local.standin.request import RowRefused

__all__ = ["Family", "family_of"]

_PUBLISHED: Final = re.compile(
    r"(?:projects/[^/]+/locations/[^/]+/)?publishers/(?P<publisher>[a-z0-9-]+)/models/(?P<id>[a-z0-9][a-z0-9.@-]*)"
)
_TUNED: Final = re.compile(r"projects/[^/]+/locations/(?P<location>[a-z0-9-]+)/models/(?P<id>[0-9]+)(?:@[a-z0-9-]+)?")
_GOOGLE: Final = re.compile(r"gemini-(?!does-not)[a-z0-9.@-]+")
_OLDER: Final = re.compile(r"text-embedding-00[45]|text-multilingual-embedding-002")
_CLAUDE: Final = re.compile(r"claude-(?!does-not)[a-z0-9.@-]+")
_SMALL: Final = 768

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """`run` makes the output row of an input row, and says whether it is a good one."""

    rules: ImportRules
    run: Callable[[Row, str], tuple[Row, bool]]
    regional: bool = True
    at_once: int | None = None  # jobs of one project


def family_of(model: str) -> Family | None:
    """Of what a job calls its model; None where there is no such model."""
    if (tuned := _TUNED.fullmatch(model)) is not None:
        return Family(ImportRules(), _gemini(tuned["id"], embeds=False))
    found = _PUBLISHED.fullmatch(model)
    if found is None or "does-not" in model:
        return None
    publisher, id = found["publisher"], found["id"]
    if publisher == "google":
        return _of_google(id)
    if publisher == "anthropic":
        return Family(_CLAUDES, _claude(id), at_once=4) if _CLAUDE.fullmatch(id) else None
    return Family(_LINES, _open(f"{publisher}/{id}"))


def _of_google(id: str) -> Family | None:
    if _OLDER.fullmatch(id):
        return Family(_TEXTS, _text)
    if not _GOOGLE.fullmatch(id):
        return None
    embeds = "embedding" in id
    return Family(_EMBEDDINGS if embeds else ImportRules(), _gemini(id, embeds=embeds), regional=False)


_EMBEDDINGS: Final = ImportRules(
    most_rows=1_000_000,
    columns_refused=frozenset({"embed_content_config", "embedContentConfig", "title", "task_type"}),
)
_CLAUDES: Final = ImportRules(most_rows=100_000)
_LINES: Final = ImportRules(most_rows=100_000, column="body")
_TEXTS: Final = ImportRules(most_rows=30_000, column="content", kind=str)


def _said(error: RowRefused) -> str:
    return msgspec.json.encode(
        {"error": {"code": error.code, "message": error.message, "status": error.status}}
    ).decode()


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _gemini(model: str, *, embeds: bool) -> Callable[[Row, str], tuple[Row, bool]]:
    def run(row: Row, marker: str) -> tuple[Row, bool]:
        row = {**row, "processed_time": _moment()}
        try:
            return {**row, "status": "", "response": answer(row["request"], marker, model, embeds=embeds)}, True
        except RowRefused as error:
            if error.code == 400:
                return {**row, "status": f"Bad Request: {_said(error)}"}, False
            return {**row, "status": f"{error.status}: {_said(error)}", "response": {}}, False

    return run


_TYPES: Final[Mapping[int, str]] = {400: "invalid_request_error", 429: "rate_limit_error", 504: "timeout_error"}


def _claude(model: str) -> Callable[[Row, str], tuple[Row, bool]]:
    """Of the row only its custom_id comes back."""

    def run(row: Row, marker: str) -> tuple[Row, bool]:
        out = {"custom_id": row.get("custom_id"), "processed_time": _moment()}
        try:
            refuse_marked(marker)
            return {**out, "status": "", "response": message(row["request"], marker, model)}, True
        except RowRefused as error:
            kind = _TYPES.get(error.code, "api_error")
            said = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": error.message}}).decode()
            words = "Bad Request" if error.code == 400 else error.status
            return {**out, "status": f"{words}: {said}", "response": {}}, False

    return run


def _open(model: str) -> Callable[[Row, str], tuple[Row, bool]]:
    """OpenAI's rows; with the marker `bare`, or a failure, the body itself stands there."""

    def run(row: Row, marker: str) -> tuple[Row, bool]:
        id = hashlib.sha256(msgspec.json.encode(row)).hexdigest()[:24]
        out = {"id": f"batch_req_{id}", "custom_id": row.get("custom_id")}
        try:
            refuse_marked(marker)
            body = completion(row["body"], str(row.get("url")), marker, model)
        except RowRefused as error:
            problem = {"message": error.message, "type": "invalid_request_error", "param": None, "code": error.code}
            response = {"status_code": error.code, "request_id": f"req_{id}", "body": {"error": problem}}
            return {**out, "response": response, "error": None}, False
        if marker == "bare":
            return {"custom_id": row.get("custom_id"), "status": "", "response": body}, True
        return {**out, "response": {"status_code": 200, "request_id": f"req_{id}", "body": body}, "error": None}, True

    return run


def _text(row: Row, marker: str) -> tuple[Row, bool]:
    """No key: the row as it was sent is all that comes back with the answer."""
    try:
        refuse_marked(marker)
    except RowRefused as error:
        return {"instance": row, "predictions": [], "status": f"{error.status}: {_said(error)}"}, False
    statistics = {"token_count": math.ceil(len(row["content"]) / 4), "truncated": False}
    embeddings = {"statistics": statistics, "values": vector(row["content"], _SMALL)}
    return {"instance": row, "predictions": [{"embeddings": embeddings}], "status": ""}, True
