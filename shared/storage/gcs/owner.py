"""Whose an object is: each write leaves a token of its own in the metadata of the object that it makes.

A reply may be lost after the write had its effect. The repeated request is then told that the object exists, and only
the token says whether it is ours.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Blob

from shared.storage.gcs.calls import Connection, Turn
from shared.storage.names import bucket_and_object
from shared.storage.ports import Stat

__all__ = ["CONTENT_TYPE", "Stored", "Token", "blob_of", "discard", "look"]

CONTENT_TYPE: Final = "application/octet-stream"
_KEY: Final = "offpeak-write"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What Cloud Storage says of an object."""

    stat: Stat
    crc32c: str | None

    @classmethod
    def of(cls, name: str, blob: Blob) -> Self:
        return cls._of(name, blob.size, blob.generation, blob.updated, blob.crc32c)

    @classmethod
    def read(cls, name: str, answer: Mapping[str, Any]) -> Self:
        """The same from an answer of the JSON API."""
        updated = answer.get("updated")
        when = None if updated is None else datetime.fromisoformat(updated)
        return cls._of(name, int(answer["size"]), int(answer["generation"]), when, answer.get("crc32c"))

    @classmethod
    def _of(cls, name: str, size: int, generation: int, updated: datetime | None, crc32c: str | None) -> Self:
        at = 0 if updated is None else (updated - _EPOCH) // _MILLISECOND
        stat = Stat(name=name, size=size, generation=generation, updated_at=at)
        return cls(stat=stat, crc32c=crc32c)


class Token:
    """The sign of one write."""

    def __init__(self) -> None:
        self._text = secrets.token_hex(16)

    @property
    def metadata(self) -> dict[str, str]:
        return {_KEY: self._text}

    def find(
        self, connection: Connection, turn: Turn, name: str, *, size: int | None = None, crc32c: str | None = None
    ) -> Stored | None:
        """The object, if this write made it; None if somebody else did, or if there is none.

        A server that keeps no metadata is asked for an object with our size and checksum, where these are given.
        """
        blob = blob_of(connection, name)
        try:
            blob.reload(timeout=turn.timeout, retry=None)
        except NotFound:
            return None
        signed = (blob.metadata or {}).get(_KEY)
        same = (blob.size, blob.crc32c) == (size, crc32c) if signed is None else signed == self._text
        return Stored.of(name, blob) if same else None


def look(connection: Connection, turn: Turn, name: str) -> Stored:
    blob = blob_of(connection, name)
    blob.reload(timeout=turn.timeout, retry=None)
    return Stored.of(name, blob)


def discard(connection: Connection, turn: Turn, stat: Stat) -> None:
    """Delete this generation, if it is still the one that is there."""
    with suppress(NotFound, PreconditionFailed):
        blob = blob_of(connection, stat.name)
        blob.delete(if_generation_match=stat.generation, timeout=turn.timeout, retry=None)


def blob_of(connection: Connection, name: str) -> Blob:
    bucket, rest = bucket_and_object(name)
    return connection.client.bucket(bucket).blob(rest)
