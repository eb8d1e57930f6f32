"""Messages that no delivery helped, deployments that are gone, and disks that are full for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.vllm import running
from shared.config import Config
from shared.domain.access import Caller
from shared.domain.batch import Status
from shared.domain.cost import Cost
from shared.domain.errors import ConfigError, StorageFull, Transient
from shared.domain.messages import Message
from shared.domain.shard import ShardStatus
from shared.providers.base import Provider
from shared.steps.cancel import request_cancel
from shared.steps.create import NewBatch, create
from shared.steps.dead import record_dead
from shared.steps.run import run
from tests.steps.checker import check_at_rest, check_every_line, check_nothing_left
from tests.steps.test_execute import PRICE, lines_of, server
from tests.steps.world import CHAT, World, chat


def break_codec(world: World, method: str) -> None:
    """From now on a bug stands in the way of one deployment's lines."""
    plain = world.open_provider

    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    def open_provider(deployment: Any, media: Any) -> Provider:
        provider = plain(deployment, media)
        if deployment.group != "lite":
            return provider

        def codec_named(name: str) -> Any:
            codec = provider.codec_named(name)
            setattr(codec, method, broken)
            return codec

        return replace(provider, codec_named=codec_named)

    world.app = replace(world.app, open_provider=open_provider, _providers={})


def run_until_dead(world: World, step: str, rounds: int = 60) -> Message:
    """Go on, and give the message of this step up when it crashes."""
    for _ in range(rounds):
        while due := world.bus.queue.claim(world.now(), 600_000, 1):
            delivery = due[0]
            message = Message(**delivery.data) if "step" in delivery.data else None
            world.bus.queue.ack(delivery.id, delivery.token)
            try:
                world.deliver(delivery.topic, delivery.data)
            except Transient:
                continue
            except RuntimeError:
                assert message is not None
                assert message.step == step
                return message
        world.clock += 1_000
        world.sweep()
    raise AssertionError(f"{step} did not crash")


def test_a_dead_collect_gives_up_its_own_lines_and_no_others(world: World) -> None:
    lines = [chat("a"), chat("b"), chat("lost", model="lite")]
    break_codec(world, "read")
    batch = world.start(lines)
    message = run_until_dead(world, "collect")
    record_dead(world.app, message, "given up")
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.counts.completed, done.counts.failed) == (Status.COMPLETED, 2, 1)
    (row,) = world.errors(batch.id)
    assert (row["custom_id"], row["error"]["code"]) == ("lost", "batch_failed")
    check_at_rest(world, batch.id, lines)
    check_nothing_left(world, batch.id)


def test_what_can_be_done_after_all_is_not_given_up(world: World) -> None:
    """The disk was full for an hour; the dead letter comes when there is room again."""
    batch = world.start([chat("a")])
    for step in ("prepare", "finish"):
        record_dead(world.app, Message(step=step, batch=batch.id), "given up after 20 deliveries")
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    record_dead(world.app, Message(step="check", shard=f"{batch.id}-0001"), "given up after 20 deliveries")
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED


def test_a_dead_prepare_fails_its_batch_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = world.start([chat("a")])

    def broken(*_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr("shared.steps.prepare._Pass.read", broken)
    record_dead(world.app, Message(step="prepare", batch=batch.id), "given up")
    done = world.batch(batch.id)
    assert (done.status, [error.code for error in done.errors]) == (Status.FAILED, ["internal_error"])
    check_nothing_left(world, batch.id)


@pytest.mark.parametrize("minutes", [1, 30])
def test_a_disk_that_is_full_for_a_while_only_delays_a_batch(world: World, minutes: int) -> None:
    """However long it takes: no message dies of it."""
    lines = [chat(f"line-{n}") for n in range(5)]
    batch = world.start(lines)
    plain = world.objects.write

    def full(*_: Any, **__: Any) -> Any:
        raise StorageFull

    for _ in range(3):
        world.objects.write = full  # type: ignore[method-assign]
        for _ in range(minutes * 6):
            world.pump()
            world.clock += 10_000
            world.sweep()
        assert not world.batch(batch.id).terminal or world.batch(batch.id).status is Status.COMPLETED
        world.objects.write = plain  # type: ignore[method-assign]
        for _ in range(8):
            world.pump()
            world.clock += 2_500
            world.sweep()
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED
    check_at_rest(world, batch.id, lines)
    check_nothing_left(world, batch.id)


def edit(world: World, keep: str) -> None:
    """Somebody takes all deployments but one group's out of the configuration, and restarts everything."""
    deployments = tuple(each for each in world.app.config.deployments if each.group == keep)
    world.app = replace(world.app, config=Config(deployments=deployments), _providers={})


def test_a_deployment_that_leaves_the_configuration_is_waited_for(world: World) -> None:
    lines = [chat("a"), chat("b", model="lite")]
    batch = world.start(lines)
    world.pump()
    before = world.app
    edit(world, "lite")
    for _ in range(200):
        world.pump()
        world.clock += 5_000
        world.sweep()
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    assert world.bus.queue.dead() == 0
    world.app = replace(before, _providers={})
    world.settle(batch.id)
    check_at_rest(world, batch.id, lines)
    assert world.batch(batch.id).counts.completed == 2


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "expired"])
def test_a_batch_whose_deployment_is_gone_for_good_ends_all_the_same(world: World, cancelled: bool) -> None:
    lines = [chat("a"), chat("b", model="lite")]
    batch = world.start(lines, window="1h")
    world.pump()
    edit(world, "lite")
    if cancelled:
        request_cancel(world.app, batch.id)
    for _ in range(200):
        world.pump()
        world.clock += 30_000
        world.sweep()
        if world.batch(batch.id).terminal:
            break
    done = world.batch(batch.id)
    assert done.status is (Status.CANCELLED if cancelled else Status.EXPIRED)
    (row,) = world.errors(batch.id)
    assert (row["custom_id"], row["error"]["code"]) == ("a", "batch_cancelled" if cancelled else "batch_expired")
    check_at_rest(world, batch.id, lines)


def test_one_odd_404_does_not_make_a_running_job_gone(world: World) -> None:
    world.upstream.takes = 30_000
    batch = world.start([chat("a")])
    world.pump()
    world.upstream.refuse = [503, 503, 503, 404]
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED


def test_lines_of_a_group_that_the_caller_may_not_use_name_no_model(world: World) -> None:
    caller = Caller(owner="u", models=(("lite",),))
    file = world.upload([chat("a", model="lite"), chat("b")], caller)
    request = NewBatch(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    batch = create(world.app, caller, request, body_hash="h", idempotency_key=None, retried=False)
    world.settle(batch.id)
    assert [(error.line, error.code) for error in world.batch(batch.id).errors] == [(2, "model_not_found")]


@pytest.mark.parametrize("trouble", [Transient("busy"), ConfigError("403")])
def test_a_bus_that_takes_nothing_fails_no_request(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """The batch is there, and the sweep sends what is owed."""

    def refuse(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(world.bus, "publish", refuse)
    batch = world.start([chat("a")])
    monkeypatch.undo()
    world.settle(batch.id)

    assert world.batch(batch.id).status is Status.COMPLETED


@pytest.mark.parametrize("call", ["open", "write", "list", "compose"])
def test_a_grant_that_is_gone_for_a_while_costs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """No delivery is spent on it, and no dead letter gives anything up."""

    def refuse(*_: object, **__: object) -> None:
        raise ConfigError("Cloud Storage answers 403")

    batch = world.start([chat("a")])
    monkeypatch.setattr(world.objects, call, refuse)
    for _ in range(30):
        world.pump()
        world.clock += 60_000
        world.sweep()
    assert not world.batch(batch.id).terminal
    assert world.bus.queue.dead() == 0
    monkeypatch.setattr("shared.steps.dead.run", refuse)
    with pytest.raises(ConfigError):
        record_dead(world.app, Message(step="prepare", batch=batch.id), "given up")
    monkeypatch.undo()
    world.settle(batch.id)

    assert world.batch(batch.id).status is Status.COMPLETED


@contextmanager
def half_done(root: Path) -> Iterator[tuple[World, str, list[dict[str, Any]]]]:
    """A shard whose lines are run one by one, of which a worker has left some answers before it died; and no worker
    that comes after it gets anywhere.
    """
    with running(token_ms=5) as vllm, pytest.MonkeyPatch.context() as patch:
        world = World(root, more=(server(vllm.port, parallel=2),), prices=(PRICE,))
        lines = lines_of(40)
        batch = world.start(lines)
        run(world.app, Message(step="prepare", batch=batch.id))
        write, parts = world.objects.write, []

        def dying(name: str, *args: Any, **options: Any) -> Any:
            if "part-e" in name:
                parts.append(name)
                if len(parts) == 2:
                    raise KeyboardInterrupt
            return write(name, *args, **options)

        patch.setattr(world.objects, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            run(world.app, Message(step="execute", shard=f"{batch.id}-0001"))
        patch.undo()
        patch.setattr("shared.steps.execute.Worker", broken)
        yield world, batch.id, lines


def broken(*_: object) -> None:
    raise RuntimeError("a bug")


def test_a_dead_execute_keeps_the_answers_that_are_there(tmp_path: Path) -> None:
    with half_done(tmp_path) as (world, id, lines):
        record_dead(world.app, Message(step="execute", shard=f"{id}-0001"), "given up")
        world.settle(id)
        done = world.batch(id)
        assert done.status is Status.COMPLETED
        assert (0 < done.counts.completed < 40, done.counts.completed + done.counts.failed) == (True, 40)
        assert done.cost.priced_lines == done.counts.completed
        assert {row["error"]["code"] for row in world.errors(id)} == {"batch_failed"}
        check_every_line(world, id, lines)
        check_nothing_left(world, id)


def test_a_dead_execute_ends_without_the_answers_where_they_cannot_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with half_done(tmp_path) as (world, id, lines):
        monkeypatch.setattr("shared.steps.dead.parts_of", broken)
        record_dead(world.app, Message(step="execute", shard=f"{id}-0001"), "given up")
        world.settle(id)
        done = world.batch(id)
        assert (done.status, done.counts.failed) == (Status.FAILED, 40)
        check_every_line(world, id, lines)


def test_a_dead_execute_is_asked_again_while_nobody_can_say_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise Transient("the store does not answer")

    with half_done(tmp_path) as (world, id, _):
        monkeypatch.setattr("shared.steps.dead.parts_of", silent)
        with pytest.raises(Transient):
            record_dead(world.app, Message(step="execute", shard=f"{id}-0001"), "given up")
        assert world.shards(id)[0].status is ShardStatus.RUNNING


def test_answers_of_a_batch_that_was_given_up_are_charged_as_far_as_they_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with half_done(tmp_path) as (world, id, _):
        finishing = replace(world.batch(id), output_file_id="file-x")
        world.documents.transact(lambda tx: tx.put(finishing))
        monkeypatch.setattr("shared.steps.finish._file", broken)
        record_dead(world.app, Message(step="finish", batch=id), "given up")
        assert world.batch(id).status is Status.FAILED
        record_dead(world.app, Message(step="execute", shard=f"{id}-0001"), "given up")
        for _ in range(20):
            world.pump()
            world.clock += 10_000
            world.sweep()
        (entry,) = world.ledger(id)
        assert (0 < entry.cost.priced_lines < 40, entry.cost.unpriced_lines) == (True, 0)
        assert world.batch(id).cost == entry.cost
        check_nothing_left(world, id)


def test_a_dead_execute_whose_answers_cannot_be_found_leaves_lines_without_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with half_done(tmp_path) as (world, id, _):
        monkeypatch.setattr("shared.steps.dead.parts_of", broken)
        record_dead(world.app, Message(step="execute", shard=f"{id}-0001"), "given up")
        world.settle(id)
        assert world.batch(id).cost == Cost(unpriced_lines=40)


def test_a_dead_check_leaves_lines_without_a_price(world: World) -> None:
    """Its job goes on, and nobody will look at it."""

    def no_provider(*_: Any) -> Provider:
        raise RuntimeError("a bug")

    batch = world.start([chat("a")])
    world.pump()
    plain = world.app
    world.app = replace(plain, open_provider=no_provider, _providers={})
    record_dead(world.app, Message(step="check", shard=f"{batch.id}-0001"), "given up")
    world.app = replace(plain, _providers={})
    world.settle(batch.id)
    assert world.batch(batch.id).cost == Cost(unpriced_lines=1)
