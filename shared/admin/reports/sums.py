"""Adding up: integers of nano-dollars, tokens and lines, and how they look when they leave."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol

from shared.domain.batch import Counts
from shared.domain.cost import Cost, dollars

__all__ = ["Facts", "Sum", "exact", "facts", "summed", "told"]

_CACHED: Final = frozenset({"cached_text", "cached_audio"})
_WRITTEN: Final = "cache_write"
_PROMPT: Final = frozenset({"text", "audio", "image", "video", *_CACHED, "tool", _WRITTEN})
_COMPLETION: Final = frozenset({"output", "image_output", "thinking"})
_NANO: Final = 10**9


class Counted(Protocol):
    """An entry of the ledger, or a sum of some."""

    @property
    def tokens(self) -> dict[str, int]: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def cost(self) -> Cost: ...


class Facts(NamedTuple):
    """What one record adds to a sum."""

    nano: int
    priced: int
    unpriced: int
    prompt: int
    completion: int
    cached: int
    written: int
    completed: int
    failed: int


def facts(record: Counted) -> Facts:
    cost, counts = record.cost, record.counts
    prompt = completion = cached = written = 0
    for kind, count in record.tokens.items():  # two or three of eleven, mostly
        if kind in _COMPLETION:
            completion += count
        elif kind in _PROMPT:
            prompt += count
            if kind in _CACHED:
                cached += count
            elif kind == _WRITTEN:
                written += count
    return Facts(
        *(cost.nano, cost.priced_lines, cost.unpriced_lines),
        *(prompt, completion, cached, written, counts.completed, counts.failed),
    )


class Sum:
    """A running sum of facts."""

    __slots__ = ("facts",)

    def __init__(self, first: Facts = Facts(0, 0, 0, 0, 0, 0, 0, 0, 0)) -> None:  # noqa: B008  # immutable
        self.facts = first

    def add(self, more: Facts) -> None:
        a, b, c, d, e, f, g, h, i = self.facts
        j, k, l, m, n, o, p, q, r = more  # noqa: E741
        self.facts = Facts(a + j, b + k, c + l, d + m, e + n, f + o, g + p, h + q, i + r)

    @property
    def exact(self) -> str | None:
        """US dollars to the nano-dollar; None where nothing of what ran has a known price."""
        found = self.facts
        return None if found.unpriced and not found.priced and not found.nano else exact(found.nano)

    def metrics(self) -> dict[str, Any]:
        """LiteLLM's `metrics`, with two members of our own."""
        found = self.facts
        return {
            "spend": dollars(found.nano),
            "spend_exact": self.exact,
            "prompt_tokens": found.prompt,
            "completion_tokens": found.completion,
            "cache_read_input_tokens": found.cached,
            "cache_creation_input_tokens": found.written,
            "total_tokens": found.prompt + found.completion,
            "successful_requests": found.completed,
            "failed_requests": found.failed,
            "api_requests": found.completed + found.failed,
            "unpriced_requests": found.unpriced,
        }


def summed(records: Iterable[Counted]) -> Sum:
    """The sum of all of them."""
    found = Sum()
    for each in records:
        found.add(facts(each))
    return found


def told(name: str, sum: Sum) -> dict[str, Any]:
    """An amount under its name; beside it the exact one, None where none is known, and how many have no known price."""
    nano, unpriced = sum.facts.nano, sum.facts.unpriced
    return {name: dollars(nano), f"{name}_exact": sum.exact, "unpriced_requests": unpriced}


def exact(nano: int) -> str:
    """US dollars as a decimal string, to the nano-dollar."""
    whole, rest = divmod(abs(nano), _NANO)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}"
