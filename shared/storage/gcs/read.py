"""Reading an object as one stream, whatever happens to the connection: each byte once, all of one generation.

It is one response as long as that lasts, and then another one from where it broke off. Not one for each few megabytes:
a request costs tens of milliseconds before its first byte, and so the network fills the socket while lines are worked
on.
"""

import base64
import io
from collections.abc import Mapping
from typing import BinaryIO, Final, cast
from urllib.parse import quote

import google_crc32c
import requests
import urllib3
from google.api_core.exceptions import RequestRangeNotSatisfiable

from shared.domain.errors import Transient
from shared.storage.gcs.calls import Calls, Connection, Turn
from shared.storage.gcs.owner import look
from shared.storage.names import bucket_and_object

__all__ = ["open_stream"]

_BUFFER: Final = 256 * 1024


def open_stream(calls: Calls, name: str, offset: int) -> BinaryIO:
    """The bytes from `offset` on; ObjectMissing. What fits into the buffer is read at once."""
    stream = io.BufferedReader(_Download(calls, name, offset), _BUFFER)
    stream.peek(1)
    return cast("BinaryIO", stream)


def _whole(said: Mapping[str, str], at: int) -> int | None:
    """Bytes of the object that an answer is about, which begins with byte `at`."""
    total = said.get("content-range", "").rpartition("/")[2]
    if total.isdigit():
        return int(total)
    return at + int(said["content-length"]) if "content-length" in said else None


class _Download(io.RawIOBase):
    def __init__(self, calls: Calls, name: str, offset: int) -> None:
        self._calls, self._name, self._at = calls, name, offset
        self._bucket, self._object = bucket_and_object(name)
        self._generation: str | None = None
        self._size = 0
        self._hashes = ""
        self._checksum: int | None = None if offset else 0  # a part has none
        self._response: requests.Response | None = None
        self._response = calls.make(name, self._request)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._at >= self._size:
            self._verify()
            return 0
        most = min(len(buffer), self._size - self._at)
        data = self._calls.make(self._name, lambda connection, turn: self._receive(connection, turn, most))
        buffer[: len(data)] = data
        self._at += len(data)
        if self._checksum is not None:
            self._checksum = google_crc32c.extend(self._checksum, data)
        return len(data)

    def close(self) -> None:
        self._drop()
        super().close()

    def _receive(self, connection: Connection, turn: Turn, most: int) -> bytes:
        if self._response is None:
            self._response = self._request(connection, turn)
        try:
            data: bytes = self._response.raw.read(most) if self._response is not None else b""
        except urllib3.exceptions.HTTPError:
            self._drop()
            raise
        if not data:
            self._drop()
            raise requests.ConnectionError("the answer ended too early")
        return data

    def _request(self, connection: Connection, turn: Turn) -> requests.Response | None:
        """A response that goes on with the byte that we are at; None where the object has no such byte."""
        url = (
            f"{connection.client.api_endpoint}/download/storage/v1/b/{quote(self._bucket)}/o/{quote(self._object, '')}"
        )
        pinned = {} if self._generation is None else {"generation": self._generation}
        # Without this, what is stored compressed would come expanded, and a range of that would be ignored.
        headers = {"accept-encoding": "gzip"}
        if self._at:
            headers["range"] = f"bytes={self._at}-"
        try:
            response = connection.ask(
                "GET", url, params={"alt": "media", **pinned}, headers=headers, stream=True, timeout=turn.timeout
            )
        except RequestRangeNotSatisfiable:
            return None
        said = response.headers
        if self._at and not said.get("content-range", "").startswith(f"bytes {self._at}-"):
            response.close()
            raise Transient(f"{self._name}: asked for byte {self._at}, given {said.get('content-range')}")
        generation, size = said.get("x-goog-generation"), _whole(said, self._at)
        if generation is None or size is None:  # Cloud Storage says both; others may say them only where they are asked
            stat = look(connection, turn, self._name).stat
            generation, size = generation or str(stat.generation), stat.size if size is None else size
        if self._size and generation != self._generation:
            response.close()
            raise Transient(f"{self._name}: goes on with generation {generation} after {self._generation}")
        self._generation, self._size = generation, size
        self._hashes = said.get("x-goog-hash", "")
        return response

    def _verify(self) -> None:
        if self._checksum is None or "crc32c=" not in self._hashes:
            return
        mine = base64.b64encode(self._checksum.to_bytes(4, "big")).decode()
        if f"crc32c={mine}" not in self._hashes.replace(" ", "").split(","):
            raise Transient(f"{self._name}: what arrived is not what is stored")

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
