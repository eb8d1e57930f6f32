"""One line of an input file: what it must be before any provider is thought of. The codes are OpenAI's."""

from typing import Any, Final, Literal

import msgspec

from shared.lines.errors import InvalidLine
from shared.lines.strict import NotJson, refuse_crowd, refuse_depth, refuse_repeated_keys
from shared.providers.base import RequestLine

__all__ = ["LONGEST_CUSTOM_ID", "Parser", "too_long"]

LONGEST_CUSTOM_ID: Final = 1024  # ours: OpenAI documents none, and each is kept in the shard's index

_UNPARSEABLE: Final = "This line is not parseable as valid JSON"
_NEEDED: Final = {  # what a body must have besides its model, per endpoint
    "/v1/chat/completions": "messages",
    "/v1/embeddings": "input",
    "/v1/completions": "prompt",
    "/v1/moderations": "input",
}
_KINDS: Final = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


class _Envelope(msgspec.Struct, gc=False):
    custom_id: str
    method: Literal["POST"]
    url: str
    body: dict[str, Any]


_OUTSIDE: Final = len(_Envelope.__struct_fields__)  # keys of a line that are not in its body
_decode = msgspec.json.Decoder(_Envelope).decode


class Parser:
    """Parses the lines of one batch, whose endpoint each of them must name."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._needed = _NEEDED.get(endpoint)

    def parse(self, raw: bytes) -> RequestLine:
        """The line, checked. InvalidLine says what is wrong with it, in the order in which OpenAI looks."""
        try:
            refuse_crowd(raw)
            line = _decode(raw)
            refuse_depth(raw)
            refuse_repeated_keys(raw, line.body, _OUTSIDE)
        except msgspec.ValidationError:
            raise self._diagnosed(raw) from None
        except NotJson as error:
            raise InvalidLine("invalid_json_line", f"{_UNPARSEABLE}: {error}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise InvalidLine("invalid_json_line", f"{_UNPARSEABLE}.") from None
        body = line.body
        if line.url != self._endpoint:
            raise InvalidLine(
                "invalid_url", "The URL provided for this request does not match the batch endpoint.", "url"
            )
        if not 0 < len(line.custom_id) <= LONGEST_CUSTOM_ID:
            raise InvalidLine(
                "invalid_request",
                f"Invalid 'custom_id': expected 1 to {LONGEST_CUSTOM_ID} characters, got {len(line.custom_id)}.",
                "custom_id",
            )
        if not isinstance(body.get("model"), str):
            raise _model_missing(body)
        if self._needed and self._needed not in body:
            raise InvalidLine(
                "invalid_request", f"{self._needed.capitalize()} parameter is required.", f"body.{self._needed}"
            )
        if body.get("stream"):
            raise InvalidLine(
                "streaming_unsupported",
                "Chat Completions: Streaming is not supported in the Batch API.",
                "body.stream",
            )
        return RequestLine(line.custom_id, line.url, body)

    def _diagnosed(self, raw: bytes) -> InvalidLine:
        """Why a line that is JSON is not a request."""
        try:
            line = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            return InvalidLine("invalid_json_line", f"{_UNPARSEABLE}.")
        if not isinstance(line, dict):
            return InvalidLine("invalid_json_line", f"{_UNPARSEABLE}: expected an object, but got {_kind(line)}.")
        for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
            if line.get(name) is None:
                return InvalidLine("missing_required_parameter", f"Missing required parameter: '{name}'.", name)
            if not isinstance(line[name], kind):
                return InvalidLine(
                    "invalid_request",
                    f"Invalid type for '{name}': expected {_KINDS[kind]}, but got {_kind(line[name])} instead.",
                    name,
                )
        return InvalidLine("invalid_method", "Invalid value for 'method': only 'POST' is supported.", "method")


def too_long(longest: int) -> InvalidLine:
    """For a line that was too long to be read at all."""
    return InvalidLine("invalid_request", f"This line is too long: a line may have at most {longest:,} bytes.")


def _model_missing(body: dict[str, Any]) -> InvalidLine:
    if body.get("model") is None:
        return InvalidLine("invalid_request", "Model parameter is required.", "body.model")
    return InvalidLine(
        "invalid_request",
        f"Invalid type for 'model': expected a string, but got {_kind(body['model'])} instead.",
        "body.model",
    )


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a number")
