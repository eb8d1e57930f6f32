"""A lease: one worker at a time, and nobody for ever.

   t0 ───── a lease ─────▶ t0 + 30 s ────▶
   └ A claims, epoch 1     └ A is silent, so presumed dead: B may claim, epoch 2
        └ A renews while it works, so that a long step keeps its lease

Whatever A still writes when it wakes up late carries epoch 1 in its object names, and its commit is refused.
"""

from dataclasses import dataclass
from typing import Final

from shared.domain.clock import SECOND

__all__ = ["LEASE", "RENEW_AFTER", "Lease"]

LEASE: Final = 30 * SECOND  # longer than a single request that a step makes: a provider gets 18 s, a store 20
RENEW_AFTER: Final = 5 * SECOND  # a working step renews about this often


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who works on a document, and until when nobody else may."""

    owner: str
    until: int

    def open_to(self, worker: str, now: int) -> bool:
        return self.owner == worker or self.until <= now
