"""What the client sees, and the one table of how its status may change."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from shared.domain.access import MASTER, Models
from shared.domain.clock import HOUR
from shared.domain.cost import Cost
from shared.domain.errors import IllegalMove
from shared.domain.hints import Hints
from shared.domain.lease import Lease
from shared.domain.usage import Usage

__all__ = ["TERMINAL", "Batch", "BatchError", "Counts", "Ending", "Rows", "Status", "advance", "wind_up", "window"]


class Status(StrEnum):
    """OpenAI's batch states."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


_ENDS: Final = frozenset({Status.FAILED, Status.EXPIRED, Status.CANCELLING})
_MOVES: Final[Mapping[Status, frozenset[Status]]] = {
    Status.VALIDATING: _ENDS | {Status.IN_PROGRESS},
    Status.IN_PROGRESS: _ENDS | {Status.FINALIZING},
    Status.FINALIZING: _ENDS | {Status.COMPLETED},
    Status.CANCELLING: frozenset({Status.CANCELLED}),
    Status.FAILED: frozenset(),
    Status.COMPLETED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.CANCELLED: frozenset(),
}
TERMINAL: Final = frozenset(status for status, after in _MOVES.items() if not after)


class Ending(StrEnum):
    """Why a batch is being wound up before all its lines have run. Its value names the rows of the lines that did not.

    The status follows when what did finish has been collected, so that partial results are there with it.
    """

    CANCELLED = "batch_cancelled"
    EXPIRED = "batch_expired"
    FAILED = "batch_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """`request_counts`. Lines that were expired or cancelled count in `total` alone, as at OpenAI."""

    total: int = 0
    completed: int = 0
    failed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            total=self.total + other.total,
            completed=self.completed + other.completed,
            failed=self.failed + other.failed,
        )

    def negated(self) -> "Counts":
        """What takes these counts away again when it is added."""
        return Counts(total=-self.total, completed=-self.completed, failed=-self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchError:
    """One member of `errors.data`: OpenAI's codes, `line` from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where one step left its rows: numbered part objects under one prefix, for the output and the error file."""

    prefix: str  # gs://data/rows/<batch>/<shard>/e<epoch>
    output_parts: int = 0
    error_parts: int = 0

    def outputs(self) -> list[str]:
        return [f"{self.prefix}/output-{number:05d}.jsonl" for number in range(1, self.output_parts + 1)]

    def errors(self) -> list[str]:
        return [f"{self.prefix}/errors-{number:05d}.jsonl" for number in range(1, self.error_parts + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Shards and jobs are only how we get there."""

    id: str
    owner: str
    team: str | None
    endpoint: str
    completion_window: str
    input_file_id: str
    input_object: str | None  # None: there was no such file when the batch was created
    created_at: int
    expires_at: int
    models: Models = None  # that its caller may use
    key: str = MASTER  # key_id
    user: str | None = None  # user_id
    payers: tuple[str, ...] = ()  # the accounts that it is charged to
    tags: tuple[str, ...] = ()
    hints: Hints = Hints()
    native: bool = False  # its lines are the provider's own rows, and so are those of its files
    metadata: dict[str, str] | None = None
    output_life: int | None = None  # milliseconds the output files live
    status: Status = Status.VALIDATING
    stamps: dict[Status, int] = field(default_factory=dict)
    ending: Ending | None = None
    ending_at: int | None = None
    errors: tuple[BatchError, ...] = ()
    model: str | None = None
    counts: Counts = Counts()
    usage: Usage = Usage()
    cost: Cost = Cost()
    reserved: int = 0  # nano-dollars that its accounts hold back for lines that have no result yet
    tokens: int = 0  # enqueued: about so many are in its lines, until it has ended
    shards: int = 0
    open_shards: int = 0  # not collected yet; at 0 the batch is finalizing
    owing: int = 0  # shards that are, and whose entry in the ledger is still to come
    refused: Rows | None = None  # error rows of lines that no shard was given
    output_file_id: str | None = None  # minted when finalizing begins; shown once the files exist
    error_file_id: str | None = None
    lease: Lease | None = None
    epoch: int = 0
    due_at: int | None = None  # when `sweep` must look next; None once terminal

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def begun_at(self) -> int:
        return self.created_at

    def log_context(self) -> dict[str, Any]:
        return {"batch_id": self.id, "status": str(self.status)}


def advance(batch: Batch, to: Status, *, at: int) -> Batch:
    """The batch in its next status, stamped; IllegalMove where the table has no such road.

    Stamps never run backwards, whatever the clocks of two machines say.
    """
    if to not in _MOVES[batch.status]:
        raise IllegalMove(f"{batch.id}: {batch.status} -> {to}")
    at = max(at, batch.created_at, *batch.stamps.values())
    over = to in TERMINAL
    return replace(
        batch,
        status=to,
        stamps={**batch.stamps, to: at},
        lease=None if over else batch.lease,
        due_at=None if over else batch.due_at,
    )


def wind_up(batch: Batch, ending: Ending, *, at: int, look: int) -> Batch:
    """The batch, marked as ending early; `sweep` looks at it again after `look` milliseconds."""
    return replace(batch, ending=ending, ending_at=at, due_at=at + look)


def window(text: str) -> int | None:
    """Milliseconds of a `completion_window`: `24h`, and as our extension whole hours from `1h` to `96h`."""
    hours = text.removesuffix("h")
    if not text.endswith("h") or not hours.isascii() or not hours.isdigit() or len(hours) > 2 or hours.startswith("0"):
        return None
    return int(hours) * HOUR if int(hours) <= 96 else None
