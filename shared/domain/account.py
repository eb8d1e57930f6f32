"""An account: what a key, a user, a team, or a user in a team may spend and hold open, and what of that is used.

All that has to hold at once is in this one document, so that two that race cannot both fit. Amounts are nano-dollars.

  max_budget   ├─ spend, since the budget began ─┼─ reserved, for batches that run ─┼─ what is left ─┤

Who comes with something spent already, elsewhere, has an opening balance: `before` is below 0 by so much, until the
budget begins anew. `spent` is what the ledger says in any case.
"""

from dataclasses import dataclass, replace
from typing import Final

from shared.domain.clock import DAY, HOUR, MINUTE
from shared.domain.durations import next_reset

__all__ = ["Account", "Caps", "Rate", "Window", "at", "counted", "left", "spend"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much of what is counted; None: as much as anybody likes."""

    open_batches: int | None = None
    batches_per_hour: int | None = None
    enqueued_tokens: int | None = None  # of batches that have not ended
    files_per_day: int | None = None
    file_bytes: int | None = None
    lines_per_batch: int | None = None

    def under(self, others: "Caps") -> "Caps":
        """The smaller of each two."""
        return Caps(
            open_batches=_least(self.open_batches, others.open_batches),
            batches_per_hour=_least(self.batches_per_hour, others.batches_per_hour),
            enqueued_tokens=_least(self.enqueued_tokens, others.enqueued_tokens),
            files_per_day=_least(self.files_per_day, others.files_per_day),
            file_bytes=_least(self.file_bytes, others.file_bytes),
            lines_per_batch=_least(self.lines_per_batch, others.lines_per_batch),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was counted in one hour, day or minute of the clock, UTC."""

    since: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One document for each key, user, team and member that has one. `spent` is for ever: it equals the ledger."""

    id: str
    name: str = ""  # what refusals call it, such as `Key=my-alias`
    max_budget: int | None = None
    budget_duration: str | None = None  # LiteLLM's: 30s, 10m, 24h, 7d, 1w, 1mo; None: the budget is for ever
    budget_reset_at: int | None = None
    caps: Caps = Caps()
    spent: int = 0
    before: int = 0  # of `spent`, what was before the budget last began; below 0: what was spent elsewhere
    reserved: int = 0
    open_batches: int = 0
    enqueued_tokens: int = 0
    hour: Window = Window()  # batches created
    day: Window = Window()  # files stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests of one account in one minute of the clock; several at a time are taken by one process."""

    id: str
    window: Window = Window()


_LENGTHS: Final = {"minute": MINUTE, "hour": HOUR, "day": DAY}


def at(account: Account, now: int) -> Account:
    """The account as it is now: a budget whose time is over has begun anew."""
    if account.budget_duration is None or account.budget_reset_at is None or now < account.budget_reset_at:
        return account
    return replace(account, before=account.spent, budget_reset_at=next_reset(account.budget_duration, now))


def spend(account: Account) -> int:
    """Since the budget last began."""
    return account.spent - account.before


def left(account: Account) -> int | None:
    """What may still be reserved; None: as much as anybody likes. Below 0 where more was spent than was reserved."""
    return None if account.max_budget is None else account.max_budget - spend(account) - account.reserved


def counted(window: Window, length: str, now: int, more: int = 1) -> tuple[Window, int]:
    """The window with `more` in it, and the milliseconds until the next one. `length`: minute, hour or day.

    Where another machine's clock was ahead, and it is in the next window already, so are we: what it counted stays.
    """
    size = _LENGTHS[length]
    since = now - now % size
    if window.since == since + size:
        since = window.since
    used = window.used if window.since == since else 0
    return Window(since=since, used=used + more), since + size - now


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)
