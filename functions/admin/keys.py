"""`/key`: virtual keys, with LiteLLM's routes and fields.

A key is shown when it is generated and when it is generated anew, and never again. Whoever names a key in a request
names it by itself, by its hash, by its SHA-256 or by its `key_id`, and gets it back as it was named.
"""

from collections.abc import Callable
from typing import Any, Final

from functions.admin.authority import may_ask, may_change, may_have_secret, may_manage, may_permit, own_key
from functions.admin.bodies import asked, judged
from functions.admin.key_bodies import (
    BODIES,
    BlockKey,
    DeleteKeys,
    GenerateKey,
    RegenerateKey,
    ResetSpend,
    ServiceAccountKey,
    UpdateKey,
)
from functions.admin.key_lists import listing
from functions.admin.rows import iso, key_row, status_of
from functions.body import json_object
from functions.http import Call, route
from shared.admin import keys
from shared.admin.keys import Made, account_of
from shared.admin.names import find, find_alias
from shared.admin.old_secrets import Old, end, find_in_use, find_old
from shared.admin.teams import find as find_team
from shared.app import App
from shared.domain.account import spend
from shared.domain.cost import dollars
from shared.domain.errors import BadRequest, Conflict, NotFound
from shared.domain.keys import Key

__all__ = ["BODIES", "ROUTES"]

_LONGEST_KEY: Final = 300
_MOST: Final = 200  # keys in one body


def generate(call: Call) -> dict[str, Any]:
    may_ask(call)
    body = json_object(call.request)
    may_manage(call, body.get("team_id"))
    wanted = judged(body, GenerateKey)
    if not call.caller.admin and wanted.get("user_id") is None:
        wanted["user_id"] = call.caller.user  # as at LiteLLM
    may_have_secret(call, wanted.get("user_id"))
    may_permit(call, wanted)
    return _made(keys.generate(call.app, call.caller, wanted))


def service_account(call: Call) -> dict[str, Any]:
    """A key of a team, and of no user."""
    wanted = asked(call.request, ServiceAccountKey)
    if find_team(call.app, wanted["team_id"]) is None:
        message = "team_id does not exist. Please specify a valid `team_id` in the request body."
        raise BadRequest(message, param="team_id", code="team_not_found")
    return _made(keys.generate(call.app, call.caller, wanted | {"user_id": None}))


def info(call: Call) -> dict[str, Any]:
    """The key that is named, or the one that asks. A foreign key answers like an unknown one."""
    named = call.request.args.get("key")
    key = own_key(call, find_in_use(call.app, named or call.caller.key))
    if key is None:
        raise _unknown()
    row = key_row(key, account_of(call.app, key.key_id)) | {"status": status_of(key, call.app.now())}
    return {"key": named or row["token"], "info": {name: value for name, value in row.items() if name != "token"}}


def update(call: Call) -> dict[str, Any]:
    may_ask(call)
    body = json_object(call.request)
    named, alias = body.get("key"), body.get("key_alias")
    key = _one(call, named) if named else _one(call, alias, find_alias)
    may_manage(call, None if key is None else key.team_id)
    wanted = judged(body, UpdateKey)
    wanted.pop("key", None)
    if key is None:
        message = "Key not found." if named else f"Key not found. No key with key_alias='{alias}'."
        raise NotFound(message, param="key" if named else "key_alias", code="key_not_found")
    may_change(call, key, wanted)
    key, account = keys.update(call.app, call.caller, key, wanted)
    return {"key": named or key.id, **key_row(key, account)}


