"""What is particular to Cloud Storage: lost replies, a service that is down, broken downloads, trees, signatures."""

import base64
import gzip
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from werkzeug.http import parse_options_header

from shared.domain.errors import ConfigError, Transient
from shared.domain.lease import LEASE
from shared.storage.gcs import calls
from shared.storage.gcs import objects as gcs
from shared.storage.gcs.calls import Turn
from shared.storage.gcs.objects import GcsObjects
from shared.storage.gcs.write import PIECE
from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing
from tests.google.accounts import ServiceAccount
from tests.google.cloud_storage import CloudStorage
from tests.google.cloud_storage.content import Content
from tests.google.cloud_storage.faults import Rule
from tests.google.cloud_storage.signed import check_signature
from tests.google.cloud_storage.store import Conditions, Object
from tests.google.processes import ROOT, Process
from tests.storage.conftest import cloud_storage

NAME: Final = "gs://data/files/file-a"
SMALL: Final = b"small"
LARGE: Final = random.Random(1).randbytes(2 * PIECE + 1_000_000)
QUANTUM: Final = 256 * 1024
Act = Callable[[GcsObjects], object]


@pytest.fixture
def server() -> Iterator[CloudStorage]:
    with cloud_storage("data", "work") as server:
        yield server


@pytest.fixture
def objects(server: CloudStorage) -> GcsObjects:
    return GcsObjects(patience=60)


class Pauses:
    """A clock for calls on which a pause is over at once, and nothing else takes time."""

    def __init__(self) -> None:
        self.together = 0.0

    def monotonic(self) -> float:
        return self.together

    def sleep(self, seconds: float) -> None:
        self.together += seconds


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    pauses = Pauses()
    monkeypatch.setattr(calls, "time", pauses)
    monkeypatch.setattr(calls, "Turn", lambda patience: Turn(patience, _began=pauses.monotonic()))
    return pauses


def read(objects: GcsObjects, name: str = NAME, *, offset: int = 0) -> bytes:
    with objects.open(name, offset=offset) as stream:
        return stream.read()


def names(objects: GcsObjects, prefix: str = "gs://data/") -> list[str]:
    return [found.name for found in objects.list(prefix)]


def chunks(content: bytes, size: int = 700_001) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def stored(server: CloudStorage, bucket: str = "data") -> list[str]:
    """Everything that there is, with the names that no user of the port can say."""
    return [found.name for found in server.service.store.list(bucket, "", after=None, limit=10**6)[0]]


def put(server: CloudStorage, name: str, content: bytes, **said: Any) -> Object:
    """What another program wrote."""
    return server.service.store.put("data", name, said, Content([content]), Conditions())


# ---- lost replies


@pytest.mark.parametrize("condition", ["any", "absent", "generation"])
@pytest.mark.parametrize(
    ("content", "call"),
    [(SMALL, "insert"), (LARGE, "start"), (LARGE, "chunk"), (LARGE, "finish")],
    ids=["small", "start", "piece", "last piece"],
)
def test_a_write_whose_reply_is_lost_has_been_done_once(
    server: CloudStorage, objects: GcsObjects, content: bytes, call: str, condition: str
) -> None:
    before = objects.write(NAME, [b"before"]).generation if condition == "generation" else ABSENT
    server.faults.add({"on": call, "do": "lose", "next": 2})

    written = objects.write(NAME, chunks(content), if_generation=None if condition == "any" else before)

    assert server.faults.report()["injected"] == {f"{call}:lose": 2}
    assert objects.stat(NAME) == written
    assert read(objects) == content
    assert names(objects) == [NAME]


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_lost_reply_makes_no_second_generation(server: CloudStorage, objects: GcsObjects, content: bytes) -> None:
    appeared = watched(server)
    server.faults.add({"on": "insert", "do": "lose"})
    server.faults.add({"on": "finish", "do": "lose"})

    objects.write(NAME, chunks(content), if_generation=ABSENT)

    assert appeared == ["files/file-a"]


