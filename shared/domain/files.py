"""Managed files, and the uploads that big ones arrive by."""

from dataclasses import dataclass
from typing import Any, Final

from shared.domain.clock import DAY, HOUR
from shared.domain.hints import Hints

__all__ = ["BATCH_LIFE", "LIVES", "UPLOAD_LIFE", "File", "Garbage", "Part", "Upload", "UploadStatus", "live"]

BATCH_LIFE: Final = 30 * DAY  # OpenAI: batch files expire after 30 days, guide 2026-11
LIVES: Final = (HOUR, 30 * DAY)  # the least and the most that may be asked for, as at OpenAI
UPLOAD_LIFE: Final = HOUR  # OpenAI: an upload expires an hour after its creation


class UploadStatus:
    """The `status` of an upload."""

    PENDING: Final = "pending"
    COMPLETED: Final = "completed"
    CANCELLED: Final = "cancelled"
    EXPIRED: Final = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An id of ours, its owner, and one object in the object store."""

    id: str
    owner: str
    team: str | None
    purpose: str
    filename: str  # as the user gave it; never part of an object's name
    bytes: int
    object: str  # gs://bucket/name
    generation: int
    created_at: int
    expires_at: int | None
    batch: str | None = None  # of an output or error file: the batch that wrote it
    batch_created_at: int | None = None
    hints: Hints = Hints()  # where its lines are to run, as far as the upload said so
    native: bool = False  # its lines are the provider's own rows (`passthrough`)

    @property
    def begun_at(self) -> int:
        return self.created_at if self.batch_created_at is None else self.batch_created_at

    def log_context(self) -> dict[str, Any]:
        return {"file_id": self.id, "owner": self.owner, "bytes": self.bytes}


def live(file: File | None, now: int) -> File | None:
    """The file, unless its time is over: the sweep that deletes it may be late."""
    return file if file is not None and (file.expires_at is None or file.expires_at > now) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that arrives in pieces."""

    id: str
    owner: str
    team: str | None
    purpose: str
    filename: str
    bytes: int  # as announced; `complete` must bring exactly these
    mime_type: str
    created_at: int
    expires_at: int
    file_life: int | None  # milliseconds the finished file lives; None: for ever
    status: str = UploadStatus.PENDING
    hints: Hints = Hints()
    native: bool = False
    received: int = 0  # bytes of all parts that came, those too that are sent again and those that nobody will name
    parts: int = 0  # how many these are
    file: str | None = None  # its id, minted at the first `complete`
    part_ids: tuple[str, ...] = ()  # of that `complete`: a repeat of it must be the same

    @property
    def begun_at(self) -> int:
        return self.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of an upload."""

    id: str
    upload: str
    object: str
    bytes: int
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """An object that nobody can reach any more; `sweep` deletes it once no batch still has to read it."""

    id: str
    object: str
    due_at: int
