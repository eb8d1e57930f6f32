"""OpenAI, Azure and their relatives as places of the suite: files, jobs, and what they get wrong."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from infra.local.standins import azure, openai
from tests.providers.contract.place import Json, Place, PlaceOfJobs, Rows, deployed
from tests.providers.contract.wire import Wire, wired
from tests.steps.world import World

__all__ = ["azure_dated", "azure_v1", "delegated", "openai_place"]

KEY = "sk-canary-key-0123456789"
PLAIN_KEY = "canary_key.of+a-server"  # which looks like nobody's
FULL = {
    "code": "token_limit_exceeded",
    "message": "The number of enqueued tokens has surpassed the limit of org-Canary.",
}


class JobsPlace(PlaceOfJobs):
    """OpenAI's own; the others differ in what their servers do."""

    def __init__(self, wire: Wire, standin: openai.OpenAIStandIn, key: str, **said: Any) -> None:
        super().__init__(wire)
        self.standin, self.key = standin, key
        standin.key, standin.takes = key, 0
        self.deployment = deployed(**said)

    def failing(self, text: str) -> str:
        return f"{text} fail"

    def made(self) -> int:
        return len(self.standin.made())

    def labels(self) -> Mapping[str, int]:
        return Counter(self.standin.made())

    def asked(self) -> int:
        return len(self.standin.seen)

    def ids(self) -> set[str]:
        requests = {f'"req_{number}"' for number in range(9)}
        return {self.key, "org-AbCdEfGhIjKl", *self.standin.files, *self.standin.batches, *requests}

    def left(self) -> set[str]:
        return set(self.standin.files) - self.standin.gone

    def kept(self) -> set[str]:
        return {id for id in self.left() if "expires_after[seconds]" not in self.standin.files[id][0]}

    def hold(self, ran: int, of: int) -> None:
        self.standin.takes, self.standin.ran = 10**15, ran / of

    def holds(self) -> bool:
        return any(batch["status"] == "in_progress" for batch in self.standin.batches.values())

    def release(self) -> None:
        self.standin.takes, self.standin.ran = 0, 1.0

    def fail(self, message: str) -> None:
        self.standin.ends_as = "failed"
        self.standin.errors = [{"code": "invalid_request", "message": message, "line": None}]

    def lose(self) -> None:
        self.standin.lose = {"upload": 1, "create": 1}

    def lock(self, status: int) -> None:
        self.standin.locked = status

    def unlock(self) -> None:
        self.standin.locked = 0

    def crowds(self) -> dict[str, Callable[[], None]]:
        return {"429": self._limited, "tokens": self._full, "later": self._full_later}

    def _limited(self) -> None:
        problem = openai.problem("Rate limit reached in organization org-Canary12345.", "rate_limit_exceeded")
        self.standin.refuse["create"] = [(429, problem)] * 10_000

    def _full(self) -> None:
        self.standin.refuse["create"] = [(400, {"error": FULL})] * 10_000

    def _full_later(self) -> None:
        self.standin.ends_as, self.standin.errors = "failed", [{**FULL, "line": None}]

    def clear(self) -> None:
        self.standin.refuse, self.standin.ends_as, self.standin.errors = {}, "completed", []

    def mangle(self, rewrite: Callable[[Rows], Rows]) -> None:
        self.standin.rewrite = rewrite

    def named(self, row: Json) -> int:
        return int(row["custom_id"].removeprefix("r-"))

    def renamed(self, row: Json) -> Json:
        return {**deepcopy(row), "custom_id": "r-000099"}

    def zero(self, row: Json) -> Json | None:
        return {**row, "response": {"status_code": 0, "request_id": None, "body": None}}

    def forget(self) -> None:
        with self.standin.lock:
            self.standin.batches.clear()


class AzurePlace(JobsPlace):
    """Azure, which reads files before it takes them, and lets no job expire."""

    standin: azure.AzureStandIn

    def ids(self) -> set[str]:
        return super().ids() | {"my-mini-batch"}

    def _full(self) -> None:
        self.standin.full_at_create = 10**9

    def _full_later(self) -> None:
        self.standin.full_later = 10**9

    def clear(self) -> None:
        super().clear()
        self.standin.full_at_create = self.standin.full_later = 0
        for batch in self.standin.batches.values():
            batch["_full"] = False


@contextmanager
def openai_place(world: World, number: int) -> Iterator[Place]:
    with openai.running(world.now) as standin, wired(standin.server_address[1]) as wire:
        said = {"provider": "openai", "model": "gpt-4o-mini", "organization": "org-AbCdEfGhIjKl"}
        yield JobsPlace(wire, standin, KEY, number=number, api_key=KEY, api_base=_at(wire.port, "/v1"), **said)


@contextmanager
def delegated(world: World, number: int) -> Iterator[Place]:
    """A server like vLLM that has batches, whose operator says so."""
    with openai.running(world.now) as standin, wired(standin.server_address[1]) as wire:
        said = {"provider": "hosted_vllm", "model": "gpt-4o-mini", "batches": "server"}
        yield JobsPlace(
            wire, standin, PLAIN_KEY, number=number, api_key=PLAIN_KEY, api_base=_at(wire.port, "/v1"), **said
        )


@contextmanager
def _azure(world: World, number: int, version: str | None) -> Iterator[Place]:
    key = "0123456789abcdef" * 2
    with azure.running(world.now) as standin, wired(standin.server_address[1]) as wire:
        said = {"provider": "azure", "model": "my-mini-batch", "base_model": "gpt-4o-mini", "api_version": version}
        yield AzurePlace(wire, standin, key, number=number, api_key=key, api_base=_at(wire.port), **said)


def azure_v1(world: World, number: int) -> Any:
    return _azure(world, number, None)


def azure_dated(world: World, number: int) -> Any:
    return _azure(world, number, "2024-10-21")


def _at(port: int, path: str = "") -> str:
    return f"http://127.0.0.1:{port}{path}"
