"""Whose key is this, and may it still be used?

  key ─ shape and check sum ─ HMAC ─► Key, one read ─► its team and its user, one read each where they are not known yet
                                       └ none ─► Grace, of a secret that was replaced a while ago ─► its Key

What was found is believed for half a minute, so that a key that is blocked, deleted or changed is so everywhere within
a minute. What was not found is not remembered: a new key works at once.
"""

import hmac
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from shared.admin.graces import stands_for
from shared.app import App
from shared.domain.access import Caller, Models
from shared.domain.clock import SECOND
from shared.domain.errors import Unauthenticated
from shared.domain.keys import (
    ADMIN_ROLE,
    ALL_MODELS,
    NO_MODELS,
    READER_ROLE,
    TEAM_MODELS,
    VIEWER_ROLE,
    Grace,
    Key,
    Team,
    User,
    member_account,
    team_account,
    user_account,
)
from shared.domain.secret_key import hashed, plausible
from shared.storage.ports import Record

__all__ = ["Found", "KeyRing", "models_of"]

_BELIEVED: Final = 30 * SECOND
_MOST: Final = 10_000  # records remembered

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Found:
    """A key that may be used, with its team and its user."""

    caller: Caller
    key: Key
    team: Team | None
    user: User | None


class KeyRing:
    """Finds callers by their keys. One for each process; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[type[Any], str], tuple[int, Any]] = OrderedDict()

    def find(self, app: App, key: str) -> Found | None:
        """The caller behind a key; None for an unknown one, Unauthenticated for one that may not be used any more."""
        if not app.key_pepper or not plausible(key):
            return None
        digest = hashed(app.key_pepper, key)
        record = self._get(app, Key, digest)
        if record is not None and not hmac.compare_digest(record.id, digest):
            return None
        record = record or self._in_grace(app, digest)
        if record is None:
            return None
        if record.expires_at is not None and record.expires_at <= app.now():
            raise _refusal("Authentication Error - Expired Key. Ask its operator for a new one.", "expired_key")
        if record.blocked:
            raise _refusal("Key is blocked. Its operator can unblock it with /key/unblock.", "auth_error")
        since, of_team, of_user = record.updated_at, record.team_id, record.user_id
        team = self._needed(app, Team, None if of_team is None else team_account(of_team), "Team", since)
        user = self._needed(app, User, None if of_user is None else user_account(of_user), "User", since)
        return Found(caller_of(record, team, user, app.config.visibility), record, team, user)

    def forget(self, kind: type[Any], id: str) -> None:
        """It was changed here, so it is read again at once."""
        with self._lock:
            self._known.pop((kind, id), None)

    def _in_grace(self, app: App, digest: str) -> Key | None:
        return stands_for(self._get(app, Grace, digest), app.now(), partial(self._get, app))

    def _needed(self, app: App, kind: type[R], id: str | None, what: str, since: int) -> R | None:
        """Not as it was before `since`, when the key was changed: somebody else may have had the name then."""
        if id is None:
            return None
        record = self._get(app, kind, id, since)
        if record is None or getattr(record, "blocked", False):
            raise _refusal(f"{what} of this key is blocked or was deleted.", "auth_error")
        return record

    def _get(self, app: App, kind: type[R], id: str, since: int = 0) -> R | None:
        now, place = app.now(), (kind, id)
        with self._lock:
            seen = self._known.get(place)
            if seen is not None and since <= seen[0] <= now < seen[0] + _BELIEVED:
                known: R = seen[1]
                return known
        record = app.documents.get(kind, id)
        with self._lock:
            self._known.pop(place, None)
            if record is not None:
                self._known[place] = (now, record)
                if len(self._known) > _MOST:
                    self._known.popitem(last=False)
        return record


def caller_of(key: Key, team: Team | None, user: User | None, visibility: str) -> Caller:
    """What a key, its team and its user say together."""
    payers = [key.key_id]
    if user is not None:
        payers.append(user.account)
    if team is not None:
        payers.append(team.account)
        if user is not None:  # with a budget or without: one that is given later counts what was spent before
            payers.append(member_account(team.team_id, user.user_id, team.since, user.since))
    role = None if user is None else user.user_role
    return Caller(
        owner=key.owner,
        since=0 if user is None else user.since,
        team=key.team_id,
        team_since=0 if team is None else team.since,
        user=key.user_id,
        key=key.key_id,
        name=key.key_alias or key.key_name,
        admin=role == ADMIN_ROLE,
        viewer=role == VIEWER_ROLE,
        models=models_of(key, team, user),
        shares="own" not in {visibility, key.visibility, None if team is None else team.visibility},
        reads_only=key.key_type == "read_only" or role == READER_ROLE,
        reads_spend=_permitted(key, "get_spend_routes"),
        routes=tuple(filter(None, (key.allowed_routes, _ROUTES.get(key.key_type)))),
        payers=tuple(payers),
        tags=tuple(dict.fromkeys((*key.tags, *(team.tags if team is not None else ())))),
        file_life=None if team is None else team.file_life,
        output_life=None if team is None else team.output_life,
    )


_ROUTES: Final = {"llm_api": ("llm_api_routes",), "management": ("management_routes",)}


def _permitted(key: Key, name: str) -> bool:
    permissions = msgspec.json.decode(key.fields).get("permissions")
    return isinstance(permissions, dict) and permissions.get(name) is True


def models_of(*records: Key | Team | User | None) -> Models:
    """What the lists of models of all these allow together."""
    said = (each.models for each in records if each is not None)
    found = tuple(listed for listed in map(_listed, said) if listed is not None)
    return found or None


def _listed(models: tuple[str, ...]) -> tuple[str, ...] | None:
    """None: all. What a list says beside a word that means all, or none, does not matter.

    As at LiteLLM, `all-team-models` is all for a key without a team.
    """
    if not models or ALL_MODELS in models or TEAM_MODELS in models:
        return None
    return () if NO_MODELS in models else models


def _refusal(message: str, type: str) -> Unauthenticated:
    return Unauthenticated(message, code="invalid_api_key", type=type)
