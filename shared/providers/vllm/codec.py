"""The codecs of a server that speaks OpenAI's endpoints. Pure: no I/O, no clock, no randomness."""

from shared.lines.responses import RESPONSES as TO_CHAT
from shared.providers.base import Answer, Codec, Encoded, Entry, ProviderRow, RequestLine
from shared.providers.lowered import lowered_codec
from shared.providers.openai.answer import answer_of
from shared.providers.openai.request import inputs_of
from shared.providers.openai.rows import Response, Row, read_row
from shared.providers.vllm.answer import known
from shared.providers.vllm.profile import CHAT, ENDPOINTS, RESPONSES
from shared.providers.vllm.request import encode_line

__all__ = ["vllm_codec"]


class _VllmCodec:
    """One endpoint, for one model."""

    def __init__(self, endpoint: str, model: str, hosts: frozenset[str], private: tuple[str, ...]) -> None:
        self.name = ENDPOINTS[endpoint]
        self._endpoint, self._model, self._hosts, self._private = endpoint, model, hosts, private

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        row = encode_line(self._endpoint, self._model, self._hosts, line.body, ordinal)
        return Encoded(row, inputs=inputs_of(self._endpoint, line.body))

    def read(self, raw: bytes) -> ProviderRow | None:
        return read_row(raw)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        row: Row = rows[0].content
        answer = answer_of(row, entry, self._private)
        if answer.status >= 400:
            return answer
        body = known(self._endpoint, answer.body)
        if body is None:
            theirs = row.response.request_id if row.response is not None else None
            return answer_of(Row(row.custom_id, Response(500, theirs)), entry)
        answer.body = body
        return answer


def vllm_codec(
    endpoint: str, model: str, hosts: frozenset[str] = frozenset(), private: tuple[str, ...] = ()
) -> Codec | None:
    """For this endpoint; None where no such server has it.

    `hosts` are those whose media a line may name, `private` the names that no message may hold.
    """
    if endpoint == RESPONSES:  # of its own one a server keeps answers, which are not one caller's own
        return lowered_codec(_VllmCodec(CHAT, model, hosts, private), TO_CHAT)
    return _VllmCodec(endpoint, model, hosts, private) if endpoint in ENDPOINTS else None
