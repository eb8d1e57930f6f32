"""The codec of open models on Vertex: OpenAI's batch lines as they are, under the name that the provider has for them.

They run text alone. Their rows come back as OpenAI's, or with the body itself as `response` ("batch prediction" of open
models names both columns, and no shape): either is read.
"""

from typing import Any, Final

import msgspec

from shared.lines.checks import array, object_, shown, text, unsupported, wrong_value
from shared.providers.base import Answer, Codec, Encoded, Entry, ProviderRow, RequestLine
from shared.providers.openai.answer import answer_of
from shared.providers.openai.request import encode_line
from shared.providers.openai.rows import Response, Row
from shared.providers.vertex.failure import day_of, failure, failure_of_row
from shared.providers.vertex.importer import Shape, survey
from shared.providers.vertex.json_schema import plain_schema
from shared.providers.vertex.keys import parse_key
from shared.providers.vertex.open_body import settled
from shared.providers.vertex.rows import reader

__all__ = ["CHAT", "EMBEDDINGS", "open_codec", "read_open_row"]

CHAT: Final = "/v1/chat/completions"
EMBEDDINGS: Final = "/v1/embeddings"

_NAMES: Final = {CHAT: "open-chat", EMBEDDINGS: "open-embeddings"}
_TEXTS: Final = frozenset({"text", "refusal"})
_LEVEL: Final = 2  # line, body
_decode: Final = msgspec.json.Decoder().decode


class OpenRow(msgspec.Struct, gc=False):
    """A line of the output, whichever of the two shapes it has."""

    custom_id: str | None = None
    status: str | None = None
    processed_time: str | None = None
    response: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


read_open_row: Final = reader(OpenRow)


class _OpenCodec:
    """One endpoint, for one model."""

    def __init__(self, endpoint: str, model: str) -> None:
        self.name = _NAMES[endpoint]
        self._endpoint, self._model = endpoint, model

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        body = {
            name: value for name, value in line.body.items() if value not in ([], {}) or name in {"messages", "input"}
        }
        if self._endpoint == CHAT:
            _refuse_media(body)
            body = _with_plain_schemas(body)
        row = encode_line(self._endpoint, self._model, body, ordinal, url=self._endpoint)
        shape = Shape()
        survey(_decode(row)["body"], "", "body", _LEVEL, shape)
        return Encoded(row, 1, None, shape)

    def read(self, raw: bytes) -> ProviderRow | None:
        row = read_open_row(raw)
        place = None if row is None else parse_key(row.custom_id)
        return None if place is None else ProviderRow(*place, row)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        if not rows:
            return failure(500, "The model gave no answer to this request.", None, None, entry.ordinal)
        row: OpenRow = rows[0].content
        response, error = _value(row.response), _value(row.error)
        if not response and not error:
            return failure_of_row(row, entry.ordinal)
        answer = answer_of(Row(row.custom_id, _response(response), error), entry)
        if answer.status < 400:
            if (body := settled(answer.body, self._endpoint == CHAT, answer.request_id)) is None:
                return failure(500, "The model gave no valid answer to this request.", None, row, entry.ordinal)
            answer.body = body
        answer.day = day_of(row) or answer.day
        return answer


def open_codec(endpoint: str, model: str) -> Codec:
    """For chat completions or embeddings; `model` with its publisher in front."""
    return _OpenCodec(endpoint, model)


def _value(raw: msgspec.Raw) -> Any:
    """What stands there, also as the text of JSON that a table's column is; None where that is nothing."""
    try:
        value = _decode(raw) if bytes(raw) else None
        return _decode(value) if isinstance(value, str) and value[:1] == "{" else value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _response(value: Any) -> Response | None:
    """OpenAI's response; a body alone is one that went well, unless it is an error's."""
    if not isinstance(value, dict):
        return None
    if "body" in value or "status_code" in value:
        return Response(value.get("status_code"), value.get("request_id"), value.get("body"))
    code = value["error"].get("code") if isinstance(value.get("error"), dict) else None
    if value.get("error"):
        return Response(code if type(code) is int else 400, None, value)
    return Response(200, value.get("id"), value)


def _refuse_media(body: dict[str, Any]) -> None:
    if body.get("audio") is not None:
        raise unsupported("audio", "only text can be answered.")
    modalities = body.get("modalities")
    if modalities is not None and any(kind != "text" for kind in array(modalities, "modalities")):
        raise unsupported("modalities", "only text can be answered.")
    for at, message in enumerate(array(body.get("messages"), "messages")):
        content = object_(message, f"messages[{at}]").get("content")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            here = f"messages[{at}].content[{number}]"
            if text(object_(part, here).get("type"), f"{here}.type") not in _TEXTS:
                raise wrong_value(f"{here}.type", "this model reads text only in batch prediction.")


def _with_plain_schemas(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its schemas as the importer can hold them."""
    changed = dict(body)
    for name, inner in (("tools", "function"), ("functions", None)):
        if isinstance(body.get(name), list):
            changed[name] = [_declared(tool, inner, f"{name}[{at}]") for at, tool in enumerate(body[name])]
    wanted = body.get("response_format")
    if isinstance(wanted, dict) and isinstance(wanted.get("json_schema"), dict):
        given = wanted["json_schema"]
        if given.get("schema") is not None:
            schema = plain_schema(given["schema"], "response_format.json_schema.schema")
            given = {**given, "schema": schema or {"type": "object"}}
        changed["response_format"] = {**wanted, "json_schema": given}
    return changed


def _declared(tool: Any, inner: str | None, param: str) -> Any:
    if inner is not None:
        if not isinstance(tool, dict) or not isinstance(tool.get(inner), dict):
            return tool  # the model's own words will say it better
        return {**tool, inner: _declared(tool[inner], None, f"{param}.{shown(inner)}")}
    if not isinstance(tool, dict) or tool.get("parameters") is None:
        return tool
    schema = plain_schema(tool["parameters"], f"{param}.parameters")
    rest = {name: value for name, value in tool.items() if name != "parameters"}
    return {**rest, "parameters": schema} if schema else rest
