"""Which key is meant, and what a new one may be."""

import re
from typing import Final

from shared.app import App
from shared.domain.errors import BadRequest, Conflict
from shared.domain.keys import Key
from shared.domain.secret_key import PREFIX, SHORTEST, hashes_meant, mint, plausible
from shared.storage.queries import KEYS_OF_ALIAS, KEYS_OF_KEY_ID

__all__ = ["find", "find_alias", "new_secret"]

_KEY_ID: Final = re.compile(r"key-[a-z2-7]{24}")


def find(app: App, text: str) -> Key | None:
    """The key that is meant: by itself, by its hash or by its `key_id`: one read; or by its SHA-256: one more."""
    if _KEY_ID.fullmatch(text):
        found: list[Key] = app.documents.query(KEYS_OF_KEY_ID, text, limit=1)
        return found[0] if found else None
    for id in hashes_meant(app.key_pepper, text):
        if (key := app.documents.get(Key, id)) is not None:
            return key
    return None


def find_alias(app: App, alias: str) -> Key | None:
    found: list[Key] = app.documents.query(KEYS_OF_ALIAS, alias, limit=1)
    return found[0] if found else None


def new_secret(app: App, brought: str | None) -> str:
    """The key that somebody brings, or a new one."""
    if not app.key_pepper:
        message = "Virtual keys are off on this server: its operator has to set OFFPEAK_KEY_PEPPER, and keep it."
        raise Conflict(message, code="virtual_keys_off")
    if not brought:
        return mint()
    if not brought.startswith(PREFIX):
        raise _wrong("it must start with 'sk-'")
    if len(brought) < SHORTEST:
        raise _wrong(f"it must be at least {SHORTEST} characters long")
    if not plausible(brought):
        raise _wrong("it has characters that no key may have, is too long, or its last characters are mistyped")
    if brought == app.master_key:
        raise BadRequest("Invalid 'key': it is taken.", param="key", code="key_taken")
    return brought


def _wrong(why: str) -> BadRequest:
    return BadRequest(f"Invalid key format: {why}.", param="key", code="invalid_key_format")
