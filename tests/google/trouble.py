"""What goes wrong between us and Google, and no emulator does: answers that are lost, silence, and refusals."""

import atexit
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

import grpc  # type: ignore[import-untyped]

__all__ = ["Line", "nobody", "refusing"]

_UNANSWERED: Final = 10.0  # seconds that the far end has for its answer, before the line is found dead without one
_FRAME: Final = 9  # bytes before the payload of a frame of HTTP/2
_SAYING: Final = frozenset({0, 1})  # the kinds of frames that answer something: data and headers


class Line:
    """A line to `host` that fails on demand. `with` it; `host` is where it begins."""

    def __init__(self, host: str) -> None:
        name, _, port = host.partition(":")
        self._far = (name, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[tuple[socket.socket, socket.socket]] = []
        self._silent: dict[socket.socket, threading.Event] = {}
        self._dumb = False
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_answers(self) -> None:
        """What is asked now arrives; its answer never does, and then the line is dead. The next one is sound."""
        lost, self._open = self._open, []
        answered = threading.Event()
        self._silent |= {far: answered for _, far in lost}

        def hang_up() -> None:
            answered.wait(_UNANSWERED)  # or what was asked might be taken back
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
                if source in self._silent:
                    if _answers(data):
                        self._silent[source].set()
                elif not self._dumb:
                    target.sendall(data)
        _cut(source, target)


def _cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _answers(data: bytes) -> bool:
    """Whether an answer is among these frames: the far end also says how much it could take, and that it is alive."""
    while len(data) >= _FRAME:
        if data[3] in _SAYING:
            return True
        data = data[_FRAME + int.from_bytes(data[:3], "big") :]
    return False


@cache
def nobody() -> str:
    """HOST:PORT where nobody listens, and nobody will: we have taken it."""
    deaf = socket.socket()
    atexit.register(deaf.close)
    deaf.bind(("127.0.0.1", 0))
    return f"127.0.0.1:{deaf.getsockname()[1]}"


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
