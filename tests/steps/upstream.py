"""A Vertex that a test holds in its hand: jobs run when the test's clock says so, and go wrong when it wishes."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.storage.ports import ObjectMissing, Objects

__all__ = ["Upstream"]

JOBS = re.compile(r"/v1/(?P<parent>projects/[^/]+/locations/[^/]+)/batchPredictionJobs")
JOB = re.compile(r"/v1/(?P<name>projects/[^/]+/locations/[^/]+/batchPredictionJobs/\d+)(?P<verb>:cancel)?")
TERMINAL = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"}

Rows = list[dict[str, Any]]


def text_of(row: dict[str, Any]) -> str:
    """The last text of a request row: the nonce that has to come back to its own custom_id."""
    request = row["request"]
    if "content" in request:
        return str(request["content"]["parts"][0]["text"])
    return next(str(part["text"]) for part in request["contents"][-1]["parts"] if "text" in part)


def answer_to(row: dict[str, Any]) -> dict[str, Any]:
    """A good row of output; 7 prompt tokens and 3 of output, or 4 for an embedding."""
    said = text_of(row)
    done = {
        "key": row["key"],
        "status": "",
        "processed_time": "2026-11-21T10:00:00.000+00:00",
        "request": row["request"],
    }
    if "fail" in said:
        problem = {"error": {"code": 400, "message": "no such luck", "status": "INVALID_ARGUMENT"}}
        return {**done, "status": f"Bad Request: {json.dumps(problem)}"}
    if "content" in row["request"]:
        usage = {"promptTokenCount": 4, "totalTokenCount": 4}
        return {**done, "response": {"embedding": {"values": [0.6, 0.8]}, "usageMetadata": usage}}
    candidate = {"content": {"role": "model", "parts": [{"text": f"echo {said}"}]}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10}
    response = {
        "candidates": [candidate],
        "createTime": "2026-11-21T10:00:00.000000Z",
        "modelVersion": "m",
        "responseId": f"id-{row['key']}",
        "usageMetadata": usage,
    }
    return {**done, "response": response}


@dataclass
class Upstream:
    """Handles what `VertexClient` sends. `journal` is what really happened, lost answers included."""

    objects: Objects
    now: Callable[[], int]
    takes: int = 3_000  # milliseconds from creation to the end of a job
    lose_creates: int = 0  # so many creates have their effect, and no answer
    refuse: list[int] = field(default_factory=list)  # statuses of the next calls
    rewrite: Callable[[Rows], Rows] = lambda rows: random.Random(7).sample(rows, len(rows))
    ends_as: str = "JOB_STATE_SUCCEEDED"
    error: dict[str, Any] | None = None
    writes: bool = True  # whether a job that ends leaves predictions
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    journal: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self._turn()
        if self.refuse:
            status = self.refuse.pop(0)
            problem = {"error": {"code": status, "message": f"told to answer {status}", "status": "X"}}
            return httpx.Response(status, json=problem)
        path = request.url.path
        if (match := JOBS.fullmatch(path)) and request.method == "POST":
            return self._create(match["parent"], json.loads(request.content))
        if JOBS.fullmatch(path):
            return self._list(request.url.params["filter"])
        if (match := JOB.fullmatch(path)) is None or match["name"] not in self.jobs:
            problem = {"error": {"code": 404, "message": "no such job", "status": "NOT_FOUND"}}
            return httpx.Response(404, json=problem)
        job = self.jobs[match["name"]]
        if match["verb"]:
            self.journal.append(f"cancel {job['displayName']}")
            if job["state"] not in TERMINAL:
                self._end(job, "JOB_STATE_CANCELLED")
            return httpx.Response(200, json={})
        return httpx.Response(200, json=job)

    def created(self) -> list[str]:
        """Labels of all jobs that were ever made."""
        return [entry.removeprefix("create ") for entry in self.journal if entry.startswith("create ")]

    def _create(self, parent: str, body: dict[str, Any]) -> httpx.Response:
        name = f"{parent}/batchPredictionJobs/{1000 + len(self.jobs)}"
        self.jobs[name] = {**body, "name": name, "state": "JOB_STATE_PENDING", "createTime": f"{self.now():020d}"}
        self.journal.append(f"create {body['displayName']}")
        if self.lose_creates:
            self.lose_creates -= 1
            raise httpx.ReadTimeout("the answer was lost")
        return httpx.Response(200, json=self.jobs[name])

    def _list(self, wanted: str) -> httpx.Response:
        label = wanted.partition("=")[2]
        found = [job for job in self.jobs.values() if label in job["labels"].values()]
        return httpx.Response(200, json={"batchPredictionJobs": found} if found else {})

    def _turn(self) -> None:
        """Let time pass over all jobs."""
        for job in self.jobs.values():
            if job["state"] not in TERMINAL and self.now() - int(job["createTime"]) >= self.takes:
                self._end(job, self.ends_as)

    def _end(self, job: dict[str, Any], state: str) -> None:
        job["state"] = state
        if state == "JOB_STATE_FAILED":
            job["error"] = self.error or {"code": 3, "message": "Failed to import data."}
        if not self.writes or (state == "JOB_STATE_FAILED" and self.error is None):
            return
        source = job["inputConfig"]["gcsSource"]["uris"][0]
        try:
            stream = self.objects.open(source)
        except ObjectMissing:
            job["state"], job["error"] = "JOB_STATE_FAILED", {"code": 9, "message": "no input"}
            return
        with stream:
            rows = self.rewrite([answer_to(json.loads(line)) for line in stream.read().splitlines()])
        prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
        folder = f"{prefix}/prediction-model-2026-11-21T10:00:00.000000Z"
        job["outputInfo"] = {"gcsOutputDirectory": folder}
        self.objects.write(f"{folder}/predictions.jsonl", [json.dumps(row).encode() + b"\n" for row in rows])
