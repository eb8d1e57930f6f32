"""Embeddings: one input is one row, so a line becomes as many rows as it has inputs, and one answer again."""

import math
import sys
from array import array as packed
from base64 import b64encode
from typing import Any, Final

from shared.domain.usage import Tokens
from shared.lines.checks import (
    integer,
    missing,
    one_of,
    shown,
    text,
    unsupported,
    wrong_type,
    wrong_value,
)
from shared.providers.base import Answer, Entry, ProviderRow
from shared.providers.vertex.failure import day_of, failure, failure_of_row
from shared.providers.vertex.profile import bare
from shared.providers.vertex.reply import Response, Row

__all__ = ["answer_embeddings", "config_of", "inputs_of", "wants_base64"]

_MAX_INPUTS: Final = 2048  # OpenAI's
_FULL: Final = 3072  # dimensions of the models of today; gemini-embedding-001 scales its vectors at this size alone
_TASKS: Final = frozenset(
    {
        "RETRIEVAL_QUERY",
        "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    }
)
_KNOWN: Final = frozenset({"model", "input", "dimensions", "encoding_format", "user", "task_type", "title"})


def inputs_of(value: Any) -> list[str]:
    """The texts to embed, in order."""
    if value is None:
        raise missing("input")
    if isinstance(value, str):
        if not value:
            raise wrong_value("input", "it must not be empty.")
        return [value]
    if not isinstance(value, list):
        raise wrong_type("input", "a string or an array of strings", value)
    if not 0 < len(value) <= _MAX_INPUTS:
        raise wrong_value("input", f"it must have between 1 and {_MAX_INPUTS} elements.")
    for at, item in enumerate(value):
        if not text(item, f"input[{at}]"):
            raise wrong_value(f"input[{at}]", "it must not be empty.")
    return value


def config_of(body: dict[str, Any], model: str) -> dict[str, Any]:
    """The row's `embed_content_config`; empty where the line leaves all to the model."""
    for name in body:
        if name not in _KNOWN:
            raise unsupported(shown(name), "it is not known here.")
    config: dict[str, Any] = {}
    if body.get("user") is not None:
        text(body["user"], "user")
    if body.get("dimensions") is not None:
        config["output_dimensionality"] = integer(body["dimensions"], "dimensions", 1, _FULL)
    if body.get("task_type") is not None:
        config["task_type"] = one_of(body["task_type"], "task_type", _TASKS)
    if body.get("title") is not None and text(body["title"], "title"):
        config["title"] = body["title"]
    if bare(model).startswith("gemini-embedding-2"):
        for name in ("task_type", "title"):
            if name in config:
                raise unsupported(name, "this model expects it inside the text.")
    return config


def wants_base64(body: dict[str, Any]) -> bool:
    given = body.get("encoding_format")
    return given is not None and one_of(given, "encoding_format", {"float", "base64"}) == "base64"


def answer_embeddings(rows: list[ProviderRow], entry: Entry, *, scaled: bool) -> Answer:
    """All vectors of a line, or the failure of the first one that has none. `scaled`: to unit length."""
    by_index = {row.index: row.content for row in rows}
    total = max((row.count for row in rows), default=1)
    encoded = "base64" in (entry.hints or {})
    data: list[dict[str, Any]] = []
    tokens: int | None = 0
    for index in range(total):
        row: Row | None = by_index.get(index)
        if row is None:
            message = "The model gave no answer to some of the inputs."
            return failure(500, message, None, next(iter(by_index.values()), None), entry.ordinal)
        values = _values(row)
        if row.response is None or values is None:
            return failure_of_row(row, entry.ordinal)
        used = _tokens(row.response)
        tokens = None if tokens is None or used is None else tokens + used
        vector = _unit(values) if scaled else values
        data.append({"object": "embedding", "index": index, "embedding": _base64(vector) if encoded else vector})
    body = {
        "object": "list",
        "data": data,
        "model": entry.model,
        "usage": None if tokens is None else {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    first: Row = by_index[0]
    request_id = (first.response and first.response.response_id) or f"req_r-{entry.ordinal:06d}"
    return Answer(200, body, request_id, None if tokens is None else Tokens(text=tokens), day_of(first))


def _values(row: Row) -> list[float] | None:
    """The vector; None where the row failed or has none."""
    if row.status or row.response is None or row.response.embedding is None:
        return None
    return row.response.embedding.values or None


def _tokens(response: Response) -> int | None:
    """Of the text, which is all there is to count. None where nothing says it, or two counts of it differ."""
    meta, said = response.usage_metadata, {response.token_count}
    if meta is not None:
        said |= {meta.prompt_token_count, meta.total_token_count}
    said.discard(None)
    return said.pop() if len(said) == 1 else None


def _unit(values: list[float]) -> list[float]:
    if len(values) >= _FULL:
        return values
    length = math.hypot(*values)
    return [value / length for value in values] if length else values


def _base64(values: list[float]) -> str:
    """float32, little-endian."""
    floats = packed("f", values)
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()
