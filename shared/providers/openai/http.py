"""HTTP with OpenAI and its relatives: bounded in time and size, no redirect followed, no retry of our own.

An answer is whatever came back; what it means depends on what was asked, and is the client's to say.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.domain.errors import Transient
from shared.providers.base import Busy
from shared.providers.cut import Cut
from shared.providers.openai.dialect import Dialect
from shared.providers.openai.retry_after import retry_after

__all__ = ["Http", "Lost", "Reply"]

_CALL: Final = 18.0  # seconds for one operation, all its pages included: a step's lease is 30 s
_LONG: Final = 420.0  # for one upload or download, while the lease is kept alive: a function has 540 s
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_LONG_TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0, write=10.0)  # from one beat to the next, less than a lease
_LARGEST_ANSWER: Final = 4 * 2**20
_CHUNK: Final = 2**18
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)


class Lost(Exception):
    """The request went out, and no usable answer came back."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    body: Any  # decoded JSON, or None where it was none
    headers: Mapping[str, str] = field(default_factory=dict)  # names in small letters
    retry_after: float | None = None  # seconds, where it says so

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The error object; None where it was somebody else who answered: a proxy, or a server without this route."""
        problem = self.body.get("error") if isinstance(self.body, dict) else None
        if isinstance(problem, str):
            return {"message": problem}
        return problem if isinstance(problem, dict) else None


class Http:
    """Requests to one server. Thread-safe."""

    def __init__(self, dialect: Dialect, http: httpx.Client | None = None) -> None:
        self._dialect = dialect
        self._headers = {
            "accept-encoding": "identity",  # so that the bound on an answer is one on what we decode
            **dialect.headers,
        }
        self._http = http
        self._lock = threading.Lock()

    def send(self, method: str, path: str, deadline: float | None = None, *, long: bool = False, **rest: Any) -> Reply:
        """Lost where the request may have arrived; Busy or another Transient where it certainly has not."""
        with self._open(method, path, deadline, long=long, **rest) as (response, until):
            body = _decoded(_bounded(response, until))
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, body, headers, retry_after(headers, time.time()))

    @contextmanager
    def download(self, path: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The status, and the bytes as they come; Lost where they end before they should, also while they are read."""
        with self._open("GET", path, None, long=True) as (response, _):
            _refuse_packed(response)
            yield response.status_code, response.iter_bytes(_CHUNK)

    @contextmanager
    def _open(
        self, method: str, path: str, deadline: float | None, *, long: bool, **rest: Any
    ) -> Iterator[tuple[httpx.Response, float]]:
        until = deadline if deadline is not None else time.monotonic() + (_LONG if long else _CALL)
        if time.monotonic() >= until:
            raise Transient(f"{self._dialect.name}: no time left for this call")
        cut, client = Cut(), self._client()
        headers = {**self._headers, **self._dialect.credentials.headers(), **rest.pop("headers", {})}
        query = {**self._dialect.query, **rest.pop("params", {})}
        request = client.build_request(
            method,
            f"{self._dialect.base}/{path}",
            headers=headers,
            params=query or None,
            extensions={"trace": cut.trace},
            **rest,
        )
        request.extensions["timeout"] = (_LONG_TIMEOUT if long else _TIMEOUT).as_dict()
        try:
            with cut.at(until):
                response = client.send(request, stream=True, follow_redirects=False)
                try:
                    yield response, until
                finally:
                    response.close()
        except _NEVER_SENT as error:
            raise Busy(f"{self._dialect.name}: no connection: {type(error).__name__}") from error
        except _BROKEN as error:
            raise Lost(f"no answer: {type(error).__name__}") from error

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                # No connection is kept: one that slept in a frozen instance loses the next create's answer.
                here = urlsplit(self._dialect.base).hostname in {"127.0.0.1", "localhost", "::1"}
                self._http = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=not here)
            return self._http


def _refuse_packed(response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Lost("the answer is packed, which we did not ask for")


def _bounded(response: httpx.Response, until: float) -> bytes:
    _refuse_packed(response)
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise Lost("the answer is too large")
        if time.monotonic() > until:
            raise Lost("the answer came too slowly")
    return bytes(body)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
