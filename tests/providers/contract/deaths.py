"""A world of any provider whose process dies at one point, and of what has died nothing more is heard.

Points are before and after each effect on a store, and each request to the provider.
"""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

import httpx

from shared.app import App
from shared.config import Deployment
from shared.providers.base import Media, Outcome, Provider, Runner
from shared.providers.openai.client import OpenAIClient
from tests.providers.contract.scene import SceneWorld
from tests.steps.mortal import Death, MortalWorld

if TYPE_CHECKING:
    from shared.storage.ports import Bus, Documents, Objects

__all__ = ["DoomedWorld"]


class DoomedWorld(SceneWorld, MortalWorld):
    """As kill -9 has it: from a death to the restart, nothing has an effect, not even cleaning up."""

    def __post_init__(self) -> None:
        self.names: list[str] = []
        self.dead = False
        super().__post_init__()

    def point(self, name: str) -> None:
        if self.dead:
            raise Death(name)
        self.names.append(name)
        try:
            super().point(name)
        except Death:
            self.dead = True
            raise

    def restart(self) -> None:
        self.dead = False
        super().restart()

    def new_app(self) -> App:
        app = super().new_app()
        return replace(
            app,
            documents=cast("Documents", OfOneLife(self, app.documents)),
            objects=cast("Objects", OfOneLife(self, app.objects)),
            bus=cast("Bus", OfOneLife(self, app.bus)),
        )

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        provider = super().open_provider(deployment, media)
        if isinstance(provider.client, OpenAIClient):
            # `fetch` and `tidy` are this client's, too; of the request's way nothing else is changed.
            inner = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
            provider.client._http._http = httpx.Client(transport=DeadlyTransport(self, inner))
        make = provider.runner
        return provider if make is None else replace(provider, runner=lambda: DeadlyRunner(self, make()))


class OfOneLife:
    """A port of one process. What it left half done is closed by the garbage collector, sooner or later: in silence."""

    def __init__(self, world: DoomedWorld, inner: object) -> None:
        self._world, self._inner, self._life = world, inner, world.deaths

    def __getattr__(self, method: str) -> Any:
        plain = getattr(self._inner, method)

        def living(*args: Any, **options: Any) -> Any:
            if self._world.deaths != self._life or isinstance(sys.exc_info()[1], GeneratorExit):
                return None
            return plain(*args, **options)

        return living


class DeadlyTransport(httpx.BaseTransport):
    """Requests of a process that may die before it sends one, or before it reads the answer."""

    def __init__(self, world: DoomedWorld, inner: httpx.BaseTransport) -> None:
        self._world, self._inner = world, inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._world.point(f"before {request.method} {request.url.path}")
        response = self._inner.handle_request(request)
        content = response.read()
        response.close()
        self._world.point(f"after {request.method} {request.url.path}")
        return httpx.Response(response.status_code, headers=response.headers, content=content)


class DeadlyRunner:
    """The same of lines that are run one by one."""

    def __init__(self, world: DoomedWorld, inner: Runner) -> None:
        self._world, self._inner = world, inner

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._inner.__aexit__(*error)

    async def run(self, row: bytes, name: str) -> Outcome:
        self._world.point("before POST of a line")
        outcome = await self._inner.run(row, name)
        self._world.point("after POST of a line")
        return outcome

    async def well(self) -> bool:
        return await self._inner.well()
