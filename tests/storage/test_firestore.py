"""What is particular to documents in Firestore: what is stored, contention, lost answers, forks, and refusals."""

import dataclasses
import importlib
import json
import multiprocessing
import os
import pkgutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import google.auth
import pytest
from google.cloud.firestore import Client

import shared.domain
from shared.domain.batch import Batch
from shared.domain.errors import ConfigError, Poison, TooLarge, Transient
from shared.domain.messages import Created
from shared.storage import queries
from shared.storage.firestore import layout
from shared.storage.firestore.documents import FirestoreDocuments
from shared.storage.ports import Contention, Exists, Record, Transaction
from tests.google.trouble import Line, nobody, refusing
from tests.storage.conftest import ROOT, emulated, new_project
from tests.storage.records import AWKWARD, Note, any_of, batch, file, full

LOCKED = 1.7  # seconds: to wait for a lock takes the emulator two
Stored = Callable[[str, str], dict[str, Any]]


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    with emulated(request, "firestore") as host:
        yield host


@pytest.fixture
def project(host: str) -> str:
    return new_project()


@pytest.fixture
def documents(project: str) -> Iterator[FirestoreDocuments]:
    with closing(FirestoreDocuments(f"firestore://{project}")) as adapter:
        yield adapter


@pytest.fixture
def others(project: str) -> Iterator[FirestoreDocuments]:
    """Somebody else at the same documents."""
    with closing(FirestoreDocuments(f"firestore://{project}")) as adapter:
        yield adapter


@pytest.fixture
def stored(project: str) -> Iterator[Stored]:
    """What an operator sees of a document in the console, by collection and id."""
    with closing(Client(project=project)) as console:
        yield lambda collection, name: console.collection(collection).document(name).get().to_dict() or {}


@pytest.fixture
def line(host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """Where our own calls go through: other clients' do not."""
    with closing(Line(host)) as line:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.host)
        yield line


def put(documents: FirestoreDocuments, *records: Record) -> None:
    def body(tx: Transaction) -> None:
        for record in records:
            tx.put(record)

    documents.transact(body)


def increment(tx: Transaction) -> None:
    seen = tx.get(Note, "counter")
    tx.put(Note(id="counter", number=1 if seen is None else seen.number + 1))


def counted(documents: FirestoreDocuments) -> int:
    found = documents.get(Note, "counter")
    return 0 if found is None else found.number


# ---- where


@pytest.mark.parametrize(
    "url",
    ["", "firestore:", "firestore://", "firestore:///d", "firestore://p/", "firestore://p/d/e", "firestore://p/D",
     "firestore://p?d", "sqlite:///a.db"],
)  # fmt: skip
def test_what_is_no_address_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="firestore://PROJECT/DATABASE"):
        FirestoreDocuments(url)


def test_each_database_of_a_project_has_its_own_documents(project: str, documents: FirestoreDocuments) -> None:
    put(documents, Note(id="n"))

    with (
        closing(FirestoreDocuments(f"firestore://{project}/(default)")) as same,
        closing(FirestoreDocuments(f"firestore://{project}/offpeak")) as another,
    ):
        assert same.get(Note, "n") == Note(id="n")
        assert another.get(Note, "n") is None


@pytest.mark.parametrize("module", ["shared.app", "shared.storage.firestore.layout"])
def test_no_library_of_googles_is_loaded_before_a_setting_asks_for_it(module: str) -> None:
    """Each costs a cold start a third of a second."""
    loaded = f"import sys, {module}; print({{'grpc', 'google.api_core', 'google.cloud.storage'}} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "set()"


def test_nothing_is_connected_before_the_first_use_and_then_once(documents: FirestoreDocuments) -> None:
    made = documents._calls._connection._made
    assert made == {}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: documents.get(Note, "n"), range(8)))

    assert list(made) == [os.getpid()]


