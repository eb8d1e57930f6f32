"""Requests per minute: counted in one document for each key, user and team that has a limit, however many processes
answer.

A process takes as many requests at a time as come in a second at the full rate, so that no document is written more
than about once a second. What it has not used when the minute is over is lost: never are more answered than allowed.
"""

import threading
from collections.abc import Iterator
from typing import Final

from shared.admin.keyring import Found
from shared.app import App
from shared.domain.account import Rate, counted
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import RateLimited
from shared.storage.ports import Transaction

__all__ = ["Rates"]

_SECONDS: Final = 60
_MOST: Final = 10_000  # accounts remembered


class Rates:
    """What this process has taken and not used yet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, tuple[int, int]] = {}  # account: the minute, and requests left in it

    def take(self, app: App, found: Found) -> None:
        """Use up one request of each who has a limit; RateLimited where one has none left in this minute."""
        for account, name, limit in _limits(app, found):
            if not self._one(app, account, limit):
                wait = (MINUTE - app.now() % MINUTE + SECOND - 1) // SECOND
                raise RateLimited(
                    f"Rate limit reached for requests: {name} may send {limit:,} a minute.",
                    type="requests_per_minute",
                    code="rate_limit_exceeded",
                    retry_after=max(1, wait),
                )

    def _one(self, app: App, account: str, limit: int) -> bool:
        minute = app.now() // MINUTE
        with self._lock:
            since, some = self._taken.get(account, (minute, 0))
            if since == minute and some > 0:
                self._taken[account] = (minute, some - 1)
                return True
        some = _taken(app, account, limit)
        if not some:
            return False
        with self._lock:
            if len(self._taken) >= _MOST:
                self._taken.clear()
            since, before = self._taken.get(account, (minute, 0))
            self._taken[account] = (minute, some - 1 + (before if since == minute else 0))
        return True


def _taken(app: App, account: str, limit: int) -> int:
    """How many requests of this minute may be used here now."""

    def body(tx: Transaction) -> int:
        rate = tx.get(Rate, account) or Rate(id=account)
        window, _ = counted(rate.window, "minute", app.now(), 0)
        some = max(0, min(limit - window.used, max(1, limit // _SECONDS)))
        if some:
            tx.put(Rate(id=account, window=counted(rate.window, "minute", app.now(), some)[0]))
        return some

    return app.documents.transact(body)


def _limits(app: App, found: Found) -> Iterator[tuple[str, str, int]]:
    """Those that are counted: account, name and requests a minute."""
    general = app.config.limits.requests_per_minute
    own = min((each for each in (found.key.rpm_limit, general) if each is not None), default=None)
    if own is not None:
        yield found.key.key_id, f"Key={found.caller.name}", own
    if found.team is not None and found.team.rpm_limit is not None:
        yield found.team.id, f"Team={found.team.team_alias or found.team.team_id}", found.team.rpm_limit
    if found.user is not None and found.user.rpm_limit is not None:
        yield found.user.id, f"User={found.user.user_id}", found.user.rpm_limit