@pytest.mark.parametrize(("content", "call"), [(SMALL, "insert"), (LARGE, "finish")], ids=["small", "large"])
@pytest.mark.parametrize("theirs", [b"theirs", None], ids=["other content", "the same content"])
def test_an_object_of_somebody_else_is_not_taken_for_ours(
    server: CloudStorage, objects: GcsObjects, content: bytes, call: str, theirs: bytes | None
) -> None:
    """They were faster while the service was busy. Even the same bytes are theirs if they come with another token."""
    server.faults.add({"on": call, "do": "status", "status": 503, "next": 4})
    other = {"metadata": {"offpeak-write": "another one's"}}
    after_fault(server, f"{call}:status", lambda: put(server, "files/file-a", theirs or content, **other))

    with pytest.raises(ObjectExists):
        objects.write(NAME, chunks(content), if_generation=ABSENT)

    assert read(objects) == (theirs or content)


@pytest.mark.parametrize(("content", "call"), [(SMALL, "insert"), (LARGE, "finish")], ids=["small", "large"])
@pytest.mark.parametrize("theirs", [None, b"theirs"], ids=["ours", "theirs"])
def test_where_no_metadata_is_kept_the_content_says_whose_it_is(
    server: CloudStorage, objects: GcsObjects, content: bytes, call: str, theirs: bytes | None
) -> None:
    server.service.store.keeps_metadata = False
    if theirs is None:
        server.faults.add({"on": call, "do": "lose"})
        assert objects.write(NAME, chunks(content), if_generation=ABSENT) == objects.stat(NAME)
        return
    server.faults.add({"on": call, "do": "status", "status": 503, "next": 4})
    after_fault(server, f"{call}:status", lambda: put(server, "files/file-a", theirs))
    with pytest.raises(ObjectExists):
        objects.write(NAME, chunks(content), if_generation=ABSENT)


def test_an_upload_that_was_forgotten_after_it_succeeded_has_succeeded(
    server: CloudStorage, objects: GcsObjects
) -> None:
    on_commit = server.service.store.on_commit

    def forget(object: Object) -> None:
        on_commit(object)
        server.service.uploads.clear()

    server.service.store.on_commit = forget
    server.faults.add({"on": "finish", "do": "lose"})

    written = objects.write(NAME, chunks(LARGE), if_generation=ABSENT)

    assert objects.stat(NAME) == written
    assert read(objects) == LARGE


def test_an_upload_that_was_forgotten_before_is_worth_another_delivery(
    server: CloudStorage, objects: GcsObjects
) -> None:
    def source() -> Iterator[bytes]:
        yield LARGE[: PIECE + 1]
        server.service.uploads.clear()
        yield LARGE[PIECE + 1 :]

    with pytest.raises(Transient, match="forgotten"):
        objects.write(NAME, source())

    assert names(objects) == []


def test_whoever_is_overtaken_during_a_large_write_loses(server: CloudStorage, objects: GcsObjects) -> None:
    """The precondition counts again at the last piece."""

    def source() -> Iterator[bytes]:
        yield from chunks(LARGE)
        put(server, "files/file-a", b"fast")

    with pytest.raises(ObjectExists):
        objects.write(NAME, source(), if_generation=ABSENT)

    assert read(objects) == b"fast"


@pytest.mark.parametrize("call", ["chunk", "finish"])
def test_of_a_piece_that_was_kept_in_part_the_rest_is_sent(
    server: CloudStorage, objects: GcsObjects, call: str
) -> None:
    """As the service does where a connection breaks."""
    server.faults.add({"on": call, "do": "keep", "after": 3 * QUANTUM})
    server.faults.add({"on": call, "do": "keep", "after": 0})
    server.faults.add({"on": call, "do": "keep", "after": QUANTUM})

    written = objects.write(NAME, chunks(LARGE), if_generation=ABSENT)

    assert written.size == len(LARGE)
    assert read(objects) == LARGE
    assert server.faults.report()["waiting"] == []


@pytest.mark.parametrize("condition", ["any", "absent"])
@pytest.mark.parametrize("count", [2, 33])
def test_a_compose_whose_reply_is_lost_has_been_done_once(
    server: CloudStorage, objects: GcsObjects, condition: str, count: int
) -> None:
    sources = [f"gs://data/rows/{number:02d}" for number in range(count)]
    for number in range(count):
        put(server, f"rows/{number:02d}", b"%d\n" % number)
    server.faults.add({"on": "compose", "do": "lose", "next": 3})

    joined = objects.compose(NAME, sources, if_generation=None if condition == "any" else ABSENT)

    assert objects.stat(NAME) == joined
    assert read(objects) == b"".join(b"%d\n" % number for number in range(count))
    assert server.faults.report()["waiting"] == []
    assert len(stored(server)) == count + 1


def test_an_object_that_is_joined_to_itself_is_so_once(server: CloudStorage, objects: GcsObjects) -> None:
    objects.write(NAME, [b"a"])
    server.faults.add({"on": "compose", "do": "lose", "next": 2})

    joined = objects.compose(NAME, [NAME, NAME])

    assert read(objects) == b"aa"
    assert objects.stat(NAME) == joined


def test_a_join_to_itself_that_is_overtaken_is_worth_another_delivery(
    server: CloudStorage, objects: GcsObjects
) -> None:
    objects.write(NAME, [b"a"])
    server.faults.add({"on": "compose", "do": "status", "status": 503, "next": 4})
    after_fault(server, "compose:status", lambda: put(server, "files/file-a", b"b"))

    with pytest.raises(Transient, match="changed"):
        objects.compose(NAME, [NAME, NAME])

    assert read(objects) == b"b"


@pytest.mark.parametrize("conditional", [True, False])
def test_a_delete_whose_reply_is_lost_has_been_done(
    server: CloudStorage, objects: GcsObjects, conditional: bool
) -> None:
    generation = objects.write(NAME, [SMALL]).generation
    server.faults.add({"on": "delete", "do": "lose", "next": 2})

    objects.delete(NAME, if_generation=generation if conditional else None)

    assert names(objects) == []


# ---- a service that is busy, down, or says no


def every_call(objects: GcsObjects) -> dict[str, Act]:
    """Each call of the server, and what makes it."""
    return {
        "insert": lambda objects: objects.write("gs://data/new", [SMALL]),
        "start": lambda objects: objects.write("gs://data/new", [LARGE]),
        "chunk": lambda objects: objects.write("gs://data/new", [LARGE]),
        "finish": lambda objects: objects.write("gs://data/new", [LARGE]),
        "stat": lambda objects: objects.stat(NAME),
        "read": read,
        "compose": lambda objects: objects.compose("gs://data/new", [NAME, NAME]),
        "delete": lambda objects: objects.delete(NAME),
        "list": names,
    }


CALLS: Final = tuple(every_call(GcsObjects()))


@pytest.mark.parametrize("call", CALLS)
def test_a_storm_that_passes_is_waited_for(server: CloudStorage, objects: GcsObjects, call: str) -> None:
    put(server, "files/file-a", SMALL)
    for status in (503, 429, 500):
        server.faults.add({"on": call, "do": "status", "status": status})

    every_call(objects)[call](objects)

    assert server.faults.report()["waiting"] == []


@pytest.mark.parametrize(
    ("call", "status"), [*((call, 503) for call in CALLS), *(("stat", status) for status in (408, 429, 500, 502, 504))]
)
def test_a_storm_that_does_not_pass_is_transient(
    server: CloudStorage, objects: GcsObjects, pauses: Pauses, call: str, status: int
) -> None:
    put(server, "files/file-a", SMALL)
    server.faults.add({"on": call, "do": "status", "status": status, "next": 10**6})

    with pytest.raises(Transient):
        every_call(objects)[call](objects)

    assert 30 < pauses.together <= 60
    assert server.service.calls[call] >= 2


@pytest.mark.parametrize("call", CALLS)
def test_a_service_that_is_silent_is_transient(server: CloudStorage, call: str) -> None:
    put(server, "files/file-a", SMALL)
    server.faults.add({"on": call, "do": "hang", "next": 10**6})
    objects = GcsObjects(patience=3)
    began = time.monotonic()

    with pytest.raises(Transient):
        every_call(objects)[call](objects)

    assert 1.5 < time.monotonic() - began < 20
    assert server.service.calls[call] >= 2  # one silence is not enough


def test_a_service_that_is_not_there_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")

    with pytest.raises(Transient):
        GcsObjects(patience=0.5).stat(NAME)


def test_a_step_hears_of_trouble_while_it_still_holds_its_lease() -> None:
    assert gcs._PATIENCE * 1000 <= LEASE * 3 / 4


@pytest.mark.parametrize(
    ("call", "status"), [*((call, 403) for call in CALLS), *(("read", status) for status in (400, 401, 405, 501))]
)
def test_a_refusal_is_for_the_operator(server: CloudStorage, objects: GcsObjects, call: str, status: int) -> None:
    put(server, "files/file-a", SMALL)
    server.faults.add({"on": call, "do": "status", "status": status, "next": 10**6})

    with pytest.raises(ConfigError, match="gs://data/"):
        every_call(objects)[call](objects)

    assert server.service.calls[call] == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda objects: objects.write("gs://nowhere/a", [SMALL]),
        lambda objects: objects.write("gs://nowhere/a", [SMALL], if_generation=ABSENT),
        lambda objects: objects.write("gs://nowhere/a", [LARGE]),
        lambda objects: objects.compose("gs://nowhere/a", []),
        lambda objects: list(objects.list("gs://nowhere/")),
    ],
    ids=["small", "conditional", "large", "empty", "list"],
)
def test_a_bucket_that_is_not_there_is_for_the_operator(objects: GcsObjects, act: Act) -> None:
    with pytest.raises(ConfigError, match="no such bucket"):
        act(objects)


def test_an_address_without_a_scheme_is_for_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:4443")

    with pytest.raises(ConfigError):
        GcsObjects().stat(NAME)


# ---- writing


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + QUANTUM])
@pytest.mark.parametrize("chunk", [10**9, 999_983, 4 * PIECE])
def test_every_size_arrives_whole(server: CloudStorage, objects: GcsObjects, size: int, chunk: int) -> None:
    content = LARGE[:size]

    assert objects.write(NAME, chunks(content, chunk)).size == size

    assert read(objects) == content
    assert server.service.calls["insert"] == (size <= PIECE)


def test_a_large_write_streams(server: CloudStorage, objects: GcsObjects) -> None:
    """What was sent is with the service while the rest does not exist yet."""

    def source() -> Iterator[bytes]:
        for number, chunk in enumerate(chunks(LARGE, 2**20)):
            sent = sum(upload.size for upload in server.service.uploads.all())
            assert number * 2**20 - sent <= PIECE
            yield chunk

    objects.write(NAME, source())


def test_a_source_that_fails_in_the_middle_of_a_large_write_leaves_nothing(
    server: CloudStorage, objects: GcsObjects
) -> None:
    def broken() -> Iterator[bytes]:
        yield from chunks(LARGE)
        raise OSError("upstream went away")

    with pytest.raises(OSError, match="upstream went away"):
        objects.write(NAME, broken())

    assert stored(server) == []
    assert server.service.calls["finish"] == 0


@pytest.mark.parametrize(("content", "call"), [(SMALL, "insert"), (LARGE, "finish")], ids=["small", "large"])
def test_what_was_damaged_on_its_way_is_thrown_away(
    server: CloudStorage, objects: GcsObjects, content: bytes, call: str
) -> None:
    server.faults.add({"on": call, "do": "damage"})

    with pytest.raises(Transient, match="not what was sent"):
        objects.write(NAME, chunks(content))

    assert names(objects) == []


# ---- reading


@pytest.mark.parametrize("after", [0, 1, 100_000, 256 * 1024, 5_000_000, len(LARGE) - 20_000])
@pytest.mark.parametrize("offset", [0, 12_345])
def test_a_download_that_breaks_goes_on_where_it_broke(
    server: CloudStorage, objects: GcsObjects, after: int, offset: int
) -> None:
    put(server, "files/file-a", LARGE)
    server.faults.add({"on": "read", "do": "break", "after": after})
    server.faults.add({"on": "read", "do": "status", "status": 503})

    assert read(objects, offset=offset) == LARGE[offset:]

    assert server.service.calls["read"] == 3


def test_a_download_may_break_again_and_again(server: CloudStorage, objects: GcsObjects) -> None:
    put(server, "files/file-a", LARGE)
    server.faults.add({"on": "read", "do": "break", "after": 1_000_003, "next": 10**6})

    with objects.open(NAME) as stream:
        lines = list(stream)

    assert b"".join(lines) == LARGE
    assert server.service.calls["read"] == len(LARGE) // 1_000_003 + 1


def test_a_download_that_falls_silent_goes_on(server: CloudStorage) -> None:
    put(server, "files/file-a", LARGE)
    server.faults.add({"on": "read", "do": "break", "after": 3_000_000, "seconds": 60})

    assert read(GcsObjects(patience=8)) == LARGE


def test_a_download_that_breaks_for_good_is_transient(
    server: CloudStorage, objects: GcsObjects, pauses: Pauses
) -> None:
    put(server, "files/file-a", LARGE)
    server.faults.add({"on": "read", "do": "break", "after": 3_000_000})
    server.faults.add({"on": "read", "do": "break", "after": 0, "next": 10**6})

    with objects.open(NAME) as stream:
        assert stream.read(1_000_000) == LARGE[:1_000_000]
        with pytest.raises(Transient):
            stream.read()

    assert pauses.together <= 60


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_what_is_gone_when_a_download_goes_on_is_missing(
    server: CloudStorage, objects: GcsObjects, change: str
) -> None:
    put(server, "files/file-a", LARGE)
    server.faults.add({"on": "read", "do": "break", "after": 3_000_000})
    got = bytearray()

    with objects.open(NAME) as stream:
        got += stream.read(1_000_000)
        if change == "deleted":
            objects.delete(NAME)
        else:
            put(server, "files/file-a", LARGE[::-1])
        with pytest.raises(ObjectMissing):
            take(stream, got)

    assert got == LARGE[: len(got)]
    assert len(got) <= 3_000_000


def test_what_was_damaged_while_it_was_read_is_transient(server: CloudStorage, objects: GcsObjects) -> None:
    put(server, "files/file-a", LARGE)
    server.faults.add({"on": "read", "do": "damage"})

    with pytest.raises(Transient, match="not what is stored"):
        read(objects)

    assert read(objects) == LARGE


def test_stored_bytes_are_read_as_they_are(server: CloudStorage, objects: GcsObjects) -> None:
    packed = gzip.compress(LARGE)
    put(server, "files/file-a", packed, contentEncoding="gzip")
    server.faults.add({"on": "read", "do": "break", "after": 3_000_000})

    assert read(objects) == packed
    assert read(objects, offset=100) == packed[100:]


def test_a_stream_that_is_dropped_leaves_nothing_open(server: CloudStorage, objects: GcsObjects) -> None:
    put(server, "files/file-a", LARGE)
    read(objects)
    before = held_open(server)

    for _ in range(20):
        with objects.open(NAME) as stream:
            stream.read(10)

    until(lambda: held_open(server) <= before)


# ---- joining