def test_the_emulator_is_asked_without_anybody_s_credentials(
    documents: FirestoreDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look for them takes seconds where there are none."""

    def looked(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(google.auth, "default", looked)

    assert documents.get(Note, "n") is None


def test_credentials_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")

    with closing(FirestoreDocuments("firestore://p")) as documents, pytest.raises(ConfigError, match="/nowhere/key"):
        documents.get(Note, "n")


def test_a_closed_one_opens_again(documents: FirestoreDocuments) -> None:
    put(documents, Note(id="n"))
    documents.close()
    documents.close()

    assert documents.get(Note, "n") == Note(id="n")


# ---- what is stored


def test_a_document_is_text_and_beside_it_what_queries_ask_for(documents: FirestoreDocuments, stored: Stored) -> None:
    record = batch(metadata={"a.b": "`", "__x__": AWKWARD}, input_object=None, due_at=None)
    put(documents, record)

    fields = stored("Batch", "batch_a")

    assert json.loads(fields.pop("data"))["metadata"] == record.metadata
    searched = {"owner": "ann", "team": record.team, "status": "validating", "input_object": None}
    assert fields == {**searched, "created_at": record.created_at}


def test_a_document_says_when_it_may_be_deleted(documents: FirestoreDocuments, stored: Stored) -> None:
    """Firestore's policy wants a timestamp."""
    put(documents, any_of(Created, id="c", expire_at=1_700_000_000_123), full(Created), file(expires_at=5))

    soon, never = (stored("Created", id)["ttl"] for id in ("c", AWKWARD))

    assert soon == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert never - datetime(9999, 12, 31, tzinfo=UTC) < timedelta(days=1)
    assert "ttl" not in stored("File", "file-a")


def test_every_kind_that_the_domain_stores_is_in_the_layout() -> None:
    """Else its text would be indexed, at the cost of every write."""
    modules = [
        importlib.import_module(f"shared.domain.{each.name}") for each in pkgutil.iter_modules(shared.domain.__path__)
    ]
    kinds = {
        kind
        for module in modules
        for kind in vars(module).values()
        if dataclasses.is_dataclass(kind) and "id" in {field.name for field in dataclasses.fields(kind)}
    }

    assert kinds == set(layout.KINDS)


def test_each_query_with_equal_fields_has_an_index() -> None:
    assert layout.Index("Batch", (("owner", "ASCENDING"), ("created_at", "DESCENDING"))) in layout.composite_indexes()
    assert len(set(layout.composite_indexes())) == sum(1 for query in queries.ALL if query.equal)


def test_no_field_is_filtered_by_and_ordered_by_as_well() -> None:
    """A value that is missing is None for the one, and left out for the other."""
    for query in queries.ALL:
        assert not [each for each in queries.ALL if each.kind is query.kind and query.order in each.equal]
        assert {layout.DATA, layout.TTL}.isdisjoint({*query.equal, query.order})


def test_what_has_no_index_of_its_own() -> None:
    assert ("LedgerEntry", "data") in layout.unindexed_fields()
    assert layout.ttl_fields() == (("Created", "ttl"), ("Grace", "ttl"))
    assert set(layout.ttl_fields()) <= set(layout.unindexed_fields())


@pytest.mark.parametrize("id", ["", ".", "..", "__x__", "__1__", "a/b", "a/b/c", "é" * 751, "\ud800"])
def test_an_id_that_firestore_would_refuse_is_refused(documents: FirestoreDocuments, id: str) -> None:
    """Ids of ours never are such: `[A-Za-z0-9_-]`, under 64 characters."""
    acts: list[Callable[[], object]] = [
        lambda: documents.get(Note, id),
        lambda: documents.transact(lambda tx: tx.get(Note, id)),
        lambda: documents.transact(lambda tx: tx.delete(Note, id)),
        lambda: put(documents, Note(id=id)),
    ]
    for act in acts:
        with pytest.raises(ValueError, match=r"id|surrogates"):
            act()


@pytest.mark.parametrize("id", ["_", "__", "___", "a__", "-", "...", " ", "é" * 750, "%2F", "x" * 1500])
def test_any_other_id_is_itself(documents: FirestoreDocuments, id: str) -> None:
    put(documents, Note(id=id))

    assert documents.get(Note, id) == Note(id=id)


def test_what_an_index_would_cut_off_is_refused(documents: FirestoreDocuments) -> None:
    """Two owners of which only the ends differ would be one to a query."""
    with pytest.raises(ValueError, match="owner is too long"):
        put(documents, batch(owner="é" * 750))
    with pytest.raises(ValueError, match="owner is too long"):
        documents.query(queries.BATCHES_OF_OWNER, "é" * 750)

    put(documents, batch(owner="x" * 1_499))
    assert len(documents.query(queries.BATCHES_OF_OWNER, "x" * 1_499)) == 1


def test_a_record_as_large_as_a_document_is_stored(documents: FirestoreDocuments) -> None:
    largest = batch(owner="x" * 1_499, metadata={"a": "x" * 990_000})
    put(documents, largest)

    assert documents.get(Batch, "batch_a") == largest


@pytest.mark.parametrize("kind", [TooLarge, Poison])
def test_a_record_that_is_larger_is_refused_once_and_for_all(
    documents: FirestoreDocuments, kind: type[Exception]
) -> None:
    """A caller is told so, and a step is told that no delivery will help."""
    with pytest.raises(kind, match="Batch batch_a: 1,0"):
        put(documents, Note(id="n"), batch(metadata={"a": "x" * 1_000_000}))

    assert documents.get(Note, "n") is None


def test_six_hundred_writes_are_one_commit(documents: FirestoreDocuments) -> None:
    """The limit of five hundred that one still reads about is gone."""
    put(documents, *(Note(id=f"n{number}") for number in range(600)))

    assert documents.get(Note, "n0") is not None
    assert documents.get(Note, "n599") is not None


# ---- contention


def test_eight_who_count_at_once_lose_nothing(documents: FirestoreDocuments) -> None:
    def work(_: int) -> None:
        for _ in range(10):
            documents.transact(increment)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    assert counted(documents) == 80


def test_a_body_in_progress_holds_up_nobody(documents: FirestoreDocuments, others: FirestoreDocuments) -> None:
    """It may be killed there, and would never say that it gives up."""
    seen, waited = [], []

    def body(tx: Transaction) -> None:
        seen.append(tx.get(Note, "counter"))
        if len(seen) <= 3:
            began = time.monotonic()
            others.transact(increment)
            waited.append(time.monotonic() - began)
        tx.put(Note(id="counter", number=10))

    documents.transact(body)

    assert seen == [None, *(Note(id="counter", number=number) for number in (1, 2, 3))]  # it looked again
    assert counted(documents) == 10
    assert median(waited) < LOCKED


@pytest.mark.parametrize("there", [True, False], ids=["changed", "added"])
def test_what_was_only_read_counts_as_well(
    documents: FirestoreDocuments, others: FirestoreDocuments, there: bool
) -> None:
    waited = []
    for name in ("one", "two", "three"):
        if there:
            put(others, Note(id=name, number=0))
        runs = 0

        def body(tx: Transaction, name: str = name) -> None:
            nonlocal runs
            runs += 1
            switch = tx.get(Note, name)
            if runs == 1:
                put(others, Note(id=name, number=7))
            tx.put(Note(id="copy", number=-1 if switch is None else switch.number))

        put(documents, Note(id="copy"))
        documents.transact(body)

        assert documents.get(Note, "copy") == Note(id="copy", number=7)
        began = time.monotonic()
        put(others, Note(id=name, number=8))  # the try that failed has let it go
        waited.append(time.monotonic() - began)
    assert median(waited) < LOCKED


def test_an_add_is_judged_by_what_the_body_would_see_now(
    documents: FirestoreDocuments, others: FirestoreDocuments
) -> None:
    """Exists would be wrong: if the body had seen what the other one wrote, it would not have added anything."""
    runs = 0

    def body(tx: Transaction) -> str:
        nonlocal runs
        runs += 1
        seen = tx.get(Note, "mark")
        if runs == 1:
            put(others, Note(id="mark"), Note(id="effect"))
        if seen is not None:
            return "repeated"
        tx.add(Note(id="mark"))
        tx.add(Note(id="effect"))
        return "applied"

    assert documents.transact(body) == "repeated"


def test_an_add_of_what_is_there_is_told_with_its_name(documents: FirestoreDocuments) -> None:
    put(documents, Note(id="b"))

    def body(tx: Transaction) -> None:
        assert tx.get(Note, "mark") is None
        for id in ("mark", "a", "b"):
            tx.add(Note(id=id))

    with pytest.raises(Exists, match=r"^Note b$"):
        documents.transact(body)

    assert documents.get(Note, "mark") is None


def test_one_that_always_comes_second_is_told_to_come_again(project: str, others: FirestoreDocuments) -> None:
    runs = 0

    def body(tx: Transaction) -> None:
        nonlocal runs
        tx.get(Note, "counter")
        others.transact(increment)
        runs += 1
        tx.put(Note(id="counter", number=-1))

    began = time.monotonic()
    with (
        closing(FirestoreDocuments(f"firestore://{project}", transaction=6)) as documents,
        pytest.raises(Contention, match="not committed within 6 s"),
    ):
        documents.transact(body)

    assert time.monotonic() - began < 30
    assert counted(others) == runs > 5


# ---- lost answers, silence, refusals


def test_a_commit_whose_answer_is_lost_is_told_as_unknown_and_happens_once(
    line: Line, documents: FirestoreDocuments
) -> None:
    """To run the body again would count twice; to say Exists would be said of our own record."""
    documents.transact(increment)

    def body(tx: Transaction) -> None:
        increment(tx)
        tx.add(Note(id="new"))
        line.lose_answers()

    with pytest.raises(Transient) as told:
        documents.transact(body)

    assert not isinstance(told.value, Contention)
    assert told.value.__cause__ is not None
    assert counted(documents) == 2
    assert documents.get(Note, "new") == Note(id="new")


def test_a_read_whose_answer_is_lost_is_asked_again(line: Line, documents: FirestoreDocuments) -> None:
    documents.transact(increment)
    line.lose_answers()

    assert counted(documents) == 1


def answers_of(documents: FirestoreDocuments) -> list[Callable[[], object]]:
    return [
        lambda: documents.get(Note, "n"),
        lambda: documents.query(queries.BATCHES),
        lambda: documents.transact(lambda tx: tx.get(Note, "n")),
        lambda: put(documents, Note(id="n")),
    ]


def test_where_nobody_listens_it_is_transient_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", nobody())
    with closing(FirestoreDocuments("firestore://p", call=60, transaction=60)) as documents:
        for ask in answers_of(documents):
            began = time.monotonic()
            with pytest.raises(Transient, match="ServiceUnavailable"):
                ask()
            assert time.monotonic() - began < 20


def test_where_nobody_answers_it_is_transient_within_the_bound(line: Line) -> None:
    line.fall_silent()
    with closing(FirestoreDocuments("firestore://p", call=1, transaction=2)) as documents:
        for ask in answers_of(documents):
            began = time.monotonic()
            with pytest.raises(Transient, match="DeadlineExceeded"):
                ask()
            assert time.monotonic() - began < 20


def test_a_transaction_is_over_in_time_for_its_lease() -> None:
    """However many calls it makes, with the last one begun just before the end."""
    documents = FirestoreDocuments("firestore://p")

    assert documents._call <= 10
    assert documents._transaction <= 20


@pytest.mark.parametrize(
    "code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED", "CANCELLED", "DATA_LOSS"]
)
def test_what_may_pass_is_transient(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    with refusing(code) as host:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        with closing(FirestoreDocuments("firestore://p", call=0.5, transaction=1)) as documents:
            for ask in answers_of(documents):
                with pytest.raises(Transient) as told:
                    ask()
                assert told.value.__cause__ is not None


def test_a_store_that_always_aborts_is_contention(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing("ABORTED") as host:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        with closing(FirestoreDocuments("firestore://p", transaction=1)) as documents:
            for ask in answers_of(documents):
                with pytest.raises(Contention):
                    ask()


@pytest.mark.parametrize(
    "code", ["NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION", "UNIMPLEMENTED"]
)
def test_what_somebody_has_to_put_right_is_said(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """No database, no permission, no index: to come again would never help."""
    with refusing(code) as host:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", host)
        with closing(FirestoreDocuments("firestore://p/d")) as documents:
            for ask in answers_of(documents):
                with pytest.raises(ConfigError, match="firestore://p/d: for the sake of a test"):
                    ask()


# ---- processes


def count_in_child(documents: FirestoreDocuments) -> None:
    documents.transact(increment)
    documents.close()


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("used", [False, True], ids=["before", "after"])
def test_a_fork_opens_its_own_connection_and_leaves_its_parent_s_alone(
    documents: FirestoreDocuments, used: bool
) -> None:
    """The server forks its workers after it has loaded us."""
    if used:
        documents.transact(increment)
    child = multiprocessing.get_context("fork").Process(target=count_in_child, args=(documents,))
    child.start()
    child.join(60)
    documents.transact(increment)

    assert child.exitcode == 0
    assert counted(documents) == (3 if used else 2)


def test_threads_in_their_bodies_do_not_take_each_other_for_nested(documents: FirestoreDocuments) -> None:
    together = threading.Barrier(2)

    def work(who: int) -> int:
        def body(tx: Transaction) -> int:
            tx.get(Note, "n")
            together.wait(60)
            return who

        return documents.transact(body)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [0, 1]
