"""What the body of an admin's request asks for: some of it acts, and all of it is given back.

A body comes as the fields that were sent, already of the right types. A field that is absent changes nothing; null
takes a limit away. What acts stands in the record and in its account; see `ACTS`. All else is kept, and has no effect
here: `tpm_limit`, `soft_budget`, `max_parallel_requests`, `model_rpm_limit`, `model_tpm_limit`, `aliases`,
`model_aliases`, `config`, `permissions`, `guardrails`, `organization_id`, and whatever LiteLLM may come to know. Caps
on money and access that nothing here would hold do not come so far.

Durations that are empty strings change nothing, either: so forms are read at LiteLLM (1.106.2,
`prepare_key_update_data`), and whoever posts one must not make a key immortal.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from shared.admin.shown import is_fact
from shared.domain.access import Caller
from shared.domain.account import Account, Caps, at, spend
from shared.domain.cost import dollars, nano
from shared.domain.durations import after, next_reset
from shared.domain.errors import BadRequest
from shared.domain.keys import Member
from shared.log import log
from shared.storage.ports import Transaction

__all__ = [
    "ACTS",
    "Asked",
    "amount",
    "audit",
    "begun",
    "budgeted",
    "caps_of",
    "expiry",
    "kept",
    "labels",
    "spent_only",
    "text_of",
    "visible",
    "whole",
]

Asked = Mapping[str, Any]

ACTS: Final = frozenset(
    {  # in a record or its account, and so not among what is only kept
        *("key", "keys", "key_alias", "key_aliases", "new_key", "new_master_key", "user_id", "team_id", "models"),
        *("rpm_limit", "key_type", "allowed_routes", "blocked", "duration", "expires", "max_budget", "budget_duration"),
        *("budget_reset_at", "spend", "token", "token_id", "key_name", "created_at", "created_by", "updated_at"),
        *("team_alias", "members_with_roles", "members", "admins", "team_member_budget", "user_email", "user_alias"),
        *("user_role", "teams", "auto_create_key", "send_invite_email", "password", "status", "grace_period", "tags"),
    }
)
_CAPS: Final = {  # a cap of ours: what it is called in a body
    "lines_per_batch": "max_batch_file_records",
    "files_per_day": "max_batch_file_uploads_per_day",
    "enqueued_tokens": "batch_enqueued_token_limit",
    "open_batches": "max_open_batches",
    "batches_per_hour": "max_batches_per_hour",
}
_MEGABYTES: Final = "max_batch_file_size_mb"
_ACTING: Final = ACTS | {  # all names of what a body can change, wherever that stands
    *(*_CAPS.values(), _MEGABYTES, "metadata", "permissions", "reset_to"),
    *("member", "role", "max_budget_in_team", "team_member_budget_duration", "team_ids", "user_ids"),
    *("organization_id", "organizations", "project_id", "agent_id", "sso_user_id"),  # lists are filtered by these
    *("enforced_file_expires_after", "enforced_batch_output_expires_after"),
}
_LONGEST: Final = 64 * 1024  # bytes of all that is kept
_DEEPEST: Final = 64  # as in a line
_MOST_TAGS, _LONGEST_TAG = 20, 128
_MOST_NAMES, _LONGEST_NAME = 50, 64  # in a log record, of fields that do nothing
_MOST: Final = 10**15  # of anything that is counted
_DIGITS: Final = re.compile(r"[0-9]{1,16}")
_NEVER: Final = {None, "-1"}  # durations of a key that does not expire


def kept(before: str, asked: Asked) -> str:
    """What is kept, as it is stored: what was there, and what is asked for.

    Tags have one place, `metadata.tags`, and who writes that or `tags` last has written both: metadata are read,
    changed and written as a whole, and so a tag can be taken away (litellm 1.106.2, `prepare_metadata_fields`).
    """
    fields: dict[str, Any] = msgspec.json.decode(before)
    fields |= {name: value for name, value in asked.items() if name not in ACTS and not is_fact(name)}
    if asked.get("tags") is not None:
        fields["metadata"] = {**(fields.get("metadata") or {}), "tags": _tags(asked["tags"], "tags")}
    if _deep(fields, _DEEPEST):
        message = f"Metadata and other fields are nested too deeply: {_DEEPEST} levels are read."
        raise BadRequest(message, code="invalid_value")
    try:
        encoded = msgspec.json.encode(fields)
    except OverflowError:
        message = "Metadata and other fields have a number of more than 64 bits."
        raise BadRequest(message, code="invalid_value") from None
    if len(encoded) > _LONGEST:
        raise BadRequest(f"Too much to keep: metadata and other fields may have {_LONGEST:,} bytes in all.")
    caps_of(encoded.decode()), labels(encoded.decode())  # what is wrong there is said before it is stored
    return encoded.decode()


def _deep(value: object, levels: int) -> bool:
    """Whether objects and arrays are in one another more than so many times."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return levels < 0 or any(_deep(each, levels - 1) for each in members)


def labels(fields: str) -> tuple[str, ...]:
    """The tags: `metadata.tags`, each of them once."""
    metadata = msgspec.json.decode(fields).get("metadata")
    said = metadata.get("tags") if isinstance(metadata, dict) else None
    found = list(dict.fromkeys(_tags(said, "metadata.tags")))
    if len(found) > _MOST_TAGS:
        raise BadRequest(f"Invalid 'tags': there may be {_MOST_TAGS}.", param="tags", code="invalid_value")
    return tuple(found)


