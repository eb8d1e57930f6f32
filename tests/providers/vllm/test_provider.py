"""A deployment made ready: what is refused at start, what is asked of the server, and by which road its lines go."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.standins.vllm import running
from shared.app import refuse_deployment
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Job, JobState
from shared.providers.base import NATIVE, Media, Provider, Refused
from shared.providers.vllm import probe
from shared.providers.vllm.profile import base_url, private_names, root_url
from shared.providers.vllm.provider import open_provider
from tests.providers.vllm.scripted import json_answer, scripted
from tests.providers.vllm.test_runner import deployment


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    probe.forget()
    yield
    probe.forget()


def opened(base: str = "http://vllm:8000", **rest: Any) -> Provider:
    return open_provider(deployment(base, **rest), Media())


@pytest.mark.parametrize(
    ("base", "api", "root"),
    [
        ("http://vllm:8000", "http://vllm:8000/v1", "http://vllm:8000"),
        ("http://vllm:8000/", "http://vllm:8000/v1", "http://vllm:8000"),
        ("http://vllm:8000/v1", "http://vllm:8000/v1", "http://vllm:8000"),
        ("http://vllm:8000/v1/", "http://vllm:8000/v1", "http://vllm:8000"),
        ("https://gw/team/v2", "https://gw/team/v2", "https://gw/team"),
        ("https://gw/team", "https://gw/team", "https://gw/team"),
        ("https://gw/v1/tiny", "https://gw/v1/tiny", "https://gw/v1/tiny"),
        ("https://v1", "https://v1/v1", "https://v1"),
    ],
)
def test_the_api_is_under_v1_unless_its_address_has_a_path(base: str, api: str, root: str) -> None:
    assert (base_url(deployment(base)), root_url(deployment(base))) == (api, root)


@pytest.mark.parametrize(
    "rest",
    [
        {"model": ""},
        {"api_base": None},
        {"api_base": "vllm:8000"},
        {"api_base": "http://user:pw@vllm:8000"},
        {"api_base": "http://vllm:8000/v1?x=1"},
        {"api_base": "ftp://vllm"},
        {"api_key": "a b"},
        {"api_key": "a\r\nx: y"},
        {"api_key": "schlüssel"},
    ],
)
def test_what_cannot_be_run_is_refused_at_start(rest: dict[str, Any]) -> None:
    wrong = deployment("http://vllm:8000").model_copy(update=rest)
    assert refuse_deployment(wrong)
    with pytest.raises(ConfigError):
        open_provider(wrong, Media())


def test_a_key_is_not_needed() -> None:
    assert refuse_deployment(deployment("http://vllm:8000")) is None
    assert refuse_deployment(deployment("http://vllm:8000", model="*", group="hosted_vllm/*")) is None


def test_every_endpoint_has_a_codec_that_is_found_again_by_its_name() -> None:
    provider = opened()
    names = set()
    for endpoint in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"):
        codec = provider.codec(endpoint)
        assert codec is not None
        assert provider.codec_named(codec.name).name == codec.name
        names.add(codec.name)
    assert len(names) == 4
    assert provider.codec("/v1/moderations") is None
    assert provider.codec(NATIVE) is None
    with pytest.raises(LookupError):
        provider.codec_named("openai-chat")


def test_lines_are_run_one_by_one_unless_it_is_said_otherwise() -> None:
    for batches in (None, "execute"):
        provider = opened(batches=batches, parallel=7)
        assert provider.executes()  # nobody was asked: there is no such server
        assert (provider.limits.rows, provider.parallel, provider.fetch, provider.tidy) == (500, 7, None, None)
        assert provider.runner is not None
        with pytest.raises(LookupError):
            provider.client.get_job("batch_1")
    assert opened().parallel == 32
    assert opened(most_lines=20).limits.rows == 20


@pytest.mark.parametrize("batches", ["server", "auto"])
@pytest.mark.parametrize(
    ("said", "executes"),
    [
        (json_answer(200, b'{"object":"list","data":[]}'), False),
        (json_answer(200, b""), False),
        (json_answer(404, b'{"detail":"Not Found"}'), True),
        (json_answer(404, b'{"detail": "Not Found"}'), True),
        (json_answer(501, b"{}"), True),
    ],
)
def test_a_server_tells_whether_it_has_batches_once(batches: str, said: bytes, executes: bool) -> None:
    with scripted(lambda _: said) as server:
        provider = opened(server.base, batches=batches, api_key="sk-1")
        assert server.seen == []
        assert provider.executes() is executes
        assert provider.executes() is executes
        assert opened(server.base, batches=batches).executes() is executes
        (request,) = server.seen
    assert (request.method, request.path) == ("GET", "/v1/batches?limit=1")
    assert request.headers["authorization"] == "Bearer sk-1"


@pytest.mark.parametrize(
    "said",
    [
        json_answer(500, b""),
        json_answer(503, b""),
        json_answer(404, b"default backend - 404"),
        json_answer(404, b'{"error":{"message":"Not Found"}}'),
        json_answer(302, b"", "location: /v1/models\r\n"),
        json_answer(429, b""),
        b"",
    ],
)
def test_a_server_in_trouble_has_said_nothing_and_is_asked_again(said: bytes) -> None:
    answers = [[said], [json_answer(200, b"{}")]]
    with scripted(lambda _: answers.pop(0), pause=0.0) as server:
        provider = opened(server.base, batches="auto")
        with pytest.raises(Transient):
            provider.executes()
        assert not provider.executes()


def test_a_server_that_is_not_there_has_said_nothing() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(Transient):
            opened(f"http://127.0.0.1:{sock.getsockname()[1]}", batches="auto").executes()


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_said_to_be_one(status: int) -> None:
    with scripted(lambda _: json_answer(status, b'{"error":"Unauthorized"}')) as server:
        with pytest.raises(Refused) as caught:
            opened(server.base, batches="auto").executes()
        assert not caught.value.settled


def test_vllm_itself_has_no_batches(capsys: pytest.CaptureFixture[str]) -> None:
    with running() as server:
        assert opened(server.base, batches="auto").executes()
        assert capsys.readouterr().out == ""
        assert opened(server.base, batches="server").executes()
        assert "server_without_batches" in capsys.readouterr().out


def test_where_there_are_batches_they_are_a_client_s() -> None:
    batch = b'{"id":"b-1","status":"scheduling","input_file_id":"f","request_counts":null}'
    with scripted(lambda _: json_answer(200, batch)) as server:
        provider = opened(server.base, batches="server")
        assert provider.client.get_job("b-1").state is JobState.QUEUED
        assert server.seen[0].path == "/v1/batches/b-1"
    assert provider.limits.rows == 50_000
    assert provider.fetch is not None


def test_what_an_executor_left_is_not_looked_for_at_the_server() -> None:
    with scripted(lambda _: json_answer(404, b'{"detail":"Not Found"}')) as server:
        provider = opened(server.base, batches="auto")
        assert provider.tidy is not None
        provider.tidy(Job(name="b-0001-a1", state=JobState.SUCCEEDED, files=("gs://work/out/part-e1-1.jsonl",)))
        assert {request.path for request in server.seen} == {"/v1/batches?limit=1"}


def test_results_are_an_executor_s_parts_or_what_was_copied() -> None:
    names = [
        *("gs://w/o/results-2.jsonl", "gs://w/o/part-e00002-00001.jsonl", "gs://w/o/results-1.jsonl"),
        *("gs://w/o/lines.jsonl", "gs://w/o/part-1.jsonl", "gs://w/o/part-e00001-00001.jsonl.tmp"),
    ]
    assert opened().predictions(Job(name="x", state=JobState.SUCCEEDED), names) == [
        "gs://w/o/part-e00002-00001.jsonl",
        "gs://w/o/results-1.jsonl",
        "gs://w/o/results-2.jsonl",
    ]


def test_where_a_server_is_and_what_it_calls_a_model_are_nobody_s_business() -> None:
    assert private_names(deployment("http://vllm.internal:8000")) == ("vllm.internal",)
    assert private_names(deployment("http://vllm:8000", model="/models/x", group="x")) == ("vllm", "/models/x")


def test_a_price_has_the_name_of_the_configuration() -> None:
    assert opened().price_model == "hosted_vllm/tiny"
    assert opened(price_name="mine").price_model == "mine"
