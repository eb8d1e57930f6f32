"""A vLLM server that has no model: its routes, its errors and its queue, for tests and for whoever has no GPU.

`python -m infra.local.standins.vllm --port 8000 --seats 32 --token-ms 5` prints `ready http://127.0.0.1:8000/v1` when
it serves, and SIGTERM stops it. What it imitates was measured with vLLM 0.32.0 and read in the source of 0.33.0. Its
answers say that they are a stand-in's.

A prompt may ask for trouble: `[[status 500]]` is answered so, `[[status 500 x2]]` only the first two times,
`[[slow 3]]` takes three seconds more. `nonce-NAME` in a prompt is counted: GET /-/journal tells what was really run.
"""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

__all__ = ["Options", "Running", "Server", "VllmStandIn", "in_thread", "running", "serve"]

SAYS: Final = "offpeak-stand-in"
_CHAT: Final = "/v1/chat/completions"
_COMPLETIONS: Final = "/v1/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_ROUTES: Final = {
    "/health": "GET",
    "/version": "GET",
    "/metrics": "GET",
    "/v1/models": "GET",
    _CHAT: "POST",
    _COMPLETIONS: "POST",
    _EMBEDDINGS: "POST",
    "/-/journal": "GET",
    "/-/health": "POST",
}
_GUARDED: Final = "/v1"
_TASKS: Final = {"generate": {_EMBEDDINGS}, "embed": {_CHAT, _COMPLETIONS}}  # the routes that it does not have
_TROUBLE: Final = re.compile(r"\[\[(status|slow) ([0-9.]+)(?: x([0-9]+))?\]\]")
_NONCE: Final = re.compile(r"nonce-[A-Za-z0-9_-]+")
_BUSY: Final = "The engine is currently busy and cannot accept new requests. Please retry your request after some time."
_LARGEST: Final = 64 * 2**20
_USUAL_TOKENS: Final = 8
_DIMENSIONS: Final = 8
_LOOK: Final = 0.01  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As vLLM's own flags, where it has one."""

    port: int = 0
    model: str = "tiny"
    task: str = "generate"
    key: str | None = None
    seats: int = 32
    queue: int = 0  # requests that may wait; 0 is without end, vLLM's default
    token_ms: float = 0.0
    longest: int = 4096  # tokens, of a prompt and its answer


