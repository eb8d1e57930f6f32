"""A Claude message as a chat completion."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from shared.domain.usage import Tokens
from shared.providers.base import Answer, Entry, ProviderRow
from shared.providers.vertex.claude_reply import Block, ClaudeRow, ClaudeUsage, Message
from shared.providers.vertex.failure import day_of, failure, failure_of_row

__all__ = ["answer_claude"]

_FINISH: Final = {  # what is not here, as a pause or a reason of the future, is `stop`
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def answer_claude(rows: list[ProviderRow], entry: Entry) -> Answer:
    if not rows:
        return failure(500, "The model gave no answer to this request.", None, None, entry.ordinal)
    row: ClaudeRow = rows[0].content
    message = row.response
    if row.status or message is None or (message.content is None and message.stop_reason is None):
        if not row.status and message is not None and message.error is not None:  # it stands where the message should
            problem = {"error": {"type": message.error.type, "message": message.error.message}}
            row = ClaudeRow(row.custom_id, json.dumps(problem), row.processed_time)
        return failure_of_row(row, entry.ordinal)
    name = message.id or f"r-{entry.ordinal:06d}"
    body = {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": _created(row.processed_time),
        "model": entry.model,
        "choices": [_choice(message, name, entry.hints or {})],
        "usage": _usage(message.usage),
        "system_fingerprint": None,
    }
    return Answer(200, body, name, _tokens(message.usage), day_of(row))


def _created(time: str | None) -> int:
    try:
        return max(0, int(datetime.fromisoformat(time).timestamp())) if time else 0
    except (ValueError, OverflowError, OSError):
        return 0


def _choice(message: Message, name: str, hints: dict[str, Any]) -> dict[str, Any]:
    reason = message.stop_reason
    finish = _FINISH.get(reason, "stop") if reason else "stop"
    blocks = [block for block in message.content or () if block is not None]
    texts = [block.text for block in blocks if block.type == "text" and block.text is not None]
    calls = [block for block in blocks if block.type == "tool_use"]
    said: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": None}
    if "json" in hints and calls:
        said["content"] = _arguments(calls[0])
        finish = "stop" if finish == "tool_calls" else finish
    elif calls:
        said["tool_calls"] = [_call(block, f"{name}|{at}") for at, block in enumerate(calls)]
    else:
        finish = "stop" if finish == "tool_calls" else finish
        if said["content"] is None and finish != "content_filter":
            said["content"] = ""
    thoughts = [block.thinking for block in blocks if block.type == "thinking" and block.thinking]
    if thoughts and "thoughts" in hints:
        said["reasoning_content"] = "".join(thoughts)
    return {"index": 0, "message": said, "logprobs": None, "finish_reason": finish, "native_finish_reason": reason}


def _call(block: Block, seed: str) -> dict[str, Any]:
    """Under Claude's own id, which it wants back with the result."""
    id = block.id or f"call_{sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"
    return {"id": id, "type": "function", "function": {"name": block.name or "", "arguments": _arguments(block)}}


def _arguments(block: Block) -> str:
    given = bytes(block.input)
    return given.decode("utf-8", "replace") if given and given != b"null" else "{}"


def _usage(usage: ClaudeUsage | None) -> dict[str, Any] | None:
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    read = usage.cache_read_input_tokens or 0
    prompt = usage.input_tokens + read + (usage.cache_creation_input_tokens or 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": read, "audio_tokens": 0},
        "completion_tokens_details": {  # thoughts are in the output, and not counted apart
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _tokens(usage: ClaudeUsage | None) -> Tokens | None:
    """None where they are not said. Our rows never ask for a cache to be written; a caller's own may."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return Tokens(
        text=usage.input_tokens,
        cached_text=usage.cache_read_input_tokens or 0,
        output=usage.output_tokens,
        cache_write=usage.cache_creation_input_tokens or 0,
    )
