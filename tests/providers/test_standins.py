"""The stand-ins as their users see them: processes that say where they are, and servers that Azure's SDK knows."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from infra.local.standins.azure import KEY, AzureStandIn, running

ROOT = Path(__file__).resolve().parents[2]
LINE = (
    b'{"custom_id":"a","method":"POST","url":"/chat/completions",'
    b'"body":{"model":"my-mini-batch","messages":[{"role":"user","content":"hi"}]}}\n'
)


@pytest.fixture
def azure() -> Iterator[AzureStandIn]:
    with running() as server:
        server.takes = 0
        yield server


@pytest.mark.parametrize(
    ("name", "path", "header"), [("openai", "/files/x", "authorization"), ("azure", "/openai/v1/files/x", "api-key")]
)
def test_a_stand_in_says_where_it_is_and_stops_when_told(name: str, path: str, header: str) -> None:
    command = [sys.executable, "-m", f"infra.local.standins.{name}", "--port", "0", "--key", "Bearer x"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            word, base = process.stdout.readline().split()
            assert word == "ready"
            key = "Bearer Bearer x" if header == "authorization" else "Bearer x"
            with httpx.Client(trust_env=False, timeout=60) as client:
                assert client.get(f"{base}{path}", headers={header: key}).status_code == 404
                assert client.get(f"{base}{path}").status_code == 401
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("version", ["2024-10-21", "v1"])
def test_azure_s_own_sdk_can_use_it(azure: AzureStandIn, version: str) -> None:
    dated = version != "v1"
    with (
        openai.AzureOpenAI(azure_endpoint=azure.base, api_key=KEY, api_version=version, max_retries=0)
        if dated
        else openai.OpenAI(
            base_url=f"{azure.base}/openai/v1/", api_key="none", default_headers={"api-key": KEY}, max_retries=0
        )
    ) as client:
        line = LINE if dated else LINE.replace(b'"/chat', b'"/v1/chat')
        file = client.files.create(file=("in.jsonl", line, "application/jsonl"), purpose="batch")
        while file.status != "processed":
            file = client.files.retrieve(file.id)
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        until = time.monotonic() + 60
        while batch.status != "Completed" and time.monotonic() < until:  # type: ignore[comparison-overlap]
            batch = client.batches.retrieve(batch.id)
        assert b"echo hi" in client.files.content(batch.output_file_id or "").content
        assert client.files.content(batch.error_file_id or "").content == b""


def ask(azure: AzureStandIn, method: str, path: str, **rest: Any) -> httpx.Response:
    return httpx.request(method, f"{azure.base}{path}", headers={"api-key": KEY}, trust_env=False, **rest)


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/my-mini-batch/batches?api-version=2024-10-21",
        "/openai/batches",
        "/openai/batches?api-version=2099-01-01",
        "/v1/batches",
        "/batches",
        "/openai/v1/models",
    ],
)
def test_a_wrong_path_is_a_resource_that_is_not_found(azure: AzureStandIn, path: str) -> None:
    reply = ask(azure, "GET", path)
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "Resource not found")


def upload(azure: AzureStandIn, content: bytes = LINE, kind: str | None = "application/jsonl", **rest: str) -> Any:
    data = {"purpose": "batch", **{f"expires_after[{name}]": value for name, value in rest.items()}}
    boundary = "b"
    fields = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in data.items()
    )
    typed = f"Content-Type: {kind}\r\n" if kind is not None else ""
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n{typed}\r\n'
    body = fields.encode() + file.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    headers = {"api-key": KEY, "content-type": f"multipart/form-data; boundary={boundary}"}
    url = f"{azure.base}/openai/files?api-version=2024-10-21"
    return httpx.post(url, content=body, headers=headers, trust_env=False)


def test_what_was_made_is_answered_201_where_the_api_has_a_date(azure: AzureStandIn) -> None:
    assert upload(azure, seconds="1209600", anchor="created_at").status_code == 201
    assert upload(azure).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("content", "kind", "rest"),
    [
        (LINE, None, {}),
        (LINE, "", {}),
        (b"\xef\xbb\xbf" + LINE, "application/jsonl", {}),
        (LINE, "application/jsonl", {"anchor": "created_at", "seconds": "172800"}),
        (LINE, "application/jsonl", {"anchor": "created_at", "seconds": "2592001"}),
    ],
)
def test_a_file_that_azure_refuses_is_refused(
    azure: AzureStandIn, content: bytes, kind: str | None, rest: dict[str, str]
) -> None:
    assert upload(azure, content, kind, **rest).status_code == 400


def test_no_batch_names_a_file_that_is_not_processed(azure: AzureStandIn) -> None:
    file = upload(azure).json()["id"]
    body = {"input_file_id": file, "endpoint": "/chat/completions", "completion_window": "24h"}
    path = "?api-version=2024-10-21"
    assert ask(azure, "POST", f"/openai/batches{path}", json=body).status_code == 400
    for _ in range(3):
        ask(azure, "GET", f"/openai/files/{file}{path}")
    batch = ask(azure, "POST", f"/openai/batches{path}", json=body).json()
    assert batch["status"] == "Validating"
    assert batch["created_at"].endswith("+00:00")
    assert (batch["endpoint"], batch["error_file_id"], batch["request_counts"]["total"]) == (None, "", None)
