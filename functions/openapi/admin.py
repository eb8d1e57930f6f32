"""Keys, teams and users: bodies are described by the models that read them, answers here."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.key_bodies import BODIES as KEY_BODIES
from functions.openapi.words import (
    BOOLEAN,
    FLAG,
    INTEGER,
    NUMBER,
    TEXT,
    Operation,
    Schema,
    Table,
    enum,
    integer,
    json_body,
    link,
    listed,
    nullable,
    query,
    record,
    ref,
    text,
)
from functions.people_bodies import TEAM_BODIES, USER_BODIES

__all__ = ["KEYS", "TEAMS", "USERS", "schemas"]

_BODIES: Final[Mapping[str, type[BaseModel]]] = {**KEY_BODIES, **TEAM_BODIES, **USER_BODIES}
_NAME: Final = nullable(TEXT)
_USD: Final = nullable(NUMBER)
_MONEY: Final[Mapping[str, Schema]] = {
    "spend": NUMBER,
    "total_spend": NUMBER,
    "reserved": NUMBER,
    "max_budget": _USD,
    "budget_duration": _NAME,
    "budget_reset_at": _NAME,
}
_COMMON: Final[Mapping[str, Schema]] = {
    "models": listed(TEXT),
    "rpm_limit": nullable(INTEGER),
    "blocked": BOOLEAN,
    "created_at": TEXT,
    "updated_at": TEXT,
}
_KEY: Final[Mapping[str, Schema]] = {
    "key_name": TEXT,
    "key_id": TEXT,
    "key_alias": _NAME,
    "user_id": _NAME,
    "team_id": _NAME,
    "key_type": TEXT,
    "allowed_routes": listed(TEXT),
    "expires": _NAME,
    "created_by": TEXT,
    **_COMMON,
}
_SECRET: Final = text(pattern="^sk-", says="The key itself: shown now, and never again.")


def _row(fields: Mapping[str, Schema], says: str, **more: Any) -> Schema:
    return record({**fields, **_MONEY}, optional=_MONEY, additionalProperties=True, description=says, **more)


_ROWS: Final[Mapping[str, Schema]] = {
    "Key": _row({"token": TEXT, **_KEY}, "A virtual key. What was sent and has no meaning here is given back."),
    "NewKey": _row({"key": _SECRET, "token": TEXT, "token_id": TEXT, **_KEY}, "A virtual key, with the key itself."),
    "KeyInfo": record({"key": TEXT, "info": _row({**_KEY, "status": TEXT}, "The key, without its hash.")}),
    "Team": _row(
        {
            "team_id": TEXT,
            "team_alias": _NAME,
            "admins": listed(TEXT),
            "members": listed(TEXT),
            "members_with_roles": listed(record({"user_id": TEXT, "user_email": _NAME, "role": TEXT})),
            "team_member_budget": _USD,
            **_COMMON,
        },
        "A team.",
    ),
    "Membership": record(
        {
            "user_id": TEXT,
            "team_id": TEXT,
            "budget_id": _NAME,
            "spend": NUMBER,
            "total_spend": NUMBER,
            "litellm_budget_table": nullable({"type": "object"}),
        }
    ),
    "TeamInfo": record(
        {
            "team_id": TEXT,
            "team_info": ref("Team"),
            "keys": listed(ref("Key")),
            "team_memberships": listed(ref("Membership")),
        }
    ),
    "User": _row(
        {
            "user_id": TEXT,
            "user_email": _NAME,
            "user_alias": _NAME,
            "user_role": _NAME,
            "teams": listed(TEXT),
            **_COMMON,
        },
        "A user.",
    ),
    "UserInfo": record(
        {
            "user_id": _NAME,
            "user_info": nullable(ref("User")),
            "keys": listed(ref("Key")),
            "teams": listed(ref("Team")),
        }
    ),
}


@cache
def schemas() -> Mapping[str, Schema]:
    """All schemas that are named here: answers, and the bodies as their models have them."""
    models = list(dict.fromkeys(_BODIES.values()))
    _, said = models_json_schema([(each, "validation") for each in models], ref_template="#/components/schemas/{model}")
    return {**said["$defs"], **_ROWS}


def _page(name: str, item: Schema, page: str, *more: str) -> Schema:
    return record({name: listed(item), **dict.fromkeys((*more, page), INTEGER)})


def _act(
    route: str, id: str, tag: str, says: str, gives: Schema, *errors: int, **more: Any
) -> tuple[tuple[str, str], Operation]:
    method, _, path = route.partition(" ")
    body = _BODIES.get(route)
    takes = None if body is None else json_body(ref(body.__name__))
    optional = body is not None and not any(field.is_required() for field in body.model_fields.values())
    return (method, path), Operation(
        id=id,
        tag=tag,
        says=says,
        gives=json_body(gives),
        takes=takes,
        optional=optional,
        errors=(400, *((413,) if body else ()), *errors),
        **more,
    )


_KEY_LINKS: Final = {
    "info": {"operationId": "keyInfo", "parameters": {"key": "$response.body#/token"}},
    "regenerate": link("regenerateKeyByPath", key="token"),
}
_PAGE: Final = query("page", integer(1), "Which page, from 1.")
_ORDER: Final = query("sort_order", enum(["asc", "desc"]), "desc if nothing is said.")


def _sorts(*names: str) -> Schema:
    return query("sort_by", enum(names), "The newest first if nothing is said.")


KEYS: Final[Table] = dict(
    (
        _act("POST /key/generate", "generateKey", "Keys", "A new key.", ref("NewKey"), 404, links=_KEY_LINKS),
        _act(
            "POST /key/service-account/generate",
            "generateServiceAccountKey",
            "Keys",
            "A new key of a team, and of no user.",
            ref("NewKey"),
            links=_KEY_LINKS,
        ),
        _act(
            "GET /key/info",
            "keyInfo",
            "Keys",
            "What is known of a key; of the one that asks if none is named.",
            ref("KeyInfo"),
            404,
            asks=(query("key", TEXT, "The key, its hash, or its key_id."),),
        ),
        _act(
            "GET /key/list",
            "listKeys",
            "Keys",
            "One page of keys: their hashes, or all that is known of them.",
            record(
                {
                    "keys": listed({"anyOf": [TEXT, ref("Key")]}),
                    "total_count": INTEGER,
                    "current_page": INTEGER,
                    "total_pages": INTEGER,
                },
                additionalProperties=True,
            ),
            asks=(
                _PAGE,
                query("size", integer(1, 100), "As many on it at most."),
                query("user_id", TEXT, "Of this user."),
                query("team_id", TEXT, "Of this team."),
                query("key_alias", TEXT, "Of this name."),
                query("key_hash", TEXT, "This one."),
                query("return_full_object", FLAG, "Whether all that is known."),
                query("status", enum(["active", "expired", "revoked", "deleted"]), "In this state."),
                _ORDER,
            ),
        ),
        _act("POST /key/update", "updateKey", "Keys", "Change a key.", {"type": "object"}, 404),
        _act(
            "POST /key/delete",
            "deleteKeys",
            "Keys",
            "Delete keys: all of them or none.",
            record({"deleted_keys": listed(TEXT)}, additionalProperties=True),
            404,
        ),
        _act("POST /key/block", "blockKey", "Keys", "Let a key be used no more.", ref("Key"), 404),
        _act("POST /key/unblock", "unblockKey", "Keys", "Let it be used again.", ref("Key"), 404),
        _act("POST /key/regenerate", "regenerateKey", "Keys", "A new secret for a key.", ref("NewKey"), 404),
        _act("POST /key/{key}/regenerate", "regenerateKeyByPath", "Keys", "The same.", ref("NewKey"), 404),
        _act(
            "POST /key/{key}/reset_spend",
            "resetSpend",
            "Keys",
            "Begin the budget of a key anew.",
            {"type": "object"},
            404,
        ),
    )
)
TEAMS: Final[Table] = dict(
    (
        _act(
            "POST /team/new",
            "newTeam",
            "Teams",
            "A new team.",
            ref("Team"),
            404,
            409,
            links={"info": {"operationId": "teamInfo", "parameters": {"team_id": "$response.body#/team_id"}}},
        ),
        _act(
            "GET /team/info",
            "teamInfo",
            "Teams",
            "A team with its newest keys.",
            ref("TeamInfo"),
            404,
            asks=(query("team_id", TEXT, "Which team; that of the key if none is named."),),
        ),
        _act(
            "GET /team/list",
            "listTeams",
            "Teams",
            "All teams, with their keys.",
            listed(ref("Team")),
            asks=(query("user_id", TEXT, "Of this user."), query("team_id", TEXT, "This one.")),
        ),
        _act(
            "GET /v2/team/list",
            "pageTeams",
            "Teams",
            "One page of teams.",
            _page("teams", ref("Team"), "page", "total", "page_size", "total_pages"),
            asks=(
                _PAGE,
                query("page_size", integer(1, 100), "As many on it at most."),
                query("team_alias", TEXT, "With this in their name."),
                query("search", TEXT, "With this in their name, or of this id."),
                _sorts("created_at", "updated_at", "team_id", "team_alias"),
                _ORDER,
            ),
        ),
        _act("POST /team/update", "updateTeam", "Teams", "Change a team.", {"type": "object"}, 404),
        _act(
            "POST /team/delete",
            "deleteTeams",
            "Teams",
            "Delete teams with their keys: all of them or none.",
            record({"deleted_teams": listed(TEXT)}),
            404,
        ),
        _act("POST /team/member_add", "addMember", "Teams", "Let somebody in.", ref("Team"), 404, 409),
        _act("POST /team/member_update", "updateMember", "Teams", "Change a member.", {"type": "object"}, 404),
        _act("POST /team/member_delete", "deleteMember", "Teams", "Let somebody go.", ref("Team"), 404),
        _act("POST /team/block", "blockTeam", "Teams", "Let its keys be used no more.", ref("Team"), 404),
        _act("POST /team/unblock", "unblockTeam", "Teams", "Let them be used again.", ref("Team"), 404),
    )
)
USERS: Final[Table] = dict(
    (
        _act(
            "POST /user/new",
            "newUser",
            "Users",
            "A new user, with a key.",
            {**ref("User")},
            404,
            409,
            links={"info": {"operationId": "userInfo", "parameters": {"user_id": "$response.body#/user_id"}}},
        ),
        _act(
            "GET /user/info",
            "userInfo",
            "Users",
            "A user with keys and teams.",
            ref("UserInfo"),
            404,
            asks=(query("user_id", TEXT, "Which user; that of the key if none is named."),),
        ),
        _act(
            "GET /user/list",
            "listUsers",
            "Users",
            "One page of users.",
            _page("users", ref("User"), "page", "total", "page_size", "total_pages"),
            asks=(
                _PAGE,
                query("page_size", integer(1, 100), "As many on it at most."),
                query("role", TEXT, "With this role."),
                query("user_ids", TEXT, "These alone, with commas between."),
                query("user_email", TEXT, "With this in their address."),
                query("team", TEXT, "Of this team."),
                query("search", TEXT, "With this in their address or id."),
                _sorts("created_at", "updated_at", "user_id", "user_email", "user_alias", "user_role"),
                _ORDER,
            ),
        ),
        _act("POST /user/update", "updateUser", "Users", "Change a user.", {"type": "object"}, 404, 409),
        _act("POST /user/delete", "deleteUsers", "Users", "Delete users with their keys; how many.", integer(0), 404),
    )
)
