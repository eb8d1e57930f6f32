"""The stand-in as a provider: Offpeak's own client runs jobs on it."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from infra.local.standin.filters import BadFilter, parse_filter
from shared.config import Deployment
from shared.domain.errors import Transient
from shared.domain.shard import Job, JobState
from shared.providers.base import Busy, JobMissing, Refused, Unknown
from shared.providers.vertex.client import VertexClient
from tests.infra.conftest import PARENT, Place, over, prompt, until
from tests.providers.requests import job_request

Start = Callable[..., Place]
FAIL = "stand-in:fail please"


def test_a_job_from_input_to_predictions(stand_in: Start) -> None:
    place = stand_in()
    rows = [prompt(number) for number in range(40)]
    rows[7] = prompt(7, FAIL)

    job, written = place.run(*rows)

    assert job.state is JobState.SUCCEEDED
    assert (job.completed, job.failed) == (39, 1)
    assert sorted(row["key"] for row in written) == [row["key"] for row in rows]
    assert [row["key"] for row in written] != [row["key"] for row in rows], "rows come back out of order"
    failed = next(row for row in written if row["key"] == "r-000007")
    assert failed["status"].startswith('Bad Request: {"error"')
    assert "response" not in failed
    for row in written:
        if row is not failed:
            assert row["status"] == ""
            said = row["response"]["candidates"][0]["content"]["parts"][0]["text"]
            assert "stand-in" in said
            assert row["request"]["contents"][0]["parts"][0]["text"] in said
    assert [event.name.rpartition("/")[2] for event in place.events if event.name.startswith("out/")] == [
        "predictions.jsonl"
    ]


def test_even_two_rows_change_places(stand_in: Start) -> None:
    _, written = stand_in().run(prompt(0), prompt(1))
    assert [row["key"] for row in written] == ["r-000001", "r-000000"]


def test_embeddings(stand_in: Start) -> None:
    row = {"key": "r-1#0/1", "request": {"content": {"parts": [{"text": "x"}]}}}
    empty = {"key": "r-2", "request": {"content": {"parts": [{"text": ""}]}}}
    job, written = stand_in().run(row, empty, model="gemini-embedding-001")
    answers = {row["key"]: row for row in written}
    assert len(answers["r-1#0/1"]["response"]["embedding"]["values"]) == 3072
    assert "content is empty" in answers["r-2"]["status"]
    assert (job.completed, job.failed) == (1, 1)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"key": "r-1", "request": {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}}, "valid role"),
        ({"key": "r-1", "request": {**prompt(1)["request"], "temperature": 1}}, "Cannot find field"),
    ],
)
def test_a_request_that_the_service_refuses_fails_alone(stand_in: Start, row: dict[str, Any], said: str) -> None:
    job, written = stand_in().run(row, prompt(2))
    assert job.state is JobState.SUCCEEDED
    assert said in next(row["status"] for row in written if row["key"] == "r-1")


def test_a_row_that_the_importer_refuses_fails_all(stand_in: Start) -> None:
    place = stand_in()
    bad = {"key": "r-1", "request": {**prompt(1)["request"], "tools": [{"googleSearch": {}}]}}
    job, written = place.run(prompt(0), bad)
    assert job.state is JobState.FAILED
    assert not job.retryable
    assert job.error is not None
    assert "Cannot store struct 'request.tools.googleSearch' with no fields" in job.error.message
    assert (written, job.output, job.completed) == ([], None, None)
    assert not [event for event in place.events if event.name.startswith("out/")]


@pytest.mark.parametrize(
    ("source", "said"), [("gs://lines/in/none.jsonl", "not found"), ("gs://nowhere/x.jsonl", "bucket location")]
)
def test_input_that_is_not_there_is_found_out_later(stand_in: Start, source: str, said: str) -> None:
    place = stand_in()
    place.put(prompt(1))
    client = place.client()
    created = client.create_job(job_request("x", source=source, output="gs://lines/out/x/"))
    assert created.state is JobState.QUEUED
    job = over(client, created.name)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert said in job.error.message
    assert "nowhere" not in job.error.message


def test_counts_grow_while_a_job_runs(stand_in: Start) -> None:
    place = stand_in(running=30)
    client = place.client()
    seen = [client.create_job(place.put(*(prompt(number) for number in range(600))))]

    def several() -> bool:
        seen.append(client.get_job(seen[0].name))
        return len({job.completed for job in seen if job.completed}) >= 3

    until(several)
    counts = [job.completed or 0 for job in seen]
    assert counts == sorted(counts)
    assert counts[-1] < 600
    states = [job.state for job in seen]
    assert states[0] is JobState.QUEUED
    assert states[-1] is JobState.RUNNING
    assert set(states) == {JobState.QUEUED, JobState.RUNNING}


def test_a_cancelled_job_keeps_what_was_finished(stand_in: Start) -> None:
    place = stand_in(running=30)
    client = place.client()
    name = client.create_job(place.put(*(prompt(number) for number in range(100)))).name
    until(lambda: client.get_job(name).completed)
    client.cancel_job(name)
    job = over(client, name)
    assert job.state is JobState.CANCELLED
    assert job.completed is not None
    assert 0 < job.completed < 100
    assert len(place.predictions(job)) == job.completed
    client.cancel_job(name)  # over already: no error


def test_a_job_cancelled_before_it_ran_leaves_nothing(stand_in: Start) -> None:
    place = stand_in(pending=30)
    client = place.client()
    name = client.create_job(place.put(prompt(1))).name
    client.cancel_job(name)
    job = over(client, name)
    assert (job.state, job.output, job.completed) == (JobState.CANCELLED, None, None)


def test_a_restart_goes_on_where_it_stopped(stand_in: Start) -> None:
    place = stand_in(running=30)
    name = place.client().create_job(place.put(*(prompt(number) for number in range(50)))).name
    client = place.client()
    until(lambda: client.get_job(name).state is JobState.RUNNING)
    place = stand_in()
    job = over(place.client(), name)
    assert job.completed == 50
    assert len(place.predictions(job)) == 50


def test_many_jobs_are_listed_in_pages_and_found_by_label(stand_in: Start) -> None:
    place = stand_in(pending=30)
    client = place.client()
    names = {client.create_job(place.put(prompt(1), name=f"job-{number}")).name for number in range(23)}
    found = client.find_job("job-4")
    assert found is not None
    assert found.name in names
    assert client.find_job("job-99") is None
    listed, token, pages = set(), "", 0
    while True:
        page = httpx.get(place.url + PARENT, params={"pageToken": token}, trust_env=False).json()
        listed |= {job["name"] for job in page["batchPredictionJobs"]}
        pages += 1
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert (listed, pages) == (names, 3)
    assert httpx.get(place.url + PARENT.replace("global", "us-central1"), trust_env=False).json() == {}


@pytest.mark.parametrize(
    ("model", "settled"), [("gemini-does-not-exist", True), ("llama-9", True), ("projects/1/models/2", True)]
)
def test_a_model_that_is_unknown_is_refused_at_once(stand_in: Start, model: str, settled: bool) -> None:
    place = stand_in()
    with pytest.raises(Refused) as caught:
        place.client(model).create_job(place.put(prompt(1)))
    assert caught.value.settled is settled
    assert "does not exist" in caught.value.error.message


BODY: dict[str, Any] = {
    "displayName": "x",
    "model": "publishers/google/models/gemini-2.5-flash",
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://lines/in"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://lines/out/"}},
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"displayName": ""}, 400),
        ({"displayName": "x" * 129}, 400),
        ({"labels": {"Upper": "x"}}, 400),
        ({"labels": {"a": "x" * 65}}, 400),
        ({"model": "gemini-2.5-flash"}, 404),
        ({"inputConfig": {"instancesFormat": "csv"}}, 400),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["/etc/passwd"]}}}, 400),
        ({"outputConfig": None}, 400),
        ({"requestId": "x"}, 400),
    ],
)
def test_a_create_that_is_wrong_in_itself(stand_in: Start, change: dict[str, Any], code: int) -> None:
    answer = httpx.post(stand_in().url + PARENT, json={**BODY, **change}, trust_env=False)
    assert answer.status_code == code
    assert answer.json()["error"]["code"] == code


def test_deleting_a_job(stand_in: Start) -> None:
    place = stand_in(running=30)
    client = place.client()
    name = client.create_job(place.put(prompt(1))).name
    assert httpx.delete(f"{place.url}/v1/{name}", trust_env=False).status_code == 400
    client.cancel_job(name)
    over(client, name)
    assert httpx.delete(f"{place.url}/v1/{name}", trust_env=False).json()["done"] is True
    with pytest.raises(JobMissing):
        client.get_job(name)


@pytest.mark.parametrize("path", ["/", "/v1/projects/p", "/v2" + PARENT[3:], PARENT + "/1:run", "/-/unknown"])
def test_an_unknown_path_is_a_google_error(stand_in: Start, path: str) -> None:
    answer = httpx.get(stand_in().url + path, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("code", "error"), [(403, Refused), (404, Refused), (429, Transient), (500, Unknown)])
def test_a_call_that_fails_to_order(stand_in: Start, code: int, error: type[Exception]) -> None:
    place = stand_in()
    place.fault(on="create", do="status", status=code, next=2)
    request, client = place.put(prompt(1)), place.client()
    for _ in range(2):
        with pytest.raises(error):
            client.create_job(request)
    assert client.create_job(request).state is JobState.QUEUED
    assert place.journal()["injected"] == {"create:status": 2}


@pytest.mark.parametrize("do", ["lose", "truncate"])
def test_a_create_whose_answer_is_lost_has_made_a_job(stand_in: Start, do: str) -> None:
    place = stand_in()
    place.fault(on="create", do=do)
    client = place.client()
    with pytest.raises(Unknown):
        client.create_job(place.put(prompt(1), name="mine"))
    assert client.find_job("mine") is not None


@pytest.mark.parametrize("do", ["html", "truncate", "lose"])
def test_a_look_that_is_answered_with_nonsense(stand_in: Start, do: str) -> None:
    place = stand_in()
    client = place.client()
    name = client.create_job(place.put(prompt(1))).name
    place.fault(on="any", do=do, next=1)
    with pytest.raises(Transient):
        client.get_job(name)
    assert client.get_job(name).name == name


def test_a_call_that_hangs_ends_with_the_stand_in(stand_in: Start) -> None:
    place = stand_in()
    place.fault(on="get", do="hang", seconds=60)
    caught: list[Exception] = []

    def ask() -> None:
        try:
            place.client().get_job("projects/1/locations/global/batchPredictionJobs/1")
        except Transient as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: place.journal()["injected"] == {"get:hang": 1})
    stand_in()
    thread.join(30)
    assert len(caught) == 1
    assert "Timeout" not in str(caught[0])


def test_a_job_that_fails_after_its_run(stand_in: Start) -> None:
    place = stand_in()
    place.fault(on="job", do="fail", code=13, message="System error. Please try this operation again.")
    job, written = place.run(prompt(1))
    assert (job.state, job.retryable, written) == (JobState.FAILED, True, [])
    assert place.run(prompt(1))[0].state is JobState.SUCCEEDED


def test_rows_that_are_missing_or_doubled(stand_in: Start) -> None:
    place = stand_in()
    rows = [prompt(number) for number in range(10)]
    place.fault(on="job", do="missing", every=5)
    assert len(place.run(*rows)[1]) == 8
    place.fault(on="job", do="twice", every=5)
    assert len(place.run(*rows, name="again")[1]) == 12
    _, written = place.run(prompt(1, "stand-in:missing"), prompt(2, "stand-in:twice"), prompt(3), name="marked")
    assert sorted(row["key"] for row in written) == ["r-000002", "r-000002", "r-000003"]


def test_a_share_of_rows_fails_by_chance_but_always_the_same(stand_in: Start) -> None:
    place = stand_in(fail_share=0.3)
    rows = [prompt(number) for number in range(100)]
    first, _ = place.run(*rows)
    second, _ = place.run(*rows, name="again")
    assert first.failed == second.failed
    assert first.failed is not None
    assert 10 < first.failed < 60


def test_a_fault_that_is_unknown_is_refused(stand_in: Start) -> None:
    answer = httpx.post(stand_in().url + "/-/faults", json={"on": "create", "do": "explode"}, trust_env=False)
    assert answer.status_code == 400


@pytest.mark.slow
def test_a_large_job_streams(stand_in: Start) -> None:
    """Memory holds a window of the rows: the peak does not grow with the file."""
    import tracemalloc  # noqa: PLC0415

    place = stand_in()
    rows = (prompt(number, f"Question {number} " + "x" * 500) for number in range(8_000))
    request = place.put(*rows)
    tracemalloc.start()
    client = place.client()
    job = over(client, client.create_job(request).name, within=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert job.completed == 8_000
    assert peak < 32 * 2**20


JOB = {"displayName": "a_1", "state": "JOB_STATE_RUNNING", "labels": {"k": "v-1"}, "createTime": "2026-11-14T10:00:00Z"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("labels.k=v-1", True),
        ('labels.k="v-1"', True),
        ("labels.k=v", False),
        ("labels.k:*", True),
        ("labels.other:*", False),
        ("display_name=a_1", True),
        ('display_name:"a_*"', True),
        ('state="JOB_STATE_RUNNING" AND display_name="a_1"', True),
        ('state="JOB_STATE_RUNNING" AND display_name="b"', False),
        ('state="JOB_STATE_FAILED" OR labels.k=v-1', True),
        ("NOT labels.k=v-1", False),
        ('(state!="JOB_STATE_FAILED") AND NOT (labels.k=x OR labels.k=y)', True),
        ('create_time>"2026-11-14T09:00:00Z"', True),
        ('create_time<="2026-11-14T09:00:00Z"', False),
    ],
)
def test_filters(text: str, found: bool) -> None:
    assert parse_filter(text)(JOB) is found


@pytest.mark.parametrize("text", ["labels.k", "colour=red", "(state=x", "=", "state=x)", "state ~ x"])
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(BadFilter):
        parse_filter(text)(JOB)


HI = [{"role": "user", "content": "Hi"}]
MESSAGE = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 50, "messages": HI}


def regional(place: Place, model: str) -> VertexClient:
    return VertexClient(
        Deployment(
            id="d",
            group="d",
            provider="vertex_ai",
            model=model,
            project="p",
            location="us-central1",
            api_base=place.url,
        )
    )


def run(place: Place, model: str, *rows: Any, name: str = "lines") -> tuple[Job, list[dict[str, Any]]]:
    client = regional(place, model)
    job = over(client, client.create_job(place.put(*rows, name=name)).name)
    return job, place.predictions(job)


def test_claude_gives_its_custom_id_and_nothing_else_of_a_row_back(stand_in: Start) -> None:
    bad = {**MESSAGE, "max_tokens": 0}
    rows = [{"custom_id": "r-1", "request": MESSAGE}, {"custom_id": "r-2", "request": bad}]
    job, written = run(stand_in(), "claude-sonnet-4-5@20250929", *rows)
    answers = {row["custom_id"]: row for row in written}
    assert (job.completed, job.failed) == (1, 1)
    assert all("request" not in row for row in written)
    assert "stand-in" in answers["r-1"]["response"]["content"][0]["text"]
    assert answers["r-1"]["response"]["stop_reason"] == "end_turn"
    assert answers["r-2"]["response"] == {}
    assert '"invalid_request_error"' in answers["r-2"]["status"]


def test_open_models_answer_as_openai_does(stand_in: Start) -> None:
    body = {"model": "meta/llama-3.3-70b-instruct-maas", "messages": HI}
    line = {"method": "POST", "url": "/v1/chat/completions"}
    rows = [
        {"custom_id": "r-1", **line, "body": body},
        {"custom_id": "r-2", **line, "body": {**body, "model": "other"}},
        {"custom_id": "r-3", **line, "body": {**body, "messages": [{"role": "user", "content": "stand-in:bare"}]}},
    ]
    job, written = run(stand_in(), "meta/llama-3.3-70b-instruct-maas", *rows)
    answers = {row["custom_id"]: row["response"] for row in written}
    assert (job.completed, job.failed) == (2, 1)
    assert "stand-in" in answers["r-1"]["body"]["choices"][0]["message"]["content"]
    assert answers["r-2"]["status_code"] == 404
    assert "stand-in" in answers["r-3"]["choices"][0]["message"]["content"]


def test_older_embeddings_come_back_with_their_text_alone(stand_in: Start) -> None:
    job, written = run(stand_in(), "text-embedding-005", {"content": "a"}, {"content": "b", "task_type": "CLUSTERING"})
    assert job.completed == 2
    assert sorted(row["instance"]["content"] for row in written) == ["a", "b"]
    assert all(len(row["predictions"][0]["embeddings"]["values"]) == 768 for row in written)


@pytest.mark.parametrize(
    ("model", "row"),
    [
        ("claude-sonnet-5", {"custom_id": "r-1", "messages": HI}),
        ("claude-sonnet-5", {"custom_id": "r-1", "request": {**MESSAGE, "tools": [{"name": "f", "input_schema": {}}]}}),
        ("meta/llama-3.3-70b-instruct-maas", {"custom_id": "r-1", "request": MESSAGE}),
        ("text-embedding-005", {"request": {"content": "a"}}),
    ],
)
def test_a_row_of_another_shape_fails_all(stand_in: Start, model: str, row: dict[str, Any]) -> None:
    job, written = run(stand_in(), model, row)
    assert job.state is JobState.FAILED
    assert written == []


def test_a_tuned_model_runs_behind_its_endpoint(stand_in: Start) -> None:
    place = stand_in()
    job, written = run(place, "gemini/41", prompt(1))
    assert job.completed == 1
    assert written[0]["response"]["modelVersion"] == "42@stand-in"
    assert place.journal()["calls"]["endpoint"] == 1
    for number, settled in (("404", True), ("1000", False)):
        with pytest.raises(Refused) as caught:
            regional(place, number).create_job(place.put(prompt(1), name=number))
        assert caught.value.settled is settled


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-5",
        "meta/llama-3.3-70b-instruct-maas",
        "text-embedding-005",
        "projects/p/locations/global/models/4",
    ],
)
def test_what_runs_in_regions_is_refused_elsewhere(stand_in: Start, model: str) -> None:
    place = stand_in()
    with pytest.raises(Refused, match="not supported in the location"):
        place.client(model).create_job(place.put(prompt(1)))


def test_a_project_has_four_jobs_of_claude_at_once(stand_in: Start) -> None:
    place = stand_in(pending=30)
    client = regional(place, "claude-sonnet-5")
    row = {"custom_id": "r-1", "request": MESSAGE}
    names = [client.create_job(place.put(row, name=f"job{number}")).name for number in range(4)]
    with pytest.raises(Busy):
        client.create_job(place.put(row, name="fifth"))
    regional(place, "gemini-2.5-flash").create_job(place.put(prompt(1), name="other"))
    client.cancel_job(names[0])
    over(client, names[0])
    client.create_job(place.put(row, name="sixth"))
