"""A change of state and the messages that follow from it are one transaction.

  transaction:  records changed + one outbox row for each message
  after it:     publish, then delete the rows          died before or between: `sweep` publishes what is left

So a message may be sent twice, and is never forgotten.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from uuid import uuid4

from shared.app import App
from shared.domain.clock import SECOND
from shared.domain.errors import ConfigError, Transient
from shared.domain.messages import Message, Outbox
from shared.log import log
from shared.storage.ports import Record, Transaction
from shared.trace import current

__all__ = ["Turn", "commit", "dispatch"]

_RESEND: Final = 15 * SECOND  # after this, `sweep` believes that a message was forgotten

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Turn:
    """What the body of one transaction works with."""

    def __init__(self, tx: Transaction, now: int) -> None:
        self.tx, self.now = tx, now
        self.owed: list[Outbox] = []

    def get(self, kind: type[R], id: str) -> R | None:
        return self.tx.get(kind, id)

    def prefetch(self, *places: tuple[type[Record], str]) -> None:
        """Read what `get` will be asked for next, in one go."""
        self.tx.prefetch(*places)

    def put(self, record: Record) -> None:
        self.tx.put(record)

    def add(self, record: Record) -> None:
        self.tx.add(record)

    def send(self, step: str, *, batch: str | None = None, shard: str | None = None, job: str | None = None) -> None:
        """Owe the bus a message, from the moment this transaction commits."""
        message = Message(step=step, batch=batch, shard=shard, job=job, trace=current())
        row = Outbox(id=uuid4().hex, message=message, due_at=self.now + _RESEND)
        self.tx.add(row)
        self.owed.append(row)


def commit(app: App, body: Callable[[Turn], T]) -> T:
    """Run `body` in one transaction (perhaps more than once), then send what it owes."""
    owed: list[Outbox] = []

    def once(tx: Transaction) -> T:
        turn = Turn(tx, app.now())
        result = body(turn)
        owed[:] = turn.owed
        return result

    result = app.documents.transact(once)
    if owed:
        dispatch(app, owed)
    return result


def dispatch(app: App, owed: Sequence[Outbox]) -> None:
    """Publish, then forget. A failure is no failure of the caller's: the rows stay for `sweep`."""

    def forget(tx: Transaction) -> None:
        for row in owed:
            tx.delete(Outbox, row.id)

    try:
        app.bus.publish([row.message for row in owed])
        app.documents.transact(forget)
    except (Transient, ConfigError) as error:
        severity = "CRITICAL" if isinstance(error, ConfigError) else "WARNING"
        log("dispatch_postponed", severity=severity, messages=len(owed), reason=str(error))
