"""What a batch does to the accounts that it is charged to: always part of the transaction that does it to the batch.

  create    one more open batch, its tokens enqueued          refused where an account has no room: 429, or 422
  prepare   what its lines are expected to cost is reserved   refused where it does not fit: the batch fails
  a move    what the lines cost more elsewhere, too: see `afford`
  collect   a shard's cost is spent, and its reservation gone: see `books`
  the end   whatever it still holds is let go

A transaction reads before it writes, so accounts are opened first and put last.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain.account import Account, Caps, at, counted, left, spend
from shared.domain.batch import Batch
from shared.domain.clock import SECOND
from shared.domain.cost import Unpriced, usd
from shared.domain.errors import OverBudget, RateLimited
from shared.steps.commit import Turn
from shared.steps.waste import throw_away

__all__ = ["Purse", "caps_of", "close", "strictest"]

_SOON: Final = 60  # seconds after which it is worth looking whether a batch has ended


def caps_of(app: App, account: Account) -> Caps:
    """What an account may have open: its own caps, and of a key's those of the configuration, too."""
    if not account.id.startswith("key-"):
        return account.caps
    limits = app.config.limits
    general = Caps(
        open_batches=limits.open_batches,
        batches_per_hour=limits.batches_per_hour,
        enqueued_tokens=limits.enqueued_tokens,
        files_per_day=limits.files_per_day,
    )
    return account.caps.under(general)


def strictest(app: App, payers: Sequence[str]) -> Caps:
    """The smallest cap of each kind that any of these accounts has: what can be said before anything is counted."""
    caps = Caps()
    for id in payers:
        caps = caps.under(caps_of(app, app.documents.get(Account, id) or Account(id=id)))
    return caps


