"""One exchange with a provider: bounded in time and size, no redirect followed, no retry of our own.

Whether it may be made again depends on how it ended: `Busy`, it certainly never went out; `Lost`, it may have arrived.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.providers.base import Busy
from shared.providers.cut import Cut

__all__ = ["Lost", "bounded", "client_of", "decoded", "exchanged", "refuse_packed"]

_LARGEST_ANSWER: Final = 4 * 2**20
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)


class Lost(Exception):
    """The request went out, and no usable answer came back."""


def client_of(base: str) -> httpx.Client:
    """Connections to the server at this address. A proxy of the environment is not asked for what is on this machine.

    No connection is kept: one that slept in a frozen instance loses the next create's answer.
    """
    here = urlsplit(base).hostname in {"127.0.0.1", "localhost", "::1"}
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), trust_env=not here)


@contextmanager
def exchanged(
    client: httpx.Client, request: httpx.Request, timeout: httpx.Timeout, until: float, *, name: str
) -> Iterator[httpx.Response]:
    """The answer to a request, its body yet to be read, before `until` (monotonic seconds). Busy; Lost, also from
    inside.
    """
    cut = Cut()
    request.extensions |= {"trace": cut.trace, "timeout": timeout.as_dict()}
    try:
        with cut.at(until):
            response = client.send(request, stream=True, follow_redirects=False)
            try:
                yield response
            finally:
                response.close()
    except _NEVER_SENT as error:
        raise Busy(f"{name}: no connection: {type(error).__name__}") from error
    except _BROKEN as error:
        raise Lost(f"no answer: {type(error).__name__}") from error


def refuse_packed(response: httpx.Response) -> None:
    """Lost: a bound on an answer is one on what is decoded only as long as both are the same."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Lost("the answer is packed, which we did not ask for")


def bounded(response: httpx.Response, until: float) -> bytes:
    """The whole body; Lost where it is too large, too slow or packed."""
    refuse_packed(response)
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise Lost("the answer is too large")
        if time.monotonic() > until:
            raise Lost("the answer came too slowly")
    return bytes(body)


def decoded(body: bytes) -> Any:
    """What the JSON says; None where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
