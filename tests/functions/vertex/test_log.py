"""What the log says of a job."""

from collections.abc import Callable
from typing import Any

from tests.functions.vertex.conftest import World


def test_a_job_is_logged_in_the_state_in_which_it_was_counted(
    world: World, facts: Callable[[], list[dict[str, Any]]]
) -> None:
    job = world.settled(world.create()["name"])

    [told] = [fact for fact in facts() if fact["message"] == "job_metered"]
    assert told["state"] == job.state == "JOB_STATE_SUCCEEDED"
    assert (told["job_id"], told["usd"], told["completed"]) == (job.id, job.cost.total, 2)
