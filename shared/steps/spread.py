"""A batch over the deployments of its group: who is asked, in which order, and for how much of the input.

The lines stay in order, dealt in runs: the next one goes to whoever has the least of its part. Small inputs are not
split: a job has its price in time.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.app import App
from shared.config import Deployment
from shared.domain.shard import ShardStatus
from shared.steps.cooldown import cooling
from shared.steps.headroom import most_tokens
from shared.storage.queries import SHARDS_OF_DEPLOYMENT

__all__ = ["Share", "Spread", "in_order", "waiting_tokens"]

_RUN: Final = (1_000, 2**20)  # lines and bytes, whichever comes first, below which it does not pay to split
_OF_PART: Final = 0.25  # of what a deployment should have by now: a run that grows with it, since runs are read again
_MOST_SHARDS: Final = 300  # of one deployment that are looked at: beyond that it is busy, however busy it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A deployment and its part of the input: all shares together are 1."""

    deployment: Deployment
    part: float


def in_order(app: App, choices: Sequence[Deployment], seed: str) -> list[Share]:
    """The deployments, best first: those that cool down or are full last and without a share, if there are others.

    Best is which has least waiting for its weight. Those that have nothing to do take turns, in proportion to their
    weights: `seed` decides. Who weighs nothing is asked when nobody else is left, and has no share.
    """
    if len(choices) == 1:
        return [Share(deployment=choices[0], part=1.0)]
    loads = {each.id: waiting_tokens(app, each) for each in choices}
    cold = {each.id: cooling(app, each.id) for each in choices}
    most = {each.id: most_tokens(app, each) for each in choices}

    def room(each: Deployment) -> float:
        """What is left of its headroom, between 0 and 1."""
        tokens = most[each.id]
        return 1.0 if tokens is None else max(0.0, 1 - loads[each.id] / tokens)

    def rank(each: Deployment) -> tuple[bool, bool, float, float]:
        weight = each.weight or 1.0  # among those that weigh nothing, all are the same
        full = cold[each.id] or room(each) == 0
        return each.weight == 0, full, loads[each.id] / weight, _turn(f"{seed}|{each.id}", weight)

    ordered = sorted(choices, key=rank)
    weighty = [each for each in ordered if each.weight > 0] or ordered
    able = [each for each in weighty if not cold[each.id] and room(each) > 0] or weighty
    shares = {each.id: each.weight * (room(each) or 1.0) for each in able}
    total = sum(shares.values()) or 1.0
    return [Share(deployment=each, part=shares.get(each.id, 0.0) / total) for each in ordered]


def waiting_tokens(app: App, deployment: Deployment) -> int:
    """About how many tokens wait or run there now, as far as we brought them."""
    found = 0
    for status in (ShardStatus.WAITING, ShardStatus.RUNNING):
        shards = app.documents.query(SHARDS_OF_DEPLOYMENT, deployment.id, status, limit=_MOST_SHARDS)
        found += sum(shard.tokens for shard in shards)
    return found


def _turn(seed: str, weight: float) -> float:
    """A number of its own for each deployment, smaller the likelier the greater its weight: a race by weights."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    return -math.log((number + 1) / (2**64 + 1)) / weight


class Spread:
    """Says of each line which deployment is next, by the deployments' parts of what there is.

    A run is as long as it pays, and as a quarter of the deployment's part of all lines so far: wherever they end, and
    nobody knows how much of a file is this group's, no part is far from what it should be.
    """

    def __init__(self, parts: Sequence[float]) -> None:
        total = sum(parts) or 1.0
        self._parts = [part / total for part in parts]
        self._sharing = [number for number, part in enumerate(parts) if part > 0] or [0]
        self._taken = [0] * len(parts)
        self._lines = self._bytes = 0  # of this run
        self._enough = 0.0
        self.at = self._sharing[0]

    def took(self, size: int, by: int) -> None:
        """One line of so many bytes went to this deployment, mostly the current one."""
        self._taken[by] += size
        self._lines += 1
        self._bytes += size
        if self._bytes < self._enough or (self._lines < _RUN[0] and self._bytes < _RUN[1]):
            return
        if len(self._sharing) > 1:
            self.at = min(self._sharing, key=lambda each: self._taken[each] / self._parts[each])
        self._enough = sum(self._taken) * self._parts[self.at] * _OF_PART
        self._lines = self._bytes = 0
