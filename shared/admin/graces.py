"""The secrets that keys had before: each works on for as long as whoever regenerated its key has said.

  secret A ── regenerated, `grace_period: 48h` ──► secret B        A works for two days
  secret B ── regenerated again ─────────────────► secret C        A is none from now on; B may have a grace of its own

It stands for the key as that is now: what blocks, deletes or changes the key does it to all of its secrets. Of two
rotations the last one counts (litellm 1.106.2: `_insert_deprecated_key` names the next key, `_lookup_deprecated_key`
follows it once). What is over is never read as anything, and is swept.
"""

import re
from collections.abc import Callable
from typing import Final

from shared.admin.asked import Asked
from shared.domain.durations import after
from shared.domain.errors import BadRequest
from shared.domain.keys import Grace, Key
from shared.storage.ports import Transaction

__all__ = ["begin", "refuse_taken", "stands_for", "until"]

_AT_ONCE: Final = re.compile(r"0+(mo|[smhdw])[A-Za-z]*")


def until(asked: Asked, now: int) -> int | None:
    """When the old secret is to be none; None: at once. BadRequest where that is no duration."""
    said = asked.get("grace_period")
    if not said or _AT_ONCE.fullmatch(said):
        return None
    found = after(said, now)
    if found is None:
        message = "Invalid 'grace_period': not a duration such as '30m', '24h' or '2d'."
        raise BadRequest(message, param="grace_period", code="invalid_value")
    return found


def begin(tx: Transaction, old: Key, new: Key, until: int | None) -> None:
    """Write what becomes of the secret that a key had until now; the new one is no old one any more."""
    tx.delete(Grace, new.id)
    if until is None:
        tx.delete(Grace, old.id)
    else:
        tx.put(Grace(id=old.id, key=new.id, key_id=new.key_id, rotation=new.rotations, until=until))


def stands_for(grace: Grace | None, now: int, read: Callable[[type[Key], str], Key | None]) -> Key | None:
    """The key that had this secret until it was regenerated, as long as it still may be used by it."""
    if grace is None or grace.until <= now:
        return None
    key = read(Key, grace.key)
    if key is None or (key.key_id, key.rotations) != (grace.key_id, grace.rotation):
        return None  # another rotation has been since, even if it brought the same secret back
    return key


def refuse_taken(tx: Transaction, id: str, name: str, now: int, *, of: str | None = None) -> None:
    """BadRequest where a secret is that of a key, or still works for one other than `of`."""
    grace = tx.get(Grace, id)
    waits = grace is not None and grace.until > now and grace.key_id != of
    if waits or tx.get(Key, id) is not None:
        raise BadRequest(f"Invalid '{name}': it is taken.", param=name, code="key_taken")
