"""The stand-in says what vLLM says, keeps count of what it ran, and stops when told."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.standins.vllm import Running, running
from tests.providers.vllm.test_runner import wait_until

ROOT = Path(__file__).resolve().parents[3]
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hello nonce-a nonce-b"}], "max_tokens": 4}


def ask(server: Running, path: str, body: Any = None, **headers: str) -> httpx.Response:
    url = f"http://127.0.0.1:{server.port}{path}"
    if body is None:
        return httpx.get(url, headers=headers, trust_env=False, timeout=60)
    return httpx.post(url, json=body, headers=headers, trust_env=False, timeout=60)


def test_it_says_what_it_is() -> None:
    with running(longest=128) as server:
        (model,) = ask(server, "/v1/models").json()["data"]
        assert (model["id"], model["max_model_len"]) == ("tiny", 128)
        said = ask(server, "/v1/chat/completions", CHAT, **{"x-request-id": "mine"}).json()
        assert said["id"] == "chatcmpl-mine"
        assert "stand-in" in said["choices"][0]["message"]["content"]
        assert said["usage"] == {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": None,
        }
        assert "vllm:num_requests_running" in ask(server, "/metrics").text
        health = ask(server, "/health")
        assert (health.status_code, health.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/batches", None, 404, {"detail": "Not Found"}),
        ("/v1/files", {}, 404, {"detail": "Not Found"}),
        ("/v1/embeddings", {"input": "x"}, 404, {"detail": "Not Found"}),
        ("/v1/chat/completions", None, 405, {"detail": "Method Not Allowed"}),
        (
            "/v1/chat/completions",
            {**CHAT, "model": "gpt-4o"},
            404,
            {
                "error": {
                    "message": "The model `gpt-4o` does not exist.",
                    "type": "NotFoundError",
                    "param": "model",
                    "code": 404,
                }
            },
        ),
    ],
)
def test_what_it_does_not_have_it_says_as_vllm_does(path: str, body: Any, status: int, said: Any) -> None:
    with running() as server:
        response = ask(server, path, body)
        assert (response.status_code, response.json()) == (status, said)


def test_a_wrong_key_opens_nothing_under_v1() -> None:
    with running(key="sk-1") as server:
        assert ask(server, "/v1/models").json() == {"error": "Unauthorized"}
        assert ask(server, "/v1/models", authorization="Bearer sk-1").status_code == 200
        assert ask(server, "/health").status_code == 200


def test_what_is_too_long_names_its_tokens() -> None:
    with running(longest=5) as server:
        response = ask(server, "/v1/chat/completions", CHAT)
        assert response.status_code == 400
        assert response.json()["error"]["param"] == "input_tokens"
        assert server.journal()["refused"] == 1


def test_a_queue_with_an_end_says_503() -> None:
    with running(seats=1, queue=1, token_ms=250) as server, ThreadPoolExecutor(6) as pool:
        server.server.room = 0  # until all are there
        asked = [pool.submit(ask, server, "/v1/chat/completions", CHAT) for _ in range(6)]
        wait_until(lambda: server.server.asked == 6)
        server.server.room = None
        assert sorted(each.result().status_code for each in asked) == [200, 200, 503, 503, 503, 503]


def test_what_was_run_is_counted_by_request_and_by_prompt() -> None:
    with running() as server:
        for name in ("r-1", "r-2", "r-2"):
            ask(server, "/v1/chat/completions", CHAT, **{"x-request-id": name})
        journal = ask(server, "/-/journal").json()
        assert journal["requests"] == {"r-1": 1, "r-2": 2}
        assert journal["nonces"] == {"nonce-a": 3, "nonce-b": 3}
        assert (journal["started"], journal["finished"]) == (3, 3)


def test_a_prompt_may_ask_for_trouble() -> None:
    trouble = {"model": "tiny", "messages": [{"role": "user", "content": "[[status 500 x2]]"}]}
    with running() as server:
        assert [ask(server, "/v1/chat/completions", trouble).status_code for _ in range(3)] == [500, 500, 200]
        slow = {"model": "tiny", "prompt": "[[slow 0.3]]"}
        started = time.monotonic()
        assert ask(server, "/v1/completions", slow).status_code == 200
        assert time.monotonic() - started >= 0.3


def test_who_hangs_up_gets_nothing_run() -> None:
    with running(token_ms=100_000) as server:
        with closing(HTTPConnection("127.0.0.1", server.port)) as caller:
            caller.request("POST", "/v1/chat/completions", json.dumps(CHAT))
            wait_until(lambda: server.journal()["started"] == 1)
        wait_until(lambda: server.journal()["aborted"] == 1)
        assert server.journal()["finished"] == 0


def test_as_a_process_it_says_when_it_serves_and_stops_at_sigterm() -> None:
    command = [sys.executable, "-m", "infra.local.standins.vllm", "--model", "big", "--task", "embed"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready, base = process.stdout.readline().split()
            assert ready == "ready"
            body = {"model": "big", "input": ["a", "bc"]}
            said = httpx.post(f"{base}/embeddings", json=body, trust_env=False, timeout=60).json()
            assert [len(item["embedding"]) for item in said["data"]] == [8, 8]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_a_text_that_is_no_json_is_a_400() -> None:
    with running() as server:
        response = httpx.post(f"{server.base}/chat/completions", content=b"{", trust_env=False)
        assert response.status_code == 400
        assert json.loads(response.content)["error"]["code"] == 400
