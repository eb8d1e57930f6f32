"""Who is asking, what they may see, and which models they may use.

One place decides. What a caller may not see answers exactly like what never existed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from shared.domain.globs import fits

__all__ = ["ADMIN", "MASTER", "NOTHING", "Caller", "Models", "Owned", "allows", "scopes", "visible"]

MASTER: Final = "master"  # stands for the master key wherever the id of a virtual key would

Models = tuple[tuple[str, ...], ...] | None
"""Which model groups may be used: lists of names, each perhaps with `*`, and each list has to allow a group; None: all.

One list is the key's, one its team's, one its user's.
"""
NOTHING: Final[Models] = ((),)


def allows(models: Models, names: Collection[str]) -> bool:
    """Whether a group that is known by these names (`Config.names_of`) may be used."""
    return all(any(fits(entry, name) for entry in listed for name in names) for listed in models or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A key with its user and team. `owner` goes on everything that it makes, and never changes."""

    owner: str  # `user:<user_id>`; of a key without a user `key:<key_id>`
    since: int = 0  # what was made before is of another user, who had the same name and was deleted
    team: str | None = None  # team_id
    team_since: int = 0  # the same of the team
    user: str | None = None  # user_id
    key: str = MASTER  # key_id
    name: str = MASTER  # the key's alias, or the end of the key: what reports and refusals call it
    admin: bool = False  # sees and does everything
    viewer: bool = False  # sees all keys, teams, users and spend, and changes none of it
    models: Models = None
    shares: bool = True  # with its team: sees what is the team's
    reads_only: bool = False
    reads_spend: bool = False  # that of all, in the reports about all
    routes: tuple[tuple[str, ...], ...] = ()  # lists of paths, or names of groups of them: each has to have the route
    payers: tuple[str, ...] = ()  # the accounts that what it runs is charged to
    tags: tuple[str, ...] = ()  # on everything that it runs
    file_life: int | None = None  # milliseconds its files live, by its team's word: whatever it asks for
    output_life: int | None = None  # … and what its batches write

    def log_context(self) -> dict[str, Any]:
        return {"key_id": self.key, "owner": self.owner, "team": self.team}


ADMIN: Final = Caller(owner="admin", admin=True)


class Owned(Protocol):
    """Anything that belongs to a caller."""

    @property
    def owner(self) -> str: ...
    @property
    def team(self) -> str | None: ...
    @property
    def begun_at(self) -> int:
        """When what it comes of was created: a batch that outlives its owner writes nothing for a namesake."""


Thing = TypeVar("Thing", bound=Owned)


def visible(caller: Caller, thing: Thing | None) -> Thing | None:
    """`thing` where the caller may see it, else None."""
    if thing is None or caller.admin:
        return thing
    if thing.owner == caller.owner and thing.begun_at >= caller.since:
        return thing
    shared = caller.shares and caller.team is not None and thing.team == caller.team
    return thing if shared and thing.begun_at >= caller.team_since else None


def scopes(caller: Caller) -> list[tuple[str, str]]:
    """Where all lies that is `visible`: fields and values of which one has to agree. None for admins: they see all."""
    if caller.admin:
        return []
    shared = [("team", caller.team)] if caller.shares and caller.team is not None else []
    return [("owner", caller.owner), *shared]
