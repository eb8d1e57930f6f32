"""The bus on one machine: a durable queue, from which the dispatcher makes CloudEvents.

   put ──▶ due ── claim ──▶ leased ── ack ──▶ gone
            ▲                 │  ├── dead_letter ──▶ on record, and a message on the topic `dead`
            └── nack, or the lease ran out

A claim gives a token with the lease. When the lease has run out and the message was claimed again, the first token is
worth nothing: a worker that was presumed dead cannot acknowledge what another one is working on.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shared.domain.clock import SECOND
from shared.domain.layout import is_predictions
from shared.domain.messages import Message
from shared.storage.database import WAIT, Database
from shared.storage.directory import Finalized

__all__ = [
    "DEAD",
    "FINALIZE",
    "MOST_ATTEMPTS",
    "STEPS",
    "DeadLetter",
    "Delivery",
    "Queue",
    "SqliteBus",
    "backoff",
    "finalized_to_queue",
]

STEPS: Final = "steps"  # to `work`
FINALIZE: Final = "finalize"  # to `predictions`
DEAD: Final = "dead"  # to `dead_letter`
MOST_ATTEMPTS: Final = 20  # as the subscription's max_delivery_attempts in the cloud

_LONGEST_PAUSE: Final = 60 * SECOND
_ATTRIBUTE: Final = "CloudPubSubDeadLetterSource"  # Pub/Sub's own names, so that `dead_letter` knows only one set

_SCHEMA: Final = {
    "messages": """
        CREATE TABLE IF NOT EXISTS messages
        (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, data TEXT NOT NULL, attributes TEXT NOT NULL,
         published_at INTEGER NOT NULL, due_at INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, token TEXT)
    """,  # `due_at` of a leased message is the end of its lease: who is silent until then has not done it
    "messages by due_at": 'CREATE INDEX IF NOT EXISTS "messages by due_at" ON messages (due_at, id)',
    "dead_letters": """
        CREATE TABLE IF NOT EXISTS dead_letters
        (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, data TEXT NOT NULL, attributes TEXT NOT NULL,
         published_at INTEGER NOT NULL, died_at INTEGER NOT NULL, attempt INTEGER NOT NULL, reason TEXT NOT NULL)
    """,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message in the hands of whoever claimed it."""

    id: str
    topic: str
    data: dict[str, Any]
    attributes: dict[str, str]
    published_at: int
    attempt: int  # this one is the first: 1
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that nobody will deliver again, and why."""

    id: str
    topic: str
    data: dict[str, Any]
    attributes: dict[str, str]
    published_at: int
    died_at: int
    attempt: int
    reason: str


def backoff(attempt: int) -> int:
    """Milliseconds to wait after the failure of this attempt, the first being 1: 1 s, 2 s, 4 s … 60 s."""
    return min(_LONGEST_PAUSE, SECOND << min(max(attempt - 1, 0), 16))


def utc_now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Queue:
    """The durable queue at `sqlite:///PATH`, or in the memory of this process at `sqlite://`."""

    def __init__(self, url: str, *, now: Callable[[], int] = utc_now, wait: float = WAIT) -> None:
        self._database = Database(url, _SCHEMA, wait=wait)
        self._now = now

    def put(
        self, topic: str, data: Mapping[str, Any], attributes: Mapping[str, str] | None = None, *, delay: int = 0
    ) -> None:
        """Add a message that is due in `delay` milliseconds."""
        self.put_all(topic, [data], attributes, delay=delay)

    def put_all(
        self,
        topic: str,
        messages: Iterable[Mapping[str, Any]],
        attributes: Mapping[str, str] | None = None,
        *,
        delay: int = 0,
    ) -> None:
        """Add all of them, or where that fails none."""
        self.put_each(topic, [(data, attributes or {}) for data in messages], delay=delay)

    def put_each(
        self, topic: str, messages: Iterable[tuple[Mapping[str, Any], Mapping[str, str]]], *, delay: int = 0
    ) -> None:
        """The same, each with attributes of its own."""
        rows = [(topic, _text(data), _text(attributes)) for data, attributes in messages]
        if not rows:
            return
        with self._database.writing() as connection:
            now = self._now()
            for row in rows:
                _insert(connection, *row, now=now, due_at=now + delay)

    def claim(self, now: int, lease_ms: int, limit: int, *, topic: str | None = None) -> list[Delivery]:
        """Up to `limit` messages that are due, longest due first; nobody else gets them for `lease_ms`.

        What has been delivered MOST_ATTEMPTS times and was never acknowledged becomes a dead letter here: a message
        that kills its worker has nobody else to say so.
        """
        due = f"FROM messages WHERE due_at <= ? {'' if topic is None else 'AND topic = ?'}"
        which = (now,) if topic is None else (now, topic)
        with self._database.reading() as connection:  # an idle poll takes no lock
            if connection.execute(f"SELECT 1 {due} LIMIT 1", which).fetchone() is None:
                return []
        select = f"SELECT id, topic, data, attributes, published_at, attempt {due} ORDER BY due_at, id LIMIT ?"
        with self._database.writing() as connection:
            rows = connection.execute(select, (*which, limit)).fetchall()
            while spent := [row[0] for row in rows if row[-1] >= MOST_ATTEMPTS]:
                for number in spent:
                    _bury(connection, number, f"delivered {MOST_ATTEMPTS} times and never acknowledged", now)
                rows = connection.execute(select, (*which, limit)).fetchall()
            token = os.urandom(8).hex()
            connection.executemany(
                "UPDATE messages SET due_at = ?, token = ?, attempt = attempt + 1 WHERE id = ?",
                [(now + lease_ms, token, row[0]) for row in rows],
            )
        return [
            Delivery(
                id=str(number),
                topic=topic,
                data=msgspec.json.decode(data),
                attributes=msgspec.json.decode(attributes),
                published_at=published_at,
                attempt=attempt + 1,
                token=token,
            )
            for number, topic, data, attributes, published_at, attempt in rows
        ]

    def ack(self, id: str, token: str) -> bool:
        """The message is done with. False: the token is no longer good, and nothing has changed."""
        with self._database.writing() as connection:
            return connection.execute("DELETE FROM messages WHERE id = ? AND token = ?", (int(id), token)).rowcount == 1

    def nack(self, id: str, token: str, delay: int) -> bool:
        """Deliver it again in `delay` milliseconds. False: the token is no longer good."""
        with self._database.writing() as connection:
            changed = connection.execute(
                "UPDATE messages SET due_at = ?, token = NULL WHERE id = ? AND token = ?",
                (self._now() + delay, int(id), token),
            )
            return changed.rowcount == 1

    def dead_letter(self, id: str, token: str, reason: str) -> bool:
        """Put it on record as undeliverable and tell the topic `dead`. False: the token is no longer good."""
        with self._database.writing() as connection:
            held = connection.execute("SELECT 1 FROM messages WHERE id = ? AND token = ?", (int(id), token)).fetchone()
            if held is None:
                return False
            _bury(connection, int(id), reason, self._now())
            return True

    def next_due(self) -> int | None:
        """When the next message is due or the next lease ends; None while the queue is empty."""
        with self._database.reading() as connection:
            due: int | None = connection.execute("SELECT min(due_at) FROM messages").fetchone()[0]
            return due

    def version(self) -> tuple[int, int]:
        """Differs from last time, in the same thread, if anything was written: a poll of a few microseconds."""
        with self._database.reading() as connection:
            return connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes

    def depth(self, topic: str | None = None) -> int:
        """How many messages are not done with: due, delayed and leased ones."""
        with self._database.reading() as connection:
            count: int = connection.execute(
                "SELECT count(*) FROM messages WHERE ? IS NULL OR topic = ?", (topic, topic)
            ).fetchone()[0]
            return count

    def dead(self) -> int:
        """How many messages could not be delivered, ever."""
        with self._database.reading() as connection:
            count: int = connection.execute("SELECT count(*) FROM dead_letters").fetchone()[0]
            return count

    def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The latest of them, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, topic, data, attributes, published_at, died_at, attempt, reason FROM dead_letters "
                "ORDER BY id DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return [
            DeadLetter(
                id=str(number),
                topic=topic,
                data=msgspec.json.decode(data),
                attributes=msgspec.json.decode(attributes),
                published_at=published_at,
                died_at=died_at,
                attempt=attempt,
                reason=reason,
            )
            for number, topic, data, attributes, published_at, died_at, attempt, reason in rows
        ]

    def close(self) -> None:
        """Close every connection of this process."""
        self._database.close()


class SqliteBus:
    """The bus port on the durable queue."""

    def __init__(self, url: str, *, now: Callable[[], int] = utc_now) -> None:
        self.queue = Queue(url, now=now)

    def publish(self, messages: Iterable[Message]) -> None:
        """See the port; all of them in one transaction."""
        self.queue.put_each(STEPS, [(message.body(), message.attributes()) for message in messages])

    def close(self) -> None:
        """Close every connection of this process."""
        self.queue.close()


def finalized_to_queue(queue: Queue, work_bucket: str) -> Callable[[Finalized], None]:
    """What DirectoryObjects calls: like the cloud's notifications, it passes on the work bucket's `out/`, and final
    predictions in any bucket, which may be those of a job that was passed through.
    """

    def notify(event: Finalized) -> None:
        if (event.bucket == work_bucket and event.name.startswith("out/")) or is_predictions(event.name):
            queue.put(
                FINALIZE,
                {
                    "bucket": event.bucket,
                    "name": event.name,
                    "generation": str(event.generation),  # 64-bit integers are strings in Google's JSON
                    "size": str(event.size),
                },
            )

    return notify


def _insert(connection: sqlite3.Connection, topic: str, data: str, attributes: str, *, now: int, due_at: int) -> None:
    connection.execute(
        "INSERT INTO messages (topic, data, attributes, published_at, due_at) VALUES (?, ?, ?, ?, ?)",
        (topic, data, attributes, now, due_at),
    )


def _bury(connection: sqlite3.Connection, id: int, reason: str, now: int) -> None:
    topic, data, attributes, published_at, attempt = connection.execute(
        "SELECT topic, data, attributes, published_at, attempt FROM messages WHERE id = ?", (id,)
    ).fetchone()
    connection.execute("DELETE FROM messages WHERE id = ?", (id,))
    connection.execute(
        "INSERT INTO dead_letters (id, topic, data, attributes, published_at, died_at, attempt, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (id, topic, data, attributes, published_at, now, attempt, reason),
    )
    if topic != DEAD:  # news of a dead letter that cannot be delivered either stays on record, and that is the end
        told = {
            **msgspec.json.decode(attributes),
            f"{_ATTRIBUTE}DeliveryCount": str(attempt),
            f"{_ATTRIBUTE}Subscription": topic,
            "reason": reason,
        }
        _insert(connection, DEAD, data, _text(told), now=now, due_at=now)


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
