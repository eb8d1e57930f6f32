"""What the routes under `/key` are sent."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, model_validator

from functions.admin.bodies import Alias, Body, Budget, Duration, Id, Name, Need
from functions.admin.harmless import HarmlessOfKeys
from functions.admin.unenforced import NoRotation

__all__ = [
    "BODIES",
    "BlockKey",
    "DeleteKeys",
    "GenerateKey",
    "RegenerateKey",
    "ResetSpend",
    "ServiceAccountKey",
    "UpdateKey",
]

_Keys = Annotated[list[Need], Field(max_length=200)]
_ANY_KEY: Final = "The key itself, its hash (`token`), its SHA-256, or its `key_id`."


class _Key(NoRotation, HarmlessOfKeys, Budget):
    key_alias: Alias = Field(default=None, description="A name for the key; no two keys have one.")
    user_id: Id = Field(default=None, description="Whose key it is. A user who does not exist is created.")
    team_id: Id = Field(default=None, description="The team that it is a key of; it has to exist.")
    duration: Duration = Field(
        default=None, description="When it expires: `30s`, `24h`, `30d`. Null or `-1`: never. Empty: as it was."
    )
    key_type: Literal["default", "llm_api", "management", "read_only"] | None = Field(
        default=None, description="What it is for; `read_only`: it changes nothing."
    )
    allowed_routes: Annotated[list[Need], Field(max_length=200)] | None = Field(
        default=None, description="Paths that it is for, perhaps with `*` at the end. Empty: all."
    )
    tags: list[Need] | None = Field(default=None, description="On everything that it runs; see the spend by tag.")
    permissions: Any = Field(default=None, description="Kept. `get_spend_routes: true` opens `/global/spend` to it.")


class GenerateKey(_Key):
    """A new virtual key."""

    key: Name = Field(default=None, description="A key of your own: `sk-` in front, 16 characters or more.")


class ServiceAccountKey(GenerateKey):
    """A new virtual key of a team, and of no user."""

    team_id: Need = Field(description="The team that it is a key of.")


class _Change(_Key):
    @model_validator(mode="before")
    @classmethod
    def _blank_team(cls, said: Any) -> Any:
        """Forms send an empty team with every change: a key leaves its team by null alone, as at LiteLLM."""
        blank = isinstance(said, dict) and isinstance(said.get("team_id"), str) and not said["team_id"].strip()
        return {name: value for name, value in said.items() if name != "team_id"} if blank else said


class UpdateKey(_Change):
    """Changes of a key. What is absent stays; null takes a limit away."""

    key: Name = Field(default=None, description=f"Which key: {_ANY_KEY} Without it, `key_alias` says which.")

    @model_validator(mode="after")
    def _which(self) -> "UpdateKey":
        if not self.key and not self.key_alias:
            raise ValueError("either 'key' or 'key_alias' must be provided")
        return self


class RegenerateKey(_Change):
    """A new secret for a key, and changes of it."""

    key: Name = Field(default=None, description=f"Which key, unless the path or the query says it: {_ANY_KEY}")
    new_key: Name = Field(default=None, description="A key of your own instead of a random one.")
    grace_period: Duration = Field(
        default=None, description="How long the old key works beside the new one: `24h`, `2d`. Absent: not at all."
    )


class DeleteKeys(Body):
    """Keys to be deleted: all of them or none."""

    keys: _Keys | None = Field(
        default=None,
        description=f"Each of them: {_ANY_KEY} An old key that still works is deleted without the new one.",
    )
    key_aliases: _Keys | None = Field(default=None, description="Their aliases.")

    @model_validator(mode="after")
    def _some(self) -> "DeleteKeys":
        if not self.keys and not self.key_aliases:
            raise ValueError("at least one of 'keys' or 'key_aliases' must be provided")
        return self


class BlockKey(Body):
    """The key to be blocked, or unblocked."""

    key: Need = Field(description=f"{_ANY_KEY} Or the old key, while that still works.")


class ResetSpend(Body):
    """How much of the budget is to count as spent."""

    reset_to: Any = Field(description="US dollars; no more than is spent, and no more than the budget.")


BODIES: Final[dict[str, type[BaseModel]]] = {
    "POST /key/generate": GenerateKey,
    "POST /key/service-account/generate": ServiceAccountKey,
    "POST /key/update": UpdateKey,
    "POST /key/delete": DeleteKeys,
    "POST /key/block": BlockKey,
    "POST /key/unblock": BlockKey,
    "POST /key/regenerate": RegenerateKey,
    "POST /key/{key}/regenerate": RegenerateKey,
    "POST /key/{key}/reset_spend": ResetSpend,
}
