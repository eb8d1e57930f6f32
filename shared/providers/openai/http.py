"""HTTP with OpenAI and its relatives.

An answer is whatever came back; what it means depends on what was asked, and is the client's to say.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from shared.domain.errors import Transient
from shared.providers.exchange import bounded, client_of, decoded, exchanged, refuse_packed
from shared.providers.openai.dialect import Dialect
from shared.providers.retry_after import retry_after

__all__ = ["Http", "Reply"]

_CALL: Final = 18.0  # seconds for one operation, all its pages included: a step's lease is 30 s
_LONG: Final = 420.0  # for one upload or download, while the lease is kept alive: a function has 540 s
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_LONG_TIMEOUT: Final = httpx.Timeout(15.0, connect=5.0, write=10.0)  # from one beat to the next, less than a lease
_CHUNK: Final = 2**18


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
            body = decoded(bounded(response, until))
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status_code, body, headers, retry_after(headers, time.time()))

    @contextmanager
    def download(self, path: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The status, and the bytes as they come; Lost where they end before they should, also while they are read."""
        with self._open("GET", path, None, long=True) as (response, _):
            refuse_packed(response)
            yield response.status_code, response.iter_bytes(_CHUNK)

    @contextmanager
    def _open(
        self, method: str, path: str, deadline: float | None, *, long: bool, **rest: Any
    ) -> Iterator[tuple[httpx.Response, float]]:
        until = deadline if deadline is not None else time.monotonic() + (_LONG if long else _CALL)
        if time.monotonic() >= until:
            raise Transient(f"{self._dialect.name}: no time left for this call")
        client = self._client()
        headers = {**self._headers, **self._dialect.credentials.headers(), **rest.pop("headers", {})}
        query = {**self._dialect.query, **rest.pop("params", {})}
        request = client.build_request(
            method, f"{self._dialect.base}/{path}", headers=headers, params=query or None, **rest
        )
        timeout = _LONG_TIMEOUT if long else _TIMEOUT
        with exchanged(client, request, timeout, until, name=self._dialect.name) as response:
            yield response, until

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = client_of(self._dialect.base)
            return self._http
