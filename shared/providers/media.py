"""URLs that a line asks a provider to read: which of them may leave, and where they stand in a body. Pure.

Whoever fetches them does so from inside somebody's network, so a URL is understood in one way only: what two readers
could take for two hosts is refused, and so is every way to write an address as anything but a listed host's name.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from shared.lines.checks import wrong_value

__all__ = ["check_media_url", "media_host", "media_urls"]

_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?#][!-\[\]-~]*)?",  # printable, without the backslash that some read as /
    re.IGNORECASE | re.ASCII,
)
_TOP: Final = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")  # a name that ends in a number is an address, whatwg URL 3.5
_INSIDE: Final = frozenset(  # names that mean something else inside a network than outside, RFC 6761, 6762, 8375, 9476
    {"localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "arpa", "alt"}
    | {"svc", "cluster", "consul", "test", "invalid", "example", "onion"}
)
_SEATS: Final = ("messages", "input")
_CONTENTS: Final = ("content", "output")
_QUOTED: Final = frozenset({"annotations"})  # of an answer that is given back: nobody fetches them
_SOURCES: Final = frozenset({"file_id", "file_data", "data"})  # data, unless they look like a URL


def check_media_url(url: str, param: str, hosts: frozenset[str] | None) -> None:
    """Whether a provider may be shown this URL; LineError that names `param` where not.

    `data:` always passes. http(s) passes to the hosts listed, each as `name` or `name:port`; with None to any host
    that has a public name, which is for a provider that guards its own network.
    """
    if url.startswith("data:"):
        return
    found = _URL.fullmatch(url)
    if found is None or int(found["port"] or 1) not in range(1, 2**16):
        raise wrong_value(param, "it must be a data: URL." if hosts == frozenset() else "it must be a URL of a host.")
    host = found["host"].lower()
    if hosts is None:
        if not _public(host):
            raise wrong_value(param, "it must be a URL of a public host, by its name.")
    elif host not in hosts and f"{host}:{found['port']}" not in hosts:
        raise wrong_value(param, "requests may not read from this host; give the content as a data: URL.")


def media_host(url: str) -> str | None:
    """The host that a URL names, in lower case and without brackets; None where it is none that may ever pass."""
    found = _URL.fullmatch(url)
    return found["host"].lower().strip("[]") if found else None


def media_urls(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Path and text of every URL in the messages of a chat or the input of a response, `data:` ones too."""
    for seat in _SEATS:
        turns = body.get(seat)
        for at, turn in enumerate(turns if isinstance(turns, list) else []):
            if isinstance(turn, dict):
                for name in _CONTENTS:
                    yield from _below(turn.get(name), f"{seat}[{at}].{name}", named=False)


def _below(value: Any, path: str, *, named: bool) -> Iterator[tuple[str, str]]:
    """What is in `value`; `named` where the name that it stands under says that its texts are URLs."""
    if isinstance(value, str):
        if named:
            yield path, value
    elif isinstance(value, list):
        for at, member in enumerate(value):
            yield from _below(member, f"{path}[{at}]", named=named)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name in _QUOTED:
                continue
            here = f"{path}.{name}"
            if name in _SOURCES:
                if isinstance(member, str) and ":" in member[:16]:  # never part of base64
                    yield here, member
            else:
                yield from _below(member, here, named=name == "url" or name.endswith("_url"))


def _public(host: str) -> bool:
    labels = host.split(".")
    return len(labels) > 1 and all(labels) and _TOP.fullmatch(labels[-1]) is not None and labels[-1] not in _INSIDE
