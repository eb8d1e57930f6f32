"""Teams and users."""

from typing import Final

from functions.openapi.admin import MONEY, PAGE, UPWARDS, act, page, sorts
from functions.openapi.words import TEXT, Table, enum, integer, listed, query, record, ref

__all__ = ["TEAMS", "USERS"]

_SORTED: Final = "created_at, updated_at, team_id, team_alias, spend or max_budget."
TEAMS: Final[Table] = dict(
    (
        act(
            "POST /team/new",
            "newTeam",
            "Teams",
            "A new team.",
            ref("Team"),
            404,
            409,
            links={"info": {"operationId": "teamInfo", "parameters": {"team_id": "$response.body#/team_id"}}},
        ),
        act(
            "GET /team/info",
            "teamInfo",
            "Teams",
            "A team with its newest keys.",
            ref("TeamInfo"),
            404,
            asks=(query("team_id", TEXT, "Which team; that of the key if none is named."),),
        ),
        act(
            "GET /team/list",
            "listTeams",
            "Teams",
            "All teams that may be seen, with their keys.",
            listed(ref("Team")),
            asks=(
                query("user_id", TEXT, "Of this user."),
                query("team_id", TEXT, "This one."),
                query("organization_id", TEXT, "That were made with this one."),
            ),
        ),
        act(
            "GET /team/available",
            "availableTeams",
            "Teams",
            "Teams that a user may join without an admin: none.",
            listed(ref("Team")),
        ),
        act(
            "GET /v2/team/list",
            "pageTeams",
            "Teams",
            "One page of the teams that may be seen.",
            page("teams", ref("Team"), "page", "total", "page_size", "total_pages"),
            asks=(
                PAGE,
                query("page_size", integer(1, 100), "As many on it at most."),
                query("team_alias", TEXT, "With this in their name."),
                query("search", TEXT, "With this in their name, or of this id."),
                query("user_id", TEXT, "Of this user."),
                query("team_id", TEXT, "This one."),
                query("organization_id", TEXT, "That were made with this one."),
                query("status", enum(["deleted"]), "None: what was deleted is not kept."),
                query("sort_by", TEXT, f"{_SORTED} What it does not know it passes over."),
                query("sort_order", TEXT, "desc; else upwards."),
            ),
        ),
        act("POST /team/update", "updateTeam", "Teams", "Change a team.", {"type": "object"}, 404),
        act(
            "POST /team/delete",
            "deleteTeams",
            "Teams",
            "Delete teams with their keys: all of them or none.",
            record({"deleted_teams": listed(TEXT)}),
            404,
        ),
        act("POST /team/member_add", "addMember", "Teams", "Let somebody in.", ref("Team"), 404, 409),
        act("POST /team/member_update", "updateMember", "Teams", "Change a member.", {"type": "object"}, 404),
        act("POST /team/member_delete", "deleteMember", "Teams", "Let somebody go.", ref("Team"), 404),
        act("POST /team/block", "blockTeam", "Teams", "Let its keys be used no more.", ref("Team"), 404),
        act("POST /team/unblock", "unblockTeam", "Teams", "Let them be used again.", ref("Team"), 404),
    )
)
USERS: Final[Table] = dict(
    (
        act(
            "POST /user/new",
            "newUser",
            "Users",
            "A new user, with a key.",
            {**ref("User")},
            404,
            409,
            links={"info": {"operationId": "userInfo", "parameters": {"user_id": "$response.body#/user_id"}}},
        ),
        act(
            "GET /user/info",
            "userInfo",
            "Users",
            "A user with keys and teams.",
            ref("UserInfo"),
            404,
            asks=(query("user_id", TEXT, "Which user; that of the key if none is named."),),
        ),
        act(
            "GET /v2/user/info",
            "userAlone",
            "Users",
            "A user without keys and teams.",
            ref("User"),
            404,
            asks=(query("user_id", TEXT, "Which user; that of the key if none is named."),),
        ),
        act(
            "GET /user/list",
            "listUsers",
            "Users",
            "One page of users.",
            page("users", ref("User"), "page", "total", "page_size", "total_pages"),
            asks=(
                PAGE,
                query("page_size", integer(1, 100), "As many on it at most."),
                query("role", TEXT, "With this role."),
                query("user_ids", TEXT, "These alone, with commas between."),
                query("user_email", TEXT, "With this in their address."),
                query("team", TEXT, "Of this team."),
                query("search", TEXT, "With this in their address or id."),
                query("organization_ids", TEXT, "That were made with one of these, with commas between."),
                query("sso_user_ids", TEXT, "That were made with one of these, with commas between."),
                sorts("created_at", "updated_at", "user_id", "user_email", "user_alias", "user_role", *MONEY),
                UPWARDS,
            ),
        ),
        act("POST /user/update", "updateUser", "Users", "Change a user.", {"type": "object"}, 404, 409),
        act("POST /user/delete", "deleteUsers", "Users", "Delete users with their keys; how many.", integer(0), 404),
    )
)
