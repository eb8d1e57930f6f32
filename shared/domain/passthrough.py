"""A job that a caller made in Vertex's own words: passed through, owned, counted and charged."""

from dataclasses import dataclass
from typing import Any

from shared.domain.access import MASTER
from shared.domain.cost import Cost
from shared.domain.lease import Lease

__all__ = ["VertexJob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VertexJob:
    """One batchPredictionJob of Google's. Recorded before it is asked for, so that none is ever nobody's."""

    id: str  # `job_…`, and the label by which the job is found should the answer to its create be lost
    owner: str
    team: str | None
    key: str = MASTER  # key_id
    user: str | None = None  # user_id
    payers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: str
    deployment: str
    location: str
    number: str | None = None  # Google's: the last part of its name; None until Google has answered
    name: str | None = None  # projects/NUMBER/locations/L/batchPredictionJobs/ID
    output: str  # gs://bucket/prefix, without a slash at its end
    resource: str  # Google's own JSON, as last seen; what was asked for until Google has answered
    state: str = ""  # JOB_STATE_…, as last seen
    created_at: int
    reserved: int = 0  # nano-dollars
    tokens: int = 0  # enqueued, about
    ended: bool = False  # it has no more to say: its cost is counted, or it never was
    deleted: bool = False
    cost: Cost = Cost()
    troubles: int = 0
    lease: Lease | None = None
    epoch: int = 0
    due_at: int | None = None

    def log_context(self) -> dict[str, Any]:
        return {"job_id": self.id, "owner": self.owner, "state": self.state}
