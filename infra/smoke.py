"""Ten lines, a cancel and two embeddings against a running Offpeak: `infra/dev smoke URL KEY`.

What must hold of any Offpeak is checked, and fails the run. What only a real Vertex can answer (the open points in
infra/README.md) is looked at in the provider's own rows and reported as it was found.
"""

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import openai
from openai import OpenAI
from openai.types import Batch

__all__ = ["main"]

_OVER: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_CHAT: Final = "/v1/chat/completions"
_EMBED: Final = "/v1/embeddings"
_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_DIMENSIONS: Final = 256
_CODES: Final = ["007", "1e3", "true"]  # text that an importer may take for something else
_SCHEMA: Final = {
    "type": "object",
    "properties": {"code": {"type": "string", "enum": _CODES}},
    "required": ["code"],
    "additionalProperties": False,
}
_TOOL: Final = {"name": "look_up", "parameters": {"type": "object", "properties": {"code": {"type": "string"}}}}


class Report:
    """What was found, line by line; `failed` once something did not hold that must."""

    def __init__(self) -> None:
        self.failed = False

    def must(self, holds: bool, what: str) -> None:  # noqa: FBT001 - a question and its answer
        self.failed |= not holds
        print(f"  {'ok  ' if holds else 'FAIL'}  {what}", flush=True)

    def found(self, point: int, what: str) -> None:
        """An answer to an open point, by its number in infra/README.md."""
        print(f"  open {point:>2}  {what}", flush=True)


def main() -> int:
    options = _options()
    report = Report()
    try:
        with OpenAI(base_url=f"{options.url.rstrip('/').removesuffix('/v1')}/v1", api_key=options.key) as client:
            _chat(client, options, report)
            _cancel(client, options, report)
            if options.embeddings:
                _embeddings(client, options, report)
    except (openai.OpenAIError, TimeoutError) as error:
        report.must(holds=False, what=f"{type(error).__name__}: {error}")
    print(f"\n{'Something does not hold.' if report.failed else 'Everything holds that must.'}", flush=True)
    if not report.failed:
        print(
            "Open point 4 stands in the project's log: how often and when predictions were announced before the job\n"
            'had succeeded is jsonPayload.message="predictions_awaited" beside jsonPayload.message="job_ended".\n'
            "Points 8 and 11 are answered by where the configuration's deployment and the work bucket are."
        )
    return int(report.failed)


def _chat(client: OpenAI, options: argparse.Namespace, report: Report) -> None:
    lines = [*_lines(options.model)]
    batch = _run(client, lines, _CHAT, options.minutes)
    report.must(batch.status == "completed", f"ten lines completed (status {batch.status}, errors {batch.errors})")
    good, bad = (_rows(client, file) for file in (batch.output_file_id, batch.error_file_id))
    ids = sorted(row["custom_id"] for row in [*good, *bad])
    report.must(
        ids == sorted(line["custom_id"] for line in lines), f"{len(good)} rows and {len(bad)} errors, each once"
    )
    refused = [row for row in bad if row["custom_id"] == "refused by us"]
    told = [row["response"]["body"]["error"]["param"] for row in refused]
    report.must(told == ["logit_bias"], "the parameter that Gemini lacks is named in the error file")
    said = {row["custom_id"]: row["response"]["body"]["choices"][0]["message"] for row in good}
    kept = [nonce for nonce in _nonces() if nonce in ((said.get(nonce) or {}).get("content") or "")]
    report.must(bool(kept), f"{len(kept)} of {len(_nonces())} answers repeat the word of their own line")
    cost: dict[str, Any] = (batch.model_extra or {}).get("cost") or {}
    report.must(cost.get("priced_lines") == len(good), f"cost {cost}")
    report.must(bool(batch.usage and batch.usage.input_tokens > 0), f"usage {batch.usage and batch.usage.to_dict()}")
    _look(client, batch, report)
    for name, where in (("schema", "content"), ("tool", "tool_calls")):
        if name in said:
            report.found(10, f"numeric-looking text in {where}: {json.dumps(said[name].get(where))[:200]}")


def _look(client: OpenAI, batch: Batch, report: Report) -> None:
    """What the provider's own rows say."""
    native = client.with_options(default_query={"format": "native"})
    rows = _rows(native, batch.output_file_id or batch.error_file_id)
    keys = [row.get("key") for row in rows]
    failed = [row for row in rows if row.get("status")]
    report.found(1, f"keys came back as {sorted({type(key).__name__ for key in keys})}: {keys[:3]} …")
    report.found(2, f"rows came back {'in order' if keys == sorted(keys, key=str) else 'out of order'}")
    shapes = sorted({("response: {}" if row["response"] == {} else "a response") if "response" in row else "none"
                     for row in failed})  # fmt: skip
    report.found(3, f"{len(failed)} rows failed at the provider; with response: {shapes or 'not seen'}")


