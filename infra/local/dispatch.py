"""From the durable queue to the functions: what Pub/Sub, Eventarc and Cloud Scheduler do in the cloud.

   topic `steps`     ──▶ work          a Pub/Sub push
   topic `finalize`  ──▶ predictions   a CloudEvent of Cloud Storage
   topic `dead`      ──▶ dead_letter   a Pub/Sub push
   every two seconds ──▶ work          {"step": "sweep"}, from memory: it can neither pile up nor be lost

2xx acknowledges; anything else brings the message back after a pause, and after so many attempts it is dead. The
lease is short, so that what a killed dispatcher held is soon delivered again. A call that outlasts its lease keeps its
message: this is the only dispatcher of the queue, and it knows what it has in hand.
"""

import argparse
import base64
import os
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final

import httpx
import msgspec

from shared.domain.clock import SECOND
from shared.log import log
from shared.storage.queue import DEAD, FINALIZE, MOST_ATTEMPTS, STEPS, Delivery, Queue, backoff

__all__ = ["Dispatcher", "Target", "event_of"]

LEASE: Final = 600 * SECOND  # longer than any call: what is in hand is not claimed again, which would count
_CALL: Final = httpx.Timeout(570.0, connect=5.0)  # the platform stops a step at 540 s
_SWEEP_CALL: Final = httpx.Timeout(120.0, connect=5.0)
_IDLE: Final = 0.05  # seconds between two looks at an empty queue
_LONGEST_PAUSE: Final = 5.0  # of a topic whose function does not answer
_FAREWELL: Final = 1.5  # seconds that a stop leaves to the calls in hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A function: where it is, and how many calls it gets at once."""

    url: str
    at_once: int


def event_of(delivery: Delivery) -> tuple[dict[str, str], bytes]:
    """Headers and body of the request that carries a message, as the function would get it in the cloud."""
    if delivery.topic == FINALIZE:
        name, bucket = delivery.data.get("name"), delivery.data.get("bucket")
        headers = {
            "content-type": "application/json",
            "ce-id": f"{delivery.id}-{delivery.data.get('generation')}",
            "ce-specversion": "1.0",
            "ce-type": "google.cloud.storage.object.v1.finalized",
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
            "ce-time": _time(delivery.published_at),
            "ce-subject": f"objects/{name}",
        }
        return {key: _header(value) for key, value in headers.items()}, msgspec.json.encode(delivery.data)
    return {"content-type": "application/json"}, _push(delivery)


