"""Virtual keys, users and teams, as LiteLLM's admin scripts know them.

What we act on is a field; all else that a script sets (`metadata`, `tpm_limit`, `soft_budget`, …) is kept in `fields`,
a JSON object, and given back. What is spent and held open, and how much of it is allowed, is in an `Account` of the
same id; see `account.py`.
"""

from dataclasses import dataclass
from typing import Final

from shared.domain.ids import derived

__all__ = [
    "ADMIN_ROLE",
    "ALL_MODELS",
    "NO_MODELS",
    "READER_ROLE",
    "ROLES",
    "TEAM_MODELS",
    "VIEWER_ROLE",
    "Alias",
    "Grace",
    "Key",
    "Member",
    "Team",
    "User",
    "member_account",
    "team_account",
    "user_account",
]

ADMIN_ROLE: Final = "proxy_admin"
VIEWER_ROLE: Final = "proxy_admin_viewer"
READER_ROLE: Final = "internal_user_viewer"
ROLES: Final = (ADMIN_ROLE, VIEWER_ROLE, "internal_user", READER_ROLE)
ALL_MODELS: Final = "all-proxy-models"
TEAM_MODELS: Final = "all-team-models"
NO_MODELS: Final = "no-default-models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A virtual key. The key itself is nowhere: `id` is the HMAC of its SHA-256 under the pepper."""

    id: str
    key_id: str  # `key-…`; stays when the key is regenerated, and is the id of its account
    key_name: str  # `sk-…abcd`
    key_alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    models: tuple[str, ...] = ()  # none: all that its team and its user may use
    rpm_limit: int | None = None
    key_type: str = "default"
    allowed_routes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    visibility: str | None = None  # `own`: does not see what is its team's
    blocked: bool = False
    expires_at: int | None = None
    fields: str = "{}"
    rotations: int = 0  # how often it was made anew
    created_at: int
    created_by: str
    updated_at: int

    @property
    def owner(self) -> str:
        """Whose everything is that the key makes: its user's, or its own."""
        return f"key:{self.key_id}" if self.user_id is None else f"user:{self.user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user in a team."""

    user_id: str
    role: str = "user"  # or `admin`
    max_budget_in_team: int | None = None  # nano-dollars
    since: int = 0  # the user's own: of whoever has another it was a namesake, of whom nothing is inherited


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Some users and keys that share their files, their batches and a budget."""

    id: str  # as `team_account` makes it of the name
    team_id: str
    team_alias: str | None = None
    models: tuple[str, ...] = ()
    rpm_limit: int | None = None
    members: tuple[Member, ...] = ()
    member_budget: int | None = None  # nano-dollars; of each member that has none of its own
    tags: tuple[str, ...] = ()
    since: int = 0  # where a deleted team had this id: when this one began, so that it inherits nothing
    visibility: str | None = None  # `own`: none of its keys sees what is the team's
    file_life: int | None = None  # milliseconds that files live which its keys upload; None: as they ask for
    output_life: int | None = None  # … and what their batches write
    blocked: bool = False
    fields: str = "{}"
    created_at: int
    updated_at: int

    @property
    def account(self) -> str:
        """The id of its account: its own, whoever had the name before."""
        return team_account(self.team_id, self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a service that has keys."""

    id: str  # as `user_account` makes it of the name
    user_id: str
    user_email: str | None = None
    user_alias: str | None = None
    user_role: str | None = None
    models: tuple[str, ...] = ()
    rpm_limit: int | None = None
    teams: tuple[str, ...] = ()
    since: int = 0  # where a deleted user had this id: when this one began
    blocked: bool = False
    fields: str = "{}"
    created_at: int
    updated_at: int

    @property
    def account(self) -> str:
        """The id of the account: the user's own, whoever had the name before."""
        return user_account(self.user_id, self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that is taken: no two keys have one alias, and no two users one e-mail address."""

    id: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """A secret that a key had before it was regenerated, and that still works for a time.

    It stands for one secret of one key: where that has been deleted, or regenerated once more, it stands for nothing.
    """

    id: str  # of the old secret, as that of a key
    key: str  # the id of the key with the secret that took its place
    key_id: str
    rotation: int  # the one of the key that made it; after another it stands for nothing
    until: int


def team_account(team_id: str, since: int = 0) -> str:
    """With `since`: that of a namesake, who neither owes nor holds what the one who was deleted does."""
    return f"team-{derived('team', team_id, *_since(since))}"


def user_account(user_id: str, since: int = 0) -> str:
    return f"user-{derived('user', user_id, *_since(since))}"


def member_account(team_id: str, user_id: str, team_since: int = 0, since: int = 0) -> str:
    return f"member-{derived('member', team_id, user_id, *_since(team_since, since))}"


def _since(*moments: int) -> tuple[str, ...]:
    return tuple(map(str, moments)) if any(moments) else ()
