"""What a server answered, kept as far as OpenAI's contract knows it, or found to be no answer at all.

vLLM adds token ids, caches' addresses and metrics to its answers, others add more. None of it is the caller's.
"""

import re
from hashlib import sha256
from typing import Any, Final

from shared.providers.vllm.profile import CHAT, COMPLETIONS, EMBEDDINGS

__all__ = ["known"]

_OBJECTS: Final = {CHAT: "chat.completion", COMPLETIONS: "text_completion", EMBEDDINGS: "list"}
_PREFIXES: Final = {CHAT: "chatcmpl", COMPLETIONS: "cmpl"}
_ENDS: Final = re.compile(r"[a-z_]{1,32}")
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_GIVEN: Final = ("prompt_tokens", "total_tokens")  # embeddings write nothing
_DETAILS: Final = ("prompt_tokens_details", "completion_tokens_details")
_LATEST: Final = 2**33  # seconds: the year 2242


def known(endpoint: str, body: Any) -> dict[str, Any] | None:
    """The answer with OpenAI's fields alone; None where it is not one of this endpoint. Total, and the same again."""
    if not isinstance(body, dict) or body.get("object") not in (None, _OBJECTS[endpoint]):
        return None
    return _embeddings(body) if endpoint == EMBEDDINGS else _completion(endpoint, body)


def _embeddings(body: dict[str, Any]) -> dict[str, Any] | None:
    data = body.get("data")
    if not isinstance(data, list) or not data:
        return None
    vectors = []
    for at, item in enumerate(data):
        vector = item.get("embedding") if isinstance(item, dict) else None
        if not (isinstance(vector, str) and vector) and not _numbers(vector):
            return None
        index = item.get("index")
        vectors.append({"object": "embedding", "index": index if _count(index) else at, "embedding": vector})
    usage = _usage(body.get("usage"), _GIVEN)
    return {"object": "list", "data": vectors, "model": _text(body.get("model")), "usage": usage}


def _numbers(vector: Any) -> bool:
    """Decoded JSON has no number that is none or without end, so it is enough that all are numbers."""
    return isinstance(vector, list) and bool(vector) and {*map(type, vector)} <= {float, int}


def _completion(endpoint: str, body: dict[str, Any]) -> dict[str, Any] | None:
    listed = body.get("choices")
    if not isinstance(listed, list) or not listed:
        return None
    reader = _spoken if endpoint == CHAT else _written
    choices = []
    for at, given in enumerate(listed):
        said = reader(given) if isinstance(given, dict) else None
        if said is None:
            return None
        index, end = given.get("index"), given.get("finish_reason")
        logprobs = given.get("logprobs")
        choices.append(
            {
                "index": index if _count(index) else at,
                **said,
                "logprobs": logprobs if isinstance(logprobs, dict) else None,
                "finish_reason": end if isinstance(end, str) and _ENDS.fullmatch(end) else "stop",
            }
        )
    print_ = body.get("system_fingerprint")
    return {
        "id": _id(_PREFIXES[endpoint], body.get("id")),
        "object": _OBJECTS[endpoint],
        "created": _moment(body.get("created")),
        "model": _text(body.get("model")),
        "choices": choices,
        "usage": _usage(body.get("usage")),
        "system_fingerprint": print_ if isinstance(print_, str) else None,
    }


def _written(choice: dict[str, Any]) -> dict[str, Any] | None:
    text = choice.get("text")
    return {"text": text} if isinstance(text, str) else None


def _spoken(choice: dict[str, Any]) -> dict[str, Any] | None:
    given = choice.get("message")
    content = given.get("content") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(content, str | None):
        return None
    message: dict[str, Any] = {"role": "assistant", "content": content}
    thoughts = given.get("reasoning_content") or given.get("reasoning")  # the older name, and vLLM's since 0.11
    message["refusal"] = refusal if isinstance(refusal := given.get("refusal"), str) else None
    if isinstance(thoughts, str):
        message["reasoning_content"] = thoughts
    listed = given.get("tool_calls") or []
    calls = [_call(call) for call in listed] if isinstance(listed, list) else [None]
    if None in calls:
        return None
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def _call(call: Any) -> dict[str, Any] | None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return None
    id, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
    if not isinstance(id, str) or not isinstance(name, str) or not isinstance(arguments, str):
        return None
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(usage: Any, names: tuple[str, ...] = _COUNTS) -> dict[str, Any] | None:
    """Its counts, where they are some."""
    if not isinstance(usage, dict):
        return None
    counts = {name: usage.get(name) for name in names}
    if not all(map(_count, counts.values())):
        return None
    for name in _DETAILS:
        details = usage.get(name)
        if isinstance(details, dict):
            counts[name] = {of: number for of, number in details.items() if isinstance(of, str) and _count(number)}
    return counts


def _id(prefix: str, id: Any) -> str:
    """The same each time. vLLM makes its own of the name that we gave the request, which is nobody else's business."""
    text = id if isinstance(id, str) else ""
    made = f"{prefix}-"
    if text.startswith(made) and _MADE.fullmatch(text, len(made)):
        return text
    return made + sha256(text.encode("utf-8", "replace")).hexdigest()[:29]


_MADE: Final = re.compile(r"[0-9a-f]{29}")  # 29, which no uuid has: so that our own is known again


def _moment(value: Any) -> int:
    known_ = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LATEST
    return int(value) if known_ else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**53
