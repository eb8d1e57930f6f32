"""What is looked at when a batch input arrives: its name, or without one its first line. The rest is checked later."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from shared.domain.errors import BadRequest

__all__ = ["Head", "check_batch_input"]

_BOM: Final = b"\xef\xbb\xbf"


class Head:
    """The first bytes of a stream, remembered while it passes."""

    LONGEST: Final = 2**20

    def __init__(self) -> None:
        self.bytes = bytearray()

    @classmethod
    def of(cls, chunks: Iterable[bytes]) -> "Head":
        """The first bytes of a stream, and nothing read behind them."""
        head = cls()
        for _ in head.watch(chunks):
            if len(head.bytes) >= cls.LONGEST:
                break
        return head

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if (room := self.LONGEST - len(self.bytes)) > 0:
                self.bytes += chunk[:room]
            yield chunk


def check_batch_input(filename: str, size: int, head: Head) -> None:
    """BadRequest unless this may be a batch input."""
    if size == 0:
        raise BadRequest("Invalid file format for Batch API. The file is empty.", param="file", code="empty_file")
    if filename.lower().endswith(".jsonl"):
        return
    # Bytes without a name are called "upload" by the SDKs; an extension says that it is something else.
    if PurePosixPath(filename).suffix or not _begins_with_an_object(bytes(head.bytes)):
        raise BadRequest("Invalid file format for Batch API. Must be .jsonl")


def _begins_with_an_object(start: bytes) -> bool:
    line, newline, _ = start.removeprefix(_BOM).lstrip().partition(b"\n")
    if not newline and len(start) >= Head.LONGEST:
        return line.startswith(b"{")  # a line too long to look at now
    try:
        msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
