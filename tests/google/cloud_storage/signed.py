"""Whether a signed URL is one: the V4 signing process of Cloud Storage, read from its other end.

Source: cloud.google.com/storage/docs/authentication/signatures (V4, GOOG4-RSA-SHA256).
"""

import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.google.cloud_storage.answers import Refusal

__all__ = ["check_signature", "is_signed"]

_ALGORITHM: Final = "GOOG4-RSA-SHA256"
_LONGEST: Final = timedelta(days=7)
_SKEW: Final = timedelta(minutes=15)  # a clock that is ahead of ours
_NEEDED: Final = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")


def is_signed(query: str) -> bool:
    return "x-goog-signature=" in query.lower()


def check_signature(
    method: str, path: str, query: str, headers: Mapping[str, str], keys: Mapping[str, rsa.RSAPublicKey]
) -> None:
    """403 unless the URL was signed for reading this path, and is still good.

    `path` and `query` as they were sent, `headers` under lowercase names. The signature itself can only be judged where
    `keys` has its signer.
    """
    given = parse_qsl(query, keep_blank_values=True)
    values = dict(given)
    wanted = {name: values.get(f"X-Goog-{name}", "") for name in _NEEDED}
    for name, value in wanted.items():
        if not value:
            raise Refusal(403, f"X-Goog-{name} is missing", "AccessDenied")
    if wanted["Algorithm"] != _ALGORITHM:
        raise Refusal(403, f"X-Goog-Algorithm is not {_ALGORITHM}", "AccessDenied")
    if method not in {"GET", "HEAD"}:
        raise Refusal(403, "This was signed for another method", "SignatureDoesNotMatch")
    _check_time(wanted["Date"], wanted["Expires"])
    signer, _, scope = wanted["Credential"].partition("/")
    if scope != f"{wanted['Date'][:8]}/auto/storage/goog4_request" or "@" not in signer:
        raise Refusal(403, "X-Goog-Credential is malformed", "AccessDenied")
    signed = wanted["SignedHeaders"].split(";")
    if "host" not in signed or any(name not in headers for name in signed):
        raise Refusal(403, "A signed header is missing", "AccessDenied")
    pairs = sorted(_pair(name, value) for name, value in given if name != "X-Goog-Signature")
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in signed]
    request = "\n".join(["GET", path, "&".join(pairs), *lines, "", wanted["SignedHeaders"], "UNSIGNED-PAYLOAD"])
    text = "\n".join([_ALGORITHM, wanted["Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    _check_bytes(wanted["Signature"], text, keys.get(signer))


def _pair(name: str, value: str) -> str:
    return f"{quote(name, safe='~')}={quote(value, safe='~')}"


def _check_bytes(signature: str, text: str, key: rsa.RSAPublicKey | None) -> None:
    try:
        sent = binascii.unhexlify(signature)
        if key is not None:
            key.verify(sent, text.encode(), padding.PKCS1v15(), SHA256())
    except (ValueError, InvalidSignature):
        message = "The request signature we calculated does not match the signature you provided."
        raise Refusal(403, message, "SignatureDoesNotMatch") from None


def _check_time(date: str, expires: str) -> None:
    try:
        begins = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        life = timedelta(seconds=int(expires))
    except (ValueError, OverflowError):
        raise Refusal(403, "X-Goog-Date or X-Goog-Expires is malformed", "AccessDenied") from None
    if not timedelta(0) < life <= _LONGEST:
        raise Refusal(403, "X-Goog-Expires must be between 1 and 604800", "AccessDenied")
    if not begins - _SKEW <= datetime.now(UTC) < begins + life:
        raise Refusal(403, "Request has expired", "ExpiredToken")
