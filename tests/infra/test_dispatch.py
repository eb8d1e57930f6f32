"""The dispatcher between the real queue and functions that misbehave."""

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.local import dispatch
from infra.local.dispatch import Dispatcher, Target, event_of
from shared.domain.errors import StorageFull
from shared.storage.queue import DEAD, FINALIZE, MOST_ATTEMPTS, STEPS, Delivery, Queue
from tests.infra.conftest import until
from tests.ports import reserved

CHECK = {"step": "check", "shard": "batch_a-0001"}
OBJECT = {"bucket": "work", "name": "out/b/prediction-model-1/predictions.jsonl", "generation": "17", "size": "12"}


class Functions(ThreadingHTTPServer):
    """All functions at one address; a test says what they answer."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answer: Callable[[str, dict[str, Any]], int] = lambda *_: 200
        self.busy = self.most = 0
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def steps(self) -> list[dict[str, Any]]:
        """What arrived at `work`, sweeps aside."""
        found = [
            json.loads(base64.b64decode(body["message"]["data"])) for path, _, body in self.seen if path == "/work"
        ]
        return [step for step in found if step != {"step": "sweep"}]

    def end(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Functions

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.busy += 1
            self.server.most = max(self.server.most, self.server.busy)
            self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        try:
            status = self.server.answer(self.path, body)
        finally:
            with self.server.lock:
                self.server.busy -= 1
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def functions() -> Iterator[Functions]:
    found = Functions()
    yield found
    found.end()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    found = Queue(f"sqlite://{tmp_path}/queue.db")
    yield found
    found.close()


@pytest.fixture
def deliver(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Dispatcher]]:
    """Starts a dispatcher; pauses are a hundredth of the real ones."""
    monkeypatch.setattr(dispatch, "backoff", lambda attempt: min(attempt, 5))
    running: list[Dispatcher] = []

    def start(url: str, *, sweep_every: float = 1000.0, at_once: int = 4) -> Dispatcher:
        targets = {
            STEPS: Target(url=f"{url}/work", at_once=at_once),
            FINALIZE: Target(url=f"{url}/predictions", at_once=2),
            DEAD: Target(url=f"{url}/dead_letter", at_once=1),
        }
        dispatcher = Dispatcher(queue, targets, sweep_every=sweep_every)
        dispatcher.start()
        running.append(dispatcher)
        return dispatcher

    yield start
    for dispatcher in running:
        dispatcher.stop()


def test_each_topic_goes_to_its_function(queue: Queue, functions: Functions, deliver: Any) -> None:
    queue.put(STEPS, CHECK, {"trace": "1"})
    queue.put(FINALIZE, OBJECT)
    queue.put(DEAD, CHECK, {"CloudPubSubDeadLetterSourceDeliveryCount": "20"})
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    by_path = {path: (headers, body) for path, headers, body in functions.seen}

    message = by_path["/work"][1]["message"]
    assert json.loads(base64.b64decode(message["data"])) == CHECK
    assert message["attributes"] == {"trace": "1"}
    assert message["messageId"]
    assert message["publishTime"].endswith("Z")

    headers, body = by_path["/predictions"]
    assert body == OBJECT
    assert headers["ce-type"] == "google.cloud.storage.object.v1.finalized"
    assert headers["ce-source"] == "//storage.googleapis.com/projects/_/buckets/work"
    assert headers["ce-subject"] == f"objects/{OBJECT['name']}"
    assert headers["ce-specversion"] == "1.0"

    attributes = by_path["/dead_letter"][1]["message"]["attributes"]
    assert attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "20"


@pytest.mark.parametrize("status", [204, 200, 202])
def test_success_acknowledges(queue: Queue, functions: Functions, deliver: Any, status: int) -> None:
    functions.answer = lambda *_: status
    queue.put(STEPS, CHECK)
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    time.sleep(0.1)
    assert functions.steps() == [CHECK]


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_anything_else_brings_the_message_back(queue: Queue, functions: Functions, deliver: Any, status: int) -> None:
    functions.answer = lambda *_: status if len(functions.steps()) < 3 else 200
    queue.put(STEPS, CHECK)
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    assert functions.steps() == [CHECK] * 3
    attempts = [body["deliveryAttempt"] for _, _, body in functions.seen]
    assert attempts == [1, 2, 3]


def test_after_twenty_attempts_a_message_is_dead(queue: Queue, functions: Functions, deliver: Any) -> None:
    functions.answer = lambda path, _: 500 if path == "/work" else 200
    queue.put(STEPS, CHECK)
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    assert len(functions.steps()) == MOST_ATTEMPTS
    dead = [body["message"] for path, _, body in functions.seen if path == "/dead_letter"]
    assert len(dead) == 1
    assert json.loads(base64.b64decode(dead[0]["data"])) == CHECK
    assert queue.dead() == 1


def test_one_bad_message_does_not_hold_up_the_others(queue: Queue, functions: Functions, deliver: Any) -> None:
    def answer(_: str, body: dict[str, Any]) -> int:
        return 500 if b"0007" in base64.b64decode(body["message"]["data"]) else 200

    functions.answer = answer
    queue.put_all(STEPS, [{"step": "check", "shard": f"batch_a-{number:04d}"} for number in range(20)])
    deliver(functions.url)
    until(lambda: len({step["shard"] for step in functions.steps()}) == 20)


def test_a_function_that_is_down_costs_no_message(queue: Queue, deliver: Any) -> None:
    """While nobody answers, one message at a time knocks; nothing becomes a dead letter."""
    queue.put_all(STEPS, [{"step": "check", "shard": f"batch_a-{number:04d}"} for number in range(30)])
    with reserved() as [port]:
        deliver(f"http://127.0.0.1:{port}")
        time.sleep(1.5)
        functions = Functions(port)
    try:
        until(lambda: queue.depth() == 0)
        assert queue.dead() == 0
        assert len(functions.steps()) == 30
    finally:
        functions.end()


def test_only_so_many_calls_at_once(queue: Queue, functions: Functions, deliver: Any) -> None:
    together = threading.Barrier(3)

    def slow(*_: object) -> int:
        together.wait(30)
        time.sleep(0.05)
        return 200

    functions.answer = slow
    queue.put_all(STEPS, [{"step": "check", "shard": f"batch_a-{number:04d}"} for number in range(30)])
    deliver(functions.url, at_once=3)
    until(lambda: queue.depth() == 0)
    assert functions.most == 3
    assert len(functions.steps()) == 30


def test_a_call_that_outlasts_its_lease_keeps_its_message(
    queue: Queue, functions: Functions, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, claimed, outlasted = queue.claim, list[Delivery](), threading.Event()

    def claim(now: int, lease: int, limit: int, *, topic: str) -> list[Delivery]:
        """The first two leases are over at once; who comes after the third claim holds what that gave."""
        if topic == STEPS and len(claimed) == 3:
            outlasted.set()
        found = good(now, 1 if len(claimed) < 2 else lease, limit, topic=topic)
        claimed.extend(found)
        return found

    def slow(*_: object) -> int:
        outlasted.wait(30)
        return 200

    monkeypatch.setattr(queue, "claim", claim)
    functions.answer = slow
    queue.put(STEPS, CHECK)
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    assert functions.steps() == [CHECK]
    assert len(claimed) == 3


def test_what_a_killed_dispatcher_held_is_delivered_again(queue: Queue, functions: Functions, deliver: Any) -> None:
    arrived: list[int] = []

    def answer(*_: object) -> int:
        arrived.append(time.time_ns() // 1_000_000)
        return 200

    functions.answer = answer
    queue.put(STEPS, CHECK)
    held = time.time_ns() // 1_000_000
    assert queue.claim(held, 300, 10)  # and never heard of again
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    assert functions.steps() == [CHECK]
    assert arrived[0] >= held + 300


def test_a_stop_gives_back_what_is_in_hand(
    queue: Queue, functions: Functions, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_FAREWELL", 0.5)
    release = threading.Event()

    def stuck(*_: object) -> int:
        release.wait(30)
        return 200

    functions.answer = stuck
    queue.put(STEPS, CHECK)
    dispatcher = deliver(functions.url)
    until(functions.steps)
    dispatcher.stop()
    assert queue.claim(time.time_ns() // 1_000_000 + 1, 300, 10), "due at once, not after the lease"
    release.set()


def test_a_stop_forgets_nothing_that_is_being_claimed(
    queue: Queue, functions: Functions, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would deliver it again before its lease is over."""
    monkeypatch.setattr(dispatch, "_FAREWELL", 30.0)
    good, claiming, stopping = queue.claim, threading.Event(), threading.Event()

    def claim(*arguments: Any, **rest: Any) -> list[Delivery]:
        found = good(*arguments, **rest)
        if found:
            claiming.set()
            stopping.wait(30)
            time.sleep(0.2)
        return found

    monkeypatch.setattr(queue, "claim", claim)
    queue.put(STEPS, CHECK)
    dispatcher = deliver(functions.url)
    until(claiming.is_set)
    stopping.set()
    dispatcher.stop()
    assert queue.depth() == 0
    assert functions.steps() == [CHECK]


