"""The server: its routes, its queue and its seats, and what a test may turn."""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from infra.local.standins.vllm.answers import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    SAYS,
    Refusal,
    answer_to,
    texts_of,
    urls_of,
    wanted_tokens,
)
from infra.local.standins.vllm.connection import Connection
from infra.local.standins.vllm.journal import Journal
from infra.local.standins.vllm.troubles import Troubles

__all__ = ["TASKS", "Options", "VllmStandIn"]

TASKS: Final = {"generate": {EMBEDDINGS}, "embed": {CHAT, COMPLETIONS}}  # the routes that it does not have
_ROUTES: Final = {
    "/health": "GET",
    "/version": "GET",
    "/metrics": "GET",
    "/v1/models": "GET",
    CHAT: "POST",
    COMPLETIONS: "POST",
    EMBEDDINGS: "POST",
    "/-/journal": "GET",
    "/-/health": "POST",
}
_GUARDED: Final = "/v1"
_NONCE: Final = re.compile(r"nonce-[A-Za-z0-9_-]+")
_BUSY: Final = "The engine is currently busy and cannot accept new requests. Please retry your request after some time."
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


class VllmStandIn:
    """The server; lives in one event loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.journal = Journal()
        self.health = 200
        self.room: int | None = None  # so many requests are run, and the others wait until there is more
        self.refuse = 0  # a status that every request is answered with instead: 503, or 403 and 429 as of a gateway
        self.lose = 0  # so many requests are run, and their answers are lost
        self.asked = 0  # requests that came, whatever became of them
        self.port = 0
        self.running = self.waiting = 0
        self._seats = asyncio.Semaphore(options.seats)
        self._troubles = Troubles()
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.options.port, backlog=1024)
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
        if path not in _ROUTES or path in TASKS[self.options.task]:
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
            except Refusal as refusal:
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
            self.journal = Journal()
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
            raise Refusal(self.refuse, _BUSY, "Service Unavailable")
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            raise Refusal(400, "[{'type': 'json_invalid', 'loc': ('body', 0), 'msg': 'JSON decode error'}]") from None
        if not isinstance(body, dict):
            raise Refusal(400, "[{'type': 'model_attributes_type', 'loc': ('body',)}]", "Bad Request")
        if body.get("model", self.options.model) != self.options.model:
            message = f"The model `{body['model']}` does not exist."
            raise Refusal(404, message, "NotFoundError", "model")
        texts = texts_of(path, body)
        prompt = sum(len(text.split()) for text in texts)
        tokens = 0 if path == EMBEDDINGS else wanted_tokens(body)
        if prompt + tokens > self.options.longest:
            raise Refusal(
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
        self.journal.fetched += urls_of(body)
        usage = {"prompt_tokens": prompt, "total_tokens": prompt + tokens, "completion_tokens": tokens}
        return answer_to(path, body, name, texts, {**usage, "prompt_tokens_details": None})

    async def _generate(self, text: str, tokens: int) -> None:
        """Wait for a seat, and then as long as an answer takes. A caller who hangs up cancels it."""
        while self.room == 0:  # noqa: ASYNC110  # it is turned from another thread
            await asyncio.sleep(_LOOK)
        if self.room is not None:
            self.room -= 1
        if self._seats.locked():
            if self.options.queue and self.waiting >= self.options.queue:
                raise Refusal(503, _BUSY, "Service Unavailable")
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
            seconds = tokens * self.options.token_ms / 1000 + self._troubles.of(text)
            if seconds:
                await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.journal.aborted += 1
            raise
        finally:
            self.running -= 1
            self._seats.release()
