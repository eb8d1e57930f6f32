"""Leave nothing with a provider that was only for one job, once its rows are ours or it has none."""

from shared.app import App
from shared.domain.errors import Transient
from shared.domain.shard import Job, Shard
from shared.log import log
from shared.providers.base import JobMissing, Refused

__all__ = ["tidy"]


def tidy(app: App, shard: Shard, job: Job) -> None:
    """Best effort: what is left there has an expiry."""
    clean = app.provider(shard.deployment).tidy
    if clean is None or not job.name:
        return
    try:
        clean(job)
    except (Transient, Refused, JobMissing) as error:
        log("job_left", severity="WARNING", **shard.log_context(), reason=type(error).__name__)
