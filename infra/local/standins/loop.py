"""A stand-in in an event loop: beside whoever uses it, or as a process that SIGTERM stops."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Server", "in_thread", "serve"]


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
