"""Where a key may go: an address of a provider, judged before anything is sent there."""

import re
from typing import Final

__all__ = ["unsafe"]

_BASE: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[\w.~/%-]*)?"
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def unsafe(base: str | None, private_hosts: tuple[str, ...], *, plain: bool) -> str | None:
    """Why a key may not go there; None where it may. `plain`: to a server in one's own network it may go by http."""
    if base is None:
        return None
    found = _BASE.fullmatch(base)
    if found is None:
        return "is not https://host/path"  # nor names a user: the key stands in api_key
    scheme, host = found["scheme"], found["host"].lower().strip("[]")
    if host in _LOOPBACK or host in private_hosts or plain:
        return None
    if scheme == "http":
        return f"must begin with https://, unless offpeak.private_hosts names {host}"
    if _numeric(host):
        return f"must name a host, unless offpeak.private_hosts names {host}"
    return None


def _numeric(host: str) -> bool:
    """An address, in any of the ways in which a resolver reads one: `10.0.0.1`, `0x7f.1`, `2130706433`, `fd00::1`."""
    return ":" in host or re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", host) is not None
