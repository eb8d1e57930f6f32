"""The network between Offpeak and a stand-in, which can be cut: then nobody listens at the address any more."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["Wire", "wired"]


class Wire:
    """Carries every connection to a port of this machine, until it is cut."""

    def __init__(self, target: int) -> None:
        self._target, self._lock = target, threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._keeper = _bound(0)  # as long as it is bound, nobody else is given the port, also while nobody listens
        self.port: int = self._keeper.getsockname()[1]
        self.mend()

    def cut(self) -> None:
        """Connections end, and new ones are refused."""
        with self._lock:
            self._whole = False
            ends = [self._listener, *self._open]
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def mend(self) -> None:
        """Carry again, at the same address."""
        self._whole, self._listener = True, _bound(self.port)
        self._listener.listen(128)
        self._spawn(self._accept, self._listener)

    def close(self) -> None:
        self.cut()
        self._keeper.close()
        for thread in self._threads:
            thread.join(10)

    def _spawn(self, act: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=act, args=args, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            self._spawn(self._carry, here)

    def _carry(self, here: socket.socket) -> None:
        with here:
            try:
                there = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            with there:
                with self._lock:
                    if not self._whole:  # it was cut before this connection could be seen
                        return
                    self._open |= {here, there}
                back = threading.Thread(target=_copy, args=(there, here), daemon=True)
                back.start()
                _copy(here, there)
                back.join(30)
                with self._lock:
                    self._open -= {here, there}


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    return found


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Bytes as they come; the end of one direction is the end of both, since nobody here closes half a connection."""
    with suppress(OSError):
        while data := source.recv(2**16):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wired(target: int) -> Iterator[Wire]:
    """A wire to that port, until the block is left."""
    wire = Wire(target)
    try:
        yield wire
    finally:
        wire.close()
