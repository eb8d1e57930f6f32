"""Rows that are Vertex's own already: out as the caller wrote them, under our key, and back under the caller's.

Whatever a row asks for is its caller's affair, as long as it asks of the job's own model, reads what callers may read,
and does not fail the rows beside it. Its answer is read as that of any other row, so that it counts and costs the same;
where more is charged than its tokens it says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shared.lines.checks import missing, object_, shown, text, unsupported, wrong_value
from shared.providers.base import Answer, Codec, Encoded, Entry, Media, ProviderRow, RequestLine
from shared.providers.vertex.asks import charged_beside, plain, withheld
from shared.providers.vertex.buckets import check_object, named_objects
from shared.providers.vertex.importer import Shape, survey
from shared.providers.vertex.keys import row_key
from shared.providers.vertex.profile import Kind
from shared.providers.vertex.resource import nameless
from shared.providers.vertex.text_embeddings import mark_of

__all__ = ["native_codec"]

_RESERVED: Final = frozenset({"response", "status", "processed_time", "predictions"})  # columns of the output
_KEPT: Final = "own"  # the hint that holds the caller's key
_LONGEST_KEY: Final = 1024  # in bytes of JSON: each is kept in the shard's index
_NOT_HERE: Final = "batch prediction does not offer it."
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class _Form:
    """What a family's rows look like."""

    key: str | None  # the member that says whose a row is
    holds: str  # the member that is the request
    others: frozenset[str] | None  # members that may stand beside; None: any, they come back


_FORMS: Final[Mapping[Kind, _Form]] = {
    Kind.GEMINI: _Form("key", "request", None),
    Kind.GEMINI_EMBEDDINGS: _Form("key", "request", frozenset()),
    Kind.CLAUDE: _Form("custom_id", "request", frozenset()),
    Kind.OPEN: _Form("custom_id", "body", frozenset({"method", "url"})),
    Kind.OPEN_EMBEDDINGS: _Form("custom_id", "body", frozenset({"method", "url"})),
    Kind.TEXT_EMBEDDINGS: _Form(None, "content", frozenset({"task_type", "title"})),
}


class _NativeCodec:
    """The rows of one family. `inner` is the codec that reads its answers."""

    name = "vertex-native"

    def __init__(self, kind: Kind, model: str, inner: Codec, media: Media) -> None:
        self._kind, self._form, self._model, self._inner, self._media = kind, _FORMS[kind], model, inner, media

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        row, form, hints = dict(line.body), self._form, dict[str, Any]()
        self._check_members(row)
        match = None
        if form.key is None:
            match = [mark_of(_content(row))]
        else:
            if row.get(form.holds) is None:
                raise missing(form.holds)
            self._check(row, object_(row[form.holds], form.holds))
            if form.key in row:
                hints[_KEPT] = _own_key(row.pop(form.key), form.key)
            row = {form.key: row_key(ordinal), **row}
        if form.holds == "body":
            row["body"] = {**row["body"], "model": self._model}
        shape = Shape()
        survey(row, "", "", 1, shape)
        if form.key is None:  # rows of one job ask for the same, so that equal texts may change places
            for name in sorted(form.others or ()):
                shape[f"{name}="] = f"{name}:{mark_of(str(row.get(name)))}"
        return Encoded(_encode(row) + b"\n", 1, hints or None, shape, match=match)

    def read(self, raw: bytes) -> ProviderRow | None:
        row = self._inner.read(raw)
        if row is not None:
            row.content = (raw, row.content)
        return row

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        """The answer as it came, but for names of ours. What it says of itself is read by the family's own codec."""
        read, raw, hints = [], b"{}", entry.hints or {}
        for row in rows:
            raw, content = row.content
            read.append(ProviderRow(row.ordinal, row.index, row.count, content, row.match))
        answer = self._inner.answer(read, Entry(entry.ordinal, entry.custom_id, entry.model))
        answer.body = answer.never_ran = None
        answer.raw = self._as_it_came(raw, hints)
        answer.extra = answer.status < 400 and charged_beside(self._kind, raw)
        return answer

    def _check_members(self, row: dict[str, Any]) -> None:
        form = self._form
        for name in row:
            if name.lower() in _RESERVED:
                raise unsupported(shown(name), "batch prediction writes its results there.")
            if form.others is not None and name not in {form.key, form.holds} | form.others:
                raise unsupported(shown(name), "rows of this model have no such member.")
        for param, url in named_objects(row):
            check_object(url, param, self._media)

    def _check(self, row: dict[str, Any], request: dict[str, Any]) -> None:
        """What a request may not ask for."""
        holds = self._form.holds
        if holds == "body":
            return
        for name, value in request.items():
            here = f"{holds}.{shown(name)}"
            if plain(name) == "model":
                raise unsupported(here, "one model runs all rows of a job.")
            if plain(name) == "tools" and isinstance(value, list) and self._kind is not Kind.CLAUDE:
                for at, tool in enumerate(value):
                    object_(tool, f"{here}[{at}]")
        if (param := withheld(self._kind, row)) is not None:
            raise unsupported(param, _NOT_HERE)

    def _as_it_came(self, raw: bytes, hints: dict[str, Any]) -> bytes:
        row = _patiently(raw)
        if isinstance(row.get("status"), str):
            row["status"] = nameless(row["status"])
        if self._form.key is not None:
            if _KEPT in hints:
                row[self._form.key] = hints[_KEPT]
            else:
                row.pop(self._form.key, None)
        return _encode(row)


def native_codec(kind: Kind, model: str, inner: Codec, media: Media) -> Codec:
    """For rows of this family. `model` is what open models' rows call it."""
    return _NativeCodec(kind, model, inner, media)


def _own_key(key: Any, param: str) -> Any:
    if len(_encode(key)) > _LONGEST_KEY:
        raise wrong_value(param, f"it may have at most {_LONGEST_KEY} bytes.")
    return key


def _content(row: dict[str, Any]) -> str:
    if not text(row.get("content"), "content"):
        raise wrong_value("content", "it must not be empty.")
    content: str = row["content"]
    return content


def _patiently(raw: bytes) -> dict[str, Any]:
    """The row, as it was read: also where some of it is no JSON."""
    try:
        row = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            said = json.loads(raw.decode("utf-8", "replace"), parse_constant=lambda _: None)
            row = json.loads(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            row = {}
    return row if isinstance(row, dict) else {}
