"""A server of parrots: jobs over HTTP, as few and as simple as can be."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from infra.local.standins.process import in_thread

__all__ = ["Parrots", "parrots"]


class Parrots(ThreadingHTTPServer):
    """Its public fields are what a test may turn."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.made: list[str] = []
        self.key = "canary-feather"
        self.holds: int | None = None  # rows after which a job goes no further
        self.lose = 0  # so many jobs are made, and nobody is told
        self.status = 0  # that every request is answered with
        self.ill = False
        self.asked = 0
        self.rewrite: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda rows: rows[::-1]
        self.tired = False

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def turn(self, job: dict[str, Any]) -> None:
        """Let a job go on as far as it may."""
        if job["state"] == "talking":
            rows = [json.loads(row) for row in job["rows"].splitlines()]
            spoken = rows if self.holds is None else rows[: self.holds]
            job["said"] = [] if self.ill else self.rewrite([_spoken(row) for row in spoken])
            job["state"] = "ill" if self.ill else "talking" if len(spoken) < len(rows) else "done"


def _spoken(row: dict[str, Any]) -> dict[str, Any]:
    if "fail" in row["say"]:
        return {"number": row["number"], "refused": True}
    said = f"Awk! {row['say']}"
    return {"number": row["number"], "said": said, "heard": len(row["say"].split()), "spoken": len(said.split())}


class _Handler(BaseHTTPRequestHandler):
    server: Parrots

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:  # noqa: PLR0911  # an answer for each route
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked += 1
        status = self.server.status or (401 if self.headers["key"] != self.server.key else 0)
        if status:
            return self._reply(status, b"{}")
        url = urlsplit(self.path)
        match self.command, url.path.split("/")[2:]:
            case "POST", []:
                return self._create(parse_qs(url.query)["name"][0], content)
            case "GET", []:
                named = parse_qs(url.query)["name"]
                jobs = [self._shown(job) for job in self.server.jobs.values() if job["name"] in named]
                return self._reply(200, json.dumps(jobs).encode())
            case _, [id, *_] if id not in self.server.jobs:
                return self._reply(404, b"{}")
            case "GET", [id]:
                self.server.turn(self.server.jobs[id])
                return self._reply(200, json.dumps(self._shown(self.server.jobs[id])).encode())
            case "GET", [id, "rows"]:
                said = self.server.jobs[id]["said"]
                return self._reply(200, b"".join(json.dumps(row).encode() + b"\n" for row in said))
            case "POST", [id, "stop"]:
                self.server.turn(self.server.jobs[id])
                if self.server.jobs[id]["state"] == "talking":
                    self.server.jobs[id]["state"] = "stopped"
                return self._reply(200, b"{}")
            case _, [id, *_]:
                del self.server.jobs[id]
                return self._reply(200, b"{}")
            case _:
                return self._reply(405, b"{}")

    def _create(self, name: str, rows: bytes) -> None:
        if self.server.tired:
            return self._reply(429, b"{}")
        id = f"canary-perch-{len(self.server.made)}"
        self.server.made.append(name)
        self.server.jobs[id] = {"id": id, "name": name, "state": "talking", "rows": rows, "said": []}
        if self.server.lose:
            self.server.lose -= 1
            self.close_connection = True
            return None
        return self._reply(201, json.dumps(self._shown(self.server.jobs[id])).encode())

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        return {"id": job["id"], "state": job["state"], "spoken": len(job["said"])}

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def parrots() -> Iterator[Parrots]:
    with in_thread(Parrots()) as server:
        yield server
