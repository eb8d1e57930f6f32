"""A vLLM as a place of the suite: no jobs and no files, lines alone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from infra.local.standins.vllm import Running, running
from tests.providers.contract.place import Place, deployed
from tests.providers.contract.wire import Wire, wired
from tests.steps.world import World

__all__ = ["executing"]

KEY = "canary-key-of-a-server"
MODEL = "canary/served-name"


class ExecutingPlace(Place):
    """Each line is a call."""

    def __init__(self, wire: Wire, vllm: Running, number: int) -> None:
        super().__init__(wire)
        self.vllm, self.server = vllm, vllm.server
        base = f"http://127.0.0.1:{wire.port}/v1"
        said = {"provider": "hosted_vllm", "model": MODEL, "api_key": KEY, "api_base": base, "parallel": 8}
        self.deployment = deployed(number, **said)

    def failing(self, text: str) -> str:
        return f"{text} " + "word " * 5_000

    def made(self) -> int:
        return sum(self.vllm.journal()["nonces"].values())

    def labels(self) -> Mapping[str, int]:
        nonces: dict[str, int] = self.vllm.journal()["nonces"]
        return nonces

    def asked(self) -> int:
        return self.server.asked

    def ids(self) -> set[str]:
        return {KEY, MODEL}

    def hold(self, ran: int, of: int) -> None:
        del of
        self.server.room = ran

    def holds(self) -> bool:
        return self.server.room == 0 and not self.server.running

    def release(self) -> None:
        self.server.room = None

    def fail(self, message: str) -> None:
        """Nobody has the model any more."""
        del message
        self.server.options = replace(self.server.options, model="another")

    def lose(self) -> None:
        self.server.lose = 1

    def lock(self, status: int) -> None:
        if status == 401:
            self.server.options = replace(self.server.options, key="another")
        else:
            self.server.refuse = status

    def unlock(self) -> None:
        self.server.refuse = 0
        self.server.options = replace(self.server.options, key=KEY)

    def crowds(self) -> dict[str, Callable[[], None]]:
        return {"503": lambda: self._refuse(503), "429": lambda: self._refuse(429)}

    def _refuse(self, status: int) -> None:
        self.server.refuse = status

    def clear(self) -> None:
        self.server.refuse = 0


@contextmanager
def executing(world: World, number: int) -> Iterator[Place]:
    del world
    with running(model=MODEL, key=KEY) as vllm, wired(vllm.port) as wire:
        yield ExecutingPlace(wire, vllm, number)
