"""A virtual key as its holder has it: minted once, shown once, and never stored.

sk- and 28 characters of chance (166 bits), and 6 that are a check sum of them: a mistyped key is known without a look
into the documents. Whoever moves here may bring keys of another shape; those are looked for.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable
from typing import Final

__all__ = ["PREFIX", "SHORTEST", "hashed", "mint", "plausible", "shown"]

PREFIX: Final = "sk-"
SHORTEST: Final = 16  # characters of a key that somebody brings
_LONGEST: Final = 256
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHANCE, _CHECK = 28, 6
_MINTED: Final = re.compile(rf"sk-([0-9A-Za-z]{{{_CHANCE}}})([0-9A-Za-z]{{{_CHECK}}})")
_ANY: Final = re.compile(rf"sk-[!-~]{{{SHORTEST - len(PREFIX)},{_LONGEST}}}")


def mint(choice: Callable[[str], str] = secrets.choice) -> str:
    """A new key."""
    chance = "".join(choice(_ALPHABET) for _ in range(_CHANCE))
    return f"{PREFIX}{chance}{_check(chance)}"


def plausible(key: str) -> bool:
    """Whether this may be a key at all: what looks like one of ours has the right check sum."""
    minted = _MINTED.fullmatch(key)
    if minted is not None:
        return _check(minted[1]) == minted[2]
    return _ANY.fullmatch(key) is not None


def hashed(pepper: str, key: str) -> str:
    """How a key is stored and found: HMAC-SHA-256 under the pepper, 64 hexadecimal digits."""
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()


def shown(key: str) -> str:
    """`sk-…abcd`: what may be shown of a key for ever."""
    return f"{PREFIX}...{key[-4:]}"


def _check(chance: str) -> str:
    number, digits = zlib.crc32(chance.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits
