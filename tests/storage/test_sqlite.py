"""What is particular to documents in SQLite: files, processes, death, and a full disk."""

import gc
import multiprocessing
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from shared.domain.batch import Batch
from shared.domain.errors import ConfigError
from shared.storage import queries
from shared.storage.ports import Contention, Query, Record, Transaction
from shared.storage.sqlite import SqliteDocuments, _select
from tests.storage.conftest import ROOT, Worker, small_disk
from tests.storage.records import Note, batch

Start = Callable[..., Worker]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/documents.db"


@pytest.fixture
def documents(url: str) -> Iterator[SqliteDocuments]:
    with closing(SqliteDocuments(url)) as adapter:
        yield adapter


def put(documents: SqliteDocuments, *notes: Record) -> None:
    def body(tx: Transaction) -> None:
        for note in notes:
            tx.put(note)

    documents.transact(body)


def open_files(url: str) -> int:
    """How many descriptors this process has of a database."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # some other thread's, and closed by now
            found += str(descriptor.readlink()).startswith(url.removeprefix("sqlite://"))
    return found


# ---- where


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite:///", "sqlite://a/b.db", "sqlite:a.db", "file:///a.db"])
def test_what_is_no_address_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///PATH"):
        SqliteDocuments(url)


def test_nothing_is_opened_or_made_before_the_first_use(tmp_path: Path) -> None:
    SqliteDocuments(f"sqlite://{tmp_path}/a/b.db").close()

    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_a_new_database_are_made(tmp_path: Path) -> None:
    with closing(SqliteDocuments(f"sqlite://{tmp_path}/a/b/c.db")) as documents:
        put(documents, Note(id="n"))

    assert (tmp_path / "a/b/c.db").is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_memory_is_shared_by_threads_and_by_nobody_else(url: str) -> None:
    with closing(SqliteDocuments(url)) as one, closing(SqliteDocuments(url)) as other:
        put(one, Note(id="n"))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(one.get, Note, "n").result() == Note(id="n")
        assert other.get(Note, "n") is None


def test_what_one_opens_another_reads(url: str, documents: SqliteDocuments) -> None:
    put(documents, Note(id="n", number=1))

    with closing(SqliteDocuments(url)) as other:
        assert other.get(Note, "n") == Note(id="n", number=1)


# ---- indexes


def planned(documents: SqliteDocuments, query: Query, *, paged: bool) -> str:
    statement = _select(query, paged=paged)
    with documents._database.reading() as connection:
        steps = connection.execute(f"EXPLAIN QUERY PLAN {statement}", [1] * statement.count("?")).fetchall()
    return "\n".join(step[3] for step in steps)


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("query", queries.ALL, ids=str)
def test_a_declared_query_reads_its_index_from_where_it_begins(
    documents: SqliteDocuments, query: Query, paged: bool
) -> None:
    plan = planned(documents, query, paged=paged)

    assert plan.startswith("SEARCH documents USING INDEX")
    assert plan.count("<expr>=?") == len(query.equal)
    assert "<expr>>? AND <expr><?" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


def test_a_page_far_behind_costs_what_the_first_one_costs(documents: SqliteDocuments) -> None:
    """The index leads to it: what was passed over is not read again."""
    put(documents, *(batch(id=f"b{number:05d}", created_at=number) for number in range(5_000)))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with documents._database.reading() as connection:
        connection.set_progress_handler(count, 10)
    near = documents.query(queries.BATCHES, limit=10)
    first, steps = steps, 0
    documents.query(queries.BATCHES, after=batch(id="b00100", created_at=100), limit=10)

    assert len(near) == 10
    assert steps < first * 2


def test_a_database_of_an_older_version_gets_the_indexes_it_lacks(url: str, documents: SqliteDocuments) -> None:
    put(documents, Note(id="n"))
    with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as connection:
        connection.execute('DROP INDEX "Batch by due_at"')

    with closing(SqliteDocuments(url)) as newer:
        assert newer.query(queries.BATCHES_DUE) == []


# ---- threads


def test_a_thread_that_ends_leaves_no_connection_behind(url: str, documents: SqliteDocuments) -> None:
    def use_in_four_threads() -> int:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: documents.get(Note, "n"), range(4)))
        return open_files(url)

    put(documents, Note(id="n"))
    few = max(use_in_four_threads() for _ in range(5))  # SQLite keeps some descriptors, to use again
    many = max(use_in_four_threads() for _ in range(30))

    assert many <= few + 4


def test_closing_closes_the_connections_of_all_threads(url: str, documents: SqliteDocuments) -> None:
    before = open_files(url)
    together = threading.Barrier(4)

    def use(_: int) -> None:
        documents.get(Note, "n")
        together.wait()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
        assert open_files(url) > before
        documents.close()
        assert open_files(url) == before

    assert documents.get(Note, "n") is None  # a later use opens again


def test_a_reader_does_not_wait_for_a_writer(documents: SqliteDocuments) -> None:
    put(documents, Note(id="n", number=1))
    with ThreadPoolExecutor(1) as pool:

        def body(tx: Transaction) -> Note | None:
            tx.put(Note(id="n", number=2))
            return pool.submit(documents.get, Note, "n").result(timeout=30)

        assert documents.transact(body) == Note(id="n", number=1)

    assert documents.get(Note, "n") == Note(id="n", number=2)


@pytest.mark.parametrize("same", [True, False], ids=["threads", "processes"])
def test_a_writer_that_never_gets_its_turn_is_told_to_come_again(url: str, same: bool) -> None:
    with closing(SqliteDocuments(url, wait=0.2)) as one, closing(SqliteDocuments(url, wait=0.2)) as two:
        other = one if same else two

        def body(_: Transaction) -> None:
            with ThreadPoolExecutor(1) as pool, pytest.raises(Contention):
                pool.submit(other.transact, lambda tx: tx.put(Note(id="n"))).result()

        one.transact(body)
        assert one.get(Note, "n") is None


# ---- processes


def test_no_update_of_several_processes_is_lost(url: str, start: Start) -> None:
    """From the first moment on: they race to make the database too."""
    workers = [start("increment", url, 100) for _ in range(4)]
    for worker in workers:
        assert worker.say() == "ready"
    for worker in workers:
        worker.go()
    for worker in workers:
        assert worker.done() == []

    with closing(SqliteDocuments(url)) as documents:
        assert documents.get(Note, "counter") == Note(id="counter", number=400)


def test_a_killed_writer_leaves_all_that_was_acknowledged_and_nothing_half(url: str, start: Start) -> None:
    """Each transaction writes two records and a pointer; the worker is killed wherever it is, ten times."""
    dice, last = random.Random(1), -1
    for _ in range(10):
        worker = start("write_pairs", url, last + 1)
        first = worker.say()
        assert first == last + 1
        time.sleep(dice.random() * 0.1)
        worker.kill()
        acknowledged = (first, *worker.rest())[-1]

        with closing(SqliteDocuments(url)) as documents:
            pointer = documents.get(Note, "last")
            assert pointer is not None
            last = pointer.number
            assert last in {acknowledged, acknowledged + 1}  # committed, and killed before it could say so
            for number in range(last + 2):
                left, right = (documents.get(Note, f"{side}-{number}") for side in ("left", "right"))
                assert (left is not None) == (right is not None) == (number <= last)

    with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def read_in_child(documents: SqliteDocuments) -> None:
    assert documents.get(Note, "before") == Note(id="before")
    gc.collect()


def write_in_child(documents: SqliteDocuments) -> None:
    put(documents, Note(id="of child", number=1))


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_fork_opens_its_own_connections_and_leaves_its_parent_s_alone(documents: SqliteDocuments) -> None:
    """Even in the middle of a transaction of its parent, whose lock and connection it inherits."""
    put(documents, Note(id="before"))
    fork = multiprocessing.get_context("fork")

    def body(tx: Transaction) -> None:
        reader = fork.Process(target=read_in_child, args=(documents,))
        reader.start()
        reader.join()
        assert reader.exitcode == 0
        tx.put(Note(id="of parent"))

    documents.transact(body)
    child = fork.Process(target=write_in_child, args=(documents,))
    child.start()
    child.join()
    put(documents, Note(id="after"))

    assert child.exitcode == 0
    for id in ("before", "of parent", "of child", "after"):
        assert documents.get(Note, id) is not None


# ---- a full disk


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(url: str, start: Start) -> None:
    said = start("fill_documents", url, 2**20).done()

    numbers, end = said[:-3], said[-3:]
    assert end == ["full", "still full", "room again"]
    assert len(numbers) > 10
    with closing(SqliteDocuments(url)) as documents:
        for number in (*numbers, 0):
            assert documents.get(Batch, f"{number:04d}") is not None
        assert documents.get(Batch, f"{len(numbers) + 1:04d}") is None


def test_a_disk_without_a_free_block_is_storage_full(tmp_path: Path, start: Start) -> None:
    said = start("fill_documents", f"sqlite://{tmp_path}/a.db", 0, within=small_disk(tmp_path)).done()

    assert said[-2:] == ["full", "still full"]
    assert len(said) > 10


# ---- cold start


def test_importing_the_adapters_loads_no_library_but_msgspec() -> None:
    """A function's cold start pays for each of them."""
    code = """
import sys
import shared.storage.sqlite, shared.storage.directory, shared.storage.queue
roots = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(sorted(root for root in roots if not root.startswith("_")))
"""
    before = subprocess.run([sys.executable, "-c", code.replace("import shared", "#")], capture_output=True, check=True)
    after = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)

    added = set(eval(after.stdout)) - set(eval(before.stdout))
    assert added <= {"shared", "msgspec", "typing_extensions"}
