"""`infra/dev ledger check`: a store that adds up passes, and whatever is made wrong in it is found and named."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.ledger import Report, check, main
from infra.ledger_rebuild import rebuild
from shared.config import PriceOverride
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.batch import Batch, Counts
from shared.domain.clock import DAY
from shared.domain.cost import Cost
from shared.domain.keys import team_account, user_account
from shared.domain.ledger import SLICES, Day, LedgerEntry, TagDay
from shared.domain.passthrough import VertexJob
from shared.domain.shard import Shard, ShardStatus
from shared.pricing.book import Book
from shared.pricing.price import NAMES
from shared.steps.books import Books
from shared.steps.cancel import request_cancel
from shared.steps.commit import commit
from shared.storage.ports import Query
from shared.storage.queries import BATCHES, DAYS, JOBS, LEDGER, TAG_DAYS
from shared.storage.sqlite import SqliteDocuments
from tests.steps.world import EMBED, World, chat, embed

DEV = Path(__file__).resolve().parents[2] / "infra" / "dev"
KEY = "key-" + "a" * 24
CALLER = Caller(
    owner="user:ann",
    user="ann",
    team="blue",
    key=KEY,
    payers=(KEY, user_account("ann"), team_account("blue")),
    tags=("nightly",),
)
JOB = "job_" + "1" * 32
NOBODYS = "batch_" + "f" * 32
MODELS = ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-embedding-001", "gemini-unpriced-9")


def ran(root: Path) -> World:
    """A world in which batches have ended in several ways, and one is open."""
    world = World(root, rows_per_job=4)
    done = [
        world.start([chat(f"a{n}") for n in range(10)], caller=CALLER, tags=("red",)),
        world.start([chat("b", model="odd"), chat("c", text="please fail")], caller=CALLER),
        world.start([embed("d", "one", "two")], EMBED, caller=CALLER),
        world.start([chat("e")]),
    ]
    world.settle(*(batch.id for batch in done))
    cancelled = world.start([chat(f"f{n}") for n in range(6)], caller=CALLER)
    world.pump(2)
    request_cancel(world.app, cancelled.id)
    world.settle(cancelled.id)
    world.clock += DAY
    world.start([chat(f"g{n}") for n in range(6)], caller=CALLER)
    world.pump(2)
    _passed_through(world)
    return world


def _passed_through(world: World) -> None:
    job = VertexJob(
        id=JOB,
        owner=CALLER.owner,
        team="blue",
        key=KEY,
        user="ann",
        payers=CALLER.payers,
        group="flash",
        deployment="flash#0",
        location="global",
        output="gs://b/o",
        resource='{"state": "JOB_STATE_SUCCEEDED", "completionStats": {"successfulCount": "1"}}',
        created_at=world.clock,
        ended=True,
        cost=Cost(nano=150 * 1_000, priced_lines=1),
    )
    entry = LedgerEntry(
        id=job.id,
        batch=job.id,
        owner=job.owner,
        team=job.team,
        key=KEY,
        user="ann",
        group="flash",
        deployment="flash#0",
        provider="vertex_ai",
        model="gemini-2.5-flash",
        book=world.app.book.version,
        tokens={"text": 1_000},
        counts=Counts(completed=1),
        cost=job.cost,
        started_at=world.clock,
        created_at=world.clock,
    )

    def body(turn: Any) -> None:
        books = Books(world.app, turn, entry, job.payers)
        turn.add(job)
        books.write(released=0)

    commit(world.app, body)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Everything that such a world has written about money."""
    world = ran(tmp_path_factory.mktemp("ran"))
    found = [each for query in (BATCHES, JOBS, LEDGER, DAYS, TAG_DAYS) for each in world.documents.query(query)]
    shards = [shard for each in found if isinstance(each, Batch) for shard in world.shards(each.id)]
    accounts = [world.documents.get(Account, id) for id in CALLER.payers]
    return [*found, *shards, *accounts]


