"""`/key/list`: the keys that somebody may see, a page at a time."""

import heapq
from collections.abc import Iterator
from typing import Any, Final

from functions.admin.authority import own_teams
from functions.admin.pages import flag, kept, page_of, records
from functions.admin.rows import key_row, status_of
from functions.http import Call
from shared.admin.keys import account_of
from shared.admin.names import find
from shared.admin.sight import leads_team, sees_all, sees_team
from shared.admin.teams import find as find_team
from shared.domain.errors import BadRequest, Forbidden
from shared.domain.keys import Key
from shared.storage.queries import KEYS, KEYS_OF_ALIAS, KEYS_OF_KEY_ID, KEYS_OF_TEAM, KEYS_OF_USER

__all__ = ["listing"]

_LONGEST: Final = 256
_STATUSES: Final = ("active", "expired", "revoked", "deleted")
_SORTS: Final = {
    name: (lambda key, name=name: getattr(key, name))
    for name in ("created_at", "updated_at", "key_alias", "key_name", "user_id", "team_id", "created_by")
} | {"token": lambda key: key.id, "expires": lambda key: key.expires_at}
_KEPT: Final = {
    "organization_id": ("organization_id",),
    "project_id": ("project_id",),
    "access_group_id": ("access_group_id", "access_group_ids"),
    "agent_id": ("agent_id",),
}


def listing(call: Call) -> dict[str, Any]:
    """One page of keys, newest first: their hashes, or with `return_full_object` all that is known of them."""
    args, now = call.request.args, call.app.now()
    status, expires, search = args.get("status"), args.get("expires"), args.get("search", "").lower()
    if status is not None and status not in _STATUSES:
        raise _not_among("status", _STATUSES)
    if expires is not None and expires not in _STATUSES[:2]:
        raise _not_among("expires", _STATUSES[:2])
    part, teams, asked = flag(call, "substring_matching"), flag(call, "include_team_keys"), kept(call, _KEPT)

    def fits(name: str, value: str | None) -> bool:
        said = args.get(name)
        if not said:
            return True
        return said.lower() in (value or "").lower() if part and name != "team_id" else said == value

    def keep(key: Key) -> bool:
        gone = key.expires_at is not None and key.expires_at <= now
        return (
            fits("user_id", key.user_id)
            and fits("key_alias", key.key_alias)
            and fits("team_id", key.team_id)
            and (not search or search == key.id or search in (key.key_alias or "").lower())
            and (status is None or status == status_of(key, now))
            and (expires is None or (expires == "expired") == gone)
            and asked(key)
        )

    found = _all(call, part=part) if sees_all(call.caller) else _own(call, teams=teams)
    page = page_of(call, found, size="size", default=10, sorts=_SORTS, account=lambda each: str(each.key_id), keep=keep)
    full = flag(call, "return_full_object") or "user" in args.getlist("expand")
    return {
        "keys": [key_row(each, account_of(call.app, each.key_id)) if full else each.id for each in page.items],
        "total_count": page.total,
        "current_page": page.number,
        "total_pages": page.pages,
    }


def _all(call: Call, *, part: bool) -> Iterator[Key]:
    """What the narrowest of the queries finds."""
    args = call.request.args
    if _too_long(call):
        return iter(())
    if args.get("key_hash"):
        found = find(call.app, args["key_hash"])
        return iter(() if found is None else (found,))
    if args.get("key_alias") and not part:
        return records(call, KEYS_OF_ALIAS, args["key_alias"])
    if args.get("team_id"):
        return records(call, KEYS_OF_TEAM, args["team_id"])
    if args.get("user_id") and not part:
        return records(call, KEYS_OF_USER, args["user_id"])
    return records(call, KEYS)


def _own(call: Call, *, teams: bool) -> Iterator[Key]:
    """What one who is no admin may see of it: the own keys, and those of a team that is led and named. With `teams`
    those of all teams that are led. Forbidden where somebody else's are named.
    """
    args, caller = call.request.args, call.caller
    if _too_long(call):
        raise _foreign("team_id" if args.get("team_id") else "user_id")
    if args.get("team_id"):
        team = find_team(call.app, args["team_id"])
        if team is None or not sees_team(caller, team):
            raise _foreign("team_id")
        if leads_team(caller, team):
            return _hashed(call, records(call, KEYS_OF_TEAM, team.team_id))
    if args.get("user_id") not in {None, "", caller.user}:
        raise _foreign("user_id")
    own = records(call, KEYS_OF_KEY_ID, caller.key) if caller.user is None else records(call, KEYS_OF_USER, caller.user)
    streams = [own]
    if teams:
        led = [team for team in own_teams(call) if leads_team(caller, team)]
        streams += [records(call, KEYS_OF_TEAM, team.team_id) for team in led]
    return _hashed(call, _once(streams))


def _once(streams: list[Iterator[Key]]) -> Iterator[Key]:
    """Newest first, each key once: one of a team may be one's own, too."""
    last = None
    for key in heapq.merge(*streams, key=lambda each: (each.created_at, each.id), reverse=True):
        if key.id != last:
            last = key.id
            yield key


def _hashed(call: Call, found: Iterator[Key]) -> Iterator[Key]:
    """Of them the one that `key_hash` names, if it names one."""
    if not call.request.args.get("key_hash"):
        return found
    named = find(call.app, call.request.args["key_hash"])
    return (each for each in found if named is not None and each.id == named.id)


def _too_long(call: Call) -> bool:
    """Whether something is asked for that no record has, and that stores refuse to look for."""
    return any(
        len(call.request.args.get(name, "")) > _LONGEST for name in ("key_hash", "key_alias", "team_id", "user_id")
    )


def _foreign(name: str) -> Forbidden:
    return Forbidden(
        f"Only an admin may list the keys of another {name.removesuffix('_id')}.", param=name, type="auth_error"
    )


def _not_among(name: str, words: tuple[str, ...]) -> BadRequest:
    quoted = ", ".join(f"'{word}'" for word in words)
    return BadRequest(f"Invalid {name} value. Supported: {quoted}.", param=name, code="invalid_value")
