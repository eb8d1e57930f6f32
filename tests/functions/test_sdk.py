"""The api as it is started everywhere, and the unmodified SDK; where no SDK would do it, bytes on a socket."""

import contextlib
import hashlib
import io
import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx2
import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from tests.functions.conftest import Server
from tests.functions.wire import EDGE, KEY, chunked, envelope, multipart, send

LINE = b'{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gemini-2.5-flash"}}\n'
MEBIBYTE = 2**20


@pytest.fixture
def sdk(server: Server) -> Iterator[OpenAI]:
    with server.sdk() as client:
        yield client


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {KEY}", *lines, "", ""]
    ).encode()


def facts(server: Server, request_id: str) -> list[dict[str, Any]]:
    """What was logged of one request."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        logged = [json.loads(line) for line in server.said()]
        if found := [fact for fact in logged if fact.get("request_id") == request_id]:
            return found
        time.sleep(0.05)
    raise AssertionError(request_id)


def test_the_whole_round_with_the_sdk(sdk: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "größe.jsonl"
    path.write_bytes(LINE * 3)

    file = sdk.files.create(file=path, purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600})
    assert (file.filename, file.bytes, file.status) == ("größe.jsonl", len(LINE) * 3, "processed")
    assert file.expires_at == file.created_at + 3600
    assert sdk.files.wait_for_processing(file.id).id == file.id
    assert sdk.files.content(file.id).read() == LINE * 3
    batch = sdk.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"a": "b"},
        extra_body={"custom_llm_provider": "vertex_ai"},
    )
    assert (batch.status, batch.metadata, batch.input_file_id) == ("validating", {"a": "b"}, file.id)
    assert sdk.batches.retrieve(batch.id, extra_query={"provider": "vertex_ai"}).id == batch.id
    assert sdk.batches.cancel(batch.id).status == "cancelling"
    assert sdk.files.delete(file.id).deleted is True
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.files.retrieve(file.id)
    assert caught.value.param == "id"
    assert [model.id for model in sdk.models.list()] == ["gemini-2.5-flash", "team/embeddings"]
    assert sdk.models.retrieve("team/embeddings").owned_by == "google"


CREATE: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


@pytest.fixture(params=["/v1", ""])
def gateway(server: Server, request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    """The SDK as a LiteLLM user has it: its base URL with `/v1` or without."""
    with server.sdk(base_url=f"http://127.0.0.1:{server.port}{request.param}") as client:
        yield client


def listed(client: OpenAI, **query: str) -> tuple[set[str], set[str]]:
    """The files and batches that a list shows when it is asked with these hints."""
    files, batches = client.files.list(extra_query=query), client.batches.list(extra_query=query)
    return {file.id for file in files}, {batch.id for batch in batches}


def test_flow_a_a_provider_is_named_on_every_call(gateway: OpenAI) -> None:
    """LiteLLM's Vertex sample: ids in paths encoded by the caller, and hints in form, body and query."""
    provider = {"custom_llm_provider": "vertex_ai"}
    file = gateway.files.create(file=("in.jsonl", LINE), purpose="batch", extra_body=provider)
    batch = gateway.batches.create(input_file_id=file.id, **CREATE, extra_body=provider)

    assert gateway.batches.retrieve(batch.id, extra_query=provider) == batch
    assert gateway.get(f"/batches/{batch.id}?provider=vertex_ai", cast_to=Batch).id == batch.id
    for times in range(3):  # and the SDK encodes once more
        id = file.id
        for _ in range(times):
            id = quote_plus(id.replace("-", "%2D"))
        assert gateway.files.content(id).read() == LINE
    assert batch.id in {each.id for each in gateway.batches.list(extra_query=provider)}
    with pytest.raises(openai.BadRequestError) as caught:
        gateway.batches.create(input_file_id=file.id, **CREATE, extra_body={"custom_llm_provider": "openai"})
    assert caught.value.param == "custom_llm_provider"


def test_flow_c_no_hints_at_all(gateway: OpenAI) -> None:
    file = gateway.files.create(file=("in.jsonl", LINE), purpose="batch")
    batch = gateway.batches.create(input_file_id=file.id, **CREATE)

    assert gateway.batches.cancel(batch.id).status == "cancelling"
    shown = listed(gateway, target_model_names="gemini-2.5-flash")
    assert (file.id in shown[0], batch.id in shown[1]) == (False, False)