class Dispatcher:
    """Delivers until it is stopped. One thread per topic claims; each call has a thread of the topic's pool."""

    def __init__(self, queue: Queue, targets: Mapping[str, Target], *, sweep_every: float = 2.0) -> None:
        self._queue, self._targets, self._sweep_every = queue, targets, sweep_every
        self._http = httpx.Client(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0), trust_env=False, timeout=_CALL
        )
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._in_hand: dict[str, Delivery] = {}
        self._telling = 0  # how many the queue is just being told of
        self._claiming = [threading.Thread(target=self._serve, args=topic, name=topic[0]) for topic in targets.items()]
        self._threads = [*self._claiming]
        if STEPS in targets:
            self._threads.append(threading.Thread(target=self._sweep, name="sweep", daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Claim nothing more, wait a moment for what is in hand, and give the rest back."""
        self._stopping.set()
        until = time.monotonic() + _FAREWELL
        for thread in self._claiming:  # what it is just claiming is in hand, too
            thread.join(max(0.0, until - time.monotonic()))
        while (self._in_hand or self._telling) and time.monotonic() < until:
            time.sleep(0.02)
        with self._lock:
            left, self._in_hand = dict(self._in_hand), {}
        for delivery in left.values():
            self._quietly(self._queue.nack, delivery.id, delivery.token, 0)
        self._http.close()

    def _serve(self, topic: str, target: Target) -> None:
        """Claim what is due, as much as there are free hands for."""
        hands = threading.Semaphore(target.at_once)
        function = _Function()
        pool = ThreadPoolExecutor(target.at_once, thread_name_prefix=topic)
        while not self._stopping.is_set():
            if not hands.acquire(timeout=0.1):
                continue
            free = 1
            while free < target.at_once and function.well and hands.acquire(blocking=False):
                free += 1
            claimed = self._claimed(topic, free)
            for delivery in claimed:
                pool.submit(self._handled, delivery, target, hands, function)
            for _ in range(free - len(claimed)):
                hands.release()
            if not claimed:
                self._stopping.wait(_IDLE)
            elif not function.well:
                self._stopping.wait(function.pause)
        pool.shutdown(wait=False)

    def _claimed(self, topic: str, limit: int) -> list[Delivery]:
        try:
            found = self._queue.claim(time.time_ns() // 1_000_000, LEASE, limit, topic=topic)
        except Exception as error:  # noqa: BLE001 - a locked file, a full disk: the queue is still there afterwards
            log("claim_failed", severity="WARNING", topic=topic, error=type(error).__name__, why=str(error)[:300])
            self._stopping.wait(1.0)
            return []
        with self._lock:
            new = [delivery for delivery in found if delivery.id not in self._in_hand]
            self._in_hand |= {delivery.id: delivery for delivery in found}  # the new token is the good one
        return new

    def _handled(self, delivery: Delivery, target: Target, hands: threading.Semaphore, function: "_Function") -> None:
        try:
            outcome = self._called(delivery, target, function)
            with self._lock:
                current = self._in_hand.pop(delivery.id, None)
                self._telling += 1
            try:
                if current is not None:
                    self._quietly(self._settle, current, outcome)
            finally:
                with self._lock:
                    self._telling -= 1
        finally:
            hands.release()

    def _called(self, delivery: Delivery, target: Target, function: "_Function") -> str | None:
        """None where the function took it; else why not."""
        headers, body = event_of(delivery)
        try:
            status = self._http.post(target.url, content=body, headers=headers).status_code
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: we were stopped, and the client is closed
            function.silent()
            return f"no answer: {type(error).__name__}"
        function.spoke()
        return None if 200 <= status < 300 else f"answered {status}"

    def _settle(self, delivery: Delivery, trouble: str | None) -> None:
        if trouble is None:
            self._queue.ack(delivery.id, delivery.token)
        elif delivery.attempt >= MOST_ATTEMPTS:
            log("message_dead", severity="ERROR", topic=delivery.topic, **delivery.data, reason=trouble)
            self._queue.dead_letter(delivery.id, delivery.token, trouble)
        else:
            pause = backoff(delivery.attempt)
            log("message_returned", topic=delivery.topic, attempt=delivery.attempt, reason=trouble, again_in_ms=pause)
            self._queue.nack(delivery.id, delivery.token, pause)

    def _quietly(self, act: Any, *arguments: Any) -> None:
        """Whatever becomes of it, the lease ends and the message is delivered again: that is harmless."""
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001 - see above; a thread must not die of a full disk
            log("settling_failed", severity="WARNING", error=type(error).__name__, why=str(error)[:300])

    def _sweep(self) -> None:
        number = 0
        while not self._stopping.wait(self._sweep_every):
            number += 1
            headers, body = event_of(
                Delivery(
                    id=f"sweep-{number}",
                    topic=STEPS,
                    data={"step": "sweep"},
                    attributes={},
                    published_at=time.time_ns() // 1_000_000,
                    attempt=1,
                    token="",
                )
            )
            try:
                self._http.post(self._targets[STEPS].url, content=body, headers=headers, timeout=_SWEEP_CALL)
            except (httpx.HTTPError, RuntimeError):
                continue  # the next one is the same


class _Function:
    """Whether a function answers. While it does not, one message at a time knocks, so that few attempts are spent."""

    def __init__(self) -> None:
        self.pause = 0.0

    @property
    def well(self) -> bool:
        return self.pause == 0.0

    def silent(self) -> None:
        self.pause = min(_LONGEST_PAUSE, max(0.2, 2 * self.pause))

    def spoke(self) -> None:
        self.pause = 0.0


def _push(delivery: Delivery) -> bytes:
    message = {
        "data": base64.b64encode(msgspec.json.encode(delivery.data)).decode(),
        "messageId": delivery.id,
        "publishTime": _time(delivery.published_at),
        "attributes": delivery.attributes,
    }
    return msgspec.json.encode(
        {
            "message": message,
            "subscription": f"projects/local/subscriptions/{delivery.topic}",
            "deliveryAttempt": delivery.attempt,
        }
    )


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _header(value: object) -> str:
    """Printable ASCII; CloudEvents percent-encode the rest."""
    return "".join(
        letter if " " < letter < "\x7f" and letter not in '%"' else "".join(f"%{byte:02X}" for byte in letter.encode())
        for letter in str(value)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.dispatch", description=__doc__)
    parser.add_argument("--bus", required=True, help="sqlite:///PATH of the queue")
    parser.add_argument("--work", required=True, help="URL of the function")
    parser.add_argument("--predictions", required=True, help="URL of the function")
    parser.add_argument("--dead-letter", required=True, help="URL of the function")
    parser.add_argument("--at-once", type=int, default=8, help="steps that run side by side")
    parser.add_argument("--sweep-every", type=float, default=2.0, help="seconds")
    options = parser.parse_args()
    queue = Queue(options.bus)
    targets = {
        STEPS: Target(url=options.work, at_once=options.at_once),
        FINALIZE: Target(url=options.predictions, at_once=4),
        DEAD: Target(url=options.dead_letter, at_once=1),
    }
    dispatcher = Dispatcher(queue, targets, sweep_every=options.sweep_every)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    dispatcher.start()
    log("dispatcher_ready")
    stopped.wait()
    dispatcher.stop()
    os._exit(0)  # calls that are still waiting for an answer have been given back


if __name__ == "__main__":
    main()
