"""Media that a line names by URL, read by us: a server would fetch them from inside its network, wherever they led.

A name is resolved once, every address that it has must be public, and the connection goes to one of these very
addresses. No redirect is followed and no proxy is used: each would resolve again.
"""

import asyncio
import base64
import ipaddress
import re
import socket
import ssl
from functools import cache
from typing import Final

import httpx

from shared.providers.media import media_host

__all__ = ["Silent", "Unfit", "fetch_media", "is_public"]

_LARGEST: Final = 20 * 2**20
_DEADLINE: Final = 20.0
_CONNECT: Final = 5.0
_TYPE: Final = re.compile(r"(?:image|audio|video)/[a-z0-9.+-]{1,64}")
_UNKNOWN: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_NEVER: Final = tuple(  # global by the registries, and yet ways to a private IPv4 address
    ipaddress.IPv6Network(network) for network in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")
)
_BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)


class Unfit(Exception):
    """This URL will never do; the text says why, after "it"."""


class Silent(Exception):
    """The host did not answer as it should; it may, another time."""


async def fetch_media(url: str, private_hosts: frozenset[str]) -> str:
    """The `data:` URL of what is there. Hosts of `private_hosts` may have an address that is not public."""
    host = media_host(url)
    if host is None:
        raise Unfit("is no URL of a host.")
    try:
        async with asyncio.timeout(_DEADLINE):
            addresses = await _addresses(host, httpx.URL(url).port)
            if host not in private_hosts and not all(map(is_public, addresses)):
                raise Unfit("names a host that is not public.")
            return await _read(url, host, addresses)
    except TimeoutError as error:
        raise Silent("its host took too long") from error
    except _BROKEN as error:
        raise Silent(f"its host gave no answer: {type(error).__name__}") from error


def is_public(address: str) -> bool:
    """Whether an address is one that anybody on the internet would reach."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return is_public(str(parsed.ipv4_mapped))
        if any(parsed in network for network in _NEVER):
            return False
    return parsed.is_global and not parsed.is_multicast


async def _addresses(host: str, port: int | None) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _UNKNOWN:
            raise Unfit("names a host that is not known.") from error
        raise
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def _read(url: str, host: str, addresses: list[str]) -> str:
    there = httpx.URL(url)
    headers = {"host": there.netloc.decode("ascii"), "accept-encoding": "identity", "user-agent": "offpeak"}
    timeout = httpx.Timeout(_DEADLINE, connect=_CONNECT)
    verify: ssl.SSLContext | bool = _tls() if there.scheme == "https" else False
    async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=timeout) as client:
        for at, address in enumerate(addresses):
            here = there.copy_with(host=address, fragment=None)
            request = client.build_request("GET", here, headers=headers, extensions={"sni_hostname": host})
            try:
                response = await client.send(request, stream=True, follow_redirects=False)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if at + 1 == len(addresses):
                    raise
                continue
            try:
                return await _taken(response)
            finally:
                await response.aclose()
    raise Silent("its host has no address")


async def _taken(response: httpx.Response) -> str:
    status = response.status_code
    if status in {408, 425, 429} or status >= 500:
        raise Silent(f"its host answered {status}")
    if status != 200:
        raise Unfit(f"was answered {status}.")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        raise Unfit("leads to something that is no image, sound or video.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unfit("leads to something packed.")
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _LARGEST:
            raise Unfit(f"leads to more than {_LARGEST >> 20} MiB.")
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
