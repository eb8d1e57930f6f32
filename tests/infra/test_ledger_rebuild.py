"""`infra/dev ledger rebuild`: a store of a version that had no sums by day is right afterwards, whatever happens."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.cloud.firestore import Client

from infra.ledger import main
from infra.ledger_rebuild import Moving, Rebuilt, rebuild
from shared.app import open_documents
from shared.domain.access import MASTER
from shared.domain.batch import Batch
from shared.domain.ledger import LedgerEntry, TagDay
from shared.domain.shard import Shard
from shared.storage.firestore import layout
from shared.storage.queries import BATCHES, DAYS, JOBS, LEDGER, LEDGER_OF_BATCH, LEDGER_OF_KEY, TAG_DAYS
from shared.storage.sqlite import SqliteDocuments
from tests.infra.test_ledger import checked, first, one_more, put, ran, text_of
from tests.steps.world import EMBED, World, chat, embed

SINCE: dict[type[Any], set[str]] = {  # fields that records of that version do not have
    Batch: {"key", "user", "payers", "tags", "reserved", "tokens"},
    Shard: {"reserved"},
    LedgerEntry: {"key", "user", "provider", "counts", "tags", "started_at"},
}
SUMS = (DAYS, TAG_DAYS)


class Death(Exception):
    """The process is gone."""


@dataclass
class Watched:
    """The documents; `before` is called with the number of each transaction."""

    inner: Any
    before: Callable[[int], object] = lambda _: None
    transactions: int = field(default=0)

    def transact(self, body: Any) -> Any:
        self.transactions += 1
        self.before(self.transactions)
        return self.inner.transact(body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def old_records(root: Path) -> list[Any]:
    """Batches that have ended, one that is open, their shards, and their entries: all that is about money there."""
    world = World(root, rows_per_job=2)
    done = [
        world.start([chat(f"a{n}") for n in range(5)]),
        world.start([embed("d", "one", "two"), embed("e", "three")], EMBED),
        world.start([chat("b", model="odd"), chat("c", text="please fail")]),
    ]
    world.settle(*(batch.id for batch in done))
    open_ = world.start([chat(f"g{n}") for n in range(6)])
    world.pump(2)
    batches = [world.batch(batch.id) for batch in (*done, open_)]
    found = [
        *batches,
        *(shard for batch in batches for shard in world.shards(batch.id)),
        *world.documents.query(LEDGER),
    ]
    world.documents.close()
    return found


def as_json(record: Any) -> str:
    plain = json.loads(layout.encoded(record))
    return json.dumps({name: value for name, value in plain.items() if name not in SINCE[type(record)]})


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return old_records(tmp_path_factory.mktemp("old"))


def rows_of(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT kind, id, data FROM documents ORDER BY kind, id").fetchall()


@pytest.fixture
def old_file(old: list[Any], tmp_path: Path) -> Path:
    """A database that the version before has left."""
    path = tmp_path / "data" / "documents.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TABLE documents (kind TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (kind, id))"
        )
        rows = [(type(each).__name__, each.id, as_json(each)) for each in old]
        database.executemany("INSERT INTO documents VALUES (?, ?, ?)", rows)
        database.commit()
    return path


@pytest.fixture
def old_store(old_file: Path, tmp_path: Path) -> Iterator[World]:
    world = world_at(tmp_path, SqliteDocuments(f"sqlite://{old_file}"))
    yield world
    world.documents.close()


@pytest.fixture
def old_cloud(
    old: list[Any], tmp_path: Path, firestore_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Documents with the fields that were indexed then: none of the ledger's."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    project = f"rebuild-{uuid4().hex[:16]}"
    with closing(Client(project=project)) as console:
        for each in old:
            fields = {} if isinstance(each, LedgerEntry) else layout.indexed_fields(each)
            fields.pop("team", None)
            console.collection(type(each).__name__).document(each.id).set({**fields, layout.DATA: as_json(each)})
    world = world_at(tmp_path, open_documents(f"firestore://{project}/(default)"))
    yield world
    world.documents.close()


def world_at(root: Path, documents: Any) -> World:
    world = World(root / "objects")
    world.documents.close()
    world.documents = documents
    world.app = world.new_app()
    return world


def rebuilt(world: World, before: Callable[[int], object] = lambda _: None) -> Rebuilt:
    app = replace(world.app, documents=Watched(world.documents, before))
    return rebuild(app, pause=lambda _: None)


def entries_of(records: list[Any]) -> set[str]:
    return {each.id for each in records if isinstance(each, LedgerEntry)}


def test_a_store_of_the_version_before_is_wrong_and_then_right(old: list[Any], old_store: World) -> None:
    assert checked(old_store).code == 1
    assert old_store.documents.query(LEDGER_OF_KEY, MASTER) == []

    done = rebuilt(old_store)

    report = checked(old_store)
    assert report.code == 0, text_of(report)
    assert done.entries == report.look.counts["entries"] == len(entries_of(old)) > 4
    assert done.mended == done.sums == report.look.counts["days"] > 2
    assert {each.id for each in old_store.documents.query(LEDGER_OF_KEY, MASTER)} == entries_of(old)


def test_in_firestore_too_where_no_query_finds_an_entry(old: list[Any], old_cloud: World) -> None:
    assert old_cloud.documents.query(LEDGER) == []
    assert checked(old_cloud).code == 1

    rebuilt(old_cloud)

    report = checked(old_cloud)
    assert report.code == 0, text_of(report)
    assert {each.id for each in old_cloud.documents.query(LEDGER_OF_KEY, MASTER)} == entries_of(old)
    batch = first(old_cloud, LEDGER).batch
    assert {each.batch for each in old_cloud.documents.query(LEDGER_OF_BATCH, batch)} == {batch}
    assert rebuilt(old_cloud).mended == 0
    assert checked(old_cloud).code == 0


def test_what_was_collected_before_the_rebuild_keeps_its_sums(old_store: World) -> None:
    """By this version already: such an entry has made sums that the older ones are missing from."""
    batch = old_store.start([chat("after")], tags=("new",))
    old_store.settle(batch.id)
    tags = old_store.documents.query(TAG_DAYS)

    rebuilt(old_store)

    assert checked(old_store).code == 0
    assert old_store.documents.query(TAG_DAYS) == tags
    assert len(tags) == 1


def test_a_good_store_is_not_changed(tmp_path: Path) -> None:
    world = ran(tmp_path / "ran")
    path = tmp_path / "documents.db"
    copy = world_at(tmp_path, SqliteDocuments(f"sqlite://{path}"))
    found = [each for query in (BATCHES, JOBS, LEDGER, *SUMS) for each in world.documents.query(query, limit=1_000)]
    put(copy, *found, *(shard for each in found if isinstance(each, Batch) for shard in world.shards(each.id)))
    before = rows_of(path)

    done = [rebuilt(copy), rebuilt(copy)]

    assert rows_of(path) == before
    assert done[0] == done[1]
    assert done[0].mended == 0
    assert done[0].entries >= 7
    copy.documents.close()


def test_sums_of_nothing_go_and_wrong_ones_are_made_anew(tmp_path: Path) -> None:
    """A tag's sum in one piece, as it was before it was cut into slices, is one of nothing."""
    world = ran(tmp_path)
    tag = first(world, TAG_DAYS)
    put(world, replace(tag, id=tag.id[:-3]), replace(first(world, DAYS), entries=77))
    assert checked(world).code == 1

    assert rebuilt(world).mended == 2

    assert checked(world).code == 0
    assert world.documents.get(TagDay, tag.id[:-3]) is None


