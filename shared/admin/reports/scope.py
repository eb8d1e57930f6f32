"""Whose spend may be seen, and whose was asked for.

Admins and their viewers see all of it. Any other key sees its user's, and of a team that its user leads the team's; a
key without a user sees its own. That is what it cost to make what the caller may see (`access.visible`): nothing of a
deleted namesake's, and nothing that the key has made for another user. A search never leaves that, so that what is
somebody else's costs and tells exactly what nothing would.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shared.admin.reports.names import deployment_shown, model_shown
from shared.admin.sight import leads, sees_all
from shared.app import App
from shared.domain.access import Caller
from shared.domain.clock import DAY
from shared.domain.keys import Team, team_account
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

__all__ = ["Place", "Scope", "Spent", "Wanted", "scope_of"]

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
_LONGEST: Final = 14 * DAY  # so long, at most, something runs and is counted: a job that has hung for ten is given up


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

    keys: Collection[str] | None = None  # key_ids
    user: str | None = None
    teams: Collection[str] | None = None
    but_teams: Collection[str] = ()
    model: str | None = None  # or its group: LiteLLM's `model` is what the caller wrote
    group: str | None = None
    deployment: str | None = None  # as `/model/info` shows it
    tags: Collection[str] | None = None
    batch: str | None = None

    def has(self, record: Spent) -> bool:
        """Whether an entry or a sum is part of it, as far as what both have tells."""
        return (
            (self.keys is None or record.key in self.keys)
            and (self.user is None or record.user == self.user)
            and (self.teams is None or record.team in self.teams)
            and (not self.but_teams or record.team not in self.but_teams)
            and (self.group is None or record.group == self.group)
            and (self.model is None or self.model in {record.group, record.model, model_shown(record.model)})
        )

    def has_entry(self, entry: LedgerEntry) -> bool:
        """Whether an entry is part of it."""
        return (
            self.has(entry)
            and (self.tags is None or any(tag in self.tags for tag in entry.tags))
            and (self.batch is None or entry.batch == self.batch)
            and (self.deployment is None or deployment_shown(entry.deployment) == self.deployment)
        )

    @property
    def of_entries(self) -> bool:
        """Whether something is asked about that no sum by day has."""
        return not (self.tags is self.batch is self.deployment is None)

    @property
    def plain(self) -> bool:
        """Whether nothing but tags is asked about: then the sums by tag have the answer."""
        return (
            self.keys is self.user is self.teams is self.model is self.group is self.deployment is self.batch is None
            and not self.but_teams
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to look: what has this value in this field, and began at `since` or later."""

    field: str
    value: str
    since: int = 0
    alone: bool = False  # of a key: what it has made while it had no user

    def has(self, record: Spent) -> bool:
        return getattr(record, self.field) == self.value and not (self.alone and record.user is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where to look, None for everywhere, and for what."""

    places: tuple[Place, ...] | None
    wanted: Wanted

    def has(self, record: Spent) -> bool:
        """Whether a sum by day is in one of the places; from `settled` on, that is so for all of it."""
        return self.places is None or any(place.has(record) for place in self.places)

    def has_entry(self, entry: LedgerEntry) -> bool:
        """Whether an entry is: what it is for has to have begun there, too."""
        began = entry.created_at if entry.started_at is None else entry.started_at
        return self.places is None or any(place.has(entry) and began >= place.since for place in self.places)

    @property
    def settled(self) -> int:
        """Since when sums by day hold nothing of a namesake: whatever one had begun is over."""
        since = max((place.since for place in self.places or ()), default=0)
        return since + _LONGEST if since else 0

    def sources(self, kind: type[Any]) -> list[tuple[Query, tuple[str, ...], int]]:
        """The queries that find all of it, and from which moment on."""
        if self.places is None:
            return [(_ALL[kind], (), 0)]
        return [(_BY[kind, place.field], (place.value,), place.since) for place in self.places]


def scope_of(app: App, caller: Caller, wanted: Wanted) -> Scope:
    """What the caller may see of what it asks for."""
    if sees_all(caller):
        return Scope(places=_narrowest(wanted), wanted=wanted)
    if wanted.teams and all(leads(app, caller, team) for team in wanted.teams):
        return Scope(places=tuple(_place_of_team(app, team) for team in wanted.teams), wanted=wanted)
    if caller.user is None:
        own = Place(field="key", value=caller.key, alone=True)
    else:
        own = Place(field="user", value=caller.user, since=caller.since)
    return Scope(places=(own,), wanted=wanted)


def _place_of_team(app: App, team_id: str) -> Place:
    team = app.documents.get(Team, team_account(team_id))
    return Place(field="team", value=team_id, since=0 if team is None else team.since)


def _narrowest(wanted: Wanted) -> tuple[Place, ...] | None:
    if wanted.keys is not None:
        return tuple(Place(field="key", value=key) for key in wanted.keys)
    if wanted.user is not None:
        return (Place(field="user", value=wanted.user),)
    if wanted.teams is not None:
        return tuple(Place(field="team", value=team) for team in wanted.teams)
    return None
