"""The end of a call at its deadline, whatever the other side does meanwhile."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["Cut"]


class Cut:
    """Ends a call at its deadline. httpx's own limits are per read, which a slow drip never reaches."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._late = False
        self._lock = threading.Lock()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by httpcore about every connection that the call opens."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._late:
                    self._end()

    @contextmanager
    def at(self, deadline: float) -> Iterator[None]:
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), self._now)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _now(self) -> None:
        with self._lock:
            self._late = True
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # closed already: the call is over
                # The plain method: a TLS socket's own would take its state away from the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
