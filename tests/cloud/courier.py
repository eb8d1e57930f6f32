"""What stands between Google's deliveries and the functions: it loses, doubles and delays some of them, by seed."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

import httpx

__all__ = ["Courier"]

_LATEST: Final = 8.0  # seconds that a delayed delivery may take
_PATIENCE: Final = 60.0  # seconds for which a delayed one is tried again, as its subscription would
_PASSED_ON: Final = frozenset({"content-type", "authorization", "traceparent"})


class Courier(ThreadingHTTPServer):
    """`URL/TARGET` passes on to that target, once in a while not quite. `done` counts what it did."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, targets: Mapping[str, str], *, share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.targets, self.done = targets, Counter[str]()
        # Dice of its own for each target: what befalls one does not depend on how much goes to the others meanwhile.
        self._dice = {target: random.Random(f"{seed} {target}") for target in targets}
        self._share, self._lock = share, threading.Lock()
        self._http = httpx.Client(timeout=570.0, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self._late = ThreadPoolExecutor(16, thread_name_prefix="late")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
        self._over.set()
        self._late.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def deliver(self, target: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status that whoever delivers gets to see."""
        fate, delay = self._thrown(target)
        with self._lock:
            self.done[f"{target} {fate}"] += 1
        if fate in {"late", "doubled"}:
            self._late.submit(self._later, target, headers, body, delay if fate == "late" else 0.0)
        if fate in {"late", "lost"}:
            return 204
        return self._forward(target, headers, body)

    def _thrown(self, target: str) -> tuple[str, float]:
        with self._lock:
            cast, delay = self._dice[target].random(), self._dice[target].uniform(0, _LATEST)
        fates = ("lost", "late", "doubled")
        return next((fate for number, fate in enumerate(fates, 1) if cast < number * self._share), "passed on"), delay

    def _later(self, target: str, headers: Mapping[str, str], body: bytes, delay: float) -> None:
        until = time.monotonic() + delay + _PATIENCE
        while not self._over.wait(delay) and self._forward(target, headers, body) >= 300 and time.monotonic() < until:
            delay = 1.0

    def _forward(self, target: str, headers: Mapping[str, str], body: bytes) -> int:
        try:
            return self._http.post(self.targets[target], content=body, headers=dict(headers)).status_code
        except (httpx.HTTPError, RuntimeError):
            return 503


class _Handler(BaseHTTPRequestHandler):
    server: Courier

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kept = {
            name.lower(): value
            for name, value in self.headers.items()
            if name.lower() in _PASSED_ON or name.lower().startswith("ce-")
        }
        status = self.server.deliver(self.path.strip("/"), kept, body)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass
