"""`/user`: users, with LiteLLM's routes and fields."""

from collections.abc import Iterator
from typing import Any, Final

from flask import Response

from functions.admin.authority import own_user
from functions.admin.bodies import asked
from functions.admin.pages import count, kept, newest, page_of, records
from functions.admin.people_bodies import USER_BODIES as BODIES
from functions.admin.people_bodies import DeleteUsers, NewUser, UpdateUser
from functions.admin.rows import key_row, team_row, user_row
from functions.answers import stream_answer
from functions.http import Call, route
from shared.admin import users
from shared.admin.keys import account_of
from shared.admin.sight import sees_all, sees_team
from shared.admin.teams import find as find_team
from shared.domain.errors import NotFound
from shared.domain.keys import User
from shared.storage.queries import KEYS, KEYS_OF_USER, TEAMS, USERS

__all__ = ["BODIES", "ROUTES"]

_SHOWN: Final = 100  # keys in one answer
_KEPT: Final = {"organization_ids": ("organization_id", "organizations"), "sso_user_ids": ("sso_user_id",)}
_SORTS: Final = {
    name: (lambda user, name=name: getattr(user, name))
    for name in ("created_at", "updated_at", "user_id", "user_email", "user_alias", "user_role")
}


def new(call: Call) -> dict[str, Any]:
    """The user and, unless none is wanted, a key: shown here and never again."""
    welcome = users.create(call.app, call.caller, asked(call.request, NewUser))
    row, made = user_row(welcome.user, welcome.account), welcome.made
    if made is None:
        return {**row, "key": ""}
    key = key_row(made.key)
    of_key = {name: key[name] for name in ("key_name", "key_alias", "expires", "team_id", "created_by", "token")}
    return {**row, **of_key, "token_id": key["token"], "key": made.secret}


def info(call: Call) -> dict[str, Any]:
    """A user with the newest keys, and with the teams. A foreign user answers like an unknown one."""
    if not call.request.args.get("user_id") and call.caller.user is None and sees_all(call.caller):
        return _of_nobody(call)
    user = _own(call)
    teams = [team for each in user.teams if (team := find_team(call.app, each)) is not None]
    aliases = {team.team_id: team.team_alias for team in teams}
    keys = newest(call, KEYS_OF_USER, user.user_id, limit=_SHOWN)
    return {
        "user_id": user.user_id,
        "user_info": user_row(user, account_of(call.app, user.account)),
        "keys": [
            {
                **key_row(each, account_of(call.app, each.key_id)),
                "team_alias": None if each.team_id is None else aliases.get(each.team_id),
            }
            for each in keys
        ],
        "teams": [team_row(each, account_of(call.app, each.account)) for each in teams if sees_team(call.caller, each)],
    }


def alone(call: Call) -> dict[str, Any]:
    """The same user without keys and teams."""
    user = _own(call)
    return user_row(user, account_of(call.app, user.account))


def listing(call: Call) -> dict[str, Any]:
    """One page of users, newest first."""
    args = call.request.args
    ids = [each.strip() for each in args.get("user_ids", "").split(",") if each.strip()]
    asked_for = kept(call, _KEPT)
    email, search = args.get("user_email", "").lower(), args.get("search", "").lower()

    def keep(user: User) -> bool:
        address = (user.user_email or "").lower()
        return (
            (not args.get("role") or args["role"] == user.user_role)
            and (not ids or user.user_id in ids or (len(ids) == 1 and ids[0].lower() in user.user_id.lower()))
            and email in address
            and (not args.get("team") or args["team"] in user.teams)
            and (not search or search in address or search in user.user_id.lower())
            and asked_for(user)
        )

    page = page_of(
        call,
        _all(call),
        size="page_size",
        default=25,
        sorts=_SORTS,
        account=lambda each: str(each.account),
        keep=keep,
        order="asc",
    )
    return {
        "users": [
            {**user_row(user, account_of(call.app, user.account)), "key_count": count(call, KEYS_OF_USER, user.user_id)}
            for user in page.items
        ],
        **page.numbers,
    }


def update(call: Call) -> dict[str, Any]:
    """Changes of the user whom `user_id` names or, without it, `user_email`; a new one where nobody has that address,
    as at LiteLLM.
    """
    wanted = asked(call.request, UpdateUser)
    user_id = wanted.pop("user_id", None)
    known = None if user_id is not None else users.find_by_email(call.app, wanted["user_email"])
    if user_id is None and known is None:
        welcome = users.create(call.app, call.caller, {**wanted, "auto_create_key": False})
        user, account = welcome.user, welcome.account
    else:
        id = user_id if known is None else known.user_id
        user, account = users.update(call.app, call.caller, id, wanted)
    row = user_row(user, account)
    return {"user_id": user.user_id, "data": row, **{name: row[name] for name in row if name != "data"}}


def delete(call: Call) -> Response:
    """How many were deleted: a number and nothing else, as at LiteLLM."""
    number = users.delete(call.app, call.caller, asked(call.request, DeleteUsers)["user_ids"])
    payload = str(number).encode()
    return stream_answer((payload,), mimetype="application/json", length=len(payload))


ROUTES: Final = (
    route("POST", "/user/new", new, admin=True),
    route("GET", "/user/info", info),
    route("GET", "/v2/user/info", alone),
    route("GET", "/user/list", listing, admin=True),
    route("POST", "/user/update", update, admin=True),
    route("POST", "/user/delete", delete, admin=True),
)


def _all(call: Call) -> Iterator[User]:
    return records(call, USERS)


def _of_nobody(call: Call) -> dict[str, Any]:
    """What the master key has: the newest keys and teams of all."""
    return {
        "user_id": None,
        "user_info": None,
        "keys": [key_row(each, account_of(call.app, each.key_id)) for each in newest(call, KEYS, limit=_SHOWN)],
        "teams": [team_row(each, account_of(call.app, each.account)) for each in newest(call, TEAMS, limit=_SHOWN)],
    }


def _own(call: Call) -> User:
    """The user who is named, or the caller's own, as far as the caller may see him."""
    user_id = call.request.args.get("user_id") or call.caller.user
    user = None if user_id is None else own_user(call, user_id)
    if user is None:
        message = f"User {(user_id or '')[:256]} not found"
        raise NotFound(message, param="user_id", code="user_not_found", type="not_found_error")
    return user
