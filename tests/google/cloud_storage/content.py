"""The bytes of an object, in blocks that are shared and never copied: to join contents is to join their lists."""

import base64
from collections.abc import Iterable, Iterator

import google_crc32c

__all__ = ["Content"]


class Content:
    """Immutable bytes with their checksum."""

    __slots__ = ("blocks", "crc32c", "size")

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = tuple(blocks)
        self.size = sum(map(len, self.blocks))
        checksum = 0
        for block in self.blocks:
            checksum = google_crc32c.extend(checksum, block)
        self.crc32c = base64.b64encode(checksum.to_bytes(4, "big")).decode()

    def slices(self, start: int, end: int) -> Iterator[memoryview]:
        """The bytes from `start` up to but not with `end`."""
        at = 0
        for block in self.blocks:
            first, last = max(start - at, 0), min(end - at, len(block))
            if first < last:
                yield memoryview(block)[first:last]
            at += len(block)

    def whole(self) -> bytes:
        """All of it, copied."""
        return b"".join(self.blocks)

    def damaged(self) -> "Content":
        """The same with one bit turned over: what a bad disk or wire would make of it."""
        whole = bytearray(self.whole())
        whole[len(whole) // 2] ^= 1
        return Content([bytes(whole)])
