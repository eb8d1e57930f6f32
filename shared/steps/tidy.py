"""Leave nothing with a provider that was only for one job, once its rows are ours or it has none; and no double of it.

An answer that was lost may have made a job that is seen only later: at this deployment, or at one that the shard was
moved from in the meantime. Nobody will ever read it, and it costs money.
"""

from shared.app import App
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Job, Shard, label
from shared.log import log
from shared.providers.base import JobMissing, Refused

__all__ = ["cancel_doubles", "tidy"]

_TROUBLE = (Transient, ConfigError, Refused, JobMissing)


def tidy(app: App, shard: Shard, job: Job) -> None:
    """Best effort: what is left there has an expiry, and a job that nobody adopted has an end."""
    cancel_doubles(app, shard, job)
    try:
        clean = app.provider(shard.deployment).tidy
        if clean is not None and job.name:
            clean(job)
    except _TROUBLE as error:
        log("job_left", severity="WARNING", **shard.log_context(), reason=type(error).__name__)


def cancel_doubles(app: App, shard: Shard, job: Job) -> None:
    """Look where an answer was lost, and end what is not the shard's job."""
    if shard.lost_at is not None:
        _cancel(app, shard, shard.deployment, label(shard), but=job.name)
    for left in shard.left_behind:
        deployment, name = left.rsplit(" ", 1)
        _cancel(app, shard, deployment, name)


def _cancel(app: App, shard: Shard, deployment: str, name: str, *, but: str | None = None) -> None:
    try:
        client = app.provider(deployment).client
        double = client.find_job(name, since=shard.created_at)
        if double is not None and double.name != but and not double.state.terminal:
            log("job_doubled", severity="WARNING", **shard.log_context())
            client.cancel_job(double.name)
    except _TROUBLE as error:
        log("double_not_found", severity="WARNING", **shard.log_context(), reason=type(error).__name__)
