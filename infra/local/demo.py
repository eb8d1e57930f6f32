"""A batch from upload to cost in half a minute, without an account: `python -m infra.local.demo`.

Starts the stack with the Vertex stand-in on a temporary folder and a free port, runs a dozen lines through it with the
unmodified `openai` SDK, and stops it again.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import openai
from openai.types import Batch

from infra.local.child import ROOT

__all__ = ["main"]

_MODEL: Final = "gemini-2.5-flash"
_PATIENCE: Final = 50.0  # seconds, for the batch
_START: Final = 60.0
_SHOWN: Final = 3
_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_QUESTIONS: Final = (
    "Name the colour of a ripe lemon.",
    "What is 17 * 23?",
    "Give one adjective for gravel.",
    "Translate 'good morning' into Norwegian.",
    "Which planet is closest to the sun?",
    "Summarise the plot of Moby-Dick in one sentence.",
    "What does HTTP 409 mean?",
    "Write a haiku about a queue.",
    "How many legs does a spider have?",
    "Name a river in Peru.",
    "stand-in:fail (a line that the provider refuses)",
    "What is the boiling point of water at sea level?",
)


class DemoFailed(Exception):
    """The reason, in a sentence."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="offpeak-demo-") as folder:
        data = Path(folder)
        try:
            print("Offpeak demo: a batch through the OpenAI SDK; Vertex is played by a stand-in on this machine.\n")
            with _stack(data) as url:
                key = (data / "master_key").read_text(encoding="ascii").strip()
                with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=2, timeout=30.0) as client:
                    _run(client)
        except (DemoFailed, openai.OpenAIError, OSError) as error:
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            print(_logs(data), file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 130
    return 0


def _run(client: openai.OpenAI) -> None:
    lines = b"".join(_line(number, question) for number, question in enumerate(_QUESTIONS, start=1))
    uploaded = client.files.create(file=("questions.jsonl", lines), purpose="batch")
    print(f"files.create       {uploaded.id}  {len(_QUESTIONS)} lines, {len(lines)} bytes")
    batch = client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"demo": "yes"}
    )
    print(f"batches.create     {batch.id}")
    batch = _followed(client, batch)
    if batch.status != "completed":
        raise DemoFailed(f"the batch ended as {batch.status}: {batch.errors}")
    if batch.output_file_id is None or batch.error_file_id is None:
        raise DemoFailed("the batch has no output file or no error file")
    print("\nAnswers (in the order they came back):")
    answers = [json.loads(row) for row in client.files.content(batch.output_file_id).text.splitlines()]
    for row in answers[:_SHOWN]:
        print(f"  {row['custom_id']:<8} {row['response']['body']['choices'][0]['message']['content']}")
    print(f"  … and {len(answers) - _SHOWN} more")
    print("\nThe line that failed, in the error file:")
    failures = [json.loads(row) for row in client.files.content(batch.error_file_id).text.splitlines()]
    for row in failures:
        said = row["response"]["body"]["error"] if row["response"] else row["error"]
        print(f"  {row['custom_id']:<8} {said['message']}")
    if len(answers) + len(failures) != len(_QUESTIONS):
        raise DemoFailed(f"{len(answers)} answers and {len(failures)} errors for {len(_QUESTIONS)} lines")
    _bill(batch)


def _followed(client: openai.OpenAI, batch: Batch) -> Batch:
    """The batch when it is over; until then a line of progress, in place where that is possible."""
    began, said, live = time.monotonic(), "", sys.stdout.isatty()
    while True:
        counts = batch.request_counts
        done = f"{counts.completed} done, {counts.failed} failed of {counts.total}" if counts else ""
        now = f"batches.retrieve   {batch.status:<12} {done}"
        if live:
            print(f"\r\x1b[K{now}  {time.monotonic() - began:.0f} s", end="", flush=True)
        elif now != said:
            print(now, flush=True)
        said = now
        if batch.status in _OVER:
            if live:
                print()
            return batch
        if time.monotonic() - began > _PATIENCE:
            raise DemoFailed(f"the batch is still {batch.status} after {_PATIENCE:.0f} s")
        time.sleep(0.3)
        batch = client.batches.retrieve(batch.id)


def _bill(batch: Batch) -> None:
    extra: dict[str, Any] = batch.model_extra or {}
    cost = extra.get("cost") or {}
    usage = batch.usage
    if usage is None or not cost.get("total"):
        raise DemoFailed("the batch has no usage or no cost")
    print(f"\nUsage  {usage.input_tokens} tokens in, {usage.output_tokens} out")
    print(
        f"Cost   {cost['total']} {cost['currency']} at {_MODEL}'s batch price "
        f"({cost['priced_lines']} lines priced, {cost['unpriced_lines']} without a price)"
    )
    print(
        "\nNo model was asked and nothing was spent: the stand-in wrote the answers. With your own configuration the"
        "\nsame stack runs real models: infra/dev up --config FILE"
    )


def _line(number: int, question: str) -> bytes:
    body = {"model": _MODEL, "messages": [{"role": "user", "content": question}], "max_tokens": 60}
    line = {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode() + b"\n"


@contextmanager
def _stack(data: Path) -> Iterator[str]:
    """The URL of a running stack, which is stopped at the end."""
    command = [sys.executable, "-m", "infra.local.up", "--port", "0", "--data", str(data)]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_MASTER_KEY")}
    (data / "logs").mkdir(parents=True, exist_ok=True)
    with (data / "logs" / "up.log").open("wb") as log:
        stack = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield _ready(stack)
    finally:
        stack.send_signal(signal.SIGTERM)
        try:
            stack.wait(15)
        except subprocess.TimeoutExpired:
            stack.kill()
            stack.wait()
        if stack.stdout is not None:
            stack.stdout.close()


def _ready(stack: subprocess.Popen[str]) -> str:
    lines: Callable[[], str] = stack.stdout.readline if stack.stdout is not None else str
    until = time.monotonic() + _START
    while time.monotonic() < until:
        line = lines()
        if line.startswith("ready "):
            return line.removeprefix("ready ").strip()
        if not line:
            break
    raise DemoFailed("the stack did not start")


def _logs(data: Path) -> str:
    tails = []
    for log in sorted((data / "logs").glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        tails += [f"--- {log.name}", *lines]
    return "\n".join(tails)


if __name__ == "__main__":
    sys.exit(main())
