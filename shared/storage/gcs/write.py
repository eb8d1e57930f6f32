"""Writing an object from an iterator: in one request where it is small, else in pieces, of which one is held at a time.

These requests are our own: Google's client holds a piece several times, and gives up an upload of which the service
has kept part of a piece (its `ResumableUpload` would have to seek then, and an iterator cannot).
"""

import base64
import io
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar
from urllib.parse import quote

import google_crc32c
import requests
from google.api_core import exceptions as answers

from shared.domain.errors import ConfigError, Transient
from shared.storage.gcs.calls import Calls, Connection, Turn
from shared.storage.gcs.owner import CONTENT_TYPE, Stored, Token, discard
from shared.storage.names import bucket_and_object
from shared.storage.ports import ObjectMissing, Stat

__all__ = ["PIECE", "upload"]

T = TypeVar("T")

PIECE: Final = 8 * 2**20  # bytes; a multiple of 256 KiB, as Cloud Storage wants it
_FORGOTTEN: Final = frozenset({404, 410})
_RANGE: Final = re.compile(r"bytes=0-(\d+)")


def upload(calls: Calls, name: str, chunks: Iterable[bytes], if_generation: int | None) -> Stat:
    """Store the chunks as one object. Only the last request makes it: what fails before has changed nothing."""
    writing = _Upload(calls, name, if_generation)
    for chunk in chunks:
        writing.add(chunk)
    return writing.finish()


class _Upload:
    def __init__(self, calls: Calls, name: str, if_generation: int | None) -> None:
        self._calls, self._name = calls, name
        self._bucket, self._object = bucket_and_object(name)
        self._conditions = {} if if_generation is None else {"ifGenerationMatch": str(if_generation)}
        self._token = Token()
        self._held = io.BytesIO()
        self._kept = 0  # so many bytes Cloud Storage has said it has
        self._checksum = 0
        self._session = ""  # the URL of an upload in pieces, once that has begun

    def add(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            if self._held.tell() == PIECE:
                self._send()
            taken = self._held.write(view[: PIECE - self._held.tell()])
            view = view[taken:]

    def finish(self) -> Stat:
        piece = self._take()
        size, stored = self._kept + len(piece), None
        if not self._session:
            stored = self._make(lambda connection, turn: self._insert(connection, turn, piece))
        while stored is None:
            stored = self._make(lambda connection, turn: self._put(connection, turn, piece, size, size))
        if stored.crc32c not in {None, self._crc32c}:
            damaged = stored.stat
            self._calls.make(self._name, lambda connection, turn: discard(connection, turn, damaged))
            raise Transient(f"{self._name}: what was stored is not what was sent")
        return stored.stat

    # ---- in one request

    def _insert(self, connection: Connection, turn: Turn, content: bytes) -> Stored:
        said = json.dumps({**self._said, "crc32c": self._crc32c})
        mark = secrets.token_hex(16)
        before = (
            f"--{mark}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{said}\r\n"
            f"--{mark}\r\ncontent-type: {CONTENT_TYPE}\r\n\r\n"
        )
        body = _Body(before.encode(), content, f"\r\n--{mark}--".encode())
        kind = f'multipart/related; boundary="{mark}"'
        try:
            answer = self._post(connection, turn, "multipart", data=body, headers={"content-type": kind})
        except answers.ClientError:
            if stored := self._found(connection, turn, len(content)):
                return stored
            raise
        return Stored.read(self._name, answer.json())

    # ---- in pieces

    def _send(self) -> None:
        """Send what is held, and hold nothing."""
        piece = self._take()
        end = self._kept + len(piece)
        if not self._session:
            self._session = self._make(self._begin)
        while self._kept < end:
            self._make(lambda connection, turn: self._put(connection, turn, piece, end, None))

    def _begin(self, connection: Connection, turn: Turn) -> str:
        answer = self._post(
            connection, turn, "resumable", json=self._said, headers={"x-upload-content-type": CONTENT_TYPE}
        )
        return answer.headers["location"]

    def _put(self, connection: Connection, turn: Turn, piece: bytes, end: int, total: int | None) -> Stored | None:
        """Send what Cloud Storage does not have yet of the piece up to `end`; the object, if that is the last one."""
        rest = memoryview(piece)[self._kept - end :] if self._kept < end else b""
        span = f"{self._kept}-{end - 1}" if rest else "*"
        headers = {"content-range": f"bytes {span}/{'*' if total is None else total}"}
        if total is not None:
            headers["x-goog-hash"] = f"crc32c={self._crc32c}"
        try:
            answer = connection.ask("PUT", self._session, data=rest, headers=headers, timeout=turn.timeout)
        except answers.ClientError as error:
            if total is not None and (stored := self._found(connection, turn, total)):
                return stored
            if error.code in _FORGOTTEN:
                raise Transient(f"{self._name}: Cloud Storage has forgotten the upload") from error
            raise
        if answer.status_code != requests.codes.permanent_redirect:
            return Stored.read(self._name, answer.json())
        match = _RANGE.fullmatch(answer.headers.get("range", ""))
        kept = int(match[1]) + 1 if match else 0
        if not end - len(piece) <= kept <= end:
            raise Transient(f"{self._name}: Cloud Storage has kept {kept} bytes, and what follows is gone")
        if kept == self._kept:
            raise requests.ConnectionError("nothing was kept")
        self._kept = kept
        return None

    # ---- both

    @property
    def _crc32c(self) -> str:
        return base64.b64encode(self._checksum.to_bytes(4, "big")).decode()

    @property
    def _said(self) -> dict[str, Any]:
        return {"name": self._object, "contentType": CONTENT_TYPE, "metadata": self._token.metadata}

    def _take(self) -> bytes:
        piece, self._held = self._held.getvalue(), io.BytesIO()
        self._checksum = google_crc32c.extend(self._checksum, piece)
        return piece

    def _post(self, connection: Connection, turn: Turn, kind: str, **rest: Any) -> requests.Response:
        url = f"{connection.client.api_endpoint}/upload/storage/v1/b/{quote(self._bucket)}/o"
        return connection.ask(
            "POST", url, params={"uploadType": kind, **self._conditions}, timeout=turn.timeout, **rest
        )

    def _found(self, connection: Connection, turn: Turn, size: int) -> Stored | None:
        """What an earlier try has stored, though its reply was lost."""
        if turn.number == 0:
            return None
        return self._token.find(connection, turn, self._name, size=size, crc32c=self._crc32c)

    def _make(self, call: Callable[[Connection, Turn], T]) -> T:
        try:
            return self._calls.make(self._name, call)
        except ObjectMissing as error:
            raise ConfigError(f"{self._name}: there is no such bucket") from error


class _Body:
    """A body in parts, sent one after the other and never joined."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)
