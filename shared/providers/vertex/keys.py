"""A row's key: our ordinal of its line and, for a line that became several rows, which of them it is.

It begins with a letter, since the importer makes numbers of texts that look like numbers.
"""

import re
from typing import Final

__all__ = ["element_key", "parse_key", "row_key"]

_KEY: Final = re.compile(r"r-([0-9]{6,12})(?:#([0-9]{1,6})/([0-9]{1,6}))?")


def row_key(ordinal: int) -> str:
    return f"r-{ordinal:06d}"


def element_key(ordinal: int, index: int, count: int) -> str:
    return f"r-{ordinal:06d}#{index}/{count}"


def parse_key(key: str | None) -> tuple[int, int, int] | None:
    """Ordinal, index and count; None where it is no key of ours."""
    found = _KEY.fullmatch(key) if key else None
    if not found:
        return None
    ordinal, index, count = found.groups()
    if index is None:
        return int(ordinal), 0, 1
    return (int(ordinal), int(index), int(count)) if int(index) < int(count) else None
