"""Resumable uploads: bytes that arrive in pieces, each counted once, and become an object with the last one."""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.google.cloud_storage.answers import Refusal
from tests.google.cloud_storage.content import Content
from tests.google.cloud_storage.store import Conditions, Object, Store

__all__ = ["QUANTUM", "Upload", "Uploads"]

QUANTUM: Final = 256 * 1024  # all pieces but the last are multiples of it


@dataclass(slots=True)
class Upload:
    """One session. `done` is the object, once there is one."""

    bucket: str
    name: str
    said: Mapping[str, Any]
    conditions: Conditions
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    size: int = 0
    done: Object | None = None
    _blocks: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, first: int, blocks: list[bytes], *, at_most: int | None = None) -> None:
        """Append what is new of these bytes. What was received before is not appended again."""
        with self._lock:
            if self.done is not None:
                return
            if first > self.size:
                raise Refusal(400, f"Invalid request. There is nothing yet between byte {self.size} and {first}.")
            skip = self.size - first
            for block in blocks:
                new = block[skip:] if skip else block
                skip = max(skip - len(block), 0)
                if at_most is not None:
                    new, at_most = new[:at_most], max(at_most - len(new), 0)
                if new:
                    self._blocks.append(new)
                    self.size += len(new)

    def finish(self, store: Store, total: int, checksum: str | None, *, damage: bool = False) -> Object | None:
        """The object, if all of it is there; the same one, however often this is asked."""
        with self._lock:
            if self.done is None and self.size == total:
                content = Content(self._blocks)
                expected = checksum or self.said.get("crc32c")
                if expected is not None and expected != content.crc32c:
                    raise Refusal(400, f'Provided CRC32C "{expected}" doesn\'t match calculated "{content.crc32c}".')
                stored = content.damaged() if damage else content
                self.done = store.put(self.bucket, self.name, self.said, stored, self.conditions)
                self._blocks.clear()
            if self.done is not None and self.done.content.size != total:
                raise Refusal(400, f"This upload ended with {self.done.content.size} bytes, not {total}.")
            return self.done


class Uploads:
    """All sessions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Upload] = {}

    def add(self, upload: Upload) -> Upload:
        with self._lock:
            self._open[upload.id] = upload
        return upload

    def get(self, id: str) -> Upload:
        with self._lock:
            if id not in self._open:
                raise Refusal(404, "This upload is not known, or is over.", "notFound")
            return self._open[id]

    def all(self) -> list[Upload]:
        with self._lock:
            return list(self._open.values())

    def clear(self) -> None:
        """Forget them, as the real one does after a week."""
        with self._lock:
            self._open.clear()
