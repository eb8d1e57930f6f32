"""The codec of Claude on Vertex: chat completions. Pure: no I/O, no clock, no randomness."""

from typing import Final

import msgspec

from shared.providers.base import Answer, Codec, Encoded, Entry, ProviderRow, RequestLine
from shared.providers.vertex.claude_answer import answer_claude
from shared.providers.vertex.claude_reply import ClaudeRow
from shared.providers.vertex.claude_request import most_tokens, read_request
from shared.providers.vertex.keys import parse_key, row_key
from shared.providers.vertex.rows import reader

__all__ = ["claude_codec"]

_encode: Final = msgspec.json.Encoder().encode
_read: Final = reader(ClaudeRow)


class _ClaudeCodec:
    """/v1/chat/completions."""

    name = "claude-chat"

    def __init__(self, model: str) -> None:
        self._most = most_tokens(model)

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        draft = read_request(line.body, self._most)
        row = _encode({"custom_id": row_key(ordinal), "request": draft.request}) + b"\n"
        return Encoded(row, 1, draft.hints or None, draft.shape or None)

    def read(self, raw: bytes) -> ProviderRow | None:
        row = _read(raw)
        place = None if row is None else parse_key(row.custom_id)
        return None if place is None else ProviderRow(*place, row)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        return answer_claude(rows, entry)


def claude_codec(model: str) -> Codec:
    return _ClaudeCodec(model)
