"""Bad input, each a clear error, with nothing lost and nothing half done."""

import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.e2e.stack import chat, ended, rows, start, upload

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]

GOOD = json.dumps(chat("good")).encode()


def raw(custom_id: str, **changes: Any) -> bytes:
    return json.dumps({**chat(custom_id), **changes}).encode()


def deep(levels: int) -> bytes:
    return GOOD[:-2] + b', "x": ' + b"[" * levels + b"]" * levels + b"}}"


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (b"\xff\xfe{}", "invalid_json_line"),
        (raw("b").replace(b"hello", b"\xff"), "invalid_json_line"),
        (raw("b").replace(b'"hello"', b"NaN"), "invalid_json_line"),
        (deep(100), "invalid_json_line"),
        (raw("b").replace(b'"role"', b'"role": "user", "role"'), "invalid_json_line"),
        (raw("b", body="text"), "invalid_request"),
        (raw("b", url="/v1/embeddings"), "invalid_url"),
        (raw("b", body={**chat("b")["body"], "stream": True}), "streaming_unsupported"),
        (raw("b", body={**chat("b")["body"], "model": "nobody"}), "model_not_found"),
        (GOOD, "duplicate_custom_id"),
    ],
    ids=["utf-16", "utf-8", "nan", "deep", "repeated key", "body", "url", "stream", "model", "custom_id"],
)
def test_a_bad_line_fails_the_batch_with_its_number_and_code(client: OpenAI, second: bytes, code: str) -> None:
    batch = ended(client, start(client, GOOD + b"\n" + second + b"\n").id)
    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert batch.errors is not None
    assert [(error.line, error.code) for error in batch.errors.data or []] == [(2, code)]
    assert (batch.output_file_id, batch.error_file_id) == (None, None)


@pytest.mark.parametrize(
    "content",
    [GOOD, GOOD + b"\n", GOOD + b"\r\n" + raw("b") + b"\r\n", b"\xef\xbb\xbf" + GOOD, GOOD + b"\n\n\n" + raw("c")],
    ids=["no end", "end", "crlf", "bom", "blank lines"],
)
def test_odd_but_legal_files_run(client: OpenAI, content: bytes) -> None:
    batch = ended(client, start(client, content).id)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert counts is not None
    assert counts.completed == counts.total == content.count(b"custom_id")


def test_an_empty_file_is_refused_at_once(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="empty"):
        upload(client, b"")


def test_a_line_of_fifty_megabytes_is_an_error_of_its_line(client: OpenAI) -> None:
    long = raw("long", body={**chat("long", text="x" * 50_000_000)["body"]})
    batch = ended(client, start(client, GOOD + b"\n" + long + b"\n" + raw("after")).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    (error,) = batch.errors.data or []
    assert (error.line, error.code) == (2, "invalid_request")
    assert "too long" in (error.message or "")


def test_a_line_that_the_importer_would_choke_on_does_not_fail_the_job(client: OpenAI) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(12):
        schema = {"type": "object", "properties": {"inner": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    lines = [chat("good"), chat("deep", tools=[tool]), chat("also good")]
    batch = ended(client, start(client, lines).id)
    assert batch.status == "completed"
    (refused,) = rows(client, batch.error_file_id)
    assert (refused["custom_id"], refused["response"]["status_code"]) == ("deep", 400)
    assert "tools" in refused["response"]["body"]["error"]["param"]
    assert {row["custom_id"] for row in rows(client, batch.output_file_id)} == {"good", "also good"}


def test_a_file_deleted_while_its_batch_runs_does_the_batch_no_harm(client: OpenAI) -> None:
    batch = start(client, [chat(f"line-{n}") for n in range(50)])
    client.files.delete(batch.input_file_id)
    assert (ended(client, batch.id).status) == "completed"
