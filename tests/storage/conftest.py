"""The adapters that each contract suite runs on: another adapter is one more entry in a table here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.types import PubsubMessage

from shared.storage.directory import DirectoryObjects
from shared.storage.firestore.documents import FirestoreDocuments
from shared.storage.gcs.objects import GcsObjects
from shared.storage.ports import Bus, Documents, Objects
from shared.storage.pubsub import PubsubBus
from shared.storage.queue import SqliteBus
from shared.storage.sqlite import SqliteDocuments
from tests.google.cloud_storage import CloudStorage

ROOT = Path(__file__).parents[2]


class Wire:
    """A bus, and what has come out of its other end so far: data and attributes of each message."""

    def __init__(self, bus: Bus, arrived: Callable[[], list[tuple[dict[str, Any], Mapping[str, str]]]]) -> None:
        self.bus = bus
        self.arrived = arrived

    def taken(self) -> list[dict[str, Any]]:
        return [data for data, _ in self.arrived()]


@contextmanager
def _sqlite_wire(url: str) -> Iterator[Wire]:
    with closing(SqliteBus(url)) as bus:
        yield Wire(bus, lambda: [(each.data, each.attributes) for each in bus.queue.claim(2**53, 1, 10_000)])


@contextmanager
def _directory(path: Path) -> Iterator[Objects]:
    yield DirectoryObjects(path / "objects")


@contextmanager
def cloud_storage(*buckets: str, **options: Any) -> Iterator[CloudStorage]:
    """Google's client library talks to a server of ours while this lasts."""
    with CloudStorage(*buckets, **options) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@contextmanager
def _gcs(_: Path) -> Iterator[Objects]:
    with cloud_storage("data", "data2", "work"):
        yield GcsObjects()


@contextmanager
def _bare_gcs(_: Path) -> Iterator[Objects]:
    """Somebody else's imitation of Cloud Storage, with the least that an answer can say."""
    with cloud_storage("data", "data2", "work", bare=True):
        yield GcsObjects()


def folder(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue("tmp_path")
    return path


def new_project() -> str:
    """A project that no other test sees: the emulators keep what they are given, and have any project there is."""
    return f"test-{uuid4().hex[:12]}"


@contextmanager
def emulated(request: pytest.FixtureRequest, service: str) -> Iterator[str]:
    """Google's client libraries talk to the emulator while this lasts, and to nobody afterwards."""
    host: str = request.getfixturevalue(f"{service}_emulator")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"{service.upper()}_EMULATOR_HOST", host)
        yield host


@contextmanager
def _firestore(request: pytest.FixtureRequest) -> Iterator[FirestoreDocuments]:
    with emulated(request, "firestore"), closing(FirestoreDocuments(f"firestore://{new_project()}")) as documents:
        yield documents


class Subscription:
    """A topic of a test's own, and what has arrived there."""

    def __init__(self, project: str, topic: str = "steps") -> None:
        self._topic, self._name = f"projects/{project}/topics/{topic}", f"projects/{project}/subscriptions/{topic}"
        self._publisher, self._subscriber = PublisherClient(), SubscriberClient()
        self._publisher.create_topic(name=self._topic)
        self._subscriber.create_subscription(name=self._name, topic=self._topic)

    def messages(self) -> list[Any]:
        """All messages that have not been taken yet: the emulator keeps their order, so a last one tells the end."""
        self._publisher.publish(topic=self._topic, messages=[PubsubMessage(data=b"the end")])
        taken: list[Any] = []
        while not taken or taken[-1].data != b"the end":
            received = self._subscriber.pull(subscription=self._name, max_messages=1_000, timeout=30).received_messages
            taken += [each.message for each in received]
            if received:
                self._subscriber.acknowledge(subscription=self._name, ack_ids=[each.ack_id for each in received])
        return taken[:-1]

    def close(self) -> None:
        self._publisher.transport.close()  # type: ignore[no-untyped-call]
        self._subscriber.transport.close()  # type: ignore[no-untyped-call]


@contextmanager
def _pubsub_wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    project = new_project()
    with (
        emulated(request, "pubsub"),
        closing(Subscription(project)) as subscription,
        closing(PubsubBus(f"pubsub://{project}/steps")) as bus,
    ):
        yield Wire(bus, lambda: [(json.loads(each.data), dict(each.attributes)) for each in subscription.messages()])


DOCUMENTS: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Documents]]] = {
    "sqlite file": lambda request: closing(SqliteDocuments(f"sqlite://{folder(request)}/documents.db")),
    "sqlite memory": lambda _: closing(SqliteDocuments("sqlite://")),
    "firestore": _firestore,
}
OBJECTS: dict[str, Callable[[Path], AbstractContextManager[Objects]]] = {
    "directory": _directory,
    "gcs": _gcs,
    "gcs, bare": _bare_gcs,
}
BUSES: dict[str, Callable[[pytest.FixtureRequest], AbstractContextManager[Wire]]] = {
    "sqlite file": lambda request: _sqlite_wire(f"sqlite://{folder(request)}/bus.db"),
    "sqlite memory": lambda _: _sqlite_wire("sqlite://"),
    "pubsub": _pubsub_wire,
}


@pytest.fixture(params=DOCUMENTS)
def documents(request: pytest.FixtureRequest) -> Iterator[Documents]:
    with DOCUMENTS[request.param](request) as adapter:
        yield adapter


@pytest.fixture(params=OBJECTS)
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    with OBJECTS[request.param](tmp_path) as adapter:
        yield adapter


@pytest.fixture(params=BUSES)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with BUSES[request.param](request) as adapter:
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
