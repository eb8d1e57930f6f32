"""A batch over the deployments of its group: who is asked, in which order, and for how much of the input.

The lines stay in order, a run of them for each deployment. Small inputs are not split: a job has its price in time.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.app import App
from shared.config import Deployment
from shared.domain.ids import derived
from shared.domain.places import Cooldown
from shared.domain.shard import ShardStatus
from shared.storage.queries import SHARDS_OF_DEPLOYMENT

__all__ = ["Share", "Spread", "in_order", "waiting_tokens"]

_RUN: Final = (1_000, 2**20)  # lines and bytes, whichever comes first, below which it does not pay to split
_MOST_SHARDS: Final = 300  # of one deployment that are looked at: beyond that it is busy, however busy it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A deployment and its part of the input: all shares together are 1."""

    deployment: Deployment
    part: float


def in_order(app: App, choices: Sequence[Deployment], seed: str) -> list[Share]:
    """The deployments, best first: those that cool down or are full last and without a share, if there are others.

    Best is which has least waiting for its weight. Those that have nothing to do take turns, in proportion to their
    weights: `seed` decides.
    """
    if len(choices) == 1:
        return [Share(deployment=choices[0], part=1.0)]
    now = app.now()
    loads = {each.id: waiting_tokens(app, each) for each in choices}
    cold = {each.id: _cooling(app, each.id, now) for each in choices}

    def room(each: Deployment) -> float:
        """What is left of its headroom, between 0 and 1."""
        return 1.0 if each.most_tokens is None else max(0.0, 1 - loads[each.id] / each.most_tokens)

    def rank(each: Deployment) -> tuple[bool, float, float]:
        return cold[each.id] or room(each) == 0, loads[each.id] / each.weight, _turn(f"{seed}|{each.id}", each.weight)

    ordered = sorted(choices, key=rank)
    able = [each for each in ordered if not cold[each.id] and room(each) > 0] or ordered
    total = sum(each.weight * (room(each) or 1.0) for each in able)
    parts = {each.id: each.weight * (room(each) or 1.0) / total for each in able}
    return [Share(deployment=each, part=parts.get(each.id, 0.0)) for each in ordered]


def waiting_tokens(app: App, deployment: Deployment) -> int:
    """About how many tokens wait or run there now, as far as we brought them."""
    found = 0
    for status in (ShardStatus.WAITING, ShardStatus.RUNNING):
        shards = app.documents.query(SHARDS_OF_DEPLOYMENT, deployment.id, status, limit=_MOST_SHARDS)
        found += sum(shard.tokens for shard in shards)
    return found


def _cooling(app: App, deployment: str, now: int) -> bool:
    found = app.documents.get(Cooldown, derived(deployment))
    return found is not None and found.until > now


def _turn(seed: str, weight: float) -> float:
    """A number of its own for each deployment, smaller the likelier the greater its weight: a race by weights."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    return -math.log((number + 1) / (2**64 + 1)) / weight


class Spread:
    """Says of each line which deployment is next, from the shares and the size of the whole input in bytes."""

    def __init__(self, parts: Sequence[float], size: int) -> None:
        self._budgets = [part * size for part in parts if part > 0] or [float(size)]
        self.at = 0
        self._lines, self._bytes = 0, 0

    def took(self, size: int) -> None:
        """One line of so many bytes went to the current one."""
        self._lines += 1
        self._bytes += size
        if self._bytes < self._budgets[self.at] or self.at + 1 == len(self._budgets):
            return
        if self._lines >= _RUN[0] or self._bytes >= _RUN[1]:
            self.at += 1
            self._lines = self._bytes = 0