def _cancel(client: OpenAI, options: argparse.Namespace, report: Report) -> None:
    batch = client.batches.create(
        input_file_id=_upload(client, [*_lines(options.model)]), endpoint=_CHAT, completion_window="24h"
    )
    _until(client, batch.id, lambda now: now.status != "validating", options.minutes)
    try:
        client.batches.cancel(batch.id)
    except openai.ConflictError:
        report.found(6, "the batch was over before it could be cancelled")
        return
    over = _until(client, batch.id, lambda now: now.status in _OVER, options.minutes)
    report.must(over.status == "cancelled", f"a cancelled batch ends as {over.status}")
    count = len(_rows(client, over.output_file_id))
    report.found(6, f"the cancelled batch kept {count} finished lines")


def _embeddings(client: OpenAI, options: argparse.Namespace, report: Report) -> None:
    lines = [_line(f"e{n}", _EMBED, {"model": options.embeddings, "input": f"text {n}", "dimensions": _DIMENSIONS})
             for n in range(2)]  # fmt: skip
    batch = _run(client, lines, _EMBED, options.minutes)
    rows = _rows(client, batch.output_file_id)
    sizes = [len(row["response"]["body"]["data"][0]["embedding"]) for row in rows]
    report.must(len(rows) == len(lines), f"embeddings: {batch.status}, {len(rows)} rows")
    report.found(7, f"dimensions asked for: {_DIMENSIONS}, got {sizes}")


def _nonces() -> list[str]:
    return [f"nonce{number}" for number in range(4)]


def _lines(model: str) -> Iterator[dict[str, Any]]:
    def line(id: str, content: Any, **more: Any) -> dict[str, Any]:
        return _line(id, _CHAT, {"model": model, "messages": [{"role": "user", "content": content}], **more})

    for nonce in _nonces():
        yield line(nonce, f"Repeat this word and nothing else: {nonce}")
    code = "Which code belongs to agent James Bond? One of " + ", ".join(_CODES)
    strict = {"type": "json_schema", "json_schema": {"name": "answer", "schema": _SCHEMA, "strict": True}}
    yield line("schema", code, response_format=strict)
    yield line("tool", "Look up the code 007.", tools=[{"type": "function", "function": _TOOL}], tool_choice="required")
    yield line("picture", _picture(_PIXEL))
    yield line("broken picture", _picture(base64.b64encode(b"this is no picture").decode()))
    yield line("é\n😀", "Say yes.", max_tokens=200)
    yield line("refused by us", "Say yes.", logit_bias={"1": 1})


def _picture(data: str) -> list[dict[str, Any]]:
    url = f"data:image/png;base64,{data}"
    return [{"type": "text", "text": "Which colour?"}, {"type": "image_url", "image_url": {"url": url}}]


def _line(id: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"custom_id": id, "method": "POST", "url": url, "body": body}


def _run(client: OpenAI, lines: list[dict[str, Any]], endpoint: Any, minutes: float) -> Batch:
    file = _upload(client, lines)
    batch = client.batches.create(input_file_id=file, endpoint=endpoint, completion_window="24h")
    print(f"{batch.id}  {len(lines)} lines of {endpoint}", flush=True)
    return _until(client, batch.id, lambda now: now.status in _OVER, minutes)


def _until(client: OpenAI, id: str, true: Callable[[Batch], bool], minutes: float) -> Batch:
    until = time.monotonic() + 60 * minutes
    while not true(batch := client.batches.retrieve(id)):
        if time.monotonic() > until:
            raise TimeoutError(f"{id} is still {batch.status} after {minutes:g} minutes")
        time.sleep(1.0)
    return batch


def _upload(client: OpenAI, lines: list[dict[str, Any]]) -> str:
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return client.files.create(file=("smoke.jsonl", content), purpose="batch").id


def _rows(client: OpenAI, file: str | None) -> list[dict[str, Any]]:
    return [] if file is None else [json.loads(row) for row in client.files.content(file).text.splitlines()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/dev smoke", description=__doc__)
    parser.add_argument("url", help="of the API, with or without /v1")
    parser.add_argument("key", help="the master key")
    parser.add_argument("--model", default="gemini-2.5-flash")
    parser.add_argument("--embeddings", default="gemini-embedding-001", help="empty: no embeddings are tried")
    parser.add_argument("--minutes", type=float, default=120.0, help="to wait for each batch")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
