"""Whether every `custom_id` of a file is its own, in eight bytes a line.

A set of a million ids would need a hundred megabytes. What is kept instead is one 64-bit hash a line, in 256 arrays
by its last byte, each small enough to be looked at alone. Only where hashes repeat is the file read a second time.
"""

from array import array
from typing import Final

__all__ = ["CustomIds", "Repeats"]

_ARRAYS: Final = 256


class CustomIds:
    """First pass: remembers a hash of each id."""

    def __init__(self) -> None:
        self._hashes = [array("q") for _ in range(_ARRAYS)]

    def add(self, custom_id: str) -> None:
        hashed = hash(custom_id)
        self._hashes[hashed % _ARRAYS].append(hashed)

    def repeats(self) -> "Repeats | None":
        """What a second pass must look at more closely; None where all ids differ."""
        suspects: set[int] = set()
        for hashes in self._hashes:
            if len(distinct := set(hashes)) == len(hashes):
                continue
            for hashed in hashes:
                if hashed in distinct:
                    distinct.discard(hashed)
                else:
                    suspects.add(hashed)
        return Repeats(suspects) if suspects else None


class Repeats:
    """Second pass: says which lines repeat an id of an earlier one."""

    def __init__(self, suspects: set[int]) -> None:
        self._suspects = suspects
        self._seen: set[str] = set()

    def is_repeat(self, custom_id: str) -> bool:
        if hash(custom_id) not in self._suspects:
            return False
        if custom_id in self._seen:
            return True
        self._seen.add(custom_id)
        return False
