"""Google credentials for one deployment: found on first use, refreshed in time, never loaded before they are needed.

`google.auth` and its transport are imported on the first call: a function that only answers a client never pays for it.
"""

import functools
import json
import threading
import warnings
from pathlib import Path
from typing import Any, Final

from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.log import log
from shared.providers.base import Refused

__all__ = ["GoogleCredentials"]

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_SECONDS: Final = 5.0  # of one token request; google.auth's own default is 120
_UNUSABLE: Final = "The credentials of this deployment cannot be used at the moment."


class GoogleCredentials:
    """Authorization headers, from a key file, its JSON text, or Application Default Credentials. Thread-safe."""

    def __init__(self, source: str | None) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._found: Any = None

    def headers(self) -> dict[str, str]:
        """What makes a request ours. Transient where Google's token service is silent, Refused where it says no."""
        from google.auth import exceptions  # noqa: PLC0415 - costs a cold start 0.1 s

        with self._lock:
            try:
                return self._headers()
            except exceptions.TransportError as error:
                raise Transient("vertex: the token service does not answer") from error
            except exceptions.RefreshError as error:
                if error.retryable:
                    raise Transient("vertex: the token service is busy") from error
                raise self._refusal(error) from error
            except (exceptions.GoogleAuthError, OSError, ValueError) as error:
                raise self._refusal(error) from error

    def forget(self) -> None:
        """The token was not accepted: read the credentials again, they may have been rotated."""
        with self._lock:
            self._found = None

    def _headers(self) -> dict[str, str]:
        from google.auth.credentials import TokenState  # noqa: PLC0415
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        from google.auth.transport.requests import Request  # noqa: PLC0415

        if self._found is None:
            self._found = _load(self._source)
        state = self._found.token_state
        if state is not TokenState.FRESH:
            try:
                self._found.refresh(functools.partial(Request(), timeout=_SECONDS))
            except GoogleAuthError:
                if state is TokenState.INVALID:
                    raise
                log("token_refresh_failed", severity="WARNING", why="the old token holds for some minutes yet")
        headers: dict[str, str] = {}
        self._found.apply(headers)
        return headers

    def _refusal(self, error: Exception) -> Refused:
        log("credentials_unusable", severity="ERROR", error=type(error).__name__)
        return Refused(BatchError(code="provider_error", message=_UNUSABLE), settled=False)


def _load(source: str | None) -> Any:
    import google.auth  # noqa: PLC0415

    if source is None:
        return google.auth.default(scopes=[_SCOPE])[0]
    text = source if source.lstrip().startswith("{") else Path(source).read_text(encoding="utf-8")
    info = json.loads(text)
    if not isinstance(info, dict):
        raise ValueError("credentials are a JSON object")  # noqa: TRY004 - of the file, not of our caller
    with warnings.catch_warnings():
        # It warns of files from strangers. The operator's own configuration names this one.
        warnings.simplefilter("ignore", DeprecationWarning)
        return google.auth.load_credentials_from_dict(info, scopes=[_SCOPE])[0]  # type: ignore[no-untyped-call]
