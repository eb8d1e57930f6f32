"""What must hold of every batch that has come to rest, whatever happened on the way. See the promise in the README."""

from collections import Counter
from typing import Any

from shared.domain.batch import Status
from shared.domain.shard import ShardStatus, label
from tests.steps.world import World

__all__ = ["check_at_rest", "check_every_line", "check_nothing_left"]

NEVER_RAN = {"batch_expired", "batch_cancelled", "batch_failed", "missing_result"}


Rows = list[dict[str, Any]]


def check_every_line(world: World, id: str, lines: Rows) -> tuple[Rows, Rows]:
    """Every line exactly once, counts and cost agree, whichever provider ran them. The rows of output and of errors."""
    batch, shards = world.batch(id), world.shards(id)
    output, errors = world.output(id), world.errors(id)
    assert batch.terminal
    if batch.stamps.get(Status.IN_PROGRESS) is not None:
        ended = Counter(row["custom_id"] for row in (*output, *errors))
        assert ended == Counter(line["custom_id"] for line in lines)
    for row in output:
        assert row["response"]["status_code"] == 200
        assert row["error"] is None
    for row in errors:
        if row["error"] is not None:
            assert row["response"] is None
            assert row["error"]["code"] in NEVER_RAN
        else:
            assert row["response"]["status_code"] >= 400
    ids = [row["id"] for row in (*output, *errors)]
    assert len(ids) == len(set(ids))

    assert batch.counts.completed == len(output)
    assert batch.counts.completed + batch.counts.failed <= batch.counts.total
    if batch.status is Status.COMPLETED:
        assert batch.counts.completed + batch.counts.failed == batch.counts.total == len(lines)

    ledger = world.ledger(id)
    assert len(ledger) == len(shards) - batch.owing
    assert sum(entry.cost.nano for entry in ledger) == batch.cost.nano
    assert sum(entry.cost.priced_lines for entry in ledger) == len(output)
    assert all(shard.status is ShardStatus.COLLECTED for shard in shards)

    stamps = list(batch.stamps.values())
    assert stamps == sorted(stamps)
    assert sum(status in batch.stamps for status in ("completed", "failed", "expired", "cancelled")) == 1
    return output, errors


def check_at_rest(world: World, id: str, lines: Rows, *, doubled: bool = False) -> None:
    """The same, and of what the stand-ins of this folder say: each line its own answer, usage; one job a shard."""
    output, _ = check_every_line(world, id, lines)
    batch, shards = world.batch(id), world.shards(id)
    for row in output:
        content = row["response"]["body"]["choices"][0]["message"]["content"]
        assert content == f"echo nonce of {row['custom_id']}"
    assert batch.usage.input_tokens == 7 * len(output)
    assert batch.usage.output_tokens == 3 * len(output)

    made = Counter(world.upstream.created())
    if doubled:  # by a worker that stood still inside the call: the job that nobody adopted was cancelled
        for label_made, count in made.items():
            assert world.upstream.journal.count(f"cancel {label_made}") >= count - 1
        assert sum(made.values()) <= len(made) + 1
    else:
        assert all(count == 1 for count in made.values()), made
    assert set(made) <= {label(shard) for shard in shards} | {f"{shard.id}-a{n}" for shard in shards for n in (1, 2, 3)}


def check_nothing_left(world: World, id: str) -> None:
    """After the garbage has been swept, no waste of the batch is left and no message is on its way."""
    for _ in range(5):
        world.pump()
        world.clock += 60_000
        world.sweep()
    world.pump()
    assert world.bus.queue.depth() == 0
    assert world.bus.queue.dead() == 0
    left = [
        stat.name for prefix in (f"gs://data/rows/{id}/", f"gs://work/in/{id}/") for stat in world.objects.list(prefix)
    ]
    assert left == []
