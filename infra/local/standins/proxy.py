"""A proxy between a caller and a server that breaks what it carries, in the ways in which networks and servers do.

`python -m infra.local.standins.proxy --target 127.0.0.1:8000 --rate 0.25 --seed 7` prints `ready http://127.0.0.1:PORT`
and, when SIGTERM stops it, one line of JSON: what it did. The same is at GET /-/proxy meanwhile. What happens to a
request follows from the seed and the request's X-Request-Id alone, so that a run can be repeated whatever the order in
which its requests come.

    refuse        the connection is reset as soon as it is made
    reset_before  … when the request has come; the server never sees it
    reset_after   … when the server has answered; the answer is lost
    truncate      half of the answer, and then the end of the connection
    stall         no answer, for as long as --stall says; the server never sees it
    busy          503 in vLLM's words, without Retry-After
    limited       429 with Retry-After
    gateway       502 with a page of HTML
    half          200 with half of a JSON
    drip          the answer, a few bytes at a time
    twice         the server is asked twice; its second answer is given

Of what the server has run, `wasted` counts what reached nobody: answers lost, cut off, or made twice.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from infra.local.standins.loop import in_thread, serve

__all__ = ["KINDS", "FaultProxy", "Plan", "proxying"]

KINDS: Final = (
    *("refuse", "reset_before", "reset_after", "truncate", "stall", "busy", "limited", "gateway", "half", "drip"),
    "twice",
)
_BUSY: Final = {
    "error": {
        "message": "The engine is currently busy and cannot accept new requests. Please retry your request after some "
        "time.",
        "type": "Service Unavailable",
        "param": None,
        "code": 503,
    }
}
_PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_HALF: Final = b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"mess'
_GONE: Final = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError)
_STEPS: Final = 20  # of a drip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the proxy is to do."""

    target: tuple[str, int]
    port: int = 0
    rate: float = 0.25
    seed: int = 0
    kinds: tuple[str, ...] = KINDS
    stall: float = 30.0  # seconds
    drip: float = 1.0  # seconds for a whole answer
    retry_after: str = "1"


@dataclass(slots=True)
class _Request:
    head: bytes
    body: bytes
    headers: dict[str, str]

    @property
    def first(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")


class _Reset(Exception):
    """End the connection at once, without a word."""


class FaultProxy:
    """The proxy; lives in one event loop. A plan may be replaced while it runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.port = 0
        self.injected: Counter[str] = Counter()
        self.carried = self.wasted = 0
        self._seen: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.plan.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def report(self) -> dict[str, Any]:
        """What was done until now. `carried` are the requests whose answers were given whole."""
        return {"carried": self.carried, "wasted": self.wasted, "injected": dict(self.injected)}

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
        try:
            self._admit()
            while (request := await _read(reader)) is not None:
                await self._serve(request, writer)
        except _Reset:
            _reset(writer)
        except asyncio.CancelledError:
            pass
        except _GONE:
            pass
        finally:
            writer.close()
            with contextlib.suppress(*_GONE, asyncio.CancelledError):
                await writer.wait_closed()
            if task is not None:
                self._clients.discard(task)

    def _admit(self) -> None:
        if self._fate(f"connection {self._seen['']}") == "refuse":
            self.injected["refuse"] += 1
            raise _Reset

    def _fate(self, name: str) -> str | None:
        """Which fault befalls what is called so; None where none does."""
        self._seen[""] += name.startswith("connection ")
        dice = random.Random(f"{self.plan.seed}|{name}")  # noqa: S311  # to be repeated, not to be kept secret
        if dice.random() >= self.plan.rate or not self.plan.kinds:
            return None
        kind = dice.choice(self.plan.kinds)
        # Connections are refused and requests are not: each has its own share of the faults.
        return kind if (kind == "refuse") == name.startswith("connection ") else None

    async def _serve(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        if request.first.startswith("GET /-/proxy "):
            await _write(writer, _response(200, json.dumps(self.report()).encode()))
            return
        fate = None
        if request.first.startswith("POST "):
            name = request.headers.get("x-request-id", "")
            self._seen[name or "POST"] += 1
            fate = self._fate(f"{name}|{self._seen[name or 'POST']}")
        if fate is not None:
            self.injected[fate] += 1
        match fate:
            case "reset_before":
                raise _Reset
            case "stall":
                await asyncio.sleep(self.plan.stall)
                raise _Reset
            case "busy":
                await _write(writer, _response(503, json.dumps(_BUSY).encode()))
            case "limited":
                more = f"retry-after: {self.plan.retry_after}\r\n"
                await _write(writer, _response(429, b'{"error":{"message":"Slow down."}}', more=more))
            case "gateway":
                await _write(writer, _response(502, _PAGE, kind="text/html"))
            case "half":
                await _write(writer, _response(200, _HALF))
            case _:
                await self._carry(request, writer, fate)

    async def _carry(self, request: _Request, writer: asyncio.StreamWriter, fate: str | None) -> None:
        if fate == "twice":
            self.wasted += _good((await self._forward(request))[0])
        head, body = await self._forward(request)
        match fate:
            case "reset_after":
                self.wasted += _good(head)
                raise _Reset
            case "truncate":
                self.wasted += _good(head)
                await _write(writer, head + body[: len(body) // 2])
                writer.close()
                raise ConnectionAbortedError
            case "drip":
                step = max(1, len(body) // _STEPS)
                try:
                    await _write(writer, head)
                    for at in range(0, len(body), step):
                        await asyncio.sleep(self.plan.drip * step / max(1, len(body)))
                        await _write(writer, body[at : at + step])
                except (asyncio.CancelledError, *_GONE):
                    self.wasted += _good(head)
                    raise
            case _:
                await _write(writer, head + body)
        self.carried += 1

    async def _forward(self, request: _Request) -> tuple[bytes, bytes]:
        """Head and body of the server's answer; where there is no server, there is nobody here either."""
        try:
            reader, writer = await asyncio.open_connection(*self.plan.target)
        except OSError as error:
            raise _Reset from error
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            answer = await _read(reader)
        except _GONE as error:
            raise _Reset from error
        finally:
            writer.close()
            with contextlib.suppress(*_GONE):
                await writer.wait_closed()
        if answer is None:
            raise _Reset
        return answer.head, answer.body


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    """One message with its content-length; None where the connection ended before one began."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    return _Request(head, body, headers)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _response(status: int, body: bytes, *, kind: str = "application/json", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} Proxy\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _good(head: bytes) -> int:
    """1 for an answer that somebody would have wanted."""
    return int(head.startswith(b"HTTP/1.1 200 "))


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def proxying(target: int, **plan: Any) -> Iterator[FaultProxy]:
    """A proxy before a port of this machine, in a thread of its own, until the block is left."""
    with in_thread(lambda: FaultProxy(Plan(target=("127.0.0.1", target), **plan))) as (proxy, _):
        yield proxy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.standins.proxy", description=__doc__)
    parser.add_argument("--target", required=True, help="HOST:PORT")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--stall", type=float, default=30.0)
    parser.add_argument("--drip", type=float, default=1.0)
    parser.add_argument("--retry-after", default="1")
    said = vars(parser.parse_args())
    host, _, port = said.pop("target").rpartition(":")
    plan = Plan(target=(host, int(port)), **{**said, "kinds": tuple(filter(None, said["kinds"].split(",")))})
    proxy = serve(lambda: FaultProxy(plan), lambda started: f"ready http://127.0.0.1:{started.port}")
    print(json.dumps(proxy.report()), flush=True)


if __name__ == "__main__":
    main()
