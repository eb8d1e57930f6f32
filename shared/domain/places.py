"""What we remember of the places that run lines, so that all workers know of each other."""

from dataclasses import dataclass

from shared.domain.lease import Lease

__all__ = ["Cooldown", "Habit", "Headroom", "Slot", "place_of"]


def place_of(deployment: str) -> str:
    """The place behind a deployment's id: all the models that a pattern stands for are at one."""
    return deployment.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown:
    """A deployment that would not have a shard: until then, others of its group are asked first."""

    id: str  # derived from the deployment's
    until: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """How many tokens may wait or run at a deployment at once, as its provider said the last time."""

    id: str  # derived from the deployment's
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One worker's right to have lines in flight at a deployment that runs them one by one.

    There is a fixed number of slots for each, so that all workers together never have more in flight than it may.
    """

    id: str  # derived from the deployment's, and which of its slots this is
    lease: Lease | None = None
    window: float | None = None  # how many lines at once went well; the next worker begins with it
    closed_until: int | None = None  # the circuit is open: nobody is there
    troubles: int = 0  # times in a row that the circuit was found open


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How much a model usually answers: what a batch is expected to cost follows from it."""

    id: str
    lines: int = 0
    output: int = 0  # tokens of those lines
