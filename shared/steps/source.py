"""The input of a batch, line by line: what `prepare` reads, and whoever has to encode some of it again."""

from collections.abc import Iterator

from shared.app import App
from shared.domain.batch import Batch
from shared.lines.native import NativeParser
from shared.lines.parse import Parser
from shared.lines.read import chunks_of, lines_of
from shared.storage.ports import ObjectMissing

__all__ = ["input_lines", "parser_of"]


def input_lines(
    app: App, batch: Batch, *, since: tuple[int, int] | None = None, marks: list[tuple[int, int]] | None = None
) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number from 1; None in place of one that is too long. ObjectMissing without the file.

    `since`, as a shard remembers it, spares what lies before; `marks` are gathered where lines are read.
    """
    if batch.input_object is None:
        raise ObjectMissing(batch.input_file_id)
    with app.objects.open(batch.input_object, offset=since[1] if since is not None else 0) as stream:
        yield from lines_of(chunks_of(stream), longest=app.config.limits.line_bytes, marks=marks, start=since)


def parser_of(batch: Batch) -> Parser | NativeParser:
    """What reads its lines."""
    return NativeParser() if batch.native else Parser(batch.endpoint)
