"""Who delivers an event? Pub/Sub and Eventarc say it in a signed token, and here all of it is read.

The platform's own check lets an event function be called by whoever has its invoker role. This is the second lock, for
the day that somebody gives that role away: signature and times, issuer, audience, account, and that the account's
address is verified. The library's `verify_oauth2_token` looks at the first three only, and at the audience if told to.

Cloud Run, when it has checked a token itself, is reported to put SIGNATURE_REMOVED_BY_GOOGLE where the signature was.
Such a token is read where the configuration says `behind_iam`, a mistake at a function that everybody may call. Where a
caller brings two tokens, Cloud Run looks at X-Serverless-Authorization alone, and so do we.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from shared.config import Events, Sender
from shared.domain.errors import Transient
from shared.log import log

__all__ = ["Unproved", "prove"]

_SKEW: Final = 30  # seconds that two clocks may differ
_FRESH: Final = 3600.0  # seconds; Google's keys rotate over days and are published ahead
_AGAIN: Final = 30.0  # seconds until an unknown key makes us look once more
_TIMEOUT: Final = 5.0
_LONGEST_TOKEN: Final = 8192
_REMOVED: Final = ".SIGNATURE_REMOVED_BY_GOOGLE"


class _Headers(Protocol):
    def get(self, key: str, default: str, /) -> str: ...


class Unproved(Exception):
    """The delivery is not from whom the configuration names; the message says why, and holds nothing of the token."""


def prove(events: Events, target: str, headers: _Headers) -> None:
    """Unproved unless the request is of the sender that `target` expects. Transient: Google's keys cannot be had."""
    sender: Sender = getattr(events, target)
    platform, ours = (headers.get(name, "") for name in ("x-serverless-authorization", "authorization"))
    scheme, _, token = (platform or ours).strip().partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _LONGEST_TOKEN:
        raise Unproved("no bearer token")
    token = token.strip()
    if events.behind_iam and token.endswith(_REMOVED):
        claims = _checked_before(token, sender.audience)
    else:
        claims = _claims(token, events.certificates, sender.audience)
    if claims.get("iss") != events.issuer:
        raise Unproved("another issuer")
    if claims.get("email") != sender.account:
        raise Unproved("another account")
    if claims.get("email_verified") is not True:
        raise Unproved("the account's address is not verified")


def _claims(token: str, certificates: str, audience: tuple[str, ...]) -> Mapping[str, Any]:
    """What a token says whose signature, times and audience are right."""
    from google.auth import jwt  # noqa: PLC0415 - 0.1 s that a function which nobody has to prove anything never pays

    try:
        key = jwt.decode_header(token).get("kid")  # type: ignore[no-untyped-call]
    except Exception as error:  # a stranger wrote it: whatever it is, it is no token
        raise Unproved("malformed token") from error
    keys = _keys.of(certificates, key)
    try:
        claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
            token, certs=keys, audience=list(audience), clock_skew_in_seconds=_SKEW
        )
    except Exception as error:  # see above
        raise Unproved(f"the token does not hold: {type(error).__name__}") from error
    return claims


def _checked_before(token: str, audience: tuple[str, ...]) -> Mapping[str, Any]:
    """What a token says whose signature the platform has checked and taken away."""
    from google.auth import jwt  # noqa: PLC0415 - see above

    try:
        claims: Mapping[str, Any] = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
        current = int(claims["iat"]) - _SKEW <= time.time() <= int(claims["exp"]) + _SKEW
    except Exception as error:  # see above
        raise Unproved("malformed token") from error
    if not current:
        raise Unproved("the token is not of this time")
    if claims.get("aud") not in audience:
        raise Unproved("another audience")
    return claims


class _Keys:
    """The issuer's public keys, by their ids; fetched when first needed, and when an unknown one turns up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, dict[str, str]]] = {}

    def of(self, url: str, key: object) -> dict[str, str]:
        with self._lock:
            fetched, keys = self._known.get(url, (float("-inf"), {}))
            age = time.monotonic() - fetched
            if age > _FRESH or (key not in keys and age > _AGAIN):
                keys = _fetched(url, keys)
                self._known[url] = time.monotonic(), keys
            return keys


def _fetched(url: str, old: dict[str, str]) -> dict[str, str]:
    """The keys that are published now; the old ones, if there are any, while they cannot be read."""
    import httpx  # noqa: PLC0415 - see above

    try:
        answer = httpx.get(url, timeout=_TIMEOUT).raise_for_status().json()
        return {str(name): str(pem) for name, pem in answer.items()}
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        log("certificates_unreadable", severity="ERROR", url=url, error=type(error).__name__)
        if old:
            return old
        raise Transient("the issuer's keys cannot be read") from error


_keys: Final = _Keys()
