"""The two codecs of Gemini on Vertex: chat completions and embeddings. Pure: no I/O, no clock, no randomness."""

from typing import Final

import msgspec

from shared.providers.base import Answer, Codec, Encoded, Entry, Media, ProviderRow, RequestLine
from shared.providers.vertex.abilities import profile_for
from shared.providers.vertex.chat_answer import answer_chat
from shared.providers.vertex.chat_request import read_request
from shared.providers.vertex.embeddings import answer_embeddings, config_of, inputs_of, wants_base64
from shared.providers.vertex.keys import element_key, row_key
from shared.providers.vertex.profile import bare
from shared.providers.vertex.rows import read_row

__all__ = ["chat_codec", "embedding_codec"]

_ANYWHERE: Final = Media()
_encode: Final = msgspec.json.Encoder().encode


class _ChatCodec:
    """/v1/chat/completions."""

    name = "gemini-chat"

    def __init__(self, model: str, media: Media) -> None:
        self._profile = profile_for(model)
        self._media = media

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        draft = read_request(line.body, self._profile, self._media)
        row = b'{"key":"r-%06d","request":%b}\n' % (ordinal, _encode(draft.request))
        return Encoded(row, 1, draft.hints, draft.shape or None)

    def read(self, raw: bytes) -> ProviderRow | None:
        return read_row(raw)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        return answer_chat(rows, entry)


class _EmbeddingCodec:
    """/v1/embeddings."""

    name = "gemini-embedding"

    def __init__(self, model: str) -> None:
        self._model = model
        self._scaled = bare(model).startswith("gemini-embedding-001")

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        config = config_of(line.body, self._model)
        inputs = inputs_of(line.body.get("input"))
        hints = {"base64": True} if wants_base64(line.body) else None
        rows = bytearray()
        for index, said in enumerate(inputs):
            key = element_key(ordinal, index, len(inputs)) if len(inputs) > 1 else row_key(ordinal)
            request = {"content": {"parts": [{"text": said}]}}
            rows += _encode({"key": key, "request": {**request, "embed_content_config": config} if config else request})
            rows += b"\n"
        return Encoded(bytes(rows), len(inputs), hints)

    def read(self, raw: bytes) -> ProviderRow | None:
        return read_row(raw)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        return answer_embeddings(rows, entry, scaled=self._scaled)


def chat_codec(model: str, media: Media = _ANYWHERE) -> Codec:
    """For chat completions of this model. `media` says where what lines name by `gs://` may lie."""
    return _ChatCodec(model, media)


def embedding_codec(model: str) -> Codec:
    return _EmbeddingCodec(model)
