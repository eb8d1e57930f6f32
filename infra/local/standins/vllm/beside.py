"""The stand-in in a thread of its own, beside whoever uses it."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from infra.local.standins.loop import in_thread
from infra.local.standins.vllm.server import Options, VllmStandIn

__all__ = ["Running", "running"]


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