def test_a_stop_waits_until_the_queue_knows_what_was_done(
    queue: Queue, functions: Functions, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_FAREWELL", 30.0)
    good, telling = queue.ack, threading.Event()

    def ack(*arguments: Any) -> None:
        telling.set()
        time.sleep(0.3)
        good(*arguments)

    monkeypatch.setattr(queue, "ack", ack)
    queue.put(STEPS, CHECK)
    dispatcher = deliver(functions.url)
    until(telling.is_set)
    dispatcher.stop()
    assert queue.depth() == 0


def test_what_is_returned_comes_again_though_a_thread_stands_still(
    queue: Queue, functions: Functions, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then it is claimed anew, and must not be taken for what is just being returned."""
    good, answers = queue.nack, iter([500])

    def nack(*arguments: Any) -> None:
        good(*arguments)
        time.sleep(2)

    monkeypatch.setattr(queue, "nack", nack)
    functions.answer = lambda *_: next(answers, 200)
    queue.put(STEPS, CHECK)
    deliver(functions.url)
    until(lambda: len(functions.seen) >= 2)
    until(lambda: queue.depth() == 0)


def test_a_sweep_comes_regularly_and_never_piles_up(queue: Queue, functions: Functions, deliver: Any) -> None:
    def slow(*_: object) -> int:
        time.sleep(0.3)
        return 503

    functions.answer = slow
    began = time.monotonic()
    deliver(functions.url, sweep_every=0.05)
    until(lambda: len(functions.seen) >= 4)
    assert time.monotonic() - began >= 3 * 0.3
    sweeps = [body["message"] for _, _, body in functions.seen]
    assert all(json.loads(base64.b64decode(message["data"])) == {"step": "sweep"} for message in sweeps)
    assert functions.most == 1
    assert queue.depth() == 0


@pytest.mark.parametrize("call", ["claim", "ack", "nack"])
def test_a_full_disk_is_survived(
    queue: Queue, functions: Functions, deliver: Any, monkeypatch: pytest.MonkeyPatch, *, call: str
) -> None:
    monkeypatch.setattr(dispatch, "LEASE", 200)
    good, troubles = getattr(queue, call), [StorageFull(), sqlite3.OperationalError("disk I/O error")]

    def full(*arguments: Any, **rest: Any) -> Any:
        if troubles:
            raise troubles.pop()
        return good(*arguments, **rest)

    monkeypatch.setattr(queue, call, full)
    functions.answer = lambda *_: 200 if call != "nack" or len(functions.steps()) > 3 else 500
    queue.put(STEPS, CHECK)
    deliver(functions.url)
    until(lambda: queue.depth() == 0)
    assert functions.steps()


def test_odd_names_fit_into_headers() -> None:
    odd = {**OBJECT, "name": 'out/ü\r\nx: y/"%"/predictions.jsonl'}
    delivery = Delivery(id="1", topic=FINALIZE, data=odd, attributes={}, published_at=0, attempt=1, token="t")
    headers, body = event_of(delivery)
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert json.loads(body) == odd
