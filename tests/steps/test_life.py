"""The life of a batch, from what its client sees."""

from shared.domain.batch import Status
from tests.steps.world import World, chat


def test_every_line_ends_in_the_output_file_with_its_own_answer(world: World) -> None:
    """The provider returns rows in any order; the custom_id follows from the row's key alone."""
    batch = world.start([chat(f"line-{n}") for n in range(20)])
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.COMPLETED
    assert done.error_file_id is None
    said = {
        row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"] for row in world.output(batch.id)
    }
    assert said == {f"line-{n}": f"echo nonce of line-{n}" for n in range(20)}
    assert (done.counts.total, done.counts.completed, done.counts.failed) == (20, 20, 0)
