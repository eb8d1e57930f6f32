"""What ran is charged though its batch is over: given up, or ended while a job still went on at the provider."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.ledger import check as check_ledger
from shared.config import Config, Deployment
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.batch import Status
from shared.domain.clock import DAY, MINUTE
from shared.domain.cost import Cost
from shared.domain.ledger import LedgerEntry
from shared.domain.messages import Message
from shared.domain.shard import Shard
from shared.providers.base import Media, Provider
from shared.providers.vertex.client import VertexClient
from shared.steps import collect as collecting
from shared.steps import recount
from shared.steps.cancel import request_cancel
from shared.steps.check import check
from shared.steps.dead import record_dead
from shared.steps.run import run
from tests.steps.accountant import account, check_money, check_nothing_held
from tests.steps.checker import check_nothing_left
from tests.steps.world import EMBED, World, chat, embed

ME = Caller(owner="key:k", key="key-1", payers=("key-1",))


def step(world: World, rounds: int, pause: int) -> None:
    for _ in range(rounds):
        world.pump()
        world.clock += pause
        world.sweep()


def entries(world: World, id: str) -> list[LedgerEntry]:
    """Of all shards, of which each has one; all that is written about money agrees."""
    found = world.ledger(id)
    shards = world.shards(id)
    assert [entry.id for entry in found] == [shard.id for shard in shards]
    assert not any(shard.owes or shard.due_at for shard in shards)
    check_money(world, ["key-1"])
    report = check_ledger(world.app, objects=True, pause=lambda _: None)
    assert (report.code, report.differences) == (0, [])
    return found


class Stubborn(World):
    """Its Vertex takes note of a cancel, and goes on."""

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        def going_on(request: httpx.Request) -> httpx.Response:
            if not request.url.path.endswith(":cancel"):
                return self.upstream(request)
            self.upstream.journal.append("cancel")
            return httpx.Response(200, json={})

        provider = super().open_provider(deployment, media)
        http = httpx.Client(transport=httpx.MockTransport(going_on))
        return replace(provider, client=VertexClient(deployment, http=http))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[World, str]:
    """A batch of two shards whose jobs have succeeded; whatever collects the rows of the first crashes."""
    world = World(tmp_path, rows_per_job=1)
    world.documents.transact(lambda tx: tx.put(Account(id="key-1", name="k", max_budget=10**12)))
    batch = world.start([chat("a"), chat("b")], caller=ME)
    world.pump()
    world.clock += 5_000
    collected = collecting._collected

    def poisoned(app: Any, held: Any, *rest: Any) -> Any:
        if held.record.id == f"{batch.id}-0001":
            raise RuntimeError("a bug")
        return collected(app, held, *rest)

    monkeypatch.setattr(collecting, "_collected", poisoned)
    check(world.app, f"{batch.id}-0001")
    return world, batch.id


def test_of_a_batch_that_was_given_up_what_ran_is_charged_and_what_was_not_read_has_no_price(
    two: tuple[World, str],
) -> None:
    world, id = two
    for _ in range(3):
        record_dead(world.app, Message(step="collect", shard=f"{id}-0001"), "five times")
    assert world.batch(id).status is Status.FAILED
    step(world, 30, 10_000)

    lost, read = entries(world, id)
    assert (lost.cost, lost.tokens) == (Cost(unpriced_lines=1), {})
    assert (read.cost.priced_lines, read.cost.unpriced_lines, sum(read.tokens.values())) == (1, 0, 10)
    assert world.batch(id).cost == lost.cost + read.cost
    assert account(world, "key-1").spent == read.cost.nano > 0
    check_nothing_held(world, ["key-1"])
    check_nothing_left(world, id)


def test_the_lines_of_a_job_whose_rows_were_given_up_have_no_price(
    two: tuple[World, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, id = two
    record_dead(world.app, Message(step="collect", shard=f"{id}-0001"), "five times")
    monkeypatch.undo()
    world.settle(id)

    assert world.batch(id).status is Status.COMPLETED
    lost, read = entries(world, id)
    assert (lost.cost, lost.counts.failed) == (Cost(unpriced_lines=1), 1)
    assert read.cost.priced_lines == 1


def test_what_never_ran_costs_nothing_when_its_batch_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    batch = world.start([chat("a")], caller=ME)
    run(world.app, Message(step="prepare", batch=batch.id))
    finishing = replace(world.batch(batch.id), output_file_id="file-x")
    world.documents.transact(lambda tx: tx.put(finishing))

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("shared.steps.finish._file", broken)
    record_dead(world.app, Message(step="finish", batch=batch.id), "five times")
    assert world.batch(batch.id).status is Status.FAILED
    step(world, 10, 10_000)

    (entry,) = entries(world, batch.id)
    assert (entry.cost, entry.counts.failed, world.upstream.created()) == (Cost(), 1, [])


def cancelled(world: World) -> str:
    """A batch of two lines whose job still goes on ten minutes after its cancel."""
    world.documents.transact(lambda tx: tx.put(Account(id="key-1", name="k", max_budget=10**12)))
    batch = world.start([chat("a"), chat("b")], caller=ME)
    world.pump()
    world.clock += 5_000
    request_cancel(world.app, batch.id)
    step(world, 125, 5_000)
    done = world.batch(batch.id)
    assert (done.status, done.counts.completed, done.cost) == (Status.CANCELLED, 0, Cost())
    assert done.stamps[Status.CANCELLED] - done.stamps[Status.CANCELLING] < 11 * MINUTE
    check_money(world, ["key-1"])
    assert check_ledger(world.app, pause=lambda _: None).code == 0
    assert world.ledger(batch.id) == []
    return batch.id


def test_a_job_that_outlives_its_cancelled_batch_is_charged_once_it_is_over(tmp_path: Path) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * MINUTE
    id = cancelled(world)
    before = world.batch(id)
    step(world, 90, MINUTE)

    (entry,) = entries(world, id)
    assert (entry.cost.priced_lines, sum(entry.tokens.values())) == (2, 20)
    done = world.batch(id)
    assert (done.cost, done.usage.input_tokens) == (entry.cost, 14)
    assert account(world, "key-1").spent == entry.cost.nano > 0
    assert (done.status, done.counts, done.stamps) == (before.status, before.counts, before.stamps)
    check_nothing_held(world, ["key-1"])
    check_nothing_left(world, id)


@pytest.mark.parametrize(("state", "unpriced"), [("CANCELLED", 2), ("EXPIRED", 2), ("FAILED", 0)])
def test_a_job_that_was_stopped_and_says_no_counts_has_no_price(tmp_path: Path, state: str, unpriced: int) -> None:
    """One that failed as a whole is not charged by Vertex."""
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * MINUTE
    id = cancelled(world)
    world.upstream.writes, world.upstream.ends_as = False, f"JOB_STATE_{state}"
    step(world, 90, MINUTE)

    (entry,) = entries(world, id)
    assert entry.cost == Cost(unpriced_lines=unpriced)


def test_lines_whose_rows_are_too_many_to_be_brought_together_have_no_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "_MOST_HELD", 100)
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * MINUTE
    batch = world.start([embed("a", "one", "two", "three"), embed("b", "one", "two")], EMBED, caller=ME)
    world.pump()
    world.clock += 5_000
    request_cancel(world.app, batch.id)
    step(world, 125, 5_000)
    step(world, 90, MINUTE)

    (entry,) = entries(world, batch.id)
    assert entry.cost.unpriced_lines >= 1
    assert entry.cost.unpriced_lines + entry.cost.priced_lines == 2


def test_a_job_that_never_ends_is_asked_for_days_and_then_has_no_price(tmp_path: Path) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * DAY
    id = cancelled(world)
    step(world, 9 * 24, 60 * MINUTE)
    assert world.ledger(id) == []
    step(world, 2 * 24, 60 * MINUTE)

    (entry,) = entries(world, id)
    assert (entry.cost, entry.tokens) == (Cost(unpriced_lines=2), {})
    check_nothing_left(world, id)


@pytest.mark.parametrize("status", [403, 503, 404])
def test_a_job_that_nobody_can_ask_about_has_no_price(tmp_path: Path, status: int) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * DAY
    id = cancelled(world)
    world.upstream.refuse = [status] * 100_000
    step(world, 11 * 24, 60 * MINUTE)

    (entry,) = entries(world, id)
    assert entry.cost == Cost(unpriced_lines=2)


def test_a_job_whose_deployment_is_gone_has_no_price(tmp_path: Path) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * MINUTE
    id = cancelled(world)
    world.app = replace(world.app, config=Config(), _providers={})
    step(world, 11 * 24, 60 * MINUTE)

    (entry,) = world.ledger(id)
    assert entry.cost == world.batch(id).cost == Cost(unpriced_lines=2)


def test_predictions_that_are_gone_have_no_price(tmp_path: Path) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * MINUTE
    id = cancelled(world)
    world.upstream.writes = False
    step(world, 90, MINUTE)

    (entry,) = entries(world, id)
    assert entry.cost == Cost(unpriced_lines=2)


def test_a_settlement_that_no_delivery_helps_ends_without_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 11 * MINUTE
    id = cancelled(world)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("shared.steps.settle.Recount.read", broken)
    world.clock += 10 * MINUTE
    record_dead(world.app, Message(step="settle", shard=f"{id}-0001"), "five times")
    monkeypatch.undo()

    (entry,) = entries(world, id)
    assert entry.cost == Cost(unpriced_lines=2)


def test_a_settlement_is_charged_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    world = Stubborn(tmp_path)
    world.upstream.takes = 60 * MINUTE
    id = cancelled(world)
    step(world, 90, MINUTE)
    before = world.documents.get(Account, "key-1"), world.batch(id), world.documents.get(Shard, f"{id}-0001")
    run(world.app, Message(step="settle", shard=f"{id}-0001"))
    record_dead(world.app, Message(step="settle", shard=f"{id}-0001"), "five times")

    assert before == (world.documents.get(Account, "key-1"), world.batch(id), world.documents.get(Shard, f"{id}-0001"))
