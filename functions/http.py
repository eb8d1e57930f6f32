"""From a request to an answer: find the route, find the caller, call, render. Nothing escapes as anything but JSON."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from flask import Request, Response

from functions.answers import (
    admin_error_answer,
    as_api_error,
    error_answer,
    google_error_answer,
    identified,
    json_answer,
)
from functions.auth import authenticate, presented_key
from functions.body import discard_rest, limit_body, limit_silence, refuse_encoded
from functions.not_offered import NotOffered, instead
from shared.app import App, app
from shared.config import PROVIDERS
from shared.domain.access import MASTER, NOTHING, Caller, allows, visible
from shared.domain.batch import Batch
from shared.domain.errors import ApiError, Forbidden, MethodNotAllowed, NotFound, Transient
from shared.domain.files import File, Upload
from shared.domain.globs import fits
from shared.domain.ids import canonical, decoded, new_request_id
from shared.domain.layout import file_of_object
from shared.domain.passthrough import VertexJob
from shared.log import context, log
from shared.trace import Trace, tracing

__all__ = ["Call", "Route", "route", "serve"]

_ANYONE: Final = Caller(owner="", key="", models=NOTHING)
_REFUSED: Final = frozenset({401, 403, 422, 429})
# Clients come with `/v1` or without, and LiteLLM's also with the provider in front of it.
_PROVIDER: Final = re.compile(r"/([^/]+)(?=/v1/)")
_VERSION: Final = re.compile(r"^/v1(?=/|$)")
_SLASHES: Final = re.compile(r"(?<!:)/{2,}")  # but `gs://` stays what it is
# Vertex's own paths, or LiteLLM's for them, with project and location or, behind LiteLLM's prefix, without.
_GOOGLE: Final = re.compile(
    r"(?:/vertex[_-]ai)?(?:/v1(?:beta1)?)?(/projects/.*)"
    r"|/vertex[_-]ai(?:/v1(?:beta1)?)?(/batchPredictionJobs(?:[/:].*)?)",
    re.DOTALL,
)
_GOOGLES_FRONTS: Final = tuple(
    f"{front}{version}" for front in ("", "/vertex_ai", "/vertex-ai") for version in ("", "/v1", "/v1beta1")
)
_VERTEX: Final = re.compile(r"(?:/v1(?:beta1)?)?/projects/|/vertex[_-]ai(?:/|$)")
_OFFERED: Final = (
    "Of Vertex AI this server offers batchPredictionJobs, to create, get, list, cancel and delete, at "
    "/v1/projects/PROJECT/locations/LOCATION/batchPredictionJobs."
)
_MANAGED: Final = (
    *("/key/", "/team/", "/v2/team/", "/user/", "/v2/user/"),
    *("/spend/", "/global/", "/tag/", "/customer/", "/organization/"),
)
_SPEND_OF_ALL: Final = "/global/spend"  # what LiteLLM's `get_spend_routes` opens
_LITELLMS: Final = (*_MANAGED, "/model/", "/model_group/", "/health/")  # what OpenAI has no routes for
_LONGEST_PATH: Final = 8_192
_LONGEST_ECHO: Final = 200
_SECRET: Final = re.compile(r"sk-.*", re.DOTALL)

T = TypeVar("T", Batch, File, Upload, VertexJob)  # what has an owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, on its way through one handler."""

    app: App
    caller: Caller
    request: Request
    names: Mapping[str, str]  # what stood in the path; decoded once, and not yet judged
    route: str = "-"  # as the table has it, and so without what stood in the path: there may be a key
    provider: str | None = None  # in front of the path

    def find(self, kind: type[T], text: str) -> T | None:
        """The caller's own record that `text` names. What cannot be an id of ours does not reach storage."""
        found = self.file_id(text) if kind is File else canonical(text)
        return None if found is None else self.own(self.app.documents.get(kind, found))

    def file_id(self, text: str) -> str | None:
        """The one form of a file's id; what LiteLLM's clients call by its object, `gs://…`, has one, too."""
        return canonical(file_of_object(self.app.data_bucket, decoded(text)) or text)

    def own(self, record: T | None) -> T | None:
        """The record, where the caller may see it. That somebody has tried is put on record."""
        seen = visible(self.caller, record)
        if record is not None and seen is None:
            self.record_try(record.id)
        return seen

    def record_try(self, id: str) -> None:
        """Put on record that the caller has tried for what is somebody else's."""
        log("refused", severity="WARNING", audit=True, **self.caller.log_context(), not_theirs=id)

    def may_use(self, group: str) -> bool:
        """Whether the caller's lists of models have the group, or the pattern, of this name."""
        return allows(self.caller.models, self.app.config.names_of(group))

    def groups(self) -> list[str]:
        """The model groups that the caller may use; of those that patterns stand for, what its lists name: models, and
        not such names as those of `access_groups`.
        """
        config = self.app.config
        listed = [name for names in self.caller.models or () for name in names if config.speaks_of(name)]
        found = [*config.groups(), *filter(None, map(config.group_of, listed))]
        return [group for group in dict.fromkeys(found) if self.may_use(group)]

    def group(self, model: str) -> str | None:
        """The group that a model's name means; None also where the caller may not use it."""
        found = self.app.config.group_of(model)
        return found if found is not None and self.may_use(found) else None


