"""A virtual key as its holder has it: minted once, shown once, and never stored.

sk- and 28 characters of chance (166 bits), and behind an underscore 6 that are a check sum of them: a mistyped key is
known without a look into the documents. Whoever moves here may bring keys of another shape; those are looked for. What
other gateways make is hardly ever of ours: `sk-` with letters and digits alone has no underscore, and where there are
some, it is one of 64 characters at that very place.

  key ─ SHA-256 ─► what may name it in a request, as at LiteLLM ─ HMAC under the pepper ─► what is stored
"""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from typing import Final

__all__ = ["PREFIX", "SHORTEST", "hashed", "hashes_meant", "mint", "plausible", "shown"]

PREFIX: Final = "sk-"
SHORTEST: Final = 16  # characters of a key that somebody brings
_LONGEST: Final = 256
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHANCE, _CHECK = 28, 6
_MINTED: Final = re.compile(rf"sk-([0-9A-Za-z]{{{_CHANCE}}})_([0-9A-Za-z]{{{_CHECK}}})")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ANY: Final = re.compile(rf"sk-[!-~]{{{SHORTEST - len(PREFIX)},{_LONGEST}}}")


def mint(choice: Callable[[str], str] = secrets.choice) -> str:
    """A new key."""
    chance = "".join(choice(_ALPHABET) for _ in range(_CHANCE))
    return f"{PREFIX}{chance}_{_check(chance)}"


def plausible(key: str) -> bool:
    """Whether this may be a key at all: what looks like one of ours has the right check sum."""
    minted = _MINTED.fullmatch(key)
    if minted is not None:
        return _check(minted[1]) == minted[2]
    return _ANY.fullmatch(key) is not None


def hashed(pepper: str, key: str) -> str:
    """How a key is stored and found: 64 hexadecimal digits, which nobody can make who has the key and no pepper."""
    return _peppered(pepper, hashlib.sha256(key.encode()).hexdigest())


def hashes_meant(pepper: str, text: str) -> tuple[str, ...]:
    """What the key that a request names may be stored as: named by itself, by what it is stored as, or by its SHA-256.

    LiteLLM's token is the SHA-256, and its scripts make it themselves. It names a key, and is none: whoever asks has to
    bring a key of his own.
    """
    if text.startswith(PREFIX):
        return (hashed(pepper, text),) if pepper and plausible(text) else ()
    if _HASH.fullmatch(text) is None:
        return ()
    return (text, _peppered(pepper, text)) if pepper else (text,)


def shown(key: str) -> str:
    """`sk-…abcd`: what may be shown of a key for ever."""
    return f"{PREFIX}...{key[-4:]}"


def _peppered(pepper: str, digest: str) -> str:
    return hmac.new(pepper.encode(), digest.encode(), hashlib.sha256).hexdigest()


def _check(chance: str) -> str:
    number, digits = zlib.crc32(chance.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits
