"""Buckets and their objects. Whatever looks before it changes does both under one lock."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from tests.google.cloud_storage.content import Content

__all__ = ["MOST_SOURCES", "Conditions", "Mismatch", "NoBucket", "NoObject", "Object", "Source", "Store", "Unchanged"]

MOST_SOURCES: Final = 32
_SETTINGS: Final = ("contentType", "contentEncoding", "contentDisposition", "cacheControl", "contentLanguage")


class NoBucket(Exception):
    """The bucket was not made at the start."""


class NoObject(Exception):
    """There is no such object, or not of this generation."""


class Mismatch(Exception):
    """A precondition does not hold."""


class Unchanged(Exception):
    """`ifGenerationNotMatch` at a read: the caller has this generation already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One generation of an object."""

    bucket: str
    name: str
    generation: int
    created: str
    content: Content
    settings: Mapping[str, Any]  # what the writer said of it, under the API's own names
    components: int | None = None  # how many uploads a composed one is made of

    @property
    def quoted(self) -> str:
        return quote(self.name, safe="")

    @property
    def etag(self) -> str:
        return f"C{self.generation}="


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a request asks of the generation that is there. 0 stands for none at all."""

    generation: int | None = None
    not_generation: int | None = None

    def check(self, found: Object | None, *, reading: bool = False) -> None:
        current = 0 if found is None else found.generation
        if self.generation is not None and self.generation != current:
            raise Mismatch
        if self.not_generation is not None and self.not_generation == current:
            raise Unchanged if reading else Mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One of the objects that a compose joins."""

    name: str
    generation: int | None = None
    conditions: Conditions = Conditions()


@dataclass(slots=True)
class Store:
    """All buckets. `on_commit` is called under the lock, so in the order in which the objects appeared."""

    on_commit: Callable[[Object], None]
    keeps_metadata: bool = True
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _buckets: dict[str, dict[str, Object]] = field(default_factory=dict)
    _generation: int = 0

    def add_bucket(self, name: str) -> None:
        self._buckets.setdefault(name, {})

    def bucket(self, name: str) -> dict[str, Object]:
        if name not in self._buckets:
            raise NoBucket(name)
        return self._buckets[name]

    def get(self, bucket: str, name: str, generation: int | None, conditions: Conditions) -> Object:
        with self._lock:
            found = self.bucket(bucket).get(name)
            if found is None or generation not in {None, found.generation}:
                raise NoObject(f"{bucket}/{name}" + (f"#{generation}" if generation is not None else ""))
            conditions.check(found, reading=True)
            return found

    def check(self, bucket: str, name: str, conditions: Conditions) -> None:
        """Whether a write with these conditions would be taken now."""
        with self._lock:
            conditions.check(self.bucket(bucket).get(name))

    def put(
        self,
        bucket: str,
        name: str,
        said: Mapping[str, Any],
        content: Content,
        conditions: Conditions,
        *,
        components: int | None = None,
    ) -> Object:
        """Store the content under the name, as a generation above all that there ever were."""
        settings = {key: said[key] for key in _SETTINGS if said.get(key) is not None}
        if said.get("metadata") and self.keeps_metadata:
            settings["metadata"] = {key: str(value) for key, value in said["metadata"].items()}
        with self._lock:
            objects = self.bucket(bucket)
            conditions.check(objects.get(name))
            self._generation = max(self._generation + 1, time.time_ns() // 1000)
            created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            stored = Object(
                bucket=bucket,
                name=name,
                generation=self._generation,
                created=created,
                content=content,
                settings=settings,
                components=components,
            )
            objects[name] = stored
            self.on_commit(stored)
            return stored

    def compose(
        self, bucket: str, name: str, said: Mapping[str, Any], sources: Iterable[Source], conditions: Conditions
    ) -> Object:
        with self._lock:
            conditions.check(self.bucket(bucket).get(name))
            found = [self.get(bucket, each.name, each.generation, each.conditions) for each in sources]
            if said.get("contentType") is None and found:
                said = {**said, "contentType": found[0].settings.get("contentType")}
            content = Content(block for each in found for block in each.content.blocks)
            components = sum(each.components or 1 for each in found)
            return self.put(bucket, name, said, content, conditions, components=components)

    def delete(self, bucket: str, name: str, generation: int | None, conditions: Conditions) -> None:
        with self._lock:
            found = self.bucket(bucket).get(name)
            if found is None or generation not in {None, found.generation}:
                raise NoObject(f"{bucket}/{name}")
            conditions.check(found)
            del self._buckets[bucket][name]

    def list(self, bucket: str, prefix: str, *, after: str | None, limit: int) -> tuple[list[Object], str | None]:
        """The next objects whose names begin with `prefix`, in the order of bytes; the last name if there are more."""
        with self._lock:
            found = [each for name, each in self.bucket(bucket).items() if name.startswith(prefix)]
        found.sort(key=lambda each: each.name.encode())
        if after is not None:
            found = [each for each in found if each.name.encode() > after.encode()]
        return found[:limit], found[limit - 1].name if len(found) > limit else None

    def report(self) -> dict[str, dict[str, int]]:
        """How many objects and bytes each bucket holds."""
        with self._lock:
            return {
                name: {"objects": len(objects), "bytes": sum(each.content.size for each in objects.values())}
                for name, objects in self._buckets.items()
            }
