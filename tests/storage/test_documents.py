"""What every documents adapter promises."""

import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from shared.domain.batch import Batch, Status
from shared.domain.files import File, Garbage
from shared.domain.ledger import LedgerEntry
from shared.domain.messages import Message, Outbox
from shared.domain.shard import Shard, ShardStatus
from shared.storage import queries
from shared.storage.ports import Documents, Exists, Query, Record, Transaction
from tests.storage.records import Note, any_of, batch, file, full

KINDS = sorted({query.kind for query in queries.ALL} | {LedgerEntry}, key=lambda kind: kind.__name__)


def put(documents: Documents, *records: Record) -> None:
    def body(tx: Transaction) -> None:
        for record in records:
            tx.put(record)

    documents.transact(body)


def write(tx: Transaction, writes: Iterable[tuple[str, int]]) -> None:
    """Writes to the record `m`, one after the other."""
    for how, number in writes:
        if how == "delete":
            tx.delete(Note, "m")
        else:
            getattr(tx, how)(Note(id="m", number=number))


def ids(records: list[Any]) -> list[str]:
    return [record.id for record in records]


# ---- records


def test_what_was_never_stored_is_none(documents: Documents) -> None:
    assert documents.get(Batch, "batch_a") is None
    assert documents.transact(lambda tx: tx.get(Batch, "batch_a")) is None


