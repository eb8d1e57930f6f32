"""Which objects a caller's jobs may name: `gs://` names, judged by their segments, against prefixes of the operator's.

An entry is BUCKET or BUCKET/PREFIX, and ends where a segment ends. `{team}`, `{user}` and `{key}` stand for the
caller's own ids; where it has none, or one that could be taken for something else, the entry is for nobody.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from shared.domain.access import Caller

__all__ = ["Place", "allows", "place_of", "prefixes_of"]

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")
_WILD: Final = re.compile(r"[*?\[\]{}]")  # docs of Cloud Storage, "URI wildcards"
_FOLLOWED: Final = re.compile(r"[*?]")  # those that we match, too: what others stand for would not be counted
_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.@+=-]{0,127}")
_PLACEHOLDER: Final = re.compile(r"\{(team|user|key)\}")
_LONGEST: Final = 1_024  # bytes of an object's name
_MOST_SEGMENTS: Final = 32
_OURS: Final = frozenset({"in", "out", "tmp"})  # of the work bucket: see layout.py


@dataclass(frozen=True, slots=True)
class Place:
    """A name of one object, of some (with `*` or `?` in its last segment, neither of which is a slash), or a folder."""

    segments: tuple[str, ...]  # the bucket is the first

    @property
    def wild(self) -> bool:
        return _FOLLOWED.search(self.segments[-1]) is not None

    @property
    def name(self) -> str:
        return "gs://" + "/".join(self.segments)

    def within(self, prefix: tuple[str, ...]) -> bool:
        return self.segments[: len(prefix)] == prefix


def place_of(text: str, *, folder: bool) -> Place | None:
    """What a `gs://` name means; None where it is none, or one that somebody might read in another way.

    `folder`: of a prefix that is written to, which may be a whole bucket, and holds no wildcard.
    """
    if not text.startswith("gs://") or _CONTROL.search(text) or len(text.encode()) > _LONGEST:
        return None
    rest = text.removeprefix("gs://")
    segments = tuple((rest.removesuffix("/") if folder else rest).split("/"))
    if not _BUCKET.fullmatch(segments[0]) or len(segments) > _MOST_SEGMENTS or (len(segments) == 1 and not folder):
        return None
    if not all(map(_plain, segments[1:])):
        return None
    fixed = segments if folder else (*segments[:-1], _FOLLOWED.sub("", segments[-1]))
    return None if any(map(_WILD.search, fixed)) or "**" in segments[-1] else Place(segments)


def prefixes_of(entries: Iterable[str], caller: Caller) -> list[tuple[str, ...]]:
    """The entries as this caller may use them, in segments."""
    ids = {"team": caller.team, "user": caller.user, "key": caller.key}
    found = [_filled(entry.removeprefix("gs://").rstrip("/").split("/"), ids) for entry in entries]
    return [prefix for prefix in found if prefix is not None]


def allows(place: Place, prefixes: Iterable[tuple[str, ...]], *, folder: bool, data: str, work: str) -> bool:
    """Whether a place lies in one of the prefixes, and not where files of other callers lie, whatever is listed."""
    bucket, *rest = place.segments
    if bucket == data or (bucket == work and (not rest or rest[0] in _OURS or (len(rest) == 1 and place.wild))):
        return False
    deep = len(place.segments)
    return any(place.within(prefix) and (deep >= len(prefix) if folder else deep > len(prefix)) for prefix in prefixes)


def _plain(segment: str) -> bool:
    """Not empty, and no `.` or `..` or slash, also where somebody would decode it."""
    for _ in range(3):
        if segment in {"", ".", ".."} or "/" in segment or "\\" in segment:
            return False
        segment = unquote(segment)
    return True


def _filled(segments: list[str], ids: dict[str, str | None]) -> tuple[str, ...] | None:
    filled = []
    for segment in segments:
        names = _PLACEHOLDER.findall(segment)
        if len(names) > 1:  # two ids beside each other could be read as two others
            return None
        for name in names:
            id = ids[name]
            if id is None or not _ID.fullmatch(id):
                return None
            segment = segment.replace(f"{{{name}}}", id)  # noqa: PLW2901
        if not _plain(segment) or _WILD.search(segment):
            return None
        filled.append(segment)
    return tuple(filled)
