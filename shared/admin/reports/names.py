"""What reports call keys, teams, models and deployments. Read once for each report, and only where they are named.

A key is shown as its hash, as everywhere, also when it was deleted, and the master key by a word. Nothing is told of a
deployment but the id that `/model/info` has for it.
"""

import hmac
import re
from functools import lru_cache
from typing import Any, Final

from shared.admin.former import former_by_alias, former_by_hash, last_of
from shared.admin.names import find, find_alias
from shared.app import App
from shared.domain.access import MASTER
from shared.domain.former import FormerKey
from shared.domain.ids import derived
from shared.domain.keys import Key, Team, team_account
from shared.storage.queries import KEYS_OF_KEY_ID

__all__ = ["MASTER_KEY", "NO_TEAM", "Names", "deployment_shown", "keys_of", "keys_of_alias", "model_shown"]

MASTER_KEY: Final = "litellm_proxy_master_key"  # what LiteLLM's scripts know the master key by
NO_TEAM: Final = "Unassigned Team"

_LONGEST: Final = 256  # characters of what may be the id of a key
_PLACE: Final = re.compile(r"projects/[^/]+/locations/[^/]+/")  # of a tuned model
_OF_DEPLOYMENT: Final = re.compile(r"@[0-9a-f]{16}$")  # what has a price of its own; see model_list.py


class Names:
    """Remembers what it has looked up."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._keys: dict[str, Key | FormerKey | None] = {MASTER: None}
        self._teams: dict[str, Team | None] = {}

    def key(self, key_id: str) -> str:
        """The key's hash; of one that nobody remembers its `key-…`."""
        if key_id == MASTER:
            return MASTER_KEY
        record = self._key(key_id)
        if record is None:
            return key_id
        return record.id if isinstance(record, Key) else record.hash

    def alias(self, key_id: str) -> str | None:
        record = self._key(key_id)
        return None if record is None else record.key_alias

    def key_name(self, key_id: str) -> str | None:
        record = self._key(key_id)
        return None if record is None else record.key_name

    def key_metadata(self, key_id: str) -> dict[str, Any]:
        """LiteLLM's description of a key, beside its sums."""
        record = self._key(key_id)
        return {
            "key_alias": None if record is None else record.key_alias,
            "team_id": None if record is None else record.team_id,
            "user_id": None if record is None else record.user_id,
            "key_exists": isinstance(record, Key) or key_id == MASTER,
        }

    def team_alias(self, team_id: str | None) -> str | None:
        if team_id is None:
            return None
        if team_id not in self._teams:
            self._teams[team_id] = self._app.documents.get(Team, team_account(team_id))
        team = self._teams[team_id]
        return None if team is None else team.team_alias

    def team_name(self, team_id: str | None) -> str:
        """Its alias; of one that has none, or was deleted, its id."""
        return self.team_alias(team_id) or team_id or NO_TEAM

    def _key(self, key_id: str) -> Key | FormerKey | None:
        if key_id not in self._keys:
            found: list[Key] = self._app.documents.query(KEYS_OF_KEY_ID, key_id, limit=1)
            self._keys[key_id] = found[0] if found else last_of(self._app, key_id)
        return self._keys[key_id]


def keys_of(app: App, text: str) -> frozenset[str]:
    """The key_ids that `api_key` means: a key itself, its hash, or what reports show of it.

    One that somebody brings again when it was deleted is another key with the same hash: then there are several.
    """
    if text in {MASTER, MASTER_KEY} or hmac.compare_digest(text.encode(), app.master_key.encode()):
        return frozenset({MASTER})
    if text.startswith("key-"):  # also of a key that was deleted: what it has spent is still there
        return frozenset({text} if len(text) <= _LONGEST else ())
    return _with_former(find(app, text), former_by_hash(app, text))


def keys_of_alias(app: App, alias: str) -> frozenset[str]:
    """The key_ids of the key that has this alias, and of those that had it when they were deleted."""
    return _with_former(find_alias(app, alias), former_by_alias(app, alias))


def _with_former(record: Key | None, former: list[FormerKey]) -> frozenset[str]:
    return frozenset({*(() if record is None else (record.key_id,)), *(each.key_id for each in former)})


@lru_cache(maxsize=1024)
def model_shown(model: str) -> str:
    """The model without whose it is and where."""
    return _OF_DEPLOYMENT.sub("", _PLACE.sub("", model))


@lru_cache(maxsize=1024)
def deployment_shown(deployment: str) -> str:
    """The id that `/model/info` has for a deployment; of one that a pattern stands for that of the pattern."""
    return derived("model_info", deployment.partition(":")[0]) if deployment else ""