def test_flow_d_a_header_on_the_upload_and_nothing_afterwards(gateway: OpenAI) -> None:
    header = {"x-litellm-model": "team/embeddings"}
    upload = gateway.files.with_raw_response.create(file=("in.jsonl", LINE), purpose="batch", extra_headers=header)
    file = upload.parse()
    created = gateway.batches.with_raw_response.create(input_file_id=file.id, **CREATE)
    batch = created.parse()

    assert upload.headers["x-litellm-model-group"] == created.headers["x-litellm-model-group"] == "team/embeddings"
    assert created.headers["x-litellm-call-id"] == batch._request_id
    shown, others = (listed(gateway, target_model_names=name) for name in ("team/embeddings", "gemini-2.5-flash"))
    assert (file.id in shown[0], batch.id in shown[1]) == (True, True)
    assert (file.id in others[0], batch.id in others[1]) == (False, False)


@pytest.mark.parametrize("names", ["gemini-2.5-flash", ["gemini-2.5-flash", "team/embeddings"]], ids=str)
def test_flow_e_target_model_names_as_a_text_and_as_a_list(gateway: OpenAI, names: str | list[str]) -> None:
    file = gateway.files.create(file=("in.jsonl", LINE), purpose="batch", extra_body={"target_model_names": names})
    batch = gateway.batches.create(input_file_id=file.id, **CREATE, metadata={"job": "nightly"})

    read = gateway.batches.retrieve(batch.id)
    assert (read.metadata, read.output_file_id or read.error_file_id) == ({"job": "nightly"}, None)
    for name in ("gemini-2.5-flash", "team/embeddings"):
        shown = listed(gateway, target_model_names=name)
        assert (file.id in shown[0], batch.id in shown[1]) == (name in names, name in names)
    assert gateway.batches.cancel(batch.id).status == "cancelling"
    assert gateway.files.delete(file.id, extra_body={"target_model_names": "no-such"}).deleted
    with pytest.raises(openai.BadRequestError, match="Invalid model name passed in model=no-such"):
        gateway.files.create(file=("in.jsonl", LINE), purpose="batch", extra_body={"target_model_names": ["no-such"]})


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "vertex_ai"])
def test_flow_f_a_providers_prefix_in_the_base_url(server: Server, provider: str) -> None:
    with server.sdk(base_url=f"http://127.0.0.1:{server.port}/{provider}/v1") as client:
        file = client.files.create(file=("in.jsonl", LINE), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, **CREATE)
        assert client.batches.retrieve(batch.id) == batch
        assert client.files.content(file.id).read() == LINE
    with server.sdk() as client, pytest.raises(openai.BadRequestError) as caught:
        client.batches.create(input_file_id=file.id, **CREATE, extra_query={"provider": "azure"})
    assert caught.value.param == "custom_llm_provider"


def test_flow_f_the_litellm_sdk_names_a_gateway_and_no_provider(gateway: OpenAI) -> None:
    proxy = {"custom_llm_provider": "litellm_proxy"}
    file = gateway.files.create(file=("in.jsonl", LINE), purpose="batch", extra_body=proxy)
    batch = gateway.batches.create(input_file_id=file.id, **CREATE, extra_body={"custom_llm_provider": "openai"})
    assert gateway.batches.retrieve(batch.id).id == batch.id


def test_a_large_file_may_have_hints_too(sdk: OpenAI) -> None:
    upload = sdk.uploads.create(
        bytes=len(LINE),
        filename="in.jsonl",
        mime_type="application/jsonl",
        purpose="batch",
        extra_body={"target_model_names": ["team/embeddings"], "passthrough": True},
    )
    part = sdk.uploads.parts.create(upload.id, data=LINE).id

    file = sdk.uploads.complete(upload.id, part_ids=[part]).file

    assert file is not None
    assert file.id in listed(sdk, model="team/embeddings")[0]


def test_a_base_url_without_v1_works(server: Server) -> None:
    with server.sdk(base_url=f"http://127.0.0.1:{server.port}") as client:
        file = client.files.create(file=("a.jsonl", LINE), purpose="batch")
        assert client.files.retrieve(file.id) == file


