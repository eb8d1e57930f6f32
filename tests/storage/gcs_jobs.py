"""What other processes do with Cloud Storage while a test looks on: `python -m tests.storage.gcs_jobs JOB`.

They find the server as any Google client does, and say in a line of JSON what came of it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from shared.domain.errors import ConfigError, Transient
from shared.storage.gcs.objects import GcsObjects
from shared.storage.ports import ABSENT
from tests.storage.workers import MEGABYTE, content, forget_most_memory, most_memory


def say(fact: Any) -> None:
    print(json.dumps(fact), flush=True)  # noqa: T201


def stream() -> None:
    """Write, read and join 200 MB, and say how many MB of memory each took."""
    objects = GcsObjects()
    line = b"x" * 3_999 + b"\n"

    def lines() -> Iterator[bytes]:
        for _ in range(50_000):
            yield line

    def write() -> None:
        assert objects.write("gs://data/a", lines()).size == 200_000_000

    def read() -> None:
        with objects.open("gs://data/a") as stream:
            assert sum(1 for _ in stream) == 50_000

    def join() -> None:
        assert objects.compose("gs://data/b", ["gs://data/a"] * 40).size == 8_000_000_000

    objects.write("gs://data/warm", [line])
    with objects.open("gs://data/warm") as warm:
        warm.read()
    grown = {}
    for act in (write, read, join):
        forget_most_memory()
        before = most_memory()
        act()
        grown[act.__name__] = (most_memory() - before) / MEGABYTE
    say(grown)


def fork() -> None:
    """Ask before a fork, and then on both sides of it at once, each from several threads."""
    objects = GcsObjects()
    for number in range(4):
        objects.write(f"gs://data/{number}", [content(number)])
    before = objects._calls.connection()

    def read(number: int) -> bool:
        with objects.open(f"gs://data/{number % 4}") as stream:
            return stream.read() == content(number % 4)

    def both() -> bool:
        with ThreadPoolExecutor(4) as pool:
            return all(pool.map(read, range(100)))

    objects._calls._lock.acquire()  # as another thread may hold it at that moment
    child = os.fork()
    if child == 0:
        os._exit(0 if both() and objects._calls.connection() is not before else 1)
    objects._calls._lock.release()
    well = both() and objects._calls.connection() is before
    say({"parent": well, "child": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])})


class Here(HTTPAdapter):
    """Takes what is sent to one host of Google's to a server of ours."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        request.url = f"http://{self._address}{request.path_url}"
        return super().send(request, *arguments, **options)


def sign() -> None:
    """Sign a URL on what looks like Cloud Run; IAM is where the metadata server is."""
    objects = GcsObjects(patience=10)
    try:
        iam = Here(os.environ["GCE_METADATA_HOST"])
        objects._calls.connection().session.mount("https://iamcredentials.googleapis.com", iam)
        say({"url": objects.sign("gs://data/files/ü b", seconds=60, filename="é")})
    except (ConfigError, Transient) as error:
        say({"error": type(error).__name__})


def everything() -> None:
    """Each method of the port, once."""
    objects = GcsObjects(patience=10)
    try:
        objects.write("gs://data/a", [content(1)])
        objects.write("gs://data/b", [content(1)] * 10, if_generation=ABSENT)
        objects.compose("gs://data/c", ["gs://data/a", "gs://data/b"])
        with objects.open("gs://data/c") as stream:
            stream.read()
        objects.stat("gs://data/c")
        objects.delete("gs://data/c")
        listed = len(list(objects.list("gs://data/")))
        say({"listed": listed, "signed": objects.sign("gs://data/a", seconds=60, filename="a")})
    except (ConfigError, Transient) as error:
        say({"error": type(error).__name__})


JOBS: dict[str, Callable[[], None]] = {job.__name__: job for job in (stream, fork, sign, everything)}

if __name__ == "__main__":
    JOBS[sys.argv[1]]()
