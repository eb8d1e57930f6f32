"""The client against answers of every kind: good ones, Google's errors, and what is no answer at all."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from shared.config import Deployment
from shared.domain.errors import Transient
from shared.domain.shard import Job, JobState
from shared.providers.base import Busy, JobMissing, Refused, Unknown
from shared.providers.vertex import client as module
from shared.providers.vertex.client import VertexClient, base_url
from shared.providers.vertex.credentials import GoogleCredentials
from tests.providers.requests import job_request

NUMBER = "123456789012"
NAME = f"projects/{NUMBER}/locations/us-central1/batchPredictionJobs/1234567890123456789"
LABEL = "batch_0123456789abcdef0123456789abcdef-0001-a1"
REQUEST = job_request(LABEL, source="gs://bucket/in/b/0001/e1/lines.jsonl", output="gs://bucket/out/b/0001/a1/")
PRIVATE = ("my-project", NUMBER, "1234567890123456789", "my-bucket", "gs://", "gserviceaccount")

Handler = Callable[[httpx.Request], httpx.Response]


def deployment(location: str = "us-central1", **rest: Any) -> Deployment:
    return Deployment(
        id="flash#0",
        group="flash",
        provider="vertex_ai",
        model=rest.pop("model", "gemini-2.5-flash"),
        project="my-project",
        location=location,
        **rest,
    )


class Token(GoogleCredentials):
    """Credentials that need no account."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked = self.forgotten = 0

    def headers(self) -> dict[str, str]:
        self.asked += 1
        return {"authorization": "Bearer secret-token"}

    def forget(self) -> None:
        self.forgotten += 1


def client(answer: Handler | httpx.Response | Exception, **rest: Any) -> VertexClient:
    def handler(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    http = httpx.Client(transport=httpx.MockTransport(handler))
    return VertexClient(deployment(**rest), http=http, credentials=Token())


def resource(**rest: Any) -> dict[str, Any]:
    return {
        "name": NAME,
        "displayName": LABEL,
        "labels": {"offpeak_job": LABEL},
        "state": "JOB_STATE_PENDING",
        "createTime": "2026-11-14T10:26:51.569037Z",
        "inputConfig": {"gcsSource": {"uris": ["gs://my-bucket/in.jsonl"]}},
        **rest,
    }


def google(code: int, message: str = "No.", status: str = "") -> httpx.Response:
    return httpx.Response(code, json={"error": {"code": code, "message": message, "status": status}})


CALLS: dict[str, Callable[[VertexClient], object]] = {
    "create": lambda client: client.create_job(REQUEST),
    "find": lambda client: client.find_job(LABEL),
    "get": lambda client: client.get_job(NAME),
    "cancel": lambda client: client.cancel_job(NAME),
}
EVERY_CALL = pytest.mark.parametrize("call", CALLS)


@pytest.mark.parametrize(
    ("location", "api_base", "expected"),
    [
        ("global", None, "https://aiplatform.googleapis.com/v1"),
        ("us", None, "https://aiplatform.us.rep.googleapis.com/v1"),
        ("eu", None, "https://aiplatform.eu.rep.googleapis.com/v1"),
        ("us-central1", None, "https://us-central1-aiplatform.googleapis.com/v1"),
        ("europe-west4", None, "https://europe-west4-aiplatform.googleapis.com/v1"),
        ("global", "http://127.0.0.1:8090", "http://127.0.0.1:8090/v1"),
        ("global", "https://proxy.example/vertex/", "https://proxy.example/vertex/v1"),
        ("global", "https://proxy.example/v1beta1", "https://proxy.example/v1beta1"),
    ],
)
def test_where_a_location_is_served(location: str, api_base: str | None, expected: str) -> None:
    assert base_url(deployment(location, api_base=api_base)) == expected


def test_create_says_what_to_run_and_how_we_call_it() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=resource())

    job = client(answer).create_job(REQUEST)

    assert job == Job(name=NAME, state=JobState.QUEUED)
    (request,) = seen
    assert request.method == "POST"
    assert str(request.url) == (
        "https://us-central1-aiplatform.googleapis.com/v1/projects/my-project/locations/us-central1/batchPredictionJobs"
    )
    assert request.headers["authorization"] == "Bearer secret-token"
    assert json.loads(request.content) == {
        "displayName": LABEL,
        "model": "publishers/google/models/gemini-2.5-flash",
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [REQUEST.source]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": REQUEST.output}},
        "labels": {"offpeak_job": LABEL},
    }


