"""The client against a server that speaks HTTP: uploads, jobs, results, and everything that may go wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.openai import KEY, OpenAIStandIn
from shared.config import Deployment
from shared.domain.errors import Transient
from shared.domain.shard import Job, JobState
from shared.providers import exchange
from shared.providers.base import Busy, JobMissing, Refused, Unknown
from shared.providers.openai import client as module
from shared.providers.openai.client import OpenAIClient
from shared.providers.openai.dialect import compatible_dialect, openai_dialect
from shared.storage.directory import DirectoryObjects
from tests.providers.requests import Free, job_request

LABEL = "batch_0123456789abcdef0123456789abcdef-0001-a1"
OUT = "gs://bucket/out/b/0001/a1/"


def line(ordinal: int, text: str = "hello") -> bytes:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
    row = {"custom_id": f"r-{ordinal:06d}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(row).encode() + b"\n"


ROWS = line(1) + line(2, "please fail") + line(3)
REQUEST = job_request(LABEL, rows=ROWS)


def client(standin: OpenAIStandIn, **rest: Any) -> OpenAIClient:
    options = {"api_base": standin.base, "api_key": KEY, **rest}
    deployment = Deployment(id="d", group="mini", provider="openai", model="gpt-4o-mini", **options)
    return OpenAIClient(deployment, openai_dialect(deployment))


def problem(code: str | None = None, message: str = "No.") -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def test_a_job_is_a_file_of_the_rows_and_a_batch_that_bears_our_label(standin: OpenAIStandIn) -> None:
    hold = Free()
    job = client(standin, organization="org-1").create_job(job_request(LABEL, rows=ROWS, hold=hold))

    assert job.state is JobState.QUEUED
    (batch,) = standin.batches.values()
    assert batch["metadata"] == {"offpeak_job": LABEL}
    assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
    file, content = standin.files[batch["input_file_id"]]
    assert content == ROWS
    assert file["filename"] == f"offpeak-{LABEL}.jsonl"
    assert (file["expires_after[anchor]"], file["expires_after[seconds]"]) == ("created_at", "172800")
    assert hold.beats >= 3  # while the rows go out, before the answer, and before what must not be done twice
    assert (batch["output_expires_after"]["anchor"], batch["output_expires_after"]["seconds"]) == (
        "created_at",
        14 * 86_400,
    )
    assert all(headers["openai-organization"] == "org-1" for _, headers in standin.seen)


def test_what_finished_is_copied_once_with_both_files(standin: OpenAIStandIn, tmp_path: Path) -> None:
    standin.takes = 0
    asked, objects = client(standin), DirectoryObjects(tmp_path)
    job = asked.get_job(asked.create_job(REQUEST).name)
    assert (job.state, job.completed, job.failed, len(job.files)) == (JobState.SUCCEEDED, 2, 1, 2)

    asked.fetch(job, objects, OUT, Free())
    read = len(standin.seen)
    asked.fetch(job, objects, OUT, Free())

    assert len(standin.seen) == read
    names = [stat.name for stat in objects.list(OUT)]
    assert names == [f"{OUT}results-1.jsonl", f"{OUT}results-2.jsonl"]
    with objects.open(names[0]) as stream:
        assert [json.loads(row)["custom_id"] for row in stream.read().splitlines()] == ["r-000003", "r-000001"]


def test_results_that_end_too_early_are_no_results(standin: OpenAIStandIn, tmp_path: Path) -> None:
    standin.takes = 0
    asked, objects = client(standin), DirectoryObjects(tmp_path)
    job = asked.get_job(asked.create_job(REQUEST).name)
    standin.cut = 10
    with pytest.raises(Transient):
        asked.fetch(job, objects, OUT, Free())
    assert list(objects.list(OUT)) == []


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 502, 302])
def test_results_that_cannot_be_had_now_are_asked_for_later(
    standin: OpenAIStandIn, tmp_path: Path, status: int
) -> None:
    standin.refuse["content"] = [(status, {"detail": "Not Found"})]
    with pytest.raises(Transient):
        client(standin).fetch(
            Job(name="b", state=JobState.SUCCEEDED, files=("file-1",)), DirectoryObjects(tmp_path), OUT, Free()
        )


def test_a_file_that_is_gone_or_has_no_end_leaves_the_other_one(
    standin: OpenAIStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = standin.add_file({}, b"{}\n")["id"]
    huge = standin.add_file({}, b"x" * 100_000)["id"]
    monkeypatch.setattr(module, "_LARGEST_RESULTS", 50_000)
    objects = DirectoryObjects(tmp_path)
    job = Job(name="b", state=JobState.SUCCEEDED, files=("file-gone", huge, kept))
    with pytest.raises(JobMissing):
        client(standin).fetch(job, objects, OUT, Free())
    assert [stat.name for stat in objects.list(OUT)] == [f"{OUT}results-3.jsonl"]


class LapsedError(Exception):
    pass


class Lapsed(Free):
    """A hold that is gone after so many beats."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def beat(self, *, at_once: bool = False) -> None:
        super().beat(at_once=at_once)
        if self.beats > self.after:
            raise LapsedError


