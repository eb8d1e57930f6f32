"""A URL that reads one object for some minutes, signed by whichever key there is.

With a service account's key file it is signed here. On Cloud Run there is only a token: IAM signs, if the account has
iam.serviceAccounts.signBlob on itself. Other credentials, and none at all, cannot sign.
"""

import base64
import functools
import os
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import google.auth
from google.auth import credentials as kinds
from google.auth.transport.requests import Request

from shared.domain.errors import ConfigError
from shared.storage.gcs.calls import SCOPE, Calls, Connection, Turn
from shared.storage.gcs.owner import blob_of
from shared.storage.ports import ObjectMissing

__all__ = ["disposition", "sign"]

_LONGEST: Final = 600  # seconds
_LONGEST_NAME: Final = 150  # characters of a file name; the URL carries it percent-encoded
_PLAIN: Final = frozenset(" !#$&()+,-.;=@[]^_{}~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def sign(calls: Calls, name: str, seconds: int, filename: str) -> str | None:
    """A URL for GET, or None where nobody can sign one."""
    try:
        key = calls.make(name, lambda connection, turn: _key(calls, connection, turn))
        if key is None:
            return None
        url: str = blob_of(calls.connection(), name).generate_signed_url(
            version="v4",
            expiration=timedelta(seconds=min(seconds, _LONGEST)),
            method="GET",
            response_disposition=disposition(filename),
            credentials=key,
        )
    except ObjectMissing as error:
        raise ConfigError("IAM does not know the service account that is to sign URLs") from error
    return url


def disposition(filename: str) -> str:
    """RFC 6266: the name in plain letters for everybody, and exactly for those who read `filename*`."""
    name = filename[-_LONGEST_NAME:] or "download"
    plain = "".join(letter if letter in _PLAIN else "_" for letter in name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{exact}'


def _key(calls: Calls, connection: Connection, turn: Turn) -> kinds.Signing | None:
    credentials: Any = connection.credentials
    if isinstance(credentials, kinds.AnonymousCredentials):  # an emulator; whoever named a key means it to be used
        if not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            return None
        credentials = google.auth.default(scopes=[SCOPE])[0]
    if isinstance(credentials, kinds.Signing):
        return credentials
    email = getattr(credentials, "service_account_email", None)
    if email == "default":  # as the metadata server calls it, until it has been asked
        credentials.refresh(functools.partial(Request(), timeout=turn.timeout))
        email = credentials.service_account_email
    return _RemoteKey(calls, email) if email else None


class _RemoteKey(kinds.Signing):
    """The key of a service account, which IAM keeps to itself."""

    def __init__(self, calls: Calls, email: str) -> None:
        self._calls, self._email = calls, email

    def sign_bytes(self, message: bytes) -> bytes:
        return self._calls.make(self._email, lambda connection, turn: self._ask(connection, turn, message))

    def _ask(self, connection: Connection, turn: Turn, message: bytes) -> bytes:
        host = f"https://iamcredentials.{connection.client.universe_domain}"
        answer = connection.ask(
            "POST",
            f"{host}/v1/projects/-/serviceAccounts/{self._email}:signBlob",
            json={"payload": base64.b64encode(message).decode()},
            timeout=turn.timeout,
        )
        return base64.b64decode(answer.json()["signedBlob"])

    @property
    def signer_email(self) -> str:
        return self._email

    @property
    def signer(self) -> "_RemoteKey":
        return self
