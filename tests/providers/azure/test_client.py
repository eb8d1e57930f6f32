"""OpenAI's client against a server that is as odd as Azure's."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.azure import CLIENT, KEY, SECRET, TENANT, AzureStandIn
from shared.domain.errors import Transient
from shared.domain.shard import Job, JobState
from shared.providers.azure.dialect import azure_dialect
from shared.providers.base import Busy, JobMissing, Refused, Unknown
from shared.providers.openai import client as module
from shared.providers.openai.client import OpenAIClient
from shared.providers.openai.plain import plain
from shared.storage.directory import DirectoryObjects
from tests.providers.azure.deployments import deployment
from tests.providers.requests import Free, job_request

LABEL = "batch_0123456789abcdef0123456789abcdef-0001-a1"
OUT = "gs://bucket/out/b/0001/a1/"
DATED, PREVIEW = "2024-10-21", "2025-04-01-preview"


def rows(*texts: str, url: str = "/v1/chat/completions", model: str = "my-mini-batch") -> bytes:
    lines = [
        {
            "custom_id": f"r-{number:06d}",
            "method": "POST",
            "url": url,
            "body": {"model": model, "messages": [{"role": "user", "content": text}]},
        }
        for number, text in enumerate(texts, start=1)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


REQUEST = job_request(LABEL, rows=rows("a", "b", "c"))
AT_DATE = job_request(LABEL, rows=rows("a", "b", "c", url="/chat/completions"))


def client(standin: AzureStandIn, **rest: Any) -> OpenAIClient:
    said = deployment(standin.base, **rest)
    return OpenAIClient(said, azure_dialect(said, login=standin.base))


def settled(asked: OpenAIClient, job: Job) -> Job:
    """The job after another look or two."""
    for _ in range(3):
        job = asked.get_job(job.name)
    return job


@pytest.mark.parametrize(
    ("version", "prefix", "endpoint"),
    [
        (None, "/openai/v1", "/v1/chat/completions"),
        ("preview", "/openai/v1", "/v1/chat/completions"),
        (DATED, "/openai", "/chat/completions"),
        (PREVIEW, "/openai", "/chat/completions"),
    ],
)
def test_a_job_is_made_watched_and_copied(
    standin: AzureStandIn, tmp_path: Path, version: str | None, prefix: str, endpoint: str
) -> None:
    standin.takes = 0
    asked, objects = client(standin, api_version=version), DirectoryObjects(tmp_path)
    made = asked.create_job(job_request(LABEL, rows=rows("a", "b", "please fail", url=endpoint)))
    assert made.state is JobState.QUEUED
    assert (made.completed, made.failed, made.files) == (None, None, ())
    (batch,) = standin.batches.values()
    assert (batch["endpoint"], batch["completion_window"]) == (endpoint, "24h")
    file = standin.files[batch["input_file_id"]][0]
    assert (file["expires_after[anchor]"], file["expires_after[seconds]"]) == ("created_at", "1209600")

    job = settled(asked, made)
    assert (job.state, job.completed, job.failed, len(job.files)) == (JobState.SUCCEEDED, 2, 1, 2)
    asked.fetch(job, objects, OUT, Free())
    assert [stat.name for stat in objects.list(OUT)] == [f"{OUT}results-{number}.jsonl" for number in (1, 2)]
    for path, headers in standin.seen:
        assert path.startswith(f"{prefix}/")
        assert ("api-version=" in path) is (version is not None)
        assert headers["api-key"] == KEY
        assert "authorization" not in headers


def test_an_empty_file_of_errors_is_an_empty_object(standin: AzureStandIn, tmp_path: Path) -> None:
    standin.takes = 0
    asked, objects = client(standin), DirectoryObjects(tmp_path)
    job = settled(asked, asked.create_job(REQUEST))
    asked.fetch(job, objects, OUT, Free())
    assert [stat.size > 0 for stat in objects.list(OUT)] == [True, False]


def test_a_batch_names_a_file_once_it_is_processed(standin: AzureStandIn) -> None:
    standin.looks = 4
    hold = Free()
    client(standin).create_job(job_request(LABEL, rows=rows("a"), hold=hold))
    looks = [path for path, _ in standin.seen if path.startswith("/openai/v1/files/")]
    assert len(looks) == 5
    assert hold.beats >= 5


def test_a_file_that_is_not_read_in_time_is_waited_for_again_and_not_sent_again(
    standin: AzureStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ", 0.0)
    standin.looks = 1
    asked = client(standin)
    with pytest.raises(Busy):
        asked.create_job(REQUEST)
    asked.create_job(REQUEST)
    assert standin.journal == [f"upload offpeak-{LABEL}.jsonl", f"create {LABEL}"]


def test_a_file_that_could_not_be_read_is_sent_again(standin: AzureStandIn) -> None:
    standin.unreadable = 1
    asked = client(standin)
    with pytest.raises(Refused) as caught:
        asked.create_job(REQUEST)
    assert not caught.value.settled
    asked.create_job(REQUEST)
    assert standin.journal.count(f"upload offpeak-{LABEL}.jsonl") == 2


def test_no_room_at_create_is_busy_and_the_rows_are_sent_once(standin: AzureStandIn) -> None:
    standin.full_at_create = 2
    asked = client(standin)
    for _ in range(2):
        with pytest.raises(Busy):
            asked.create_job(REQUEST)
    asked.create_job(REQUEST)
    assert standin.journal == [f"upload offpeak-{LABEL}.jsonl", f"create {LABEL}"]


def test_no_room_a_moment_later_is_a_job_that_may_be_run_again(standin: AzureStandIn) -> None:
    standin.full_later, standin.takes = 1, 0
    asked = client(standin)
    job = settled(asked, asked.create_job(REQUEST))
    assert (job.state, job.retryable, job.crowded) == (JobState.FAILED, True, True)


def test_no_room_for_files_is_busy(standin: AzureStandIn) -> None:
    said = {"error": {"code": "quotaExceeded", "message": "The quota for files without expiry is reached."}}
    standin.refuse["upload"] = [(400, said)]
    with pytest.raises(Busy):
        client(standin).create_job(REQUEST)


def test_how_much_may_be_enqueued_is_told(standin: AzureStandIn) -> None:
    assert client(standin).create_job(REQUEST).room == 1_000_000


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("version", [None, DATED])
def test_a_lost_create_is_found_by_its_label_or_by_its_file(
    standin: AzureStandIn, keeps: bool, version: str | None
) -> None:
    standin.keeps_metadata, standin.looks = keeps, 0
    asked, request = client(standin, api_version=version), AT_DATE if version else REQUEST
    asked.create_job(job_request("other-1", rows=rows("a")))
    standin.lose["create"] = 1
    with pytest.raises(Unknown):
        asked.create_job(request)
    asked.create_job(job_request("other-2", rows=rows("a")))

    found = client(standin, api_version=version).find_job(LABEL)

    assert found is not None
    assert standin.batches[found.name]["metadata"] == {"offpeak_job": LABEL}
    assert asked.find_job("nobody") is None


def test_a_job_whose_file_is_gone_is_nobody_s(standin: AzureStandIn) -> None:
    standin.keeps_metadata = False
    asked = client(standin)
    asked.create_job(REQUEST)
    standin.gone |= standin.files.keys()
    assert asked.find_job(LABEL) is None


def test_a_job_runs_until_it_is_cancelled_and_keeps_what_finished(standin: AzureStandIn) -> None:
    standin.takes, standin.ran, standin.ends_as = 0, 0.5, "expired"
    asked = client(standin)
    job = asked.create_job(REQUEST)
    assert settled(asked, job).state is JobState.RUNNING  # however long it takes
    standin.cancel_takes = 10**9
    asked.cancel_job(job.name)
    assert settled(asked, job).state is JobState.RUNNING
    standin.cancel_takes = 0
    ended = asked.get_job(job.name)
    assert (ended.state, ended.completed, len(ended.files)) == (JobState.CANCELLED, 1, 2)


def test_a_cancel_of_what_has_ended_is_no_error(standin: AzureStandIn) -> None:
    standin.takes = 0
    asked = client(standin)
    job = settled(asked, asked.create_job(REQUEST))
    asked.cancel_job(job.name)
    assert asked.get_job(job.name).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (rows("a", model="gpt-4o-mini"), "model_not_found"),
        (rows("a") + rows("b", model="my-big-batch"), "model_mismatch"),
        (rows("a", url="/chat/completions"), "url_mismatch"),
    ],
)
def test_what_it_finds_wrong_with_the_lines_fails_the_job_for_good(
    standin: AzureStandIn, sent: bytes, code: str
) -> None:
    standin.takes = 0
    asked = client(standin)
    job = settled(asked, asked.create_job(job_request(LABEL, rows=sent)))
    assert (job.state, job.retryable) == (JobState.FAILED, False)
    assert job.error is not None
    assert job.error.code == code


def test_no_message_names_the_deployment_or_the_resource() -> None:
    private = azure_dialect(deployment("https://acme-east.openai.azure.com")).private
    said = "Deployment 'my-mini-batch' at acme-east (https://acme-east.openai.azure.com/x, acme-east.openai.azure.com)."
    assert plain(said, private) == "Deployment '(a name)' at (a name) ((a link), (a host))."


def test_a_name_that_callers_know_may_be_said() -> None:
    assert azure_dialect(deployment(model="mini")).private == ("res",)


@pytest.mark.parametrize("version", [None, DATED])
def test_a_key_that_is_wrong_may_be_mended(standin: AzureStandIn, version: str | None) -> None:
    standin.key = "another"
    with pytest.raises(Refused) as caught:
        client(standin, api_version=version).create_job(REQUEST)
    assert not caught.value.settled
    assert standin.made() == []


def test_a_token_of_an_application_opens_the_door_and_is_renewed_when_it_is_refused(standin: AzureStandIn) -> None:
    asked = client(standin, api_key=None, tenant_id=TENANT, client_id=CLIENT, client_secret=SECRET)
    job = asked.create_job(REQUEST)
    standin.tokens.clear()
    with pytest.raises(Refused) as caught:
        asked.get_job(job.name)
    assert not caught.value.settled
    assert asked.get_job(job.name).name == job.name
    assert standin.journal.count("token") == 2
    assert not any("api-key" in headers for _, headers in standin.seen)


def test_a_token_as_given_is_shown(standin: AzureStandIn) -> None:
    standin.tokens["given"] = 2**40
    client(standin, api_key=None, azure_ad_token="given").create_job(REQUEST)


def test_where_no_token_is_to_be_had_nothing_was_made(standin: AzureStandIn) -> None:
    said = deployment(standin.base, api_key=None, tenant_id=TENANT, client_id=CLIENT, client_secret=SECRET)
    asked = OpenAIClient(said, azure_dialect(said, login="http://127.0.0.1:1"))
    with pytest.raises(Busy):
        asked.create_job(REQUEST)


@pytest.mark.parametrize("credentials", [{}, {"api_key": None, "azure_ad_token": "given"}])
def test_no_redirect_is_followed_with_credentials(standin: AzureStandIn, credentials: dict[str, Any]) -> None:
    standin.tokens["given"] = 2**40
    standin.refuse["get"] = [(307, {})]
    with pytest.raises(Refused):
        client(standin, **credentials).get_job("batch_1")
    assert len(standin.seen) == 1


def test_a_path_that_is_wrong_is_not_a_job_that_is_gone(standin: AzureStandIn) -> None:
    with pytest.raises(Transient):
        client(standin, api_version="2099-01-01").get_job("batch_1")
    with pytest.raises(JobMissing):
        client(standin).get_job("batch_1")


def test_a_job_is_looked_at_once_in_a_while_unless_it_is_cancelled(standin: AzureStandIn) -> None:
    said = deployment(standin.base)
    asked = OpenAIClient(said, replace(azure_dialect(said), pause=60))
    job = asked.create_job(REQUEST)
    seen = asked.get_job(job.name)
    before = len(standin.seen)
    assert asked.get_job(job.name) == seen
    assert len(standin.seen) == before
    asked.cancel_job(job.name)
    assert asked.get_job(job.name).state is JobState.CANCELLED


def test_what_a_job_left_is_deleted_once_it_is_over(standin: AzureStandIn) -> None:
    standin.takes = 10**9
    asked = client(standin)
    job = asked.create_job(REQUEST)
    asked.tidy(job)
    assert standin.gone == set()
    standin.takes = 0
    job = settled(asked, job)
    asked.tidy(job)
    asked.tidy(job)
    assert len(standin.gone) == 3
    assert standin.gone == standin.files.keys()


def test_the_stand_in_says_what_it_is(standin: AzureStandIn, tmp_path: Path) -> None:
    standin.takes = 0
    asked, objects = client(standin), DirectoryObjects(tmp_path)
    asked.fetch(settled(asked, asked.create_job(REQUEST)), objects, OUT, Free())
    with objects.open(f"{OUT}results-1.jsonl") as stream:
        assert all(b"offpeak-stand-in" in row for row in stream.read().splitlines())
