"""The ledger entry of what has been counted: a shard of a batch, or a passed-through job."""

from shared.app import App
from shared.domain.batch import Batch, Counts
from shared.domain.cost import Cost
from shared.domain.ledger import LedgerEntry
from shared.domain.passthrough import VertexJob
from shared.domain.shard import Shard
from shared.pricing.meter import Meter

__all__ = ["entry_of"]


def entry_of(
    app: App, whole: Batch | VertexJob, part: Shard | VertexJob, *, meter: Meter, counts: Counts, cost: Cost, now: int
) -> LedgerEntry:
    """`whole` says who asked and pays, `part` what ran where; a job is both."""
    deployment = app.config.deployment(part.deployment)
    return LedgerEntry(
        id=part.id,
        batch=whole.id,
        owner=whole.owner,
        team=whole.team,
        key=whole.key,
        user=whole.user,
        group=part.group,
        deployment=part.deployment,
        provider="" if deployment is None else deployment.provider,
        model=meter.model,
        book=app.book.version,
        tokens=meter.tokens(),
        counts=counts,
        cost=cost,
        tags=whole.tags,
        started_at=whole.created_at,
        created_at=now,
    )
