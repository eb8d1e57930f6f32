"""Many records read in one go, instead of one by one."""

from collections.abc import Iterable
from typing import Final, TypeVar

from shared.app import App
from shared.storage.ports import Record, Transaction

__all__ = ["together"]

R = TypeVar("R", bound=Record)

_AT_ONCE: Final = 200


def together(app: App, kind: type[R], ids: Iterable[str]) -> dict[str, R]:
    """Those of the records that there are, by id."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, R] = {}
    for first in range(0, len(wanted), _AT_ONCE):

        def body(tx: Transaction, some: list[str] = wanted[first : first + _AT_ONCE]) -> list[R]:
            tx.prefetch(*((kind, id) for id in some))
            return [record for id in some if (record := tx.get(kind, id)) is not None]

        found |= {record.id: record for record in app.documents.transact(body)}
    return found
