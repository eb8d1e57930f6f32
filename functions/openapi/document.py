"""`/openapi.json`: all descriptions put together. It names nothing of ours: no host, no bucket, no deployment."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any, Final

from functions.openapi import admin, google, spend, spend_rows, things
from functions.openapi.batches import BATCHES
from functions.openapi.files import FILES, UPLOADS
from functions.openapi.keys import KEYS
from functions.openapi.models import HEALTH, MODELS
from functions.openapi.people import TEAMS, USERS
from functions.openapi.words import TEXT, Operation, Schema, Table, ref, text

__all__ = ["TABLES", "document", "served_path"]

TABLES: Final[tuple[Table, ...]] = (
    *(FILES, UPLOADS, BATCHES, MODELS, HEALTH),
    *(KEYS, TEAMS, USERS, spend.SPEND, google.JOBS),
)
# As scripts call them; all else is under /v1. Everything is served both with it and without.
_LITELLMS: Final = (
    *("/health/", "/model/", "/model_group/"),
    *("/key/", "/team/", "/user/", "/v2/", "/spend/", "/global/", "/tag/", "/customer/", "/organization/"),
)
_BARE: Final = (*_LITELLMS, "/openapi.json")
_PREFIXES: Final = (
    "Every path is served with `/v1` in front of it and without it; those under `/vertex_ai` with `/v1` behind that, "
    "and without it."
)
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_KEYS: Final[Mapping[str, Schema]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "litellmKey": {"type": "apiKey", "in": "header", "name": "x-litellm-api-key"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "api-key"},
    "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "googleKey": {"type": "apiKey", "in": "header", "name": "x-goog-api-key"},
    "azureGatewayKey": {"type": "apiKey", "in": "header", "name": "ocp-apim-subscription-key"},
}
_ERRORS: Final[Mapping[int, str]] = {
    400: "Something about the request is wrong; the message says what and where.",
    401: "No key, or one that may not be used.",
    403: "This key may not do this.",
    404: "There is no such thing, or it is somebody else's.",
    409: "Its state does not allow this.",
    410: "Its time is over.",
    413: "The body is too large.",
    415: "The body is compressed.",
    422: "The budget is used up.",
    429: "Too much, too fast, or more than the limits allow.",
    500: "The server failed.",
    501: "This is not supported.",
    502: "The provider's answer makes no sense.",
    503: "Busy: try again.",
    507: "The server has no room left.",
}
_WITH_A_KEY: Final = (401, 403, 415, 429)
_ALWAYS: Final = (500, 503)
_OF_ALL: Final = ("x-request-id", "x-litellm-call-id")


def served_path(path: str) -> str:
    """A path of the table of routes, as the document has it."""
    if path.startswith(_BARE):
        return path
    return f"/vertex_ai{path}" if path.startswith("/batchPredictionJobs") else f"/v1{path}"


@cache
def document() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in chain.from_iterable(table.items() for table in TABLES):
        paths.setdefault(served_path(path), {})[method.lower()] = _operation(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Offpeak",
            "version": "1",
            "description": "Batches of requests to language models, as OpenAI's Batch API has them. " + _PREFIXES,
        },
        "servers": [{"url": "/"}],
        "security": [{name: []} for name in _KEYS],
        "paths": paths,
        "components": {
            "schemas": {**things.SCHEMAS, **google.SCHEMAS, **spend_rows.SCHEMAS, **admin.schemas()},
            "responses": dict(_refusals()),
            "headers": {name: {"required": True, "schema": text(pattern="^req_[0-9a-f]{32}$")} for name in _OF_ALL},
            "securitySchemes": _KEYS,
        },
    }


def _operation(path: str, operation: Operation) -> dict[str, Any]:
    parameters = [*_of_path(path, operation), *operation.asks]
    return {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.says,
        **({"parameters": parameters} if parameters else {}),
        **(
            {"requestBody": {"required": not operation.optional, "content": operation.takes}} if operation.takes else {}
        ),
        "responses": dict(_answers(path, operation)),
        **({"security": []} if operation.open else {}),
    }


def _of_path(path: str, operation: Operation) -> Iterator[Schema]:
    for name in _PARAMETER.findall(path):
        yield {"name": name, "in": "path", "required": True, "schema": operation.ids.get(name, text(least=1))}


def _answers(path: str, operation: Operation) -> Iterator[tuple[str, Schema]]:
    common = {name: {"$ref": f"#/components/headers/{name}"} for name in _OF_ALL}
    yield (
        "200",
        {
            "description": "Done.",
            "headers": {**common, **{name: {"schema": schema} for name, schema in operation.headers.items()}},
            "content": {kind: each if "schema" in each else {"schema": each} for kind, each in operation.gives.items()},
            **({"links": operation.links} if operation.links else {}),
        },
    )
    if operation.elsewhere:
        location = {"location": {"required": True, "schema": TEXT}}
        yield "302", {"description": "The bytes are there, for some minutes.", "headers": {**common, **location}}
    kind = "Google" if operation.google else "Admin" if path.startswith(_LITELLMS) else "Error"
    for status in sorted({*operation.errors, *_ALWAYS, *(() if operation.open else _WITH_A_KEY)}):
        yield str(status), {"$ref": f"#/components/responses/{kind}{status}"}


def _refusals() -> Iterator[tuple[str, Schema]]:
    """The answers that are errors: the same at all routes, but in three shapes."""
    for kind, shape in (("Error", "Error"), ("Admin", "AdminError"), ("Google", "GoogleError")):
        for status, says in _ERRORS.items():
            headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _OF_ALL}
            retry = {"retry-after": {"schema": {"type": "integer", "minimum": 0}}} if status in {429, 503} else {}
            content = {"application/json": {"schema": ref(shape)}}
            yield f"{kind}{status}", {"description": says, "headers": {**headers, **retry}, "content": content}
