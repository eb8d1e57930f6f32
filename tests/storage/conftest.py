"""The adapters that each contract suite runs on: another adapter is one more entry in a table here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.storage.directory import DirectoryObjects
from shared.storage.ports import Bus, Documents, Objects
from shared.storage.queue import SqliteBus
from shared.storage.sqlite import SqliteDocuments

ROOT = Path(__file__).parents[2]


class Wire:
    """A bus, and what has come out of its other end so far."""

    def __init__(self, bus: Bus, taken: Callable[[], list[dict[str, Any]]]) -> None:
        self.bus = bus
        self.taken = taken


@contextmanager
def _sqlite_wire(url: str) -> Iterator[Wire]:
    with closing(SqliteBus(url)) as bus:
        yield Wire(bus, lambda: [delivery.data for delivery in bus.queue.claim(2**53, 1, 10_000)])


@contextmanager
def _directory(path: Path) -> Iterator[Objects]:
    yield DirectoryObjects(path / "objects")


DOCUMENTS: dict[str, Callable[[Path], AbstractContextManager[Documents]]] = {
    "sqlite file": lambda path: closing(SqliteDocuments(f"sqlite://{path}/documents.db")),
    "sqlite memory": lambda _: closing(SqliteDocuments("sqlite://")),
}
OBJECTS: dict[str, Callable[[Path], AbstractContextManager[Objects]]] = {"directory": _directory}
BUSES: dict[str, Callable[[Path], AbstractContextManager[Wire]]] = {
    "sqlite file": lambda path: _sqlite_wire(f"sqlite://{path}/bus.db"),
    "sqlite memory": lambda _: _sqlite_wire("sqlite://"),
}


@pytest.fixture(params=DOCUMENTS)
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Documents]:
    with DOCUMENTS[request.param](tmp_path) as adapter:
        yield adapter


@pytest.fixture(params=OBJECTS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    with OBJECTS[request.param](tmp_path) as adapter:
        yield adapter


@pytest.fixture(params=BUSES)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    with BUSES[request.param](tmp_path) as adapter:
        yield adapter


class Worker:
    """Another process that runs one of the functions in `workers.py`, and says what it did in lines of JSON."""

    def __init__(self, job: str, *arguments: object, within: tuple[str, ...] = ()) -> None:
        command = [*within, sys.executable, "-m", "tests.storage.workers", job, *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def say(self) -> Any:
        """The next thing that it says; None where it has ended."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def rest(self) -> list[Any]:
        """Everything that it still says, up to its end."""
        said = []
        while (line := self.say()) is not None:
            said.append(line)
        return said

    def go(self) -> None:
        """Let it begin: a worker that is ready says so and waits for this."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL: nothing in it gets to clean up."""
        self.process.kill()
        self.process.wait()

    def done(self) -> list[Any]:
        """What it says until it ends well."""
        said = self.rest()
        assert self.process.wait(60) == 0
        return said

    def close(self) -> None:
        self.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    workers: list[Worker] = []

    def starting(job: str, *arguments: object, within: tuple[str, ...] = ()) -> Worker:
        workers.append(Worker(job, *arguments, within=within))
        return workers[-1]

    yield starting
    for worker in workers:
        worker.close()


def small_disk(path: Path) -> tuple[str, ...]:
    """What runs a command with 2 MB of disk at `path`, that nobody else sees."""
    script = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
    within = ("unshare", "--mount", "sh", "-c", script, str(path))
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip("not allowed to mount a small disk; the same with a limit on file sizes runs everywhere")
    return within
