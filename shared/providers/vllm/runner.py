"""One line at a server, and what came of it: base.Runner over HTTP.

Every call has a deadline of its own that a slow drip cannot stretch, and an answer of bounded size. No redirect is
followed and nothing is tried twice here: what a fault means for a line is `verdict.py`'s, what follows from it the
executor's.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import httpx
import msgspec

from shared.config import Deployment
from shared.lines.errors import LineError
from shared.providers.base import Fault, Outcome
from shared.providers.media import check_media_url, media_urls
from shared.providers.openai.plain import plain
from shared.providers.vllm.answer import known
from shared.providers.vllm.fetch import Silent, Unfit, fetch_media
from shared.providers.vllm.profile import PARALLEL, TIMEOUT, base_url, media_hosts, private_names, root_url
from shared.providers.vllm.verdict import Meaning, error_row, meaning_of, names_model, pause_of, row_of

__all__ = ["VllmRunner"]

_CONNECT: Final = 5.0
_WRITE: Final = 30.0
_WELL: Final = 3.0  # seconds for a question that is no line
_KEPT: Final = 2.5  # seconds of an idle connection: uvicorn, and so vLLM, closes it after 5
_LARGEST: Final = 32 * 2**20  # about 1,000 embeddings of 1,536 numbers
_SAME: Final = 5.0  # seconds for which the answer to whose fault a missing route is holds for other lines, too
_LARGEST_MEDIA: Final = 32 * 2**20  # of one line, as base64
_HEAVY: Final = 4  # lines in flight that hold media which we have read: memory is what bounds them
_FETCHES: Final = 8  # media that are read at once
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_BROKEN: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
_STEP: Final = re.compile(r"[^.\[\]]+")  # of a path such as messages[0].content


_Client = httpx.AsyncClient | httpx.AsyncHTTPTransport  # the first where a proxy stands between


class _Row(msgspec.Struct, gc=False):
    """A row as the codec wrote it; the body is left as it is."""

    custom_id: str
    url: str
    body: msgspec.Raw


class _Reply(msgspec.Struct, gc=False):
    status: int
    headers: Mapping[str, str]
    body: Any  # decoded JSON, or None where it was none


class _TooLarge(Exception):
    """More than an answer may have."""


_decode_row: Final = msgspec.json.Decoder(_Row).decode
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class VllmRunner:
    """base.Runner for one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._model = deployment.model
        self._base, self._root = base_url(deployment), root_url(deployment)
        self._hosts = media_hosts(deployment)
        self._private = frozenset(host.lower() for host in deployment.private_hosts)
        self._names = private_names(deployment)
        self._deadline = deployment.timeout or TIMEOUT
        self._seats = asyncio.Semaphore(deployment.parallel or PARALLEL)
        self._fetches = asyncio.Semaphore(_FETCHES)
        self._headers = [
            ("host", urlsplit(self._base).netloc),
            ("accept", "application/json"),
            ("accept-encoding", "identity"),  # so that the bound on an answer is one on what we decode
            ("content-type", "application/json"),
            ("user-agent", "offpeak"),
        ]
        if deployment.api_key:
            self._headers.append(("authorization", f"Bearer {deployment.api_key}"))
        self._heavy = asyncio.Semaphore(_HEAVY)
        self._urls: dict[str, httpx.URL] = {}
        self._timeout = httpx.Timeout(self._deadline, connect=_CONNECT, write=_WRITE, pool=None).as_dict()
        self._clients: set[_Client] = set()
        self._free: list[_Client] = []
        self._asking = asyncio.Lock()
        self._asked: tuple[float, Outcome] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self._free.clear()
        for client in list(self._clients):
            await self._drop(client)

    async def run(self, row: bytes, name: str) -> Outcome:
        """One call for one encoded row."""
        line = _decode_row(row)
        body = bytes(line.body)
        seats = self._heavy if b'_url"' in body and b'"http' in body else self._seats
        try:
            async with seats, asyncio.timeout(self._deadline):
                if seats is self._heavy:
                    body = await self._inlined(body)
                reply = await self._send("POST", self._url(line.url), name, body)
                return await self._judged(line, name, reply)
        except LineError as error:
            problem = {"message": error.message, "param": error.param, "code": error.code}
            return Outcome(row=error_row(line.custom_id, 400, name, {"error": problem}), status=400)
        except _TooLarge:  # it would be so again
            problem = {"message": f"The answer has more than {_LARGEST >> 20} MiB."}
            return Outcome(row=error_row(line.custom_id, 500, name, {"error": problem}), status=500)
        except (Silent, *_BROKEN) as error:
            return _fault_of(error)

    async def well(self) -> bool:
        """Whether the server answers: by /health, or where there is none, by its list of models."""
        health = await self._ask(f"{self._root}/health")
        if health is None or health.status != 404:
            return health is not None and health.status == 200
        models = await self._ask(f"{self._base}/models")
        return models is not None and models.status in {200, 401, 403}

    async def _judged(self, line: _Row, name: str, reply: _Reply) -> Outcome:
        status = reply.status
        meaning = meaning_of(status, reply.body, self._model)
        match meaning:
            case Meaning.ANSWER:
                body = known(line.url, reply.body)
                if body is None:
                    return Outcome(fault=Fault.REPLY, said="the server's answer was none")
                return Outcome(row=row_of(line.custom_id, status, name, body), good=True, status=status)
            case Meaning.LINE:
                return Outcome(row=error_row(line.custom_id, status, name, reply.body, self._names), status=status)
            case Meaning.ROUTE:
                return await self._whose_fault(status)
            case Meaning.DEPLOYMENT:
                return Outcome(fault=Fault.DEPLOYMENT, status=status, said=_refused(status))
            case Meaning.REPLY | Meaning.ENDPOINT:
                fault = Fault.REPLY if meaning is Meaning.REPLY else Fault.ENDPOINT
                wait = pause_of(reply.headers, time.time())
                return Outcome(fault=fault, status=status, retry_after=wait, said=self._answered(status, reply.body))

    def _answered(self, status: int, body: Any) -> str:
        problem = body.get("error") if isinstance(body, dict) else None
        message = problem.get("message") if isinstance(problem, dict) else None
        return f"the server answered {status}" + (f": {plain(message, self._names)}" if message else "")

    async def _whose_fault(self, status: int) -> Outcome:
        """Of a route that is not there: the deployment's, if its server is up; else somebody stands in for it."""
        async with self._asking:
            if self._asked is None or self._asked[0] < time.monotonic():
                listed = await self._ask(f"{self._base}/models")
                self._asked = (time.monotonic() + _SAME, self._missing(status, listed))
            return self._asked[1]

    def _missing(self, status: int, listed: _Reply | None) -> Outcome:
        if listed is None or not (listed.status in {200, 401, 403} or _is_theirs(listed)):
            return Outcome(fault=Fault.ENDPOINT, status=status, said=f"something else answered {status}")
        if listed.status in {401, 403}:
            return Outcome(fault=Fault.DEPLOYMENT, status=listed.status, said=_refused(listed.status))
        if listed.status == 200 and not names_model(listed.body, self._model):
            return Outcome(fault=Fault.DEPLOYMENT, status=status, said="the server does not have this model")
        return Outcome(fault=Fault.DEPLOYMENT, status=status, said="the server does not have this endpoint")

    async def _ask(self, url: str) -> _Reply | None:
        """The answer to a question that is no line; None where there is none in a moment."""
        try:
            async with asyncio.timeout(_WELL):
                return await self._send("GET", httpx.URL(url), "", None)
        except (*_BROKEN, _TooLarge, TimeoutError):
            return None

    def _url(self, endpoint: str) -> httpx.URL:
        if endpoint not in self._urls:
            self._urls[endpoint] = httpx.URL(self._base + endpoint.removeprefix("/v1"))
        return self._urls[endpoint]

    async def _send(self, method: str, url: httpx.URL, name: str, body: bytes | None) -> _Reply:
        headers = [*self._headers, ("x-request-id", name)] if name else self._headers
        request = httpx.Request(method, url, headers=headers, content=body, extensions={"timeout": self._timeout})
        client = self._client()
        try:
            if isinstance(client, httpx.AsyncClient):
                response = await client.send(request, stream=True, follow_redirects=False)
            else:
                response = await client.handle_async_request(request)
            try:
                raw = await _bounded(response)
            finally:
                await response.aclose()
        except BaseException:  # cancelled, too: whatever its connection is in the middle of, nobody uses it again
            await self._drop(client)
            raise
        self._free.append(client)
        return _Reply(response.status_code, response.headers, _decoded(raw))

    def _client(self) -> _Client:
        """One that nobody uses. Each has one connection: the time that a pool takes grows with what is in it."""
        if self._free:
            return self._free.pop()
        address = urlsplit(self._base)
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT)
        verify = _tls() if address.scheme == "https" else False
        client: _Client
        if address.hostname in _LOOPBACK or not getproxies_environment():  # then a client would only cost time
            client = httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)
        else:
            client = httpx.AsyncClient(verify=verify, limits=limits)
        self._clients.add(client)
        return client

    async def _drop(self, client: _Client) -> None:
        await client.aclose()
        self._clients.discard(client)

    async def _inlined(self, raw: bytes) -> bytes:
        """The body with what its URLs lead to, so that the server has nothing to fetch."""
        body = _decode(raw)
        wanted = [(path, url) for path, url in media_urls(body) if not url.startswith("data:")]
        size = 0
        for path, url in wanted:
            check_media_url(url, path, self._hosts)  # again: it is we who go there, and now
            try:
                async with self._fetches:
                    data = await fetch_media(url, self._private)
            except Unfit as error:
                raise LineError("invalid_value", f"Invalid value for '{path}': it {error}", path) from error
            size += len(data)
            if size > _LARGEST_MEDIA:
                raise LineError("invalid_value", f"Invalid value for '{path}': all media are too large.", path)
            _put(body, path, data)
        return _encode(body) if wanted else raw


