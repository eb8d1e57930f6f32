"""A provider's message as a client may read it: bounded, one line, without the names of what is ours there."""

import re
from functools import lru_cache
from typing import Final

__all__ = ["plain"]

_LONGEST: Final = 1_000
_NO_REASON: Final = "The provider gave no reason."
_PRIVATE: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"https?://[^\s\"'<>]*[^\s\"'<>.,;:()]"), "(a link)"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(\.[\w-]+)+"), "(an account)"),
    (re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\d.])"), "(an address)"),
    (re.compile(r"\bsk-[\w*.-]*[\w*]"), "(a key)"),  # a wrong key is repeated, with stars in its middle
    (re.compile(r"\b(?:org|proj|user)[-_][A-Za-z0-9*]{6,}"), "(an account)"),
    (re.compile(r"/subscriptions/[^\s\"'<>,;]+"), "(a resource)"),
    (re.compile(r"\b[\w-]+(\.[\w-]+)*\.azure\.com\b"), "(a host)"),
    (re.compile(r"\b(?:assistant|file|batch|batch_req|req|upload)[-_][A-Za-z0-9][A-Za-z0-9-]{5,}"), "(an id)"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "(an id)"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "(an id)"),
)


@lru_cache(maxsize=64)  # rows of a job mostly fail for the same reasons
def _shown(text: str, private: tuple[str, ...]) -> str:
    for pattern, instead in _PRIVATE:
        text = pattern.sub(instead, text)
    for name in private:
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "(a name)", text, flags=re.IGNORECASE)
    return "".join(character for character in text if character.isprintable())[:_LONGEST]


def plain(message: object, private: tuple[str, ...] = ()) -> str:
    """`private`: names, such as a deployment's, that are the operator's own."""
    text = " ".join(message[: 8 * _LONGEST].split()) if isinstance(message, str) else ""
    if len(text) > 4 * _LONGEST:  # cut between words: of half a name nobody would know that it is one
        text = text[: 4 * _LONGEST].rpartition(" ")[0]
    return _shown(text, private) or _NO_REASON
