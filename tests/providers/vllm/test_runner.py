"""One line at a server: against the stand-in, and against servers that say what no server should."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from infra.local.standins.vllm import Running, running
from shared.config import Deployment
from shared.providers.base import Entry, Fault, Outcome, RequestLine
from shared.providers.vllm import runner as module
from shared.providers.vllm.codec import vllm_codec
from shared.providers.vllm.profile import CHAT, COMPLETIONS, EMBEDDINGS
from shared.providers.vllm.runner import VllmRunner
from tests.providers.vllm.scripted import Request, json_answer, scripted

HI = [{"role": "user", "content": "Hi nonce-1"}]


def deployment(base: str, **rest: Any) -> Deployment:
    fields: dict[str, Any] = {"id": "d", "group": "tiny", "provider": "hosted_vllm", "model": "tiny", "api_base": base}
    return Deployment(**{**fields, **rest})


def row(endpoint: str = CHAT, model: str = "tiny", ordinal: int = 7, **body: Any) -> bytes:
    codec = vllm_codec(endpoint, model, frozenset({"127.0.0.1"}))
    assert codec is not None
    usual: dict[str, dict[str, Any]] = {
        CHAT: {"messages": HI},
        COMPLETIONS: {"prompt": "Hi"},
        EMBEDDINGS: {"input": ["a", "b"]},
    }
    body = body or usual[endpoint]
    return codec.encode(RequestLine("mine", endpoint, {"model": "x", **body}), ordinal).rows


def run(base: str, raw: bytes | None = None, *, name: str = "shard-7-1", **rest: Any) -> Outcome:
    async def once() -> Outcome:
        async with VllmRunner(deployment(base, **rest)) as runner:
            return await runner.run(row() if raw is None else raw, name)

    return asyncio.run(once())


def well(base: str) -> bool:
    async def once() -> bool:
        async with VllmRunner(deployment(base)) as runner:
            return await runner.well()

    return asyncio.run(once())


def said_by(outcome: Outcome) -> dict[str, Any]:
    assert outcome.row is not None
    assert outcome.row.endswith(b"\n")
    assert outcome.fault is None
    found: dict[str, Any] = json.loads(outcome.row)
    return found


@contextmanager
def kept_port() -> Iterator[int]:
    """A port that nobody listens at, unless the block does, and that nobody else is given meanwhile."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers is heard, however busy this machine is."""
    monkeypatch.setattr(module, "_WELL", 30.0)


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS])
def test_a_line_gets_the_row_of_its_answer(endpoint: str) -> None:
    with running(key="sk-1") as server:
        outcome = run(server.base, row(endpoint), api_key="sk-1")
        assert outcome.good
        assert server.journal()["requests"] == {"shard-7-1": 1}
    codec = vllm_codec(endpoint, "tiny")
    assert codec is not None
    assert outcome.row is not None
    read = codec.read(outcome.row)
    assert read is not None
    answer = codec.answer([read], Entry(read.ordinal, "mine", "caller's"))
    assert (read.ordinal, answer.status, answer.body["model"]) == (7, 200, "caller's")
    assert "stand-in" in json.dumps(answer.body)
    assert answer.tokens is not None


def test_an_embedding_server_embeds_and_has_no_chat() -> None:
    with running(task="embed") as server:
        outcome = run(server.base, row(EMBEDDINGS))
        assert len(said_by(outcome)["response"]["body"]["data"]) == 2
        outcome = run(server.base, row(CHAT))
        assert (outcome.fault, outcome.status) == (Fault.DEPLOYMENT, 404)
        assert outcome.said == "the server does not have this endpoint"


def test_the_version_of_the_api_may_be_left_out_of_its_address() -> None:
    with running() as server:
        assert run(f"http://127.0.0.1:{server.port}").good
        assert run(f"http://127.0.0.1:{server.port}/").good


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"messages": [{"role": "user", "content": "x " * 300}]}, 400, "context_length_exceeded"),
        ({"messages": HI, "temperature": -1}, 400, None),
    ],
)
def test_a_line_that_is_wrong_gets_the_row_of_its_error(body: dict[str, Any], status: int, code: str | None) -> None:
    with running(longest=100) as server:
        outcome = run(server.base, row(**body))
    assert not outcome.good
    assert outcome.status == status
    error = said_by(outcome)["response"]["body"]["error"]
    assert error["code"] == code
    assert error["message"]


