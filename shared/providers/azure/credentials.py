"""Microsoft Entra: an application's token, fetched on first use, kept, and renewed in time. A job outlives a token."""

import threading
import time
from typing import Final

from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.log import log
from shared.providers.base import Busy, Refused
from shared.providers.exchange import Lost
from shared.providers.openai.dialect import Dialect, Fixed
from shared.providers.openai.http import Http, Reply

__all__ = ["LOGIN", "EntraCredentials"]

LOGIN: Final = "https://login.microsoftonline.com"
_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_EARLY: Final = 300.0  # seconds before its end, a token is renewed: no call takes longer than that to begin
_UNUSABLE: Final = "The credentials of this deployment cannot be used at the moment."
_SHORTEST, _LONGEST = 60.0, 86_400.0
_CALL: Final = 5.0  # of one token request: with the call that waits for it, it is shorter than a step's lease


class EntraCredentials:
    """The client credentials flow of OAuth 2.0. Thread-safe.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
    """

    def __init__(self, tenant: str, client: str, secret: str, *, login: str = LOGIN) -> None:
        self._form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        self._form["scope"] = _SCOPE
        self._http = Http(Dialect(name="entra", base=f"{login}/{tenant}/oauth2/v2.0", credentials=Fixed()))
        self._lock = threading.Lock()
        self._token = ""
        self._renew = self._end = 0.0  # seconds since 1970: a monotonic clock stands still while an instance is frozen

    def headers(self) -> dict[str, str]:
        """Busy where the token service is silent, Refused where it says no."""
        with self._lock:
            if time.time() >= self._renew:
                try:
                    self._fetch()
                except (Transient, Refused) as error:
                    if time.time() >= self._end:
                        raise
                    log("token_refresh_failed", severity="WARNING", error=type(error).__name__)  # the old one holds
            return {"authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The token was not accepted: fetch another."""
        with self._lock:
            self._renew = self._end = 0.0

    def _fetch(self) -> None:
        asked = time.time()
        try:
            reply = self._http.send("POST", "token", time.monotonic() + _CALL, data=self._form)
        except Lost as error:
            raise Busy("entra: the token service does not answer") from error
        token = _token_of(reply)
        life = min(_LONGEST, max(_SHORTEST, _seconds(reply)))
        self._token, self._end = token, asked + life
        self._renew = self._end - min(_EARLY, life / 2)


def _token_of(reply: Reply) -> str:
    if reply.status == 429 or reply.status >= 500:
        raise Busy(f"entra: answered {reply.status}", retry_after=reply.retry_after)
    token = reply.body.get("access_token") if reply.good and isinstance(reply.body, dict) else None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
        code = reply.body.get("error") if isinstance(reply.body, dict) else None  # its description names accounts
        code = code if isinstance(code, str) and code.isidentifier() else None
        log("credentials_unusable", severity="ERROR", status=reply.status, error=code)
        raise Refused(BatchError(code="provider_error", message=_UNUSABLE), settled=False)
    return token


def _seconds(reply: Reply) -> float:
    said = reply.body.get("expires_in")
    try:
        return float(said)
    except (TypeError, ValueError):
        return 0.0