@pytest.mark.parametrize("make", [full, any_of], ids=["all fields set", "only the necessary"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_record_comes_back_as_it_was(
    documents: Documents, kind: type[Any], make: Callable[[type[Any]], Record]
) -> None:
    """Enumerations as keys and as values, tuples, nested dataclasses, None, awkward text, the largest integers."""
    record = make(kind)
    put(documents, record)

    found = documents.get(kind, record.id)

    assert found == record
    assert repr(found) == repr(record)  # equality alone would let a plain string pass for a Status


def test_empty_is_not_none(documents: Documents) -> None:
    put(documents, batch(id="a", metadata={}), batch(id="b", metadata=None), batch(id="c", metadata={"": ""}))

    found = [documents.get(Batch, id) for id in "abc"]

    assert [each and each.metadata for each in found] == [{}, None, {"": ""}]


def test_a_put_replaces_the_whole_record(documents: Documents) -> None:
    put(documents, batch(metadata={"a": "1"}, due_at=5))
    put(documents, batch(metadata=None, due_at=None))

    assert documents.get(Batch, "batch_a") == batch()


def test_kinds_do_not_share_ids(documents: Documents) -> None:
    put(documents, Note(id="x", number=1), file(id="x"))

    documents.transact(lambda tx: tx.delete(Note, "x"))

    assert documents.get(Note, "x") is None
    assert documents.get(File, "x") == file(id="x")


def test_deleting_what_is_not_there_is_no_error(documents: Documents) -> None:
    documents.transact(lambda tx: tx.delete(Note, "x"))


def newer_note() -> Record:
    """A Note as a later version writes it."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Note:
        id: str
        number: int
        colour: str = "red"
        seen: dict[str, int] = field(default_factory=dict)

    return Note(id="m", number=1, seen={"a": 1})


def test_a_field_of_a_newer_version_is_passed_over(documents: Documents) -> None:
    """For the minutes of a roll-out, both versions read what the other one writes."""
    put(documents, newer_note())

    assert documents.get(Note, "m") == Note(id="m", number=1)


def test_a_field_that_an_older_version_did_not_write_has_its_default(documents: Documents) -> None:
    put(documents, Note(id="m", number=1))

    found: Any = documents.get(type(newer_note()), "m")

    assert (found.colour, found.seen) == ("red", {})


# ---- transactions


def test_a_transaction_gives_what_its_body_returns(documents: Documents) -> None:
    put(documents, Note(id="m", number=1))

    assert documents.transact(lambda tx: tx.get(Note, "m")) == Note(id="m", number=1)


def test_a_body_that_raises_has_written_nothing(documents: Documents) -> None:
    put(documents, Note(id="old", number=1))

    def body(tx: Transaction) -> None:
        tx.put(Note(id="old", number=2))
        tx.add(Note(id="new", number=1))
        tx.delete(Note, "old")
        raise LookupError("changed my mind")

    with pytest.raises(LookupError, match="changed my mind"):
        documents.transact(body)

    assert documents.get(Note, "old") == Note(id="old", number=1)
    assert documents.get(Note, "new") is None


def test_adding_a_taken_id_applies_nothing_of_the_transaction(documents: Documents) -> None:
    put(documents, Note(id="taken", number=1))

    def body(tx: Transaction) -> None:
        tx.put(Note(id="before", number=1))
        tx.add(Note(id="taken", number=2))
        tx.put(Note(id="behind", number=1))  # reached: an `add` is not judged before the commit

    with pytest.raises(Exists):
        documents.transact(body)

    assert documents.get(Note, "taken") == Note(id="taken", number=1)
    assert documents.get(Note, "before") is documents.get(Note, "behind") is None


def test_an_id_may_be_added_again_after_its_deletion(documents: Documents) -> None:
    put(documents, Note(id="m", number=1))
    documents.transact(lambda tx: tx.delete(Note, "m"))

    documents.transact(lambda tx: tx.add(Note(id="m", number=2)))

    assert documents.get(Note, "m") == Note(id="m", number=2)


def test_what_is_read_in_one_go_is_what_each_read_gives(documents: Documents) -> None:
    put(documents, Note(id="a", number=1), batch(id="a"))

    def body(tx: Transaction) -> list[Any]:
        tx.prefetch((Note, "a"), (Note, "b"), (Batch, "a"), (Note, "a"))
        return [tx.get(Note, "a"), tx.get(Note, "b"), tx.get(Batch, "a")]

    assert documents.transact(body) == [Note(id="a", number=1), None, batch(id="a")]


def test_reading_in_one_go_comes_before_writes_too(documents: Documents) -> None:
    def body(tx: Transaction) -> None:
        tx.put(Note(id="a"))
        tx.prefetch((Note, "b"))

    with pytest.raises(RuntimeError, match="reads come before writes"):
        documents.transact(body)


@pytest.mark.parametrize(
    "write",
    [
        lambda tx: tx.put(Note(id="m", number=1)),
        lambda tx: tx.add(Note(id="m", number=1)),
        lambda tx: tx.delete(Note, "m"),
    ],
    ids=["put", "add", "delete"],
)
def test_a_read_after_a_write_is_refused(documents: Documents, write: Callable[[Transaction], None]) -> None:
    def body(tx: Transaction) -> None:
        write(tx)
        tx.get(Note, "other")

    with pytest.raises(RuntimeError):
        documents.transact(body)

    assert documents.get(Note, "m") is None


@pytest.mark.parametrize(
    ("writes", "left"),
    [
        ((("put", 1), ("put", 2)), 2),
        ((("add", 1), ("put", 2)), 2),
        ((("put", 1), ("delete", 0)), None),
        ((("add", 1), ("delete", 0)), None),
        ((("delete", 0), ("add", 2)), 2),
        ((("delete", 0), ("put", 2)), 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("read", [False, True], ids=["unread", "read"])
def test_of_several_writes_of_one_record_the_last_counts(
    documents: Documents, writes: tuple[tuple[str, int], ...], left: int | None, read: bool
) -> None:
    there = writes[0][0] != "add"
    if there:
        put(documents, Note(id="m"))

    def body(tx: Transaction) -> None:
        if read:
            assert (tx.get(Note, "m") is not None) == there
        write(tx, writes)

    documents.transact(body)

    assert documents.get(Note, "m") == (None if left is None else Note(id="m", number=left))


@pytest.mark.parametrize("writes", [(("put", 1), ("add", 2)), (("add", 1), ("add", 2))], ids=str)
def test_what_was_written_a_moment_ago_cannot_be_added(
    documents: Documents, writes: tuple[tuple[str, int], ...]
) -> None:
    with pytest.raises(Exists):
        documents.transact(lambda tx: write(tx, writes))

    assert documents.get(Note, "m") is None


def test_what_the_transaction_has_read_cannot_be_added(documents: Documents) -> None:
    put(documents, Note(id="m", number=1))

    def body(tx: Transaction) -> None:
        assert tx.get(Note, "m") == Note(id="m", number=1)
        tx.add(Note(id="m", number=2))

    with pytest.raises(Exists):
        documents.transact(body)

    assert documents.get(Note, "m") == Note(id="m", number=1)


def test_deleting_what_was_read_as_missing_is_no_error(documents: Documents) -> None:
    def body(tx: Transaction) -> None:
        assert tx.get(Note, "m") is None
        tx.delete(Note, "m")
        tx.put(Note(id="n"))

    documents.transact(body)

    assert documents.get(Note, "n") == Note(id="n")


@pytest.mark.parametrize(
    "around",
    [
        lambda documents: documents.get(Note, "n"),
        lambda documents: documents.query(queries.BATCHES),
        lambda documents: documents.transact(lambda _: None),
    ],
    ids=["get", "query", "transact"],
)
def test_a_body_that_goes_around_its_transaction_is_told(
    documents: Documents, around: Callable[[Documents], object]
) -> None:
    """It would see other data than the transaction, or wait for itself."""
    with pytest.raises(RuntimeError, match="transaction"):
        documents.transact(lambda _: around(documents))

    put(documents, Note(id="n"))


def test_a_transaction_that_is_over_takes_nothing(documents: Documents) -> None:
    kept = documents.transact(lambda tx: tx)

    uses: list[Callable[[], object]] = [
        lambda: kept.get(Note, "n"),
        lambda: kept.put(Note(id="n")),
        lambda: kept.add(Note(id="n")),
        lambda: kept.delete(Note, "n"),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match="over"):
            use()


@pytest.mark.parametrize("strict", [False, True], ids=["returns", "raises"])
def test_what_a_body_makes_of_its_reads_is_of_one_moment(documents: Documents, strict: bool) -> None:
    """Even where it writes nothing: a sum that never was must not decide anything."""
    put(documents, Note(id="left", number=50), Note(id="right", number=50))

    def total(tx: Transaction, moving: list[Callable[[], None]]) -> int:
        left = tx.get(Note, "left")
        while moving:
            moving.pop()()
        right = tx.get(Note, "right")
        assert left is not None
        assert right is not None
        if strict and left.number + right.number != 100:
            raise LookupError("something is missing")
        return left.number + right.number

    with ThreadPoolExecutor(1) as pool:

        def move(amount: int) -> None:
            """Between two reads, where the store lets anybody write there; or else as soon as it does."""
            notes = (Note(id="left", number=50 - amount), Note(id="right", number=50 + amount))
            wait([pool.submit(put, documents, *notes)], timeout=0.2)

        for amount in range(1, 6):
            moving: list[Callable[[], None]] = [partial(move, amount)]
            assert documents.transact(partial(total, moving=moving)) == 100
            assert moving == []
    assert documents.get(Note, "right") == Note(id="right", number=55)


def test_what_was_only_read_still_is_so_when_the_rest_is_written(documents: Documents) -> None:
    """Each may switch its own light on while the other's is off: never are both on."""

    def switch_on(tx: Transaction, mine: str, other: str) -> bool:
        if tx.get(Note, other) is not None:
            return False
        tx.put(Note(id=mine))
        return True

    for number in range(2):
        names = (f"left-{number}", f"right-{number}")
        together = threading.Barrier(2)

        def work(mine: str, other: str, together: threading.Barrier = together) -> bool:
            together.wait()
            return documents.transact(lambda tx: switch_on(tx, mine, other))

        with ThreadPoolExecutor(2) as pool:
            switched = list(pool.map(work, names, names[::-1]))

        assert sorted(switched) == [False, True]
        assert [documents.get(Note, name) is not None for name in names] == switched


def test_no_update_is_lost_however_many_write_at_once(documents: Documents) -> None:
    threads, times = 4, 10

    def increment(tx: Transaction) -> None:
        seen = tx.get(Note, "counter")
        tx.put(Note(id="counter", number=1 if seen is None else seen.number + 1))

    def work(_: int) -> None:
        for _ in range(times):
            documents.transact(increment)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))

    assert documents.get(Note, "counter") == Note(id="counter", number=threads * times)


