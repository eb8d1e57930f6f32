"""From a request to an answer: find the route, find the caller, call, render. Nothing escapes as anything but JSON."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Request, Response

from functions.answers import as_api_error, error_answer, identified, json_answer
from functions.auth import authenticate
from functions.body import discard_rest, limit_body, limit_silence, refuse_encoded
from shared.app import App, app
from shared.config import PROVIDERS
from shared.domain.access import Caller, visible
from shared.domain.batch import Batch
from shared.domain.errors import MethodNotAllowed, NotFound
from shared.domain.files import File, Upload
from shared.domain.ids import canonical, new_request_id
from shared.log import context, log
from shared.trace import Trace, tracing

__all__ = ["Call", "Route", "route", "serve"]

_ANYONE: Final = Caller(owner="", models=())
# Clients come with `/v1` or without, and LiteLLM's also with the provider in front of it.
_PROVIDER: Final = re.compile(r"/([^/]+)(?=/v1/)")
_VERSION: Final = re.compile(r"^/v1(?=/|$)")
_SLASHES: Final = re.compile(r"(?<!:)/{2,}")  # but `gs://` stays what it is
_LONGEST_ECHO: Final = 200

T = TypeVar("T", Batch, File, Upload)  # what has an owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, on its way through one handler."""

    app: App
    caller: Caller
    request: Request
    names: Mapping[str, str]  # what stood in the path; decoded once, and not yet judged
    provider: str | None = None  # in front of the path

    def find(self, kind: type[T], text: str) -> T | None:
        """The caller's own record that `text` names. What cannot be an id of ours does not reach storage."""
        found = canonical(text)
        return None if found is None else visible(self.caller, self.app.documents.get(kind, found))

    def groups(self) -> list[str]:
        """The model groups that the caller may use."""
        return [group for group in self.app.config.groups() if self.caller.may_use(group)]

    def group(self, model: str) -> str | None:
        """The group that a model's name means; None also where the caller may not use it."""
        found = self.app.config.group_of(model)
        return found if found is not None and self.caller.may_use(found) else None


Handler = Callable[[Call], Mapping[str, Any] | Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table. Of several that fit, the first counts."""

    method: str
    path: str
    pattern: re.Pattern[str]
    handler: Handler
    open: bool  # to everybody, without a key


def route(method: str, path: str, handler: Handler, *, open: bool = False) -> Route:
    """`path` such as `/files/{id}/content`. An id may contain anything, also slashes: the handler refuses it."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(path))
    return Route(method=method, path=path, pattern=re.compile(pattern, re.DOTALL), handler=handler, open=open)


def serve(routes: Sequence[Route], request: Request) -> Response:
    """Answer one request."""
    request_id, started = new_request_id(), time.perf_counter()
    limit_silence(request)
    with tracing(Trace.of(request.headers)), context(request_id=request_id):
        found = None
        try:
            found, names = _find(routes, request)
            answer = _call(found, names, request)
        except Exception as error:  # noqa: BLE001  the one place where everything ends as an envelope
            answer = error_answer(as_api_error(error))
        if answer.status_code == 405:
            answer.headers["allow"] = ", ".join(_methods(routes, request))
        if request.method != "GET":
            discard_rest(request)
        log(
            "request",
            severity="ERROR" if answer.status_code >= 500 else "INFO",
            method=request.method if found else "-",
            route=found.path if found else "-",
            status=answer.status_code,
            ms=round((time.perf_counter() - started) * 1000),
        )
        return identified(answer, request_id)


def _call(found: Route, names: Mapping[str, str], request: Request) -> Response:
    application = app()
    caller = _ANYONE if found.open else authenticate(request, application.master_key)
    refuse_encoded(request)
    limit_body(request, application.body_bytes)
    provider = _split(request)[0]
    answer = found.handler(Call(app=application, caller=caller, request=request, names=names, provider=provider))
    return answer if isinstance(answer, Response) else json_answer(answer)


def _find(routes: Sequence[Route], request: Request) -> tuple[Route, Mapping[str, str]]:
    _, rest = _split(request)
    method = "GET" if request.method == "HEAD" else request.method
    for each in routes:
        if each.method == method and (match := each.pattern.fullmatch(rest)):
            return each, match.groupdict()
    shown = f"{request.method[:20]} {request.path[:_LONGEST_ECHO]}"
    if methods := _methods(routes, request):
        raise MethodNotAllowed(f"Invalid method for URL ({shown}). Use {' or '.join(methods)}.")
    raise NotFound(f"Invalid URL ({shown})")


def _methods(routes: Sequence[Route], request: Request) -> list[str]:
    _, rest = _split(request)
    return sorted({each.method for each in routes if each.pattern.fullmatch(rest)})


def _split(request: Request) -> tuple[str | None, str]:
    """The provider in front of the path, and the path as the table has it."""
    path = _SLASHES.sub("/", request.path)
    front, provider = _PROVIDER.match(path), None
    if front is not None and front[1] in PROVIDERS:
        provider, path = front[1], path[front.end() :]
    return provider, _VERSION.sub("", path, count=1).rstrip("/")
