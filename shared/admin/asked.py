"""What the body of an admin's request asks for: some of it acts, and all of it is given back.

A body comes as the fields that were sent, already of the right types. A field that is absent changes nothing; null
takes a limit away. What acts stands in the record and in its account; see `ACTS`. All else is kept, and has no effect
here: `tpm_limit`, `tpd_limit`, `soft_budget`, `max_parallel_requests`, `model_rpm_limit`, `model_tpm_limit`, `aliases`,
`model_aliases`, `config`, `permissions`, `guardrails`, `organization_id`, and whatever LiteLLM may come to know. Caps
on money and access that nothing here would hold do not come so far.

Durations that are empty strings change nothing, either: so forms are read at LiteLLM (1.106.2,
`prepare_key_update_data`), and whoever posts one must not make a key immortal.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from shared.domain.access import Caller
from shared.domain.account import Account, Caps, at, spend
from shared.domain.cost import dollars, nano
from shared.domain.durations import after, next_reset
from shared.domain.errors import BadRequest
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
    "opened",
    "spent_only",
    "text_of",
    "visible",
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
_LONGEST: Final = 64 * 1024  # bytes of all that is kept
_DEEPEST: Final = 64  # as in a line
_MOST_TAGS, _LONGEST_TAG = 20, 128
_MOST_NAMES, _LONGEST_NAME = 50, 64  # in a log record
_MOST: Final = 10**15  # of anything that is counted
_NEVER: Final = {None, "-1"}  # durations of a key that does not expire


def kept(before: str, asked: Asked) -> str:
    """What is kept, as it is stored: what was there, and what is asked for.

    Tags have one place, `metadata.tags`, and who writes that or `tags` last has written both: metadata are read,
    changed and written as a whole, and so a tag can be taken away (litellm 1.106.2, `prepare_metadata_fields`).
    """
    fields: dict[str, Any] = msgspec.json.decode(before)
    fields |= {name: value for name, value in asked.items() if name not in ACTS}
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


def begun(tx: Transaction, id: str, now: int) -> int:
    """Since when what is made under this name is the new one's: 0, unless somebody who was deleted had it before.

    Accounts stay for ever, so they know. Without a namesake no clock is compared with another machine's.
    """
    return 0 if tx.get(Account, id) is None else now


def opened(tx: Transaction, id: str, name: str) -> Account:
    """A new account; that of a namesake who was deleted goes on, with its budget begun anew."""
    before = tx.get(Account, id)
    if before is None:
        return Account(id=id, name=name)
    return replace(
        before, name=name, max_budget=None, budget_duration=None, budget_reset_at=None, caps=Caps(), before=before.spent
    )


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


def audit(by: Caller, act: str, target: str, asked: Asked) -> None:
    """Put on record who did what to whom; of a body its fields' names alone."""
    names = [name[:_LONGEST_NAME] for name in sorted(asked)[:_MOST_NAMES]]
    log("admin_act", audit=True, actor=by.key, act=act, target=target, fields=names)


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
        value = said.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST):
            raise _no_cap(f"{front}{name}", "a whole number")
        found[cap] = value
    size = said.get(_MEGABYTES)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | float) or not 0 <= size <= 2**30):
        raise _no_cap(f"{front}{_MEGABYTES}", "a number")
    return Caps(**found, file_bytes=None if size is None else int(size * 2**20))


def _no_cap(name: str, kind: str) -> BadRequest:
    return BadRequest(f"Invalid '{name}': expected {kind} of 0 or more, or null.", param=name, code="invalid_type")
