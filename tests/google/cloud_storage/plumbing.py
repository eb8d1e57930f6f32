"""HTTP for those who answer calls: bodies in, answers and errors out, and the faults that were ordered."""

import contextlib
import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from tests.google.cloud_storage.answers import Refusal
from tests.google.cloud_storage.faults import Rule
from tests.google.cloud_storage.requests import read_json
from tests.google.cloud_storage.service import Service
from tests.google.cloud_storage.store import Mismatch, NoBucket, NoObject, Unchanged

__all__ = ["BLOCK", "LostAnswer", "Plumbing", "hang_up"]

BLOCK: Final = 2**20
_REFUSALS: Final = (Refusal, NoBucket, NoObject, Mismatch, Unchanged)
_NO_BODY: Final = frozenset({204, 304})


class LostAnswer(Exception):
    """Close the connection instead of answering."""


class Plumbing(BaseHTTPRequestHandler, ABC):
    """One connection. `dispatch` answers one request, or raises what the answer is."""

    protocol_version = "HTTP/1.1"
    server_version = "offpeak-cloud-storage"
    timeout = 60
    disable_nagle_algorithm = True
    wbufsize = 65_536

    @property
    def service(self) -> Service:
        return self.server.service  # type: ignore[attr-defined, no-any-return]

    @abstractmethod
    def dispatch(self) -> None: ...

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:
        pass  # calls are counted, not listed

    def call(self, call: str, effect: Callable[[Rule | None], None]) -> None:
        """Count the call, and do what it asks for, unless a fault is due. Those of its own kind it gets as a rule."""
        self.service.count(call)
        rule = self.service.faults.take(call)
        if rule is None:
            effect(None)
            return
        match rule["do"]:
            case "status":
                raise Refusal(int(rule["status"]), f"The server was asked to answer {rule['status']}.")
            case "hang":
                self._drain()
                self.service.stopping.wait(float(rule.get("seconds", 60)))
                raise LostAnswer
            case "lose":
                self.wfile = _Nowhere()  # type: ignore[assignment]
                with contextlib.suppress(*_REFUSALS):  # which nobody hears of either
                    effect(None)
                raise LostAnswer
            case _:
                effect(rule)

    def reply(self, code: int, answer: dict[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> None:
        body = b"" if answer is None or code in _NO_BODY else json.dumps(answer).encode()
        self.head(code, {"content-type": "application/json; charset=UTF-8", **(headers or {})}, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def head(self, code: int, headers: Mapping[str, str], length: int) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if code not in _NO_BODY:
            self.send_header("content-length", str(length))
        self.end_headers()

    @property
    def length(self) -> int:
        """How much of the body has not been read yet."""
        return self._unread

    def blocks(self) -> Iterator[bytes]:
        """The body, piece by piece. ConnectionError where it ends too early."""
        while self._unread:
            block = self.rfile.read(min(self._unread, BLOCK))
            if not block:
                raise ConnectionError("the body ended too early")
            self._unread -= len(block)
            yield block

    def json(self) -> dict[str, Any]:
        return read_json(b"".join(self.blocks()))

    def _serve(self) -> None:
        self._unread = int(self.headers.get("content-length") or 0)
        try:
            try:
                self._dispatch()
            except Refusal as error:
                self._drain()
                self.reply(error.code, error.body(), error.headers)
        except (LostAnswer, ConnectionError, TimeoutError):
            self.close_connection = True
            hang_up(self.connection)

    def _dispatch(self) -> None:
        if self.headers.get("transfer-encoding"):
            self.close_connection = True
            raise Refusal(411, "You must provide the Content-Length HTTP header.")
        try:
            self.dispatch()
        except NoBucket as error:
            raise Refusal(404, f"The specified bucket does not exist: {error}") from error
        except NoObject as error:
            raise Refusal(404, f"No such object: {error}") from error
        except Mismatch as error:
            raise Refusal(412, "At least one of the pre-conditions you specified did not hold.") from error
        except Unchanged as error:
            raise Refusal(304, "Not Modified") from error

    def _drain(self) -> None:
        for _ in self.blocks():
            pass


class _Nowhere:
    """Where an answer goes that is lost."""

    closed = False

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other end was faster
        connection.shutdown(socket.SHUT_RDWR)
