"""The jobs, kept in a SQLite file, so that a stand-in that was killed goes on where it stopped."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from infra.local.standin.answers import now

__all__ = ["FINISHED", "JobGone", "Jobs"]

FINISHED: Final = frozenset({
    "JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED",
})  # fmt: skip

Resource = dict[str, Any]


class JobGone(Exception):
    """There is no such job."""


class Jobs:
    """Job resources by name. Thread-safe; a resource that is handed out is a copy."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS jobs (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE NOT NULL, "
            "parent TEXT NOT NULL, finished INTEGER NOT NULL, resource TEXT NOT NULL)"
        )

    def add(self, parent: str, resource: Resource) -> Resource:
        """Store a new job under a number of Vertex's size."""
        name = f"{parent}/batchPredictionJobs/{secrets.randbelow(9 * 10**18) + 10**18}"
        stored = {"name": name, **resource}
        with self._lock:
            self._database.execute(
                "INSERT INTO jobs (name, parent, finished, resource) VALUES (?, ?, 0, ?)",
                (name, parent, json.dumps(stored)),
            )
        return stored

    def get(self, name: str) -> Resource:
        with self._lock:
            return self._get(name)

    def change(self, name: str, decide: Callable[[Resource], None]) -> Resource:
        """Let `decide` alter the resource in place, alone; what it raises changes nothing."""
        with self._lock:
            resource = self._get(name)
            decide(resource)
            resource["updateTime"] = now()
            self._database.execute(
                "UPDATE jobs SET finished = ?, resource = ? WHERE name = ?",
                (resource["state"] in FINISHED, json.dumps(resource), name),
            )
        return resource

    def remove(self, name: str) -> None:
        with self._lock:
            self._database.execute("DELETE FROM jobs WHERE name = ?", (name,))

    def listed(
        self, parent: str, test: Callable[[Resource], bool], *, before: int, limit: int
    ) -> tuple[list[Resource], int | None]:
        """Newest first, those older than number `before`; and where the next page begins, if there is one."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, resource FROM jobs WHERE parent = ? AND number < ? ORDER BY number DESC",
                (parent, before),
            ).fetchall()
        found: list[Resource] = []
        last = before
        for number, text in rows:
            resource = json.loads(text)
            if test(resource):
                if len(found) == limit:
                    return found, last
                found.append(resource)
                last = number
        return found, None

    def unfinished(self) -> list[str]:
        with self._lock:
            rows = self._database.execute("SELECT name FROM jobs WHERE NOT finished ORDER BY number").fetchall()
        return [name for (name,) in rows]

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _get(self, name: str) -> Resource:
        row = self._database.execute("SELECT resource FROM jobs WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise JobGone(name)
        resource: Resource = json.loads(row[0])
        return resource
