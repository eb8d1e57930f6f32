"""Who is asking, and what they may see.

One place decides. What a caller may not see answers exactly like what never existed.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

__all__ = ["ADMIN", "Caller", "Owned", "visible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A key with its user and team. `owner` goes on everything that it makes."""

    owner: str
    team: str | None = None
    admin: bool = False
    models: tuple[str, ...] | None = None  # None: every model group

    def may_use(self, group: str) -> bool:
        """Whether lines may name this model group."""
        return self.models is None or group in self.models

    def log_context(self) -> dict[str, Any]:
        return {"owner": self.owner, "team": self.team}


ADMIN: Final = Caller(owner="admin", admin=True)


class Owned(Protocol):
    """Anything that belongs to a caller."""

    @property
    def owner(self) -> str: ...
    @property
    def team(self) -> str | None: ...


Thing = TypeVar("Thing", bound=Owned)


def visible(caller: Caller, thing: Thing | None) -> Thing | None:
    """`thing` where the caller may see it, else None."""
    if thing is None or caller.admin or thing.owner == caller.owner:
        return thing
    return thing if caller.team is not None and thing.team == caller.team else None
