"""A stack of processes under test: started, looked into, hurt, and always ended."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import openai
from openai.types import Batch

ROOT = Path(__file__).resolve().parents[2]
OVER = {"completed", "failed", "expired", "cancelled"}


class Stack:
    """`python -m infra.local.up` on a folder."""

    def __init__(self, data: Path, *arguments: str, **environment: str) -> None:
        self.data = data
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "infra.local.up", "--port", "0", "--data", str(data), *arguments],
            cwd=ROOT,
            env={**os.environ, "STANDIN_PENDING": "0.2", "STANDIN_RUNNING": "0.5", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self.url = ""

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith("ready "):
                self.url = self.said[-1].removeprefix("ready ")
                return self
        raise AssertionError(self.process.communicate()[1])

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            self.process.kill()
        self.process.communicate()

    @property
    def key(self) -> str:
        return (self.data / "master_key").read_text().strip()

    def client(self, **rest: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, timeout=60.0, **{"max_retries": 5, **rest})

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def processes(self) -> dict[int, str]:
        """All below the supervisor, with their command lines."""
        return below(self.process.pid)

    def named(self, name: str) -> list[int]:
        """The processes of one member of the stack: master first, then its workers."""
        return sorted(pid for pid, command in self.processes().items() if name in command)


def below(root: int) -> dict[int, str]:
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            pid = int(folder.name)
            parents[pid] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[pid] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    found: dict[int, str] = {}
    ring = {root}
    while ring:
        ring = {pid for pid, parent in parents.items() if parent in ring}
        found |= {pid: commands[pid] for pid in ring}
    return found


def alive(pids: list[int]) -> list[int]:
    """Those that still run; a zombie does not."""
    left = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                left.append(pid)
    return left


def start_batch(client: openai.OpenAI, count: int = 20) -> str:
    lines = b"".join(
        json.dumps(
            {
                "custom_id": f"line-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": f"Question {number}"}]},
            }
        ).encode()
        + b"\n"
        for number in range(count)
    )
    uploaded = client.files.create(file=("lines.jsonl", lines), purpose="batch")
    return client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h").id


def ended(client: openai.OpenAI, batch: str, within: float = 60.0) -> Batch:
    until = time.monotonic() + within
    while True:
        with contextlib.suppress(openai.APIConnectionError, openai.InternalServerError):
            found = client.batches.retrieve(batch)
            if found.status in OVER:
                return found
        assert time.monotonic() < until, "the batch does not end"
        time.sleep(0.1)


def check_answers(client: openai.OpenAI, batch: Batch, count: int = 20) -> None:
    """Every line once, with the answer to its own question."""
    assert batch.status == "completed", batch.errors
    assert batch.output_file_id is not None
    rows = [json.loads(row) for row in client.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(row["custom_id"] for row in rows) == sorted(f"line-{number}" for number in range(count))
    for row in rows:
        said = row["response"]["body"]["choices"][0]["message"]["content"]
        assert said.endswith("Question " + row["custom_id"].removeprefix("line-"))
