"""sweep: every minute, look for what was lost, late or forgotten. The only thing that survives lost messages.

Each record that still has to move knows when it must be looked at (`due_at`); a sweep asks for those that are due and
sends the message again that should have moved them. One record's trouble does not stop the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from shared.app import App
from shared.domain.batch import Batch, Status
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import Transient
from shared.domain.files import Garbage, UploadStatus
from shared.domain.keys import Grace
from shared.domain.messages import Created, Message, Outbox
from shared.domain.passthrough import VertexJob
from shared.domain.shard import Shard, next_step
from shared.log import log
from shared.steps import uploads
from shared.steps.cancel import expire
from shared.steps.commit import dispatch
from shared.steps.create import LOOK_AGAIN
from shared.steps.files import delete_file
from shared.storage.ports import Query, Record, Transaction
from shared.storage.queries import (
    BATCHES_DUE,
    BATCHES_OF_INPUT,
    CREATED_OVER,
    FILES_OVER,
    GARBAGE_DUE,
    GRACES_OVER,
    JOBS_DUE,
    OUTBOX_DUE,
    SHARDS_DUE,
    UPLOADS_OVER,
)
from shared.trace import current

__all__ = ["sweep"]

_PAGE: Final = 100
_MOST_PAGES: Final = 20  # a sweep is short; the next one goes on
_MOST_DELETED: Final = 1_000  # objects of one prefix in one sweep
_READERS: Final = {Status.VALIDATING: 10 * SECOND, Status.IN_PROGRESS: MINUTE}  # of inputs: prepare, and a move
_STUCK: Final = 15 * MINUTE  # after its time was over, or its cancel, a batch should have ended


def sweep(app: App) -> None:
    """Look once at everything that is due."""
    found = {
        "outbox": _each(app, OUTBOX_DUE, _send_again),
        "batches": _each(app, BATCHES_DUE, _move_batch),
        "shards": _each(app, SHARDS_DUE, _move_shard),
        "jobs": _each(app, JOBS_DUE, _move_job),
        "uploads": _each(app, UPLOADS_OVER, uploads.expire, UploadStatus.PENDING),
        "files": _each(app, FILES_OVER, delete_file),
        "garbage": _each(app, GARBAGE_DUE, _delete),
        "created": _each(app, CREATED_OVER, _forget),
        "graces": _each(app, GRACES_OVER, _end),
    }
    log("sweep_done", severity="INFO" if any(found.values()) else "DEBUG", **found)


def _each(app: App, query: Query, act: Callable[[App, Any], None], *values: object) -> int:
    """Act on every record that is due now; how many there were."""
    count = 0
    for record in _due(app, query, *values):
        count += 1
        try:
            act(app, record)
        except Transient as error:
            log("sweep_postponed", severity="WARNING", record=record.id, reason=str(error))
        except Exception as error:  # noqa: BLE001  # one record must not hide the others from the sweep
            log("sweep_failed", severity="ERROR", record=record.id, reason=f"{type(error).__name__}: {error}")
    return count


def _due(app: App, query: Query, *values: object) -> Iterator[Any]:
    last: Record | None = None
    now = app.now()
    for _ in range(_MOST_PAGES):
        page = app.documents.query(query, *values, at_most=now, after=last, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]


def _send_again(app: App, row: Outbox) -> None:
    dispatch(app, [row])


def _move_batch(app: App, batch: Batch) -> None:
    """Resend the message that should have moved a batch, or end it where its time is over."""
    now = app.now()
    if now > (batch.ending_at or batch.expires_at) + _STUCK:
        log("batch_stuck", severity="ERROR", **batch.log_context(), ending=batch.ending, epoch=batch.epoch)
    if batch.ending is None and batch.expires_at <= now and batch.status is not Status.FINALIZING:
        expire(app, batch.id)
        return
    if batch.output_file_id is not None:
        step = "finish"
    elif batch.ending is not None:
        step = "cancel"
    else:
        step = "prepare"
    _postpone(app, Batch, batch)
    app.bus.publish([Message(step=step, batch=batch.id, trace=current())])


def _move_shard(app: App, shard: Shard) -> None:
    _postpone(app, Shard, shard)
    step = next_step(shard)
    if step is not None:
        app.bus.publish([Message(step=step, shard=shard.id, trace=current())])


def _move_job(app: App, job: VertexJob) -> None:
    _postpone(app, VertexJob, job)
    app.bus.publish([Message(step="meter", job=job.id, trace=current())])


def _postpone(app: App, kind: type[Any], seen: Batch | Shard | VertexJob) -> None:
    """Do not send the same message with every sweep: the step itself says when it wants to be looked at again."""

    def body(tx: Transaction) -> None:
        record = tx.get(kind, seen.id)
        if record is not None and record.due_at == seen.due_at:
            tx.put(replace(record, due_at=app.now() + LOOK_AGAIN))

    app.documents.transact(body)


def _delete(app: App, garbage: Garbage) -> None:
    """Delete an object, or all under a prefix, unless a batch still has to read it, or may have to once more."""
    for status, pause in _READERS.items():
        if app.documents.query(BATCHES_OF_INPUT, garbage.object, status, limit=1):
            later = replace(garbage, due_at=app.now() + pause)
            app.documents.transact(lambda tx: tx.put(later))  # noqa: B023  # it runs before the next turn
            return
    if garbage.object.endswith("/"):
        later = replace(garbage, due_at=app.now() + MINUTE)
        app.documents.transact(lambda tx: tx.put(later))  # so that the next sweep does not begin the same beside us
        for count, stat in enumerate(app.objects.list(garbage.object), start=1):
            if count > _MOST_DELETED:
                return
            app.objects.delete(stat.name)
    else:
        app.objects.delete(garbage.object)
    app.documents.transact(lambda tx: tx.delete(Garbage, garbage.id))


def _forget(app: App, created: Created) -> None:
    app.documents.transact(lambda tx: tx.delete(Created, created.id))


def _end(app: App, grace: Grace) -> None:
    """Delete it, unless the same secret was given another one meanwhile."""

    def body(tx: Transaction) -> None:
        if tx.get(Grace, grace.id) == grace:
            tx.delete(Grace, grace.id)

    app.documents.transact(body)
