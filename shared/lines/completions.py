"""/v1/completions, the endpoint before chats, lowered to a chat of one message where nothing is lost.

One difference is meant: `max_tokens` has no default. OpenAI's is 16, which a model that thinks would think away.
"""

from typing import Any, Final

from shared.lines.checks import known, missing, unsupported, wrong_type
from shared.lines.lowering import EXTENSIONS, Lowered, Lowering

__all__ = ["COMPLETIONS"]

_SAME: Final = EXTENSIONS | {
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "stream",
    "stream_options",
    "user",
}
_OTHER: Final = frozenset({"prompt", "suffix", "echo", "best_of", "logprobs"})
_ENDS: Final = frozenset({"stop", "length", "content_filter"})


def lower(body: dict[str, Any]) -> Lowered:
    """The chat in which the prompt is all that is said. LineError where a chat cannot do what is asked."""
    known(body, _SAME | _OTHER)
    said, place = _prompt(body.get("prompt"))
    if body.get("suffix") not in {None, ""} if _hashable(body.get("suffix")) else True:
        raise unsupported("suffix", "nothing can be written before a given end.")
    return Lowered(body={"messages": [{"role": "user", "content": said}]}, places={"messages": place})


def _hashable(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _prompt(value: Any) -> tuple[str, str]:
    raise NotImplementedError


COMPLETIONS: Final = Lowering(name="completions", lower=lower, answer=lambda chat, echo: {**chat, **echo})
