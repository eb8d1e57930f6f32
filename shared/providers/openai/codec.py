"""The codecs of OpenAI's endpoints: their own words there and back. Pure: no I/O, no clock, no randomness."""

from shared.providers.base import Answer, Codec, Encoded, Entry, ProviderRow, RequestLine
from shared.providers.openai.answer import answer_of
from shared.providers.openai.profile import ENDPOINTS, MODERATIONS
from shared.providers.openai.request import encode_line, inputs_of
from shared.providers.openai.rows import read_row

__all__ = ["openai_codec"]


class _OpenAICodec:
    """One endpoint, for one model."""

    def __init__(self, endpoint: str, model: str, url: str, private: tuple[str, ...]) -> None:
        self.name = ENDPOINTS[endpoint]
        self._endpoint, self._model, self._url, self._private = endpoint, model, url, private
        self._free = endpoint == MODERATIONS  # which says nothing of tokens, and costs none

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        row = encode_line(self._endpoint, self._model, line.body, ordinal, url=self._url)
        return Encoded(row, inputs=inputs_of(self._endpoint, line.body))

    def read(self, raw: bytes) -> ProviderRow | None:
        return read_row(raw)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        return answer_of(rows[0].content, entry, self._private, free=self._free)


def openai_codec(endpoint: str, model: str, *, url: str | None = None, private: tuple[str, ...] = ()) -> Codec:
    """For this endpoint, which the profile must know; `model` is the name by which the provider knows it.

    `url`: what the provider calls the endpoint, where not the same. `private`: names that no message may hold.
    """
    return _OpenAICodec(endpoint, model, url or endpoint, private)
