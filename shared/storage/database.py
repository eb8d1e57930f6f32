"""One SQLite file, or memory, for many threads and processes.

Each thread has its own connection, made when it first needs one. Writers of one process wait for each other on a lock,
which wakes them at once; writers of several processes wait inside SQLite, which polls. A commit is on the disk when it
returns, so that `kill -9` and a power cut lose nothing that was acknowledged.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from weakref import WeakSet

from shared.domain.errors import ConfigError, StorageFull
from shared.storage.ports import Contention

__all__ = ["WAIT", "Database"]

WAIT: Final = 10.0  # seconds that a writer waits for its turn: hundreds of commits, even on a slow disk

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_WAL_BYTES: Final = 64 * 2**20  # what the log is cut down to after it grew beyond that


class Database:
    """The connections to one SQLite database, with the tables and indexes of `schema` (a name to its `CREATE`)."""

    def __init__(self, url: str, schema: Mapping[str, str], *, wait: float = WAIT) -> None:
        self._path = _path(url)
        self._schema = schema
        self._wait = wait
        self._process = _Process()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one statement."""
        process = self._here()
        _refuse_nesting(process)
        if self._path is not None:
            with _translated():
                yield self._connection(process)
            return
        with self._turn(process), _translated():
            yield self._connection(process)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that nobody else's overlaps: committed at the end, undone where anything is raised."""
        process = self._here()
        _refuse_nesting(process)
        with self._turn(process), _translated():
            connection = self._connection(process)
            connection.execute("BEGIN IMMEDIATE")
            process.local.inside = True
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._undo(process, connection)
                raise
            finally:
                process.local.inside = False

    def close(self) -> None:
        """Close the connections of all threads; none of them may be at work. A later use opens new ones."""
        process, self._process = self._here(), _Process()
        for held in tuple(process.held):
            held.close()

    def _here(self) -> "_Process":
        if self._process.pid != os.getpid():  # we are a fork: nothing of our parent's may be touched, not even its lock
            self._process = _Process()
        return self._process

    @contextmanager
    def _turn(self, process: "_Process") -> Iterator[None]:
        if not process.lock.acquire(timeout=self._wait):
            raise Contention(f"no turn to write within {self._wait:g} s")
        try:
            yield
        finally:
            process.lock.release()

    def _connection(self, process: "_Process") -> sqlite3.Connection:
        if self._path is None:
            if process.memory is None:
                process.memory = process.hold(self._connect(":memory:"))
                _create(process.memory.connection, self._schema)
            return process.memory.connection
        held: _Held | None = getattr(process.local, "held", None)
        if held is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            held = process.hold(self._connect(str(self._path)))
            _use_log(held.connection, self._wait)
            if not process.created:
                _create(held.connection, self._schema)
                process.created = True
            process.local.held = held
        return held.connection

    def _connect(self, path: str) -> sqlite3.Connection:
        # A connection stays with its thread. The check is off because `close` and the end of a thread close it from
        # elsewhere, and because memory is one connection that threads use in turn.
        return sqlite3.connect(path, timeout=self._wait, isolation_level=None, check_same_thread=False)

    def _undo(self, process: "_Process", connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:  # SQLite has rolled back by itself, as it may on a full disk
            return
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:  # closing rolls back too; the next use opens anew
            if self._path is not None:
                process.local.held.close()
                process.local.held = None


class _Process:
    """What belongs to one process and must not survive a fork."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.local = threading.local()
        self.held: WeakSet[_Held] = WeakSet()
        self.memory: _Held | None = None
        self.created = False

    def hold(self, connection: sqlite3.Connection) -> "_Held":
        held = _Held(connection)
        self.held.add(held)
        return held


class _Held:
    """A connection that is closed with its thread, by the process that opened it and by no other."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._pid = os.getpid()

    def close(self) -> None:
        if self._pid == os.getpid():
            self.connection.close()

    def __del__(self) -> None:
        if self._pid == os.getpid():
            self.connection.close()
        else:  # closing here would roll back, in the shared log, what our parent is writing: one reference for ever
            import ctypes  # noqa: PLC0415

            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.connection))


def _path(url: str) -> Path | None:
    """The file of `sqlite:///PATH`; None for memory."""
    if url in {"sqlite://", "sqlite:///:memory:"}:
        return None
    path = url.removeprefix("sqlite://")
    if path == url or not path.startswith("/") or not path.strip("/") or "\x00" in path:
        raise ConfigError(f"{url!r} is not sqlite:///PATH")
    return Path(path)


def _refuse_nesting(process: _Process) -> None:
    if getattr(process.local, "inside", False):
        raise RuntimeError("inside a transaction, everything goes through the transaction")


def _use_log(connection: sqlite3.Connection, wait: float) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    deadline = time.monotonic() + wait
    while True:  # the change to a log is the one thing for which SQLite does not wait by itself
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _primary(error) not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _create(connection: sqlite3.Connection, schema: Mapping[str, str]) -> None:
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if present.issuperset(schema):
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.values():  # each with IF NOT EXISTS: another process may have been faster
        connection.execute(statement)
    connection.execute("COMMIT")


def _primary(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF  # the rest says which kind of I/O failed


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if _primary(error) in _FULL:
            raise StorageFull from error
        if _primary(error) in _BUSY:
            raise Contention("the database is locked by another writer") from error
        raise
