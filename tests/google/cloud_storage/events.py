"""Finalize events, as Eventarc delivers them: at least once, late, in any order, and here by chance not at all."""

import heapq
import itertools
import json
import random
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

import httpx

__all__ = ["Event", "Events", "Receiver"]

_WORKERS: Final = 8
_FIRST_PAUSE: Final = 0.2  # seconds, doubled with each delivery that was not acknowledged
_PLAIN: Final = "".join(map(chr, range(0x21, 0x7F))).replace('"', "").replace("%", "")  # CloudEvents over HTTP, 3.1.3.2
_LONGEST_PAUSE: Final = 5.0  # the real one waits up to 600 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where the events of a bucket go. A token is sent as `Authorization: Bearer`."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """News of one object to one receiver."""

    id: str
    receiver: Receiver
    object: dict[str, Any]
    attempt: int = 0

    def headers(self) -> dict[str, str]:
        token = self.receiver.token
        return {
            "ce-id": self.id,
            "ce-specversion": "1.0",
            "ce-type": "google.cloud.storage.object.v1.finalized",
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{self.object['bucket']}",
            "ce-subject": quote(f"objects/{self.object['name']}", safe=_PLAIN),
            "ce-time": self.object["updated"],
            "content-type": "application/json",
            **({} if token is None else {"authorization": f"Bearer {token}"}),
        }


class Events:
    """What is still to be said, and to whom.

    Of all events a share is doubled (under another id), delayed, or lost: drawn from `seed` in the order in which the
    objects appeared.
    """

    def __init__(
        self,
        receivers: dict[str, Receiver] | None = None,
        *,
        double: float = 0.0,
        delay: float = 0.0,
        lose: float = 0.0,
        seed: int = 0,
        longest_delay: float = 3.0,
    ) -> None:
        self.receivers = dict(receivers or {})
        self._shares = (double, delay, lose)
        self._dice = random.Random(seed)
        self._longest_delay = longest_delay
        self._client = httpx.Client(timeout=60, trust_env=False)
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Event]] = []
        self._order = itertools.count()
        self._busy = 0
        self._stopped = False
        self.counts: Counter[str] = Counter()
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join(2)
        self._client.close()

    def announce(self, object: dict[str, Any]) -> None:
        """An object has appeared."""
        receiver = self.receivers.get(object["bucket"])
        if receiver is None:
            return
        with self._changed:
            double, delay, lose = self._shares
            rolls = [self._dice.random() for _ in range(3)]
            self.counts["told"] += 1
            if rolls[2] < lose:
                self.counts["lost"] += 1
                return
            pause = self._dice.random() * self._longest_delay if rolls[1] < delay else 0.0
            self.counts["delayed"] += pause > 0
            self._add(Event(id=_id(), receiver=receiver, object=object), pause)
            if rolls[0] < double:
                self.counts["doubled"] += 1
                self._add(Event(id=_id(), receiver=receiver, object=object), 0.0)

    def idle(self) -> bool:
        """Whether everything that is not lost has been acknowledged."""
        with self._changed:
            return not self._waiting and not self._busy

    def report(self) -> dict[str, int]:
        with self._changed:
            return {**self.counts, "waiting": len(self._waiting) + self._busy}

    def _add(self, event: Event, pause: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + pause, next(self._order), event))
        self._changed.notify()

    def _next(self) -> Event | None:
        with self._changed:
            while not self._stopped:
                pause = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if pause is not None and pause <= 0:
                    self._busy += 1
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(pause)
        return None

    def _work(self) -> None:
        while (event := self._next()) is not None:
            taken = self._deliver(event)
            with self._changed:
                self._busy -= 1
                self.counts["delivered" if taken else "refused"] += 1
                if not taken:
                    pause = min(_FIRST_PAUSE * 2**event.attempt, _LONGEST_PAUSE)
                    self._add(replace(event, attempt=event.attempt + 1), pause)

    def _deliver(self, event: Event) -> bool:
        try:
            answer = self._client.post(
                event.receiver.url, content=json.dumps(event.object).encode(), headers=event.headers()
            )
        except (httpx.HTTPError, RuntimeError):  # RuntimeError: the client was closed, we are stopping
            return False
        return answer.is_success


def _id() -> str:
    return str(secrets.randbits(53))
