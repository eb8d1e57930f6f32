"""kill -9 of each function, in the middle of real batches on Google's parts."""

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.cloud.stack import TARGETS, Cloud
from tests.e2e.stack import chat, ended, rows, start

LINES = 2_000


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("clouds")
def test_every_function_may_be_killed_again_and_again(new_cloud: Callable[..., Cloud]) -> None:
    cloud = new_cloud()
    dice = random.Random(1)
    with cloud.client(max_retries=8) as client:

        def begin() -> str:
            return start(client, [chat(f"line-{n}", f"nonce {n}") for n in range(LINES)]).id

        ids = [begin() for _ in range(3)]
        for target in dice.sample([*TARGETS, "work", "work"] * 3, 18):
            time.sleep(dice.random() / 2)
            if not cloud.documents_open(ids):  # each kill is to meet a batch that is not over
                ids.append(begin())
            cloud.restart(target)
        for id in ids:
            batch = ended(client, id, 200)
            assert batch.status == "completed"
            found = Counter(row["custom_id"] for row in rows(client, batch.output_file_id))
            assert found == Counter(f"line-{n}" for n in range(LINES))
            assert batch.cost["priced_lines"] == LINES  # type: ignore[attr-defined]
    assert Counter(job["displayName"] for job in cloud.jobs()) == Counter(f"{id}-0001-a1" for id in ids)
