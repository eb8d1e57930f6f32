"""What the routes under `/team` and `/user` are sent."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator

from functions.admin.bodies import Alias, Body, Budget, Duration, Id, Name, Need, Usd
from functions.admin.harmless import HarmlessOfTeams, HarmlessOfUsers
from functions.admin.unenforced import NoKeyDuration, NoMemberCaps, NoTeamCaps
from shared.domain.clock import seconds
from shared.domain.files import LIVES

__all__ = [
    "TEAM_BODIES",
    "USER_BODIES",
    "AddMember",
    "BlockTeam",
    "DeleteMember",
    "DeleteTeams",
    "DeleteUsers",
    "NewTeam",
    "NewUser",
    "UpdateMember",
    "UpdateTeam",
    "UpdateUser",
]

_Role = Literal["admin", "user"]
_Ids = Annotated[list[Need], Field(min_length=1, max_length=100)]
_LIFE: Final = {
    "type": "object",
    "properties": {
        "anchor": {"const": "created_at"},
        "seconds": {"type": "integer", "minimum": seconds(LIVES[0]), "maximum": seconds(LIVES[1])},
    },
    "required": ["anchor", "seconds"],
}
_NO_LIFE: Final = {"type": "object", "maxProperties": 0}
_Life = Annotated[dict[str, Any] | None, WithJsonSchema({"anyOf": [_LIFE, _NO_LIFE, {"type": "null"}]})]
_WHICH: Final = "Either 'user_id' or 'user_email' must be provided"


class _Somebody(Body):
    user_id: Id = Field(default=None, description="The user, by id.")
    user_email: Name = Field(default=None, description="The user, by e-mail address.")

    @model_validator(mode="after")
    def _named(self) -> "_Somebody":
        if not self.user_id and not self.user_email:
            raise ValueError(_WHICH)
        return self


class TeamMember(_Somebody):
    """Somebody in a team. Who is not known yet is created."""

    role: _Role = Field(default="user", description="`admin` or `user`.")


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class _Team(NoTeamCaps, HarmlessOfTeams, Budget):
    team_alias: Name = Field(default=None, description="What the team is called.")
    tags: list[Need] | None = Field(default=None, description="On everything that its keys run.")
    team_member_budget: Usd = Field(default=None, description="US dollars that each member may spend in the team.")
    team_member_budget_duration: Duration = Field(default=None, description="After which that budget begins anew.")
    enforced_file_expires_after: _Life = Field(
        default=None,
        description="How long files live that its keys upload, whatever they ask for: `seconds` from 3600, an hour, to "
        "2592000, thirty days. Null or `{}`: as they ask. It stands in `metadata`, too, and may be set there.",
    )
    enforced_batch_output_expires_after: _Life = Field(
        default=None, description="The same of what their batches write, in place of `output_expires_after`."
    )


class NewTeam(_Team):
    """A new team."""

    team_id: Id = Field(default=None, description="An id of your own; a random one otherwise.")
    members_with_roles: list[TeamMember] | None = Field(default=None, description="Who is in it.")
    admins: list[Need] | None = Field(default=None, description="Not needed: ids of `members_with_roles` alone.")
    members: list[Need] | None = Field(default=None, description="Not needed: ids of `members_with_roles` alone.")

    @model_validator(mode="after")
    def _told_with_roles(self) -> "NewTeam":
        """At LiteLLM nobody gets into a team by `admins` and `members`, and rows of teams have them: who was meant to
        get in by them is missed, and who is in it anyway is no mistake.
        """
        roles = {each.user_id: each.role for each in self.members_with_roles or ()}
        for name, wanted in (("admins", {"admin"}), ("members", {"admin", "user"})):
            if any(roles.get(each) not in wanted for each in getattr(self, name) or ()):
                raise ValueError(f"'{name}' lets nobody in. Name everybody in 'members_with_roles', with a role")
        return self


class UpdateTeam(_Team):
    """Changes of a team. What is absent stays; null takes a limit away."""

    team_id: Need = Field(description="Which team.")


class DeleteTeams(Body):
    """Teams to be deleted with their keys: all of them or none."""

    team_ids: _Ids = Field(description="Their ids.")


class BlockTeam(Body):
    """The team whose keys are to be blocked, or unblocked."""

    team_id: Need = Field(description="Which team.")


class AddMember(NoMemberCaps, Body):
    """Who is to come into a team."""

    team_id: Need = Field(description="Which team.")
    member: Annotated[list[TeamMember], BeforeValidator(_listed), Field(min_length=1)] = Field(
        description="One member, or an array of them."
    )
    max_budget_in_team: Usd = Field(default=None, description="US dollars that each of them may spend in the team.")
    budget_duration: Duration = Field(default=None, description="After which that budget begins anew.")


class DeleteMember(_Somebody):
    """Who is to leave a team."""

    team_id: Need = Field(description="Which team.")


class UpdateMember(NoMemberCaps, DeleteMember):
    """Changes of a member. What is absent stays; null takes a limit away."""

    role: _Role | None = Field(default=None, description="`admin` or `user`.")
    max_budget_in_team: Usd = Field(default=None, description="US dollars that the member may spend in the team.")
    budget_duration: Duration = Field(default=None, description="After which that budget begins anew.")


class TeamOfUser(Body):
    """What a new user is to be in a team."""

    team_id: Need = Field(description="Which team.")
    max_budget_in_team: Usd = Field(default=None, description="US dollars that the user may spend in the team.")
    user_role: _Role = Field(default="user", description="`admin` or `user`.")


def _as_teams(value: object) -> object:
    return (
        [{"team_id": each} if isinstance(each, str) else each for each in value] if isinstance(value, list) else value
    )


Teams = Annotated[list[TeamOfUser] | None, BeforeValidator(_as_teams)]


def _no_password(value: object) -> object:
    if value is not None:
        raise ValueError("users have no passwords here, they have keys")
    return value


class _User(HarmlessOfUsers, Budget):
    user_email: Name = Field(default=None, description="E-mail address; no two users have one.")
    user_alias: Name = Field(default=None, description="What the user is called.")
    user_role: Literal["proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"] | None = Field(
        default=None, description="`proxy_admin` may do everything, `proxy_admin_viewer` see everything."
    )
    password: Annotated[Any, BeforeValidator(_no_password)] = Field(default=None, description="Not supported.")


class NewUser(_User):
    """A new user, with a key."""

    user_id: Id = Field(default=None, description="An id of your own; a random one otherwise.")
    teams: Teams = Field(
        default=None,
        description="Teams that the user is in: ids, or objects with `team_id`, `user_role`, `max_budget_in_team`.",
    )
    team_id: Id = Field(default=None, description="A team that the user, and the key, are to be in.")
    auto_create_key: bool = Field(default=True, description="Whether the answer has a key for the user.")
    key_alias: Alias = Field(default=None, description="A name for that key.")
    duration: Duration = Field(default=None, description="When that key expires.")


class UpdateUser(NoKeyDuration, _User):
    """Changes of a user. What is absent stays; null takes a limit away, and changes nothing else."""

    user_id: Id = Field(
        default=None,
        description="Which user. Without it, `user_email` says which; where nobody has that address, it is a new user.",
    )
    teams: Teams = Field(default=None, description="Those that the user is in: `/team/member_add` changes them.")
    team_id: Any = Field(default=None, description="Has no effect here: `/team/member_add` lets users into teams.")
    key_alias: Any = Field(default=None, description="Has no effect here: `/key/update` names keys.")

    @model_validator(mode="after")
    def _named(self) -> "UpdateUser":
        if not self.user_id and not self.user_email:
            raise ValueError(_WHICH)
        return self


class DeleteUsers(Body):
    """Users to be deleted with their keys: all of them or none."""

    user_ids: _Ids = Field(description="Their ids.")


TEAM_BODIES: Final[dict[str, type[BaseModel]]] = {
    "POST /team/new": NewTeam,
    "POST /team/update": UpdateTeam,
    "POST /team/delete": DeleteTeams,
    "POST /team/block": BlockTeam,
    "POST /team/unblock": BlockTeam,
    "POST /team/member_add": AddMember,
    "POST /team/member_update": UpdateMember,
    "POST /team/member_delete": DeleteMember,
}
USER_BODIES: Final[dict[str, type[BaseModel]]] = {
    "POST /user/new": NewUser,
    "POST /user/update": UpdateUser,
    "POST /user/delete": DeleteUsers,
}
