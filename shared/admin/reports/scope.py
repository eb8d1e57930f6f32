"""Whose spend may be seen, and whose was asked for.

Admins and their viewers see all of it. Any other key sees its own and its user's, and of a team that its user leads the
team's. A search never leaves that, so that what is somebody else's costs and tells exactly what nothing would.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shared.admin.reports.names import model_shown
from shared.admin.sight import leads, sees_all
from shared.app import App
from shared.domain.access import Caller
from shared.domain.keys import User, user_account
from shared.domain.ledger import Day, LedgerEntry
from shared.storage.ports import Query
from shared.storage.queries import (
    DAYS,
    DAYS_OF_KEY,
    DAYS_OF_TEAM,
    DAYS_OF_USER,
    LEDGER,
    LEDGER_OF_BATCH,
    LEDGER_OF_KEY,
    LEDGER_OF_TEAM,
    LEDGER_OF_USER,
)

__all__ = ["Scope", "Spent", "Wanted", "scope_of", "teams_of"]

_BY: Final[dict[tuple[type[Any], str], Query]] = {
    (Day, "key"): DAYS_OF_KEY,
    (Day, "team"): DAYS_OF_TEAM,
    (Day, "user"): DAYS_OF_USER,
    (LedgerEntry, "key"): LEDGER_OF_KEY,
    (LedgerEntry, "team"): LEDGER_OF_TEAM,
    (LedgerEntry, "user"): LEDGER_OF_USER,
    (LedgerEntry, "batch"): LEDGER_OF_BATCH,
}
_ALL: Final[dict[type[Any], Query]] = {Day: DAYS, LedgerEntry: LEDGER}


class Spent(Protocol):
    """What entries of the ledger and their sums by day have in common."""

    @property
    def key(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def team(self) -> str | None: ...
    @property
    def group(self) -> str: ...
    @property
    def model(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; None: any."""

    key: str | None = None  # key_id
    user: str | None = None
    teams: Collection[str] | None = None
    but_teams: Collection[str] = ()
    model: str | None = None  # or its group: LiteLLM's `model` is what the caller wrote
    group: str | None = None
    deployment: str | None = None  # as `/model/info` shows it
    tags: Collection[str] | None = None
    batch: str | None = None

    def has(self, record: Spent) -> bool:
        """Whether an entry or a sum is part of it, as far as its own fields tell."""
        return (
            (self.key is None or record.key == self.key)
            and (self.user is None or record.user == self.user)
            and (self.teams is None or record.team in self.teams)
            and (not self.but_teams or record.team not in self.but_teams)
            and (self.group is None or record.group == self.group)
            and (self.model is None or self.model in {record.group, record.model, model_shown(record.model)})
        )

    @property
    def plain(self) -> bool:
        """Whether no field of an entry is asked about: then the sums by tag have the answer."""
        return self.key is self.user is self.teams is self.model is self.group is None and not self.but_teams


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to look: fields and values of which one has to agree; None for everywhere."""

    places: tuple[tuple[str, str], ...] | None
    wanted: Wanted

    def sources(self, kind: type[Any]) -> list[tuple[Query, tuple[str, ...]]]:
        """The queries that find all of it."""
        if self.places is None:
            return [(_ALL[kind], ())]
        return [(_BY[kind, field], (value,)) for field, value in self.places]


def scope_of(app: App, caller: Caller, wanted: Wanted) -> Scope:
    """What the caller may see of what it asks for."""
    if sees_all(caller):
        return Scope(places=_narrowest(wanted), wanted=wanted)
    if wanted.teams and all(leads(app, caller, team) for team in wanted.teams):
        return Scope(places=tuple(("team", team) for team in wanted.teams), wanted=wanted)
    own = [("key", caller.key)] if caller.user is None else [("key", caller.key), ("user", caller.user)]
    return Scope(places=tuple(own), wanted=wanted)


def teams_of(app: App, caller: Caller) -> list[str]:
    """The teams of a caller: its key's and its user's."""
    user = None if caller.user is None else app.documents.get(User, user_account(caller.user))
    own = () if caller.team is None else (caller.team,)
    return list(dict.fromkeys((*own, *(() if user is None else user.teams))))


def _narrowest(wanted: Wanted) -> tuple[tuple[str, str], ...] | None:
    if wanted.key is not None:
        return (("key", wanted.key),)
    if wanted.user is not None:
        return (("user", wanted.user),)
    if wanted.teams is not None:
        return tuple(("team", team) for team in wanted.teams)
    return None