@pytest.mark.parametrize(
    ("model", "resource_name"),
    [
        ("projects/1/locations/us-central1/models/42", "projects/1/locations/us-central1/models/42"),
        ("google/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
        (
            "projects/p/locations/global/publishers/google/models/gemini-2.5-flash",
            "publishers/google/models/gemini-2.5-flash",
        ),
    ],
)
def test_a_model_is_named_by_its_resource(model: str, resource_name: str) -> None:
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=resource())

    client(answer, model=model).create_job(REQUEST)
    assert bodies[0]["model"] == resource_name


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("JOB_STATE_QUEUED", JobState.QUEUED),
        ("JOB_STATE_PENDING", JobState.QUEUED),
        ("JOB_STATE_RUNNING", JobState.RUNNING),
        ("JOB_STATE_PAUSED", JobState.RUNNING),
        ("JOB_STATE_UPDATING", JobState.RUNNING),
        ("JOB_STATE_CANCELLING", JobState.RUNNING),
        ("JOB_STATE_SUCCEEDED", JobState.SUCCEEDED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", JobState.SUCCEEDED),
        ("JOB_STATE_FAILED", JobState.FAILED),
        ("JOB_STATE_CANCELLED", JobState.CANCELLED),
        ("JOB_STATE_EXPIRED", JobState.EXPIRED),
        ("JOB_STATE_OF_TOMORROW", JobState.RUNNING),
        ("Completed", JobState.RUNNING),
        (None, JobState.RUNNING),
        (7, JobState.RUNNING),
    ],
)
def test_states_in_our_words_and_the_unknown_never_terminal(state: object, expected: JobState) -> None:
    assert client(httpx.Response(200, json=resource(state=state))).get_job(NAME).state is expected


def test_a_finished_job_with_counts_and_directory() -> None:
    job = client(
        httpx.Response(
            200,
            json=resource(
                state="JOB_STATE_SUCCEEDED",
                completionStats={"successfulCount": "15", "failedCount": "3", "incompleteCount": "-1"},
                outputInfo={"gcsOutputDirectory": "gs://my-bucket/out/prediction-model-2026-11-14T10:26:51.569037Z"},
            ),
        )
    ).get_job(NAME)
    assert (job.completed, job.failed) == (15, 3)
    assert job.output == "gs://my-bucket/out/prediction-model-2026-11-14T10:26:51.569037Z"


@pytest.mark.parametrize("count", ["-1", None, "", "many", -5, 1.5, True, [], "9" * 30, {"n": 1}])
def test_a_count_that_is_none_is_unknown(count: object) -> None:
    job = client(httpx.Response(200, json=resource(completionStats={"successfulCount": count}))).get_job(NAME)
    assert job.completed is None


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        *((code, True) for code in (4, 8, 10, 13, 14, "13")),
        *((code, False) for code in (1, 3, 5, 7, 9, None, "x")),
    ],
)
def test_which_failures_may_pass(code: object, retryable: bool) -> None:
    failed = resource(state="JOB_STATE_FAILED", error={"code": code, "message": "Why."})
    job = client(httpx.Response(200, json=failed)).get_job(NAME)
    assert job.retryable is retryable
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("provider_error", "Why.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "Failed to import data. Query error: Cannot store struct 'request.tools.googleSearch' with no fields",
            "Failed to import data. Query error: Cannot store struct 'request.tools.googleSearch' with no fields",
        ),
        (
            "Failed to get GCS bucket location for my-bucket. Please check that the bucket exists.",
            "Failed to get GCS bucket location for (a name). Please check that the bucket exists.",
        ),
        (
            (
                f"Service account service-{NUMBER}@gcp-sa-aiplatform.iam.gserviceaccount.com doesn't have "
                'permission "storage.objects.create" to write gs://my-bucket/out/prediction-model-1/predictions.jsonl.'
            ),
            'Service account (an account) doesn\'t have permission "storage.objects.create" to write (an object).',
        ),
        (
            f"Job {NAME} and //aiplatform.googleapis.com/projects/my-project: no.",
            "Job (a resource) and (a resource): no.",
        ),
        (
            "Not found: Dataset 0123-tp:ds_1 was not found in location US",
            "Not found: Dataset (a name) was not found in location US",
        ),
        ("See https://console.example/x?project=my-project.", "See (a link)."),
        ("two\nlines\tand\x00\u202e", "two lines and"),
        ("", "The provider gave no reason."),
        (None, "The provider gave no reason."),
        ({"not": "text"}, "The provider gave no reason."),
    ],
)  # fmt: skip
def test_what_a_client_may_read_of_a_failure(said: object, shown: str) -> None:
    failed = resource(state="JOB_STATE_FAILED", error={"code": 9, "message": said})
    error = client(httpx.Response(200, json=failed)).get_job(NAME).error
    assert error is not None
    assert error.message == shown
    assert not any(word in error.message for word in PRIVATE)


