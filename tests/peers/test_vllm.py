"""A real vLLM server, on CPU, in our stack's own processes. Heavy: see the README for the command that runs it.

The server comes from `../shared/peers/vllm/start`, which builds it once (2.4 GB); VLLM_PEER_DIR says where it is kept.
"""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.standins.proxy import proxying
from tests.e2e.stack import SHARED, Stack, chat, ended, rows, start

pytestmark = [pytest.mark.peer, pytest.mark.timeout(1_800)]

KEY = "sk-vllm-test"
SEATS = 32
CONFIG = """
model_list:
  - model_name: tiny
    litellm_params:
      model: hosted_vllm/tiny
      api_base: "http://127.0.0.1:{port}"
      api_key: {key}
      max_parallel_requests: {parallel}
      timeout: 20
    model_info: {{input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}}
"""


class Vllm:
    """The peer, started and killed as a test wishes, always on the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        command = [str(SHARED / "peers" / "vllm" / "start"), "--port", str(self.port), "--key", KEY, "--queue", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.process.stdout is not None
        assert any(line.startswith("ready ") for line in self.process.stdout), "vLLM did not start"

    def kill(self) -> None:
        """Kill -9 of the server with its engine."""
        folder = Path(os.environ.get("VLLM_PEER_DIR", Path.home() / ".cache" / "offpeak-vllm-peer"))
        leader = int((folder / f"server-{self.port}.pid").read_text())
        os.killpg(leader, signal.SIGKILL)
        self.process.kill()
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def completions(self) -> int:
        """Requests that it has finished since it was started."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        lines = (line for line in text.splitlines() if line.startswith("vllm:request_success_total{"))
        return int(sum(float(line.rpartition(" ")[2]) for line in lines))


@pytest.fixture(scope="module")
def vllm() -> Iterator[Vllm]:
    server = Vllm()
    yield server
    server.kill()


def stack_of(folder: Path, port: int, *, parallel: int = SEATS) -> Stack:
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(port=port, key=KEY, parallel=parallel))
    return Stack(folder / "data", "--config", str(config))


def lines_of(count: int, **body: Any) -> list[dict[str, Any]]:
    return [chat(f"line-{n}", f"say something of number {n}", model="tiny", max_tokens=8, **body) for n in range(count)]


async def bare(port: int, lines: list[dict[str, Any]], at_once: int) -> float:
    """Lines a second of a load generator that does nothing else: sockets, one for each line in flight."""
    todo = iter(lines)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: vllm\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {KEY}\r\n"

    async def one() -> None:
        connection = await asyncio.open_connection("127.0.0.1", port)
        for line in todo:
            body = json.dumps(line["body"]).encode()
            request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
            while not await answered(*connection, request):  # the server closes connections that have rested
                connection = await asyncio.open_connection("127.0.0.1", port)
        connection[1].close()

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(at_once)))
    return len(lines) / (time.monotonic() - began)


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    """Send a request and read its answer to the end; False where the connection was closed."""
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return False
    assert head.startswith(b"HTTP/1.1 200")
    return True


@pytest.mark.parametrize("at_once", [16, 32])
def test_the_server_is_kept_as_busy_as_by_a_bare_load_generator(vllm: Vllm, tmp_path: Path, at_once: int) -> None:
    """Taken in turns. The aim is nine tenths; here the server computes on the two cores that we run on, so that
    whatever we do for a line is taken from it.
    """
    lines = lines_of(3_000)
    stack = stack_of(tmp_path, vllm.port, parallel=at_once)
    asyncio.run(bare(vllm.port, lines, at_once))  # from now on the server has all prompts in its cache
    shares = []
    with stack.client() as client:
        for _ in range(3):
            most = asyncio.run(bare(vllm.port, lines, at_once))
            batch = ended(client, start(client, lines).id, 300)
            assert batch.request_counts is not None
            assert batch.in_progress_at is not None
            assert batch.finalizing_at is not None
            ours = len(lines) / (batch.finalizing_at - batch.in_progress_at)
            assert batch.request_counts.completed == len(lines)
            shares.append(ours / most)
            sys.stdout.write(json.dumps({"at_once": at_once, "bare": round(most, 1), "ours": round(ours, 1)}) + "\n")
    stack.stop()
    assert sorted(shares)[1] >= 0.6, shares


def test_faults_kills_and_an_outage_lose_and_double_nothing(vllm: Vllm, tmp_path: Path) -> None:
    """2,000 lines, a fault on every fourth call, the executor killed 30 times, the server away for a minute."""
    lines = [*lines_of(1_960), *(chat(f"long-{n}", "x" * 4_000, model="tiny") for n in range(40))]
    dice = random.Random(4)
    ran = -vllm.completions()
    with proxying(vllm.port, rate=0.25, seed=4, stall=5.0, drip=2.0) as proxy:
        stack = stack_of(tmp_path, proxy.port)
        with stack.client(max_retries=8) as client:
            batch = start(client, lines)
            kills, away = 0, False
            began = time.monotonic()
            while client.batches.retrieve(batch.id).status not in {"completed", "failed"}:
                time.sleep(1 + 2 * dice.random())
                if kills < 30:
                    kills += 1
                    stack.kill("work")
                if kills == 15 and not away:
                    away = True
                    ran += vllm.completions()
                    vllm.kill()
                    time.sleep(30)  # and as long again until the new one has loaded its model
                    vllm.start()
            done = ended(client, batch.id, 900)
            seconds = time.monotonic() - began
            output, errors = rows(client, done.output_file_id), rows(client, done.error_file_id)
        ran += vllm.completions()
        wasted = proxy.report()
        stack.stop()
    names = Counter(row["custom_id"] for row in (*output, *errors))
    assert names == Counter(line["custom_id"] for line in lines)
    assert {row["custom_id"] for row in errors} == {f"long-{n}" for n in range(40)}
    report = {"kills": kills, "seconds": round(seconds), "ran": ran, "delivered": len(output), "proxy": wasted}
    sys.stdout.write(json.dumps(report) + "\n")
    assert kills >= 30
    assert ran - len(output) <= wasted["wasted"] + kills * SEATS
