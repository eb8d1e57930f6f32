"""OpenAI's Files and Batches on a port of this machine: asynchronous, out of order, and going wrong as it is told to.

Built from OpenAI's documentation and from what its users report, not from Offpeak's client.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

__all__ = ["KEY", "OpenAIStandIn", "running"]

KEY: Final = "sk-stand-in-key"
OVER: Final = {"completed", "failed", "expired", "cancelled"}
SNAPSHOT: Final = "gpt-4o-mini-2024-07-18"

Json = dict[str, Any]
Rows = list[Json]


def said_in(body: Json) -> str:
    return str(body["messages"][-1]["content"]) if "messages" in body else str(body.get("input") or body.get("prompt"))


def answer_to(line: Json, number: int) -> Json:
    """The row of a line, whichever file it belongs to; 7 prompt tokens and 3 of output."""
    said, body = said_in(line["body"]), line["body"]
    done: Json = {"id": f"batch_req_{number:012d}", "custom_id": line["custom_id"]}
    if "fail" in said:
        problem = {"message": "no such luck in org-AbCdEfGhIjKl", "type": "invalid_request_error", "param": "messages"}
        response = {"status_code": 400, "request_id": f"req_{number}", "body": {"error": {**problem, "code": None}}}
        return {**done, "response": response, "error": None}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    answer: Json = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1_795_000_000}
    message = {"role": "assistant", "content": f"echo {said}"}
    answer |= {"model": SNAPSHOT, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    if line["url"] == "/v1/embeddings":
        vector = {"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}
        answer = {"object": "list", "data": [vector], "model": body["model"]}
        usage = {"prompt_tokens": 4, "total_tokens": 4}
    response = {"status_code": 200, "request_id": f"req_{number}", "body": {**answer, "usage": usage}}
    return {**done, "response": response, "error": None}


class OpenAIStandIn(ThreadingHTTPServer):
    """`journal` is what really happened, lost answers included; the public fields are what a test may turn."""

    daemon_threads = True

    def __init__(self, now: Callable[[], int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.now = now
        self.key = KEY
        self.takes = 3_000  # milliseconds
        self.ends_as = "completed"
        self.errors: list[Json] = []  # of a batch that fails
        self.ran = 1.0  # the share of the lines that ran before an early end
        self.page = 2  # small, so that whoever forgets the second page is found out
        self.lose: dict[str, int] = {}  # by call, such as "create": so many have their effect, and no answer
        self.refuse: dict[str, list[tuple[int, Any]]] = {}  # by call: statuses and bodies of the next
        self.cut = 0  # so many bytes are missing at the end of the next content
        self.rewrite: Callable[[Rows], Rows] = lambda rows: rows[::-1]
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.batches: dict[str, Json] = {}
        self.journal: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []  # path and headers of each request
        self.lock = threading.RLock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle are part of the tests."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def made(self) -> list[str]:
        """Labels of all batches that were ever created."""
        return [entry.removeprefix("create ") for entry in self.journal if entry.startswith("create ")]

    def add_file(self, fields: Json, content: bytes) -> Json:
        id = f"file-{len(self.files):024d}"
        file = {"id": id, "object": "file", "bytes": len(content), "created_at": self.now() // 1000, **fields}
        self.files[id] = ({**file, "status": "processed"}, content)
        return self.files[id][0]

    def turn(self) -> None:
        """Let time pass over all batches."""
        for batch in self.batches.values():
            age = self.now() - batch["_made"]
            if batch["status"] == "cancelling":
                self.end(batch, "cancelled")
            elif batch["status"] not in OVER and age >= self.takes:
                self.end(batch, self.ends_as)
            elif batch["status"] == "validating":
                batch["status"] = "in_progress"

    def end(self, batch: Json, status: str) -> None:
        batch["status"] = status
        if status == "failed":
            batch["errors"] = {"object": "list", "data": self.errors}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]][1].splitlines()]
        ran = lines if status == "completed" else lines[: int(len(lines) * self.ran)]
        rows = [answer_to(line, number) for number, line in enumerate(ran)]
        why = {"code": "batch_expired", "message": "This request could not be executed before the window expired."}
        if status == "expired":
            rows += [
                {"id": "x", "custom_id": line["custom_id"], "response": None, "error": why}
                for line in lines[len(ran) :]
            ]
        rows = self.rewrite(rows)
        good = [row for row in rows if row["response"] is not None and row["response"]["status_code"] == 200]
        bad = [row for row in rows if row not in good]
        for name, some in (("output_file_id", good), ("error_file_id", bad)):
            content = b"".join(json.dumps(row).encode() + b"\n" for row in some)
            batch[name] = self.add_file({"purpose": "batch_output"}, content)["id"] if some else None
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}


class _Refusal(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class _LostAnswer(Exception):
    pass


class _Handler(BaseHTTPRequestHandler):
    server: OpenAIStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.lock:
            self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            try:
                self._reply(200, self._answer(content))
            except _Refusal as error:
                self._reply(error.status, error.body)
            except _LostAnswer:
                self.close_connection = True

    def _reply(self, status: int, body: Any) -> None:
        cut, raw = 0, body if isinstance(body, bytes) else json.dumps(body).encode()
        if isinstance(body, bytes):
            cut, self.server.cut = self.server.cut, 0
        self.send_response(status)
        if status in {301, 302, 307}:
            self.send_header("location", "https://elsewhere.example/v1/files")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[: len(raw) - cut])
        self.close_connection = self.close_connection or cut > 0

    def _answer(self, content: bytes) -> Any:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = url.path.removeprefix("/v1/").split("/")
        call, effect = self._call(path, query, content)
        if self.headers.get("authorization") != f"Bearer {self.server.key}":
            raise _Refusal(401, _problem(f"Incorrect API key provided: {self.server.key[:8]}****.", "invalid_api_key"))
        if self.server.refuse.get(call):
            raise _Refusal(*self.server.refuse[call].pop(0))
        self.server.turn()
        answer = effect()
        if self.server.lose.get(call):
            self.server.lose[call] -= 1
            raise _LostAnswer
        return answer

    def _call(self, path: list[str], query: dict[str, str], content: bytes) -> tuple[str, Callable[[], Any]]:
        match self.command, path:
            case "POST", ["files"]:
                return "upload", lambda: self._upload(content)
            case "GET", ["files", id, "content"]:
                return "content", lambda: self._found(self.server.files, id)[1]
            case "POST", ["batches"]:
                return "create", lambda: self._create(json.loads(content))
            case "GET", ["batches"]:
                return "list", lambda: self._list(query)
            case "GET", ["batches", id]:
                return "get", lambda: _shown(self._found(self.server.batches, id))
            case "POST", ["batches", id, "cancel"]:
                return "cancel", lambda: self._cancel(self._found(self.server.batches, id))
            case _:
                raise _Refusal(404, {"detail": "Not Found"})

    def _found(self, kept: dict[str, Any], id: str) -> Any:
        if id not in kept:
            raise _Refusal(404, _problem(f"No such object: {id}", None))
        return kept[id]

    def _upload(self, content: bytes) -> Json:
        boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", self.headers["content-type"])
        assert boundary is not None
        fields: Json = {}
        lines = b""
        for part in content.split(b"--" + boundary[1].encode())[1:-1]:
            head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb' name="([^"]+)"', head)
            assert name is not None
            value = value.removesuffix(b"\r\n")
            if name[1] == b"file":
                filename = re.search(rb'filename="([^"]+)"', head)
                fields["filename"], lines = (filename or [b"", b""])[1].decode(), value
            else:
                fields[name[1].decode()] = value.decode()
        if fields.get("purpose") != "batch" or not fields["filename"].endswith(".jsonl"):
            raise _Refusal(400, _problem("Invalid file format for Batch API. Must be .jsonl", None))
        self.server.journal.append(f"upload {fields['filename']}")
        return self.server.add_file(fields, lines)

    def _create(self, body: Json) -> Json:
        if body["input_file_id"] not in self.server.files or body["completion_window"] != "24h":
            raise _Refusal(400, _problem("Invalid.", None))
        id = f"batch_{len(self.server.batches):032x}"
        batch: Json = {"id": id, "object": "batch", "status": "validating", "created_at": self.server.now() // 1000}
        batch |= {**body, "errors": None, "output_file_id": None, "error_file_id": None, "_made": self.server.now()}
        batch["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
        self.server.batches[id] = batch
        self.server.journal.append(f"create {(body.get('metadata') or {}).get('offpeak_job')}")
        return _shown(batch)

    def _list(self, query: dict[str, str]) -> Json:
        ids = list(self.server.batches)[::-1]
        if "after" in query:
            ids = ids[ids.index(query["after"]) + 1 :]
        size = min(self.server.page, int(query.get("limit", "20")))
        data = [_shown(self.server.batches[id]) for id in ids[:size]]
        return {"object": "list", "data": data, "has_more": len(ids) > size}

    def _cancel(self, batch: Json) -> Json:
        self.server.journal.append(f"cancel {batch['metadata']['offpeak_job']}")
        if batch["status"] in {"completed", "failed", "expired"}:
            raise _Refusal(409, _problem("Cannot cancel a batch with this status.", None))
        if batch["status"] != "cancelled":
            batch["status"] = "cancelling"
        return _shown(batch)


def _shown(batch: Json) -> Json:
    return {name: value for name, value in batch.items() if not name.startswith("_")}


def _problem(message: str, code: str | None) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@contextmanager
def running(now: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> Iterator[OpenAIStandIn]:
    with OpenAIStandIn(now) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
