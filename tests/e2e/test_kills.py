"""kill -9 of real processes, in the middle of real batches."""

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.e2e.stack import Stack, chat, ended, rows, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LINES = 3_000


def check(stack: Stack, ids: list[str]) -> None:
    with stack.client(max_retries=8) as client:
        for id in ids:
            batch = ended(client, id, 150)
            assert batch.status == "completed"
            done = Counter(row["custom_id"] for row in rows(client, batch.output_file_id))
            assert done == Counter(f"line-{n}" for n in range(LINES))
            assert batch.cost["priced_lines"] == LINES  # type: ignore[attr-defined]


@pytest.mark.xdist_group("kills")
def test_every_process_may_be_killed_again_and_again(new_stack: Callable[[], Stack]) -> None:
    """Two batches run while each kind of process dies four times; each line comes back once, all the same."""
    stack = new_stack()
    dice = random.Random(1)
    with stack.client(max_retries=8) as client:
        ids = [start(client, [chat(f"line-{n}", f"nonce {n}") for n in range(LINES)]).id for _ in range(2)]
    for word in dice.sample(["api", "work", "predictions", "infra.local.dispatch", "work", "work"] * 4, 24):
        time.sleep(dice.random() / 2)
        stack.kill(word)
    check(stack, ids)
    assert stack.stop() == 0


@pytest.mark.xdist_group("kills")
def test_after_the_whole_stack_was_killed_a_new_start_goes_on(new_stack: Callable[[], Stack]) -> None:
    stack = new_stack()
    with stack.client() as client:
        ids = [start(client, [chat(f"line-{n}", f"nonce {n}") for n in range(LINES)]).id]
    time.sleep(1.5)
    stack.die()
    stack.start()
    check(stack, ids)
    assert stack.stop() == 0
