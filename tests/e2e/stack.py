"""The whole stack as its user starts it, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from openai import OpenAI
from openai.types import Batch

__all__ = ["ROOT", "SHARED", "Stack", "chat"]

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
ENDED = {"completed", "failed", "expired", "cancelled"}


def chat(custom_id: str, text: str = "hello", model: str = "gemini-2.5-flash", **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    body = {"model": model, "messages": messages, **body}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}


class Stack:
    """`infra/dev up` on a free port."""

    def __init__(
        self, data: Path, *options: str, prepare: Callable[[], None] | None = None, **environment: str
    ) -> None:
        self.data, self._options, self._prepare = data, options, prepare
        self._environment = {**os.environ, **environment}
        self.start()

    def start(self) -> None:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        log = self.data.parent / f"{self.data.name}.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "infra" / "dev", "up", "--port", "0", "--data", self.data, *self._options],
                stdout=subprocess.PIPE,
                stderr=out,
                text=True,
                env=self._environment,
                preexec_fn=self._prepare,  # noqa: PLW1509  # a limit of the process, set before it has threads
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.url = line.split()[1]
                break
        else:
            raise AssertionError(f"did not start: {log.read_text()}")
        self.key = os.environ.get("OFFPEAK_MASTER_KEY") or (self.data / "master_key").read_text().strip()

    def stop(self) -> int:
        """End all of it; the exit status. Again is no harm."""
        self.process.terminate()
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def die(self) -> None:
        """Kill -9 of the supervisor, with which everything ends."""
        self.process.kill()
        self.stop()

    def client(self, **options: Any) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, **options)

    def pids(self, word: str) -> list[int]:
        """Our descendants whose command line has this word in it."""
        found, family = [], {self.process.pid}
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        grew = True
        while grew:
            more = {pid for pid, parent in parents.items() if parent in family} - family
            family |= more
            grew = bool(more)
        for pid in sorted(family - {self.process.pid}):
            try:
                if word in (Path("/proc") / str(pid) / "cmdline").read_text().split("\0"):
                    found.append(pid)
            except OSError:
                continue
        return found

    def kill(self, word: str) -> None:
        for pid in self.pids(word):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def upload(client: OpenAI, lines: Iterable[dict[str, Any]] | bytes, name: str = "in.jsonl") -> str:
    content = lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return client.files.create(file=(name, content), purpose="batch").id


def start(client: OpenAI, lines: Iterable[dict[str, Any]] | bytes, endpoint: Any = "/v1/chat/completions") -> Batch:
    return client.batches.create(input_file_id=upload(client, lines), endpoint=endpoint, completion_window="24h")


def ended(client: OpenAI, id: str, seconds: float = 60) -> Batch:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        batch = client.batches.retrieve(id)
        if batch.status in ENDED:
            return batch
        time.sleep(0.3)
    raise AssertionError(f"still {client.batches.retrieve(id)}")


def rows(client: OpenAI, id: str | None) -> list[dict[str, Any]]:
    return [] if id is None else [json.loads(line) for line in client.files.content(id).text.splitlines()]
