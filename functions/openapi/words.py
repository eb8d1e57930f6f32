"""The words in which a route is described, and the small schemas that all descriptions are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = [
    "BOOLEAN",
    "FLAG",
    "INTEGER",
    "NUMBER",
    "SECONDS",
    "TEXT",
    "Operation",
    "Schema",
    "Table",
    "enum",
    "header",
    "integer",
    "json_body",
    "link",
    "listed",
    "nullable",
    "query",
    "record",
    "ref",
    "text",
]

Schema = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
BOOLEAN: Final[Schema] = {"type": "boolean"}
FLAG: Final[Schema] = {"type": "string", "enum": ["true", "1", "yes", "on", "false", "0", "no", "off"]}  # of a query
SECONDS: Final[Schema] = {"type": "integer", "minimum": 0, "description": "Seconds since 1970, UTC."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What there is to say of one route, beside its method and its path."""

    id: str
    tag: str
    says: str  # one sentence
    gives: Schema  # the answer's content: a schema by media type
    takes: Schema | None = None  # the request's content: schema and example by media type
    optional: bool = False  # whether the request may have no body
    asks: tuple[Schema, ...] = ()  # parameters beside those of the path
    ids: Mapping[str, Schema] = field(default_factory=dict)  # schemas of the path's parameters; others are texts
    errors: tuple[int, ...] = ()  # beside those that every route with a key may have
    headers: Mapping[str, Schema] = field(default_factory=dict)  # of the answer, beside those that all have
    links: Mapping[str, Schema] = field(default_factory=dict)
    elsewhere: bool = False  # whether it may answer 302 with a URL
    open: bool = False
    google: bool = False


Table = Mapping[tuple[str, str], Operation]
"""Operations by method and path, as the table of routes has them."""


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def text(*, least: int | None = None, most: int | None = None, says: str | None = None, **more: Any) -> Schema:
    said = {"minLength": least, "maxLength": most, "description": says, **more}
    return {**TEXT, **{name: value for name, value in said.items() if value is not None}}


def integer(least: int, most: int | None = None, says: str | None = None) -> Schema:
    said = {"minimum": least, "maximum": most, "description": says}
    return {**INTEGER, **{name: value for name, value in said.items() if value is not None}}


def enum(values: Iterable[str], **more: Any) -> Schema:
    return {**TEXT, "enum": list(values), **more}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(schema: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": schema, **more}


def record(fields: Mapping[str, Schema], *, optional: Iterable[str] | None = (), **more: Any) -> Schema:
    """An object of these fields; `optional` may be absent, None: all of them."""
    absent = set(fields) if optional is None else set(optional)
    required = [name for name in fields if name not in absent]
    return {"type": "object", "properties": dict(fields), **({"required": required} if required else {}), **more}


def query(name: str, schema: Schema, says: str) -> Schema:
    return {"name": name, "in": "query", "description": says, "schema": schema}


def header(name: str, schema: Schema, says: str) -> Schema:
    return {"name": name, "in": "header", "description": says, "schema": schema}


def json_body(schema: Schema, example: Any = None) -> Schema:
    return {"application/json": {"schema": schema, **({} if example is None else {"example": example})}}


def link(operation: str, *, body: Any = None, says: str = "", **parameters: str) -> Schema:
    """What can be done next with what was given; `id="id"` takes the answer's field of that name."""
    return {
        "operationId": operation,
        **({"description": says} if says else {}),
        **({"parameters": {k: f"$response.body#/{v}" for k, v in parameters.items()}} if parameters else {}),
        **({} if body is None else {"requestBody": body}),
    }
