"""What other processes do to the same storage while a test looks on: `python -m tests.storage.workers JOB ARGUMENT…`.

A worker says in lines of JSON what has been acknowledged to it, so that a test can hold the storage to that.
"""

import hashlib
import json
import resource
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from shared.domain.errors import StorageFull
from shared.domain.messages import Message
from shared.storage.directory import DirectoryObjects
from shared.storage.ports import ABSENT, ObjectExists, Transaction
from shared.storage.queue import STEPS, Queue, SqliteBus
from shared.storage.sqlite import SqliteDocuments
from tests.storage.records import Note, batch

MEGABYTE = 2**20


def say(fact: Any) -> None:
    print(json.dumps(fact), flush=True)  # noqa: T201


def ready() -> None:
    """Wait until the others are ready too."""
    say("ready")
    sys.stdin.readline()


def content(number: int) -> bytes:
    """What object `number` holds: any part of it missing or of another one would show."""
    return hashlib.sha256(b"%d" % number).digest() * 65_536  # 2 MiB


def most_memory() -> int:
    """What the process had at most since `forget_most_memory`, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_most_memory() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets the peak to what there is now


# ---- documents


def increment(url: str, times: str) -> None:
    """Count up one record that all others count up too."""
    documents = SqliteDocuments(url, wait=60)

    def body(tx: Transaction) -> None:
        seen = tx.get(Note, "counter")
        tx.put(Note(id="counter", number=1 if seen is None else seen.number + 1))

    ready()
    for _ in range(int(times)):
        documents.transact(body)


def write_pairs(url: str, first: str) -> None:
    """Write two records and a pointer in each transaction, for ever."""
    documents = SqliteDocuments(url)
    for number in count(int(first)):

        def body(tx: Transaction, number: int = number) -> None:
            tx.add(Note(id=f"left-{number}", number=number))
            tx.add(Note(id=f"right-{number}", number=number))
            tx.put(Note(id="last", number=number))

        documents.transact(body)
        say(number)


def fill_documents(url: str, limit: str) -> None:
    """Write records until nothing fits any more; then, with room again, one more."""
    documents = SqliteDocuments(url)

    def act(number: int) -> None:
        documents.transact(lambda tx: tx.add(batch(id=f"{number:04d}", metadata={"a": "x" * 10_000})))

    fill(int(limit), act)


# ---- objects


def race(root: str, who: str) -> None:
    """Write each of 50 names, if nobody did so before."""
    objects = DirectoryObjects(Path(root))
    ready()
    for number in range(50):
        try:
            objects.write(f"gs://data/a/{number}/b", [who.encode()] * 100, if_generation=ABSENT)
        except ObjectExists:
            continue
        say(number)


def come_and_go(root: str, who: str) -> None:
    """Write and delete in folders that the others empty."""
    objects = DirectoryObjects(Path(root))
    ready()
    for number in range(300):
        name = f"gs://data/a/b/c/{who}-{number % 2}"
        objects.write(name, [b"x"])
        objects.delete(name)


def write_objects(root: str, first: str) -> None:
    """Write objects of 2 MiB, for ever, with each eighth one over the one before."""
    objects = DirectoryObjects(Path(root))
    for number in count(int(first)):
        whole = content(number)
        parts = (whole[at : at + 100_000] for at in range(0, len(whole), 100_000))
        objects.write(f"gs://data/a/{number // 8}/{number % 8 // 2}", parts)
        say(number)


def write_half(root: str) -> None:
    """Begin to write an object, and never go on."""

    def half() -> Iterator[bytes]:
        yield content(0)
        say("half")
        sys.stdin.readline()

    DirectoryObjects(Path(root)).write("gs://data/half", half())


def fill_objects(root: str, limit: str) -> None:
    """The same as `fill_documents`, with one growing object."""
    objects = DirectoryObjects(Path(root))
    fill(int(limit), lambda number: objects.write("gs://data/a", [b"x" * 100_000] * number))


def stream(root: str) -> None:
    """Write, read and join 200 MB, and say how many MB of memory that took."""
    objects = DirectoryObjects(Path(root))
    line = b"x" * 3_999 + b"\n"

    def lines() -> Iterator[bytes]:
        for _ in range(50_000):
            yield line

    objects.write("gs://data/warm", [line])
    forget_most_memory()  # `ru_maxrss` would begin with that of whoever started this process
    before = most_memory()
    objects.write("gs://data/a", lines())
    with objects.open("gs://data/a") as stream:
        assert sum(1 for _ in stream) == 50_000
    joined = objects.compose("gs://data/b", ["gs://data/a", "gs://data/warm"])
    assert joined.size == 50_001 * 4_000
    say((most_memory() - before) / MEGABYTE)


# ---- bus and queue


def publish(url: str, first: str) -> None:
    """Publish pairs of messages, for ever."""
    bus = SqliteBus(url)
    for number in count(int(first)):
        bus.publish(Message(step="check", shard=f"{side}-{number}") for side in ("left", "right"))
        say(number)


def consume(url: str) -> None:
    """Claim and acknowledge until there is nothing left."""
    queue = Queue(url, wait=60)
    ready()
    while claimed := queue.claim(0, 600_000, 3):
        for delivery in claimed:
            assert queue.ack(delivery.id, delivery.token)
            say(delivery.data["number"])


def claim_for_ever(url: str) -> None:
    """Claim each message that there is and never acknowledge one: a worker that is killed by what it reads."""
    queue = Queue(url)
    ready()
    say([delivery.data for delivery in queue.claim(0, 60_000, 100)])
    sys.stdin.readline()


def fill_queue(url: str, limit: str) -> None:
    """The same as `fill_documents`, with messages."""
    queue = Queue(url)
    fill(int(limit), lambda number: queue.put(STEPS, {"number": number, "text": "x" * 10_000}))


def fill(limit: int, act: Callable[[int], object]) -> None:
    """Act until storage is full, by a limit on the size of files or, at 0, by the size of the disk."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    for number in count(1):
        try:
            act(number)
        except StorageFull:
            say("full")
            break
        say(number)
    try:
        act(10_000)
    except StorageFull:
        say("still full")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        act(0)
        say("room again")


JOBS: dict[str, Callable[..., None]] = {
    job.__name__: job
    for job in (
        increment, write_pairs, fill_documents, race, come_and_go, write_objects, write_half, fill_objects, stream,
        publish, consume, claim_for_ever, fill_queue,
    )
}  # fmt: skip

if __name__ == "__main__":
    JOBS[sys.argv[1]](*sys.argv[2:])
