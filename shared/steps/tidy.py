"""Leave nothing with a provider that was only for one job, once its rows are ours or it has none."""

from shared.app import App
from shared.domain.errors import Transient
from shared.domain.shard import Job, Shard, label
from shared.log import log
from shared.providers.base import JobMissing, Refused

__all__ = ["tidy"]


def tidy(app: App, shard: Shard, job: Job) -> None:
    """Best effort: what is left there has an expiry, and a job that nobody adopted has an end."""
    provider = app.provider(shard.deployment)
    try:
        if shard.lost_at is not None:  # so there may be a second job, which was seen too late to be the one
            double = provider.client.find_job(label(shard), since=shard.created_at)
            if double is not None and double.name != job.name:
                log("job_doubled", severity="WARNING", **shard.log_context())
                provider.client.cancel_job(double.name)
        if provider.tidy is not None and job.name:
            provider.tidy(job)
    except (Transient, Refused, JobMissing) as error:
        log("job_left", severity="WARNING", **shard.log_context(), reason=type(error).__name__)
