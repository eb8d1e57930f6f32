"""The same job on Google's own parts, from what a client sees and what an operator does."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest
from openai import OpenAI

from tests.cloud.stack import KEY, Cloud, wait_for
from tests.e2e.stack import chat, ended, rows, start, upload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.xdist_group("cloud")]
MEGABYTE = 2**20


def event(name: str, bucket: str = "the-work", **more: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """A finalize event, as Eventarc sends it."""
    headers = {
        "ce-id": "1",
        "ce-specversion": "1.0",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
        "ce-subject": f"objects/{name}",
    }
    return headers, {"bucket": bucket, "name": name, "generation": "17", "size": "12", **more}


def test_a_batch_from_upload_to_cost(client: OpenAI) -> None:
    lines = [*(chat(f"line-{n}", f"nonce {n}") for n in range(50)), chat("refused", logit_bias={"1": 1})]
    batch = ended(client, start(client, lines).id)

    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 51, "completed": 50, "failed": 1}
    done = rows(client, batch.output_file_id)
    assert Counter(row["custom_id"] for row in done) == Counter(f"line-{n}" for n in range(50))
    for row in done:
        asked = f"nonce {row['custom_id'].removeprefix('line-')}"
        assert asked in row["response"]["body"]["choices"][0]["message"]["content"]
    assert [row["custom_id"] for row in rows(client, batch.error_file_id)] == ["refused"]
    assert batch.cost["priced_lines"] == 50  # type: ignore[attr-defined]
    native = client.with_options(default_query={"format": "native"}).files.content(batch.output_file_id or "")
    assert len(native.text.splitlines()) == 50
    assert client.files.delete(batch.output_file_id or "").deleted


def test_lists_show_everything_once(client: OpenAI) -> None:
    """On Firestore's own order and cursors."""
    ids = {upload(client, b'{"a": 1}\n') for _ in range(7)}

    orders: tuple[Literal["asc", "desc"], ...] = ("asc", "desc")
    for order in orders:
        found = [file.id for file in client.files.list(limit=2, order=order)]
        assert len(found) == len(set(found))
        assert ids <= set(found)


def test_a_cancelled_batch_ends(cloud: Cloud, client: OpenAI) -> None:
    faults = f"{cloud.standin}/-/faults"
    slow = {"on": "create", "do": "slow", "seconds": 5}  # or it might have been completed by then
    httpx.post(faults, json=slow, trust_env=False, timeout=30).raise_for_status()
    batch = start(client, [chat(f"line-{n}") for n in range(20)])
    client.batches.cancel(batch.id)

    assert ended(client, batch.id).status == "cancelled"
    httpx.delete(faults, trust_env=False, timeout=30).raise_for_status()


def test_one_trace_leads_from_the_request_to_its_steps(cloud: Cloud, client: OpenAI) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    file = upload(client, [chat("a")])
    batch = client.batches.create(
        input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", extra_headers=parent
    )
    ended(client, batch.id)

    name = f"projects/{cloud.project}/traces/{trace}"
    told = [fact for target in ("api", "work") for fact in cloud.facts(target) if batch.id in json.dumps(fact)]
    ours = {fact["message"] for fact in told if fact.get("logging.googleapis.com/trace") == name}
    assert {"batch_created", "batch_moved", "job_created"} <= ours


@pytest.mark.parametrize(
    "name",
    [
        "in/x/lines.jsonl",
        "out/x",
        "out/{batch}/0001/a1/prediction-m-1/incremental_predictions.jsonl",
        "out/{batch}/0001/a1/prediction-m-1/predictions.jsonl.tmp",
        "out/batch_00000000000000000000000000000000/0001/a1/prediction-m-1/predictions.jsonl",
        "out/../data/files/x",
    ],
)
def test_what_is_no_result_of_ours_is_acknowledged_and_ignored(cloud: Cloud, client: OpenAI, name: str) -> None:
    batch = start(client, [chat("a")])
    headers, body = event(name.format(batch=batch.id))

    answer = httpx.post(cloud.urls["predictions"], headers=headers, json=body, trust_env=False, timeout=60)
    assert answer.status_code == 200
    assert ended(client, batch.id).status == "completed"