def test_strict_answers(server: Server) -> None:
    """The SDK's own tests run in this mode: every answer has the types that it promises."""
    with server.sdk(_strict_response_validation=True) as client:
        file = client.files.create(file=LINE, purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
        client.batches.retrieve(batch.id)
        client.batches.list(limit=1)
        client.files.list(limit=1)
        upload = client.uploads.create(bytes=0, filename="f", mime_type="m", purpose="assistants")
        client.uploads.complete(upload.id, part_ids=[])
        client.models.delete("gemini-2.5-flash")


@pytest.mark.parametrize("times", [1, 2])
def test_an_id_that_the_caller_encoded_too(sdk: OpenAI, times: int) -> None:
    """As LiteLLM's documentation tells its users; the SDK then encodes what they encoded."""
    file = sdk.files.create(file=LINE, purpose="batch").id
    text = file.replace("-", "%2D")
    for _ in range(times - 1):
        text = text.replace("%", "%25")

    assert sdk.files.content(text).read() == LINE
    for foreign in ("gs://bucket/a b/c", "gs%3A%2F%2Fbucket%2Fa", "../files"):
        with pytest.raises((openai.NotFoundError, ValueError)):
            sdk.files.content(foreign)


def test_automatic_pages_show_everything_once(sdk: OpenAI) -> None:
    files = [sdk.files.create(file=LINE, purpose="user_data").id for _ in range(7)]
    listed = [file.id for file in sdk.files.list(purpose="user_data", limit=2)]
    assert [each for each in listed if each in files] == files[::-1]
    assert len(listed) == len(set(listed))
    assert [file.id for file in sdk.files.list(purpose="user_data", limit=3, order="asc")] == listed[::-1]

    batches = [
        sdk.batches.create(input_file_id=files[0], endpoint="/v1/embeddings", completion_window="24h").id
        for _ in range(5)
    ]
    listed = [batch.id for batch in sdk.batches.list(limit=2)]
    assert [each for each in listed if each in batches] == batches[::-1]
    assert len(listed) == len(set(listed))


def test_errors_carry_what_the_sdk_shows(server: Server, sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        sdk.batches.create(input_file_id="x", endpoint="/v1/nothing", completion_window="24h")  # type: ignore[arg-type]
    assert (bad.value.code, bad.value.param, bad.value.type) == ("invalid_value", "endpoint", "invalid_request_error")
    assert bad.value.request_id is not None
    (fact,) = facts(server, bad.value.request_id)
    assert (fact["route"], fact["status"]) == ("/batches", 400)

    with OpenAI(base_url=server.url, api_key="sk-wrong") as stranger, pytest.raises(openai.AuthenticationError) as no:
        stranger.files.list()
    assert no.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(no.value)


def test_a_deterministic_failure_is_tried_once(server: Server) -> None:
    """The SDK repeats a 409 unless it is told not to."""
    seen: list[int] = []
    transport = httpx2.Client(event_hooks={"response": [lambda response: seen.append(response.status_code)]})
    with server.sdk(max_retries=2, http_client=transport) as client:
        upload = client.uploads.create(bytes=1, filename="a", mime_type="m", purpose="assistants")
        client.uploads.cancel(upload.id)
        with pytest.raises(openai.BadRequestError):
            client.uploads.cancel(upload.id)
        with pytest.raises(openai.NotFoundError):
            client.batches.retrieve("batch_x")
    assert seen == [200, 200, 400, 404]


def test_a_lost_reply_makes_no_second_batch(server: Server, sdk: OpenAI) -> None:
    """The server answers, the client never hears it, and the SDK posts again: with a count, and with nothing else."""
    made: list[str] = []

    class Lossy(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            made.append(json.loads(response.read())["id"])
            if len(made) == 1:
                raise httpx2.ReadTimeout("lost")
            return response

    file = sdk.files.create(file=LINE, purpose="batch").id
    with server.sdk(max_retries=2, http_client=httpx2.Client(transport=Lossy())) as client:
        batch = client.batches.create(input_file_id=file, endpoint="/v1/embeddings", completion_window="24h")

    assert made == [batch.id, batch.id]


def test_an_idempotency_key_of_the_caller(sdk: OpenAI) -> None:
    key = {"Idempotency-Key": os.urandom(8).hex()}
    made = {
        sdk.batches.create(
            input_file_id="file-x", endpoint="/v1/embeddings", completion_window="24h", extra_headers=key
        ).id
        for _ in range(3)
    }
    assert len(made) == 1
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.batches.create(
            input_file_id="file-y", endpoint="/v1/embeddings", completion_window="24h", extra_headers=key
        )
    assert caught.value.code == "idempotency_error"


def test_a_large_file_in_parts_with_the_sdks_helper(sdk: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "big.jsonl"
    path.write_bytes(LINE * 60_000)
    digest = hashlib.md5(path.read_bytes()).hexdigest()

    upload = sdk.uploads.upload_file_chunked(
        file=path, mime_type="application/jsonl", purpose="batch", part_size=MEBIBYTE, md5=digest
    )

    assert upload.status == "completed"
    assert upload.file is not None
    with sdk.files.with_streaming_response.content(upload.file.id) as answer:
        found = hashlib.md5()
        for chunk in answer.iter_bytes():
            found.update(chunk)
    assert found.hexdigest() == digest


def test_four_parts_at_once(sdk: OpenAI) -> None:
    upload = sdk.uploads.create(bytes=400_000, filename="a.jsonl", mime_type="m", purpose="batch")
    pieces = [bytes([65 + n]) * 100_000 for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda piece: sdk.uploads.parts.create(upload.id, data=piece).id, pieces))
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: sdk.uploads.complete(upload.id, part_ids=parts), range(4)))

    assert len({each.file.id for each in done if each.file}) == 1
    assert done[0].file is not None
    assert sdk.files.content(done[0].file.id).read() == b"".join(pieces)


def test_a_chunked_body_with_the_file_first(server: Server, sdk: OpenAI) -> None:
    """As Node sends `fs.createReadStream`: no length, and the purpose behind the file."""
    body, kind = multipart(("file", LINE * 1_000, "in.jsonl"), ("purpose", "batch"))
    pieces = [body[at : at + 7_919] for at in range(0, len(body), 7_919)]
    lines = (f"Content-Type: {kind}", "Transfer-Encoding: chunked", "Connection: close")

    status, headers, answer = send(server.port, head("/v1/files", *lines), chunked(*pieces))

    assert status == 200
    assert headers["content-type"] == "application/json"
    assert sdk.files.content(json.loads(answer)["id"]).read() == LINE * 1_000


@pytest.mark.parametrize("framing", ["length", "chunked", "broken chunk"])
def test_a_client_that_hangs_up_leaves_nothing(server: Server, framing: str) -> None:
    before = server.stored()
    body, kind = multipart(("purpose", "batch"), ("file", b"x" * 3 * MEBIBYTE, "a.jsonl"))
    cut = body[: 2 * MEBIBYTE]
    lines = [f"Content-Type: {kind}", "Connection: close"]
    if framing == "length":
        pieces = [head("/v1/files", *lines, f"Content-Length: {len(body)}"), cut]
    else:
        tail = chunked(cut)[:-5] if framing == "chunked" else chunked(cut)[:-5] + b"zz\r\n"
        pieces = [head("/v1/files", *lines, "Transfer-Encoding: chunked"), tail]

    status, _, answer = send(server.port, *pieces)

    assert status == 400
    assert envelope(answer)["message"] == "The request body is incomplete or malformed." or "multipart" in str(answer)
    assert server.stored() == before


def test_post_without_a_body_and_without_a_length(server: Server, sdk: OpenAI) -> None:
    """`curl -X POST` over HTTP/1.1 sends neither."""
    batch = sdk.batches.create(input_file_id="file-x", endpoint="/v1/embeddings", completion_window="24h")
    status, _, answer = send(server.port, head(f"/v1/batches/{batch.id}/cancel", "Connection: close"))

    assert (status, json.loads(answer)["status"]) == (200, "cancelling")


def test_curl_asks_before_it_sends_a_large_body(server: Server) -> None:
    body, kind = multipart(("purpose", "batch"), ("file", LINE, "a.jsonl"))
    lines = (f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close")
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(head("/v1/files", *lines))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -5",),
        ("Content-Length: five",),
    ],
    ids=str,
)
def test_contradicting_lengths_never_reach_us(server: Server, lines: tuple[str, ...]) -> None:
    """The server itself refuses them."""
    status, _, answer = send(server.port, head("/v1/batches", *lines) + b"hello")  # it answers before it has read all

    assert status == 400
    assert KEY.encode() not in answer


