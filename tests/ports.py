"""Ports of this machine for processes that are about to listen."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["reserved"]


@contextmanager
def reserved(count: int = 1) -> Iterator[list[int]]:
    """Ports of 127.0.0.1 that nobody else is given, before their server starts or between two of its lives.

    Each is bound here, and nobody listens: on Linux a server may bind it, too, if it sets SO_REUSEADDR, as servers do.
    """
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in sockets]
