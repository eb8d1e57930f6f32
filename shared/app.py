"""The composition root: the one place where steps, storage and providers meet.

Nothing connects at import. An adapter's module is imported when its setting asks for it, so that the client library
of the other one never costs a cold start anything.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from shared.config import Config, Deployment
from shared.domain.errors import ConfigError, Transient
from shared.environment import config_of_environment
from shared.model_list import read_config
from shared.pricing.book import Book
from shared.providers.base import Media, Provider
from shared.registry import REGISTRY
from shared.settings import Settings, answers_clients, calls_providers, chosen_key, read_settings
from shared.storage.ports import Bus, Documents, ObjectMissing, Objects

__all__ = [
    "REGISTRY",
    "App",
    "Unconfigured",
    "abilities_of",
    "app",
    "compose",
    "configuration",
    "local_configuration",
    "open_bus",
    "open_documents",
    "open_objects",
    "open_provider",
    "refuse_deployment",
    "utc_now",
]

M = TypeVar("M")

_making: Final = Lock()
_CLOUD_BODY: Final = 32 * 2**20  # bytes of an HTTP/1 request at Cloud Run and functions, docs 2026-11


def utc_now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Unconfigured(Transient):
    """A shard's deployment is not in the configuration: its batch waits for it as long as it has time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything that a request or a step may touch."""

    documents: Documents
    objects: Objects
    bus: Bus
    body_bytes: int | None = None  # the longest request body that reaches us; None: as long as the limits allow
    data_bucket: str
    work_bucket: str
    master_key: str = field(repr=False)
    key_pepper: str = field(default="", repr=False)  # of the hashes of virtual keys; empty where no client is answered
    config: Config
    book: Book
    open_provider: Callable[[Deployment, Media], Provider]
    now: Callable[[], int] = utc_now
    _memory: dict[type[Any], Any] = field(default_factory=dict, repr=False)
    _providers: dict[str, Provider] = field(default_factory=dict, repr=False)

    def today(self) -> str:
        """The date, UTC, as YYYY-MM-DD."""
        return datetime.fromtimestamp(self.now() / 1000, UTC).date().isoformat()

    def remembered(self, kind: type[M]) -> M:
        """The one object of this kind that belongs to this application: what a process keeps between requests."""
        found: M = self._memory.setdefault(kind, kind())
        return found

    def provider(self, deployment: str) -> Provider:
        """The provider of a deployment, by the deployment's id; Unconfigured where the configuration has none."""
        if deployment not in self._providers:
            found = self.config.deployment(deployment)
            if found is None:
                raise Unconfigured(f"the configuration has no deployment {deployment!r} any more")
            self._providers[deployment] = self.open_provider(found, self._media())
        return self._providers[deployment]

    def _media(self) -> Media:
        allowed = self.config.media_buckets
        return Media(
            closed=frozenset({self.data_bucket, self.work_bucket}),
            open=None if allowed is None else frozenset(allowed),
        )


def compose(settings: Settings, *, clients: bool = False, keys: bool = True) -> App:
    """Everything that the settings name, opened. `clients`: whether these are answered; `keys`: as `configuration`."""
    bus = open_bus(settings.bus)
    objects = open_objects(settings.objects)
    config = _read(settings.config, objects, keys=keys)
    return App(
        documents=open_documents(settings.documents),
        objects=objects,
        bus=bus,
        body_bytes=_CLOUD_BODY if urlsplit(settings.bus).scheme == "pubsub" else None,  # where events are pushed to us
        data_bucket=settings.data_bucket,
        work_bucket=settings.work_bucket,
        master_key=chosen_key(settings.master_key, config.master_key, clients=clients),
        key_pepper=settings.key_pepper,
        config=config,
        book=Book.load(config.prices),
        open_provider=open_provider,
    )


def app() -> App:
    """The process's own, made on first use: once, however many threads come at the same moment."""
    with _making:
        return _made()


@cache
def _made() -> App:
    # Each target has judged its settings when it was loaded.
    return compose(read_settings(clients=False), clients=answers_clients(), keys=calls_providers())


def open_documents(url: str) -> Documents:
    """The adapter that OFFPEAK_DOCUMENTS names."""
    match urlsplit(url).scheme:
        case "sqlite":
            from shared.storage.sqlite import SqliteDocuments  # noqa: PLC0415

            return SqliteDocuments(url)
        case "firestore":
            from shared.storage.firestore.documents import FirestoreDocuments  # noqa: PLC0415

            return FirestoreDocuments(url)
        case _:
            raise ConfigError(f"OFFPEAK_DOCUMENTS: {url!r} is not sqlite:///PATH or firestore://PROJECT/DATABASE")