def delete(call: Call) -> dict[str, Any]:
    """All that are named, or none: NotFound where none of them exists, BadRequest where some do not.

    Of an old secret that still works it is that secret alone.
    """
    may_ask(call)
    body = json_object(call.request)
    look = find_in_use if body.get("keys") else find_alias
    if not call.caller.admin:
        for each in _some(body.get("keys") or body.get("key_aliases")):
            key = _one(call, each, look)
            may_manage(call, None if key is None else key.team_id)
    wanted = judged(body, DeleteKeys)
    named: list[str] = wanted.get("keys") or wanted["key_aliases"]
    found: list[Key] = []
    olds: list[Old] = []
    for each in named:
        if (key := (find if wanted.get("keys") else find_alias)(call.app, each)) is not None:
            found.append(key)
        elif wanted.get("keys") and (old := find_old(call.app, each)) is not None:
            olds.append(old)
    there = len(found) + len(olds)
    if not there:
        raise NotFound("No keys found", param="keys", code="key_not_found")
    if there < len(named):
        message = f"Not all keys passed in exist: {len(named)} were named, {there} found. None was deleted."
        raise BadRequest(message, param="keys", code="key_not_found")
    if end(call.app, call.caller, olds) + keys.delete(call.app, call.caller, found) < there:
        message = "Some of the keys were changed or deleted meanwhile, and those were left as they are. Ask again."
        raise Conflict(message, param="keys", code="key_changed")
    return {"deleted_keys": named}


def block(call: Call) -> dict[str, Any]:
    return _blocked(call, blocked=True)


def unblock(call: Call) -> dict[str, Any]:
    return _blocked(call, blocked=False)


def regenerate(call: Call) -> dict[str, Any]:
    """Another key in place of the one that the body, the path or the query names, with what else the body asks for."""
    may_ask(call)
    body = json_object(call.request)
    named = body.get("key") or call.names.get("key") or call.request.args.get("key")
    key = _one(call, named)
    may_manage(call, None if key is None else key.team_id)
    wanted = judged(body, RegenerateKey)
    wanted.pop("key", None)
    if not named:
        raise BadRequest("No key passed in.", param="key", code="missing_required_parameter")
    if key is None:
        raise _unknown()
    may_have_secret(call, key.user_id)
    may_change(call, key, wanted)
    return _made(keys.regenerate(call.app, call.caller, key, wanted))


def reset_spend(call: Call) -> dict[str, Any]:
    """The budget begins anew, with so much of it spent."""
    wanted = asked(call.request, ResetSpend)["reset_to"]
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        raise BadRequest("reset_to must be a number.", param="reset_to", code="invalid_type")
    key = _one(call, call.names["key"])
    if key is None:
        raise _unknown()
    account, before = keys.reset_spend(call.app, call.caller, key, wanted)
    return {
        "key_hash": key.id,
        "spend": dollars(spend(account)),
        "previous_spend": dollars(before),
        "max_budget": None if account.max_budget is None else dollars(account.max_budget),
        "budget_reset_at": iso(account.budget_reset_at),
    }


ROUTES: Final = (
    route("POST", "/key/generate", generate),
    route("POST", "/key/service-account/generate", service_account, admin=True),
    route("GET", "/key/info", info),
    route("GET", "/key/list", listing),
    route("POST", "/key/update", update),
    route("POST", "/key/delete", delete),
    route("POST", "/key/block", block),
    route("POST", "/key/unblock", unblock),
    route("POST", "/key/regenerate", regenerate),
    route("POST", "/key/{key}/regenerate", regenerate),
    route("POST", "/key/{key}/reset_spend", reset_spend, admin=True),
)


def _made(made: Made) -> dict[str, Any]:
    row = key_row(made.key, made.account)
    return {**row, "key": made.secret, "token_id": row["token"], "updated_by": row["created_by"]}


def _blocked(call: Call, *, blocked: bool) -> dict[str, Any]:
    may_ask(call)
    body = json_object(call.request)
    key = _one(call, body.get("key"), find_in_use)
    may_manage(call, None if key is None else key.team_id)
    judged(body, BlockKey)
    if key is None:
        raise _unknown()
    key, account = keys.block(call.app, call.caller, key, blocked=blocked)
    return key_row(key, account)


def _one(call: Call, named: object, look: Callable[[App, str], Key | None] = find) -> Key | None:
    """The key that is meant by what nobody has judged yet."""
    return look(call.app, named) if isinstance(named, str) and 0 < len(named) <= _LONGEST_KEY else None


def _some(named: object) -> list[object]:
    """What is named; one thing that no key can be where it is nothing."""
    return named[:_MOST] if isinstance(named, list) and named else [None]


def _unknown() -> NotFound:
    return NotFound("Key not found.", param="key", code="key_not_found", type="not_found_error")
