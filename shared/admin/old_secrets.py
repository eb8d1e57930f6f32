"""A key that is named by the secret that it had before, for as long as that works: a leaked one has to be stopped.

What asks about the key or blocks it means the key as it is now, with all of its secrets, and may be taken back. What
deletes means the secret that is named: that one is none any more, and whoever has the new one goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.admin.asked import audit
from shared.admin.graces import stands_for
from shared.admin.keyring import KeyRing
from shared.admin.names import find
from shared.app import App
from shared.domain.access import Caller
from shared.domain.keys import Grace, Key
from shared.domain.secret_key import hashes_meant
from shared.storage.ports import Transaction

__all__ = ["Old", "end", "find_in_use", "find_old"]


@dataclass(frozen=True, slots=True)
class Old:
    """A secret that still works, and its key."""

    grace: Grace
    key: Key


def find_old(app: App, text: str) -> Old | None:
    """The secret that is meant: by itself, by its hash, or by its SHA-256."""
    for id in hashes_meant(app.key_pepper, text):
        grace = app.documents.get(Grace, id)
        if grace is not None and (key := stands_for(grace, app.now(), app.documents.get)) is not None:
            return Old(grace, key)
    return None


def find_in_use(app: App, text: str) -> Key | None:
    """The key that is meant by what names it now, or by a secret that it had."""
    if (key := find(app, text)) is not None:
        return key
    old = find_old(app, text)
    return None if old is None else old.key


def end(app: App, by: Caller, olds: Sequence[Old]) -> int:
    """Secrets that are none from now on; how many there still were. Their keys stay as they are.

    So do those of keys that are of another user or team meanwhile.
    """

    def body(tx: Transaction) -> list[Old]:
        found = [old for old in olds if tx.get(Grace, old.grace.id) == old.grace and _same(tx, old.key)]
        for old in found:
            tx.delete(Grace, old.grace.id)
        return found

    ended = app.documents.transact(body) if olds else []
    for old in ended:
        app.remembered(KeyRing).forget(Grace, old.grace.id)
        audit(by, "key/delete", old.key.key_id, {"grace_period": None})
    return len(ended)


def _same(tx: Transaction, seen: Key) -> bool:
    """Whether the key is still of the user and the team by whom it was judged who may do this."""
    found = tx.get(Key, seen.id)
    return found is not None and (found.user_id, found.team_id) == (seen.user_id, seen.team_id)
