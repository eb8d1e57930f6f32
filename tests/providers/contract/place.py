"""A running stand-in as the suite sees it, whatever provider it stands for: a deployment, lines, and switches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from shared.config import Deployment
from tests.providers.contract.wire import Wire

__all__ = ["GROUP", "PRICED", "Json", "Place", "PlaceOfJobs", "Rows", "deployed"]

GROUP: Final = "contract"  # the group that all lines name
PRICED: Final = "contract-model"  # what the prices of the suite are of

Json = dict[str, Any]
Rows = list[Json]


def deployed(number: int, **said: Any) -> Deployment:
    """A deployment of the group. The first is asked before the second, since nearly all weight is its own."""
    usual: Json = {"id": f"canary-deployment-{number}", "group": GROUP, "price_name": PRICED}
    return Deployment(**{**usual, "weight": 1_000_000.0 if number == 0 else 1.0, **said})


class Place(ABC):
    """One stand-in with one deployment at it. What is not abstract, a provider may not have: see `cases.NOT_THERE`."""

    endpoint: ClassVar[str] = "/v1/chat/completions"
    deployment: Deployment

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    # lines

    def line(self, custom_id: str, *, fails: bool = False) -> Json:
        """A line that gets its answer; or that `fails`, and no other with it."""
        text = f"nonce-{custom_id} please"
        body = {"model": GROUP, **self.said(self.failing(text) if fails else text)}
        return {"custom_id": custom_id, "method": "POST", "url": self.endpoint, "body": body}

    def said(self, text: str) -> Json:
        return {"messages": [{"role": "user", "content": text}]}

    @abstractmethod
    def failing(self, text: str) -> str:
        """The same, so that the stand-in refuses it."""

    def mine(self, line: Json, body: Json) -> bool:
        """Whether this is the answer to that line."""
        return bool(line["body"]["messages"][0]["content"] in body["choices"][0]["message"]["content"])

    # what was done there

    @abstractmethod
    def made(self) -> int:
        """Jobs that were ever created; of a server that has none, lines that were run."""

    def labels(self) -> Mapping[str, int]:
        """How often a job was made under each label, or each line was run."""
        return {}

    @abstractmethod
    def asked(self) -> int:
        """How often anything was asked for, in vain or not."""

    def secrets(self) -> set[str]:
        """What nothing that a client reads may hold."""
        return {self.deployment.id, f"127.0.0.1:{self.wire.port}", *self.ids()}

    @abstractmethod
    def ids(self) -> set[str]:
        """The provider's own names of jobs and files; keys, accounts, and names that are the operator's."""

    def left(self) -> set[str]:
        """Files that are still there."""
        return set()

    def kept(self) -> set[str]:
        """Those that nobody will ever delete."""
        return self.left()

    def quiet(self) -> None:  # noqa: B027  # most have nothing to wait for
        """Return once nothing moves there by itself; for those that do not go by the clock of the test."""

    # switches

    @abstractmethod
    def hold(self, ran: int, of: int) -> None:
        """From now on, `ran` lines of `of` are run, and the others stay."""

    @abstractmethod
    def holds(self) -> bool:
        """Whether it has come so far."""

    @abstractmethod
    def release(self) -> None:
        """Run the others, too."""

    @abstractmethod
    def fail(self, message: str) -> None:
        """Whatever is run fails as a whole, with this message where there is one."""

    @abstractmethod
    def lose(self) -> None:
        """The next job, or line, has its effect, and its answer is lost."""

    @abstractmethod
    def lock(self, status: int) -> None:
        """Every call is refused with 401 or 403."""

    @abstractmethod
    def unlock(self) -> None:
        """The key is right."""

    @abstractmethod
    def crowds(self) -> dict[str, Callable[[], None]]:
        """The ways in which this provider says that it has no room, each to be switched on."""

    @abstractmethod
    def clear(self) -> None:
        """There is room."""


class PlaceOfJobs(Place):
    """One where lines are run as jobs, whose results are rows."""

    @abstractmethod
    def mangle(self, rewrite: Callable[[Rows], Rows]) -> None:
        """Results are what this makes of them. The rows come in no order that means anything."""

    @abstractmethod
    def named(self, row: Json) -> int:
        """Which line of the input, from 1, a row belongs to."""

    @abstractmethod
    def renamed(self, row: Json) -> Json:
        """A copy that belongs to a line which was never sent."""

    def zero(self, row: Json) -> Json | None:
        """A copy with a status of 0; None where a row has no status that could be so."""
        del row
        return None

    @abstractmethod
    def forget(self) -> None:
        """No job was ever made, the server says."""
