"""OpenAI's Files and Batches on a port of this machine: asynchronous, out of order, and going wrong as it is told to.

`python -m infra.local.standins.openai --port 0 --seconds 3` prints `ready http://127.0.0.1:PORT/v1` when it serves, and
SIGTERM stops it. Built from OpenAI's documentation and from what its users report, not from Offpeak's client. Its
answers say that they are a stand-in's.
"""

import argparse
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from http.server import ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from infra.local.standins.entry import Entry, last_of_each
from infra.local.standins.process import in_thread, serve

__all__ = ["KEY", "Handler", "Json", "OpenAIStandIn", "Refusal", "milliseconds", "options", "problem", "running"]

KEY: Final = "sk-stand-in-key"
OVER: Final = {"completed", "failed", "expired", "cancelled"}
SNAPSHOT: Final = "gpt-4o-mini-2024-07-18"
SAYS: Final = "offpeak-stand-in"

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
    if line["url"] == "/v1/responses":
        answer, usage = response_to(said, number), {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    answer |= {"usage": usage}
    if line["url"] == "/v1/moderations":
        scores = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.01}}
        answer = {"id": f"modr-{number}", "model": body["model"], "results": [scores]}
    answer |= {"system_fingerprint": SAYS}
    response = {"status_code": 200, "request_id": f"req_{number}", "body": answer}
    return {**done, "response": response, "error": None}


def response_to(said: str, number: int) -> Json:
    part = {"type": "output_text", "text": f"echo {said}", "annotations": []}
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    answer = {"id": f"resp_{number}", "object": "response", "created_at": 1_795_000_000, "status": "completed"}
    return {**answer, "model": SNAPSHOT, "output": [message]}


class OpenAIStandIn(ThreadingHTTPServer):
    """`journal` is what really happened, lost answers included; the public fields are what a test may turn."""

    daemon_threads = True
    root: ClassVar[str] = "/v1"

    def __init__(
        self, now: Callable[[], int], port: int = 0, handler: "type[Handler] | None" = None, *, takes: int = 3_000
    ) -> None:
        super().__init__(("127.0.0.1", port), handler or Handler)
        self.now = now
        self.key = KEY
        self.takes = takes  # milliseconds
        self.ends_as = "completed"
        self.errors: list[Json] = []  # of a batch that fails
        self.ran = 1.0  # the share of the lines that ran before an early end
        self.page = 2  # small, so that whoever forgets the second page is found out
        self.lose: dict[str, int] = {}  # by call, such as "create": so many have their effect, and no answer
        self.refuse: dict[str, list[tuple[int, Any]]] = {}  # by call: statuses and bodies of the next
        self.says: dict[str, str] = {}  # headers of each refusal
        self.locked = 0  # a status, 401 or 403, that every call is refused with
        self.cut = 0  # so many bytes are missing at the end of the next content
        self.rewrite: Callable[[Rows], Rows] = lambda rows: rows[::-1]
        self.files: dict[str, tuple[Json, bytes]] = {}
        self.gone: set[str] = set()  # files that were deleted: kept for whoever wants to know what was in them
        self.batches: dict[str, Json] = {}
        self.journal: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []  # path and headers of each request
        self.lock = threading.RLock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle are part of the tests."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.root}"

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
                total = self.files[batch["input_file_id"]][1].count(b"\n")
                ran = int(total * self.ran) if self.ran < 1 else 0
                batch["request_counts"] = {"total": total, "completed": ran, "failed": 0}

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


