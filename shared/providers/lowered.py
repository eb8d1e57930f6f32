"""An endpoint that a provider does not have, by way of its chat completions. Pure, as any codec."""

from typing import Any, Final

from shared.lines.errors import LineError
from shared.lines.lowering import Lowering, in_callers_words
from shared.providers.base import Answer, Codec, Encoded, Entry, ProviderRow, RequestLine

__all__ = ["lowered_codec"]

_CHAT: Final = "/v1/chat/completions"
_ECHO: Final = "echo"  # the one hint that is ours; the others are the chat codec's


class _LoweredCodec:
    """What `chat` can do, in the words of another endpoint."""

    def __init__(self, chat: Codec, lowering: Lowering) -> None:
        self.name = f"{chat.name}+{lowering.name}"
        self._chat, self._lowering = chat, lowering

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        lowered = self._lowering.lower(line.body)
        try:
            encoded = self._chat.encode(RequestLine(line.custom_id, _CHAT, lowered.body), ordinal)
        except LineError as error:
            raise in_callers_words(error, lowered.places) from error
        if lowered.echo:
            encoded.hints = {**(encoded.hints or {}), _ECHO: lowered.echo}
        return encoded

    def read(self, raw: bytes) -> ProviderRow | None:
        return self._chat.read(raw)

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        answer = self._chat.answer(rows, entry)
        if answer.status < 400:  # an error is the same at every endpoint
            echo: dict[str, Any] = (entry.hints or {}).get(_ECHO, {})
            answer.body = self._lowering.answer(answer.body, echo)
        return answer


def lowered_codec(chat: Codec, lowering: Lowering) -> Codec:
    """A codec named after both. `chat` must answer 2xx with a chat.completion made of dicts and lists."""
    return _LoweredCodec(chat, lowering)
