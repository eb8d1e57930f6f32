"""What goes wrong between us and Google, and no emulator does: answers that are lost, silence, and refusals."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any, Final

import grpc  # type: ignore[import-untyped]

__all__ = ["Line", "nobody", "refusing"]

_UNANSWERED: Final = 0.5  # seconds that the far end has for what is asked of it, before the line is found dead


class Line:
    """A line to `host` that fails on demand. `with` it; `host` is where it begins."""

    def __init__(self, host: str) -> None:
        name, _, port = host.partition(":")
        self._far = (name, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[tuple[socket.socket, socket.socket]] = []
        self._silent: set[socket.socket] = set()
        self._dumb = False
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answers(self) -> None:
        """What is asked now arrives; its answer never does, and then the line is dead. The next one is sound."""
        lost, self._open = self._open, []
        self._silent |= {far for _, far in lost}

        def hang_up() -> None:
            time.sleep(_UNANSWERED)
            for pair in lost:
                _cut(*pair)

        threading.Thread(target=hang_up, daemon=True).start()

    def fall_silent(self) -> None:
        """From now on nothing arrives anywhere, and nobody hangs up."""
        self._dumb = True

    def close(self) -> None:
        _cut(self._listener)
        for pair in self._open:
            _cut(*pair)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._far)
                self._open.append((near, far))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not self._dumb and source not in self._silent:
                    target.sendall(data)
        _cut(source, target)


def _cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def nobody() -> str:
    """HOST:PORT where nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def refusing(code: str) -> Iterator[str]:
    """HOST:PORT of a service that answers everything with this status of gRPC's."""

    def refuse(_: bytes, context: Any) -> None:
        context.abort(grpc.StatusCode[code], "for the sake of a test")

    class Refuse(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            streams = call.method.endswith(("BatchGetDocuments", "RunQuery"))
            return (grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler)(refuse)

    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool, handlers=(Refuse(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()
