"""Offpeak and the stand-ins of one case, together."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from functions.batches import batch_rendered
from shared.app import App, open_provider
from shared.config import Config, Deployment, PriceOverride
from shared.domain.batch import Batch, Status
from shared.domain.files import File
from shared.providers.base import Media, Provider
from tests.providers.contract.cases import Case
from tests.providers.contract.place import PRICED, Json, Place, PlaceOfJobs
from tests.steps.checker import check_every_line, check_nothing_left
from tests.steps.world import World

__all__ = ["Scene", "SceneWorld", "scene_of"]

PRICE = PriceOverride(model=PRICED, usd_per_million={"input": "1", "output": "2"})  # type: ignore[dict-item]


class SceneWorld(World):
    """A world whose deployments are those of the places, each opened as the application does it."""

    places: tuple[Place, ...] = ()

    def new_app(self) -> App:
        return replace(super().new_app(), config=Config(deployments=tuple(each.deployment for each in self.places)))

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        return open_provider(deployment, media)

    def pump(self, most: int = 500) -> int:
        delivered = super().pump(most)
        for place in self.places:
            place.quiet()
        return delivered


class Scene:
    """What a test has in its hand."""

    def __init__(self, case: Case, world: SceneWorld, places: list[Place]) -> None:
        self.case, self.world, self.places = case, world, places
        self.place = places[0]

    @property
    def jobs(self) -> PlaceOfJobs:
        """The place, of a case that has jobs."""
        assert isinstance(self.place, PlaceOfJobs)
        return self.place

    def lines(self, count: int, **more: bool) -> list[Json]:
        """So many that succeed, and one for each of `more`."""
        named = [self.place.line(f"line-{n}") for n in range(count)]
        return [*named, *(self.place.line(f"line-{count + n}", **{kind: True}) for n, kind in enumerate(more))]

    def start(self, lines: list[Json] | File, **rest: Any) -> Batch:
        return self.world.start(lines, endpoint=self.place.endpoint, **rest)

    def turn(self, seconds: int) -> None:
        """Let so much time pass."""
        for _ in range(seconds):
            self.world.pump()
            self.world.clock += 1_000
            self.world.sweep()
        self.world.pump()

    @contextmanager
    def under_way(self, id: str) -> Iterator[None]:
        """While the block runs, the batch has come as far as the place lets it."""
        worker = threading.Thread(target=self.world.pump)
        worker.start()
        until = time.monotonic() + 60
        try:
            while not self.place.holds():
                assert time.monotonic() < until, f"not under way: {self.world.batch(id)}, {self.world.shards(id)}"
                if not self.case.executes:
                    worker.join()
                    self.turn(2)
                time.sleep(0.005)
            while self.case.executes and self.world.batch(id).counts.completed < self.place.made():
                assert time.monotonic() < until, "what was run is not written"
                time.sleep(0.005)
            yield
        finally:
            if not self.world.batch(id).ending:
                self.place.release()
            worker.join(60)

    def check(self, id: str, lines: list[Json]) -> None:
        """What must hold of a batch that has come to rest, and of what a client sees of it."""
        world = self.world
        output, errors = check_every_line(world, id, lines)
        asked = {line["custom_id"]: line for line in lines}
        spent = [0, 0]
        for row in output:
            body = row["response"]["body"]
            assert body["model"] == "contract"
            assert self.place.mine(asked[row["custom_id"]], body), row
            spent[0] += body["usage"]["prompt_tokens"]
            spent[1] += body["usage"].get("completion_tokens", 0)
        batch = world.batch(id)
        assert [batch.usage.input_tokens, batch.usage.output_tokens] == spent
        assert batch.cost.nano == 1_000 * spent[0] + 2_000 * spent[1]
        assert (batch.cost.priced_lines, batch.cost.unpriced_lines) == (len(output), 0)
        text = json.dumps([batch_rendered(batch), output, errors])
        for place in self.places:
            told = [secret for secret in place.secrets() if secret in text]
            assert not told, f"{told} in {text}"

    def settle(self, id: str, lines: list[Json], status: Status = Status.COMPLETED, *, rounds: int = 400) -> Batch:
        """The batch at its end, which must be that one, and looked at from all sides."""
        self.world.settle(id, rounds=rounds)
        batch = self.world.batch(id)
        assert batch.status is status, batch
        self.check(id, lines)
        return batch

    def said(self, id: str) -> set[str]:
        """The messages of all rows of errors."""
        rows = self.world.errors(id)
        return {(row["error"] or row["response"]["body"]["error"])["message"] for row in rows}

    def codes(self, id: str) -> set[str | None]:
        """The codes of the lines that never ran."""
        return {row["error"]["code"] if row["error"] else None for row in self.world.errors(id)}

    def rest(self, id: str) -> None:
        check_nothing_left(self.world, id)


@contextmanager
def scene_of(case: Case, root: Path, count: int = 1, *, kind: type[SceneWorld] = SceneWorld) -> Iterator[Scene]:
    """The case with so many deployments in its group, each at a stand-in of its own."""
    world = kind(root, prices=(PRICE,))
    with ExitStack() as stack:
        places = [stack.enter_context(case.start(world, number)) for number in range(count)]
        world.places = tuple(places)
        world.app = world.new_app()
        yield Scene(case, world, places)
