"""Vertex's own API, over HTTP: a stand-in as a real server behind it, and callers who write as Google's clients do."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Request

from infra.local.standin.worker import Pace
from shared.domain.access import ADMIN, Caller
from shared.domain.account import Account
from shared.domain.messages import Message
from shared.domain.passthrough import VertexJob
from shared.steps.run import run
from shared.storage import queries
from tests.functions.conftest import Answer, Api
from tests.infra.conftest import Place, prompt, standing_in

JOBS = "/v1/projects/p/locations/global/batchPredictionJobs"
FLASH = "publishers/google/models/gemini-2.5-flash"
CALLERS = {
    "a": Caller(owner="user:a", team="one", user="a", key="key-a", payers=("key-a",)),
    "b": Caller(owner="user:b", team="two", user="b", key="key-b", payers=("key-b",)),
    "mate": Caller(owner="user:mate", team="one", user="mate", key="key-mate"),
    "loner": Caller(owner="key:key-loner", key="key-loner"),
    "narrow": Caller(owner="user:n", team="one", user="n", key="key-n", models=(("embedder",),)),
    "odd": Caller(owner="user:odd", team="../one", user="a b", key="key-odd"),
    "admin": ADMIN,
}
CONFIG = """
model_list:
  - model_name: flash
    litellm_params: {{model: vertex_ai/gemini-2.5-flash, {place}, vertex_location: global}}
  - model_name: embedder
    litellm_params: {{model: vertex_ai/gemini-embedding-001, {place}, vertex_location: us-central1}}
  - model_name: closed
    litellm_params: {{model: vertex_ai/gemini-2.5-pro, {place}, vertex_location: global, use_in_pass_through: false}}
  - model_name: elsewhere
    litellm_params:
      {{model: vertex_ai/gemini-3.8-flash, {place}, vertex_location: us-east1, gcs_bucket_name: lone/only}}
  - model_name: claude-*
    litellm_params: {{model: vertex_ai/claude-*, {place}, vertex_location: us-east5}}
  - model_name: odd
    litellm_params: {{model: vertex_ai/gemini-unpriced-9, {place}, vertex_location: global}}
offpeak:
  passthrough_buckets: [jobs, "gs://teams/{{team}}", "users/of/{{user}}/", "work", "data", "keys/{{key}}"]
"""


@dataclass
class World:
    """The API, the stand-in behind it, and the steps."""

    api: Api
    place: Place

    def as_(self, who: str) -> "World":
        self.api.headers = {"x-caller": who}
        return self

    def put(self, uri: str, *rows: Any) -> str:
        self.place.objects.write(uri, (json.dumps(row).encode() + b"\n" for row in rows or (prompt(1), prompt(2))))
        return uri

    def body(self, **changes: Any) -> dict[str, Any]:
        return {
            "displayName": "my job",
            "model": FLASH,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://jobs/in.jsonl"]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://jobs/out"}},
            **changes,
        }

    def places(self, source: str = "gs://jobs/in.jsonl", target: str = "gs://jobs/out", **changes: Any) -> Answer:
        body = self.body(**changes)
        body["inputConfig"]["gcsSource"]["uris"] = [source]
        body["outputConfig"]["gcsDestination"]["outputUriPrefix"] = target
        return self.api.post(JOBS, json=body)

    def create(self, *rows: Any, **changes: Any) -> dict[str, Any]:
        self.put("gs://jobs/in.jsonl", *rows)
        answer = self.api.post(JOBS, json=self.body(**changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def steps(self) -> None:
        """What the bus holds, and a sweep."""
        queue = self.api.app.bus.queue  # type: ignore[attr-defined]
        run(self.api.app, Message(step="sweep"))
        while due := queue.claim(self.api.clock.at, 600_000, 1):
            if due[0].topic == "steps":
                run(self.api.app, Message(**due[0].data))
            queue.ack(due[0].id, due[0].token)

    def until(self, test: Callable[[], Any], within: float = 60.0) -> Any:
        end = time.monotonic() + within
        while not (found := test()):
            assert time.monotonic() < end
            time.sleep(0.03)
            self.api.clock.pass_by(2_000)
            self.steps()
        return found

    def settled(self, name: str) -> VertexJob:
        job: VertexJob = self.until(
            lambda: next((job for job in self.records() if job.name == name and job.ended), None)
        )
        return job

    def records(self) -> list[VertexJob]:
        return list(self.api.app.documents.query(queries.JOBS))

    def newest(self, who: str) -> VertexJob:
        return next(job for job in self.records() if job.owner == CALLERS[who].owner)

    def account(self, id: str) -> Account:
        return self.api.app.documents.get(Account, id) or Account(id=id)

    def set_account(self, account: Account) -> None:
        self.api.app.documents.transact(lambda tx: tx.put(account))


@pytest.fixture
def pace() -> Pace:
    return Pace(pending=0.02, running=0.05)


@pytest.fixture
def place(tmp_path: Path, pace: Pace) -> Iterator[Place]:
    with standing_in(tmp_path, pace) as found:
        for bucket in ("jobs", "teams", "users", "keys", "lone"):
            (tmp_path / "objects" / bucket).mkdir(parents=True)
        yield found


@pytest.fixture
def environment(environment: dict[str, str], place: Place) -> dict[str, str]:
    said = CONFIG.format(place=f"vertex_project: p, api_base: {place.url}")
    Path(environment["OFFPEAK_CONFIG"]).write_text(said)
    return environment


@pytest.fixture
def world(target: Callable[[str], Api], place: Place, monkeypatch: pytest.MonkeyPatch) -> World:
    def by_name(request: Request, _: str) -> Caller:
        return CALLERS[request.headers["x-caller"]]

    api = target("vertex")
    api.clock.at = time.time_ns() // 1_000_000
    monkeypatch.setattr("functions.http.authenticate", by_name)
    return World(api, place).as_("a")


def google(answer: Answer) -> tuple[int, str, str]:
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert answer.status_code == error["code"]
    return error["code"], error["status"], error["message"]
