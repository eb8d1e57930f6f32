"""The bus promises at least once, and no order. Every message here may come twice, late, shuffled, or never."""

import random
from itertools import permutations
from pathlib import Path

import pytest

from shared.domain.batch import Status
from shared.domain.errors import Transient
from shared.domain.messages import Message
from shared.steps.cancel import request_cancel
from shared.steps.run import BATCH_STEPS, SHARD_STEPS, run
from tests.steps.checker import check_at_rest, check_nothing_left
from tests.steps.world import World, chat

LINES = [
    *(chat(f"line-{n}") for n in range(4)),
    chat("lite", model="lite"),
    chat("unlucky", text="please fail"),
    chat("refused", logit_bias={"1": 1}),
]


class RoughWorld(World):
    """A bus at its worst, the same for the same seed."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__(root)
        self.dice = random.Random(seed)

    def pump(self, most: int = 500) -> int:
        due = self.bus.queue.claim(self.now(), 600_000, most)
        self.dice.shuffle(due)
        for delivery in due:
            self.bus.queue.ack(delivery.id, delivery.token)
            copies = self.dice.choices([0, 1, 2, 3], [25, 45, 20, 10])[0]
            for _ in range(copies):
                if self.dice.random() < 0.2:
                    self.bus.queue.put(delivery.topic, delivery.data, delay=self.dice.randrange(90_000))
                    continue
                try:
                    self.deliver(delivery.topic, delivery.data)
                except Transient:
                    self.bus.queue.put(delivery.topic, delivery.data, delay=1_000)
        return len(due)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_doubled_shuffled_late_and_lost_messages_change_nothing(tmp_path: Path, seed: int) -> None:
    world = RoughWorld(tmp_path, seed)
    batch = world.start(LINES)
    cancelled = seed % 3 == 0
    if cancelled:
        for _ in range(world.dice.randrange(6)):
            world.pump()
            world.clock += 700
            world.sweep()
        if world.batch(batch.id).status not in {Status.COMPLETED, Status.FAILED}:
            request_cancel(world.app, batch.id)
    world.settle(batch.id)
    expected = {Status.COMPLETED, Status.CANCELLED} if cancelled else {Status.COMPLETED}
    assert world.batch(batch.id).status in expected
    check_at_rest(world, batch.id, LINES)
    world.dice.choices = lambda *_: [1]  # type: ignore[method-assign]
    world.dice.random = lambda: 1.0  # type: ignore[method-assign]
    check_nothing_left(world, batch.id)


@pytest.mark.parametrize("order", list(permutations(["prepare", "submit", "check", "collect", "finish"])), ids="-".join)
def test_steps_may_be_asked_for_in_any_order_at_any_time(tmp_path: Path, order: tuple[str, ...]) -> None:
    """A message is a hint to look: what is not to be done is not done."""
    world = World(tmp_path)
    batch = world.start([chat("a"), chat("b")])
    for _ in range(12):
        for step in order:
            message = Message(step=step, batch=batch.id) if step in BATCH_STEPS else None
            run(world.app, message or Message(step=step, shard=f"{batch.id}-0001"))
        world.clock += 1_000
    assert world.batch(batch.id).status is Status.COMPLETED
    check_at_rest(world, batch.id, [chat("a"), chat("b")])


@pytest.mark.parametrize("step", sorted({*BATCH_STEPS, *SHARD_STEPS}))
def test_a_step_for_what_does_not_exist_does_nothing(world: World, step: str) -> None:
    id = "batch_" + "0" * 32
    run(world.app, Message(step=step, batch=id) if step in BATCH_STEPS else Message(step=step, shard=f"{id}-0001"))


def test_a_batch_whose_messages_are_all_lost_is_moved_by_the_sweep(world: World) -> None:
    batch = world.start(LINES)
    for _ in range(3):
        assert world.bus.queue.claim(world.now(), 10**9, 999)  # taken, and never heard of again
        world.clock += 31_000
        world.sweep()
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED
    check_at_rest(world, batch.id, LINES)
