"""Rows of jobs that we did not write: what each has used. Its key, where it has one, is its caller's affair.

They are read by the same code as rows of ours, so that the same row costs the same; where more is charged than its
tokens, such as a search on the way, it says so.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.providers.base import Codec, Entry, ProviderRow, Used
from shared.providers.vertex.asks import charged_beside
from shared.providers.vertex.claude_reply import ClaudeRow
from shared.providers.vertex.open_codec import read_open_row
from shared.providers.vertex.profile import Kind
from shared.providers.vertex.reply import Row
from shared.providers.vertex.rows import reader
from shared.providers.vertex.text_embeddings import as_gemini, read_text_row

__all__ = ["SILENT", "tally"]

SILENT: Final = frozenset({Kind.GEMINI_EMBEDDINGS, Kind.OPEN_EMBEDDINGS, Kind.TEXT_EMBEDDINGS})  # no tokens out

_ENTRY: Final = Entry(1, "", "")


def tally(kind: Kind, inner: Codec) -> Callable[[bytes], Used | None]:
    """Reads the rows of one family; None for what is no row. `inner` is the codec of its answers."""
    content_of = _READERS[kind]

    def read(raw: bytes) -> Used | None:
        content = content_of(raw)
        if content is None:
            return None
        answer = inner.answer([ProviderRow(1, 0, 1, content)], _ENTRY)
        good = answer.status < 400
        return Used(good, answer.tokens, answer.day, good and charged_beside(kind, raw))

    return read


def _text(raw: bytes) -> Row | None:
    row = read_text_row(raw)
    return None if row is None else as_gemini(row)


_READERS: Final[Mapping[Kind, Callable[[bytes], Any]]] = {
    Kind.GEMINI: reader(Row),
    Kind.GEMINI_EMBEDDINGS: reader(Row),
    Kind.CLAUDE: reader(ClaudeRow),
    Kind.OPEN: read_open_row,
    Kind.OPEN_EMBEDDINGS: read_open_row,
    Kind.TEXT_EMBEDDINGS: _text,
}
