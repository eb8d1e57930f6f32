r"""From a stream of bytes to lines, in bounded memory.

Lines end at `\n` and nowhere else: U+2028 and its like are legal inside JSON strings. A carriage return before it is
white space, a byte order mark is dropped at the start of the file, and the last line needs no end.
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


def lines_of(chunks: Iterable[bytes], *, longest: int) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not blank, with its number from 1; None in place of one of more than `longest` bytes."""
    number, rest, skipping, first = 0, b"", False, True
    for chunk in chunks:
        if first and len(rest) + len(chunk) >= len(_BOM):
            rest, chunk, first = b"", (rest + chunk).removeprefix(_BOM), False  # noqa: PLW2901
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            number += 1
            if skipping:
                skipping = False
                yield number, None
            elif len(line) > longest:
                yield number, None
            elif line not in _BLANK:
                yield number, line
        if len(rest) > longest:
            skipping, rest = True, b""
    if skipping:
        yield number + 1, None
    elif rest not in _BLANK:
        yield number + 1, rest