class _Refusal(Exception):
    """An answer that is an error, in vLLM's words."""

    def __init__(self, status: int, message: str, kind: str = "BadRequestError", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": status}}


@dataclass(slots=True)
class _Journal:
    started: int = 0
    finished: int = 0
    aborted: int = 0
    refused: int = 0
    most_running: int = 0
    requests: Counter[str] = field(default_factory=Counter)  # finished, by X-Request-Id
    nonces: Counter[str] = field(default_factory=Counter)  # finished, by what the prompt names itself
    fetched: list[str] = field(default_factory=list)  # http URLs that a real server would have fetched

    def report(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class VllmStandIn:
    """The server; lives in one event loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.journal = _Journal()
        self.health = 200
        self.room: int | None = None  # so many requests are run, and the others wait until there is more
        self.refuse = 0  # a status that every request is answered with instead: 503, or 403 and 429 as of a gateway
        self.lose = 0  # so many requests are run, and their answers are lost
        self.asked = 0  # requests that came, whatever became of them
        self.port = 0
        self.running = self.waiting = 0
        self._seats = asyncio.Semaphore(options.seats)
        self._troubled: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.options.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        await asyncio.sleep(0)

    async def answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> tuple[int, Any]:
        """Status and body; a text is sent as it is, anything else as JSON."""
        path = urlsplit(path).path
        if path not in _ROUTES or path in _TASKS[self.options.task]:
            return 404, {"detail": "Not Found"}
        if _ROUTES[path] != method and not (path == "/-/journal" and method == "DELETE"):
            return 405, {"detail": "Method Not Allowed"}
        key = self.options.key
        if path.startswith(_GUARDED) and key is not None and headers.get("authorization") != f"Bearer {key}":
            return 401, {"error": "Unauthorized"}
        if method == "POST" and path.startswith("/v1"):
            self.asked += 1
            try:
                return 200, await self._run(path, headers.get("x-request-id", ""), raw)
            except _Refusal as refusal:
                self.journal.refused += 1
                return refusal.status, refusal.body
        return self._tell(method, path, raw)

    def _tell(self, method: str, path: str, raw: bytes) -> tuple[int, Any]:
        if path == "/health":
            return self.health, ""
        if path == "/version":
            return 200, {"version": f"0.33.0+{SAYS}"}
        if path == "/metrics":
            return 200, self._metrics()
        if path == "/v1/models":
            card = {"id": self.options.model, "object": "model", "created": int(time.time()), "owned_by": SAYS}
            card |= {"root": self.options.model, "parent": None, "max_model_len": self.options.longest}
            return 200, {"object": "list", "data": [card]}
        if path == "/-/health":
            self.health = int(json.loads(raw)["status"])
            return 200, {"status": self.health}
        if method == "DELETE":
            self.journal = _Journal()
        return 200, self.journal.report()

    def _metrics(self) -> str:
        label = f'{{model_name="{self.options.model}"}}'
        values = {
            "num_requests_running": self.running,
            "num_requests_waiting": self.waiting,
            "request_success_total": self.journal.finished,
            "admission_rejections_total": self.journal.refused,
        }
        return "".join(f"vllm:{name}{label} {float(value)}\n" for name, value in values.items())

    async def _run(self, path: str, name: str, raw: bytes) -> Any:
        if self.refuse:
            raise _Refusal(self.refuse, _BUSY, "Service Unavailable")
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            raise _Refusal(400, "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]") from None
        if not isinstance(body, dict):
            raise _Refusal(400, "[{'type': 'model_attributes_type', 'loc': ('body',)}]", "Bad Request")
        if body.get("model", self.options.model) != self.options.model:
            message = f"The model `{body['model']}` does not exist."
            raise _Refusal(404, message, "NotFoundError", "model")
        texts = _texts(path, body)
        prompt = sum(len(text.split()) for text in texts)
        tokens = 0 if path == _EMBEDDINGS else _wanted(body)
        if prompt + tokens > self.options.longest:
            raise _Refusal(
                400,
                f"This model's maximum context length is {self.options.longest} tokens. However, you requested "
                f"{tokens} output tokens and your prompt contains at least {prompt} input tokens, for a total of at "
                f"least {prompt + tokens} tokens. Please reduce the length of the input prompt or the number of "
                f"requested output tokens. (parameter=input_tokens, value={prompt})",
                param="input_tokens",
            )
        await self._generate(" ".join(texts), tokens)
        self.journal.finished += 1
        self.journal.requests[name] += 1
        self.journal.nonces.update(set(_NONCE.findall(raw.decode("utf-8", "replace"))))
        self.journal.fetched += _urls(body)
        usage = {"prompt_tokens": prompt, "total_tokens": prompt + tokens, "completion_tokens": tokens}
        return _answer(path, body, name, texts, {**usage, "prompt_tokens_details": None})

    async def _generate(self, text: str, tokens: int) -> None:
        """Wait for a seat, and then as long as an answer takes. A caller who hangs up cancels it."""
        while self.room == 0:  # noqa: ASYNC110  # it is turned from another thread
            await asyncio.sleep(_LOOK)
        if self.room is not None:
            self.room -= 1
        if self._seats.locked():
            if self.options.queue and self.waiting >= self.options.queue:
                raise _Refusal(503, _BUSY, "Service Unavailable")
            self.waiting += 1
            try:
                await self._seats.acquire()
            finally:
                self.waiting -= 1
        else:
            await self._seats.acquire()
        self.running += 1
        self.journal.started += 1
        self.journal.most_running = max(self.journal.most_running, self.running)
        try:
            seconds = tokens * self.options.token_ms / 1000 + self._trouble(text)
            if seconds:
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.journal.aborted += 1
            raise
        finally:
            self.running -= 1
            self._seats.release()

    def _trouble(self, text: str) -> float:
        """What the prompt asks for: an error, or so many seconds more."""
        seconds = 0.0
        for kind, value, times in _TROUBLE.findall(text) if "[[" in text else ():
            if kind == "slow":
                seconds += float(value)
                continue
            self._troubled[text] += 1
            if not times or self._troubled[text] <= int(times):
                raise _Refusal(int(value), "The stand-in was asked for this.", "InternalServerError")
        return seconds


def _texts(path: str, body: dict[str, Any]) -> list[str]:
    """What is said in a request."""
    if path == _CHAT:
        messages = body.get("messages")
        if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
            raise _Refusal(400, "[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]")
        return ["".join(_said(message.get("content"))) for message in messages]
    name = "input" if path == _EMBEDDINGS else "prompt"
    given = body.get(name)
    if given is None:
        raise _Refusal(400, f"[{{'type': 'missing', 'loc': ('body', '{name}'), 'msg': 'Field required'}}]")
    if isinstance(given, list) and given and not isinstance(given[0], int):
        return [each if isinstance(each, str) else " ".join(map(str, each)) for each in given]
    return [given if isinstance(given, str) else " ".join(map(str, given))]


def _said(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        yield str(part.get("text", "")) if isinstance(part, dict) else str(part)


def _urls(body: dict[str, Any]) -> list[str]:
    """URLs of http in the content parts."""
    found = []
    for message in body.get("messages") or ():
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            for name, value in part.items() if isinstance(part, dict) else ():
                url = value.get("url") if isinstance(value, dict) else value
                if name.endswith("_url") and isinstance(url, str) and url.startswith("http"):
                    found.append(url)
    return found


def _wanted(body: dict[str, Any]) -> int:
    temperature = body.get("temperature")
    if temperature is not None and (isinstance(temperature, bool) or not isinstance(temperature, int | float)):
        raise _Refusal(400, "[{'type': 'float_parsing', 'loc': ('body', 'temperature')}]", "Bad Request")
    if temperature is not None and not 0 <= temperature < float("inf"):
        raise _Refusal(400, f"temperature must be non-negative, got {temperature}.", param="temperature")
    tokens = body.get("max_completion_tokens") or body.get("max_tokens") or _USUAL_TOKENS
    if not isinstance(tokens, int) or tokens < 1:
        raise _Refusal(400, f"max_tokens must be at least 1, got {tokens}.", param="max_tokens")
    return tokens


def _answer(path: str, body: dict[str, Any], name: str, texts: list[str], usage: dict[str, Any]) -> Any:
    if path == _EMBEDDINGS:
        data = [
            {"index": at, "object": "embedding", "embedding": [len(text) / 1000 + at] * _DIMENSIONS}
            for at, text in enumerate(texts)
        ]
        made = {"id": f"embd-{name}", "object": "list", "created": int(time.time()), "model": body.get("model")}
        return {**made, "data": data, "usage": usage}
    said = f"This is a stand-in. {(texts or [''])[-1]}"
    choices = []
    for index in range(body.get("n") or 1):
        extra = {"logprobs": None, "finish_reason": "stop", "stop_reason": None, "token_ids": None}
        if path == _CHAT:
            message = {"role": "assistant", "content": said, "refusal": None, "annotations": None, "audio": None}
            message |= {"function_call": None, "reasoning": None}
            choices.append({"index": index, "message": message, **extra, "routed_experts": None})
        else:
            choices.append({"index": index, "text": said, **extra, "prompt_logprobs": None})
    prefix, kind = ("chatcmpl", "chat.completion") if path == _CHAT else ("cmpl", "text_completion")
    return {
        "id": f"{prefix}-{name}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model"),
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": SAYS,
        "usage": usage,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "kv_transfer_params": None,
        "metrics": None,
    }


class _Connection(asyncio.Protocol):
    """One client: requests in their order, as many as it likes."""

    def __init__(self, server: VllmStandIn) -> None:
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


class Server(Protocol):
    """What can be run in a thread of its own, or by itself."""

    port: int

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


S = TypeVar("S", bound=Server)


@contextlib.contextmanager
def in_thread(make: Callable[[], S]) -> Iterator[tuple[S, asyncio.AbstractEventLoop]]:
    """A server that serves until the block is left, and the loop that it lives in."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> S:
        server = make()
        await server.start()
        return server

    async def stop(server: S) -> None:
        await server.stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield server, loop
        finally:
            asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Running:
    """A stand-in that runs in a thread of its own."""

    def __init__(self, server: VllmStandIn, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self._loop = server, loop
        self.port = server.port
        self.base = f"http://127.0.0.1:{server.port}/v1"

    def journal(self) -> dict[str, Any]:
        """What was asked and what was run until now."""

        async def report() -> Any:
            return json.loads(json.dumps(self.server.journal.report()))

        found: dict[str, Any] = asyncio.run_coroutine_threadsafe(report(), self._loop).result(10)
        return found


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Running]:
    """A server in a thread of its own, until the block is left."""
    with in_thread(lambda: VllmStandIn(Options(**options))) as (server, loop):
        yield Running(server, loop)


def serve(make: Callable[[], S], ready: Callable[[S], str]) -> S:
    """Run until SIGTERM, and say so on standard output as soon as it serves."""

    async def run() -> S:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = make()
        await server.start()
        print(ready(server), flush=True)
        await stop.wait()
        await server.stop()
        return server

    return asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.local.standins.vllm", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--task", choices=sorted(_TASKS), default="generate")
    parser.add_argument("--key")
    parser.add_argument("--seats", type=int, default=32)
    parser.add_argument("--queue", type=int, default=0, help="requests that may wait before it says 503; 0: all")
    parser.add_argument("--token-ms", type=float, default=0.0)
    parser.add_argument("--longest", type=int, default=4096, help="tokens of a prompt and its answer")
    options = Options(**vars(parser.parse_args()))
    serve(lambda: VllmStandIn(options), lambda server: f"ready http://127.0.0.1:{server.port}/v1")


if __name__ == "__main__":
    main()
