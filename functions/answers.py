"""What goes back to a client: JSON, and one envelope for every error."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from flask import Response
from werkzeug.exceptions import HTTPException

from functions.faults import stack
from shared.domain.errors import (
    ApiError,
    BadRequest,
    ConfigError,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Transient,
    Unavailable,
    UnsupportedMedia,
)
from shared.log import log

__all__ = [
    "admin_error_answer",
    "as_api_error",
    "error_answer",
    "google_error_answer",
    "grouped",
    "identified",
    "json_answer",
    "redirect_answer",
    "stream_answer",
]

_GOOGLE: Final[Mapping[int, str]] = {  # google.rpc.Code by HTTP status
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    422: "RESOURCE_EXHAUSTED",  # a budget
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}
_ADMIN_TYPES: Final[Mapping[int, str]] = {  # of litellm 1.106.2, `ProxyErrorTypes`, where the case has no own one
    400: "bad_request_error",
    403: "auth_error",
    404: "not_found_error",
    405: "bad_request_error",
    409: "bad_request_error",
    413: "bad_request_error",
    415: "bad_request_error",
    500: "internal_server_error",
}
_PLAIN: Final = " !#$&'()*+,/:;=?@[]^`{|}"  # what a header may have beside what is never quoted
_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    kind.status: kind
    for kind in (BadRequest, Forbidden, NotFound, MethodNotAllowed, TooLarge, UnsupportedMedia, Unavailable)
}


def json_answer(body: Mapping[str, Any], status: int = 200) -> Response:
    payload = json.dumps(body).encode()
    return stream_answer((payload,), mimetype="application/json", length=len(payload), status=status)


def stream_answer(
    chunks: Iterable[bytes],
    *,
    mimetype: str = "application/octet-stream",
    length: int | None = None,
    status: int = 200,
) -> Response:
    """An answer that the framework takes for a stream, even where it is not.

    After any other kind it reads what is left of the request body into memory, however much that is.
    """
    response = Response(iter(chunks), status, mimetype=mimetype)
    if length is not None:
        response.headers["content-length"] = str(length)
    return response


def redirect_answer(url: str) -> Response:
    """Elsewhere; and not to be remembered, since the URL is good for some minutes only."""
    response = stream_answer((), length=0, status=302)
    response.headers["location"] = url
    response.headers["cache-control"] = "no-store"
    return response


def grouped(answer: Response, group: str | None) -> Response:
    """The answer, with the model group that it is about, if there is one. Its name may be a caller's own words."""
    if group is not None:
        answer.headers["x-litellm-model-group"] = quote(group, safe=_PLAIN)
    return answer


def identified(response: Response, request_id: str) -> Response:
    """What every answer carries."""
    response.headers["x-request-id"] = response.headers["x-litellm-call-id"] = request_id
    response.headers["x-content-type-options"] = "nosniff"
    return response


def error_answer(error: ApiError) -> Response:
    """OpenAI's envelope, all four keys; deterministic failures tell the SDK not to try again."""
    return _enveloped(error, error.kind, error.code)


def admin_error_answer(error: ApiError) -> Response:
    """The same as LiteLLM has it on its own routes: `code` is the status as a string, `type` one of its words."""
    kind = _ADMIN_TYPES.get(error.status, error.kind) if error.kind == error.type else error.kind
    return _enveloped(error, kind, str(error.status))


def _enveloped(error: ApiError, kind: str, code: str | None) -> Response:
    body = {"message": str(error), "type": kind, "param": error.param, "code": code}
    response = json_answer({"error": body}, error.status)
    if not error.retry:
        response.headers["x-should-retry"] = "false"
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


def google_error_answer(error: ApiError) -> Response:
    """The same in Google's words: what clients of Vertex understand."""
    status = error.code if error.code in _GOOGLE.values() or error.code == "FAILED_PRECONDITION" else None
    status = status or _GOOGLE.get(error.status, "UNKNOWN")
    body: dict[str, Any] = {"code": error.status, "message": str(error), "status": status}
    response = json_answer({"error": body}, error.status)
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response


def as_api_error(error: Exception) -> ApiError:
    """What the client is told of any exception. The text of a stranger's never gets out, and never into the log."""
    match error:
        case ApiError():
            return error
        case Transient():
            log("request_deferred", severity="WARNING", error=type(error).__name__)
            return Unavailable(retry_after=1)
        case HTTPException():
            code = error.code or 500
            known = _BY_STATUS.get(code, BadRequest if code < 500 else ApiError)
            return known()
        case ConfigError():
            log("configuration_wrong", severity="CRITICAL", reason=str(error))
            return ApiError()
        case _:
            log("request_crashed", severity="ERROR", **stack(error))
            return ApiError()
