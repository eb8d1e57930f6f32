"""Keys that are none any more: what reports still call them, since what they have spent stays."""

from dataclasses import dataclass

__all__ = ["FormerKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerKey:
    """A key as it was when it was deleted, or a secret that it had before it was made anew."""

    id: str  # of a key that was deleted its key_id: there is one for each
    hash: str  # of the secret: what was the id of `Key`
    key_id: str
    key_name: str
    key_alias: str | None = None  # of a key that was deleted; one that lives has it itself
    user_id: str | None = None
    team_id: str | None = None
    created_at: int  # when it was over
