"""A world whose process dies just before or just after any one of its effects, and is started again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx

from shared.app import App
from shared.domain.errors import Transient
from shared.providers.vertex.client import VertexClient
from shared.storage.queue import backoff
from tests.steps.world import World

__all__ = ["Death", "MortalWorld"]


class Death(BaseException):
    """kill -9: nothing catches it, nothing cleans up."""


@dataclass
class MortalWorld(World):
    """Dies at the `dies_at`-th point, counted from 1, or sleeps at the `sleeps_at`-th while others take over."""

    dies_at: int | None = None
    sleeps_at: int | None = None
    points: int = 0
    deaths: int = 0
    last: str = ""

    def point(self, name: str) -> None:
        self.points += 1
        if self.points == self.dies_at:
            self.last = name
            raise Death(name)
        if self.points == self.sleeps_at:
            self.last, self.deaths = name, 1
            self.sleep()

    def sleep(self) -> None:
        """The worker stands still for a minute, is presumed dead, and others do what there is to do."""
        for _ in range(12):
            self.clock += 10_000
            self.sweep()
            self.pump()

    def new_app(self) -> App:
        app = super().new_app()
        return replace(
            app,
            documents=Around(self, self.documents, "documents", {"transact"}),
            objects=Around(self, self.objects, "objects", {"write", "compose", "delete"}),
            bus=Around(self, self.bus, "bus", {"publish"}),
        )

    def open_provider(self, deployment: Any, media: Any) -> Any:
        provider = super().open_provider(deployment, media)

        def call(request: httpx.Request) -> httpx.Response:
            self.point(f"before {request.method} {request.url.path}")
            response = self.upstream(request)
            self.point(f"after {request.method} {request.url.path}")
            return response

        http = httpx.Client(transport=httpx.MockTransport(call))
        return replace(provider, client=VertexClient(deployment, http=http))

    def pump(self, most: int = 500) -> int:
        delivered = 0
        while delivered < most and (due := self.bus.queue.claim(self.now(), 600_000, 1)):
            delivery, delivered = due[0], delivered + 1
            try:
                self.deliver(delivery.topic, delivery.data)
            except Transient:
                self.bus.queue.nack(delivery.id, delivery.token, backoff(delivery.attempt))
            except Death:
                self.restart()
                self.bus.queue.nack(delivery.id, delivery.token, backoff(delivery.attempt))
            else:
                self.bus.queue.ack(delivery.id, delivery.token)
        return delivered

    def sweep(self) -> None:
        try:
            super().sweep()
        except Death:
            self.restart()

    def mortally(self, act: Callable[[], Any]) -> Any:
        """Do something as a client would: again, if the process dies on it."""
        try:
            return act()
        except Death:
            self.restart()
            return act()

    def restart(self) -> None:
        self.deaths += 1
        self.app = self.new_app()


class Around:
    """A port with a point before and after each of its effects."""

    def __init__(self, world: MortalWorld, inner: Any, name: str, effects: set[str]) -> None:
        self._world, self._inner, self._name, self._effects = world, inner, name, effects

    def __getattr__(self, method: str) -> Any:
        plain = getattr(self._inner, method)
        if method not in self._effects:
            return plain

        def mortal(*args: Any, **options: Any) -> Any:
            self._world.point(f"before {self._name}.{method}")
            result = plain(*args, **options)
            self._world.point(f"after {self._name}.{method}")
            return result

        return mortal
