"""Whether a server has a batch API, asked once: `GET {base}/batches?limit=1`.

A server that is silent or in trouble has said nothing about that; what it may lack is decided by its own words alone.
"""

import threading
import time
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.config import Deployment
from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.providers.base import Refused
from shared.providers.cut import Cut
from shared.providers.vllm.profile import base_url

__all__ = ["forget", "has_batches"]

_DEADLINE: Final = 10.0
_TIMEOUT: Final = httpx.Timeout(5.0)
_LARGEST: Final = 2**20
_BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_NO_ROUTE: Final = {"detail": "Not Found"}

_lock: Final = threading.Lock()
_decided: Final[dict[str, bool]] = {}  # by base: for as long as the process lives, which no update of a server is


def has_batches(deployment: Deployment) -> bool:
    """Refused where the key is wrong; Transient where nothing can be said now."""
    base = base_url(deployment)
    with _lock:
        if base not in _decided:
            _decided[base] = _ask(base, deployment.api_key)
        return _decided[base]


def forget() -> None:
    """Ask again at the next occasion."""
    with _lock:
        _decided.clear()


def _ask(base: str, key: str | None) -> bool:
    try:
        status, raw = _get(f"{base}/batches?limit=1", {"authorization": f"Bearer {key}"} if key else {})
    except _BROKEN as error:
        raise Transient(f"hosted_vllm: whether there are batches is not known: {type(error).__name__}") from error
    if status == 200:
        return True
    if status == 501 or (status == 404 and _decoded(raw) == _NO_ROUTE):
        return False
    if status in {401, 403}:
        raise Refused(
            BatchError(code="provider_error", message=f"The provider refused this ({status})."), settled=False
        )
    raise Transient(f"hosted_vllm: whether there are batches is not known: answered {status}")


def _get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
    cut = Cut()
    here = urlsplit(url).hostname in _LOOPBACK
    with httpx.Client(timeout=_TIMEOUT, trust_env=not here) as client, cut.at(time.monotonic() + _DEADLINE):
        request = client.build_request(
            "GET", url, headers={"accept-encoding": "identity", **headers}, extensions={"trace": cut.trace}
        )
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > _LARGEST:
                    break
            return response.status_code, bytes(body)
        finally:
            response.close()


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