def test_a_model_that_the_server_does_not_have_is_no_line_s_fault() -> None:
    with running(model="other") as server:
        outcome = run(server.base)
    assert (outcome.fault, outcome.status) == (Fault.DEPLOYMENT, 404)
    assert outcome.said == "the server does not have this model"


def test_a_wrong_key_is_the_deployment_s_fault() -> None:
    with running(key="sk-1") as server:
        outcome = run(server.base, api_key="sk-2")
    assert (outcome.fault, outcome.status) == (Fault.DEPLOYMENT, 401)
    assert "sk-2" not in outcome.said


def test_a_full_queue_is_nobody_s_fault() -> None:
    async def many(base: str) -> list[Outcome]:
        async with VllmRunner(deployment(base, parallel=40)) as runner:
            return await asyncio.gather(*(runner.run(row(), f"r-{at}") for at in range(40)))

    with running(seats=2, queue=3, token_ms=60) as server:
        outcomes = asyncio.run(many(server.base))
    busy = [outcome for outcome in outcomes if outcome.fault is Fault.ENDPOINT]
    assert len([outcome for outcome in outcomes if outcome.good]) + len(busy) == 40
    assert {outcome.status for outcome in busy} == {503}
    assert len(busy) >= 10


def test_no_more_lines_are_in_flight_than_the_deployment_allows() -> None:
    async def many(base: str) -> list[Outcome]:
        async with VllmRunner(deployment(base, parallel=3)) as runner:
            return await asyncio.gather(*(runner.run(row(), f"r-{at}") for at in range(12)))

    with running(token_ms=20) as server, ThreadPoolExecutor(1) as pool:
        server.server.room = 0
        outcomes = pool.submit(asyncio.run, many(server.base))
        wait_until(lambda: server.server.asked == 3)
        server.server.room = None
        assert all(outcome.good for outcome in outcomes.result())
        assert server.journal()["most_running"] == 3


def test_who_is_not_there_is_at_fault_as_an_endpoint() -> None:
    with kept_port() as port:
        outcome = run(f"http://127.0.0.1:{port}")
        assert (outcome.fault, outcome.status) == (Fault.ENDPOINT, None)
        assert not well(f"http://127.0.0.1:{port}")
    assert run("http://no-such-host.invalid").fault is Fault.ENDPOINT


def test_a_silent_server_costs_no_more_than_its_time() -> None:
    with scripted(lambda _: None) as server:
        started = time.monotonic()
        outcome = run(server.base, timeout=0.3)
        assert time.monotonic() - started < 20
    assert outcome.fault is Fault.REPLY


def test_a_slow_drip_does_not_stretch_the_time() -> None:
    answer = json_answer(200, b" " * 500)
    with scripted(lambda _: [answer[at : at + 1] for at in range(len(answer))]) as server:
        started = time.monotonic()
        outcome = run(server.base, timeout=0.5)
        assert time.monotonic() - started < 20
    assert outcome.fault is Fault.REPLY


def good_answer() -> bytes:
    message = {"role": "assistant", "content": "x"}
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]}).encode()


