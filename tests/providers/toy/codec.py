"""A line as the parrot hears it, and its answer as OpenAI would give it."""

import json

from shared.domain.usage import Tokens
from shared.lines.errors import LineError
from shared.providers.base import Answer, Encoded, Entry, ProviderRow, RequestLine
from tests.providers.toy.profile import PARAMETERS

__all__ = ["ParrotCodec"]


class ParrotCodec:
    """/v1/chat/completions."""

    name = "toy-chat"

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        for name in line.body.keys() - PARAMETERS:
            raise LineError("unsupported_parameter", f"A parrot does not support '{name}'.", name)
        said = line.body["messages"][-1]["content"]
        return Encoded(json.dumps({"number": ordinal, "say": said}).encode() + b"\n")

    def read(self, raw: bytes) -> ProviderRow | None:
        try:
            row = json.loads(raw)
            return ProviderRow(int(row["number"]), 0, 1, row)
        except (ValueError, KeyError, TypeError):
            return None

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        row, id = rows[0].content, f"parrot-{entry.ordinal}"
        if "said" not in row:
            error = {"message": "The parrot will not say so.", "type": "invalid_request_error", "param": None}
            return Answer(400, {"error": {**error, "code": None}}, id)
        message = {"role": "assistant", "content": row["said"]}
        words = {"prompt_tokens": row["heard"], "completion_tokens": row["spoken"]}
        body = {"id": id, "object": "chat.completion", "created": 1_795_000_000, "model": entry.model}
        body |= {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        body["usage"] = {**words, "total_tokens": row["heard"] + row["spoken"]}
        return Answer(200, body, id, Tokens(text=row["heard"], output=row["spoken"]))