def test_of_many_who_apply_the_same_fact_one_does(documents: Documents) -> None:
    """A mark, the change and its outbox row in one transaction: this is why duplicated messages are harmless."""
    put(documents, batch())
    together = threading.Barrier(4)

    def apply(tx: Transaction, who: int) -> bool:
        seen, found = tx.get(Note, "job 1 ended"), tx.get(Batch, "batch_a")
        if seen is not None or found is None:
            return False
        tx.add(Note(id="job 1 ended", number=1))
        tx.put(replace(found, epoch=found.epoch + 1))
        tx.add(Outbox(id=f"o{who}", message=Message(step="finish", batch="batch_a"), due_at=1))
        return True

    def work(who: int) -> bool:
        together.wait()
        return documents.transact(lambda tx: apply(tx, who))

    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(work, range(4)))

    assert sorted(applied) == [False, False, False, True]
    assert documents.get(Batch, "batch_a") == batch(epoch=1)
    assert len(documents.query(queries.OUTBOX_DUE)) == 1


# ---- queries


def model(query: Query, values: tuple[object, ...], records: list[Any], at_most: int | None, after: Any) -> list[Any]:
    """The same question, asked of a list."""

    def rank(record: Any) -> tuple[int, str]:
        return getattr(record, query.order), record.id

    found = [
        record
        for record in records
        if tuple(getattr(record, name) for name in query.equal) == values
        and getattr(record, query.order) is not None
        and (at_most is None or getattr(record, query.order) <= at_most)
    ]
    found.sort(key=rank, reverse=query.descending)
    if after is None:
        return found
    return [each for each in found if (rank(each) < rank(after) if query.descending else rank(each) > rank(after))]