@pytest.mark.parametrize(
    ("said", "fault", "status"),
    [
        (json_answer(200, b'{"object":"chat.completion","choices":[{"in'), Fault.REPLY, None),
        (json_answer(200, b'{"object":"chat.completion","choices":[]}'), Fault.REPLY, None),
        (json_answer(200, b'{"object":"list","data":[{"embedding":[1]}]}'), Fault.REPLY, None),
        (json_answer(200, b"[" * 10_000), Fault.REPLY, None),
        (json_answer(200, b"\xff\xfe"), Fault.REPLY, None),
        (json_answer(200, b'{"choices":[{"message":{"content":"x"},"index":NaN}]}'), Fault.REPLY, None),
        (json_answer(200, b"<html>"), Fault.REPLY, None),
        (json_answer(204, b""), Fault.REPLY, None),
        (json_answer(200, b"x", "content-encoding: gzip\r\n"), Fault.REPLY, None),
        (json_answer(200, good_answer())[:-5], Fault.REPLY, None),
        (b"HTTP/1.1 200 OK\r\ncontent-le", Fault.REPLY, None),
        (b"", Fault.REPLY, None),
        (b"nonsense\r\n\r\n", Fault.REPLY, None),
        (json_answer(500, b'{"error":{"message":"at http://10.0.0.7/x","code":500}}'), Fault.REPLY, 500),
        (json_answer(502, b"<html>", kind="text/html"), Fault.REPLY, 502),
        (json_answer(408, b""), Fault.REPLY, 408),
        (json_answer(503, b"", "retry-after: 2\r\n"), Fault.ENDPOINT, 503),
        (json_answer(429, b"", "retry-after-ms: 1500\r\n"), Fault.ENDPOINT, 429),
        (json_answer(529, b"", "retry-after: 9999\r\n"), Fault.ENDPOINT, 529),
        (json_answer(403, b"no"), Fault.DEPLOYMENT, 403),
        (json_answer(308, b"", "location: http://127.0.0.1:1/\r\n"), Fault.DEPLOYMENT, 308),
        (json_answer(307, b"", "location: http://127.0.0.1:1/\r\n"), Fault.ENDPOINT, 307),
    ],
)
def test_whatever_a_server_says_has_one_meaning(said: bytes, fault: Fault, status: int | None) -> None:
    with scripted(lambda _: [said], pause=0.0) as server:
        outcome = run(server.base)
        assert len(server.seen) == 1
    assert (outcome.fault, outcome.status, outcome.row) == (fault, status, None)
    assert outcome.said
    assert "10.0.0.7" not in outcome.said
    assert outcome.retry_after == {503: 2.0, 429: 1.5, 529: 60.0}.get(status or 0)