@pytest.mark.parametrize(("count", "calls"), [(32, 1), (33, 2), (64, 3), (1024, 33), (1025, 34), (1100, 38)])
def test_a_tree_is_as_small_as_it_can_be_and_leaves_nothing(
    server: CloudStorage, objects: GcsObjects, count: int, calls: int
) -> None:
    for number in range(count):
        put(server, f"rows/{number}", b"%d\n" % number)

    joined = objects.compose(NAME, [f"gs://data/rows/{number}" for number in range(count)], if_generation=ABSENT)

    assert read(objects) == b"".join(b"%d\n" % number for number in range(count))
    assert server.service.calls["compose"] == calls
    assert objects.stat(NAME) == joined
    assert len(stored(server)) == count + 1


def test_a_tree_that_fails_leaves_nothing(server: CloudStorage, objects: GcsObjects) -> None:
    for number in range(99):
        put(server, f"rows/{number}", b"x")

    with pytest.raises(ObjectMissing):
        objects.compose(NAME, [f"gs://data/rows/{number}" for number in range(100)])

    assert len(stored(server)) == 99


def test_a_tree_that_would_be_refused_is_not_built(server: CloudStorage, objects: GcsObjects) -> None:
    put(server, "files/file-a", b"x")

    with pytest.raises(ObjectExists):
        objects.compose(NAME, [NAME] * 100, if_generation=ABSENT)

    assert server.service.calls["compose"] == 0


def test_what_a_tree_could_not_tidy_up_is_nobodys_trouble(
    server: CloudStorage, objects: GcsObjects, pauses: Pauses
) -> None:
    """A rule of the bucket does it; and nobody waits for each of them."""
    put(server, "files/file-a", b"x")
    server.faults.add({"on": "delete", "do": "status", "status": 503, "next": 10**6})

    objects.compose("gs://data/joined", [NAME] * 1000)

    assert pauses.together <= 8 * 2  # threads that try in the beginning, and seconds for which each does
    left = stored(server)
    assert names(objects) == [NAME, "gs://data/joined"]
    assert names(objects, "gs://data/tmp") == []
    assert len(left) == 2 + 32
    assert all(name.startswith("tmp/") for name in left if name not in {"files/file-a", "joined"})


# ---- listing


def test_a_list_of_several_pages_is_one(server: CloudStorage, objects: GcsObjects) -> None:
    for number in range(2_500):
        put(server, f"rows/{number:04d}", b"x")
    server.faults.add({"on": "list", "do": "status", "status": 503, "skip": 1, "next": 2})

    assert names(objects, "gs://data/rows/") == [f"gs://data/rows/{number:04d}" for number in range(2_500)]
    assert server.service.calls["list"] == 5


def test_a_name_that_cannot_be_said_is_not_listed(server: CloudStorage, objects: GcsObjects) -> None:
    """As programs and consoles leave them: a placeholder for a folder, an empty component, an endless one."""
    for name in ("a/", "a//b", "a/./b", "a/../b", "x" * 300, "a/b"):
        put(server, name, b"x")

    assert names(objects) == ["gs://data/a/b"]


# ---- many at once


def test_many_threads_share_one_client(server: CloudStorage, objects: GcsObjects) -> None:
    together = threading.Barrier(64)

    def work(who: int) -> object:
        together.wait()
        for number in range(5):
            name, content = f"gs://data/{who}/{number}", b"%d-%d" % (who, number) * 1000
            assert objects.write(name, [content], if_generation=ABSENT).size == len(content)
            assert read(objects, name) == content
        assert len(names(objects, f"gs://data/{who}/")) == 5
        return objects._calls.connection()

    with ThreadPoolExecutor(64) as pool:
        clients = set(map(id, pool.map(work, range(64))))

    assert len(clients) == 1
    assert server.connections <= 64 + 1  # each thread goes on with a connection that it finds


# ---- processes


