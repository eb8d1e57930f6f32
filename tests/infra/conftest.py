"""A stand-in on this machine, fast enough for tests."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.standin.faults import Faults
from infra.local.standin.server import StandIn
from infra.local.standin.store import Jobs
from infra.local.standin.worker import Pace, Worker
from shared.config import Deployment
from shared.domain.shard import Job
from shared.providers.base import JobRequest
from shared.providers.vertex.client import VertexClient
from shared.storage.directory import DirectoryObjects, Finalized
from tests.providers.requests import job_request

PARENT = "/v1/projects/p/locations/global/batchPredictionJobs"


@dataclass
class Place:
    """A running stand-in and what a test wants to do with it."""

    url: str
    objects: DirectoryObjects
    events: list[Finalized]

    def client(self, model: str = "gemini-2.5-flash") -> VertexClient:
        return VertexClient(
            Deployment(
                id="d#0",
                group="d",
                provider="vertex_ai",
                model=model,
                project="p",
                location="global",
                api_base=self.url,
            )
        )

    def put(self, *rows: Any, name: str = "lines") -> JobRequest:
        """An input file; and the request of a job that reads it."""
        source = f"gs://lines/in/{name}.jsonl"
        self.objects.write(source, (json.dumps(row).encode() + b"\n" for row in rows))
        return job_request(name, source=source, output=f"gs://lines/out/{name}/a1/")

    def run(self, *rows: Any, name: str = "lines", model: str = "gemini-2.5-flash") -> tuple[Job, list[dict[str, Any]]]:
        """The job when it is over, and its predictions."""
        client = self.client(model)
        job = over(client, client.create_job(self.put(*rows, name=name)).name)
        return job, self.predictions(job)

    def predictions(self, job: Job) -> list[dict[str, Any]]:
        found = list(self.objects.list(f"{job.output}/")) if job.output else []
        if not found:
            return []
        assert [stat.name for stat in found] == [f"{job.output}/predictions.jsonl"]
        with self.objects.open(found[0].name) as stream:
            return [json.loads(line) for line in stream]

    def fault(self, **rule: Any) -> None:
        httpx.post(f"{self.url}/-/faults", json=rule, trust_env=False, timeout=30).raise_for_status()

    def journal(self) -> dict[str, Any]:
        journal: dict[str, Any] = httpx.get(f"{self.url}/-/journal", trust_env=False, timeout=30).json()
        return journal


def until(condition: Callable[[], object], within: float = 30.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def over(client: VertexClient, name: str, within: float = 60.0) -> Job:
    until = time.monotonic() + within
    while True:
        job = client.get_job(name)
        if job.state.terminal:
            return job
        assert time.monotonic() < until, f"still {job.state}"
        time.sleep(0.03)


def prompt(number: int, text: str | None = None) -> dict[str, Any]:
    said = f"Question {number}" if text is None else text
    return {"key": f"r-{number:06d}", "request": {"contents": [{"role": "user", "parts": [{"text": said}]}]}}


@contextmanager
def standing_in(folder: Path, pace: Pace) -> Iterator[Place]:
    events: list[Finalized] = []
    objects = DirectoryObjects(folder / "objects", on_finalize=events.append)
    jobs, faults = Jobs(folder / "standin.db"), Faults()
    worker = Worker(jobs, objects, faults, pace)
    server = StandIn(("127.0.0.1", 0), jobs, worker, faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    worker.resume()
    try:
        yield Place(f"http://127.0.0.1:{server.server_address[1]}", objects, events)
    finally:
        server.stopping.set()
        server.shutdown()
        thread.join()
        worker.stop()
        server.server_close()
        jobs.close()


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Starts one; again on the same folder for a restart."""
    open_now: list[Any] = []

    def start(**pace: float) -> Place:
        if open_now:
            open_now.pop().__exit__(None, None, None)
        context = standing_in(tmp_path, Pace(**{"pending": 0.05, "running": 0.1, **pace}))
        open_now.append(context)
        return context.__enter__()

    yield start
    for context in open_now:
        context.__exit__(None, None, None)
