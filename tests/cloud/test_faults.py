"""Deliveries that are doubled, late and lost, on the whole path: every batch is right, all the same."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.ledger import LedgerEntry
from tests.cloud.stack import Cloud
from tests.e2e.stack import chat, ended, rows, start

BATCHES, LINES, SHARE = 200, 200, 0.05


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("clouds")
def test_two_hundred_batches_survive_a_bad_courier(new_cloud: Callable[..., Cloud]) -> None:
    """5 % of all deliveries are lost, 5 % are late and 5 % come twice: pushes and finalize events alike."""
    cloud = new_cloud(courier_share=SHARE, seed=1)
    with cloud.client(max_retries=8, timeout=60.0) as client, ThreadPoolExecutor(8) as pool:

        def begin(number: int) -> str:
            return start(client, [chat(f"{number}-{line}", f"nonce {number} {line}") for line in range(LINES)]).id

        ids = list(pool.map(begin, range(BATCHES)))

        def check(number: int) -> int:
            batch = ended(client, ids[number], 400)
            assert batch.status == "completed"
            assert batch.request_counts is not None
            assert batch.request_counts.to_dict() == {"total": LINES, "completed": LINES, "failed": 0}
            found = Counter(row["custom_id"] for row in rows(client, batch.output_file_id))
            assert found == Counter(f"{number}-{line}" for line in range(LINES))
            assert batch.cost["priced_lines"] == LINES  # type: ignore[attr-defined]
            return 1

        assert sum(pool.map(check, range(BATCHES))) == BATCHES

    documents = cloud.documents()
    ledger = [documents.get(LedgerEntry, f"{id}-0001") for id in ids]
    assert [entry.cost.priced_lines for entry in ledger if entry is not None] == [LINES] * BATCHES
    assert Counter(job["displayName"] for job in cloud.jobs()) == Counter(f"{id}-0001-a1" for id in ids)
    for fate in ("lost", "late", "doubled"):  # else nothing was tried
        assert cloud.courier.done[f"work {fate}"] > 20
        assert cloud.courier.done[f"predictions {fate}"] > 0
