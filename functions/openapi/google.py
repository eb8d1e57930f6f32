"""Vertex's batchPredictionJobs, passed through: Google's shapes and Google's errors."""

from collections.abc import Mapping
from typing import Final

from functions.openapi.words import (
    TEXT,
    Operation,
    Schema,
    Table,
    integer,
    json_body,
    listed,
    nullable,
    query,
    record,
    ref,
    text,
)

__all__ = ["JOBS", "SCHEMAS"]

_IN_PLACE: Final = "/projects/{project}/locations/{location}/batchPredictionJobs"
_ALONE: Final = "/batchPredictionJobs"  # behind /vertex_ai, where project and location may be left out
_GS: Final = text(pattern="^gs://[a-z0-9][a-z0-9._-]{1,60}[a-z0-9]/[a-zA-Z0-9/_.-]{1,200}$", most=2_048)
_HEADERS: Final = {
    "x-offpeak-job-id": TEXT,
    "x-offpeak-cost-usd": TEXT,
    "x-offpeak-estimated-cost-usd": TEXT,
    "x-litellm-model-group": TEXT,
}
_LABELS: Final[Schema] = {
    "type": "object",
    "maxProperties": 63,
    "propertyNames": {"pattern": "^[a-z][a-z0-9_-]{0,62}$"},
    "additionalProperties": text(pattern="^[a-z0-9_-]{0,63}$"),
}
_EXAMPLE: Final = {
    "displayName": "nightly",
    "model": "gemini-2.5-flash",
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://jobs/in.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://jobs/out"}},
}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "NewBatchPredictionJob": record(
        {
            "displayName": text(least=1, most=128),
            "model": text(least=1, most=512, says="A model group, or a resource of Google's."),
            "inputConfig": record(
                {
                    "instancesFormat": {"const": "jsonl"},
                    "gcsSource": record({"uris": listed(_GS, minItems=1, maxItems=100)}, additionalProperties=False),
                },
                additionalProperties=False,
            ),
            "outputConfig": record(
                {
                    "predictionsFormat": {"const": "jsonl"},
                    "gcsDestination": record({"outputUriPrefix": _GS}, additionalProperties=False),
                },
                additionalProperties=False,
            ),
            "labels": nullable(_LABELS),
        },
        optional=["labels"],
        additionalProperties=False,
    ),
    "BatchPredictionJob": record(
        {"name": text(pattern="/batchPredictionJobs/"), "displayName": TEXT, "state": TEXT, "createTime": TEXT},
        optional=["displayName", "state", "createTime"],
        additionalProperties=True,
        description="As Vertex has it.",
    ),
    "BatchPredictionJobList": record(
        {"batchPredictionJobs": listed(ref("BatchPredictionJob")), "nextPageToken": TEXT}, optional=None
    ),
    "Empty": record({"@type": text(pattern=r"/google\.protobuf\.Empty$")}),
    "Operation": record({"name": TEXT, "done": {"const": True}, "response": ref("Empty")}),
}


def _jobs(path: str, suffix: str) -> Table:
    return {
        ("POST", path): Operation(
            id=f"createJob{suffix}",
            tag="Vertex",
            says="Create a job. Input and output lie where the operator allows it.",
            takes=json_body(ref("NewBatchPredictionJob"), _EXAMPLE),
            gives=json_body(ref("BatchPredictionJob")),
            errors=(400, 404, 409, 413),
            headers=_HEADERS,
            links={"cost": {"operationId": "jobCost", "parameters": {"id": "$response.header.x-offpeak-job-id"}}},
            google=True,
        ),
        ("GET", path): Operation(
            id=f"listJobs{suffix}",
            tag="Vertex",
            says="One's own jobs and one's team's, newest first.",
            asks=(
                query("pageSize", integer(0, 999_999_999), "As many at most; 100 are the most there are."),
                query("pageToken", TEXT, "From the page before."),
                query(
                    "filter",
                    text(most=2_000),
                    "Of google.aip.dev/160: display_name, state, create_time, labels, …",
                ),
            ),
            gives=json_body(ref("BatchPredictionJobList")),
            errors=(400, 404),
            google=True,
        ),
        ("POST", f"{path}/{{id}}:cancel"): Operation(
            id=f"cancelJob{suffix}",
            tag="Vertex",
            says="Cancel a job. What is done is in its output.",
            gives=json_body({"type": "object"}),
            errors=(400, 404, 409),
            headers=_HEADERS,
            google=True,
        ),
        ("GET", f"{path}/{{id}}"): Operation(
            id=f"getJob{suffix}",
            tag="Vertex",
            says="A job as it is now.",
            gives=json_body(ref("BatchPredictionJob")),
            errors=(404,),
            headers=_HEADERS,
            google=True,
        ),
        ("DELETE", f"{path}/{{id}}"): Operation(
            id=f"deleteJob{suffix}",
            tag="Vertex",
            says="Delete a job that is over.",
            gives=json_body(ref("Operation")),
            errors=(400, 404, 409),
            google=True,
        ),
    }


JOBS: Final[Table] = {
    **_jobs(_IN_PLACE, ""),
    **_jobs(_ALONE, "Somewhere"),
    ("GET", "/jobs/{id}/cost"): Operation(
        id="jobCost",
        tag="Vertex",
        says="What a job has cost. Its id is Google's number, its name, or the one in x-offpeak-job-id.",
        gives=json_body(ref("Cost")),
        errors=(404,),
        headers=_HEADERS,
    ),
}