def test_forged_events_change_nothing(cloud: Cloud, client: OpenAI) -> None:
    """Somebody says that predictions are there before there are any, and that every step is due."""
    batch = start(client, [chat(f"line-{n}") for n in range(30)])
    for name in ("prediction-m-1/predictions.jsonl", "prediction-m-1/predictions.jsonl-00000-of-00001"):
        headers, body = event(f"out/{batch.id}/0001/a1/{name}")
        for _ in range(3):
            answer = httpx.post(cloud.urls["predictions"], headers=headers, json=body, trust_env=False, timeout=60)
            assert answer.status_code == 200
    for step, what in (("finish", "batch"), ("cancel", "batch"), ("prepare", "batch"), ("collect", "shard")):
        cloud.publish({"step": step, what: batch.id if what == "batch" else f"{batch.id}-0001"})
    for junk in (b"", b"\xff", b"[]", b'{"step": "sweep", "batch": "x"}', b'{"step": "format"}'):
        cloud.publish(junk, **({} if junk else {"empty": "yes"}))  # Pub/Sub wants one or the other

    done = ended(client, batch.id)
    assert done.status == "completed"
    assert len(rows(client, done.output_file_id)) == 30
    assert len([job for job in cloud.jobs() if job["displayName"].startswith(batch.id)]) == 1


def test_a_body_that_cannot_reach_a_function_is_told_the_way_round(client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.files.create(file=("big.jsonl", b"x" * (33 * MEGABYTE)), purpose="batch")

    assert caught.value.status_code == 413
    assert "upload_file_chunked" in str(caught.value)
    assert "part_size=16 * 2**20" in str(caught.value)


def test_a_body_without_a_length_is_bounded_too(cloud: Cloud) -> None:
    def endless() -> Any:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
        for _ in range(40):
            yield b"x" * MEGABYTE

    answer = httpx.post(
        f"{cloud.urls['api']}/v1/files",
        content=endless(),
        headers={"authorization": f"Bearer {KEY}", "content-type": "multipart/form-data; boundary=b"},
        trust_env=False,
        timeout=60,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_a_large_file_comes_in_parts_and_goes_out_by_a_signed_url(
    new_cloud: Callable[..., Cloud], service_account: Path
) -> None:
    """40 MB: `uploads` on the way in, and on the way out a 302, which the SDK follows without its key."""
    cloud = new_cloud(GOOGLE_APPLICATION_CREDENTIALS=str(service_account))
    content = b"".join(json.dumps(chat(f"line-{n}", "x" * 4_000)).encode() + b"\n" for n in range(10_000))
    with cloud.client() as client:
        done = client.uploads.upload_file_chunked(
            file=content, filename="big é.jsonl", bytes=len(content), mime_type="application/jsonl", purpose="batch",
            part_size=16 * MEGABYTE,
        )  # fmt: skip
        assert done.file is not None
        assert client.files.content(done.file.id).content == content
        small = upload(client, content[: 4 * MEGABYTE])
        assert client.files.content(small).content == content[: 4 * MEGABYTE]

    url, headers = f"{cloud.urls['api']}/v1/files/{done.file.id}/content", {"authorization": f"Bearer {KEY}"}
    answer = httpx.get(url, headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{cloud.storage}/the-data/files/{done.file.id}?")
    assert "X-Goog-Signature=" in answer.headers["location"]
    assert answer.headers["cache-control"] == "no-store"
    direct = httpx.get(answer.headers["location"], trust_env=False, timeout=60)
    assert direct.headers["content-disposition"].startswith("attachment; filename=")
    head = httpx.head(url, headers=headers, trust_env=False, timeout=60)
    assert head.headers["content-length"] == str(len(content))
    assert "X-Goog-Signature" not in cloud.processes["api"].log.read_text()


@pytest.mark.timeout(600)
def test_a_message_that_no_delivery_helps_ends_its_batch(new_cloud: Callable[..., Cloud]) -> None:
    """What we remember of its lines is gone: five deliveries, the dead-letter topic, and the batch says so."""
    cloud = new_cloud(standin={"STANDIN_RUNNING": "10"})
    with cloud.client() as client:
        batch = start(client, [chat("a")])
        wait_for(lambda: any("completionStats" in job for job in cloud.jobs()), "there is a job that has read its line")
        cloud.processes["work"].kill()
        cloud.processes["predictions"].kill()
        objects = cloud.objects()
        for stat in list(objects.list(f"gs://the-work/in/{batch.id}/")):
            objects.delete(stat.name)
        cloud.processes["work"].start()
        cloud.processes["predictions"].start()
        # A minute, as a rule; where a delivery met a lease of the killed one, the sweep is next, five minutes later.
        done = ended(client, batch.id, 420)

    assert done.status == "failed"
    assert done.errors is not None
    assert [error.code for error in done.errors.data or []] == ["internal_error"]
    dead = cloud.facts("dead_letter", "message_dead")
    assert {fact["shard"] for fact in dead} == {f"{batch.id}-0001"}
    assert "given up after 5 deliveries" in dead[0]["reason"]


def test_a_function_that_only_events_reach_has_no_key(cloud: Cloud) -> None:
    environment = Path(f"/proc/{cloud.processes['work'].pid}/environ").read_bytes()

    assert KEY.encode() not in environment
