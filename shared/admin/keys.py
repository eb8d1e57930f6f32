"""Virtual keys: made, changed, made anew, blocked and deleted, each in one transaction with its account and its alias.

Key      by the hash of the key itself       a regenerated key is another one of the same `key_id`
Grace    by the hash of a key's old self     for a while, where whoever regenerates it says so: see `graces`
Account  by `key_id`                         stays for ever: the ledger has to agree
Alias    by the alias                        so that two cannot have one
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from shared.admin.asked import (
    Asked,
    audit,
    budgeted,
    caps_of,
    expiry,
    kept,
    labels,
    spent_only,
    text_of,
    visible,
)
from shared.admin.former import remember
from shared.admin.graces import begin, refuse_taken, until
from shared.admin.keyring import KeyRing
from shared.admin.names import new_secret
from shared.admin.people import alias_id, may_lead, others_of_key, team_for_key
from shared.admin.terms import changed_key, new_key
from shared.app import App
from shared.domain.access import Caller
from shared.domain.account import Account, at, spend
from shared.domain.cost import dollars
from shared.domain.errors import BadRequest, Conflict, NotFound
from shared.domain.ids import new_key_id
from shared.domain.keys import Alias, Grace, Key, User
from shared.domain.secret_key import hashed, shown
from shared.storage.ports import Exists, Transaction

__all__ = ["Made", "account_of", "block", "delete", "generate", "place", "regenerate", "reset_spend", "update"]

_TRIES: Final = 3
_MOST_AT_ONCE: Final = 200  # keys in one transaction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Made:
    """A key with its account, and the key itself: the only time that anybody sees it."""

    key: Key
    account: Account
    secret: str = field(repr=False)


def generate(app: App, by: Caller, asked: Asked) -> Made:
    """A new key. BadRequest where its alias or the key itself is taken, or its team does not exist."""
    secret, key_id = new_secret(app, asked.get("key")), new_key_id()
    asked = new_key(app, asked)

    def body(tx: Transaction) -> Made:
        return place(tx, app, by, asked, key_id=key_id, secret=secret)()

    made = _transact(app, body)
    audit(by, "key/generate", made.key.key_id, asked)
    return made


def place(
    tx: Transaction,
    app: App,
    by: Caller,
    asked: Asked,
    *,
    key_id: str,
    secret: str | None = None,
    fresh_user: User | None = None,
) -> Callable[[], Made]:
    """Read all that a new key needs; what is returned writes it. `fresh_user`: whom the same transaction makes."""
    secret = secret or new_secret(app, asked.get("key"))
    now, id = app.now(), hashed(app.key_pepper, secret)
    refuse_taken(tx, id, "key", now)
    fields = kept("{}", asked)
    key = Key(
        id=id,
        key_id=key_id,
        key_name=shown(secret),
        key_alias=text_of(asked.get("key_alias")),
        user_id=text_of(asked.get("user_id")),
        team_id=text_of(asked.get("team_id")),
        models=tuple(asked.get("models") or ()),
        rpm_limit=asked.get("rpm_limit"),
        key_type=asked.get("key_type") or "default",
        allowed_routes=tuple(asked.get("allowed_routes") or ()),
        tags=labels(fields),
        visibility=visible(fields),
        blocked=bool(asked.get("blocked")),
        expires_at=expiry(asked, None, now),
        fields=fields,
        created_at=now,
        created_by=by.user or by.key,
        updated_at=now,
    )
    write_others = others_of_key(tx, app, by, key, None, fresh_user=fresh_user)
    account = budgeted(Account(id=key_id, name=f"Key={key.key_alias or key.key_name}"), asked, now)
    account = replace(account, caps=caps_of(fields))

    def write() -> Made:
        tx.add(key)
        tx.put(account)
        write_others()
        return Made(key, account, secret)

    return write


def update(app: App, by: Caller, key: Key, asked: Asked) -> tuple[Key, Account]:
    """The key with what is asked for.

    NotFound where it was deleted or made anew meanwhile, Conflict where it is of another user or team: by those it was
    judged who may do this.
    """
    asked = changed_key(app, asked)

    def body(tx: Transaction) -> tuple[Key, Account]:
        before, account = _live(tx, key)
        after, account = _changed(app, before, account, asked)
        write_others = others_of_key(tx, app, by, after, before)
        tx.put(after)
        tx.put(account)
        write_others()
        return after, account

    changed = _transact(app, body)
    _forget(app, changed[0])
    audit(by, "key/update", changed[0].key_id, asked)
    return changed


def regenerate(app: App, by: Caller, key: Key, asked: Asked) -> Made:
    """Another secret for the same key, and what else is asked for. The old one is none from now on, or from when its
    grace period is over.

    Of two at once one is first; for the other the key that it names does not exist any more.
    """
    asked = changed_key(app, asked)
    secret = new_secret(app, asked.get("new_key"))
    id, now = hashed(app.key_pepper, secret), app.now()
    over = until(asked, now)

    def body(tx: Transaction) -> Made:
        before, account = _live(tx, key)
        refuse_taken(tx, id, "new_key", now, of=key.key_id)
        fresh = replace(before, id=id, key_name=shown(secret), rotations=before.rotations + 1)
        after, account = _changed(app, fresh, account, asked)
        write_others = others_of_key(tx, app, by, after, before)
        tx.delete(Key, before.id)
        remember(tx, before, now, lives=True)
        tx.add(after)
        begin(tx, before, after, over)
        tx.put(account)
        write_others()
        return Made(after, account, secret)

    made = _transact(app, body)
    _forget(app, key)
    audit(by, "key/regenerate", made.key.key_id, asked)
    return made


def block(app: App, by: Caller, key: Key, *, blocked: bool) -> tuple[Key, Account]:
    """The key, which may not be used any more, or may be again."""

    def body(tx: Transaction) -> tuple[Key, Account]:
        before, account = _live(tx, key)
        if not by.admin:
            may_lead(by, team_for_key(tx, before.team_id))
        after = replace(before, blocked=blocked, updated_at=app.now())
        tx.put(after)
        return after, account

    changed = app.documents.transact(body)
    _forget(app, key)
    audit(by, "key/block" if blocked else "key/unblock", key.key_id, {"blocked": blocked})
    return changed


def reset_spend(app: App, by: Caller, key: Key, usd: object) -> tuple[Account, int]:
    """The account, whose budget begins anew with so much of it spent, and what was spent of it before."""

    def body(tx: Transaction) -> tuple[Account, int]:
        _, account = _live(tx, key)
        after = spent_only(at(account, app.now()), usd, "reset_to")
        if account.max_budget is not None and spend(after) > account.max_budget:
            message = f"reset_to ({dollars(spend(after))}) must be <= budget ({dollars(account.max_budget)})"
            raise BadRequest(message, param="reset_to", code="invalid_value")
        tx.put(after)
        return after, spend(at(account, app.now()))

    changed = app.documents.transact(body)
    audit(by, "key/reset_spend", key.key_id, {"reset_to": usd})
    return changed


def delete(app: App, by: Caller, keys: Sequence[Key]) -> int:
    """Delete keys with their aliases, a number of them at a time; how many there still were. Accounts stay.

    So do keys that are of another user or team meanwhile.
    """
    done = 0
    for first in range(0, len(keys), _MOST_AT_ONCE):
        some = keys[first : first + _MOST_AT_ONCE]

        def body(tx: Transaction, some: Sequence[Key] = some) -> list[Key]:
            found = [live for each in some if (live := tx.get(Key, each.id)) is not None and _same(live, each)]
            for each in found:
                tx.delete(Key, each.id)
                remember(tx, each, app.now())
                if each.key_alias is not None:
                    tx.delete(Alias, alias_id(each.key_alias))
            return found

        for each in app.documents.transact(body):
            _forget(app, each)
            audit(by, "key/delete", each.key_id, {})
            done += 1
    return done


def account_of(app: App, id: str) -> Account:
    """The account as it is now; an empty one where there is none."""
    return at(app.documents.get(Account, id) or Account(id=id), app.now())


def _live(tx: Transaction, key: Key) -> tuple[Key, Account]:
    found = tx.get(Key, key.id)
    if found is None:
        raise NotFound("Key not found.", param="key", code="key_not_found")
    if not _same(found, key):
        raise Conflict("The key was changed meanwhile. Ask again.", param="key", code="key_changed")
    return found, tx.get(Account, found.key_id) or Account(id=found.key_id)


def _same(found: Key, seen: Key) -> bool:
    """Whether it is still of the user and the team by whom it was judged who may change it."""
    return (found.user_id, found.team_id) == (seen.user_id, seen.team_id)


def _changed(app: App, key: Key, account: Account, asked: Asked) -> tuple[Key, Account]:
    now, fields = app.now(), kept(key.fields, asked)
    said: dict[str, Any] = {name: text_of(asked[name]) for name in ("key_alias", "user_id", "team_id") if name in asked}
    said |= {name: tuple(asked[name] or ()) for name in ("models", "allowed_routes") if name in asked}
    after = replace(
        key,
        **said,
        rpm_limit=asked.get("rpm_limit", key.rpm_limit),
        key_type=asked.get("key_type", key.key_type) or "default",
        tags=labels(fields),
        visibility=visible(fields),
        blocked=bool(asked.get("blocked", key.blocked)),
        expires_at=expiry(asked, key.expires_at, now),
        fields=fields,
        updated_at=now,
    )
    account = replace(account, name=f"Key={after.key_alias or after.key_name}", caps=caps_of(fields))
    return after, budgeted(account, asked, now)


def _transact(app: App, body: Callable[[Transaction], T]) -> T:
    """What was free when it was read, and is taken when it is written, is read again."""
    for _ in range(_TRIES - 1):
        try:
            return app.documents.transact(body)
        except Exists:
            continue
    return app.documents.transact(body)


def _forget(app: App, key: Key) -> None:
    for kind in (Key, Grace):
        app.remembered(KeyRing).forget(kind, key.id)
