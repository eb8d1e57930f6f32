"""/v1/completions, the endpoint before chats, lowered to a chat of one message where nothing is lost.

One difference is meant: `max_tokens` has no default. OpenAI's is 16, which a model that thinks would think away.
"""

from typing import Any, Final

from shared.lines.checks import missing, only, text, unsupported, wrong_type
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
_EXTRAS: Final = ("reasoning_content", "images")  # extensions of a chat's message


def lower(body: dict[str, Any]) -> Lowered:
    """The chat in which the prompt is all that is said. LineError where a chat cannot do what is asked."""
    only(body, _SAME | _OTHER)
    given = {name: value for name, value in body.items() if value is not None}
    said, place = _prompt(given.get("prompt"))
    _refuse(given)
    chat = {name: given[name] for name in given if name in _SAME}
    return Lowered(
        body={"messages": [{"role": "user", "content": said}], **chat},
        places={"messages": place, "messages[0]": place, "messages[0].content": place},
    )


def _prompt(value: Any) -> tuple[str, str]:
    """The prompt and where it stands."""
    if not isinstance(value, list):
        if not isinstance(value, (str, type(None))):
            raise wrong_type("prompt", "a string or an array", value)
        return text(value, "prompt"), "prompt"
    if any(not isinstance(one, str) for one in value):
        raise unsupported("prompt", "token ids are another model's; give the text.")
    if not value:
        raise missing("prompt")
    if len(value) > 1:
        raise unsupported("prompt", "give each prompt a line of its own.")
    return value[0], "prompt[0]"


def _refuse(given: dict[str, Any]) -> None:
    """What no chat can do, unless it is given as the value that asks for nothing."""
    if given.get("suffix", "") != "":
        raise unsupported("suffix", "a chat cannot be made to lead up to a given end.")
    if given.get("echo", False) is not False:
        raise unsupported("echo", "a chat answers without the prompt.")
    best = given.get("best_of")
    if best is not None and (type(best) is not int or best != given.get("n", 1)):
        raise unsupported("best_of", "all that is generated is returned; ask for it with n.")
    if "logprobs" in given:
        raise unsupported("logprobs", "those of a chat cannot be said in this form.")


def complete(chat: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    """The text completion that a chat.completion is."""
    return {
        "id": f"cmpl-{chat['id'].removeprefix('chatcmpl-')}",
        "object": "text_completion",
        "created": chat["created"],
        "model": chat["model"],
        "choices": [_choice(choice) for choice in chat["choices"]],
        "usage": chat.get("usage"),
        "system_fingerprint": chat.get("system_fingerprint"),
    }


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    message, end = choice["message"], choice["finish_reason"]
    return {
        "index": choice["index"],
        "text": message.get("content") or "",
        "logprobs": None,
        "finish_reason": end if end in _ENDS else "stop",
        "native_finish_reason": choice.get("native_finish_reason"),
        **{name: message[name] for name in _EXTRAS if message.get(name)},
    }


COMPLETIONS: Final = Lowering(name="completions", lower=lower, answer=complete)
