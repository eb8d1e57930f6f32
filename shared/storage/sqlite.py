"""Documents in SQLite: one table of JSON, and one partial index for each declared query."""

import sqlite3
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from shared.storage.database import WAIT, Database
from shared.storage.names import document_id, searchable
from shared.storage.ports import Exists, Query, Record, Transaction
from shared.storage.queries import ALL

__all__ = ["SqliteDocuments"]

R = TypeVar("R", bound=Record)
T = TypeVar("T")

_GET: Final = "SELECT data FROM documents WHERE kind = ? AND id = ?"
_ADD: Final = "INSERT INTO documents (kind, id, data) VALUES (?, ?, ?)"
_PUT: Final = f"{_ADD} ON CONFLICT (kind, id) DO UPDATE SET data = excluded.data"
_DELETE: Final = "DELETE FROM documents WHERE kind = ? AND id = ?"

_LOWEST: Final = -(2**63)  # the integers of JSON expressions, and of Firestore
_HIGHEST: Final = 2**63 - 1


class SqliteDocuments:
    """The documents port on `sqlite:///PATH`, or in the memory of this process on `sqlite://`."""

    def __init__(self, url: str, *, wait: float = WAIT) -> None:
        self._database = Database(url, _schema(), wait=wait)

    def get(self, kind: type[R], id: str) -> R | None:
        with self._database.reading() as connection:
            return _get(connection, kind, id)

    def transact(self, body: Callable[[Transaction], T]) -> T:
        """Run `body` once, while nobody else writes; see the port."""
        with self._database.writing() as connection:
            transaction = _Transaction(connection)
            try:
                result = body(transaction)
            finally:
                writes = transaction.finish()
            for statement, parameters in writes:
                try:
                    connection.execute(statement, parameters)
                except sqlite3.IntegrityError as error:
                    raise Exists(" ".join(parameters[:2])) from error
            return result

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
        if len(values) != len(query.equal):
            raise ValueError(f"{query.kind.__name__} by {query.equal}: {len(values)} values")
        lowest, highest = _LOWEST if at_least is None else at_least, _HIGHEST if at_most is None else at_most
        position: tuple[object, ...] = ()
        if after is not None:
            reached = getattr(after, query.order)
            if reached is None:
                raise ValueError(f"{after.id}: no {query.order}, so there is nothing behind it")
            position = (reached, after.id)
            if query.descending:
                highest = min(highest, reached)
            else:
                lowest = max(lowest, reached)
        equal = [searchable(name, value) for name, value in zip(query.equal, values, strict=True)]
        parameters = (*equal, lowest, highest, *position, limit)
        with self._database.reading() as connection:
            rows = connection.execute(_select(query, paged=after is not None), parameters).fetchall()
        decode = _decoder(query.kind)
        return [decode(data) for (data,) in rows]

    def close(self) -> None:
        """Close every connection of this process."""
        self._database.close()


class _Transaction:
    """Writes wait here for the end of the body, so that a body that raises has written nothing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._writes: list[tuple[str, tuple[str, ...]]] = []

    def get(self, kind: type[R], id: str) -> R | None:
        if self._connection is None:
            raise RuntimeError("the transaction is over")
        if self._writes:
            raise RuntimeError(f"{kind.__name__} {id}: reads come before writes")  # Firestore refuses it too
        return _get(self._connection, kind, id)

    def prefetch(self, *places: tuple[type[Any], str]) -> None:
        """Nothing is far away here; but what comes after a write is refused as everywhere."""
        if self._connection is None:
            raise RuntimeError("the transaction is over")
        if self._writes:
            raise RuntimeError(f"{places[0][0].__name__} {places[0][1]}: reads come before writes")

    def put(self, record: Record) -> None:
        self._write(_PUT, _row(record))

    def add(self, record: Record) -> None:
        self._write(_ADD, _row(record))

    def delete(self, kind: type[R], id: str) -> None:
        self._write(_DELETE, (kind.__name__, document_id(id)))

    def finish(self) -> list[tuple[str, tuple[str, ...]]]:
        """What is to be written; the transaction takes no more."""
        self._connection = None
        return self._writes

    def _write(self, statement: str, parameters: tuple[str, ...]) -> None:
        if self._connection is None:
            raise RuntimeError("the transaction is over")
        self._writes.append((statement, parameters))


def _get(connection: sqlite3.Connection, kind: type[R], id: str) -> R | None:
    row = connection.execute(_GET, (kind.__name__, document_id(id))).fetchone()
    if row is None:
        return None
    record: R = _decoder(kind)(row[0])
    return record


def _row(record: Record) -> tuple[str, str, str]:
    return type(record).__name__, document_id(record.id), msgspec.json.encode(record).decode()


_decoder: Final[Callable[[Any], Callable[[str], Any]]] = cache(lambda kind: msgspec.json.Decoder(kind).decode)


def _field(name: str) -> str:
    return f"json_extract(data, '$.{name}')"


def _index(query: Query) -> str:
    """Both directions of a query share one index: SQLite reads it from either end."""
    return f"{query.kind.__name__} by {', '.join((*query.equal, query.order))}"


def _schema() -> dict[str, str]:
    schema = {
        "documents": """
            CREATE TABLE IF NOT EXISTS documents
            (kind TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (kind, id))
        """
    }
    for query in ALL:
        columns = ", ".join(_field(name) for name in (*query.equal, query.order))
        schema[_index(query)] = (
            f'CREATE INDEX IF NOT EXISTS "{_index(query)}" ON documents ({columns}, id) WHERE {_members(query)}'
        )
    return schema


def _members(query: Query) -> str:
    # A record without an order value is not in the index: what is over costs the question "what is due" nothing.
    return f"kind = '{query.kind.__name__}' AND {_field(query.order)} IS NOT NULL"


@cache
def _select(query: Query, *, paged: bool) -> str:
    if query not in ALL:
        raise ValueError(f"{query} is not declared in queries.py")
    order, direction = _field(query.order), "DESC" if query.descending else "ASC"
    terms = [_members(query), *(f"{_field(name)} IS ?" for name in query.equal), f"{order} BETWEEN ? AND ?"]
    if paged:  # the bounds above lead to the position by the index; this passes over its equals, if any
        terms.append(f"({order} <> ? OR id {'<' if query.descending else '>'} ?)")
    return (
        f'SELECT data FROM documents INDEXED BY "{_index(query)}" WHERE {" AND ".join(terms)} '  # noqa: S608
        f"ORDER BY {order} {direction}, id {direction} LIMIT ?"
    )