def test_a_job_is_found_on_a_later_page_and_by_label_and_name() -> None:
    """The filter is Vertex's promise, not ours: a job that only resembles is not adopted."""
    pages: dict[str, Any] = {
        "": {"batchPredictionJobs": [resource(labels={"offpeak_job": "other"})], "nextPageToken": "p2"},
        "p2": {"batchPredictionJobs": [resource(displayName="renamed"), None, 7], "nextPageToken": "p3"},
        "p3": {"batchPredictionJobs": [resource()]},
    }
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json=pages[request.url.params.get("pageToken", "")])

    assert client(answer).find_job(LABEL) == Job(name=NAME, state=JobState.QUEUED)
    assert len(asked) == 3
    assert {url.params["filter"] for url in asked} == {f"labels.offpeak_job={LABEL}"}


@pytest.mark.parametrize("page", [{}, {"batchPredictionJobs": []}, {"batchPredictionJobs": None}])
def test_no_job_of_that_label(page: Any) -> None:
    assert client(httpx.Response(200, json=page)).find_job(LABEL) is None


def test_of_two_jobs_the_older_is_adopted_and_the_other_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    younger = resource(name=NAME[:-1] + "0", createTime="2026-11-14T10:26:52Z")
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path.rpartition('/')[2]}")
        listed = {"batchPredictionJobs": [younger, resource()]}
        return httpx.Response(200, json=listed if request.method == "GET" else {})

    found = client(answer).find_job(LABEL)

    assert found is not None
    assert found.name == NAME
    assert calls == ["GET batchPredictionJobs", "POST 1234567890123456780:cancel"]
    assert "jobs_doubled" in capsys.readouterr().out


def test_pages_without_end_are_left() -> None:
    with pytest.raises(Transient):
        client(httpx.Response(200, json={"nextPageToken": "again"})).find_job(LABEL)


@pytest.mark.parametrize(
    ("call", "code"),
    [*((call, code) for call in CALLS for code in (400, 405, 413, 422)), ("create", 404), ("find", 404)],
)
def test_a_refusal_is_settled(call: str, code: int) -> None:
    with pytest.raises(Refused) as caught:
        CALLS[call](client(google(code, f"The model does not exist in projects/{NUMBER}.")))
    assert caught.value.settled
    assert caught.value.error.code == "provider_error"
    assert NUMBER not in caught.value.error.message


@EVERY_CALL
@pytest.mark.parametrize("code", [401, 403])
def test_a_missing_grant_is_not_settled(call: str, code: int) -> None:
    """A grant takes minutes to be known everywhere."""
    vertex = client(google(code, "Permission denied on resource '//aiplatform.googleapis.com/projects/my-project'."))
    with pytest.raises(Refused) as caught:
        CALLS[call](vertex)
    assert not caught.value.settled
    assert "my-project" not in str(caught.value)
    credentials = vertex._wire.credentials
    assert isinstance(credentials, Token)
    assert credentials.forgotten == (code == 401)


@EVERY_CALL
@pytest.mark.parametrize("code", [301, 302, 307])
def test_redirects_are_not_followed(call: str, code: int) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(code, headers={"location": "https://elsewhere.example/"})

    with pytest.raises(Refused) as caught:
        CALLS[call](client(answer))
    assert len(seen) == 1
    assert not caught.value.settled


@pytest.mark.parametrize(
    ("said", "seconds"),
    [({}, None), ({"retry-after": "30"}, 30.0), ({"retry-after": "soon"}, None), ({"retry-after": "-5"}, 0.0)],
)
def test_a_create_without_quota_is_busy(said: dict[str, str], seconds: float | None) -> None:
    """So is one more batch than a project may have at once, as the four of Claude."""
    problem = {"error": {"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED"}}
    with pytest.raises(Busy) as caught:
        client(httpx.Response(429, json=problem, headers=said)).create_job(REQUEST)
    assert caught.value.retry_after == seconds


