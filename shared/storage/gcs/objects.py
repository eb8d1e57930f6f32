"""Objects in Cloud Storage: the port, one method after the other. How each is done stands in the modules beside it.

  calls     one client, about 20 seconds for a call, foreign exceptions in our words
  owner     a token with each write, so that a lost reply is not taken for somebody else's object
  read      one stream over broken connections
  write     one request, or pieces with one of them held in memory
  compose   a tree of 32s
  sign      URLs

STORAGE_EMULATOR_HOST is honoured as in any Google client. Buckets are not made here, and never asked for.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final

from shared.domain.errors import ConfigError
from shared.storage.gcs.calls import Calls, Connection, Turn
from shared.storage.gcs.compose import compose
from shared.storage.gcs.owner import Stored, blob_of, look
from shared.storage.gcs.read import open_stream
from shared.storage.gcs.sign import sign
from shared.storage.gcs.write import upload
from shared.storage.names import bucket_and_object, bucket_and_prefix
from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing, Stat

__all__ = ["GcsObjects"]

_PATIENCE: Final = 20.0  # seconds that one request is tried for; a step's lease is 30
_PAGE: Final = 1000  # the most that a list answers with
_FIELDS: Final = "items(name,size,generation,updated),nextPageToken"


class GcsObjects:
    """The objects port on Cloud Storage. Nothing is connected before the first call; any number of threads may call."""

    def __init__(self, *, patience: float = _PATIENCE) -> None:
        self._calls = Calls(patience)

    def write(self, name: str, chunks: Iterable[bytes], *, if_generation: int | None = None) -> Stat:
        bucket_and_object(name)
        self._expect(name, if_generation)
        return upload(self._calls, name, chunks, if_generation)

    def open(self, name: str, *, offset: int = 0) -> BinaryIO:
        bucket_and_object(name)
        if offset < 0:
            raise ValueError(f"{name}: offset {offset}")
        return open_stream(self._calls, name, offset)

    def compose(self, name: str, sources: list[str], *, if_generation: int | None = None) -> Stat:
        bucket = bucket_and_object(name)[0]
        for source in sources:
            if bucket_and_object(source)[0] != bucket:
                raise ValueError(f"{source!r} is in another bucket than {name!r}")
        if not sources:
            return self.write(name, (), if_generation=if_generation)
        self._expect(name, if_generation)
        return compose(self._calls, name, sources, if_generation)

    def stat(self, name: str) -> Stat:
        bucket_and_object(name)
        return self._calls.make(name, lambda connection, turn: look(connection, turn, name)).stat

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        bucket_and_object(name)

        def call(connection: Connection, turn: Turn) -> None:
            blob_of(connection, name).delete(if_generation_match=if_generation, timeout=turn.timeout, retry=None)

        with suppress(ObjectMissing):
            self._calls.make(name, call)

    def list(self, prefix: str) -> Iterator[Stat]:
        return self._listed(prefix, *bucket_and_prefix(prefix))

    def sign(self, name: str, *, seconds: int, filename: str) -> str | None:
        bucket_and_object(name)
        return sign(self._calls, name, seconds, filename)

    def _expect(self, name: str, if_generation: int | None) -> None:
        """Refuse what will be refused, before the chunks are consumed."""
        if if_generation is None:
            return
        try:
            generation = self.stat(name).generation
        except ObjectMissing:
            generation = ABSENT
        if generation != if_generation:
            raise ObjectExists(name)

    def _listed(self, prefix: str, bucket: str, start: str) -> Iterator[Stat]:
        def page(connection: Connection, turn: Turn) -> tuple[list[Any], str | None]:
            pages = connection.client.list_blobs(
                bucket,
                prefix=start,
                page_size=_PAGE,
                page_token=token,
                fields=_FIELDS,
                timeout=turn.timeout,
                retry=None,
            )
            return list(next(pages.pages)), pages.next_page_token

        token: str | None = None
        while True:
            try:
                blobs, token = self._calls.make(prefix, page)
            except ObjectMissing as error:
                raise ConfigError(f"{prefix}: there is no such bucket") from error
            for blob in blobs:
                name = f"gs://{bucket}/{blob.name}"
                if _is_name(name):
                    yield Stored.of(name, blob).stat
            if token is None:
                return


def _is_name(name: str) -> bool:
    """Programs and consoles leave others in buckets: placeholders of folders, empty components."""
    try:
        bucket_and_object(name)
    except ValueError:
        return False
    return True
