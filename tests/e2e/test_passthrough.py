"""Jobs in Vertex's own words, on the whole stack, by a client that was written for Vertex."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
from openai import OpenAI

from shared.storage.directory import DirectoryObjects
from tests.e2e.stack import Stack
from tests.e2e.stack import start as start_batch

PARENT = "projects/offpeak-local/locations/global"
MODEL = "gemini-2.5-flash"


class Client:
    """What google-cloud-aiplatform sends over REST, through google-auth's own session."""

    def __init__(self, stack: Stack, *, prefix: str = "/v1") -> None:
        self.session = AuthorizedSession(Credentials(token=stack.key))  # type: ignore[no-untyped-call]
        self.url = f"{stack.url}{prefix}"

    def close(self) -> None:
        self.session.close()  # type: ignore[no-untyped-call]

    def call(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        options: dict[str, Any] = {} if body is None else {"data": json.dumps(body)}
        response = self.session.request(  # type: ignore[no-untyped-call]
            method,
            f"{self.url}/{path}",
            params={"$alt": "json;enum-encoding=int", **query},
            headers={"content-type": "application/json", "x-goog-api-client": "gl-python/3.11 gapic/1"},
            timeout=30,
            **options,
        )
        response.raise_for_status()
        self.headers = response.headers
        return response.json()

    def create(self, source: str, target: str) -> dict[str, Any]:
        body = {
            "displayName": "nightly",
            "model": f"{PARENT}/publishers/google/models/{MODEL}",
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [source]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": target}},
        }
        return dict(self.call("POST", f"{PARENT}/batchPredictionJobs", body))

    def ended(self, name: str, within: float = 90) -> dict[str, Any]:
        until = time.monotonic() + within
        while (job := self.call("GET", name))["state"] not in {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"}:
            assert time.monotonic() < until, job
            time.sleep(0.2)
        return dict(job)

    def cost(self, name: str, within: float = 60) -> dict[str, Any]:
        until = time.monotonic() + within
        while (cost := self.call("GET", f"jobs/{name}/cost"))["total"] is None:
            assert time.monotonic() < until, cost
            time.sleep(0.1)
        return dict(cost)


@pytest.fixture
def vertex(stack: Stack) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        made.append(Client(stack, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"key": f"mine-{n}", "request": {"contents": [{"role": "user", "parts": [{"text": f"question {n}"}]}]}}
        for n in range(count)
    ]


def put(stack: Stack, name: str, count: int = 20) -> str:
    uri = f"gs://jobs/{name}.jsonl"
    objects = DirectoryObjects(stack.data / "objects")
    objects.write(uri, [json.dumps(each).encode() + b"\n" for each in rows(count)])
    return uri


def test_a_job_of_a_vertex_client_runs_and_says_what_it_cost(stack: Stack, vertex: Callable[..., Client]) -> None:
    client = vertex()
    made = client.create(put(stack, "in"), "gs://jobs/out")
    assert client.headers["x-offpeak-estimated-cost-usd"]
    job = client.ended(made["name"])

    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert "labels" not in job
    [stat] = DirectoryObjects(stack.data / "objects").list(job["outputInfo"]["gcsOutputDirectory"] + "/")
    with DirectoryObjects(stack.data / "objects").open(stat.name) as stream:
        assert {json.loads(line)["key"] for line in stream} == {each["key"] for each in rows(20)}
    cost = client.cost(made["name"].rpartition("/")[2])
    assert (cost["priced_lines"], cost["unpriced_lines"], cost["currency"]) == (20, 0, "USD")
    client.call("GET", made["name"])
    assert client.headers["x-offpeak-cost-usd"] == cost["total"]
    assert made["name"] in [
        each["name"] for each in client.call("GET", f"{PARENT}/batchPredictionJobs")["batchPredictionJobs"]
    ]
    assert client.call("DELETE", made["name"])["done"] is True


def test_the_same_questions_cost_the_same_as_in_a_batch(
    stack: Stack, client: OpenAI, vertex: Callable[..., Client]
) -> None:
    google = vertex(prefix="/vertex_ai/v1")
    made = google.create(put(stack, "same"), "gs://jobs/same-out")
    lines = [
        {
            "custom_id": each["key"],
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": MODEL, "messages": [{"role": "user", "content": f"question {n}"}]},
        }
        for n, each in enumerate(rows(20))
    ]
    batch = start_batch(client, lines)
    google.ended(made["name"])
    cost = vertex().cost(made["name"].replace("/", "%2F"))
    until = time.monotonic() + 60
    while (found := client.batches.retrieve(batch.id)).status != "completed":
        assert time.monotonic() < until
        time.sleep(0.2)

    assert found.model_extra is not None
    assert found.model_extra["cost"]["total"] == cost["total"]


def test_a_job_in_hand_while_everything_is_killed_is_counted_once(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(STANDIN_RUNNING="3")
    client = Client(stack)
    made = client.create(put(stack, "killed"), "gs://jobs/killed-out")
    client.close()
    stack.die()
    stack.start()
    client = Client(stack)
    assert client.ended(made["name"])["state"] == "JOB_STATE_SUCCEEDED"
    assert client.cost(made["name"])["priced_lines"] == 20
    client.close()
