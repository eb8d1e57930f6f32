"""What the log says of a batch: alerts, counters and the dashboard are built on these facts."""

from typing import Any

from shared.domain.batch import Batch
from shared.log import log

__all__ = ["report"]


def report(batch: Batch, **more: Any) -> None:
    """Say where a batch has got to, and of one that has ended what it came to."""
    log("batch_moved", **batch.log_context(), **more)
    if batch.terminal:
        counts, cost = batch.counts, batch.cost
        log(
            "batch_ended",
            **batch.log_context(),
            total=counts.total,
            completed=counts.completed,
            failed=counts.failed,
            nano=cost.nano,
            unpriced_lines=cost.unpriced_lines,
            seconds=(max(batch.stamps.values(), default=batch.created_at) - batch.created_at) // 1000,
        )
