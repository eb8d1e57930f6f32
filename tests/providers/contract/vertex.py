"""Vertex's stand-in as a place of the suite: each family of models, on the objects of the world, without waiting."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any, ClassVar, Final

import msgspec

from infra.local.standin.answers import vector
from infra.local.standin.faults import Faults
from infra.local.standin.server import StandIn, _number
from infra.local.standin.store import Jobs
from infra.local.standin.worker import Pace, Worker
from shared.storage.ports import Objects
from tests.providers.contract.place import GROUP, Json, Place, PlaceOfJobs, Rows, deployed
from tests.providers.contract.wire import Wire, wired
from tests.steps.world import World

__all__ = ["VERTEX"]

PROJECT = "canary-project"
_EVER: Final = 10**9  # turns of a fault


class TurnedWorker(Worker):
    """Runs jobs at once, or as far as it may; its results are what `rewrite` makes of them."""

    ran: int | None = None
    rewrite: Callable[[Rows], Rows] = staticmethod(lambda rows: rows)

    def __init__(self, jobs: Jobs, objects: Objects, faults: Faults) -> None:
        super().__init__(jobs, objects, faults, Pace(pending=0, running=0))
        self.held: set[str] = set()

    def _rows(self, name: str, *rest: Any) -> Iterator[bytes]:
        progress, rows = rest[-1], super()._rows(name, *rest)
        made: Rows = []
        while True:
            self._hold(name, progress, len(made))
            if (row := next(rows, None)) is None:
                break
            made.append(msgspec.json.decode(row))
        yield from (msgspec.json.encode(row) + b"\n" for row in self.rewrite(made))

    def _hold(self, name: str, progress: Any, made: int) -> None:
        if self.ran is None or made < self.ran:
            return
        try:
            progress.looked = 0.0
            while self.ran is not None and not self._look(name, progress):
                self.held.add(name)
                self._wait_until(time.monotonic() + 0.005)
                progress.looked = 0.0
        finally:
            self.held.discard(name)
            progress.looked = 0.0


class VertexPlace(PlaceOfJobs):
    """Chats of Gemini; the other families are told apart below."""

    model: ClassVar[str] = "gemini-2.5-flash"
    key: ClassVar[str] = "key"  # what a row is known by

    def __init__(self, wire: Wire, server: StandIn, number: int) -> None:
        super().__init__(wire)
        self.server = server
        place = {"project": PROJECT, "location": "us-central1", "api_base": f"http://127.0.0.1:{wire.port}"}
        self.deployment = deployed(number, provider="vertex_ai", model=self.model, **place)

    @property
    def worker(self) -> TurnedWorker:
        worker = self.server.worker
        assert isinstance(worker, TurnedWorker)
        return worker

    def failing(self, text: str) -> str:
        return f"{text} stand-in:fail"

    def made(self) -> int:
        found, _ = self.server.jobs.listed(self._parent(), lambda _: True, before=2**62, limit=1_000)
        return len(found)

    def asked(self) -> int:
        return sum(self.server.calls.values())

    def ids(self) -> set[str]:
        found, _ = self.server.jobs.listed(self._parent(), lambda _: True, before=2**62, limit=1_000)
        names = {job["name"].rpartition("/")[2] for job in found}
        return {PROJECT, self._parent().split("/")[1], "gs://", "prediction-model", *names}

    def _parent(self) -> str:
        return f"projects/{_number(PROJECT)}/locations/us-central1"

    def quiet(self) -> None:
        until = time.monotonic() + 60
        while set(self.server.jobs.unfinished()) - self.worker.held:
            assert time.monotonic() < until, "a job does not end"
            time.sleep(0.003)

    def hold(self, ran: int, of: int) -> None:
        del of
        self.worker.ran = ran

    def holds(self) -> bool:
        return bool(self.worker.held)

    def release(self) -> None:
        self.worker.ran = None

    def fail(self, message: str) -> None:
        self.server.faults.add({"on": "job", "do": "fail", "code": 3, "message": message, "next": _EVER})

    def lose(self) -> None:
        self.server.faults.add({"on": "create", "do": "lose"})

    def lock(self, status: int) -> None:
        self.server.faults.add({"on": "any", "do": "status", "status": status, "next": _EVER})

    def unlock(self) -> None:
        self.server.faults.clear()

    def crowds(self) -> dict[str, Callable[[], None]]:
        return {"429": self._refuse, "later": self._fail}

    def _refuse(self) -> None:
        self.server.faults.add({"on": "create", "do": "status", "status": 429, "next": _EVER})

    def _fail(self) -> None:
        said = {"code": 8, "message": f"Quota of projects/{PROJECT} is exhausted."}
        self.server.faults.add({"on": "job", "do": "fail", "next": _EVER, **said})

    def clear(self) -> None:
        self.server.faults.clear()

    def mangle(self, rewrite: Callable[[Rows], Rows]) -> None:
        self.worker.rewrite = rewrite

    def named(self, row: Json) -> int:
        return int(row[self.key].partition("#")[0].removeprefix("r-"))

    def renamed(self, row: Json) -> Json:
        return {**deepcopy(row), self.key: row[self.key].replace(f"{self.named(row):06d}", "000099")}

    def forget(self) -> None:
        for name in self.server.jobs.unfinished():
            self.server.jobs.remove(name)


class ClaudePlace(VertexPlace):
    """Claude, whose rows come back without what was asked."""

    model = "claude-sonnet-4-5"
    key = "custom_id"


class OpenModelPlace(VertexPlace):
    """An open model, whose rows are OpenAI's."""

    model = "meta/llama-4-maverick-17b-128e-instruct-maas"
    key = "custom_id"

    def zero(self, row: Json) -> Json | None:
        return {**row, "response": {"status_code": 0, "request_id": None, "body": None}}


class EmbeddingsPlace(VertexPlace):
    """Gemini's embeddings."""

    model = "gemini-embedding-001"
    endpoint = "/v1/embeddings"
    size: ClassVar[int] = 3072

    def said(self, text: str) -> Json:
        return {"input": text}

    def mine(self, line: Json, body: Json) -> bool:
        wanted = vector(line["body"]["input"], self.size)
        found = body["data"][0]["embedding"]
        return len(found) == self.size and max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 1e-6


class TextEmbeddingsPlace(EmbeddingsPlace):
    """The older embeddings, whose rows have no key."""

    model = "text-embedding-005"
    size = 768

    def named(self, row: Json) -> int:
        return int(row["instance"]["content"].partition("-line-")[2].partition(" ")[0]) + 1

    def renamed(self, row: Json) -> Json:
        return {**deepcopy(row), "instance": {"content": f"nobody of {GROUP} asked this"}}


@contextmanager
def _vertex(kind: type[VertexPlace], world: World, number: int) -> Iterator[Place]:
    faults, jobs = Faults(), Jobs(world.root / f"standin-{number}.db")
    worker = TurnedWorker(jobs, world.objects, faults)
    server = StandIn(("127.0.0.1", 0), jobs, worker, faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with wired(server.server_address[1]) as wire:
            yield kind(wire, server, number)
    finally:
        worker.ran = None
        server.stopping.set()
        server.shutdown()
        thread.join()
        worker.stop()
        server.server_close()
        jobs.close()


VERTEX: Final = {
    "vertex gemini": partial(_vertex, VertexPlace),
    "vertex claude": partial(_vertex, ClaudePlace),
    "vertex open": partial(_vertex, OpenModelPlace),
    "vertex embeddings": partial(_vertex, EmbeddingsPlace),
    "vertex text-embeddings": partial(_vertex, TextEmbeddingsPlace),
}
