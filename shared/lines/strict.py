"""JSON as strictly as money and access need it: finite, shallow, valid UTF-8, and no key twice.

No parser sees a repeated key: `{"model": "allowed", "model": "forbidden"}` passes a check that reads the first and
runs the last. So it is refused, and what leaves for a provider is always encoded anew from what was checked.
"""

import json
import re
from typing import Any, Final

__all__ = ["DEEPEST", "MOST_PARTS", "NotJson", "refuse_crowd", "refuse_depth", "refuse_repeated_keys"]

DEEPEST: Final = 64
MOST_PARTS: Final = 500_000
_LONG: Final = 2**20
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))


class NotJson(ValueError):
    """The text is not the JSON we accept; the message says why, without quoting it."""


def refuse_crowd(raw: bytes) -> None:
    """NotJson where a long text has so many objects, arrays and keys that to decode it takes many times its size."""
    if len(raw) > _LONG and raw.count(b"{") + raw.count(b"[") + raw.count(b'":') > MOST_PARTS:
        raise NotJson(f"it has more than {MOST_PARTS:,} objects, arrays and keys")


def refuse_depth(raw: bytes) -> None:
    """NotJson where objects and arrays nest deeper than DEEPEST. `raw` is known to be valid JSON."""
    if raw.count(b"{") + raw.count(b"[") <= DEEPEST:  # so few cannot be deeper than their number
        return
    depth = 0
    for bracket in _STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"{[" else -1
        if depth > DEEPEST:
            raise NotJson(f"objects and arrays nest deeper than {DEEPEST} levels")


class _Repeated(Exception):
    """Some object has a key twice."""


def _distinct(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise _Repeated


_scan = json.JSONDecoder(object_pairs_hook=_distinct).decode
_spaced = re.compile(rb'"[ \t\r]+:').search


def refuse_repeated_keys(raw: bytes, value: dict[str, Any], outside: int) -> None:
    """NotJson where an object, at any depth, has a key twice.

    `raw` is known to be valid JSON. `value` is what a decoder made of it, but for `outside` keys that are not in there.
    As long as no key has white space before its colon, `":` stands in the text at least once for each key, so where it
    stands no more often than there are keys left after decoding, none was lost: most lines need no second parser.
    """
    if raw.count(b'":') == _keys(value) + outside and not _spaced(raw):
        return
    try:
        _scan(raw.decode())
    except _Repeated:
        raise NotJson("a key appears twice in one object") from None


def _keys(value: dict[str, Any]) -> int:
    """How many keys this object and all objects in it have together."""
    count = len(value)
    for member in value.values():
        if type(member) is list:
            count += _keys_in(member)
        elif type(member) is dict:
            count += _keys(member)
    return count


def _keys_in(value: list[Any]) -> int:
    count = 0
    for member in value:
        if type(member) is dict:
            count += _keys(member)
        elif type(member) is list:
            count += _keys_in(member)
    return count