def test_a_date_says_how_long_to_wait() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    with pytest.raises(Busy) as caught:
        client(httpx.Response(429, headers={"retry-after": later})).create_job(REQUEST)
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after <= 60


@EVERY_CALL
@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("silent")])
def test_where_nobody_answers_it_is_busy(call: str, error: Exception) -> None:
    with pytest.raises(Busy):
        CALLS[call](client(error))


TUNED = "projects/123456789012/locations/us-central1/models/77"


@pytest.mark.parametrize("model", ["42", "gemini/42", "projects/my-project/locations/us-central1/endpoints/42"])
@pytest.mark.parametrize(
    ("deployed", "expected"),
    [
        ({"model": TUNED}, TUNED),
        ({"model": TUNED, "modelVersionId": "2"}, f"{TUNED}@2"),
        ({"model": f"{TUNED}@1", "modelVersionId": "2"}, f"{TUNED}@1"),
        ({"model": TUNED, "modelVersionId": "../2"}, TUNED),
    ],
)
def test_a_tuned_model_is_found_behind_its_endpoint_once(model: str, deployed: dict[str, str], expected: str) -> None:
    calls: list[str] = []
    created: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(f"{request.method} {request.url.path}")
        if request.method == "GET":
            return httpx.Response(200, json={"name": "e", "deployedModels": [deployed]})
        created.append(json.loads(request.content)["model"])
        return httpx.Response(200, json=resource())

    vertex = client(answer, model=model)
    vertex.create_job(REQUEST)
    vertex.create_job(REQUEST)

    assert created == [expected, expected]
    assert [call for call in calls if call.startswith("GET")] == [
        "GET /v1/projects/my-project/locations/us-central1/endpoints/42"
    ]


@pytest.mark.parametrize(
    ("reply", "settled"),
    [
        (google(404, "Endpoint projects/my-project/locations/x/endpoints/42 not found."), True),
        (httpx.Response(200, json={"name": "e"}), False),
        (httpx.Response(200, json={"deployedModels": [{"model": "publishers/google/models/x"}]}), False),
        (httpx.Response(200, json={"deployedModels": [7]}), False),
        (google(403), False),
    ],
)
def test_an_endpoint_without_a_model_says_so(reply: httpx.Response, settled: bool) -> None:
    with pytest.raises(Refused) as caught:
        client(reply, model="42").create_job(REQUEST)
    assert caught.value.settled is settled
    assert not any(name in caught.value.error.message for name in (*PRIVATE, "42"))


@pytest.mark.parametrize(
    "reply", [google(500), httpx.Response(404, text="<html>"), httpx.ReadTimeout("slow"), google(429)]
)
def test_an_endpoint_that_does_not_answer_leaves_no_job(reply: httpx.Response | Exception) -> None:
    with pytest.raises((Transient, Refused)) as caught:
        client(reply, model="42").create_job(REQUEST)
    assert not isinstance(caught.value, Unknown)
    assert not isinstance(caught.value, Refused) or not caught.value.settled


@EVERY_CALL
@pytest.mark.parametrize("code", [409, 429, 499])
def test_what_may_pass_is_transient_and_made_no_job(call: str, code: int) -> None:
    with pytest.raises(Transient) as caught:
        CALLS[call](client(google(code)))
    assert not isinstance(caught.value, Unknown)


@EVERY_CALL
@pytest.mark.parametrize(
    "answer",
    [
        google(500),
        google(503),
        google(504),
        google(408),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(500, json=[{"error": {"code": 500, "message": "a list"}}]),
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("closed"),
    ],
)
def test_a_lost_answer_is_unknown_for_a_create_and_transient_for_the_rest(call: str, answer: Any) -> None:
    with pytest.raises(Transient) as caught:
        CALLS[call](client(answer))
    assert isinstance(caught.value, Unknown) == (call == "create")


@EVERY_CALL
@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("silent"), httpx.PoolTimeout("")]
)
def test_what_was_never_sent_is_only_transient(call: str, error: Exception) -> None:
    with pytest.raises(Transient) as caught:
        CALLS[call](client(error))
    assert not isinstance(caught.value, Unknown)