@pytest.fixture
def store(records: list[Any], tmp_path: Path) -> World:
    """A world in which nothing is left but those records."""
    world = World(tmp_path)
    put(world, *records)
    return world


def first(world: World, query: Any, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    return next(each for each in world.documents.query(query, limit=1_000) if wanted(each))


def put(world: World, *records: Any) -> None:
    def body(tx: Any) -> None:
        for record in records:
            tx.put(record)

    world.documents.transact(body)


def checked(world: World, **options: Any) -> Report:
    return check(world.app, pause=lambda _: None, **options)


def text_of(report: Report) -> str:
    out = io.StringIO()
    report.print(out)
    return out.getvalue()


def dear(entry: LedgerEntry) -> bool:
    return entry.cost.nano > 0 and "output" in entry.tokens and bool(entry.tags)


def test_a_store_after_a_run_adds_up(tmp_path: Path) -> None:
    """With batches that ended well, in part, cancelled and unpriced, one that is open, and a job passed through."""
    world = ran(tmp_path)
    report = checked(world, objects=True)

    assert report.code == 0, text_of(report)
    assert text_of(report).count("\nok   ") == text_of(report).count("\n") - 1
    assert report.look.counts["entries"] >= 7
    assert report.again["prices"][""] == report.look.counts["entries"]
    assert report.again["predictions"][""] >= 5, report.again
    account = world.documents.get(Account, KEY)
    assert account is not None
    assert account.spent > 0
    assert account.reserved > 0


def _entry_missing(world: World) -> str:
    entry = first(world, LEDGER, dear)
    world.documents.transact(lambda tx: tx.delete(LedgerEntry, entry.id))
    return str(entry.id)


def _entry_twice(world: World) -> str:
    entry = replace(first(world, LEDGER, dear), id="batch_a-0099")
    put(world, entry)
    return str(entry.id)


def _entry_dearer(world: World) -> str:
    entry = first(world, LEDGER, dear)
    put(world, replace(entry, cost=entry.cost + Cost(nano=1)))
    return str(entry.id)


def _entry_of_another_key(world: World) -> str:
    entry = first(world, LEDGER, dear)
    put(world, replace(entry, key="key-" + "b" * 24))
    return str(entry.batch)


def _entry_on_another_day(world: World) -> str:
    entry = first(world, LEDGER, dear)
    put(world, replace(entry, created_at=entry.created_at - 3 * DAY))
    return "20261"


def _entry_changed(**changes: Any) -> Callable[[World], str]:
    """What a wrong step would have written: the entry and all its sums say so."""

    def change(world: World) -> str:
        entry = first(world, LEDGER, dear)
        put(world, replace(entry, **changes))
        assert rebuild(world.app).code == 0
        return str(entry.id)

    return change


def _entry_of_a_time_before_its_batch(world: World) -> str:
    entry = first(world, LEDGER, dear)
    return _entry_changed(created_at=entry.created_at - 5 * DAY)(world)


def _entry_with_more_tokens(world: World) -> str:
    entry = first(world, LEDGER, dear)
    put(world, replace(entry, tokens={**entry.tokens, "output": entry.tokens["output"] + 1_000}))
    return str(entry.id)


def _entry_of_nobody(world: World) -> str:
    put(world, replace(first(world, LEDGER, dear), id=f"{NOBODYS}-0001", batch=NOBODYS))
    return NOBODYS


def _batch_cheaper(world: World) -> str:
    batch = first(world, BATCHES, lambda each: each.cost.nano > 0)
    put(world, replace(batch, cost=batch.cost + Cost(nano=-1)))
    return str(batch.id)


def _batch_ended_and_holds(world: World) -> str:
    batch = first(world, BATCHES, lambda each: each.terminal)
    put(world, replace(batch, reserved=5))
    return str(batch.id)


def _batch_open_and_holds_more(world: World) -> str:
    batch = first(world, BATCHES, lambda each: not each.terminal)
    put(world, replace(batch, reserved=batch.reserved + 5))
    return str(batch.id)


def _batch_with_more_usage(world: World) -> str:
    batch = first(world, BATCHES, lambda each: each.terminal and each.usage.input_tokens)
    put(world, replace(batch, usage=replace(batch.usage, input_tokens=1)))
    return str(batch.id)


def _shard_collected_without_entry(world: World) -> str:
    batch = first(world, BATCHES, lambda each: not each.terminal)
    shard = world.shards(batch.id)[0]
    put(world, replace(shard, status=ShardStatus.COLLECTED))
    return shard.id


def _shard_that_cost_less(world: World) -> str:
    entry = first(world, LEDGER, dear)
    shard = world.documents.get(Shard, entry.id)
    assert shard is not None
    assert shard.result is not None
    put(world, replace(shard, result=replace(shard.result, cost=Cost(nano=3, priced_lines=1))))
    return shard.id


def _account(**more: int) -> Callable[[World], str]:
    def change(world: World) -> str:
        account = world.documents.get(Account, team_account("blue"))
        assert account is not None
        put(world, replace(account, **{name: getattr(account, name) + by for name, by in more.items()}))
        return account.id

    return change


def test_what_was_spent_before_somebody_came_is_no_difference(tmp_path: Path) -> None:
    """An opening balance uses up the budget alone: entries, sums and what was ever spent are as without it."""
    world = ran(tmp_path)
    _account(before=-(10**12))(world)

    assert check(world.app, pause=lambda _: None).code == 0


def _account_of_nobody(world: World) -> str:
    put(world, Account(id=team_account("gone"), spent=7))
    return team_account("gone")


def _day_dearer(world: World) -> str:
    day = first(world, DAYS)
    put(world, replace(day, cost=day.cost + Cost(nano=1)))
    return str(day.id)


def _day_missing(world: World) -> str:
    day = first(world, DAYS)
    world.documents.transact(lambda tx: tx.delete(Day, day.id))
    return str(day.id)


def _day_too_many(world: World) -> str:
    day = replace(first(world, DAYS), id="20260101-x", day=20260101)
    put(world, day)
    return str(day.id)


def _day_of_another_team(world: World) -> str:
    day = first(world, DAYS)
    put(world, replace(day, team="red"))
    return str(day.id)


def _tag_cheaper(world: World) -> str:
    day = first(world, TAG_DAYS)
    put(world, replace(day, cost=day.cost + Cost(nano=-1)))
    return str(day.id)


def _tag_missing(world: World) -> str:
    day = first(world, TAG_DAYS)
    world.documents.transact(lambda tx: tx.delete(TagDay, day.id))
    return str(day.id)


def _tag_of_another_slice(world: World) -> str:
    day = first(world, TAG_DAYS)
    put(world, replace(day, slice=(day.slice + 1) % SLICES))
    return str(day.id)


def _job_free(world: World) -> str:
    job = world.documents.get(VertexJob, JOB)
    assert job is not None
    put(world, replace(job, cost=Cost()))
    return job.id


WRONG = {
    "an entry is missing": _entry_missing,
    "an entry is there twice": _entry_twice,
    "an entry is dearer than its tokens": _entry_dearer,
    "an entry is another key's": _entry_of_another_key,
    "an entry is of another day": _entry_on_another_day,
    "an entry and its sums have other counts": _entry_changed(counts=Counts(completed=999, failed=5)),
    "an entry and its sums are of another group": _entry_changed(group="another"),
    "an entry and its sums are of another deployment": _entry_changed(deployment="another#0"),
    "an entry and its sums are of another provider": _entry_changed(provider="another"),
    "an entry and its sums are older than their batch": _entry_of_a_time_before_its_batch,
    "an entry has more tokens": _entry_with_more_tokens,
    "an entry is nobody's": _entry_of_nobody,
    "a batch is cheaper than its entries": _batch_cheaper,
    "a batch has ended and holds something": _batch_ended_and_holds,
    "an open batch holds more than its shards": _batch_open_and_holds_more,
    "a batch says another usage": _batch_with_more_usage,
    "a collected shard has no entry": _shard_collected_without_entry,
    "a shard cost less than its entry": _shard_that_cost_less,
    "an account has spent more": _account(spent=1),
    "an account has spent less before than never": _account(before=10**12),
    "an account holds more": _account(reserved=1),
    "an account has more open": _account(open_batches=1),
    "an account has fewer tokens enqueued": _account(enqueued_tokens=-1),
    "an account that nobody names has spent something": _account_of_nobody,
    "a day is dearer": _day_dearer,
    "a day is missing": _day_missing,
    "a day is too many": _day_too_many,
    "a day is another team's": _day_of_another_team,
    "a tag is cheaper": _tag_cheaper,
    "a tag is missing": _tag_missing,
    "a tag's slice is another one": _tag_of_another_slice,
    "a job is free": _job_free,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_was_made_wrong_is_found_and_named(store: World, wrong: str) -> None:
    assert checked(store).code == 0
    id = WRONG[wrong](store)

    report = checked(store)

    assert report.code == 1
    assert any(id in str(each) for each in report.differences), text_of(report)
    assert "WRONG" in text_of(report)


def test_what_was_collected_while_its_deployment_was_not_configured_is_right(store: World) -> None:
    """Its provider was not known then, and nobody has to know it now."""
    _entry_changed(provider="")(store)

    assert checked(store).code == 0


def test_a_difference_tells_both_numbers(store: World) -> None:
    batch = first(store, BATCHES, lambda each: each.cost.nano > 0)
    put(store, replace(batch, cost=replace(batch.cost, nano=7)))

    found = next(each for each in checked(store).differences if each.id == batch.id)

    assert (found.fact, found.what) == ("batches", "cost")
    assert found.stored.startswith("7 nano-dollars")
    assert found.due.startswith(f"{batch.cost.nano:,} nano-dollars")


def test_predictions_that_say_something_else_are_found(tmp_path: Path) -> None:
    """An entry, its batch, its accounts and its sums were all changed alike: only the objects know better."""
    world = ran(tmp_path)
    entry = first(world, LEDGER, dear)
    put(world, replace(entry, tokens={**entry.tokens, "text": entry.tokens["text"] + 4}))

    report = checked(world, objects=True)

    assert any(each.fact == "predictions" and each.id == entry.id for each in report.differences), text_of(report)


def test_predictions_that_are_gone_are_counted_as_such(tmp_path: Path) -> None:
    world = ran(tmp_path)
    for stat in list(world.objects.list(f"gs://{world.app.work_bucket}/out/")):
        world.objects.delete(stat.name)

    report = checked(world, objects=True)

    assert report.code == 0
    assert report.again["predictions"]["whose predictions are gone"] > 0
    assert "not recomputable" in text_of(report)


def test_long_context_is_not_guessed(store: World) -> None:
    """The sums of an entry do not say how long each prompt was."""
    job = store.documents.get(LedgerEntry, JOB)
    assert job is not None
    long = replace(job, model="gemini-2.5-pro", tokens={"text": 300_000})
    put(store, long)
    assert checked(store).again["prices"]["perhaps with long context"] == 1
    put(store, replace(long, book="2020-01-01"))
    assert checked(store).again["prices"]["of another price book"] == 1


def test_amounts_whose_price_is_as_it_was_are_proved_after_others_have_changed(store: World) -> None:
    """The version of a book says that some price is another one, not which."""
    entries = store.documents.query(LEDGER, limit=1_000)
    before = checked(store).again["prices"][""]
    elsewhere = PriceOverride(model="somebody-elses", usd_per_million={"input": Decimal(1)})
    store.app = replace(store.app, book=Book.load((elsewhere,)))
    assert not any(entry.book == store.app.book.version for entry in entries)

    report = checked(store)

    assert (report.code, report.again["prices"]) == (0, {"": before})


def test_of_another_books_amounts_none_is_called_right_or_wrong_where_the_price_has_changed(store: World) -> None:
    entries = store.documents.query(LEDGER, limit=1_000)
    dearer = PriceOverride(model="gemini-2.5-flash", usd_per_million=dict.fromkeys(NAMES, Decimal(99)))
    store.app = replace(store.app, book=Book.load((dearer,)))

    report = checked(store)

    untold = sum(entry.model == "gemini-2.5-flash" and entry.cost.nano > 0 for entry in entries)
    assert (report.code, report.again["prices"]["of another price book"]) == (0, untold)


def test_where_no_amount_could_be_computed_again_it_is_not_said_to_be_right(store: World) -> None:
    prices = [PriceOverride(model=each, usd_per_million=dict.fromkeys(NAMES, Decimal(99))) for each in MODELS]
    free = [each for each in store.documents.query(LEDGER, limit=1_000) if not each.cost.nano]
    put(store, *(replace(each, cost=replace(each.cost, nano=1)) for each in free))
    store.app = replace(store.app, book=Book.load(tuple(prices)))

    report = checked(store)

    (line,) = (line for line in text_of(report).splitlines() if "computed again" in line)
    assert line.startswith("none   0 amounts computed again from their tokens; not recomputable: "), line


def test_what_moves_while_it_is_read_is_no_difference(store: World) -> None:
    """Somebody spends all the time: accounts and sums change between the pages of every look."""
    numbers = iter(range(1_000_000))
    busy = replace(store.app, documents=_Busy(store.documents, lambda: one_more(store, next(numbers))))

    for _ in range(3):
        assert check(busy, pause=lambda _: None).differences == []

    assert next(numbers) > 50
    assert checked(store).code == 0


def test_a_difference_is_found_while_others_spend(store: World) -> None:
    """What stands still is certain, however much moves around it."""
    id, number = _batch_cheaper(store), iter(range(1_000_000))

    report = check(store.app, pause=lambda _: one_more(store, next(number)))

    assert report.code == 1
    assert {each.id for each in report.differences} == {id}


class _Busy:
    """Documents of which something changes before every page that is read."""

    def __init__(self, inner: SqliteDocuments, change: Callable[[], object]) -> None:
        self._inner = inner
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def query(self, query: Query, *values: object, **bounds: Any) -> list[Any]:
        self._change()
        return self._inner.query(query, *values, **bounds)


def one_more(world: World, number: int) -> None:
    job, entry = world.documents.get(VertexJob, JOB), world.documents.get(LedgerEntry, JOB)
    assert job is not None
    assert entry is not None
    id, paid = f"job_{number:032x}", replace(entry, id=f"job_{number:032x}", batch=f"job_{number:032x}")

    def body(turn: Any) -> None:
        books = Books(world.app, turn, paid, job.payers)
        turn.add(replace(job, id=id))
        books.write(released=0)

    commit(world.app, body)


def test_the_command_proves_a_data_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    documents = SqliteDocuments(f"sqlite://{folder}/documents.db")
    documents.transact(lambda tx: tx.put(Account(id=KEY)))
    documents.close()

    assert main(["check", "--data", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("ok     0 entries of the ledger")
    assert main(["check", "--data", str(tmp_path / "nothing")]) == 2
    assert "there is no store" in capsys.readouterr().err

    documents = SqliteDocuments(f"sqlite://{folder}/documents.db")
    batch = Batch(
        id="batch_" + "0" * 32, owner="o", team=None, endpoint="/v1/embeddings", completion_window="24h",
        input_file_id="f", input_object=None, created_at=1, expires_at=2, cost=Cost(nano=5, priced_lines=1),
    )  # fmt: skip
    documents.transact(lambda tx: tx.put(batch))
    documents.close()
    assert main(["check", "--documents", f"sqlite://{folder}/documents.db"]) == 1
    assert batch.id in capsys.readouterr().out


def test_it_is_a_command_of_infra_dev() -> None:
    done = subprocess.run(
        [sys.executable, str(DEV), "ledger", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ},
    )
    assert done.returncode == 0
    assert "--documents" in done.stdout
