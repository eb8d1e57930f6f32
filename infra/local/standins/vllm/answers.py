"""What vLLM reads in a request and what it says to it, errors included."""

import time
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["CHAT", "COMPLETIONS", "EMBEDDINGS", "SAYS", "Refusal", "answer_to", "texts_of", "urls_of", "wanted_tokens"]

SAYS: Final = "offpeak-stand-in"
CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
EMBEDDINGS: Final = "/v1/embeddings"
_USUAL_TOKENS: Final = 8
_DIMENSIONS: Final = 8


class Refusal(Exception):
    """An answer that is an error, in vLLM's words."""

    def __init__(self, status: int, message: str, kind: str = "BadRequestError", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": status}}


def texts_of(path: str, body: dict[str, Any]) -> list[str]:
    """What is said in a request."""
    if path == CHAT:
        messages = body.get("messages")
        if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
            raise Refusal(400, "[{'type': 'missing', 'loc': ('body', 'messages'), 'msg': 'Field required'}]")
        return ["".join(_said(message.get("content"))) for message in messages]
    name = "input" if path == EMBEDDINGS else "prompt"
    given = body.get(name)
    if given is None:
        raise Refusal(400, f"[{{'type': 'missing', 'loc': ('body', '{name}'), 'msg': 'Field required'}}]")
    if isinstance(given, list) and given and not isinstance(given[0], int):
        return [each if isinstance(each, str) else " ".join(map(str, each)) for each in given]
    return [given if isinstance(given, str) else " ".join(map(str, given))]


def _said(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        yield str(part.get("text", "")) if isinstance(part, dict) else str(part)


def urls_of(body: dict[str, Any]) -> list[str]:
    """URLs of http in the content parts."""
    found = []
    for message in body.get("messages") or ():
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            for name, value in part.items() if isinstance(part, dict) else ():
                url = value.get("url") if isinstance(value, dict) else value
                if name.endswith("_url") and isinstance(url, str) and url.startswith("http"):
                    found.append(url)
    return found


def wanted_tokens(body: dict[str, Any]) -> int:
    """How long the answer will be; Refusal of a parameter that makes no sense."""
    temperature = body.get("temperature")
    if temperature is not None and (isinstance(temperature, bool) or not isinstance(temperature, int | float)):
        raise Refusal(400, "[{'type': 'float_parsing', 'loc': ('body', 'temperature')}]", "Bad Request")
    if temperature is not None and not 0 <= temperature < float("inf"):
        raise Refusal(400, f"temperature must be non-negative, got {temperature}.", param="temperature")
    tokens = body.get("max_completion_tokens") or body.get("max_tokens") or _USUAL_TOKENS
    if not isinstance(tokens, int) or tokens < 1:
        raise Refusal(400, f"max_tokens must be at least 1, got {tokens}.", param="max_tokens")
    return tokens


def answer_to(path: str, body: dict[str, Any], name: str, texts: list[str], usage: dict[str, Any]) -> Any:
    """The body of a good answer: an echo of what was said last."""
    if path == EMBEDDINGS:
        data = [
            {"index": at, "object": "embedding", "embedding": [len(text) / 1000 + at] * _DIMENSIONS}
            for at, text in enumerate(texts)
        ]
        made = {"id": f"embd-{name}", "object": "list", "created": int(time.time()), "model": body.get("model")}
        return {**made, "data": data, "usage": usage}
    said = f"This is a stand-in. {(texts or [''])[-1]}"
    choices = []
    for index in range(body.get("n") or 1):
        extra = {"logprobs": None, "finish_reason": "stop", "stop_reason": None, "token_ids": None}
        if path == CHAT:
            message = {"role": "assistant", "content": said, "refusal": None, "annotations": None, "audio": None}
            message |= {"function_call": None, "reasoning": None}
            choices.append({"index": index, "message": message, **extra, "routed_experts": None})
        else:
            choices.append({"index": index, "text": said, **extra, "prompt_logprobs": None})
    prefix, kind = ("chatcmpl", "chat.completion") if path == CHAT else ("cmpl", "text_completion")
    return {
        "id": f"{prefix}-{name}",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model"),
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": SAYS,
        "usage": usage,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "kv_transfer_params": None,
        "metrics": None,
    }
