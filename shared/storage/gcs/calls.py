"""How Cloud Storage is asked: through one client, for about 20 seconds, and with its errors in our words.

404 ObjectMissing, 412 ObjectExists. 408, 409, 429, 5xx, silence and broken connections are tried again, and then
Transient. Any other refusal, no credentials, or a bucket that is not there, is ConfigError: no delivery helps before an
operator has, and the log says so at CRITICAL.
"""

import os
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import google.auth
import requests
import urllib3
from google.api_core import exceptions as answers
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from requests.adapters import HTTPAdapter

from shared.domain.errors import ConfigError, Transient
from shared.storage.ports import ObjectExists, ObjectMissing

__all__ = ["SCOPE", "Calls", "Connection", "Timeout", "Turn"]

T = TypeVar("T")
Timeout = tuple[float, float]

_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_THREADS: Final = 64  # that may ask at once, each on a connection that is kept
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"  # the storage scopes alone cannot sign a URL
_BUSY: Final = frozenset({408, 409, 429})  # 409: another change of the same thing was under way
_SECRET: Final = re.compile(r"\?\S*")  # of a URL: the id of an upload opens it, a signature the object
_FOREIGN: Final = (
    answers.GoogleAPIError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    auth.GoogleAuthError,
)
_PASSING: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    requests.exceptions.JSONDecodeError,  # half an answer
    urllib3.exceptions.HTTPError,
)


@dataclass(frozen=True, slots=True)
class Connection:
    """Google's client, and the session that it sends with, for what it does not offer."""

    client: Client
    session: AuthorizedSession
    credentials: Credentials

    def ask(self, method: str, url: str, *, timeout: Timeout, **rest: Any) -> requests.Response:
        """The answer to a request of our own; whatever is neither success nor 308 raises what the client would."""
        response: requests.Response = self.session.request(  # type: ignore[no-untyped-call]
            method, url, timeout=timeout, allow_redirects=False, **rest
        )
        if 200 <= response.status_code < 300 or response.status_code == requests.codes.permanent_redirect:
            return response
        with response:
            raise answers.from_http_response(response)  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class Turn:
    """One try of a call. `number` counts from 0: from 1 on, an earlier one may have had its effect unseen."""

    patience: float  # seconds, for all tries together
    number: int = 0
    _began: float = field(default_factory=time.monotonic)
    _pause: float = _SHORTEST_PAUSE

    @property
    def timeout(self) -> Timeout:
        """To connect, also for each piece of what is sent; and to hear something. Two silences are within patience."""
        left = max(self._left, _SHORTEST_PAUSE)
        return min(self.patience / 4, left), min(self.patience / 2, left)

    def next(self, trouble: Transient) -> None:
        """Wait for the next try, or raise the trouble if there is no time for one."""
        pause = self._pause * random.uniform(0.5, 1.5)  # noqa: S311
        if pause >= self._left:
            raise trouble
        time.sleep(pause)
        self.number += 1
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    @property
    def _left(self) -> float:
        return self._began + self.patience - time.monotonic()


class Calls:
    """Makes calls. The client is built at the first of them, once, and again in a process that was forked off later."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds for one request with its repetitions."""
        self._patience = patience
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        # A connection that two processes write to is garbage, and a lock that a thread held then is held for ever.
        mine = weakref.WeakMethod(self._forget)
        os.register_at_fork(after_in_child=lambda: (forget := mine()) and forget())

    def make(self, name: str, call: Callable[[Connection, Turn], T], *, patience: float | None = None) -> T:
        """Make the call until it is answered. It may be made again after it had its effect: the call sees to that."""
        turn = Turn(self._patience if patience is None else patience)
        while True:
            try:
                return call(self.connection(), turn)
            except _FOREIGN as error:
                known = translated(name, error)
                if not isinstance(known, Transient):
                    raise known from error
                known.__cause__ = error
                turn.next(known)

    def connection(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = _connect(os.environ)
            return self._connection

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._connection = None


def translated(name: str, error: Exception) -> Exception:
    """One of our own exceptions for one of theirs."""
    match error:
        case answers.NotFound():
            known: Exception = ObjectMissing(name)
        case answers.PreconditionFailed():
            known = ObjectExists(name)
        case answers.GoogleAPICallError(code=code) if code in _BUSY or ((code or 0) >= 500 and code != 501):
            known = Transient(f"{name}: Cloud Storage answers {error.code}")
        case answers.GoogleAPICallError():
            known = ConfigError(f"{name}: Cloud Storage answers {error.code}: {_without_secrets(error.message)}")
        case auth.GoogleAuthError() if error.retryable or isinstance(error, auth.TransportError):
            known = Transient(f"{name}: no answer from Google's token service")
        case _ if isinstance(error, _PASSING):
            known = Transient(f"{name}: {type(error).__name__}")
        case _:
            known = ConfigError(f"{name}: {type(error).__name__}: {_without_secrets(error)}")
    return known


def _without_secrets(words: object) -> str:
    return _SECRET.sub("?…", str(words))[:300]


def _connect(environment: Mapping[str, str]) -> Connection:
    # Its tracing would ask for each bucket's location, in a thread of its own; nobody here traces.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    emulated = environment.get("STORAGE_EMULATOR_HOST")
    credentials = _nobody() if emulated else google.auth.default(scopes=[SCOPE])[0]
    refused = () if emulated else (requests.codes.unauthorized,)  # after which a new token may help
    session = AuthorizedSession(credentials, refresh_status_codes=refused)  # type: ignore[no-untyped-call]
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=_THREADS))
    client = Client(project=None, credentials=credentials, _http=session)
    return Connection(client, session, credentials)


def _nobody() -> Credentials:
    return AnonymousCredentials()  # type: ignore[no-untyped-call]
