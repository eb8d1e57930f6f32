"""What is remembered of keys that were deleted, and of the secrets of those that were made anew.

delete      ──► by the key_id: hash, alias, user and team, as reports show them
regenerate  ──► by the old hash: whose it was; alias and the rest are in the key, which lives
"""

from typing import Final

from shared.app import App
from shared.domain.former import FormerKey
from shared.domain.ids import derived
from shared.domain.keys import Key
from shared.domain.secret_key import hashes_meant
from shared.storage.ports import Transaction
from shared.storage.queries import FORMER_KEYS_OF_ALIAS, FORMER_KEYS_OF_HASH

__all__ = ["former_by_alias", "former_by_hash", "last_of", "remember"]

_MOST: Final = 100  # of one hash or alias; the newest


def remember(tx: Transaction, key: Key, now: int, *, lives: bool = False) -> None:
    """In the transaction that deletes a key or, where it `lives` on, gives it another secret: what it was until now."""
    tx.put(
        FormerKey(
            id=derived("former", key.key_id, key.id) if lives else key.key_id,
            hash=key.id,
            key_id=key.key_id,
            key_name=key.key_name,
            key_alias=None if lives else key.key_alias,
            user_id=key.user_id,
            team_id=key.team_id,
            created_at=now,
        )
    )


def last_of(app: App, key_id: str) -> FormerKey | None:
    """What a deleted key was. One read."""
    return app.documents.get(FormerKey, key_id)


def former_by_hash(app: App, text: str) -> list[FormerKey]:
    """Those that had this secret, or one of this hash."""
    return [
        each
        for hash in hashes_meant(app.key_pepper, text)
        for each in app.documents.query(FORMER_KEYS_OF_HASH, hash, limit=_MOST)
    ]


def former_by_alias(app: App, alias: str) -> list[FormerKey]:
    """Those that had this alias when they were deleted."""
    found: list[FormerKey] = app.documents.query(FORMER_KEYS_OF_ALIAS, alias, limit=_MOST)
    return found