class Purse:
    """The accounts that one batch or job is charged to, in one transaction."""

    def __init__(self, app: App, turn: Turn, payers: Sequence[str], what: str = "batch") -> None:
        """Reads them. One that is not there has no limits: a key that was deleted still pays for what it began.

        `what`: the word for what is charged, in what its caller is told.
        """
        self._app, self._turn, self._what = app, turn, what
        if payers:
            turn.prefetch(*((Account, id) for id in payers))
        self._read = [turn.get(Account, id) or Account(id=id) for id in payers]
        self.accounts = [at(account, turn.now) for account in self._read]

    @property
    def limited(self) -> bool:
        """Whether any of them has a budget."""
        return any(account.max_budget is not None for account in self.accounts)

    def admit(self, tokens: int) -> None:
        """Refuse a new batch, or count it. RateLimited says which limit and when to come again; OverBudget."""
        for account in self.accounts:
            self._refuse_spent(account)
            caps, name = caps_of(self._app, account), account.name
            if caps.open_batches is not None and account.open_batches >= caps.open_batches:
                raise RateLimited(
                    f"Too many open batches: {name} may have {caps.open_batches:,} that have not ended.",
                    type="open_batches",
                    retry_after=_SOON,
                )
            window, wait = counted(account.hour, "hour", self._turn.now)
            if caps.batches_per_hour is not None and window.used > caps.batches_per_hour:
                raise RateLimited(
                    f"Too many batches: {name} may create {caps.batches_per_hour:,} an hour.",
                    type="batches_per_hour",
                    retry_after=_seconds(wait),
                )
            self._refuse_enqueued(account, tokens)
        self.accounts = [
            replace(
                account,
                hour=counted(account.hour, "hour", self._turn.now)[0],
                open_batches=account.open_batches + 1,
                enqueued_tokens=account.enqueued_tokens + tokens,
            )
            for account in self.accounts
        ]

    def store(self) -> None:
        """Refuse a new file, or count it."""
        found = []
        for account in self.accounts:
            caps = caps_of(self._app, account)
            if caps.files_per_day is None:  # then nobody counts: uploads of one team need not wait for each other
                found.append(account)
                continue
            window, wait = counted(account.day, "day", self._turn.now)
            if window.used > caps.files_per_day:
                raise RateLimited(
                    f"Too many files: {account.name} may upload {caps.files_per_day:,} a day.",
                    type="files_per_day",
                    retry_after=_seconds(wait),
                )
            found.append(replace(account, day=window))
        self.accounts = found

    def why_not(self, nano: int, tokens: int, enqueued: int) -> tuple[str, str] | None:
        """Code and message where so much cannot be reserved or enqueued; `enqueued` are counted already."""
        for account in self.accounts:
            why = _too_dear(account, nano, f"This {self._what} is expected to cost about {usd(nano)}")
            if why is not None:
                return why
            most = caps_of(self._app, account).enqueued_tokens
            if most is not None and account.enqueued_tokens - enqueued + tokens > most:
                message = (
                    f"Enqueued token limit reached for {account.name}. Limit: {most:,} enqueued tokens. "
                    "Please try again once some in_progress batches have been completed."
                )
                return "token_limit_exceeded", message
        return None

    def why_too_dear(self, nano: int, expected: str) -> tuple[str, str] | None:
        """The same of what runs already, and holds its tokens: so much more. `expected`: how the message begins."""
        found = (_too_dear(account, nano, expected) for account in self.accounts)
        return next((why for why in found if why is not None), None)

    def why_unpriced(self, unpriced: Unpriced) -> tuple[str, str] | None:
        """The same where lines have no price, and somebody who pays has a budget."""
        names = ", ".join(account.name for account in self.accounts if account.max_budget is not None)
        if not unpriced.lines or not names:
            return None
        remedy = "The operator can set a price: 0 for what costs nothing."
        if unpriced.beside is not None:
            remedy = f"{unpriced.beside} is charged beside the tokens: leave it out."
        message = (
            f"The price of {unpriced.lines:,} requests is not known, so they cannot be held against the budget of "
            f"{names}. {remedy}"
        )
        return "budget_exceeded", message

    def reserve(self, nano: int = 0, tokens: int = 0) -> None:
        """Hold so much more, or with negative numbers less, back.

        Nothing sinks below 0, though an account was deleted, and perhaps made anew, since it was held.
        """
        self.accounts = [
            replace(
                account,
                reserved=max(0, account.reserved + nano),
                enqueued_tokens=max(0, account.enqueued_tokens + tokens),
            )
            for account in self.accounts
        ]

    def spend(self, nano: int, *, released: int) -> None:
        """So much was spent of what was reserved, or more, or less."""
        self.accounts = [
            replace(account, spent=account.spent + nano, reserved=max(0, account.reserved - released))
            for account in self.accounts
        ]

    def close(self, nano: int, tokens: int) -> None:
        """One batch less is open, and it holds nothing any more."""
        self.reserve(-nano, -tokens)
        self.accounts = [replace(account, open_batches=max(0, account.open_batches - 1)) for account in self.accounts]

    def put(self) -> None:
        """Write those that have changed."""
        for before, account in zip(self._read, self.accounts, strict=True):
            if account != before:
                self._turn.put(account)

    def _refuse_enqueued(self, account: Account, tokens: int) -> None:
        most = caps_of(self._app, account).enqueued_tokens
        if most is not None and account.enqueued_tokens + tokens > most:
            raise RateLimited(
                f"Enqueued token limit reached for {account.name}. Limit: {most:,} enqueued tokens, of which "
                f"{account.enqueued_tokens:,} are in use; this {self._what} has about {tokens:,}. Please try again "
                "once some in_progress batches have been completed.",
                type="enqueued_tokens",
                retry_after=_SOON,
            )

    @staticmethod
    def _refuse_spent(account: Account) -> None:
        room = left(account)
        if room is not None and room <= 0:
            held = f", reserved by open batches: {usd(account.reserved)}" if account.reserved else ""
            raise OverBudget(
                f"Budget has been exceeded! {account.name} Current cost: {usd(spend(account))}{held}, "
                f"Max budget: {usd(account.max_budget or 0)}",
                code="budget_exceeded",
            )


def close(app: App, turn: Turn, purse: Purse, batch: Batch) -> Batch:
    """Put a batch that has just ended: it holds nothing any more, and what it leaves behind is waste."""
    purse.close(batch.reserved, batch.tokens)
    purse.put()
    batch = replace(batch, reserved=0, tokens=0)
    turn.put(batch)
    throw_away(app, turn.tx, batch.id, unsettled=bool(batch.owing or batch.open_shards))
    return batch


def _too_dear(account: Account, nano: int, expected: str) -> tuple[str, str] | None:
    """Code and message where an account has no room for so much."""
    room = left(account)
    if room is None or nano <= room:
        return None
    message = (
        f"{expected}; {account.name} has {usd(max(room, 0))} left. Current cost: {usd(spend(account))}, "
        f"reserved by open batches: {usd(account.reserved)}, Max budget: {usd(account.max_budget or 0)}."
    )
    return "budget_exceeded", message


def _seconds(milliseconds: int) -> int:
    return max(1, -(-milliseconds // SECOND))
