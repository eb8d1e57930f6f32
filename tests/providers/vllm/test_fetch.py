"""Media by URL: we go there and nobody else does, only where we may, and what comes back is bounded."""

import asyncio
import base64
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.standins.vllm import running
from shared.providers.base import Fault, Outcome, RequestLine
from shared.providers.vllm import fetch
from shared.providers.vllm.codec import vllm_codec
from shared.providers.vllm.fetch import Silent, Unfit, fetch_media, is_public
from shared.providers.vllm.profile import CHAT
from shared.providers.vllm.runner import VllmRunner
from tests.providers.vllm.scripted import Request, Scripted, json_answer, scripted
from tests.providers.vllm.test_runner import deployment

HERE = frozenset({"127.0.0.1", "localhost"})
PIXEL = b"\x89PNG pixel"


ANSWERS = {
    "/pixel.png": json_answer(200, PIXEL, kind="Image/PNG; charset=x"),
    "/large.png": json_answer(200, b"x" * (fetch._LARGEST + 1), kind="image/png"),
    "/page.html": json_answer(200, b"<html>", kind="text/html"),
    "/odd": json_answer(200, b"x", kind="image/png,x;base64"),
    "/packed.png": json_answer(200, b"x", "content-encoding: gzip\r\n", kind="image/png"),
    "/moved.png": json_answer(302, b"", "location: http://127.0.0.1/pixel.png\r\n"),
    "/busy.png": json_answer(503, b""),
    "/silent.png": None,
}


def answer(request: Request) -> bytes | None:
    return ANSWERS.get(request.path, json_answer(404, b""))


@pytest.fixture
def media() -> Iterator[Scripted]:
    with scripted(answer) as server:
        yield server


def fetched(url: str, private: frozenset[str] = HERE) -> str:
    return asyncio.run(fetch_media(url, private))


def test_what_is_there_becomes_content(media: Scripted) -> None:
    url = f"http://localhost:{media.port}/pixel.png?x=1"
    assert fetched(url.replace("?x=1", "")) == "data:image/png;base64," + base64.b64encode(PIXEL).decode()
    assert media.seen[0].headers["host"] == f"localhost:{media.port}"
    assert not media.seen[0].headers.keys() & {"authorization", "cookie"}


@pytest.mark.parametrize("path", ["large.png", "page.html", "odd", "packed.png", "moved.png", "gone.png"])
def test_what_will_never_do_is_the_line_s_own_fault(media: Scripted, path: str) -> None:
    with pytest.raises(Unfit):
        fetched(f"http://127.0.0.1:{media.port}/{path}")
    assert len(media.seen) == 1


def test_what_may_do_another_time_is_not(media: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Silent):
        fetched(f"http://127.0.0.1:{media.port}/busy.png")
    monkeypatch.setattr(fetch, "_DEADLINE", 0.3)
    with pytest.raises(Silent):
        fetched(f"http://127.0.0.1:{media.port}/silent.png")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(Silent):
            fetched(f"http://127.0.0.1:{sock.getsockname()[1]}/a.png")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_an_address_that_is_not_public_is_not_gone_to(media: Scripted, host: str) -> None:
    with pytest.raises((Unfit, Silent)):
        fetched(f"http://{host}:{media.port}/pixel.png", frozenset({"images.example.com"}))
    assert media.seen == []


def test_a_name_that_cannot_be_resolved_is_not_gone_to() -> None:
    with pytest.raises((Unfit, Silent)):
        fetched("http://no-such-host.invalid/a.png")


def resolving(*addresses: str) -> Any:
    async def getaddrinfo(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    return getaddrinfo


def test_one_private_address_among_several_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolving("93.184.216.34", "10.0.0.1"))
    with pytest.raises(Unfit, match="not public"):
        fetched("http://rebound.example.com/a.png")


def test_the_connection_goes_to_the_address_that_was_checked(media: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(loop: Any, host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(str(host))
        return await real(loop, "127.0.0.1" if host == "images.example.com" else host, *rest, **more)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    assert fetched(f"http://images.example.com:{media.port}/pixel.png", frozenset({"images.example.com"}))
    assert asked.count("images.example.com") == 1
    assert media.seen[0].headers["host"] == f"images.example.com:{media.port}"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        *(
            (address, False)
            for address in (
                *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
                *("224.0.0.1", "255.255.255.255", "::1", "::", "fd00:ec2::254", "fe80::1%eth0", "::ffff:10.0.0.1"),
                *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::7f00:1", "ff02::1"),
            )
        ),
        ("::ffff:93.184.216.34", True),
    ],
)
def test_addresses_are_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


def run(base: str, url: str, **rest: Any) -> Outcome:
    codec = vllm_codec(CHAT, "tiny", frozenset({"127.0.0.1", "localhost"}))
    assert codec is not None
    content = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": url}}]
    line = RequestLine("mine", CHAT, {"model": "x", "messages": [{"role": "user", "content": content}]})
    given = {"media_hosts": ("127.0.0.1", "localhost"), "private_hosts": ("127.0.0.1",), **rest}

    async def once() -> Outcome:
        async with VllmRunner(deployment(base, **given)) as runner:
            return await runner.run(codec.encode(line, 1).rows, "r-1")

    return asyncio.run(once())


def test_the_server_is_given_the_content_and_fetches_nothing(media: Scripted) -> None:
    with running() as server:
        assert run(server.base, f"http://127.0.0.1:{media.port}/pixel.png").good
        assert server.journal()["fetched"] == []
    assert len(media.seen) == 1


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("/gone.png", {}),
        ("/moved.png", {}),
        ("/pixel.png", {"private_hosts": ()}),
        ("/pixel.png", {"media_hosts": ()}),
    ],
)
def test_what_may_not_be_fetched_is_an_error_that_names_its_place(
    media: Scripted, path: str, rest: dict[str, Any]
) -> None:
    with running() as server:
        outcome = run(server.base, f"http://127.0.0.1:{media.port}{path}", **rest)
        assert server.journal()["started"] == 0
    assert outcome.row is not None
    response = json.loads(outcome.row)["response"]
    assert (outcome.good, response["status_code"]) == (False, 400)
    assert response["body"]["error"]["param"] == "messages[0].content[1].image_url.url"
    assert "127.0.0.1" not in response["body"]["error"]["message"]


def test_a_silent_host_costs_the_line_one_try(media: Scripted) -> None:
    with running() as server:
        outcome = run(server.base, f"http://127.0.0.1:{media.port}/busy.png")
        assert server.journal()["started"] == 0
    assert outcome.fault is Fault.REPLY
    assert "127.0.0.1" not in outcome.said