def test_an_answer_in_chunks_is_an_answer() -> None:
    body = good_answer()
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = [head, b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n"]
    with scripted(lambda _: chunks, pause=0.01) as server:
        assert run(server.base).good


def test_an_answer_without_end_is_cut_and_is_the_line_s_own() -> None:
    def flood(_: Request) -> list[bytes]:
        return [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", *[b" " * 2**20] * 40]

    with scripted(flood, pause=0.0) as server:
        outcome = run(server.base)
    assert said_by(outcome)["response"]["status_code"] == 500
    assert not outcome.good


def by_path(answers: dict[str, bytes | None]) -> Callable[[Request], bytes | None]:
    return lambda request: answers.get(request.path, json_answer(404, b'{"detail":"Not Found"}'))


MODELS = b'{"object":"list","data":[{"id":"tiny"}]}'
NO_ROUTE = json_answer(404, b'{"detail":"Not Found"}')


@pytest.mark.parametrize(
    ("line", "models", "fault", "said"),
    [
        (NO_ROUTE, json_answer(200, MODELS), Fault.DEPLOYMENT, "the server does not have this endpoint"),
        (json_answer(405, b"{}"), json_answer(200, MODELS), Fault.DEPLOYMENT, "the server does not have this endpoint"),
        (NO_ROUTE, json_answer(200, b'{"data":[]}'), Fault.DEPLOYMENT, "the server does not have this model"),
        (NO_ROUTE, json_answer(401, b"{}"), Fault.DEPLOYMENT, "the server refused the key (401)"),
        (NO_ROUTE, NO_ROUTE, Fault.DEPLOYMENT, "the server does not have this endpoint"),
        (NO_ROUTE, json_answer(503, b"{}"), Fault.ENDPOINT, "something else answered 404"),
        (NO_ROUTE, None, Fault.ENDPOINT, "something else answered 404"),
        (
            json_answer(404, b"default backend - 404"),
            json_answer(404, b"default backend - 404"),
            Fault.ENDPOINT,
            "something else answered 404",
        ),
    ],
)
def test_whose_fault_a_missing_route_is_the_list_of_models_tells(
    line: bytes, models: bytes | None, fault: Fault, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if models is None:
        monkeypatch.setattr(module, "_WELL", 0.3)
    with scripted(by_path({"/v1/chat/completions": line, "/v1/models": models})) as server:
        outcome = run(server.base)
    assert (outcome.fault, outcome.said) == (fault, said)


def test_the_list_of_models_is_asked_for_once_however_many_lines_miss_their_route() -> None:
    async def many(base: str) -> list[Outcome]:
        async with VllmRunner(deployment(base)) as runner:
            return await asyncio.gather(*(runner.run(row(), f"r-{at}") for at in range(20)))

    with scripted(by_path({"/v1/models": json_answer(200, MODELS)})) as server:
        assert {outcome.fault for outcome in asyncio.run(many(server.base))} == {Fault.DEPLOYMENT}
        assert [request.path for request in server.seen].count("/v1/models") == 1


@pytest.mark.parametrize(
    ("answers", "is_well"),
    [
        ({"/health": json_answer(200, b"")}, True),
        ({"/health": json_answer(503, b"")}, False),
        ({"/health": json_answer(302, b"", "location: /ok\r\n"), "/ok": json_answer(200, b"")}, False),
        ({"/health": None}, False),
        ({"/v1/models": json_answer(200, MODELS)}, True),
        ({"/v1/models": json_answer(401, b"")}, True),
        ({"/v1/models": json_answer(500, b"")}, False),
        ({}, False),
    ],
)
def test_a_server_is_well_when_it_says_so(
    answers: dict[str, bytes | None], is_well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if None in answers.values():
        monkeypatch.setattr(module, "_WELL", 0.3)
    with scripted(by_path(answers)) as server:
        assert well(server.base) is is_well


def test_a_server_whose_engine_is_dead_is_not_well() -> None:
    with running() as server:
        assert well(server.base)
        server.server.health = 503
        assert not well(server.base)


def test_only_what_belongs_to_a_request_is_in_it() -> None:
    with scripted(lambda _: json_answer(200, good_answer())) as server:
        assert run(server.base, api_key="sk-1").good
        (request,) = server.seen
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert json.loads(request.body) == {"model": "tiny", "messages": HI}
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": "offpeak",
        "authorization": "Bearer sk-1",
        "x-request-id": "shard-7-1",
        "content-length": str(len(request.body)),
    }


def test_a_proxy_of_the_environment_is_used_but_not_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with scripted(lambda _: json_answer(200, good_answer())) as proxy, running() as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert run("http://vllm.example.com:8000").good
        assert run(server.base).good
        assert [request.path for request in proxy.seen] == ["http://vllm.example.com:8000/v1/chat/completions"]


def test_without_a_key_none_is_sent() -> None:
    with scripted(lambda _: json_answer(200, good_answer())) as server:
        assert run(server.base).good
        assert "authorization" not in server.seen[0].headers


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def begun(server: Running) -> None:
    """Wait until the server has begun a request."""
    wait_until(lambda: server.journal()["started"] > 0)


def test_a_call_that_is_called_off_ends_at_the_server_too() -> None:
    async def call_off(server: Running) -> bool:
        async with VllmRunner(deployment(server.base)) as runner:
            task = asyncio.ensure_future(runner.run(row(), "r-1"))
            await asyncio.to_thread(begun, server)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await runner.run(row(messages=[{"role": "user", "content": "b"}], max_tokens=1), "r-2")).good

    with running(token_ms=500, seats=1) as server:
        assert asyncio.run(call_off(server))
        assert server.journal()["aborted"] == 1
        assert server.journal()["requests"] == {"r-2": 1}


def test_closing_ends_all_calls() -> None:
    async def close_early(server: Running) -> Outcome:
        async with VllmRunner(deployment(server.base)) as runner:
            task = asyncio.ensure_future(runner.run(row(), "r-1"))
            await asyncio.to_thread(begun, server)
        return await asyncio.wait_for(task, 30)

    with running(token_ms=100_000) as server:
        assert asyncio.run(close_early(server)).fault is Fault.REPLY


def test_a_server_that_comes_back_is_used_again() -> None:
    async def twice(base: str, stop: Callable[[], object], start: Callable[[], object]) -> list[Any]:
        async with VllmRunner(deployment(base)) as runner:
            outcomes = [await runner.run(row(), "r-1")]
            stop()
            outcomes.append(await runner.run(row(), "r-2"))
            start()
            outcomes.append(await runner.run(row(), "r-3"))
            return [outcome.good or outcome.fault for outcome in outcomes]

    with kept_port() as port, ExitStack() as there:
        first = ExitStack()
        base = first.enter_context(running(port=port)).base
        second = running(port=port)
        found = asyncio.run(twice(base, first.close, lambda: there.enter_context(second)))
    assert found == [True, Fault.ENDPOINT, True]
