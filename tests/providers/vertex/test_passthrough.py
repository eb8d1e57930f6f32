"""Vertex's own words, passed on: what each answer means, and what of it a caller is told."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.config import Deployment
from shared.domain.errors import Transient
from shared.providers.base import JobMissing, Media, Passthrough, Said, Unknown
from shared.providers.vertex.client import VertexClient
from shared.providers.vertex.passthrough import VertexPassthrough
from shared.providers.vertex.provider import open_provider
from shared.providers.vertex.wire import Wire

NUMBER = "123456789012"
NAME = f"projects/{NUMBER}/locations/us-central1/batchPredictionJobs/1234567890123456789"
BODY = {
    "displayName": "mine",
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://their-bucket/in.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://their-bucket/out"}},
    "labels": {"color": "red"},
}
JOB = {**BODY, "name": NAME, "state": "JOB_STATE_PENDING", "createTime": "2026-11-14T10:26:51.569037Z"}

Answer = httpx.Response | Exception
Calls = dict[str, Callable[[], Any]]


def through(*answers: Answer, model: str = "gemini-2.5-flash") -> tuple[Passthrough, list[httpx.Request]]:
    """One whose requests get these answers, in turn, and the requests."""
    left, sent = list(answers), list[httpx.Request]()

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    deployment = Deployment(
        id="d#0",
        group="d",
        provider="vertex_ai",
        model=model,
        project="my-project",
        location="us-central1",
        api_base="http://127.0.0.1:9",
    )
    found = open_provider(deployment, Media()).passthrough
    assert isinstance(found, VertexPassthrough)
    http = httpx.Client(transport=httpx.MockTransport(handler))
    found._wire = Wire(deployment, http=http)
    found._client = VertexClient(deployment, http=http)
    return found, sent


def said(code: int, status: str = "X", message: str = "no") -> httpx.Response:
    return httpx.Response(code, json={"error": {"code": code, "message": message, "status": status}})


def test_a_create_is_what_was_understood_under_our_label() -> None:
    vertex, sent = through(httpx.Response(200, json=JOB))

    assert vertex.create("job_1", BODY) == JOB
    assert json.loads(sent[0].content) == {
        **BODY,
        "model": "publishers/google/models/gemini-2.5-flash",
        "labels": {"color": "red", "offpeak_job": "job_1"},
    }


def test_a_tuned_model_is_looked_up_behind_its_endpoint() -> None:
    endpoint = {"deployedModels": [{"model": "projects/1/locations/us-central1/models/7", "modelVersionId": "2"}]}
    vertex, sent = through(httpx.Response(200, json=endpoint), httpx.Response(200, json=JOB), model="555666777")

    assert vertex.path == "projects/my-project/locations/us-central1/endpoints/555666777"
    vertex.create("job_1", BODY)
    assert json.loads(sent[1].content)["model"] == "projects/1/locations/us-central1/models/7@2"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout("x"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={}),
        said(500),
        said(503),
        httpx.Response(408),
    ],
)
def test_a_create_without_a_clear_answer_may_have_made_a_job(answer: Answer) -> None:
    vertex, _ = through(answer)
    with pytest.raises(Unknown):
        vertex.create("job_1", BODY)


@pytest.mark.parametrize("answer", [httpx.ConnectError("x"), said(401), httpx.Response(403, text="<html>proxy</html>")])
def test_a_create_that_never_reached_vertex_as_us_made_none(answer: Answer) -> None:
    vertex, _ = through(answer)
    with pytest.raises(Transient) as caught:
        vertex.create("job_1", BODY)
    assert not isinstance(caught.value, Unknown)


@pytest.mark.parametrize(
    ("code", "status"),
    [(400, "INVALID_ARGUMENT"), (400, "FAILED_PRECONDITION"), (403, "PERMISSION_DENIED"), (429, "RESOURCE_EXHAUSTED")],
)
@pytest.mark.parametrize("call", ["create", "cancel", "delete", "get"])
def test_a_refusal_is_passed_on(code: int, status: str, call: str) -> None:
    vertex, _ = through(said(code, status, "because"))
    calls: Calls = {
        "create": lambda: vertex.create("job_1", BODY),
        "cancel": lambda: vertex.cancel(NAME),
        "delete": lambda: vertex.delete(NAME),
        "get": lambda: vertex.get(NAME),
    }
    with pytest.raises(Said) as caught:
        calls[call]()
    assert (caught.value.code, caught.value.status, str(caught.value)) == (code, status, "because")


def test_a_refusal_names_what_the_caller_named_and_nothing_of_ours() -> None:
    message = (
        f"Account service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com cannot write gs://their-bucket/out "
        f"of project {NUMBER}, nor gs://our-bucket/x; see https://console.cloud.google.com/x?project=my-project."
    )
    vertex, _ = through(said(400, "INVALID_ARGUMENT", message))
    with pytest.raises(Said) as caught:
        vertex.create("job_1", BODY)
    told = str(caught.value)
    assert "gs://their-bucket/out" in told
    assert not any(name in told for name in (NUMBER, "our-bucket", "gserviceaccount", "my-project", "https://"))


def test_the_error_of_a_job_names_its_own_places_alone() -> None:
    problem = {
        "code": 7,
        "message": f"service-{NUMBER}@x.iam.gserviceaccount.com has no access to gs://their-bucket/out, "
        "nor to gs://ours/x",
        "details": [{"secret": "x"}],
    }
    job = {**JOB, "state": "JOB_STATE_FAILED", "error": problem, "partialFailures": [problem, "nonsense"]}
    vertex, _ = through(httpx.Response(200, json=job))
    found = vertex.get(NAME)

    told = "(an account) has no access to gs://their-bucket/out, nor to (an object)"
    assert found["error"] == {"code": 7, "message": told}
    assert found["partialFailures"] == [{"code": 7, "message": told}]


@pytest.mark.parametrize(
    "answer", [httpx.Response(404, text="<html>"), said(500), httpx.ReadTimeout("x"), httpx.Response(200, json=[])]
)
def test_what_is_no_answer_may_pass(answer: Answer) -> None:
    vertex, _ = through(answer)
    with pytest.raises(Transient):
        vertex.get(NAME)


def test_an_unknown_job_is_missing_and_no_job_of_another_name_is_taken_for_it() -> None:
    vertex, _ = through(said(404), httpx.Response(200, json={**JOB, "name": NAME[:-1] + "8"}))
    with pytest.raises(JobMissing):
        vertex.get(NAME)
    with pytest.raises(Transient):
        vertex.get(NAME)
    with pytest.raises(JobMissing):
        vertex.get("../../x")


def test_the_oldest_job_of_a_label_is_found_over_all_pages() -> None:
    ours = {"labels": {"offpeak_job": "job_1"}}
    younger = {**JOB, **ours, "name": NAME[:-1] + "1", "createTime": "2026-11-14T10:26:52Z"}
    pages = [
        {"batchPredictionJobs": [younger, JOB, {"name": "x"}, 7], "nextPageToken": "t"},
        {"batchPredictionJobs": [{**JOB, **ours}]},
    ]
    vertex, sent = through(*(httpx.Response(200, json=page) for page in pages), httpx.Response(200, json={}))
    found = vertex.find("job_1")

    assert found is not None
    assert found["name"] == NAME
    assert sent[0].url.params["filter"] == "labels.offpeak_job=job_1"
    assert vertex.find("job_1") is None
