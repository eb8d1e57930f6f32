"""The codec of the older text embeddings: rows without a key, known again by the text that they embed.

Their output repeats each row as `instance`, and nothing else says whose it is ("batch prediction for text embeddings").
Whether more columns would survive is not known, so none are added, and the text itself is never changed. Lines of one
job share their task: so rows of equal texts ask for the same, and any of them may have any of the answers.
"""

from hashlib import blake2b
from typing import Any, Final

import msgspec

from shared.lines.checks import unsupported
from shared.providers.base import Answer, Codec, Encoded, Entry, ProviderRow, RequestLine
from shared.providers.vertex.embeddings import answer_embeddings, config_of, inputs_of, wants_base64
from shared.providers.vertex.reply import Embedding, Response, Row
from shared.providers.vertex.rows import reader

__all__ = ["as_gemini", "mark_of", "read_text_row", "text_embedding_codec"]

_encode: Final = msgspec.json.Encoder().encode


class Instance(msgspec.Struct, gc=False):
    """The row as it was sent."""

    content: str | None = None


class Statistics(msgspec.Struct, gc=False):
    """What was counted."""

    token_count: int | None = None


class Embeddings(msgspec.Struct, gc=False):
    """One vector, whatever the name says."""

    values: list[float] | None = None
    statistics: Statistics | None = None


class Prediction(msgspec.Struct, gc=False):
    """What came of one text."""

    embeddings: Embeddings | None = None


class TextRow(msgspec.Struct, gc=False):
    """A line of the output."""

    instance: Instance | None = None
    predictions: list[Prediction] | None = None
    status: str | None = None
    processed_time: str | None = None


read_text_row: Final = reader(TextRow)


def mark_of(content: str) -> str:
    """What a row is known again by."""
    return blake2b(content.encode("utf-8", "replace"), digest_size=16).hexdigest()


class _TextEmbeddingCodec:
    """/v1/embeddings."""

    name = "text-embedding"

    def __init__(self, model: str) -> None:
        self._model = model

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:  # noqa: ARG002 - no row has a key
        config = config_of(line.body, self._model)
        for name, theirs in (("dimensions", "output_dimensionality"), ("title", "title")):
            if theirs in config:
                raise unsupported(name, "batch prediction with this model takes none.")
        inputs = inputs_of(line.body.get("input"))
        hints = {"base64": True} if wants_base64(line.body) else None
        rows = b"".join(_encode({"content": said, **config}) + b"\n" for said in inputs)
        shape = {"task_type": f"task_type:{config.get('task_type', '')}"}
        return Encoded(rows, len(inputs), hints, shape, match=[mark_of(said) for said in inputs])

    def read(self, raw: bytes) -> ProviderRow | None:
        row = read_text_row(raw)
        if row is None or row.instance is None or row.instance.content is None:
            return None
        return ProviderRow(0, 0, 1, as_gemini(row), mark_of(row.instance.content))

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        return answer_embeddings(rows, entry, scaled=False)


def text_embedding_codec(model: str) -> Codec:
    return _TextEmbeddingCodec(model)


def as_gemini(row: TextRow) -> Row:
    """The same in the words of Gemini's embeddings, whose answers are OpenAI's already."""
    made = next((one.embeddings for one in row.predictions or () if one is not None and one.embeddings), None)
    response: Any = None
    if made is not None and made.values:
        counted = made.statistics.token_count if made.statistics is not None else None
        whole = counted if counted is not None and counted >= 0 else None
        response = Response(embedding=Embedding(made.values), token_count=whole)
    return Row(status=row.status, processed_time=row.processed_time, response=response)