BROKEN = [
    b"",
    b"<!doctype html><title>Sorry</title>",
    b'{"name": "projects/1/loca',
    b"[]",
    b"[" * 100_000,
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"{}",
    b'{"name": 7}',
    b'{"name": "../../secrets"}',
    b'{"name": "projects/1/locations/x/batchPredictionJobs/1/../2"}',
    b'{"name": NaN}',
]


@pytest.mark.parametrize("body", BROKEN)
def test_a_good_status_with_a_body_that_is_no_job(body: bytes) -> None:
    with pytest.raises(Unknown):
        client(httpx.Response(200, content=body)).create_job(REQUEST)
    with pytest.raises(Transient):
        client(httpx.Response(200, content=body)).get_job(NAME)


@pytest.mark.parametrize("body", BROKEN)
def test_a_list_that_is_none(body: bytes) -> None:
    with suppress(Transient):
        assert client(httpx.Response(200, content=body)).find_job(LABEL) is None


@pytest.mark.parametrize("code", [400, 404, 429, 500])
@EVERY_CALL
def test_html_from_somewhere_else_never_settles_anything(call: str, code: int) -> None:
    with pytest.raises((Refused, Transient)) as caught:
        CALLS[call](client(httpx.Response(code, text="<html>not Vertex</html>")))
    assert not isinstance(caught.value, Refused) or not caught.value.settled


def test_an_answer_without_end_is_cut_off() -> None:
    def chunks() -> Iterator[bytes]:
        while True:
            yield b" " * 2**20

    with pytest.raises(Unknown):
        client(lambda _: httpx.Response(200, content=chunks())).create_job(REQUEST)


def test_an_error_in_a_list_of_one() -> None:
    with pytest.raises(Refused) as caught:
        client(httpx.Response(400, json=[{"error": {"code": 400, "message": "In a list."}}])).create_job(REQUEST)
    assert "In a list." in caught.value.error.message
    assert caught.value.settled


@pytest.mark.parametrize("call", ["get", "cancel"])
def test_a_job_that_is_gone(call: str) -> None:
    with pytest.raises(JobMissing):
        CALLS[call](client(google(404, "not found", "NOT_FOUND")))


@pytest.mark.parametrize("name", ["", "x", "projects/1/locations/x/batchPredictionJobs/1?alt=media", NAME + "/../1"])
def test_a_name_that_is_none_is_never_asked_for(name: str) -> None:
    with pytest.raises(JobMissing):
        client(AssertionError("asked")).get_job(name)


def test_cancelling_a_finished_job_is_no_error() -> None:
    client(google(400, "The job is not in a cancellable state.", "FAILED_PRECONDITION")).cancel_job(NAME)
    client(httpx.Response(200, json={})).cancel_job(NAME)


def test_a_token_never_travels_over_plain_http() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=resource())

    for base in ("http://127.0.0.1:8090", "http://localhost:8090/v1", "http://vertex.example"):
        vertex = client(answer, api_base=base)
        vertex.get_job(NAME)
        assert isinstance(vertex._wire.credentials, Token)
        assert vertex._wire.credentials.asked == 0
    assert not any("authorization" in request.headers for request in seen)


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that speaks as badly as it likes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                serve(connection)
        except OSError:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        thread.join(10)


def _drip(connection: socket.socket) -> None:
    """Always in time for the next read, never done."""
    connection.recv(65_536)
    for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"z" * 2_000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def _hang_up(connection: socket.socket) -> None:
    connection.recv(65_536)


def _half(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"name":')


def _packed(connection: socket.socket) -> None:
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}")


@pytest.mark.parametrize("serve", [_drip, _hang_up, _half, _packed])
def test_a_real_connection_that_goes_wrong(serve: Callable[[socket.socket], None], monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "_CALL", 3.0 if serve is _drip else 60.0)
    with server(serve) as url:
        began = time.monotonic()
        with pytest.raises(Unknown):
            VertexClient(deployment(api_base=url)).create_job(REQUEST)
        assert time.monotonic() - began < 30


def test_nobody_at_the_other_end() -> None:
    with socket.socket() as kept:  # it does not listen, and nobody else does at its port
        kept.bind(("127.0.0.1", 0))
        with pytest.raises(Transient) as caught:
            VertexClient(deployment(api_base=f"http://127.0.0.1:{kept.getsockname()[1]}")).create_job(REQUEST)
    assert not isinstance(caught.value, Unknown)
