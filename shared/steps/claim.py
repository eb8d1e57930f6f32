"""One worker at a time on a batch, a shard or a job, and nobody for ever. See domain/lease.py for the picture."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Generic, TypeVar
from uuid import uuid4

from shared.app import App
from shared.domain.batch import Batch
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import ConfigError, Transient
from shared.domain.lease import LEASE, RENEW_AFTER, Lease
from shared.domain.passthrough import VertexJob
from shared.domain.shard import Shard
from shared.log import log
from shared.steps.commit import Turn
from shared.steps.waste import throw_away_late
from shared.storage.ports import ObjectMissing, Transaction

__all__ = ["Held", "LeaseLost", "claim"]

_PAUSE: Final = 15 * SECOND
_CRASHED: Final = (
    5 * MINUTE
)  # the bus brings the message again by itself, and counts how often: `sweep` must not add more

R = TypeVar("R", Batch, Shard, VertexJob)


class LeaseLost(Exception):
    """We were presumed dead, or the work is no longer wanted: whatever we still have to say does not count."""


class Held(Generic[R]):
    """A record that is ours for a while."""

    def __init__(self, app: App, record: R, worker: str, wanted: Callable[[R], bool]) -> None:
        self._app = app
        self._worker = worker
        self._wanted: Callable[[R], bool] = wanted
        self._renewed = app.now()
        self.record: R = record
        self.settled = False

    def current(self, turn: Turn) -> R:
        """The record as it is now, in the transaction that ends the work. LeaseLost if it is not ours or not wanted."""
        record = self._ours(turn.tx)
        if record is None or not self._wanted(record):
            raise LeaseLost(self.record.id)
        self.settled = True
        return record

    def beat(self, *, at_once: bool = False) -> None:
        """To be called often by long work: keeps the lease, and stops work that nobody wants any more (LeaseLost)."""
        now = self._app.now()
        if now - self._renewed < RENEW_AFTER and not at_once:
            return

        def renew(tx: Transaction) -> bool:
            record = self._ours(tx)
            if record is None or not self._wanted(record):
                return False
            tx.put(replace(record, lease=Lease(owner=self._worker, until=now + LEASE), due_at=now + LEASE))
            return True

        if not self._app.documents.transact(renew):
            raise LeaseLost(self.record.id)
        self._renewed = now

    def kept(self, turn: Turn) -> R:
        """The record as it is now, with its lease made longer, to be put in the midst of work. LeaseLost as above."""
        record = self._ours(turn.tx)
        if record is None or not self._wanted(record):
            raise LeaseLost(self.record.id)
        self._renewed = now = self._app.now()
        return replace(record, lease=Lease(owner=self._worker, until=now + LEASE), due_at=now + LEASE)

    def fresh(self) -> None:
        """To be called just before what must not happen twice: LeaseLost if so much time has passed that it might."""
        if self._app.now() - self._renewed > LEASE // 2:
            raise LeaseLost(self.record.id)

    def release(self, *, pause: int = 0) -> None:
        """Let the next one in, instead of after the lease: a message at once, `sweep` after the pause."""

        def free(tx: Transaction) -> None:
            record = self._ours(tx)
            if record is not None:
                tx.put(replace(record, lease=None, due_at=self._app.now() + pause))

        self._app.documents.transact(free)

    def _ours(self, tx: Transaction) -> R | None:
        kind: type[R] = type(self.record)
        record = tx.get(kind, self.record.id)
        if record is None or record.lease is None or record.lease.owner != self._worker:
            return None
        return record


@contextmanager
def claim(
    app: App,
    kind: type[R],
    id: str,
    *,
    wanted: Callable[[R], bool],
    change: Callable[[R], R] | None = None,
) -> Iterator[Held[R] | None]:
    """Hold the record while the block runs; None where there is nothing to do, or another worker does it.

    `change` is applied as the lease is taken. LeaseLost ends the block in silence. So do Transient (a full disk, a
    store that does not answer) and ConfigError (a grant that somebody took away), and `sweep` tries again: only if even
    that cannot be written, the message has to come again. Any other exception gives the lease back and goes on.
    """
    held = _taken(app, kind, id, wanted, change)
    if held is None:
        yield None
        return
    pause = 0
    try:
        try:
            yield held
        except ObjectMissing:
            held.beat(at_once=True)  # deleted by those who took over, or really gone
            raise
    except (Transient, ConfigError) as trouble:
        held.settled, pause = False, _PAUSE
        severity = "CRITICAL" if isinstance(trouble, ConfigError) else "WARNING"
        log("step_postponed", severity=severity, **held.record.log_context(), reason=str(trouble))
    except LeaseLost:
        log("lease_lost", severity="WARNING", **held.record.log_context())
        held.settled = True
        if not isinstance(held.record, VertexJob):  # of a job that was passed through nothing is ours
            throw_away_late(app, held.record.id if isinstance(held.record, Batch) else held.record.batch)
    except BaseException:
        held.settled, pause = False, _CRASHED
        raise
    finally:
        if not held.settled:
            held.release(pause=pause)


def _taken(
    app: App, kind: type[R], id: str, wanted: Callable[[R], bool], change: Callable[[R], R] | None
) -> Held[R] | None:
    worker = uuid4().hex

    def take(tx: Transaction) -> R | None:
        record = tx.get(kind, id)
        if record is None or not wanted(record):
            return None
        now = app.now()
        if record.lease is not None and not record.lease.open_to(worker, now):
            return None  # that worker goes on; or it is dead, and `sweep` comes when the lease is over
        until = now + LEASE
        taken = replace(
            record if change is None else change(record),
            lease=Lease(owner=worker, until=until),
            epoch=record.epoch + 1,
            due_at=until,
        )
        tx.put(taken)
        return taken

    taken = app.documents.transact(take)
    return None if taken is None else Held(app, taken, worker, wanted)
