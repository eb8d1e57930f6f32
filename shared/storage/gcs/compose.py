"""Joining any number of objects, where one request takes 32: in a tree, whose inner objects are gone afterwards.

These are called `tmp//…`. No user of the port can say such a name, and `list` shows none. A rule of the bucket that
deletes what is old under `tmp/` removes what a crash has left.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from google.api_core.exceptions import PreconditionFailed

from shared.domain.errors import ConfigError, Transient
from shared.storage.gcs.calls import Calls, Connection, Turn
from shared.storage.gcs.owner import CONTENT_TYPE, Stored, Token, look
from shared.storage.names import bucket_and_object
from shared.storage.ports import ObjectExists, ObjectMissing, Stat

__all__ = ["compose"]

_MOST: Final = 32  # sources of one request: cloud.google.com/storage/docs/composite-objects
_AT_ONCE: Final = 8
_TIDYING: Final = 2.0  # seconds for what a rule of the bucket does otherwise


def compose(calls: Calls, name: str, sources: list[str], if_generation: int | None) -> Stat:
    """Join the sources, all in the bucket of `name`, in order. ObjectMissing where one is not there; ObjectExists."""
    bucket, target = bucket_and_object(name)
    parts = [bucket_and_object(source)[1] for source in sources]
    pinned = if_generation is None and target in parts
    if pinned:  # else a repeat of a request whose reply was lost would join the result once more
        if_generation = calls.make(name, lambda connection, turn: look(connection, turn, name)).stat.generation
    tree = _Tree(calls, bucket)
    try:
        while len(parts) > _MOST:
            parts = tree.level(parts)
        return tree.join(target, parts, if_generation)
    except ObjectExists as error:
        if pinned:
            raise Transient(f"{name}: changed while it was joined to itself") from error
        raise
    finally:
        tree.tidy()


class _Tree:
    """The objects between the sources and the one that is wanted."""

    def __init__(self, calls: Calls, bucket: str) -> None:
        self._calls, self._bucket = calls, bucket
        self._inner: list[str] = []
        self._untidy = False

    def level(self, parts: list[str]) -> list[str]:
        """Fewer parts, with the same content."""
        groups = [parts[at : at + _MOST] for at in range(0, len(parts), _MOST)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._group, groups))

    def join(self, target: str, parts: list[str], if_generation: int | None) -> Stat:
        """One request; if its reply is lost, the token says whether the object that is there is its own."""
        token, name = Token(), f"gs://{self._bucket}/{target}"

        def call(connection: Connection, turn: Turn) -> Stat:
            bucket = connection.client.bucket(self._bucket)
            blob = bucket.blob(target)
            blob.content_type, blob.metadata = CONTENT_TYPE, token.metadata
            try:
                blob.compose(
                    [bucket.blob(part) for part in parts],
                    if_generation_match=if_generation,
                    timeout=turn.timeout,
                    retry=None,
                )
            except PreconditionFailed:
                if turn.number and (stored := token.find(connection, turn, name)):
                    return stored.stat
                raise
            return Stored.of(name, blob).stat

        return self._calls.make(name, call)

    def tidy(self) -> None:
        """Delete the objects in between, unless the service is in trouble."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._delete, self._inner))

    def _group(self, parts: list[str]) -> str:
        if len(parts) == 1:
            return parts[0]
        inner = f"tmp//{secrets.token_hex(16)}"
        self._inner.append(inner)
        self.join(inner, parts, None)
        return inner

    def _delete(self, inner: str) -> None:
        def call(connection: Connection, turn: Turn) -> None:
            connection.client.bucket(self._bucket).blob(inner).delete(timeout=turn.timeout, retry=None)

        if not self._untidy:
            try:
                with suppress(ObjectMissing):
                    self._calls.make(inner, call, patience=_TIDYING)
            except (Transient, ConfigError):
                self._untidy = True