def test_a_refused_key_is_heard_even_with_a_large_file(server: Server) -> None:
    stranger = OpenAI(base_url=server.url, api_key="sk-wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.files.create(file=("a.jsonl", b"x" * 20 * MEBIBYTE), purpose="batch")


@pytest.mark.slow
def test_a_stranger_who_sends_a_byte_now_and_then_holds_nobody_up(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(f"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: {MEBIBYTE}\r\n\r\n".encode())
        began, answer = time.monotonic(), b""
        connection.settimeout(0.5)
        while not answer and time.monotonic() - began < 60:  # of the days that the body would take
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 401")


@pytest.mark.slow
def test_a_file_above_the_limit_is_a_413_and_keeps_no_memory(server: Server) -> None:
    before = server.stored()
    with server.sdk() as client, pytest.raises(openai.APIStatusError) as caught:
        client.files.create(file=("a.jsonl", b"x" * 430_000_000), purpose="batch")

    assert caught.value.status_code == 413
    assert envelope(caught.value.response.text)["param"] == "file"
    assert server.stored() == before
    assert server.peak_memory() < 200 * MEBIBYTE


class Zeros(io.RawIOBase):
    """A large file that nobody has to hold."""

    def __init__(self, head: bytes, size: int, tail: bytes) -> None:
        self.parts, self.left = [head, tail], size

    def __iter__(self) -> Iterator[bytes]:
        yield self.parts[0]
        block = (b"0" * 1023 + b"\n") * 256
        while self.left:
            piece = block[: min(self.left, len(block))]
            self.left -= len(piece)
            yield piece
        yield self.parts[1]


@pytest.mark.slow
def test_large_files_go_through_in_little_memory(server: Server, sdk: OpenAI) -> None:
    """Four at once, up and down, and never more than a few pieces of each are held."""
    size = 100_000_000
    front, kind = multipart(("purpose", "batch"), ("file", b"", "big.jsonl"), end=False)
    front = front.removesuffix(b"\r\n")
    url = f"{server.url}/files"
    headers = {"authorization": f"Bearer {KEY}", "content-type": kind}

    def up_and_down(_: int) -> int:
        end = f"\r\n--{EDGE}--\r\n".encode()
        with httpx2.Client(timeout=60) as client:
            file = client.post(url, headers=headers, content=iter(Zeros(front, size, end))).json()
            assert file["bytes"] == size
            with client.stream("GET", f"{url}/{file['id']}/content", headers=headers) as answer:
                assert answer.status_code == 200
                assert answer.headers["content-length"] == str(size)
                got = sum(len(chunk) for chunk in answer.iter_bytes())
        sdk.files.delete(file["id"])
        return got

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(up_and_down, range(4))) == [size] * 4
    assert server.peak_memory() < 200 * MEBIBYTE


def test_a_download_that_is_broken_off_harms_nobody(server: Server, sdk: OpenAI) -> None:
    file = sdk.files.create(file=("a.jsonl", b"x" * 20 * MEBIBYTE), purpose="batch").id
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
            connection.sendall(head(f"/v1/files/{file}/content", method="GET"))
            connection.recv(1000)
    with contextlib.closing(sdk.files.content(file)) as answer:
        assert len(answer.read()) == 20 * MEBIBYTE


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/files/gs://b/x/content", "No such File object: gs://b/x"),
        ("/v1/files/gs%3A%2F%2Fb%2Fx/content", "No such File object: gs://b/x"),
        ("/v1/files/gs%253A%252F%252Fb%252Fx/content", "No such File object: gs%3A%2F%2Fb%2Fx"),
        ("/v1/files/%2e%2e%2fx", "No such File object: ../x"),
        ("/v1/files/%00", "No such File object: \x00"),
        ("/v1/files/%ff", "No such File object: \ufffd"),
        ("//v1//files//x", "No such File object: x"),
        ("/v1/files/a%0Ab", "There is no such object."),
        ("/v1/" + "x" * 5_000, "Invalid URL (GET /v1/" + "x" * 196 + ")"),
    ],
    ids=lambda text: text[:50],
)
def test_paths_as_they_arrive(server: Server, path: str, message: str) -> None:
    status, headers, answer = send(server.port, head(path, "Connection: close", method="GET"))

    assert status == 404
    assert envelope(answer)["message"] == message
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_log_holds_facts_and_no_keys(server: Server, sdk: OpenAI) -> None:
    """Whatever the tests before this one did: one JSON object a line, no stack, no key."""
    sdk.models.list()
    log = server.log.read_text()

    assert KEY not in log
    assert "Traceback" not in log
    assert all(json.loads(line) for line in server.said())
