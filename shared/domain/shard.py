"""A run of a batch's lines that one deployment works on as one unit, and the provider's job for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.domain.batch import BatchError, Counts, Rows
from shared.domain.cost import Cost
from shared.domain.errors import IllegalMove
from shared.domain.lease import Lease
from shared.domain.usage import Usage

__all__ = ["Job", "JobState", "Result", "Shard", "ShardStatus", "label", "move_to", "next_step"]


class ShardStatus(StrEnum):
    """Where a shard is on its way.

    waiting ─ submit ─► running ─ check ─► ended ─ collect ─► collected
       │        └─ or, where lines are run one by one, execute ─┘ │
       └──────── cancel, expiry, refusal ─────────────────────────┘
    """

    WAITING = "waiting"  # encoded; no job known
    RUNNING = "running"  # the provider has a job
    ENDED = "ended"  # the job is over, or there will be none
    COLLECTED = "collected"  # the rows are written and counted


_MOVES: Final[Mapping[ShardStatus, frozenset[ShardStatus]]] = {
    ShardStatus.WAITING: frozenset({ShardStatus.RUNNING, ShardStatus.ENDED}),
    ShardStatus.RUNNING: frozenset({ShardStatus.WAITING, ShardStatus.ENDED}),  # back: a failed job is run again
    ShardStatus.ENDED: frozenset({ShardStatus.COLLECTED}),
    ShardStatus.COLLECTED: frozenset(),
}


def move_to(shard: "Shard", to: ShardStatus) -> ShardStatus:
    """`to`, where the table has the road; else IllegalMove."""
    if to not in _MOVES[shard.status]:
        raise IllegalMove(f"{shard.id}: {shard.status} -> {to}")
    return to


class JobState(StrEnum):
    """What any provider's job can be, in our words. What we do not know is RUNNING: never terminal by accident."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in {JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The provider's own object for a shard, as read from the provider a moment ago."""

    name: str
    state: JobState
    completed: int | None = None  # live counts of rows, where the provider tells
    failed: int | None = None
    output: str | None = None  # gs:// directory that holds the predictions
    files: tuple[str, ...] = ()  # where the provider keeps them instead: its own names for them
    error: BatchError | None = None
    retryable: bool = False  # of a failure: the same job may well succeed if it is run again
    room: int | None = None  # tokens that may be enqueued there at once, where the provider says so
    crowded: bool = False  # of such a failure: there was no room for it yet, however often we ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What `collect` made of a shard: committed once."""

    rows: Rows
    counts: Counts
    usage: Usage
    cost: Cost
    predictions: tuple[str, ...] = ()  # the provider's own objects, for `format=native`


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One unit of work at one deployment."""

    id: str  # <batch>-0001
    batch: str
    number: int
    group: str
    deployment: str
    codec: str  # which of the provider's codecs wrote the rows
    source: str  # in the work bucket: what the job reads
    index: str  # in the work bucket: ordinal, custom_id and hints of each line, in order
    lines: int
    rows: int  # provider rows: more than lines where one line became several
    created_at: int
    since: tuple[int, int] | None = None  # number and offset in the input of its first line, or of one before it
    status: ShardStatus = ShardStatus.WAITING
    executes: bool = False  # its lines are run one by one, and there is no job at the provider
    tokens: int = 0  # about so many are in its lines: what a deployment's headroom is measured with
    reserved: int = 0  # nano-dollars, of its batch's
    refused_by: tuple[str, ...] = ()  # deployments that will not have it, however often they are asked
    busy_at: tuple[str, ...] = ()  # deployments that had no room or were not there, since all were asked the last time
    dear_at: tuple[tuple[str, int], ...] = ()  # deployments that its payers cannot afford, and when to look once more
    failed_for_good: bool = False  # its last job did: no other try of it would go better here
    rest_until: int | None = None  # of one that is run line by line: its deployment has refused it, and is left alone
    line_tries: tuple[tuple[str, int, int], ...] = ()  # of lines run one by one: key, next try, outages that it was in
    lost_at: int | None = None  # when the answer to a create was lost, so that there may be a job that we cannot see
    left_behind: tuple[str, ...] = ()  # deployment and label of jobs that may show up where the shard was moved from
    reruns: int = 0  # how many shards before it left these lines unanswered
    attempt: int = 1  # a job that failed for no fault of ours is run again under the next
    tries: int = 0  # of creating the job of this attempt
    empty_since: int | None = None  # when its job said that it succeeded, and there was nothing
    gone: int = 0  # times in a row that the provider said there is no such job
    troubles: int = 0  # times in a row that the provider said no, or nothing
    counted: Counts = Counts()  # what of this shard is in its batch's counts by now
    job: Job | None = None
    cancel_sent_at: int | None = None
    lease: Lease | None = None
    epoch: int = 0
    due_at: int | None = None
    result: Result | None = None
    unread: bool = False  # a job of it may have run, and what that wrote was given up
    owes: bool = False  # it is collected, and its entry in the ledger is still to come: `settle`
    settled_at: int | None = None  # when that entry was written

    def log_context(self) -> dict[str, Any]:
        return {"batch_id": self.batch, "shard_id": self.id, "shard_status": str(self.status)}


def next_step(shard: Shard) -> str | None:
    """The step that moves a shard on; None for one that is collected, and owes nothing."""
    match shard.status:
        case ShardStatus.WAITING:
            return "execute" if shard.executes else "submit"
        case ShardStatus.RUNNING:
            return "execute" if shard.executes else "check"
        case ShardStatus.ENDED:
            return "collect"
        case ShardStatus.COLLECTED:
            return "settle" if shard.owes else None


def label(shard: Shard) -> str:
    """The name that we give the job of this attempt, and look for before we create one: a legal Vertex label."""
    return f"{shard.id}-a{shard.attempt}"