@pytest.mark.parametrize("beats", [0, 1, 2])
def test_whoever_lost_the_lease_creates_nothing_and_copies_nothing(
    standin: OpenAIStandIn, tmp_path: Path, beats: int
) -> None:
    with pytest.raises(LapsedError):
        client(standin).create_job(job_request(LABEL, rows=ROWS, hold=Lapsed(beats)))
    assert standin.made() == []

    files = tuple(standin.add_file({}, b"{}\n" * 200_000)["id"] for _ in range(2))
    objects = DirectoryObjects(tmp_path)
    with pytest.raises(LapsedError):
        client(standin).fetch(Job(name="b", state=JobState.SUCCEEDED, files=files), objects, OUT, Lapsed(beats))
    assert list(objects.list(OUT)) == []


def test_a_lost_create_is_unknown_and_found_by_its_label(standin: OpenAIStandIn) -> None:
    asked = client(standin)
    for number in range(5):
        asked.create_job(job_request(f"other-{number}", rows=ROWS))
    standin.lose["create"] = 1
    with pytest.raises(Unknown):
        asked.create_job(REQUEST)
    for number in range(5, 10):
        asked.create_job(job_request(f"other-{number}", rows=ROWS))

    found = asked.find_job(LABEL)

    assert found is not None
    assert standin.batches[found.name]["metadata"] == {"offpeak_job": LABEL}
    assert asked.find_job("nobody") is None


def test_batches_that_are_older_than_the_shard_are_not_looked_through(standin: OpenAIStandIn) -> None:
    asked = client(standin)
    for number in range(9):
        asked.create_job(job_request(f"other-{number}", rows=ROWS))
    before = len(standin.seen)
    assert asked.find_job(LABEL, since=standin.now() + 3_600_000) is None
    assert len(standin.seen) == before + 1