def test_it_may_die_before_any_transaction_and_be_done_again(
    old_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.ledger_rebuild._AT_ONCE", 2)
    raw = old_file.read_bytes()

    def die(at: int) -> Callable[[int], None]:
        def before(number: int) -> None:
            if number == at:
                raise Death

        return before

    died = True
    for at in count(1):
        old_file.write_bytes(raw)
        world = world_at(tmp_path, SqliteDocuments(f"sqlite://{old_file}"))
        try:
            rebuilt(world, die(at))
        except Death:
            rebuilt(world)
        else:
            died = False
        assert checked(world).code == 0
        world.documents.close()
        if not died:
            break
    assert at > 6


def test_what_is_collected_meanwhile_is_in_the_sums(tmp_path: Path) -> None:
    """Between the reading of the entries and the writing of the sums, and twice in a row."""
    world = ran(tmp_path)
    put(world, *(replace(each, entries=77) for each in world.documents.query(DAYS)))
    collected = list[int]()

    def collect(number: int) -> None:
        if number in {2, 3}:
            one_more(world, number)
            collected.append(number)

    rebuilt(world, collect)

    assert collected == [2, 3]
    report = checked(world)
    assert [each for each in report.differences if each.fact in {"days", "tags"}] == [], text_of(report)


def test_sums_that_never_stand_still_are_left_alone(tmp_path: Path) -> None:
    world = ran(tmp_path)
    put(world, *(replace(each, entries=77) for each in world.documents.query(DAYS)))

    def collect(number: int) -> None:
        if number > 1:
            one_more(world, number)

    with pytest.raises(Moving):
        rebuilt(world, collect)

    rebuilt(world)
    assert checked(world).code == 0


def test_the_command_makes_a_data_folder_right(old_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(old_file.parent)
    assert main(["check", "--data", folder]) == 1
    capsys.readouterr()

    assert main(["rebuild", "--data", folder]) == 0
    assert "entries written again" in capsys.readouterr().out
    assert main(["check", "--data", folder]) == 0
    after = rows_of(old_file)
    assert main(["rebuild", "--documents", f"sqlite://{old_file}"]) == 0
    assert rows_of(old_file) == after
    assert main(["rebuild", "--data", f"{folder}/nothing"]) == 2
