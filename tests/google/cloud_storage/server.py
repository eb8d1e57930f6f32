"""The server as a whole: started, asked in process or over HTTP, and ended with nothing left behind."""

import threading
from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.google.cloud_storage.api import Api
from tests.google.cloud_storage.events import Events
from tests.google.cloud_storage.faults import Faults
from tests.google.cloud_storage.plumbing import hang_up
from tests.google.cloud_storage.service import Service

__all__ = ["CloudStorage"]


class CloudStorage(ThreadingHTTPServer):
    """A Cloud Storage on 127.0.0.1 with the buckets that it is given. It serves while its block runs."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        *buckets: str,
        port: int = 0,
        events: Events | None = None,
        keys: Mapping[str, rsa.RSAPublicKey] | None = None,
        bare: bool = False,
    ) -> None:
        super().__init__(("127.0.0.1", port), Api)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.service = Service(buckets, events or Events(), keys or {}, url=self.url, bare=bare)
        self._lock = threading.Lock()
        self._connections: set[Any] = set()
        self.connections = 0  # that were ever made

    @property
    def faults(self) -> Faults:
        """What will go wrong next, on order."""
        return self.service.faults

    def __enter__(self) -> Self:
        self.service.events.start()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer nobody any more, and let go of those who wait."""
        self.service.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                hang_up(connection)
        self.service.events.stop()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
            self.connections += 1
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(request)
