"""What an answer used: OpenAI's `usage` as our tokens, whose kinds never overlap.

A count that is missing or contradicts another makes all of it unknown, and unknown is not zero. Audio that was written
is no kind of ours: it is charged beside the others.
"""

from typing import Any, Final

from shared.domain.usage import Tokens

__all__ = ["spoke", "tokens_of"]

_CHAT: Final = ("prompt_tokens", "completion_tokens")
_MOST: Final = 2**53  # a larger number is no count of anything


def tokens_of(usage: object) -> Tokens | None:
    """From the usage of a chat, a completion, an embedding (`prompt_tokens` …) or a response (`input_tokens` …)."""
    if not isinstance(usage, dict):
        return None
    given, written = ("input_tokens", "output_tokens") if "input_tokens" in usage else _CHAT
    prompt, output = _count(usage, given), _count(usage, written, missing=0)
    inside, outside = _details(usage, given), _details(usage, written)
    cached, audio = _count(inside, "cached_tokens", missing=0), _count(inside, "audio_tokens", missing=0)
    thinking, spoken = _count(outside, "reasoning_tokens", missing=0), _count(outside, "audio_tokens", missing=0)
    kept = _count(inside, "cache_write_tokens", missing=0)
    if prompt is None or output is None or cached is None or audio is None or thinking is None or kept is None:
        return None
    if spoken is None or cached + audio + kept > prompt or thinking + spoken > output:
        return None
    if usage.get(written) is None and usage.get("total_tokens") != prompt:  # only embeddings write nothing
        return None
    return Tokens(
        text=prompt - cached - audio - kept,
        audio=audio,
        cached_text=cached,
        output=output - thinking - spoken,
        thinking=thinking,
        cache_write=kept,
    )


def spoke(usage: object) -> bool:
    """Whether the answer has audio."""
    return isinstance(usage, dict) and bool(_details(usage, _CHAT[1]).get("audio_tokens"))


def _details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    details = usage.get(f"{name}_details")
    return details if isinstance(details, dict) else {}


def _count(parent: dict[str, Any], name: str, *, missing: int | None = None) -> int | None:
    value = parent.get(name)
    if value is None:
        return missing
    return value if type(value) is int and 0 <= value <= _MOST else None
