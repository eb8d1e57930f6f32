"""Ids: one mint and one way in for each kind.

Opaque, of `[A-Za-z0-9_-]` only and under 64 characters, so that they survive any number of URL encodings, fit a
database column and may be a Vertex label. Nothing is encoded in them: routing and ownership live in documents.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

__all__ = [
    "canonical",
    "decoded",
    "derived",
    "new_batch_id",
    "new_file_id",
    "new_job_id",
    "new_key_id",
    "new_part_id",
    "new_request_id",
    "new_upload_id",
]

Entropy = Callable[[int], bytes]

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_SHAPE: Final = re.compile(r"(?!__)[A-Za-z0-9_-]{1,63}")  # Firestore keeps what begins and ends by `__` for itself
_MOST_DECODINGS: Final = 3


def _text(raw: bytes) -> str:
    number, digits = int.from_bytes(raw, "big"), len(raw) * 8 // 5
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(0, digits * 5, 5))


def new_file_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`file-` and 24 characters, 120 random bits."""
    return "file-" + _text(entropy(15))


def new_batch_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`batch_` and 32 hexadecimal digits, 128 random bits: lower case, since it becomes a Vertex label."""
    return "batch_" + entropy(16).hex()


def new_upload_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`upload_` and 32 hexadecimal digits."""
    return "upload_" + entropy(16).hex()


def new_part_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`part_` and 32 hexadecimal digits."""
    return "part_" + entropy(16).hex()


def new_key_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`key-` and 24 characters: says which key it was, and is none."""
    return "key-" + _text(entropy(15))


def new_job_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`job_` and 32 hexadecimal digits: lower case, since it becomes a Vertex label."""
    return "job_" + entropy(16).hex()


def new_request_id(entropy: Entropy = secrets.token_bytes) -> str:
    """`req_` and 32 hexadecimal digits; the value of `x-request-id`."""
    return "req_" + entropy(16).hex()


def derived(*parts: str) -> str:
    """40 hexadecimal digits that follow from `parts` alone: the name of a fact."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:40]


def canonical(text: str) -> str | None:
    """The one form of an id that arrived in a path or a body, or None where it cannot be one of ours.

    SDKs encode ids in paths once or twice; what is judged and what is looked up is the decoded form.
    """
    text = decoded(text)
    return text if _SHAPE.fullmatch(text) else None


def decoded(text: str) -> str:
    """What arrived, with its URL encoding taken off as often as a client may have put it on."""
    for _ in range(_MOST_DECODINGS):
        plain = unquote(text)
        if plain == text:
            break
        text = plain
    return text