def job(name: str, **environment: str) -> Any:
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("GOOGLE_", "STORAGE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "tests.storage.gcs_jobs", name],
        cwd=ROOT,
        env={**ours, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_200_mb_pass_through_a_few_mb_of_memory() -> None:
    """Written as 50,000 lines, read as lines, joined."""
    with Process("tests.google.cloud_storage", "--bucket", "data") as process:
        grown = job("stream", STORAGE_EMULATOR_HOST=process.url)

    assert grown["write"] < 2 * PIECE / 2**20
    assert grown["read"] < 4
    assert grown["join"] < 4


def test_a_process_that_is_forked_off_has_a_client_of_its_own(server: CloudStorage) -> None:
    assert job("fork", STORAGE_EMULATOR_HOST=server.url) == {"parent": True, "child": 0}


def test_the_application_does_not_load_what_it_may_not_need() -> None:
    libraries = ("google.auth", "google.api_core", "google.cloud.storage", "requests")
    script = f"import sys, shared.app; print([name for name in sys.modules if name.startswith({libraries})])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


# ---- signed URLs


@pytest.fixture(scope="module")
def account() -> ServiceAccount:
    return ServiceAccount.new()


@pytest.fixture
def signing(
    server: CloudStorage, account: ServiceAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> GcsObjects:
    """With a key file, as on a laptop; the server knows its other half."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.write(tmp_path / "key.json")))
    server.service.keys[account.email] = account.public_key
    return GcsObjects()


def disposition(url: str) -> str:
    return parse_qs(urlsplit(url).query)["response-content-disposition"][0]


FILENAMES: Final = {
    "output.jsonl": "output.jsonl",
    "my file (1).jsonl": "my file (1).jsonl",
    "é.jsonl": "é.jsonl",
    "結果😀.jsonl": "結果😀.jsonl",
    'a"b.jsonl': 'a"b.jsonl',
    "a\\b.jsonl": "a\\b.jsonl",
    "a;b=c.jsonl": "a;b=c.jsonl",
    "100%.jsonl": "100%.jsonl",
    "x\r\nset-cookie: a=b": "x\r\nset-cookie: a=b",
    "\ud800.jsonl": "?.jsonl",
    "": "download",
    "long" * 100 + ".jsonl": ("long" * 100 + ".jsonl")[-150:],
}


@pytest.mark.parametrize(("filename", "kept"), FILENAMES.items(), ids=range(len(FILENAMES)))
def test_a_signed_url_reads_the_object_under_the_name_of_its_file(
    server: CloudStorage, signing: GcsObjects, filename: str, kept: str
) -> None:
    signing.write("gs://data/files/ü b/c", [LARGE])

    url = signing.sign("gs://data/files/ü b/c", seconds=60, filename=filename)

    assert url is not None
    assert url.startswith(f"{server.url}/data/files/%C3%BC%20b/c?")
    answer = httpx.get(url, timeout=60)
    assert (answer.status_code, answer.content == LARGE) == (200, True)
    assert "set-cookie" not in answer.headers
    said = answer.headers["content-disposition"]
    assert said == disposition(url)
    assert said.isascii()
    assert said.isprintable()
    assert parse_options_header(said) == ("attachment", {"filename": kept})


@pytest.mark.parametrize(("asked", "given"), [(60, 60), (600, 600), (86_400, 600)])
def test_a_signed_url_is_good_for_ten_minutes_at_most(signing: GcsObjects, asked: int, given: int) -> None:
    url = signing.sign(NAME, seconds=asked, filename="a")

    assert parse_qs(urlsplit(url or "").query)["X-Goog-Expires"] == [str(given)]


class Google(ThreadingHTTPServer):
    """The metadata server of an instance, and IAM, which signs with the key of its account."""

    daemon_threads = True

    def __init__(self, account: ServiceAccount, empty: Path) -> None:
        self._empty = empty
        self.asked: list[str] = []
        self.codes: list[int] = []
        google, token = self, "t0ken"

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                google.asked.append(self.path)
                where = urlsplit(self.path).path.removeprefix("/computeMetadata/v1/")
                answer: Any = {
                    "/": "",
                    "instance/service-accounts/default/": {
                        "email": account.email,
                        "scopes": [],
                        "aliases": ["default"],
                    },
                    "instance/service-accounts/default/token": {"access_token": token, "expires_in": 3600},
                    "project/project-id": "project",
                }.get(where)
                self.reply(404 if answer is None else 200, answer)

            def do_POST(self) -> None:
                google.asked.append(self.path)
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                code = google.codes.pop(0) if google.codes else 200
                if self.headers["authorization"] != f"Bearer {token}":
                    code = 401
                signature = base64.b64encode(account.sign(base64.b64decode(body["payload"]))).decode()
                self.reply(code, {"keyId": "1", "signedBlob": signature} if code == 200 else {"error": {"code": code}})

            def reply(self, code: int, answer: Any) -> None:
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(code)
                self.send_header("metadata-flavor", "Google")
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def run(self, name: str, **environment: str) -> Any:
        """What a job says on an instance, as far as a client library can see one: it reads these when it is loaded."""
        address = f"127.0.0.1:{self.server_address[1]}"
        host = {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, "CLOUDSDK_CONFIG": str(self._empty)}
        return job(name, **host, **environment)


@pytest.fixture
def google(account: ServiceAccount, tmp_path: Path) -> Iterator[Google]:
    google = Google(account, tmp_path)
    thread = threading.Thread(target=google.serve_forever, args=(0.05,))
    thread.start()
    yield google
    google.shutdown()
    thread.join()
    google.server_close()


def test_on_cloud_run_iam_signs(google: Google, account: ServiceAccount) -> None:
    google.codes = [503]

    parts = urlsplit(google.run("sign")["url"])

    assert (parts.scheme, parts.netloc) == ("https", "storage.googleapis.com")
    check_signature("GET", parts.path, parts.query, {"host": parts.netloc}, {account.email: account.public_key})
    assert google.asked.count(f"/v1/projects/-/serviceAccounts/{account.email}:signBlob") == 2
    tokens = [path for path in google.asked if "/token" in path]
    assert tokens
    assert all("cloud-platform" in path for path in tokens)  # the storage scopes may not call IAM


@pytest.mark.parametrize(
    ("code", "error"), [(400, "ConfigError"), (403, "ConfigError"), (404, "ConfigError"), (503, "Transient")]
)
def test_an_iam_that_does_not_sign_is_told_apart_from_one_that_is_down(google: Google, code: int, error: str) -> None:
    google.codes = [code] * 100

    assert google.run("sign") == {"error": error}


def test_where_there_are_no_credentials_it_is_for_the_operator(google: Google) -> None:
    assert google.run("everything", NO_GCE_CHECK="true") == {"error": "ConfigError"}


def test_an_emulator_needs_no_credentials_and_nobody_is_asked_for_any(server: CloudStorage, google: Google) -> None:
    assert google.run("everything", STORAGE_EMULATOR_HOST=server.url) == {"listed": 2, "signed": None}
    assert google.asked == []
    assert server.service.calls["bucket"] == 0


# ---- helpers


def watched(server: CloudStorage) -> list[str]:
    """The names of all objects that appear from now on."""
    appeared: list[str] = []
    on_commit = server.service.store.on_commit

    def watch(object: Object) -> None:
        appeared.append(object.name)
        on_commit(object)

    server.service.store.on_commit = watch
    return appeared


def after_fault(server: CloudStorage, fault: str, act: Callable[[], object]) -> None:
    """Do something when a fault strikes for the first time, before its victim hears of it and asks again."""
    take = server.faults.take

    def taking(call: str) -> Rule | None:
        rule = take(call)
        if server.faults.report()["injected"].get(fault):
            server.faults.take = take  # type: ignore[method-assign]
            act()
        return rule

    server.faults.take = taking  # type: ignore[method-assign]


def take(stream: Any, got: bytearray) -> None:
    while chunk := stream.read(100_000):
        got += chunk


def held_open(server: CloudStorage) -> int:
    """Ends of connections to this server, its own and the clients', that nobody has closed."""
    port, found = f"{server.server_address[1]:04X}", 0
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, here, there, state, *_ = line.split()
        found += state in {"01", "08"} and port in {here.rpartition(":")[2], there.rpartition(":")[2]}
    return found


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)
