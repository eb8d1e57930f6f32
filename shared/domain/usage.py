"""Tokens: what a line used, by kind, and what OpenAI's batch object says of it."""

from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["TOKEN", "Tokens", "Usage"]

TOKEN: Final = 4  # bytes, roughly: what is in a line is known, and what the provider will count is not


class Tokens(NamedTuple):
    """What one answer used. The kinds never overlap: their sum is everything.

    `text`, `audio`, `image`, `video` are fresh prompt tokens (documents count as text); `cached_text` and
    `cached_audio` came from a cache; `cache_write` are fresh, too, and were put into one, which has a price of its own;
    `tool` were fed back by a tool; `output` and `image_output` were written as the answer and `thinking` on the way.
    """

    text: int = 0
    audio: int = 0
    image: int = 0
    video: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    tool: int = 0
    output: int = 0
    image_output: int = 0
    thinking: int = 0
    cache_write: int = 0

    @property
    def prompt(self) -> int:
        """Everything on the way in: what the long-context threshold is compared with."""
        fresh = self.text + self.audio + self.image + self.video + self.cache_write
        return fresh + self.cached_text + self.cached_audio

    @property
    def cached(self) -> int:
        return self.cached_text + self.cached_audio


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The `usage` of a batch: sums over its delivered lines."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )
