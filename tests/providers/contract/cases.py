"""The cases of the suite, and what there cannot be."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from tests.providers.contract.executing import executing
from tests.providers.contract.jobs import azure_dated, azure_v1, delegated, openai_place
from tests.providers.contract.place import Place
from tests.providers.contract.toy import toy
from tests.providers.contract.vertex import VERTEX
from tests.steps.world import World

__all__ = ["CASES", "CELLS", "NOT_THERE", "Case", "having"]


@dataclass(frozen=True)
class Case:
    """One kind of deployment of one provider. `start` puts up its stand-in, and the deployment of that number at it."""

    name: str
    start: Callable[[World, int], AbstractContextManager[Place]]
    crowds: tuple[str, ...]  # the ways in which it may say that there is no room

    @property
    def executes(self) -> bool:
        """Whether its lines are run one by one."""
        return self.name == "vllm executing"


_SAYS: Final = ("429", "tokens", "later")

CASES: Final = (
    *(Case(name, start, ("429", "later")) for name, start in VERTEX.items()),
    Case("openai", openai_place, _SAYS),
    Case("azure v1", azure_v1, _SAYS),
    Case("azure dated", azure_dated, _SAYS),
    Case("vllm executing", executing, ("503", "429")),
    Case("vllm delegated", delegated, _SAYS),
    Case("toy", toy, ("429",)),
)

CELLS: Final = frozenset({
    "success", "counts", "line fails", "job fails", "cancel", "expiry", "lost answer", "credentials", "healed key",
    "key lost while it runs", "no room", "no room, two deployments", "away", "away while it runs", "odd rows",
    "status 0", "job unknown", "nothing left", "deaths",
})  # fmt: skip

_OWN_BUCKET: Final = "a job reads and writes our own bucket, so that nothing lies with the provider"
_NO_STATUS: Final = "its rows have a status in words and no number that could be 0"
_TOLD: Final = "tests/steps/test_deaths.py tells the stories of a death at every point with a Vertex in its hand"

NOT_THERE: Final[Mapping[tuple[str, str], str]] = {
    ("azure v1", "counts"): "Azure's counts are null until the job is over",
    ("azure dated", "counts"): "Azure's counts are null until the job is over",
    ("vllm executing", "odd rows"): "an answer comes on its line's own connection: it can be nobody else's, nor double",
    ("vllm executing", "status 0"): "the status is that of HTTP, which is never 0",
    ("vllm executing", "job unknown"): "there is no job",
    ("vllm executing", "nothing left"): "there are no files",
    ("toy", "status 0"): "its rows have no status",
    ("toy", "deaths"): "it is there to show how little a provider has to say of itself",
    ("vllm delegated", "deaths"): "its client is OpenAI's, and dies with it",
    **{(name, "nothing left"): _OWN_BUCKET for name in VERTEX},
    **{(name, "status 0"): _NO_STATUS for name in VERTEX if name != "vertex open"},
    **{(name, "deaths"): _TOLD for name in VERTEX},
}


def having(cell: str) -> tuple[Case, ...]:
    """The cases in which there is such a thing."""
    assert cell in CELLS
    return tuple(case for case in CASES if (case.name, cell) not in NOT_THERE)
