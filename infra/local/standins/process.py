"""A stand-in as a process: it says when it is ready and where, and SIGTERM stops it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from types import FrameType
from typing import TypeVar

__all__ = ["in_thread", "serve"]

_Server = TypeVar("_Server", bound=ThreadingHTTPServer)


@contextmanager
def in_thread(server: _Server) -> Iterator[_Server]:
    """The server, served beside whoever uses it, and stopped at the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serve(server: ThreadingHTTPServer, base: str) -> None:
    """Serve until SIGTERM or SIGINT; `ready BASE` is printed before."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        threading.Thread(target=server.shutdown).start()  # it waits for the loop that this thread is in

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with server:
        print(f"ready {base}", flush=True)
        server.serve_forever(poll_interval=0.1)
