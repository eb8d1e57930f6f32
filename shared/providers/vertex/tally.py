"""Rows of jobs that we did not write: what each has used. Its key, where it has one, is its caller's affair.

They are read by the same code as rows of ours, so that the same row costs the same. What is charged beside the tokens,
such as a search on the way, leaves a row without a price.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from shared.providers.base import Codec, Entry, ProviderRow, Used
from shared.providers.vertex.claude_reply import ClaudeRow
from shared.providers.vertex.open_codec import read_open_row
from shared.providers.vertex.profile import Kind
from shared.providers.vertex.reply import Row
from shared.providers.vertex.rows import reader
from shared.providers.vertex.text_embeddings import as_gemini, read_text_row

__all__ = ["SILENT", "tally"]

SILENT: Final = frozenset({Kind.GEMINI_EMBEDDINGS, Kind.OPEN_EMBEDDINGS, Kind.TEXT_EMBEDDINGS})  # no tokens out

_ENTRY: Final = Entry(1, "", "")
_SERVER_TOOL: Final = b'"server_tool_use"'  # inside a string its quotes would be escaped


class Request(msgspec.Struct, gc=False):
    """Of an echoed request, what may cost more than tokens."""

    tools: list[dict[str, msgspec.Raw] | None] | None = None


class Echo(msgspec.Struct, gc=False):
    """A row of Gemini's, its request alone."""

    request: Request | None = None


_echo: Final = msgspec.json.Decoder(Echo).decode


def tally(kind: Kind, inner: Codec) -> Callable[[bytes], Used | None]:
    """Reads the rows of one family; None for what is no row. `inner` is the codec of its answers."""
    content_of, charged_extra = _READERS[kind], _EXTRAS.get(kind, _nothing_extra)

    def read(raw: bytes) -> Used | None:
        content = content_of(raw)
        if content is None:
            return None
        answer = inner.answer([ProviderRow(1, 0, 1, content)], _ENTRY)
        good = answer.status < 400
        return Used(good, None if good and charged_extra(raw) else answer.tokens, answer.day)

    return read


def _text(raw: bytes) -> Row | None:
    row = read_text_row(raw)
    return None if row is None else as_gemini(row)


def _nothing_extra(_: bytes) -> bool:
    return False


def _tools(raw: bytes) -> bool:
    """Whether the model had tools other than its caller's own functions."""
    if b'"tools"' not in raw:
        return False
    try:
        request = _echo(raw).request
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    tools = (request.tools if request is not None else None) or []
    return any(
        name.lower().replace("_", "") != "functiondeclarations" and bytes(value) != b"null"
        for tool in tools
        for name, value in (tool or {}).items()
    )


def _server_tools(raw: bytes) -> bool:
    return _SERVER_TOOL in raw


_READERS: Final[Mapping[Kind, Callable[[bytes], Any]]] = {
    Kind.GEMINI: reader(Row),
    Kind.GEMINI_EMBEDDINGS: reader(Row),
    Kind.CLAUDE: reader(ClaudeRow),
    Kind.OPEN: read_open_row,
    Kind.OPEN_EMBEDDINGS: read_open_row,
    Kind.TEXT_EMBEDDINGS: _text,
}
_EXTRAS: Final[Mapping[Kind, Callable[[bytes], bool]]] = {Kind.GEMINI: _tools, Kind.CLAUDE: _server_tools}
