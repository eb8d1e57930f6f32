"""submit(shard): create the provider's job, at most once.

claim, tries + 1 ──► look for our label (from the second try on) ──► create ──► record the job
      └ died anywhere here: the next try looks before it creates, and finds what the dead one made
"""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError, Ending
from shared.domain.clock import SECOND
from shared.domain.errors import Transient
from shared.domain.shard import Job, JobState, Shard, ShardStatus, label, move_to
from shared.log import log
from shared.providers.base import Client, JobMissing, JobRequest, Refused, Unknown
from shared.steps.cancel import overdue
from shared.steps.claim import Held, LeaseLost, claim
from shared.steps.commit import Turn, commit

__all__ = ["end", "patience", "submit"]

_MOST_TROUBLES: Final = 5  # refusals that time might heal, such as 403 after a fresh grant: about a minute
_FIRST_CHECK: Final = SECOND


def patience(troubles: int) -> int:
    """Milliseconds to wait after so many troubles in a row: 2 s, 4 s, 8 s … up to a minute."""
    return min(60, 1 << min(troubles, 6)) * SECOND


def submit(app: App, shard_id: str) -> None:
    """Move a shard from waiting to running, or to ended where its provider will not have it."""
    with claim(app, Shard, shard_id, wanted=_wanted, change=_one_more_try) as held:
        if held is None:
            return
        shard = held.record
        batch = app.documents.get(Batch, shard.batch)
        asked = False
        try:
            client = app.provider(shard.deployment).client
            job = _made_before(client, shard)
            if job is not None:
                log("job_adopted", **shard.log_context(), tries=shard.tries)
            elif batch is None or batch.ending is not None or batch.terminal:
                _end(app, held, None)
                return
            else:
                held.fresh()
                asked = True
                job = client.create_job(_request(app, held, batch))
        except Refused as refusal:
            if refusal.settled or shard.troubles >= _MOST_TROUBLES:
                _end(app, held, refusal.error)
            else:
                _wait(app, held, refusal.error.message, made_none=True)
        except Transient as trouble:
            if batch is not None and overdue(batch, app.now()):
                _end(app, held, None)
            else:
                _wait(app, held, str(trouble), made_none=asked and not isinstance(trouble, Unknown))
        else:
            _record(app, held, job, client)


def end(turn: Turn, shard: Shard, job: Job | None) -> None:
    """The job is over, or there will be none: what is there can be collected."""
    turn.put(replace(shard, status=move_to(shard, ShardStatus.ENDED), job=job, lease=None, troubles=0, due_at=turn.now))
    turn.send("collect", shard=shard.id)


def _made_before(client: Client, shard: Shard) -> Job | None:
    """What an earlier try may have made. As long as we cannot look, we do not know, whatever the reason."""
    if shard.tries == 1:
        return None
    try:
        return client.find_job(label(shard), since=shard.created_at)
    except Refused as refusal:
        raise Transient(refusal.error.message) from refusal


def _wanted(shard: Shard) -> bool:
    return shard.status is ShardStatus.WAITING


def _one_more_try(shard: Shard) -> Shard:
    return replace(shard, tries=shard.tries + 1)


def _request(app: App, held: Held[Shard], batch: Batch) -> JobRequest:
    shard = held.record
    return JobRequest(
        label=label(shard),
        endpoint=batch.endpoint,
        source=shard.source,
        output=layout.shard_output(app.work_bucket, shard.batch, shard.number, shard.attempt),
        size=lambda: app.objects.stat(shard.source).size,
        open=partial(app.objects.open, shard.source),
        hold=held,
    )


def _record(app: App, held: Held[Shard], job: Job, client: Client) -> None:
    def body(turn: Turn) -> None:
        shard = held.current(turn)
        turn.put(
            replace(
                shard,
                status=move_to(shard, ShardStatus.RUNNING),
                job=job,
                lease=None,
                troubles=0,
                due_at=turn.now + _FIRST_CHECK,
            )
        )

    try:
        commit(app, body)
    except LeaseLost:
        now_there = app.documents.get(Shard, held.record.id)
        if now_there is not None and now_there.job is not None and now_there.job.name != job.name:
            with suppress(Transient, Refused, JobMissing):
                client.cancel_job(job.name)  # another worker's job was adopted: nobody will ever read this one
        raise
    log("job_created", **held.record.log_context(), tries=held.record.tries)


def _wait(app: App, held: Held[Shard], reason: str, *, made_none: bool) -> None:
    """The provider is in trouble, not the line: try again later, however long that takes.

    A try that certainly made no job is forgotten, so that the next one need not look for it.
    """

    def body(turn: Turn) -> Shard:
        shard = held.current(turn)
        troubles, tries = shard.troubles + 1, shard.tries - made_none
        shard = replace(shard, lease=None, troubles=troubles, tries=tries, due_at=turn.now + patience(troubles))
        turn.put(shard)
        return shard

    shard = commit(app, body)
    log("submit_postponed", severity="WARNING", **shard.log_context(), troubles=shard.troubles, reason=reason)


def _end(app: App, held: Held[Shard], error: BatchError | None) -> None:
    def body(turn: Turn) -> None:
        shard = held.current(turn)
        job = None if error is None else Job(name="", state=JobState.FAILED, error=error)
        end(turn, shard, job)

    commit(app, body)
    code = Ending.FAILED if error is not None else None
    log("shard_ended", **held.record.log_context(), reason=code, error=error.code if error else None)
