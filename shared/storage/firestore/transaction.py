"""One try of a transaction, which takes no lock while its body runs.

What comes of the body counts only if all that it read was so at one moment, and for its writes the moment is theirs:

   body    get A, get B, get C        put A, put B
   commit  A and B unchanged ─ a condition on each write
           C unchanged ─ read again in a transaction of Firestore's, which keeps it so until the commit

   body    get A, get B        raises, or returns without a write
   then    A and B read again: unchanged, so they were what they are when B was read

A process that is killed in its body holds up nobody, where Firestore's own transactions lock what they read for up to
a minute. Nor do writers of one document wait for each other: whoever comes second is told so at once.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from google.cloud.firestore_v1.types import Document, Precondition, Write

from shared.storage.firestore import layout
from shared.storage.firestore.calls import Calls, Found, Stale
from shared.storage.firestore.values import document_of, record_of
from shared.storage.ports import Contention, Exists, Record

__all__ = ["Countdown", "Try"]

R = TypeVar("R", bound=Record)

_LEAST: Final = 1.0  # seconds that a call is given even at the end: of a commit cut short, nobody knows what became


class Countdown:
    """How many seconds the next call of a transaction may take, of so many in all; Contention where none are left."""

    def __init__(self, seconds: float, *, call: float) -> None:
        self._seconds, self._call = seconds, call
        self._deadline = time.monotonic() + seconds

    def __call__(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Contention(f"not committed within {self._seconds:g} s")
        return max(min(left, self._call), _LEAST)


@dataclass(frozen=True, slots=True)
class _Pending:
    """What is to become of one document."""

    document: Document | None  # None: it is to be gone
    fresh: bool  # there must be none before


class Try:
    """What one run of the body saw, and what it wants written. See Transaction in the ports."""

    def __init__(self, calls: Calls, seconds: Countdown) -> None:
        self._calls, self._seconds = calls, seconds
        self._over = False
        self._failed = False
        self._seen: Found = {}
        self._pending: dict[str, _Pending] = {}
        self._taken: str | None = None

    def get(self, kind: type[R], id: str) -> R | None:
        self.prefetch((kind, id))
        document = self._seen[self._name(kind, id)]
        return None if document is None else record_of(kind, document)

    def prefetch(self, *places: tuple[type[Any], str]) -> None:
        self._refuse_when_over()
        if self._pending:
            raise RuntimeError(f"{places[0][0].__name__} {places[0][1]}: reads come before writes")
        names = dict.fromkeys(self._name(kind, id) for kind, id in places)
        if missing := [name for name in names if name not in self._seen]:
            self._failed = True
            self._seen |= self._calls.read(missing, seconds=self._seconds())
            self._failed = False

    def put(self, record: Record) -> None:
        self._refuse_when_over()
        document = document_of(record, self._name(type(record), record.id))
        before = self._pending.get(document.name)
        self._pending[document.name] = _Pending(document, fresh=before is not None and before.fresh)

    def add(self, record: Record) -> None:
        self._refuse_when_over()
        document = document_of(record, self._name(type(record), record.id))
        before = self._pending.get(document.name)
        present = before.document if before is not None else self._seen.get(document.name)
        if present is not None and self._taken is None:
            self._taken = document.name
        self._pending[document.name] = _Pending(document, fresh=before is None or before.fresh)

    def delete(self, kind: type[R], id: str) -> None:
        self._refuse_when_over()
        name = self._name(kind, id)
        before = self._pending.get(name)
        self._pending[name] = _Pending(None, fresh=before is not None and before.fresh)

    def finish(self) -> None:
        """The body has ended: nothing more is taken."""
        self._over = True

    def consistent(self) -> bool:
        """Whether all that was read was so at one moment. A body that was not answered has its reason to raise."""
        if self._failed or len(self._seen) < 2:
            return True
        return _versions(self._calls.read([*self._seen], seconds=self._seconds())) == _versions(self._seen)

    def commit(self) -> bool:
        """True: all of it is written. False: what the body saw is not so, and nothing is written. Exists."""
        if not self._pending:
            return self.consistent()
        if self._taken is not None:
            if self.consistent():
                raise _exists(self._taken)
            return False
        conditions = {name: self._condition(name) for name in self._pending}
        writes = [_write(name, pending, conditions[name]) for name, pending in self._pending.items()]
        unguarded = {name: document for name, document in self._seen.items() if conditions.get(name) is None}
        held = b""
        try:
            if unguarded:
                found, held = self._calls.hold([*unguarded], seconds=self._seconds())
                if _versions(found) != _versions(unguarded):
                    return False
            self._calls.commit(writes, transaction=held, seconds=self._seconds())
            held = b""
        except Stale:
            return False
        except Exists:
            self._refuse_taken()
            return False
        finally:
            if held:
                self._calls.let_go(held)
        return True

    def _refuse_taken(self) -> None:
        """Exists, unless the body would do something else if it saw what is there now."""
        added = [name for name, pending in self._pending.items() if pending.fresh and name not in self._seen]
        now = self._calls.read([*self._seen, *added], seconds=self._seconds())
        taken = [name for name in added if now[name] is not None]
        if taken and _versions({name: now[name] for name in self._seen}) == _versions(self._seen):
            raise _exists(taken[0])

    def _condition(self, name: str) -> Precondition | None:
        """What has to be so of a document when it is written."""
        pending = self._pending[name]
        if pending.fresh:
            return Precondition(exists=False)
        if name not in self._seen:
            return None
        seen = self._seen[name]
        if seen is not None:
            return Precondition(update_time=seen.update_time)
        return None if pending.document is None else Precondition(exists=False)

    def _name(self, kind: type[Any], id: str) -> str:
        return self._calls.name(layout.collection(kind), layout.document_id(id))

    def _refuse_when_over(self) -> None:
        if self._over:
            raise RuntimeError("the transaction is over")


def _write(name: str, pending: _Pending, condition: Precondition | None) -> Write:
    if pending.document is None:
        return Write(delete=name, current_document=condition)
    return Write(update=pending.document, current_document=condition)


def _versions(found: Found) -> dict[str, datetime | None]:
    return {name: None if document is None else document.update_time for name, document in found.items()}


def _exists(name: str) -> Exists:
    return Exists(" ".join(name.rsplit("/", 2)[1:]))