NULLABLE = {(Batch, "due_at"), (Shard, "due_at"), (File, "expires_at"), (Batch, "input_object")}


def choices(query: Query, name: str) -> list[Any]:
    if name == query.order:
        some: list[Any] = [0, 1, 2, 3]
    elif (query.kind, name) == (Batch, "status"):
        some = [Status.VALIDATING, Status.COMPLETED]
    elif (query.kind, name) == (Shard, "status"):
        some = [ShardStatus.WAITING, ShardStatus.ENDED]
    else:
        some = ["a", "b'\"%"]
    return [*some, None] if (query.kind, name) in NULLABLE else some


@pytest.mark.parametrize("query", queries.ALL, ids=str)
def test_a_query_finds_what_a_search_of_everything_finds(documents: Documents, query: Query) -> None:
    """Equal values, missing values, bounds, positions and limits, for each query that is declared."""
    dice = random.Random(str(query))
    fields = {name: choices(query, name) for name in (*query.equal, query.order)}
    records = [
        any_of(
            query.kind,
            id=f"{dice.choice('abAB_-')}{number:02d}",
            **{name: dice.choice(of) for name, of in fields.items()},
        )
        for number in range(40)
    ]
    put(documents, *records)

    for _ in range(60):
        values = tuple(dice.choice(fields[name]) for name in query.equal)
        at_most = dice.choice([None, None, -1, 0, 2, 9])
        after = dice.choice([None, *(record for record in records if getattr(record, query.order) is not None)])
        limit = dice.choice([1, 3, 100])
        found = documents.query(query, *values, at_most=at_most, after=after, limit=limit)
        assert found == model(query, values, records, at_most, after)[:limit]


def test_one_kind_s_records_are_not_found_among_another_s(documents: Documents) -> None:
    put(documents, batch(id="x"), file(id="y"))

    assert ids(documents.query(queries.BATCHES)) == ["x"]


def test_up_to_a_hundred_are_found_unless_told_otherwise(documents: Documents) -> None:
    put(documents, *(any_of(Garbage, id=f"{number:03d}") for number in range(101)))

    assert len(documents.query(queries.GARBAGE_DUE)) == 100
    assert len(documents.query(queries.GARBAGE_DUE, limit=101)) == 101


