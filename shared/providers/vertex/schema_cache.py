"""Schemas that were converted a moment ago: the lines of a file mostly share theirs."""

import threading
from typing import Any, Final

import msgspec

from shared.lines.errors import LineError
from shared.providers.vertex.importer import Shape

__all__ = ["Key", "Recent", "Result"]

_EACH: Final = 1024  # what the smallest weighs, its key and its place here included

Key = tuple[bytes, str, str, int, bool]  # all that a conversion depends on: raw schema, param, path, level, ordered
Result = tuple[dict[str, Any], Shape] | LineError


class Recent:
    """Results as long as they weigh less than `most` together; the oldest goes first. Thread-safe.

    A weight is in bytes of JSON; as Python objects it is some six times as much.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._results: dict[Key, Result] = {}
        self._weights: dict[Key, int] = {}
        self._lock = threading.Lock()
        self.get = self._results.get  # once for each line: no call in between

    def keep(self, key: Key, result: Result) -> None:
        weight = _weight(key, result)
        if weight > self._most // 4:  # a few such would push out all others
            return
        with self._lock:
            if key in self._results:
                return
            self._results[key], self._weights[key] = result, weight
            self._held += weight
            while self._held > self._most:
                oldest = next(iter(self._results))
                del self._results[oldest]
                self._held -= self._weights.pop(oldest)


def _weight(key: Key, result: Result) -> int:
    weight = _EACH + len(key[0])
    if isinstance(result, LineError):
        return weight
    converted, shape = result
    return weight + len(msgspec.json.encode(converted)) + sum(map(len, shape))
