"""The parrots of `tests/providers/toy` as a place: who adds a provider says so much of it, and has the whole suite."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.providers.contract.place import Json, Place, PlaceOfJobs, Rows, deployed
from tests.providers.contract.wire import Wire, wired
from tests.providers.toy.server import Parrots, parrots
from tests.steps.world import World

__all__ = ["toy"]


class ToyPlace(PlaceOfJobs):
    """Jobs without files."""

    def __init__(self, wire: Wire, server: Parrots, number: int) -> None:
        super().__init__(wire)
        self.server, base = server, f"http://127.0.0.1:{wire.port}"
        self.deployment = deployed(number, provider="toy", model="parrot", api_base=base, api_key=server.key)

    def failing(self, text: str) -> str:
        return f"{text} fail"

    def made(self) -> int:
        return len(self.server.made)

    def labels(self) -> Mapping[str, int]:
        return Counter(self.server.made)

    def asked(self) -> int:
        return self.server.asked

    def ids(self) -> set[str]:
        return {self.server.key, "canary-perch"}

    def left(self) -> set[str]:
        return set(self.server.jobs)

    def hold(self, ran: int, of: int) -> None:
        del of
        self.server.holds = ran

    def holds(self) -> bool:
        return any(job["said"] for job in self.server.jobs.values())

    def release(self) -> None:
        self.server.holds = None

    def fail(self, message: str) -> None:
        del message  # it gives no reasons
        self.server.ill = True

    def lose(self) -> None:
        self.server.lose = 1

    def lock(self, status: int) -> None:
        self.server.status = status

    def unlock(self) -> None:
        self.server.status = 0

    def crowds(self) -> dict[str, Callable[[], None]]:
        return {"429": self._tire}

    def _tire(self) -> None:
        self.server.tired = True

    def clear(self) -> None:
        self.server.tired = False

    def mangle(self, rewrite: Callable[[Rows], Rows]) -> None:
        self.server.rewrite = rewrite

    def named(self, row: Json) -> int:
        return int(row["number"])

    def renamed(self, row: Json) -> Json:
        return {**row, "number": 99}

    def forget(self) -> None:
        self.server.jobs.clear()


@contextmanager
def toy(world: World, number: int) -> Iterator[Place]:
    del world
    with parrots() as server, wired(server.server_address[1]) as wire:
        yield ToyPlace(wire, server, number)