def open_objects(url: str) -> Objects:
    """The adapter that OFFPEAK_OBJECTS names."""
    match urlsplit(url).scheme:
        case "file":
            from shared.storage.directory import DirectoryObjects  # noqa: PLC0415

            return DirectoryObjects(Path(urlsplit(url).path))
        case "" if url == "gcs":
            from shared.storage.gcs.objects import GcsObjects  # noqa: PLC0415

            return GcsObjects()
        case _:
            raise ConfigError(f"OFFPEAK_OBJECTS: {url!r} is not file:///DIR or gcs")


def open_bus(url: str) -> Bus:
    """The adapter that OFFPEAK_BUS names."""
    match urlsplit(url).scheme:
        case "sqlite":
            from shared.storage.queue import SqliteBus  # noqa: PLC0415

            return SqliteBus(url)
        case "pubsub":
            from shared.storage.pubsub import PubsubBus  # noqa: PLC0415

            return PubsubBus(url)
        case _:
            raise ConfigError(f"OFFPEAK_BUS: {url!r} is not sqlite:///PATH or pubsub://PROJECT/TOPIC")


def open_provider(deployment: Deployment, media: Media) -> Provider:
    """The provider that a deployment's model prefix names; ConfigError where there is none."""
    folder = _folder(deployment)
    if folder is None:
        raise ConfigError(f"deployment {deployment.id}: {_unknown(deployment)}")
    module = import_module(f"{folder}.provider")
    provider: Provider = module.open_provider(deployment, media)
    return provider


def refuse_deployment(deployment: Deployment) -> str | None:
    """Why a deployment cannot be opened, as far as its configuration tells; None where it can."""
    folder = _folder(deployment)
    if folder is None:
        return _unknown(deployment)
    profile = import_module(f"{folder}.profile")
    refusal: str | None = profile.refuse(deployment)
    return refusal


def abilities_of(deployment: Deployment) -> Mapping[str, bool]:
    """LiteLLM's `supports_…` of a deployment: what its provider knows, and before that what its configuration says."""
    folder = _folder(deployment)
    known: Mapping[str, bool] = {}
    if folder is not None and find_spec(f"{folder}.supports") is not None:
        known = import_module(f"{folder}.supports").supports(deployment)
    said = {name: value is True for name, value in deployment.info.items() if name.startswith("supports_")}
    return {**known, **said}


def _folder(deployment: Deployment) -> str | None:
    """An `openai/` model whose lines are run one by one is a server like vLLM's."""
    one_by_one = deployment.provider == "openai" and deployment.batches in {"execute", "auto"}
    return REGISTRY.get("hosted_vllm" if one_by_one else deployment.provider)


def _unknown(deployment: Deployment) -> str:
    return f"provider {deployment.provider!r} is not offered; this version runs {', '.join(REGISTRY)} models"


def configuration(text: str, *, name: str, environment: Mapping[str, str] | None = None, keys: bool = True) -> Config:
    """The configuration in `text`, whose file is called `name`, with models that their providers can run.

    `keys`: whether those of providers are wanted. Who calls none is not given any, and is told of none that is missing.
    """
    return read_config(text, name=name, environment=environment, refuse=refuse_deployment, keys=keys)


def local_configuration(name: str | None, *, keys: bool = True) -> Config | None:
    """What OFFPEAK_CONFIG names, or, without it, what LiteLLM's variables say; None where that lies in a bucket."""
    if name is None:
        return config_of_environment(refuse=refuse_deployment)
    if name.startswith("gs://"):
        return None
    try:
        return configuration(Path(name).read_text(encoding="utf-8"), name=name, keys=keys)
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(name, error) from error


def _read(name: str | None, objects: Objects, *, keys: bool) -> Config:
    config = local_configuration(name, keys=keys)
    if config is not None or name is None:
        return config or Config()
    try:
        with objects.open(name) as stream:
            text = stream.read().decode()
    except (OSError, ObjectMissing, UnicodeDecodeError) as error:
        raise _unreadable(name, error) from error
    return configuration(text, name=name, keys=keys)


def _unreadable(name: str, error: Exception) -> ConfigError:
    return ConfigError(f"OFFPEAK_CONFIG: cannot read {name}: {error}")
