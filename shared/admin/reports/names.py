"""What reports call keys, teams, models and deployments. Read once for each report, and only where they are named.

A key is shown as its hash, as everywhere; one that was deleted by its `key-…`, and the master key by a word. Nothing of
a deployment is told but the id that `/model/info` has for it.
"""

import hmac
import re
from functools import lru_cache
from typing import Any, Final

from shared.admin.names import find, find_alias
from shared.app import App
from shared.domain.access import MASTER
from shared.domain.ids import derived
from shared.domain.keys import Key, Team, team_account
from shared.storage.queries import KEYS_OF_KEY_ID

__all__ = ["MASTER_KEY", "NOBODY", "NO_TEAM", "Names", "deployment_shown", "key_of", "key_of_alias", "model_shown"]

MASTER_KEY: Final = "litellm_proxy_master_key"  # what LiteLLM's scripts know the master key by
NOBODY: Final = ""  # the id of what does not exist
NO_TEAM: Final = "Unassigned Team"

_LONGEST: Final = 256  # characters of what may be the id of a key
_PLACE: Final = re.compile(r"projects/[^/]+/locations/[^/]+/")  # of a tuned model
_OF_DEPLOYMENT: Final = re.compile(r"@[0-9a-f]{16}$")  # what has a price of its own; see model_list.py


class Names:
    """Remembers what it has looked up."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._keys: dict[str, Key | None] = {MASTER: None}
        self._teams: dict[str, Team | None] = {}

    def key(self, key_id: str) -> str:
        """The key's hash."""
        if key_id == MASTER:
            return MASTER_KEY
        record = self._key(key_id)
        return key_id if record is None else record.id

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
            "key_exists": record is not None or key_id == MASTER,
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

    def _key(self, key_id: str) -> Key | None:
        if key_id not in self._keys:
            found = self._app.documents.query(KEYS_OF_KEY_ID, key_id, limit=1)
            self._keys[key_id] = found[0] if found else None
        return self._keys[key_id]


def key_of(app: App, text: str) -> str:
    """The key_id that `api_key` means: a key itself, its hash, or what reports show of it. NOBODY: there is none."""
    if text in {MASTER, MASTER_KEY} or hmac.compare_digest(text.encode(), app.master_key.encode()):
        return MASTER
    if text.startswith("key-"):  # also of a key that was deleted: what it has spent is still there
        return text if len(text) <= _LONGEST else NOBODY
    record = find(app, text)
    return NOBODY if record is None else record.key_id


def key_of_alias(app: App, alias: str) -> str:
    """The key_id of the key that has this alias; NOBODY: there is none."""
    record = find_alias(app, alias)
    return NOBODY if record is None else record.key_id


@lru_cache(maxsize=1024)
def model_shown(model: str) -> str:
    """The model without whose it is and where."""
    return _OF_DEPLOYMENT.sub("", _PLACE.sub("", model))


@lru_cache(maxsize=1024)
def deployment_shown(deployment: str) -> str:
    """The id that `/model/info` has for a deployment; of one that a pattern stands for that of the pattern."""
    return derived("model_info", deployment.partition(":")[0]) if deployment else ""
