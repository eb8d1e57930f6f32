r"""From a stream of bytes to lines, in bounded memory.

Lines end at `\n` and nowhere else: U+2028 and its like are legal inside JSON strings. A carriage return before it is
white space, a byte order mark is dropped at the start of the file, and the last line needs no end. Whoever has to read
some lines again need not begin at the first: marks say where others are.
"""

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

__all__ = ["CHUNK", "chunks_of", "lines_of"]

CHUNK: Final = 2**20
_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = (b"", b"\r")


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    """What is left of a stream, a megabyte at a time."""
    while chunk := stream.read(CHUNK):
        yield chunk


def lines_of(
    chunks: Iterable[bytes],
    *,
    longest: int,
    marks: list[tuple[int, int]] | None = None,
    start: tuple[int, int] | None = None,
) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not blank, with its number from 1; None in place of one of more than `longest` bytes.

    `marks` grows by the number and the byte offset of the first line that begins in each chunk, before that line comes.
    `start` is such a mark of the same file, where the chunks begin.
    """
    number, offset = (start[0] - 1, start[1]) if start is not None else (0, 0)  # of lines done, and where the rest is
    rest, skipping, first = b"", False, start is None
    for chunk in chunks:
        if first and len(rest) + len(chunk) >= len(_BOM):
            rest, chunk, first = b"", rest + chunk, False  # noqa: PLW2901
            offset += len(_BOM) if chunk.startswith(_BOM) else 0
            chunk = chunk.removeprefix(_BOM)  # noqa: PLW2901
        if marks is not None and not first:
            marks += _begins(chunk, number, offset + len(rest), begun=skipping or rest != b"")
        offset += len(rest) + len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            if skipping or len(line) > longest:
                skipping = False
                yield number, None
            elif line not in _BLANK:
                yield number, line
        if len(rest) > longest:
            skipping, rest = True, b""
        offset -= len(rest)
    if skipping:
        yield number + 1, None
    elif rest not in _BLANK:
        yield number + 1, rest


def _begins(chunk: bytes, number: int, offset: int, *, begun: bool) -> Iterator[tuple[int, int]]:
    """The mark of the first line that begins in the chunk, if one does; before it are `number` lines and what has
    `begun` one more.
    """
    if not begun:
        if chunk:
            yield number + 1, offset
    elif 0 < (ahead := chunk.find(b"\n") + 1) < len(chunk):
        yield number + 2, offset + ahead