def test_a_record_is_found_by_what_it_is_now(documents: Documents) -> None:
    put(documents, batch(owner="ann", due_at=1))
    put(documents, batch(owner="bob", due_at=None))

    assert documents.query(queries.BATCHES_OF_OWNER, "ann") == []
    assert ids(documents.query(queries.BATCHES_OF_OWNER, "bob")) == ["batch_a"]
    assert documents.query(queries.BATCHES_DUE) == []


@pytest.mark.parametrize("query", queries.FILES, ids=["ascending", "descending"])
def test_paging_goes_on_behind_a_record_that_is_gone(documents: Documents, query: Query) -> None:
    """The client holds an id as its place; another client may delete that file meanwhile."""
    put(documents, *(file(id=f"file-{number}", created_at=1) for number in range(4)))
    first = documents.query(query, limit=2)

    documents.transact(lambda tx: tx.delete(File, first[-1].id))

    assert len(documents.query(query, after=first[-1])) == 2


@pytest.mark.parametrize("query", queries.FILES, ids=["ascending", "descending"])
def test_paging_shows_each_once_and_leaves_no_gap_while_others_insert(documents: Documents, query: Query) -> None:
    before = [file(id=f"file-{number:03d}", created_at=100 + number // 7) for number in range(60)]
    put(documents, *before)
    stop = threading.Event()

    def insert() -> None:
        dice = random.Random(1)
        for number in range(3_000):  # else whoever reads might never catch up
            if stop.is_set():
                return
            put(documents, file(id=f"file-x{number}", created_at=dice.randint(90, 120)))

    inserting = threading.Thread(target=insert)
    inserting.start()
    try:
        seen: list[Any] = []
        while page := documents.query(query, after=seen[-1] if seen else None, limit=5):
            seen += page
    finally:
        stop.set()
        inserting.join()

    assert len(set(ids(seen))) == len(seen)
    assert set(ids(before)) <= set(ids(seen))
    ranks = [(record.created_at, record.id) for record in seen]
    assert ranks == sorted(ranks, reverse=query.descending)


def test_a_position_without_an_order_value_is_refused(documents: Documents) -> None:
    with pytest.raises(ValueError, match="due_at"):
        documents.query(queries.BATCHES_DUE, after=batch(due_at=None))


@pytest.mark.parametrize("values", [(), ("ann", "bob")], ids=["too few", "too many"])
def test_a_query_without_its_values_is_refused(documents: Documents, values: tuple[str, ...]) -> None:
    """One missing value must never mean "anybody's"."""
    with pytest.raises(ValueError, match="values"):
        documents.query(queries.BATCHES_OF_OWNER, *values)


def test_a_query_that_was_not_declared_is_refused(documents: Documents) -> None:
    """It would have no index."""
    with pytest.raises(ValueError, match="not declared"):
        documents.query(Query(kind=Batch, equal=("team",)), "t")


@pytest.mark.parametrize("id", ["", ".", "..", "__x__", "a/b", "é" * 751, "\ud800"])
def test_an_id_that_some_store_would_refuse_is_refused_by_each(documents: Documents, id: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: documents.get(Note, id),
        lambda: documents.transact(lambda tx: tx.get(Note, id)),
        lambda: documents.transact(lambda tx: tx.delete(Note, id)),
        lambda: put(documents, Note(id=id)),
        lambda: documents.transact(lambda tx: tx.add(Note(id=id))),
    ]
    for act in acts:
        with pytest.raises(ValueError, match=r"id|surrogates"):
            act()


def test_a_value_that_some_store_cannot_search_for_is_refused_by_each(documents: Documents) -> None:
    for value in ("é" * 750, "x" * 1_500):
        with pytest.raises(ValueError, match="owner is too long"):
            documents.query(queries.BATCHES_OF_OWNER, value)
    assert documents.query(queries.BATCHES_OF_OWNER, "x" * 1_499) == []