class Refusal(Exception):
    """An answer with an error."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class LostAnswer(Exception):
    """Close the connection instead of answering."""


class Handler(Entry):
    """One connection. A relative overrides what is different at its own."""

    server: OpenAIStandIn

    @property
    def created(self) -> int:
        """The status of an answer about something that was made."""
        return 200

    def serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        with self.server.lock:
            self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            try:
                self._reply(*self.answered(content))
            except Refusal as error:
                self._reply(error.status, error.body, self.server.says)
            except LostAnswer:
                self.close_connection = True

    def _reply(self, status: int, body: Any, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        cut, raw = 0, body if isinstance(body, bytes) else json.dumps(body).encode()
        if isinstance(body, bytes):
            cut, self.server.cut = self.server.cut, 0
        self.send_response(status)
        if status in {301, 302, 307}:
            self.send_header("location", "https://elsewhere.example/v1/files")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[: len(raw) - cut])
        self.close_connection = self.close_connection or cut > 0

    def answered(self, content: bytes) -> tuple[int, Any, Mapping[str, str]]:
        """What a request gets; or Refusal, or LostAnswer after its effect."""
        url = urlsplit(self.path)
        query = last_of_each(url.query)
        call, effect = self.call(self.route(url.path, query), query, content)
        self.authenticate()
        if self.server.locked:
            raise Refusal(self.server.locked, problem(f"{self.server.key} may not use {self.server.base}.", None))
        if self.server.refuse.get(call):
            raise Refusal(*self.server.refuse[call].pop(0))
        self.server.turn()
        answer = effect()
        if self.server.lose.get(call):
            self.server.lose[call] -= 1
            raise LostAnswer
        return self.created if call in {"upload", "create"} else 200, answer, self.headers_of(call)

    def route(self, path: str, query: dict[str, str]) -> list[str]:  # noqa: ARG002 - a relative reads it
        """The steps of a path below the root."""
        return path.removeprefix(f"{self.server.root}/").split("/")

    def authenticate(self) -> None:
        if self.headers.get("authorization") != f"Bearer {self.server.key}":
            raise Refusal(401, problem(f"Incorrect API key provided: {self.server.key[:8]}****.", "invalid_api_key"))

    def headers_of(self, call: str) -> Mapping[str, str]:  # noqa: ARG002 - a relative reads it
        return {}

    def call(self, path: list[str], query: dict[str, str], content: bytes) -> tuple[str, Callable[[], Any]]:
        """The name of what is asked for, and what does it."""
        match path:
            case ["files", *rest]:
                known = self._call_of_files(rest, content)
            case ["batches", *rest]:
                known = self._call_of_batches(rest, query, content)
            case _:
                known = None
        if known is None:
            raise Refusal(404, {"detail": "Not Found"})
        return known

    def _call_of_files(self, rest: list[str], content: bytes) -> tuple[str, Callable[[], Any]] | None:
        match self.command, rest:
            case "POST", []:
                return "upload", lambda: self.upload(content)
            case "GET", [id]:
                return "file", lambda: self.file(id)
            case "DELETE", [id]:
                return "delete", lambda: self._delete(id)
            case "GET", [id, "content"]:
                return "content", lambda: self._found(self.server.files, id)[1]
            case _:
                return None

    def _call_of_batches(
        self, rest: list[str], query: dict[str, str], content: bytes
    ) -> tuple[str, Callable[[], Any]] | None:
        match self.command, rest:
            case "POST", []:
                return "create", lambda: self.create(json.loads(content))
            case "GET", []:
                return "list", lambda: self._list(query)
            case "GET", [id]:
                return "get", lambda: self.shown(self._found(self.server.batches, id))
            case "POST", [id, "cancel"]:
                return "cancel", lambda: self.cancel(self._found(self.server.batches, id))
            case _:
                return None

    def file(self, id: str) -> Json:
        file: Json = self._found(self.server.files, id)[0]
        return file

    def _delete(self, id: str) -> Json:
        self._found(self.server.files, id)
        self.server.gone.add(id)
        return {"id": id, "object": "file", "deleted": True}

    def _found(self, kept: dict[str, Any], id: str) -> Any:
        if id not in kept or id in self.server.gone:
            raise Refusal(404, problem(f"No such object: {id}", None))
        return kept[id]

    def upload(self, content: bytes) -> Json:
        boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", self.headers["content-type"])
        if boundary is None:
            raise Refusal(400, problem("This is no form.", None))
        fields: Json = {}
        lines = b""
        for part in content.split(b"--" + boundary[1].encode())[1:-1]:
            head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb' name="([^"]+)"', head)
            if name is None:
                raise Refusal(400, problem("A field without a name.", None))
            value = value.removesuffix(b"\r\n")
            if name[1] == b"file":
                kind = re.search(rb"(?i)^content-type: *([^\r\n]*)", head, re.MULTILINE)
                fields["_type"] = kind[1].decode() if kind else ""
                filename = re.search(rb'filename="([^"]+)"', head)
                fields["filename"], lines = (filename or [b"", b""])[1].decode(), value
            else:
                fields[name[1].decode()] = value.decode()
        if fields.get("purpose") != "batch" or not fields["filename"].endswith(".jsonl"):
            raise Refusal(400, problem("Invalid file format for Batch API. Must be .jsonl", None))
        self.judge_upload(fields, lines)
        del fields["_type"]
        self.server.journal.append(f"upload {fields['filename']}")
        return self.server.add_file(fields, lines)

    def judge_upload(self, fields: Json, lines: bytes) -> None:
        """Refusal of what only a relative refuses."""

    def create(self, body: Json) -> Json:
        if body["input_file_id"] not in self.server.files or body["completion_window"] != "24h":
            raise Refusal(400, problem("Invalid.", None))
        id = f"batch_{len(self.server.batches):032x}"
        batch: Json = {"id": id, "object": "batch", "status": "validating", "created_at": self.server.now() // 1000}
        batch |= {**body, "errors": None, "output_file_id": None, "error_file_id": None, "_made": self.server.now()}
        batch["request_counts"] = {"total": 0, "completed": 0, "failed": 0}
        self.server.batches[id] = batch
        self.server.journal.append(f"create {(body.get('metadata') or {}).get('offpeak_job')}")
        return self.shown(batch)

    def _list(self, query: dict[str, str]) -> Json:
        ids = list(self.server.batches)[::-1]
        if "after" in query:
            ids = ids[ids.index(query["after"]) + 1 :]
        size = min(self.server.page, int(query.get("limit", "20")))
        data = [self.shown(self.server.batches[id]) for id in ids[:size]]
        return {"object": "list", "data": data, "has_more": len(ids) > size}

    def cancel(self, batch: Json) -> Json:
        self.server.journal.append(f"cancel {(batch.get('metadata') or {}).get('offpeak_job')}")
        if batch["status"] in {"completed", "failed", "expired"}:
            raise Refusal(409, problem("Cannot cancel a batch with this status.", None))
        if batch["status"] != "cancelled":
            batch["status"] = "cancelling"
        return self.shown(batch)

    def shown(self, batch: Json) -> Json:
        """A batch as clients see it."""
        return {name: value for name, value in batch.items() if not name.startswith("_")}


def problem(message: str, code: str | None) -> Json:
    """A body with OpenAI's error in it."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def milliseconds() -> int:
    """The time, since 1970."""
    return time.time_ns() // 1_000_000


def running(now: Callable[[], int] = milliseconds) -> AbstractContextManager[OpenAIStandIn]:
    """A stand-in on a free port, for as long as the context lasts."""
    return in_thread(OpenAIStandIn(now))


def options(description: str | None, key: str = KEY) -> argparse.Namespace:
    """What the command line says of a stand-in."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a batch takes")
    parser.add_argument("--key", default=key, help="what clients must show")
    return parser.parse_args()


def main() -> None:
    said = options(__doc__)
    server = OpenAIStandIn(milliseconds, said.port, takes=int(said.seconds * 1000))
    server.key = said.key
    serve(server, server.base)


if __name__ == "__main__":
    main()
