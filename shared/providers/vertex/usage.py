"""What an answer used: Vertex's usageMetadata as our tokens, whose kinds never overlap, and as OpenAI's `usage`.

Vertex leaves out what is zero, so a count that is missing says zero only where the others confirm it: there must be one
of the prompt, or a total that is the sum of the rest. What was used is else unknown, and unknown is not zero.
"""

from collections.abc import Iterable
from typing import Any, Final

from shared.domain.usage import Tokens
from shared.providers.vertex.reply import Detail, UsageMetadata

__all__ = ["usage_of"]

_KINDS: Final = {"TEXT": "text", "AUDIO": "audio", "IMAGE": "image", "VIDEO": "video"}  # others, as DOCUMENT, are text
_ORDER: Final = ("text", "audio", "image", "video")  # what a cache is taken to have held, where it does not say


def usage_of(meta: UsageMetadata | None) -> tuple[Tokens, dict[str, Any]] | None:
    """Our tokens, and `usage` of a chat completion. None where the counts are not given, or contradict each other."""
    if meta is None:
        return None
    prompt = meta.prompt_token_count or _sum(meta.prompt_tokens_details)
    written = meta.candidates_token_count or _sum(meta.candidates_tokens_details)
    thinking = meta.thoughts_token_count or 0
    tool = meta.tool_use_prompt_token_count or 0
    cached = meta.cached_content_token_count or 0
    given, total = meta.total_token_count, prompt + written + tool + thinking
    if not prompt and meta.prompt_token_count is None and not given:
        return None
    if given is not None and given != total:
        if given != total - thinking or written < thinking:
            return None
        total = given
        written -= thinking  # the candidates' count has the thoughts in it
    if cached > prompt:
        return None
    if _is_text(meta.prompt_tokens_details) and _is_text(meta.candidates_tokens_details):
        audio = cached_audio = image_output = 0
        tokens = Tokens(prompt - cached, 0, 0, 0, cached, 0, tool, written, 0, thinking)
    else:
        held = _by_kind(meta.prompt_tokens_details, prompt)
        audio = held["audio"]
        from_cache = _cached(meta.cache_tokens_details, cached, held)
        cached_audio = from_cache["audio"]
        image_output = min(_by_kind(meta.candidates_tokens_details, written)["image"], written)
        tokens = Tokens(
            text=held["text"] - from_cache["text"],
            audio=audio - cached_audio,
            image=held["image"] - from_cache["image"],
            video=held["video"] - from_cache["video"],
            cached_text=cached - cached_audio,  # cached images and videos have the rate of text
            cached_audio=cached_audio,
            tool=tool,
            output=written - image_output,
            image_output=image_output,
            thinking=thinking,
        )
    usage = {
        "prompt_tokens": prompt + tool,
        "completion_tokens": written + thinking,
        "total_tokens": total,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": audio},
        "completion_tokens_details": {
            "reasoning_tokens": thinking,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return tokens, usage


def _is_text(details: list[Detail | None] | None) -> bool:
    return not details or (len(details) == 1 and details[0] is not None and details[0].modality == "TEXT")


def _known(details: list[Detail | None] | None) -> Iterable[Detail]:
    return (detail for detail in details or () if detail is not None)


def _sum(details: list[Detail | None] | None) -> int:
    return sum(detail.token_count or 0 for detail in _known(details))


def _by_kind(details: list[Detail | None] | None, total: int) -> dict[str, int]:
    """How `total` divides into kinds; what the details leave open is text; what they claim too much is cut."""
    kinds = dict.fromkeys(_ORDER, 0)
    for detail in _known(details):
        kinds[_KINDS.get(detail.modality or "", "text")] += detail.token_count or 0
    missing = total - sum(kinds.values())
    if missing >= 0:
        kinds["text"] += missing
    else:
        for kind in _ORDER:
            taken = min(kinds[kind], -missing)
            kinds[kind] -= taken
            missing += taken
    return kinds


def _cached(details: list[Detail | None] | None, cached: int, held: dict[str, int]) -> dict[str, int]:
    """How many tokens of each kind came from the cache: as it says, within what was there; else text first."""
    claimed = dict.fromkeys(_ORDER, 0)
    for detail in _known(details):
        claimed[_KINDS.get(detail.modality or "", "text")] += detail.token_count or 0
    taken, left = {}, cached
    for kind in _ORDER:
        taken[kind] = min(claimed[kind], held[kind], left)
        left -= taken[kind]
    for kind in _ORDER:
        more = min(held[kind] - taken[kind], left)
        taken[kind] += more
        left -= more
    return taken
