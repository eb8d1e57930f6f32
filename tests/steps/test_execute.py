"""Lines that are run one by one: every line once, whatever dies, is away, or stops."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.proxy import proxying
from infra.local.standins.vllm import Running, running
from shared.config import Deployment, PriceOverride
from shared.domain.batch import Status
from shared.domain.errors import Transient
from shared.domain.lease import LEASE, Lease
from shared.domain.messages import Message
from shared.domain.places import Slot
from shared.domain.shard import Job, JobState, Shard, ShardStatus
from shared.steps.cancel import request_cancel
from shared.steps.checkpoint import Checkpoint
from shared.steps.claim import LeaseLost
from shared.steps.run import run
from shared.steps.slots import Seat, take_seat
from shared.storage.ports import Transaction
from tests.steps.world import EMBED, World, chat, embed

PRICE = PriceOverride(model="hosted_vllm/tiny", usd_per_million={"input": "1", "output": "2"})  # type: ignore[dict-item]


def server(port: int, **more: Any) -> Deployment:
    return Deployment(
        id="t",
        group="tiny",
        provider="hosted_vllm",
        model="tiny",
        price_name="hosted_vllm/tiny",
        api_base=f"http://127.0.0.1:{port}/v1",
        **more,
    )


def lines_of(count: int, **body: Any) -> list[dict[str, Any]]:
    return [chat(f"l{n}", f"nonce-{n} please", model="tiny", **body) for n in range(count)]


@contextmanager
def world_of(
    root: Path, *, deployment: dict[str, Any] | None = None, **options: Any
) -> Iterator[tuple[World, Running]]:
    with running(**options) as vllm:
        yield World(root, more=(server(vllm.port, **(deployment or {})),), prices=(PRICE,)), vllm


def check(world: World, id: str, lines: list[dict[str, Any]]) -> None:
    output, errors = world.output(id), world.errors(id)
    names = [row["custom_id"] for row in (*output, *errors)]
    assert sorted(names) == sorted(line["custom_id"] for line in lines)
    said = {line["custom_id"]: line["body"]["messages"][0]["content"].split()[0] for line in lines}
    for row in output:
        assert said[row["custom_id"]] in row["response"]["body"]["choices"][0]["message"]["content"]
        assert row["response"]["body"]["model"] == "tiny"


@contextmanager
def beside(act: Callable[[], object]) -> Iterator[None]:
    """Somebody does this while the block runs, and has done it at the end."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def pumping(world: World) -> AbstractContextManager[None]:
    return beside(world.pump)


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_every_line_comes_back_with_its_answer_and_its_price(tmp_path: Path) -> None:
    lines = lines_of(40)
    with world_of(tmp_path) as (world, vllm):
        batch = world.start(lines)
        world.settle(batch.id)
        done = world.batch(batch.id)
        assert done.status is Status.COMPLETED
        assert (done.counts.total, done.counts.completed, done.counts.failed) == (40, 40, 0)
        assert done.cost.priced_lines == 40
        check(world, batch.id, lines)
        assert sum(vllm.journal()["nonces"].values()) == 40


def test_a_batch_of_several_shards_is_run_by_one_worker_without_a_pause(tmp_path: Path) -> None:
    lines = lines_of(1_700)
    with world_of(tmp_path) as (world, vllm):
        batch = world.start(lines)
        world.settle(batch.id)
        assert [shard.lines for shard in world.shards(batch.id)] == [500, 500, 500, 200]
        check(world, batch.id, lines)
        assert vllm.journal()["most_running"] <= 32
        assert sum(vllm.journal()["nonces"].values()) == 1_700


def test_a_line_that_the_server_refuses_is_its_own_error(tmp_path: Path) -> None:
    lines = [*lines_of(3), chat("long", "word " * 5_000, model="tiny")]
    with world_of(tmp_path) as (world, _):
        batch = world.start(lines)
        world.settle(batch.id)
        (row,) = world.errors(batch.id)
        assert (row["custom_id"], row["response"]["status_code"]) == ("long", 400)
        assert world.batch(batch.id).counts.failed == 1


def test_a_line_whose_calls_all_break_has_its_tries_and_then_an_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shared.steps.pace._LONGEST_WAIT", 0.05)
    lines = [
        *lines_of(2),
        chat("sick", "[[status 500]] nonce-x", model="tiny"),
        chat("ill", "[[status 500 x2]] nonce-y", model="tiny"),
    ]
    with world_of(tmp_path) as (world, _):
        batch = world.start(lines)
        world.settle(batch.id)
        rows = {row["custom_id"]: row["response"] for row in world.errors(batch.id)}
        assert {name: row["status_code"] for name, row in rows.items()} == {"sick": 500}
        assert world.batch(batch.id).counts.completed == 3


def test_a_wrong_key_fails_the_shard_once_and_not_every_line(tmp_path: Path) -> None:
    with world_of(tmp_path, key="sk-right", deployment={"api_key": "sk-wrong"}) as (world, _):
        batch = world.start(lines_of(30))
        world.settle(batch.id, rounds=3_000)
        done = world.batch(batch.id)
        assert done.status is Status.FAILED
        assert "sk-" not in str(done.errors)
        assert {row["error"]["code"] for row in world.errors(batch.id)} == {"batch_failed"}


def test_cancel_stops_the_lines_in_flight_and_keeps_what_finished(tmp_path: Path) -> None:
    lines = lines_of(200)
    with world_of(tmp_path, deployment={"parallel": 8}) as (world, vllm):
        vllm.server.room = 20  # the next would be in flight for ever
        batch = world.start(lines)
        with pumping(world):
            wait_until(lambda: sum(vllm.journal()["nonces"].values()) == 20)
            request_cancel(world.app, batch.id)
        world.settle(batch.id)
        done = world.batch(batch.id)
        assert done.status is Status.CANCELLED
        assert 0 < done.counts.completed <= 20
        check(world, batch.id, lines)


def test_counts_are_alive_while_the_lines_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shared.steps.worker.RENEW_AFTER", 200)
    with world_of(tmp_path, deployment={"parallel": 8}) as (world, vllm):
        vllm.server.room = 40
        batch = world.start(lines_of(120))
        with pumping(world):
            wait_until(lambda: world.batch(batch.id).counts.completed == 40)
            vllm.server.room = 40
            wait_until(lambda: world.batch(batch.id).counts.completed == 80)
            vllm.server.room = 40
        assert world.batch(batch.id).counts.completed == 120


def test_a_worker_that_dies_leaves_what_it_wrote_to_the_next(tmp_path: Path, monkeypatch: Any) -> None:
    """The lines in flight are run twice, and what was not written yet; no other."""
    lines = lines_of(120)
    with world_of(tmp_path, token_ms=10, deployment={"parallel": 8}) as (world, vllm):
        batch = world.start(lines)
        run(world.app, Message(step="prepare", batch=batch.id))
        (shard,) = world.shards(batch.id)
        write, written = world.objects.write, []
        vllm.server.room = 10

        def dying(name: str, *args: Any, **options: Any) -> Any:
            if "part-e" in name:
                written.append(name)
                if len(written) == 4:
                    raise KeyboardInterrupt
                vllm.server.room = 10  # more are not run before this is written, however long that takes
            return write(name, *args, **options)

        monkeypatch.setattr(world.objects, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            run(world.app, Message(step="execute", shard=shard.id))
        monkeypatch.undo()
        vllm.server.room = None
        world.clock += 60_000
        world.settle(batch.id)
        check(world, batch.id, lines)
        assert world.batch(batch.id).counts.completed == 120
        assert sum(vllm.journal()["nonces"].values()) <= 120 + 2 * 8 + 8


def test_what_a_worker_writes_after_it_was_presumed_dead_does_not_count(tmp_path: Path) -> None:
    lines = lines_of(4)
    with world_of(tmp_path) as (world, _):
        batch = world.start(lines)
        run(world.app, Message(step="prepare", batch=batch.id))
        (shard,) = world.shards(batch.id)
        run(world.app, Message(step="execute", shard=shard.id))
        ended = world.shards(batch.id)[0]
        assert ended.job is not None
        late = ended.job.files[0].replace("part-e00001", "part-e00000")
        with world.objects.open(ended.job.files[0]) as stream:
            world.objects.write(late, [stream.read().replace(b"stand-in", b"zombie")])
        world.settle(batch.id)
        assert "zombie" not in str(world.output(batch.id))


def test_an_outage_costs_no_line_a_try(tmp_path: Path, monkeypatch: Any) -> None:
    """Though somebody answers the telephone in the server's place, and hangs up."""
    monkeypatch.setattr("shared.steps.worker._AWAY", 1.0)
    lines = lines_of(300)
    with running() as vllm, proxying(vllm.port, rate=0.0) as proxy:
        vllm.server.room = 10  # however late the server goes away, there is something left
        world = World(tmp_path, more=(server(proxy.port, parallel=8),), prices=(PRICE,))
        batch = world.start(lines)
        there = proxy.plan
        with pumping(world):
            wait_until(lambda: sum(vllm.journal()["nonces"].values()) == 10)
            proxy.plan = replace(there, target=("127.0.0.1", 1))
            vllm.server.room = None
        world.sweep()
        assert world.shards(batch.id)[0].status is ShardStatus.RUNNING
        proxy.plan = there
        world.settle(batch.id)
        assert world.batch(batch.id).counts.completed == 300
        check(world, batch.id, lines)


def test_faults_on_a_quarter_of_the_calls_change_nothing_in_the_result(tmp_path: Path) -> None:
    lines = lines_of(300)
    with running() as vllm, proxying(vllm.port, rate=0.25, seed=7, stall=1.0) as proxy:
        world = World(tmp_path, more=(server(proxy.port),), prices=(PRICE,))
        batch = world.start(lines)
        world.settle(batch.id)
        check(world, batch.id, lines)
        injected = proxy.report()["injected"]
        destroyed = sum(injected.get(kind, 0) for kind in ("reset_after", "truncate", "twice", "drip", "refuse"))
        assert sum(vllm.journal()["nonces"].values()) <= 300 + destroyed


def test_who_finds_no_slot_leaves_the_shard_to_those_who_have_one(tmp_path: Path) -> None:
    with world_of(tmp_path, deployment={"parallel": 4}) as (world, _):
        batch = world.start(lines_of(8))
        run(world.app, Message(step="prepare", batch=batch.id))
        (shard,) = world.shards(batch.id)
        seat = take_seat(world.app, "t", 4)
        assert isinstance(seat, Seat)
        run(world.app, Message(step="execute", shard=shard.id))
        assert world.shards(batch.id)[0].status is ShardStatus.WAITING
        seat.leave(2.0)
        run(world.app, Message(step="execute", shard=shard.id))
        assert world.shards(batch.id)[0].status is ShardStatus.ENDED
        slot = world.documents.get(Slot, seat.slot.id)
        assert slot is not None
        assert slot.lease is None


def test_what_does_not_fit_into_one_message_is_handed_on(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shared.steps.worker._UNIT", 20.5)
    monkeypatch.setattr("shared.steps.worker._LAST_START", 20.0)  # so long may what is in flight take: none is cut off
    lines = lines_of(150)
    with world_of(tmp_path, token_ms=10, deployment={"parallel": 8}) as (world, vllm):
        batch = world.start(lines)
        world.settle(batch.id)
        check(world, batch.id, lines)
        assert world.shards(batch.id)[0].epoch > 2
        assert sum(vllm.journal()["nonces"].values()) == 150


def test_embeddings_and_responses_run_there_too(tmp_path: Path) -> None:
    with world_of(tmp_path, task="embed") as (world, _):
        batch = world.start([embed("a", "one", "two", model="tiny")], endpoint=EMBED)
        world.settle(batch.id)
        (row,) = world.output(batch.id)
        assert len(row["response"]["body"]["data"]) == 2


def test_one_shard_s_missing_endpoint_is_no_other_shard_s(tmp_path: Path) -> None:
    """A worker has shards of several batches in hand; what cannot run ends alone."""
    with world_of(tmp_path, deployment={"parallel": 4}) as (world, _):
        chats = [world.start(lines_of(60)), world.start(lines_of(100))]
        embeds = world.start([embed("a", "one", model="tiny")], endpoint=EMBED)
        for batch in (chats[0], embeds, chats[1]):
            run(world.app, Message(step="prepare", batch=batch.id))
        world.settle(*(batch.id for batch in (*chats, embeds)))
        assert [world.batch(batch.id).counts.completed for batch in chats] == [60, 100]
        assert world.batch(embeds.id).status is Status.FAILED


def test_a_shard_that_was_made_for_a_job_is_left_to_it(tmp_path: Path, monkeypatch: Any) -> None:
    """Nor does a worker come again and again for its sake."""
    seats = []

    def take(*args: Any) -> Any:
        seats.append(take_seat(*args))
        assert len(seats) == 1
        return seats[0]

    monkeypatch.setattr("shared.steps.execute.take_seat", take)
    with world_of(tmp_path) as (world, _):
        batch = world.start(lines_of(3))
        run(world.app, Message(step="prepare", batch=batch.id))
        (shard,) = world.shards(batch.id)
        other = replace(shard, id=shard.id + "9", number=9, executes=False, due_at=None)
        world.documents.transact(lambda tx: tx.add(other))
        run(world.app, Message(step="execute", shard=shard.id))
        ended = world.documents.get(Shard, shard.id)
        assert ended is not None
        assert ended.status is ShardStatus.ENDED
        assert world.documents.get(Shard, other.id) == other


def test_a_line_that_never_ends_is_given_up_over_several_messages(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shared.steps.worker._UNIT", 0.8)
    monkeypatch.setattr("shared.steps.worker._LAST_START", 0.3)
    lines = [*lines_of(2), chat("endless", "[[slow 60]] nonce-x", model="tiny")]
    with world_of(tmp_path, deployment={"timeout": 400.0}) as (world, _):
        batch = world.start(lines)
        world.settle(batch.id)
        (row,) = world.errors(batch.id)
        assert (row["custom_id"], row["response"]["status_code"]) == ("endless", 504)
        assert world.batch(batch.id).counts.completed == 2


def test_lines_of_a_batch_that_was_cancelled_meanwhile_are_not_begun(tmp_path: Path) -> None:
    with world_of(tmp_path, token_ms=10, deployment={"parallel": 2}) as (world, vllm):
        first, second = world.start(lines_of(40)), world.start([chat("late", "nonce-late", model="tiny")])
        for batch in (first, second):
            run(world.app, Message(step="prepare", batch=batch.id))
        request_cancel(world.app, second.id)
        world.settle(first.id, second.id)
        assert "nonce-late" not in vllm.journal()["nonces"]
        assert world.batch(second.id).status is Status.CANCELLED


def test_one_broken_shard_does_not_stop_the_others(tmp_path: Path) -> None:
    with world_of(tmp_path) as (world, _):
        broken, sound = world.start(lines_of(2)), world.start(lines_of(2))
        for batch in (broken, sound):
            run(world.app, Message(step="prepare", batch=batch.id))
        world.objects.delete(world.shards(broken.id)[0].source)
        run(world.app, Message(step="execute", shard=world.shards(sound.id)[0].id))
        assert world.shards(sound.id)[0].status is ShardStatus.ENDED


def test_while_the_server_is_away_only_one_shard_asks_again_soon(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shared.steps.worker._AWAY", 0.5)
    world = World(tmp_path, more=(server(1),), prices=(PRICE,))
    batches = [world.start(lines_of(1)) for _ in range(6)]
    for batch in batches:
        run(world.app, Message(step="prepare", batch=batch.id))
    for batch in batches:
        run(world.app, Message(step="execute", shard=world.shards(batch.id)[0].id))
    waits = [(world.shards(batch.id)[0].due_at or 0) - world.clock for batch in batches]
    assert sum(wait < 60_000 for wait in waits) <= 2


def test_models_of_a_pattern_share_the_slots_of_their_server(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert isinstance(take_seat(world.app, "wild:one", 4), Seat)
    assert take_seat(world.app, "wild:two", 4) is None


def test_counts_never_go_down_when_a_worker_dies(tmp_path: Path, monkeypatch: Any) -> None:
    """What was told was written."""
    monkeypatch.setattr("shared.steps.worker.RENEW_AFTER", 100)
    with world_of(tmp_path, deployment={"parallel": 8}) as (world, vllm):
        vllm.server.room = 20
        batch = world.start(lines_of(60))
        run(world.app, Message(step="prepare", batch=batch.id))
        (shard,) = world.shards(batch.id)
        with working(world, shard.id):
            wait_until(lambda: world.batch(batch.id).counts.completed > 0)
            monkeypatch.setattr("shared.steps.worker._UNIT", 0.0)  # its time is over
        told = world.batch(batch.id).counts.completed
        again = Checkpoint(world.app, world.shards(batch.id)[0])
        assert 0 < told <= again.completed


def test_a_begun_shard_that_found_no_slot_is_not_left_out_by_who_has_it(tmp_path: Path) -> None:
    with world_of(tmp_path, deployment={"parallel": 4}) as (world, _):
        begun, other = world.start(lines_of(6)), world.start(lines_of(6))
        for batch in (begun, other):
            run(world.app, Message(step="prepare", batch=batch.id))
        first, second = world.shards(begun.id)[0], world.shards(other.id)[0]
        running = replace(
            first, status=ShardStatus.RUNNING, job=Job(name="x", state=JobState.RUNNING), due_at=world.clock
        )
        world.documents.transact(lambda tx: tx.put(running))
        seat = take_seat(world.app, "t", 4)
        assert isinstance(seat, Seat)
        run(world.app, Message(step="execute", shard=first.id))
        seat.leave(2.0)
        run(world.app, Message(step="execute", shard=second.id))
        assert world.shards(begun.id)[0].status is ShardStatus.ENDED


def test_a_server_that_is_well_and_takes_nothing_is_left_alone_longer_each_time(tmp_path: Path) -> None:
    with running() as vllm:
        vllm.server.refuse = 503
        world = World(tmp_path, more=(server(vllm.port, parallel=16),), prices=(PRICE,))
        batch = world.start(lines_of(200))
        with pumping(world):
            time.sleep(8)
            asked = vllm.server.asked
            request_cancel(world.app, batch.id)
        assert asked < 120


def take_away(world: World, id: str) -> None:
    """Somebody else has the shard: our worker was presumed dead."""

    def body(tx: Transaction) -> None:
        shard = tx.get(Shard, id)
        assert shard is not None
        tx.put(replace(shard, lease=Lease(owner="another", until=world.clock + LEASE)))

    world.documents.transact(body)


def shard_of(world: World, id: str) -> Shard:
    (shard,) = world.shards(id)
    return shard


@contextmanager
def working(world: World, id: str) -> Iterator[None]:
    """A worker runs this shard while the block does; what it raises comes out at the end."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            run(world.app, Message(step="execute", shard=id))
        except Exception as error:  # noqa: BLE001  # which is what the test is about
            raised.append(error)

    with beside(work):
        yield
    assert raised == []


def two_in_hand(world: World) -> tuple[Callable[[], Shard], Callable[[], Shard]]:
    """Two batches of one shard each, prepared; a worker takes up both as soon as it has the first."""
    first, second = (
        world.start(lines_of(30)),
        world.start([chat(f"m{n}", f"other-{n}", model="tiny") for n in range(30)]),
    )
    for batch in (first, second):
        run(world.app, Message(step="prepare", batch=batch.id))
    return partial(shard_of, world, first.id), partial(shard_of, world, second.id)


def test_a_shard_that_was_lost_when_time_is_over_keeps_no_other_from_being_handed_on(
    tmp_path: Path, monkeypatch: Any
) -> None:
    with world_of(tmp_path, deployment={"parallel": 2}) as (world, vllm):
        vllm.server.room = 0
        lost, other = two_in_hand(world)
        with working(world, lost().id):
            wait_until(lambda: other().lease is not None)
            take_away(world, lost().id)
            monkeypatch.setattr("shared.steps.worker._UNIT", 0.0)  # its time is over
        monkeypatch.undo()
        vllm.server.room = None
        assert (lost().lease or Lease(owner="", until=0)).owner == "another"
        assert (other().lease, other().status) == (None, ShardStatus.RUNNING)
        assert other().troubles == 0
        world.clock += 2 * LEASE
        for batch in (lost().batch, other().batch):
            world.settle(batch)
            assert world.batch(batch).counts.completed == 30


def test_a_shard_that_was_lost_while_the_server_was_away_keeps_no_other_from_waiting_for_it(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("shared.steps.worker._AWAY", 0.5)
    with world_of(tmp_path, deployment={"parallel": 2}) as (world, vllm):
        vllm.server.room = 0
        lost, other = two_in_hand(world)
        with working(world, lost().id):
            wait_until(lambda: other().lease is not None)
            take_away(world, lost().id)
            vllm.server.refuse = 503
            vllm.server.health = 503
            vllm.server.room = None
        assert other().lease is None
        assert (other().rest_until or 0) > world.clock


@pytest.mark.parametrize("trouble", [LeaseLost("lost"), Transient("the store does not answer")])
def test_a_refused_shard_that_cannot_be_put_off_keeps_no_other_from_its_answers(
    tmp_path: Path, monkeypatch: Any, trouble: Exception
) -> None:
    def failing(*_: object) -> bool:
        raise trouble

    with world_of(tmp_path, token_ms=5, deployment={"parallel": 4}) as (world, _):
        chats, embeds = world.start(lines_of(60)), world.start([embed("a", "one", model="tiny")], endpoint=EMBED)
        for batch in (chats, embeds):
            run(world.app, Message(step="prepare", batch=batch.id))
        monkeypatch.setattr("shared.steps.in_hand.move", failing)
        run(world.app, Message(step="execute", shard=shard_of(world, chats.id).id))
        assert shard_of(world, chats.id).status is ShardStatus.ENDED
        monkeypatch.undo()
        world.clock += 2 * LEASE
        world.settle(chats.id, embeds.id)
        assert world.batch(chats.id).counts.completed == 60
        assert world.batch(embeds.id).status is Status.FAILED
