"""A process may die between any two of its effects. Each story is told once for every such point."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.domain.access import ADMIN
from shared.domain.batch import Status
from shared.steps.cancel import request_cancel
from shared.steps.create import NewBatch, create
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


STORIES = [to_the_end, cancelled_at_once, cancelled_while_it_runs, expired, run_again]


def at_every_point(tmp_path: Path, story: Story, how: str) -> int:
    """Tell the story once for each point; how many points there were."""
    point = 0
    while True:
        point += 1
        world = MortalWorld(tmp_path / str(point))
        setattr(world, how, point)
        try:
            id = story(world)
            check_at_rest(world, id, LINES, doubled="POST" in world.last)
            check_nothing_left(world, id)
        except Exception as error:
            raise AssertionError(f"{how} {point}, {world.last!r}") from error
        if world.deaths == 0:
            return point


@pytest.mark.slow
@pytest.mark.timeout(900)  # a story for each point, and in each dozens of writes to the disk
@pytest.mark.parametrize("story", STORIES)
def test_a_death_at_any_point_changes_nothing_in_the_outcome(tmp_path: Path, story: Story) -> None:
    assert at_every_point(tmp_path, story, "dies_at") > 20


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", [to_the_end])
def test_a_worker_that_wakes_up_after_others_took_over_changes_nothing(tmp_path: Path, story: Story) -> None:
    """Two live owners of one lease: what the late one still writes has no effect."""
    assert at_every_point(tmp_path, story, "sleeps_at") > 20
