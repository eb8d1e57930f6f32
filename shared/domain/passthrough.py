"""A job that a caller made in Vertex's own words: passed through, owned, counted and charged."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.domain.access import MASTER
from shared.domain.cost import Cost
from shared.domain.lease import Lease

__all__ = [
    "LABEL",
    "OVER",
    "ProjectNumber",
    "VertexJob",
    "counted",
    "directory",
    "has_counts",
    "is_at",
    "kept",
    "live",
    "resource_of",
    "seen",
    "shown",
]

LABEL: Final = "offpeak_job"  # by which a job is found whose create got no answer
OVER: Final = frozenset({
    "JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
})  # fmt: skip
_LARGEST: Final = 500_000  # characters of a resource that is kept whole: a document has a megabyte
_MOMENT: Final = re.compile(r"[0-9TZ:.+-]{10,40}")
_KEPT: Final = frozenset({
    "name", "displayName", "model", "inputConfig", "outputConfig", "outputInfo", "state", "completionStats",
    "createTime", "startTime", "endTime", "updateTime", "labels",
})  # fmt: skip


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
    project: str = ""  # as the configuration has it; in names Google writes its number
    location: str
    number: str | None = None  # Google's: the last part of its name; None until Google has answered
    name: str | None = None  # projects/NUMBER/locations/L/batchPredictionJobs/ID
    output: str  # gs://bucket/prefix, without a slash at its end
    directory: str = ""  # of its predictions; until Google has said it, `output`; "" where there is no job
    resource: str  # Google's own JSON, as last seen; what was asked for until Google has answered
    state: str = ""  # JOB_STATE_…, as last seen
    created_at: int
    reserved: int = 0  # nano-dollars
    tokens: int = 0  # enqueued, about
    ended: bool = False  # it has no more to say: its cost is counted, or it never was
    deleted: bool = False
    cost: Cost = Cost()
    troubles: int = 0
    lost_at: int | None = None  # when its create got no answer
    gone: int = 0  # answers in a row that there is no such job
    unread_since: int | None = None  # it is over, and its predictions could not be read at that time
    lease: Lease | None = None
    epoch: int = 0
    due_at: int | None = None

    @property
    def begun_at(self) -> int:
        return self.created_at

    def log_context(self) -> dict[str, Any]:
        return {"job_id": self.id, "owner": self.owner, "state": self.state}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectNumber:
    """Which project a number stands for, as the name of a job has told: Google writes numbers, a configuration ids."""

    id: str  # the number
    project: str  # as the configuration has it


def live(job: VertexJob | None) -> VertexJob | None:
    """The job, where clients may know of it: not deleted, and made, or perhaps made."""
    return None if job is None or job.deleted or (job.ended and job.name is None) else job


def is_at(job: VertexJob, project: str, location: str) -> bool:
    """Whether a path of this project, by its id or by the number in the job's own name, and location leads to it."""
    number = None if job.name is None else job.name.split("/")[1]
    return job.location == location and project in {job.project, number}


def resource_of(job: VertexJob) -> dict[str, Any]:
    resource: dict[str, Any] = json.loads(job.resource)
    return resource


def kept(resource: Mapping[str, Any]) -> str:
    """A resource as it is stored."""
    text = json.dumps(resource)
    return text if len(text) <= _LARGEST else json.dumps({name: resource[name] for name in _KEPT & resource.keys()})


def seen(job: VertexJob, resource: Mapping[str, Any]) -> dict[str, Any]:
    """What a record learns from Google's JSON of its job."""
    folder, said = directory(job, resource)
    state = str(resource.get("state", ""))
    return {
        "resource": kept(resource),
        "state": state,
        "directory": folder if said or state in OVER else job.directory or job.output,
    }


def shown(resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource as its owner made it: without our label."""
    labels = {name: value for name, value in _mapping(resource, "labels").items() if name != LABEL}
    return {name: value for name, value in resource.items() if name != "labels"} | (
        {"labels": labels} if labels else {}
    )


def directory(job: VertexJob, resource: Mapping[str, Any]) -> tuple[str, bool]:
    """Where the predictions of this very job lie, and whether Google said so.

    Where it does not, the name follows from the moment of its creation. It is never a directory beside: several jobs
    may share a prefix.
    """
    said = _mapping(resource, "outputInfo").get("gcsOutputDirectory")
    if isinstance(said, str) and said.startswith(f"{job.output}/"):
        return said.rstrip("/"), True
    moment = resource.get("createTime")
    when = moment if isinstance(moment, str) and _MOMENT.fullmatch(moment) else "unknown"
    return f"{job.output}/prediction-model-{when}", False


def has_counts(resource: Mapping[str, Any]) -> bool:
    """Whether Google says how many rows there were."""
    return bool(_mapping(resource, "completionStats"))


def counted(resource: Mapping[str, Any], name: str = "successfulCount") -> int:
    """Rows that Google has counted; 0 where it does not say."""
    value = _mapping(resource, "completionStats").get(name)
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _mapping(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, Mapping) else {}