def visible(fields: str) -> str | None:
    """`own` where `metadata.visibility` says so: what is a team's is not seen."""
    metadata = msgspec.json.decode(fields).get("metadata")
    said = metadata.get("visibility") if isinstance(metadata, dict) else None
    return "own" if said == "own" else None


def caps_of(fields: str) -> Caps:
    """What may be open or uploaded: of a field and its namesake in `metadata` the smaller one."""
    everything = msgspec.json.decode(fields)
    metadata = everything.get("metadata")
    caps = _caps(everything, "")
    return caps.under(_caps(metadata, "metadata.")) if isinstance(metadata, dict) else caps


def budgeted(account: Account, asked: Asked, now: int) -> Account:
    """The account with the budget that is asked for.

    Whoever says what is spent begins the budget anew from there: with an opening balance where that is more than what
    the ledger knows of.
    """
    account = at(account, now)
    if "max_budget" in asked:
        account = replace(account, max_budget=amount(asked["max_budget"], "max_budget"))
    if asked.get("budget_duration", "") != "":
        length = asked["budget_duration"]
        reset = None if length is None else _reset(length, now)
        account = replace(account, budget_duration=length, budget_reset_at=reset)
    if asked.get("spend") is not None:
        account = _owing(account, amount(asked["spend"], "spend") or 0)
    return account


def spent_only(account: Account, usd: object, name: str) -> Account:
    """The account, of whose budget no more than this has been spent. What it has ever spent stays as it is."""
    value = amount(usd, name) or 0
    if value > spend(account):
        message = f"{name} ({dollars(value)}) must be <= current spend ({dollars(spend(account))})"
        raise BadRequest(message, param=name, code="invalid_value")
    return _owing(account, value)


def begun(tx: Transaction, account: Callable[[int], str], now: int) -> int:
    """Since when what is made under a name is the new one's: 0, unless somebody who was deleted had it before.

    Accounts stay for ever, so they know: `account` says which is whose. Without a namesake no clock is compared with
    another machine's.
    """
    since = 0
    while tx.get(Account, account(since)) is not None:
        since = max(since + 1, now)
    return since


def expiry(asked: Asked, before: int | None, now: int) -> int | None:
    """When a key expires."""
    if asked.get("duration", "") == "":
        return before
    if asked["duration"] in _NEVER:
        return None
    found = after(asked["duration"], now)
    if found is None:
        raise _no_duration("duration")
    return found


def amount(usd: object, name: str) -> int | None:
    """Nano-dollars; None where there is no limit."""
    if usd is None or usd == "":
        return None
    try:
        return nano(usd)
    except ValueError as error:
        raise BadRequest(f"Invalid '{name}': {error}.", param=name, code="invalid_value") from None


def audit(by: Caller, act: str, target: str, asked: Asked, members: Iterable[Member] = ()) -> None:
    """Put on record who did what to whom; of a body its fields' names alone, and of `members` their ids and roles.

    All names that act come first: nobody hides one behind many that do nothing. Of those some are told, and how many
    more there are.
    """
    names = sorted(asked, key=lambda name: (name not in _ACTING, name))
    told = max(_MOST_NAMES, sum(name in _ACTING for name in asked))
    more: dict[str, Any] = {"more_fields": len(names) - told} if len(names) > told else {}
    if people := [{"user_id": each.user_id, "role": each.role} for each in members]:
        more["members"] = people
    fields = [name[:_LONGEST_NAME] for name in names[:told]]
    log("admin_act", audit=True, actor=by.key, act=act, target=target, fields=fields, **more)


def whole(value: object) -> int | None:
    """A whole number, which may be written in digits: Terraform's `metadata` is a map of strings. None for all else."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text_of(value: object) -> str | None:
    """A string; None also for an empty one."""
    return str(value) if value else None


def _owing(account: Account, nano: int) -> Account:
    """The account, of whose budget so much is spent. What it has ever spent stays as it is: that is the ledger's."""
    return replace(account, before=account.spent - nano)


def _reset(length: str, now: int) -> int:
    try:
        return next_reset(length, now)
    except ValueError:
        raise _no_duration("budget_duration") from None


def _no_duration(name: str) -> BadRequest:
    message = f"Invalid '{name}': not a duration such as '30s', '10m', '24h', '30d', '1w' or '1mo'."
    return BadRequest(message, param=name, code="invalid_value")


def _tags(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(tag, str) and 0 < len(tag) <= _LONGEST_TAG for tag in value):
        message = f"Invalid '{name}': expected an array of strings of at most {_LONGEST_TAG} characters."
        raise BadRequest(message, param=name, code="invalid_type")
    return value


def _caps(said: Mapping[str, Any], front: str) -> Caps:
    found: dict[str, int | None] = {}
    for cap, name in _CAPS.items():
        value = whole(said.get(name))
        if said.get(name) is not None and (value is None or not 0 <= value <= _MOST):
            raise _no_cap(f"{front}{name}", "a whole number")
        found[cap] = value
    size: Any = said.get(_MEGABYTES)
    size = size if isinstance(size, float) else whole(size)
    if said.get(_MEGABYTES) is not None and (size is None or not 0 <= size <= 2**30):
        raise _no_cap(f"{front}{_MEGABYTES}", "a number")
    return Caps(**found, file_bytes=None if size is None else int(size * 2**20))


def _no_cap(name: str, kind: str) -> BadRequest:
    return BadRequest(f"Invalid '{name}': expected {kind} of 0 or more, or null.", param=name, code="invalid_type")