def _put(body: Any, path: str, value: str) -> None:
    *steps, last = _STEP.findall(path)
    for step in steps:
        body = body[int(step) if isinstance(body, list) else step]
    body[int(last) if isinstance(body, list) else last] = value


def _fault_of(error: Exception) -> Outcome:
    """What came of a call that brought no whole answer."""
    if isinstance(error, Silent):
        return Outcome(fault=Fault.REPLY, said=f"a URL of the request could not be read: {error}")
    if isinstance(error, _NEVER_SENT):
        return Outcome(fault=Fault.ENDPOINT, said=f"no connection: {type(error).__name__}")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Outcome(fault=Fault.REPLY, said="the server did not answer in time")
    return Outcome(fault=Fault.REPLY, said=f"no answer: {type(error).__name__}")


def _refused(status: int) -> str:
    if status in {401, 403}:
        return f"the server refused the key ({status})"
    if status < 400:
        return f"the server is somewhere else ({status})"
    return "the server does not have this model"


def _is_theirs(reply: _Reply) -> bool:
    """Whether it was a server of this kind that knew no such route, and not some proxy before it."""
    return reply.status in {404, 405} and isinstance(reply.body, dict) and "detail" in reply.body


async def _bounded(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx.DecodingError("the answer is packed, which we did not ask for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _LARGEST:
            raise _TooLarge
    return bytes(body)


def _decoded(raw: bytes) -> Any:
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
