"""Whose key is this?"""

import hmac
import os
import threading
import time
from typing import Final

from flask import Request

from shared.admin.keyring import KeyRing
from shared.admin.rates import Rates
from shared.app import App
from shared.domain.access import ADMIN, Caller
from shared.domain.errors import RateLimited, Unauthenticated

__all__ = ["KEY_HEADERS", "Doorman", "authenticate", "presented_key"]

_WRONG_KEY: Final = "Incorrect API key provided. Keys are given out by the operator of this server."
_OWN: Final = "x-litellm-api-key"
_BARE: Final = ("api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key")
KEY_HEADERS: Final = (_OWN, "authorization", *_BARE)


def presented_key(request: Request, header: str | None = None) -> str:
    """The key of the first header that has one; never from the query string, where it would end up in logs.

    In LiteLLM's order (1.106.2, `get_api_key`); before all others `header`, which the configuration names.
    """
    for name in (_OWN,) if header is None else (header, _OWN):
        if own := request.headers.get(name):
            return _unwrapped(own) or own.strip()
    if authorization := request.headers.get("authorization"):
        return _unwrapped(authorization)
    return next((said.strip() for name in _BARE if (said := request.headers.get(name))), "")


def _unwrapped(header: str) -> str:
    scheme, _, key = header.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


class Doorman:
    """Slows down whoever keeps bringing wrong keys. The right key always passes, also from the same address."""

    WINDOW: Final = 10.0  # seconds
    WRONG_KEYS: Final = 50  # in one window from one address; a client with a typo stays far below
    ADDRESSES: Final = 10_000  # remembered at once

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = 0.0
        self._wrong: dict[str, int] = {}

    def refuse(self, address: str, now: float) -> RateLimited | None:
        """Count a wrong key; the error to answer with once there were too many."""
        with self._lock:
            if now - self._since >= self.WINDOW or len(self._wrong) >= self.ADDRESSES:
                self._since = now
                self._wrong.clear()
            self._wrong[address] = count = self._wrong.get(address, 0) + 1
            if count <= self.WRONG_KEYS:
                return None
            wait = int(self._since + self.WINDOW - now) + 1
            return RateLimited("Too many requests with a wrong API key.", retry_after=wait)


_doorman: Final = Doorman()


def authenticate(request: Request, app: App) -> Caller:
    """The caller behind the request's key, one request of whose minute is used up.

    Unauthenticated without a key, or with one that is unknown or may not be used any more; RateLimited.
    """
    key = presented_key(request, app.config.key_header)
    if not key:
        raise Unauthenticated(code="invalid_api_key", type="auth_error")
    # WSGI hands header bytes over as Latin-1; the key may be any bytes, and is compared as bytes.
    if hmac.compare_digest(key.encode("latin-1", "replace"), app.master_key.encode()):
        return ADMIN
    found = app.remembered(KeyRing).find(app, key)
    if found is None:
        raise _doorman.refuse(_address(request), time.monotonic()) or Unauthenticated(
            _WRONG_KEY, code="invalid_api_key", type="token_not_found_in_db"
        )
    app.remembered(Rates).take(app, found)
    return found.caller


def _address(request: Request) -> str:
    # On Cloud Run every peer is Google's front end, which appends the client's address to this header.
    forwarded = request.headers.get("x-forwarded-for", "") if "K_SERVICE" in os.environ else ""
    return forwarded.rpartition(",")[2].strip() or request.remote_addr or ""
