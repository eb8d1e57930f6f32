"""A server that says, byte by byte, whatever a test wants said."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from infra.local.standins.loop import in_thread

__all__ = ["Request", "Scripted", "json_answer", "scripted"]

Script = Callable[["Request"], "bytes | list[bytes] | None"]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def json_answer(status: int, body: bytes, more: str = "", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} Said\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


@dataclass
class Scripted:
    """`script` gets a request and gives bytes, pieces of bytes with a pause between them, or None to say nothing."""

    script: Script
    pause: float = 0.05
    tls: ssl.SSLContext | None = None
    port: int = 0
    seen: list[Request] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
                body = await reader.readexactly(int(headers.get("content-length") or 0))
                method, path, _ = first.split(" ")
                request = Request(method, path, headers, body)
                self.seen.append(request)
                said = self.script(request)
                if said is None:
                    await asyncio.sleep(30)
                for piece in said if isinstance(said, list) else [said or b""]:
                    writer.write(piece)
                    await writer.drain()
                    if isinstance(said, list):
                        await asyncio.sleep(self.pause)
                if isinstance(said, list):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


@contextlib.contextmanager
def scripted(script: Script, *, pause: float = 0.05, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    with in_thread(lambda: Scripted(script, pause, tls)) as (server, _):
        yield server
