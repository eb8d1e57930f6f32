"""The provider's own rows of a batch, as they were written: for those who asked the provider's questions."""

from collections.abc import Iterator

from shared.app import App
from shared.domain.batch import Batch
from shared.domain.files import File
from shared.lines.read import chunks_of
from shared.steps.finish import shards_of
from shared.storage.ports import ObjectMissing

__all__ = ["native_objects", "native_rows"]


def native_objects(app: App, file: File) -> list[str] | None:
    """All predictions of the batch whose output or error file this is, shard by shard; None where there are none."""
    batch = app.documents.get(Batch, file.batch) if file.batch is not None else None
    if batch is None:
        return None
    results = [shard.result for shard in shards_of(app, batch) if shard.result is not None]
    names = [name for result in results for name in result.predictions]
    return names or None


def native_rows(app: App, names: list[str]) -> Iterator[bytes]:
    """Their rows, one object after the other; one that is gone is passed over."""
    for name in names:
        try:
            stream = app.objects.open(name)
        except ObjectMissing:
            continue
        last = b"\n"
        with stream:
            for chunk in chunks_of(stream):
                yield chunk
                last = chunk[-1:]
        if last != b"\n":
            yield b"\n"