Handler = Callable[[Call], Mapping[str, Any] | Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table. Of several that fit, the first counts."""

    method: str
    path: str
    pattern: re.Pattern[str]
    handler: Handler
    open: bool = False  # to everybody, without a key
    admin: bool = False  # for admins alone
    google: bool = False  # whose errors are in Google's words

    @property
    def spellings(self) -> tuple[str, ...]:
        """Its path, and with what may stand in front of it, where it is known by that."""
        if self.manages:
            return (self.path,)
        return tuple(f"{front}{self.path}" for front in (_GOOGLES_FRONTS if self.google else ("", "/v1")))

    @property
    def passes(self) -> bool:
        """Whether it is about jobs that are passed through."""
        return self.google or self.path.startswith("/jobs/")

    @property
    def manages(self) -> bool:
        """Whether it is about keys, teams, users and spend, and not about files, batches, models and jobs."""
        return self.path.startswith(_MANAGED)


def route(
    method: str, path: str, handler: Handler, *, open: bool = False, admin: bool = False, google: bool = False
) -> Route:
    """`path` such as `/files/{id}/content`. An id may contain anything, also slashes: the handler refuses it.

    Of several names in a path none has a slash: else there were many ways to read a long one, and each would be tried.
    """
    some = ".+" if path.count("{") == 1 else "[^/]+"
    pattern = re.sub(r"\\{(\w+)\\}", rf"(?P<\1>{some})", re.escape(path))
    return Route(
        method=method,
        path=path,
        pattern=re.compile(pattern, re.DOTALL),
        handler=handler,
        open=open,
        admin=admin,
        google=google,
    )


def serve(routes: Sequence[Route], request: Request) -> Response:
    """Answer one request."""
    request_id, started = new_request_id(), time.perf_counter()
    limit_silence(request)
    with tracing(Trace.of(request.headers)), context(request_id=request_id):
        found, asked = None, dict[str, str]()
        try:
            found, names = _find(routes, request)
            answer = _call(found, names, request, asked)
        except Exception as error:  # noqa: BLE001  the one place where everything ends as an envelope
            told = as_api_error(error)
            answer = _told(told, found, request)
            if told.status in _REFUSED:
                _record_refusal(found, told, asked)
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
            **asked,
        )
        return identified(answer, request_id)


def _call(found: Route, names: Mapping[str, str], request: Request, asked: dict[str, str]) -> Response:
    """The answer of the route; `asked` is told by whom, as soon as that is known."""
    application = app()
    caller = _ANYONE if found.open else authenticate(request, application)
    if caller.key not in {"", MASTER}:
        asked["key_id"] = caller.key
    with context(**asked):
        return _answered(application, caller, found, names, request)


def _answered(app: App, caller: Caller, found: Route, names: Mapping[str, str], request: Request) -> Response:
    if caller.reads_spend and found.path.startswith(_SPEND_OF_ALL):
        caller = replace(caller, viewer=True)  # of everybody's spend, and in the reports about all alone
    _refuse_route(caller, found, request)
    refuse_encoded(request)
    limit_body(request, app.body_bytes)
    route, provider = f"{found.method} {found.path}", _split(request)[0]
    answer = found.handler(Call(app=app, caller=caller, request=request, names=names, route=route, provider=provider))
    return answer if isinstance(answer, Response) else json_answer(answer)


def _refuse_route(caller: Caller, found: Route, request: Request) -> None:
    """Forbidden where the key is not for such requests at all."""
    if found.admin and not (caller.admin or (caller.viewer and request.method in {"GET", "HEAD"})):
        raise Forbidden(f"Only an admin may do this: {found.method} {found.path}.", type="auth_error")
    if caller.reads_only and request.method not in {"GET", "HEAD"}:
        why = "its key_type is read_only, or its user's role internal_user_viewer"
        raise Forbidden(f"This key may only read: {why}.", type="auth_error")
    if not found.open and not all(any(_covers(each, found) for each in listed) for listed in caller.routes):
        raise Forbidden(f"This key is not for {found.path}: see its allowed_routes.", type="auth_error")


def _covers(said: str, found: Route) -> bool:
    """Whether one of a key's `allowed_routes` means this route: a path, what is under it, one with `*`, or one of
    LiteLLM's groups.
    """
    if (group := _GROUPS.get(said)) is not None:
        return group(found)
    said = said.rstrip("/")
    under = f"{said}/" if said else "none"
    return any(path == said or path.startswith(under) or fits(said, path) for path in found.spellings)


# LiteLLM's proxy/_types.py, LiteLLMRoutes, as far as it has names for what is served here.
_GROUPS: Final[Mapping[str, Callable[[Route], bool]]] = {
    "llm_api_routes": lambda found: not found.manages,
    "openai_routes": lambda found: not (found.manages or found.google),
    "mapped_pass_through_routes": lambda found: found.passes,
    "passthrough_routes_wildcard": lambda found: found.passes,
    "management_routes": lambda found: found.manages,
    "info_routes": lambda found: found.method == "GET" and (found.manages or found.path.startswith("/model")),
    "spend_tracking_routes": lambda found: found.path.startswith(("/spend/", "/global/spend")),
}


def _is_google(found: Route | None, request: Request) -> bool:
    return found.google if found is not None else _VERTEX.match(_SLASHES.sub("/", request.path)) is not None


def _told(error: ApiError, found: Route | None, request: Request) -> Response:
    """An error in the words of those whose route it is: Google's, LiteLLM's or OpenAI's."""
    if _is_google(found, request):
        return google_error_answer(error)
    path = found.path if found is not None else _split(request)[1]
    litellms = isinstance(error, NotOffered) or path.startswith(_LITELLMS)
    return admin_error_answer(error) if litellms else error_answer(error)


def _record_refusal(found: Route | None, told: ApiError, asked: Mapping[str, str]) -> None:
    log(
        "refused",
        severity="WARNING",
        audit=True,
        route=f"{found.method} {found.path}" if found else "-",
        status=told.status,
        code=told.code,
        kind=told.kind,
        why=str(told)[:300],
        **asked,
    )


def _find(routes: Sequence[Route], request: Request) -> tuple[Route, Mapping[str, str]]:
    if len(request.path) > _LONGEST_PATH:
        raise NotFound(f"Invalid URL: a path has at most {_LONGEST_PATH:,} characters.")
    _, rest = _split(request)
    method = "GET" if request.method == "HEAD" else request.method
    for each in routes:
        if each.method == method and (match := each.pattern.fullmatch(rest)):
            return each, match.groupdict()
    shown = f"{request.method[:20]} {_SECRET.sub('sk-...', request.path)[:_LONGEST_ECHO]}"
    if methods := _methods(routes, request):
        raise MethodNotAllowed(f"Invalid method for URL ({shown}). Use {' or '.join(methods)}.")
    if (why := instead(request.method, rest)) is not None and _has_key(request):
        raise NotOffered(why)
    raise NotFound(f"Invalid URL ({shown})" + (f". {_OFFERED}" if _is_google(None, request) else ""))


def _has_key(request: Request) -> bool:
    """Whether the request brings a key that may be used. That one was tried which may not is put on record."""
    try:
        authenticate(request, app())
    except ApiError as error:
        if presented_key(request, app().config.key_header):
            _record_refusal(None, error, {})
        return False
    except Transient:
        return False
    return True


def _methods(routes: Sequence[Route], request: Request) -> list[str]:
    _, rest = _split(request)
    return sorted({each.method for each in routes if each.pattern.fullmatch(rest)})


def _split(request: Request) -> tuple[str | None, str]:
    """The provider in front of the path, and the path as the table has it."""
    path = _SLASHES.sub("/", request.path)
    if (google := _GOOGLE.fullmatch(path)) is not None:
        return None, (google[1] or google[2]).rstrip("/")
    front, provider = _PROVIDER.match(path), None
    if front is not None and front[1] in PROVIDERS:
        provider, path = front[1], path[front.end() :]
    return provider, _VERSION.sub("", path, count=1).rstrip("/")
