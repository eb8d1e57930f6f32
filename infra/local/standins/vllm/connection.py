"""HTTP/1.1 as the stand-in needs it: small, and fast enough for thousands of requests a second."""

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final, Protocol

from infra.local.standins.vllm.answers import SAYS

__all__ = ["Answering", "Connection"]

_LARGEST: Final = 64 * 2**20


class Answering(Protocol):
    """Whoever has the answers."""

    connections: "set[Connection]"
    lose: int  # so many good answers are lost on the way

    async def answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, Any]: ...


class Connection(asyncio.Protocol):
    """One client: requests in their order, as many as it likes."""

    def __init__(self, server: Answering) -> None:
        self._server = server
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.connections.discard(self)
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._next()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > 2**16:
                self.close()
            return
        first, *rest = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        size = int(headers.get("content-length") or 0)
        if size > _LARGEST or first.count(" ") != 2:
            self.close()
            return
        if len(self._buffer) < end + 4 + size:
            return
        raw = bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        method, path, _ = first.split(" ")
        self._task = asyncio.get_running_loop().create_task(self._serve(method, path, headers, raw))

    async def _serve(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        try:
            status, body = await self._server.answer(method, path, headers, raw)
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001  # whatever it is, vLLM says 500
            status, body = 500, {"error": {"message": repr(error), "type": "InternalServerError", "code": 500}}
        sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/plain" if isinstance(body, str) else "application/json"
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nserver: {SAYS}\r\ncontent-type: {kind}\r\n"
        self._task = None
        if self._server.lose and method == "POST" and status == 200:
            self._server.lose -= 1
            self.close()
        elif self._transport is not None:
            self._transport.write(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
            self._next()
