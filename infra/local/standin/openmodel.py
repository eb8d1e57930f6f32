"""What an open model says to one row: OpenAI's chat completions and embeddings, of text alone."""

import hashlib
import math
import re
from typing import Any, Final

import msgspec

from infra.local.standin.request import RowRefused
from infra.local.standin.schema import value_for

__all__ = ["completion"]

_HONEST: Final = "This is Offpeak's Vertex stand-in speaking; no model was asked."
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_TOKEN: Final = re.compile(r"\s*(?:\w{1,6}|[^\w\s])")
_DIMENSIONS: Final = 1024
_QUOTED: Final = 240
_MADE: Final = 1_794_652_200


def completion(body: dict[str, Any], url: str, marker: str, model: str) -> dict[str, Any]:
    """The body of the answer; RowRefused where the server would answer with an error."""
    publisher, _, name = model.partition("/")
    if body.get("model") not in {model, name}:
        raise RowRefused(f"The model `{body.get('model')}` is not {publisher}'s {name}.", 404, "NOT_FOUND")
    if url == "/v1/embeddings":
        return _embeddings(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RowRefused("messages: Field required")
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise RowRefused(f"messages.{at}.role: unknown")
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            if part.get("type") != "text":
                raise RowRefused("Only text is supported in batch prediction.")
    return _chat(body, marker)


def _chat(body: dict[str, Any], marker: str) -> dict[str, Any]:
    seed = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
    prompt = max(1, len(msgspec.json.encode(body["messages"])) // 4)
    said: dict[str, Any] = {"role": "assistant", "content": None}
    finish = "stop"
    declared = [tool["function"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
    if declared and body.get("tool_choice") != "none" and (marker == "call" or body.get("tool_choice") == "required"):
        arguments = value_for(declared[0].get("parameters")) if declared[0].get("parameters") else {}
        call = {"name": declared[0]["name"], "arguments": msgspec.json.encode(arguments).decode()}
        said["tool_calls"] = [{"id": f"call_{seed[:24]}", "type": "function", "function": call}]
        finish, written = "tool_calls", 8
    else:
        wanted = (body.get("response_format") or {}).get("json_schema")
        text = f"{_HONEST} You wrote: {_asked(body)}"
        if wanted:
            text = msgspec.json.encode(value_for(wanted.get("schema"))).decode()
        pieces = _TOKEN.findall(text)
        most = body.get("max_completion_tokens") or body.get("max_tokens") or len(pieces)
        finish, written = "stop" if len(pieces) <= most else "length", min(len(pieces), most)
        said["content"] = "".join(pieces[:most])
    return {
        "id": f"chatcmpl-{seed[:24]}",
        "object": "chat.completion",
        "created": _MADE,
        "model": f"{body['model']}-stand-in",
        "choices": [{"index": 0, "finish_reason": finish, "message": said, "logprobs": None}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
    }


def _asked(body: dict[str, Any]) -> str:
    content = body["messages"][-1].get("content") or ""
    return (content if isinstance(content, str) else " ".join(part["text"] for part in content))[:_QUOTED]


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise RowRefused("input: Input should be a valid string")
    count = sum(math.ceil(len(text) / 4) for text in texts)
    size = body.get("dimensions") or _DIMENSIONS
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": at, "embedding": [1.0] + [0.0] * (size - 1)} for at in range(len(texts))
        ],
        "model": f"{body['model']}-stand-in",
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }
