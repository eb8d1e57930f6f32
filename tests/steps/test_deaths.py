"""A process may die between any two of its effects. Each test dies at every such point in turn, in a world of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain.batch import Status
from shared.steps.cancel import request_cancel
from shared.steps.create import NewBatch, create
from shared.domain.access import ADMIN
from tests.steps.checker import check_at_rest, check_nothing_left
from tests.steps.mortal import MortalWorld
from tests.steps.world import CHAT, chat

LINES = [
    *(chat(f"flash-{n}") for n in range(5)),
    chat("lite-1", model="lite"),
    chat("unlucky", text="please fail"),
    chat("refused", logit_bias={"1": 1}),
]

Story = Callable[[MortalWorld], str]


def started(world: MortalWorld) -> str:
    file = world.upload(LINES)
    request = NewBatch(input_file_id=file.id, endpoint=CHAT, completion_window="1h")

    def act() -> str:
        return create(world.app, ADMIN, request, body_hash="h", idempotency_key="once", retried=False).id

    return str(world.mortally(act))


def to_the_end(world: MortalWorld) -> str:
    id = started(world)
    world.settle(id)
    assert world.batch(id).status is Status.COMPLETED
    assert world.batch(id).counts.completed == 6
    return id


def cancelled_at_once(world: MortalWorld) -> str:
    id = started(world)
    world.mortally(lambda: request_cancel(world.app, id))
    world.settle(id)
    assert world.batch(id).status is Status.CANCELLED
    return id


def cancelled_while_it_runs(world: MortalWorld) -> str:
    id = started(world)
    world.upstream.takes = 10**9
    world.pump()
    world.mortally(lambda: request_cancel(world.app, id))
    world.settle(id)
    assert world.batch(id).status is Status.CANCELLED
    return id


def expired(world: MortalWorld) -> str:
    id = started(world)
    world.upstream.takes = 10**9
    world.pump()
    world.clock += 3_600_000
    world.settle(id)
    assert world.batch(id).status is Status.EXPIRED
    return id


def run_again(world: MortalWorld) -> str:
    """The job fails once for no fault of its lines."""
    id = started(world)
    world.upstream.ends_as = "JOB_STATE_FAILED"
    world.upstream.error = {"code": 13, "message": "System error. Please try this operation again."}
    world.upstream.writes = False
    for _ in range(100):
        world.pump()
        world.clock += 1_000
        world.sweep()
        if any(label.endswith("-a2") for label in world.upstream.created()):
            break
    world.upstream.ends_as, world.upstream.error, world.upstream.writes = "JOB_STATE_SUCCEEDED", None, True
    world.settle(id)
    assert world.batch(id).status is Status.COMPLETED
    return id


@pytest.mark.slow
@pytest.mark.parametrize("story", [to_the_end, cancelled_at_once, cancelled_while_it_runs, expired, run_again])
def test_a_death_at_any_point_changes_nothing_in_the_outcome(tmp_path: Path, story: Story) -> None:
    point = 0
    while True:
        point += 1
        world = MortalWorld(tmp_path / str(point), dies_at=point)
        try:
            id = story(world)
            check_at_rest(world, id, LINES)
            check_nothing_left(world, id)
        except Exception as error:
            raise AssertionError(f"after a death {world.last!r}, point {point}") from error
        if world.deaths == 0:
            break
    assert point > 20, "the points are not where the effects are"
