"""What Firestore holds: one document for each record, and the indexes that the declared queries need.

   Batch/batch_6f…    data: JSON    owner: ann    status: in_progress    created_at: 1764…    due_at: 1764…
   Created/9c01…      data: JSON    expire_at: 1764…    ttl: 2025-11-26

The record is text in one field, so that nobody's keys ever become names of fields. Beside it stands only what a query
filters or orders by. No library of Google's here: Terraform is compared with this.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import msgspec

from shared.domain.account import Rate
from shared.domain.errors import Poison, TooLarge
from shared.domain.keys import Alias
from shared.domain.passthrough import ProjectNumber
from shared.domain.places import Cooldown, Habit, Headroom, Slot
from shared.storage.names import Plain, document_id, searchable
from shared.storage.ports import Record
from shared.storage.queries import ALL, EXPIRES

__all__ = [
    "DATA",
    "KINDS",
    "LONGEST",
    "TTL",
    "Index",
    "Plain",
    "RecordTooLarge",
    "collection",
    "composite_indexes",
    "document_id",
    "encoded",
    "expires_at",
    "indexed_fields",
    "searchable",
    "ttl_fields",
    "unindexed_fields",
]

DATA: Final = "data"  # the record as JSON
TTL: Final = "ttl"  # when Firestore may delete it: the policy wants a timestamp, and our times are integers
LONGEST: Final = 1_000_000  # bytes of a record; a document may have 1 MiB, with its name and all its fields

# Every kind that is stored: those that are searched, and those that are only ever asked for by id.
KINDS: Final[tuple[type[Any], ...]] = tuple(
    sorted(
        {query.kind for query in ALL} | {Alias, Cooldown, Habit, Headroom, ProjectNumber, Rate, Slot},
        key=lambda kind: kind.__name__,
    )
)


class RecordTooLarge(TooLarge, Poison):
    """The record is larger than a Firestore document. Nothing was written, and trying again does not help."""


@dataclass(frozen=True, slots=True)
class Index:
    """A composite index: Firestore adds the document's name behind the fields, in the direction of the last one."""

    collection: str
    fields: tuple[tuple[str, Literal["ASCENDING", "DESCENDING"]], ...]


def composite_indexes() -> tuple[Index, ...]:
    """Those that have to be made. A query without equality is served by the index that each single field has."""
    return tuple(
        Index(
            collection(query.kind),
            (
                *((name, "ASCENDING") for name in query.equal),
                (query.order, "DESCENDING" if query.descending else "ASCENDING"),
            ),
        )
        for query in ALL
        if query.equal
    )


def unindexed_fields() -> tuple[tuple[str, str], ...]:
    """Collections and fields whose own index has to be switched off: nobody searches them, and each write would pay."""
    return (*((collection(kind), DATA) for kind in KINDS), *ttl_fields())


def ttl_fields() -> tuple[tuple[str, str], ...]:
    """Collections and fields that have a time-to-live policy."""
    return tuple((collection(kind), TTL) for kind in EXPIRES)


def collection(kind: type[Any]) -> str:
    return kind.__name__


def encoded(record: Record) -> str:
    """The record as JSON."""
    data = msgspec.json.encode(record)
    if len(data) > LONGEST:
        raise RecordTooLarge(f"{collection(type(record))} {record.id}: {len(data):,} bytes, of {LONGEST:,} at most")
    return data.decode()


def indexed_fields(record: Record) -> dict[str, Plain]:
    """What a query may ask for: a missing value to filter by is None, a missing one to order by is left out."""
    filters, orders = _roles(type(record))
    fields: dict[str, Plain] = {}
    for name in (*filters, *orders):
        value = searchable(name, getattr(record, name))
        if value is not None or name in filters:
            fields[name] = value
    return fields


def expires_at(record: Record) -> int | None:
    """Milliseconds since 1970 after which the record may be deleted by the store; None: never."""
    name = EXPIRES.get(type(record))
    moment: int | None = None if name is None else getattr(record, name)
    return moment


@cache
def _roles(kind: type[Any]) -> tuple[frozenset[str], frozenset[str]]:
    asked = [query for query in ALL if query.kind is kind]
    return frozenset(name for query in asked for name in query.equal), frozenset(query.order for query in asked)
