"""Lines that are a provider's own rows already, in and out: `passthrough`. They keep what name their caller gave them.

Of what came back, the row is the provider's. Of what never ran there is none, so we write one in its manner: a `status`
that says why, beside the caller's own key and, where we still have it, the request.
"""

from typing import Any, Final

import msgspec

from shared.lines.errors import InvalidLine, LineError
from shared.lines.parse import LONGEST_CUSTOM_ID
from shared.lines.rows import line_of
from shared.lines.strict import NotJson, refuse_crowd, refuse_depth, refuse_repeated_keys
from shared.providers.base import NATIVE, RequestLine

__all__ = ["NativeParser", "refused_native", "unanswered_native"]

_NAMES: Final = ("key", "custom_id")  # Vertex: of Gemini's rows, and of Claude's
_UNPARSEABLE: Final = "This line is not parseable as valid JSON"
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder().encode


class NativeParser:
    """Parses the lines of one file of native rows. What must be in them, their codec knows."""

    def parse(self, raw: bytes) -> RequestLine:
        """The line, its row as `body` and its key, if it has one, as `custom_id`; InvalidLine where it is no object."""
        try:
            refuse_crowd(raw)
            body = _decode(raw)
            refuse_depth(raw)
            refuse_repeated_keys(raw, body, 0)
        except msgspec.ValidationError:
            raise InvalidLine("invalid_json_line", f"{_UNPARSEABLE}: expected an object.") from None
        except NotJson as error:
            raise InvalidLine("invalid_json_line", f"{_UNPARSEABLE}: {error}.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise InvalidLine("invalid_json_line", f"{_UNPARSEABLE}.") from None
        name = next((body[name] for name in _NAMES if isinstance(body.get(name), str)), "")
        if len(name) > LONGEST_CUSTOM_ID:
            raise InvalidLine("invalid_request", f"A row's key may have {LONGEST_CUSTOM_ID} characters.", "key")
        return RequestLine(name, NATIVE, body)


def refused_native(line: RequestLine, error: LineError) -> bytes:
    """The row of a line that we would not send."""
    where = f" ({error.param})" if error.param else ""
    return line_of(_encode({**line.body, "status": f"INVALID_ARGUMENT: {error.message}{where}"}))


def unanswered_native(name: str, ordinal: int, *, code: str, message: str) -> bytes:
    """The row of a line that never ran. Without a name of its own it is known by its number in the file."""
    known = {"key": name} if name else {"line": ordinal}
    return line_of(_encode({**known, "status": f"{code}: {message}"}))
