"""Documents in Firestore: how a transaction works there is told in `transaction.py`."""

import random
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from shared.domain.errors import ConfigError
from shared.storage.firestore import layout
from shared.storage.firestore.calls import Calls
from shared.storage.firestore.query import structured
from shared.storage.firestore.transaction import Countdown, Try
from shared.storage.firestore.values import record_of
from shared.storage.ports import Query, Record, Transaction

__all__ = ["FirestoreDocuments"]

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_CALL: Final = 10.0  # seconds for an answer
_TRANSACTION: Final = 18.0  # seconds for all tries of a transaction: well inside a lease of 30
_PAUSES: Final = (0.02, 1.0)  # seconds between two tries, at most: growing from one to the other

_URL: Final = re.compile(r"firestore://(?P<project>[a-z0-9.:-]+)(?:/(?P<database>\(default\)|[a-z0-9-]+))?")


class FirestoreDocuments:
    """The documents port on `firestore://PROJECT/DATABASE`; where no database is named, on `(default)`."""

    def __init__(self, url: str, *, call: float = _CALL, transaction: float = _TRANSACTION) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ConfigError(f"{url!r} is not firestore://PROJECT/DATABASE")
        self._calls = Calls(match["project"], match["database"] or "(default)")
        self._call, self._transaction = call, transaction
        self._local = threading.local()

    def get(self, kind: type[R], id: str) -> R | None:
        """See the port."""
        self._refuse_nesting()
        name = self._name(kind, id)
        document = self._calls.read([name], seconds=self._call)[name]
        return None if document is None else record_of(kind, document)

    def transact(self, body: Callable[[Transaction], T]) -> T:
        """See the port. Transient: nothing was written; or the answer was lost, and nobody knows."""
        self._refuse_nesting()
        seconds = Countdown(self._transaction, call=self._call)
        pause, longest = _PAUSES
        while True:
            transaction = Try(self._calls, seconds)
            try:
                result = self._run(body, transaction)
            except Exception:
                if transaction.consistent():
                    raise
            else:
                if transaction.commit():
                    return result
            time.sleep(random.uniform(0, pause))  # noqa: S311
            pause = min(2 * pause, longest)

    def query(
        self,
        query: Query,
        *values: object,
        at_least: int | None = None,
        at_most: int | None = None,
        after: Record | None = None,
        limit: int = 100,
    ) -> list[Any]:
        """See the port."""
        self._refuse_nesting()
        place = None
        if after is not None:
            reached = getattr(after, query.order)
            if reached is None:
                raise ValueError(f"{after.id}: no {query.order}, so there is nothing behind it")
            place = (reached, self._name(query.kind, after.id))
        asked = structured(query, values, at_least=at_least, at_most=at_most, after=place, limit=limit)
        return [record_of(query.kind, document) for document in self._calls.query(asked, seconds=self._call)]

    def close(self) -> None:
        """Close the connection of this process."""
        self._calls.close()

    def _run(self, body: Callable[[Transaction], T], transaction: Try) -> T:
        self._local.inside = True
        try:
            return body(transaction)
        finally:
            self._local.inside = False
            transaction.finish()

    def _name(self, kind: type[Any], id: str) -> str:
        return self._calls.name(layout.collection(kind), layout.document_id(id))

    def _refuse_nesting(self) -> None:
        if getattr(self._local, "inside", False):
            raise RuntimeError("inside a transaction, everything goes through the transaction")
