"""One request to Vertex's REST API with our credentials, and its answer: both bounded, in bytes and in time."""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.config import Deployment
from shared.domain.errors import Transient
from shared.providers.base import Busy
from shared.providers.cut import Cut
from shared.providers.vertex.credentials import GoogleCredentials

__all__ = ["Lost", "Reply", "Wire", "base_url"]

_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_LARGEST_ANSWER: Final = 4 * 2**20
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def base_url(deployment: Deployment) -> str:
    """Where the API of a deployment is, version included: `https://us-central1-aiplatform.googleapis.com/v1`.

    `global` has no prefix, a location without a hyphen is a multi-region, every other is a region.
    """
    if deployment.api_base is not None:
        base = deployment.api_base.rstrip("/")
        return base if re.search(r"/v1(beta1)?$", base) else f"{base}/v1"
    location = deployment.location
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif "-" not in location:
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: Any  # decoded JSON, or None where it was none
    retry_after: float | None = None  # seconds

    @property
    def google(self) -> Mapping[str, Any] | None:
        """Google's error object, also as the list of one that some of its front ends send."""
        body = self.body[0] if isinstance(self.body, list) and self.body else self.body
        problem = body.get("error") if isinstance(body, dict) else None
        return problem if isinstance(problem, dict) else None


class Lost(Exception):
    """The request went out, and no usable answer came back."""


class Wire:
    """The way to one deployment's API. Thread-safe; nothing connects before the first request."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        http: httpx.Client | None = None,
        credentials: GoogleCredentials | None = None,
    ) -> None:
        self.credentials = credentials or GoogleCredentials(deployment.credentials)
        self._base = base_url(deployment)
        self._http = http
        self._lock = threading.Lock()

    def send(self, method: str, path: str, deadline: float, **rest: Any) -> Reply:
        """The answer to one request, whatever it is. Lost; Busy where it certainly never went out; Transient."""
        headers = {"accept-encoding": "identity"}  # so that the bound on an answer is one on what we decode
        if self._base.startswith("https://"):  # a token never travels in the clear
            headers |= self.credentials.headers()
        if time.monotonic() >= deadline:
            raise Transient("vertex: no time left for this call")
        cut = Cut()
        request = self._client().build_request(
            method, f"{self._base}/{path}", headers=headers, extensions={"trace": cut.trace}, **rest
        )
        request.extensions["timeout"] = _TIMEOUT.as_dict()
        try:
            with cut.at(deadline):
                response = self._client().send(request, stream=True, follow_redirects=False)
                try:
                    body = _bounded(response, deadline)
                finally:
                    response.close()
        except _NEVER_SENT as error:
            raise Busy(f"vertex: no connection: {type(error).__name__}") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise Lost(f"no answer: {type(error).__name__}") from error
        return Reply(response.status_code, _decoded(body), _seconds(response.headers.get("retry-after")))

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                # No connection is kept: one that slept in a frozen instance loses the next create's answer.
                self._http = httpx.Client(
                    limits=httpx.Limits(max_keepalive_connections=0), trust_env=not _on_this_machine(self._base)
                )
            return self._http


def _seconds(said: str | None) -> float | None:
    """`Retry-After`: a number of seconds, or a date."""
    if said is None:
        return None
    if said.isascii() and said.isdigit():
        return float(said[:6])
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _bounded(response: httpx.Response, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Lost("the answer is packed, which we did not ask for")
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise Lost("the answer is too large")
        if time.monotonic() > deadline:
            raise Lost("the answer came too slowly")
    return bytes(body)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _on_this_machine(base: str) -> bool:
    return urlsplit(base).hostname in {"127.0.0.1", "localhost", "::1"}