def test_a_list_without_an_end_is_not_taken_for_an_answer(
    standin: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_PAGES", 2)
    asked = client(standin)
    for number in range(5):
        asked.create_job(job_request(f"other-{number}", rows=ROWS))
    with pytest.raises(Transient):
        asked.find_job(LABEL)


def test_of_two_jobs_of_one_label_the_younger_is_cancelled(standin: OpenAIStandIn) -> None:
    client(standin).create_job(REQUEST)
    client(standin).create_job(REQUEST)
    found = client(standin).find_job(LABEL)
    assert found is not None
    assert found.name == next(iter(standin.batches))
    assert [batch["status"] for batch in standin.batches.values()].count("cancelling") == 1


def test_a_lost_upload_made_nothing_that_matters(standin: OpenAIStandIn) -> None:
    standin.lose["upload"] = 1
    with pytest.raises(Busy):
        client(standin).create_job(REQUEST)
    assert standin.made() == []


@pytest.mark.parametrize(("call", "status"), [("upload", 429), ("upload", 503), ("upload", 500), ("create", 429)])
def test_whoever_is_busy_says_for_how_long(standin: OpenAIStandIn, call: str, status: int) -> None:
    """There was certainly no effect: another deployment may have the job."""
    standin.refuse[call], standin.says = [(status, problem("rate_limit_exceeded"))], {"retry-after": "12"}
    with pytest.raises(Busy) as caught:
        client(standin).create_job(REQUEST)
    assert caught.value.retry_after == 12
    assert standin.made() == []


def test_a_create_that_has_to_wait_sends_its_rows_once(standin: OpenAIStandIn) -> None:
    full = problem("token_limit_exceeded", "Enqueued token limit reached for gpt-4o-mini in organization org-1.")
    standin.refuse["create"] = [(400, full), (429, problem())]
    asked = client(standin)
    for _ in range(2):
        with pytest.raises(Busy):
            asked.create_job(REQUEST)
    asked.create_job(REQUEST)
    assert standin.journal == [f"upload offpeak-{LABEL}.jsonl", f"create {LABEL}"]


@pytest.mark.parametrize("status", [500, 502, 503, 408])
def test_a_create_that_broke_may_have_made_a_job(standin: OpenAIStandIn, status: int) -> None:
    standin.refuse["create"] = [(status, problem())]
    with pytest.raises(Unknown):
        client(standin).create_job(REQUEST)


@pytest.mark.parametrize("call", ["upload", "create"])
@pytest.mark.parametrize(
    ("status", "body", "settled"),
    [(400, problem(), True), (401, problem(), False), (403, problem(), False), (404, {"detail": "Not Found"}, False)],
)
def test_a_refusal_says_whether_it_is_the_last_word(
    standin: OpenAIStandIn, call: str, status: int, body: Any, settled: bool
) -> None:
    standin.refuse[call] = [(status, body)]
    with pytest.raises(Refused) as caught:
        client(standin).create_job(REQUEST)
    assert caught.value.settled is settled


def test_no_redirect_is_followed_with_the_key(standin: OpenAIStandIn) -> None:
    standin.refuse["upload"] = [(307, problem())]
    with pytest.raises(Refused) as caught:
        client(standin).create_job(REQUEST)
    assert not caught.value.settled
    assert len(standin.seen) == 1


def test_a_refusal_names_nothing_of_ours(standin: OpenAIStandIn) -> None:
    said = "Bad file-AbCdEfGh123 of org-AbCdEfGh123 with key sk-proj-abc*****xyz, see https://platform.openai.com/x."
    standin.refuse["create"] = [(400, problem(message=said))]
    with pytest.raises(Refused) as caught:
        client(standin).create_job(REQUEST)
    message = caught.value.error.message
    for private in ("file-AbC", "org-AbC", "sk-proj", "platform.openai"):
        assert private not in message


@pytest.mark.parametrize("call", ["get_job", "cancel_job"])
def test_a_job_that_is_not_known_is_missing(standin: OpenAIStandIn, call: str) -> None:
    asked = client(standin)
    for name in ("batch_unknown", "../files", "a/b", ""):
        with pytest.raises(JobMissing):
            getattr(asked, call)(name)
    assert {path for path, _ in standin.seen} <= {"/v1/batches/batch_unknown", "/v1/batches/batch_unknown/cancel"}


def test_a_page_of_some_proxy_is_not_the_provider_s_word(standin: OpenAIStandIn) -> None:
    standin.refuse["get"] = [
        (404, {"detail": "Not Found"}),
        (200, b"<html>"),
        (200, {"id": "other", "status": "failed"}),
    ]
    for _ in range(3):
        with pytest.raises(Transient):
            client(standin).get_job("batch_1")


def test_cancel_is_asked_for_and_a_finished_job_is_no_error(standin: OpenAIStandIn) -> None:
    asked = client(standin)
    job = asked.create_job(REQUEST)
    asked.cancel_job(job.name)
    assert standin.batches[job.name]["status"] == "cancelling"
    standin.batches[job.name]["status"] = "completed"
    asked.cancel_job(job.name)


def test_an_answer_without_an_end_is_cut(standin: OpenAIStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_LARGEST_ANSWER", 1000)
    standin.refuse["get"] = [(200, {"id": "batch_1", "status": "completed", "x": "y" * 5000})]
    with pytest.raises(Transient, match="too large"):
        client(standin).get_job("batch_1")


def test_where_nobody_listens_nothing_was_made() -> None:
    nowhere = Deployment(
        id="d", group="g", provider="openai", model="m", api_base="http://127.0.0.1:1/v1", api_key="sk-x"
    )
    with pytest.raises(Busy):
        OpenAIClient(nowhere, openai_dialect(nowhere)).create_job(REQUEST)


def test_a_name_that_does_not_resolve_is_nobody_listening() -> None:
    nowhere = Deployment(
        id="d", group="g", provider="openai", model="m", api_base="https://host.invalid/v1", api_key="sk-x"
    )
    with pytest.raises(Busy):
        OpenAIClient(nowhere, openai_dialect(nowhere)).create_job(REQUEST)


def test_what_a_job_read_and_wrote_is_deleted_once_it_is_over(standin: OpenAIStandIn) -> None:
    asked = client(standin)
    job = asked.create_job(REQUEST)
    asked.tidy(job)
    assert standin.gone == set()
    standin.takes = 0
    job = asked.get_job(job.name)
    asked.tidy(job)
    asked.tidy(job)
    assert len(standin.gone) == 3
    assert standin.gone == standin.files.keys()


@pytest.mark.parametrize(("call", "status"), [("get", 500), ("get", 401), ("delete", 500), ("delete", 403)])
def test_what_cannot_be_deleted_stops_nobody(standin: OpenAIStandIn, call: str, status: int) -> None:
    standin.takes = 0
    asked = client(standin)
    job = asked.get_job(asked.create_job(REQUEST).name)
    standin.refuse[call] = [(status, problem())] * 3
    asked.tidy(job)
    asked.tidy(Job(name="", state=JobState.FAILED))
    assert standin.gone == set()


def compatible(standin: OpenAIStandIn) -> OpenAIClient:
    deployment = Deployment(
        id="d", group="own", provider="hosted_vllm", model="own", api_base=standin.base, api_key=KEY
    )
    return OpenAIClient(deployment, compatible_dialect(deployment))


def test_of_a_server_that_resembles_openai_nothing_is_asked_that_it_may_not_know(standin: OpenAIStandIn) -> None:
    compatible(standin).create_job(REQUEST)
    (batch,) = standin.batches.values()
    assert "output_expires_after" not in batch
    assert "expires_after[seconds]" not in standin.files[batch["input_file_id"]][0]


def test_where_metadata_and_order_are_not_kept_a_job_is_found_by_its_file(standin: OpenAIStandIn) -> None:
    asked = compatible(standin)
    for number in range(5):
        asked.create_job(job_request(f"other-{number}", rows=ROWS))
    made = asked.create_job(REQUEST)
    for batch in standin.batches.values():
        batch["metadata"] = None
    for batch in list(standin.batches.values())[:3]:
        batch["created_at"] -= 10**6  # the list begins with what is new, and then again does not
    standin.batches = dict(reversed(standin.batches.items()))
    found = asked.find_job(LABEL, since=standin.now() - 1000)
    assert found is not None
    assert found.name == made.name


def test_without_a_key_none_is_shown(standin: OpenAIStandIn) -> None:
    open_to_all = Deployment(id="d", group="own", provider="hosted_vllm", model="own", api_base=standin.base)
    with pytest.raises(Refused):
        OpenAIClient(open_to_all, compatible_dialect(open_to_all)).get_job("batch_1")
    assert "authorization" not in standin.seen[0][1]


def test_the_key_is_in_no_text_of_the_deployment() -> None:
    deployment = Deployment(id="d", group="g", provider="openai", model="m", api_key="sk-canary")
    assert "canary" not in repr(deployment)
    assert "canary" not in str(deployment)
