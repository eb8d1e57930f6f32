"""Objects of Cloud Storage that a request names: the provider reads them as the project, so which is ours to say."""

import re
from collections.abc import Iterator
from typing import Any, Final

from shared.lines.checks import shown, wrong_value
from shared.providers.base import Media

__all__ = ["check_object", "named_objects"]

_GS: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/[^\x00-\x1f]+")
_OBJECT: Final = re.compile(r"\s*gs:|.*\bstorage[^/]*\.google(?:apis)?\.com", re.IGNORECASE | re.DOTALL)
_SEATS: Final = frozenset({"fileuri", "gcsuri", "url", "uri"})  # without case and underscores, as protobuf reads them


def check_object(url: str, param: str, media: Media) -> None:
    """LineError unless this is an object that requests may name."""
    if not (parsed := _GS.fullmatch(url)):
        raise wrong_value(param, "it must look like gs://bucket/object.")
    if not media.allows(parsed[1]):
        raise wrong_value(param, "requests may not read from this bucket.")


def named_objects(value: Any, param: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of all that a provider could take for an object, anywhere in a row."""
    if isinstance(value, list):
        for at, member in enumerate(value):
            yield from named_objects(member, f"{param}[{at}]")
    elif isinstance(value, dict):
        for name, member in value.items():
            here = f"{param}.{shown(name)}" if param else shown(name)
            if isinstance(member, str):
                if name.lower().replace("_", "") in _SEATS and _OBJECT.match(member):
                    yield here, member
            else:
                yield from named_objects(member, here)
