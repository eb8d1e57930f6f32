"""A Gemini response as a chat completion."""

import math
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from shared.providers.base import Answer, Entry, ProviderRow
from shared.providers.vertex.failure import day_of, failure, failure_of_row
from shared.providers.vertex.reply import Candidate, Chosen, Logprobs, Part, Response, Row
from shared.providers.vertex.usage import usage_of

__all__ = ["answer_chat"]

_FINISH: Final = {  # what is not here, as a malformed function call or a reason of the future, is `stop`
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MODEL_ARMOR",
            "LANGUAGE",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_OTHER",
            "NO_IMAGE",
            "OTHER",
        ),
        "content_filter",
    ),
}
_IMPOSSIBLE: Final = -9999.0  # what OpenAI writes for a token of no probability


def answer_chat(rows: list[ProviderRow], entry: Entry) -> Answer:
    if not rows:
        return failure(500, "The model gave no answer to this request.", None, None, entry.ordinal)
    row: Row = rows[0].content
    response = row.response
    if row.status or response is None or _is_empty(response):
        return failure_of_row(row, entry.ordinal)
    tokens, usage = usage_of(response.usage_metadata) or (None, None)
    name = response.response_id or f"r-{entry.ordinal:06d}"
    body = {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": _created(response.create_time) or _created(row.processed_time),
        "model": entry.model,
        "choices": _choices(response, entry, name),
        "usage": usage,
        "system_fingerprint": None,
    }
    return Answer(200, body, name, tokens, day_of(row))


def _is_empty(response: Response) -> bool:
    return not response.candidates and response.prompt_feedback is None and response.usage_metadata is None


def _created(time: str | None) -> int:
    try:
        return max(0, int(datetime.fromisoformat(time).timestamp())) if time else 0
    except (ValueError, OverflowError, OSError):
        return 0


def _choices(response: Response, entry: Entry, name: str) -> list[dict[str, Any]]:
    candidates = [candidate for candidate in response.candidates or () if candidate is not None]
    if not candidates:
        return [_blocked(response)]
    if len(candidates) > 1:
        candidates.sort(key=lambda candidate: candidate.index or 0)
    hints = entry.hints or {}
    return [_choice(candidate, at, name, hints) for at, candidate in enumerate(candidates)]


def _blocked(response: Response) -> dict[str, Any]:
    """The one choice of a prompt that was refused."""
    block = response.prompt_feedback
    refusal = None if block is None else block.block_reason_message or block.block_reason
    return {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": refusal},
        "logprobs": None,
        "finish_reason": "content_filter",
        "native_finish_reason": None if block is None else block.block_reason,
    }


def _choice(candidate: Candidate, at: int, name: str, hints: dict[str, Any]) -> dict[str, Any]:
    reason = candidate.finish_reason
    finish = _FINISH.get(reason, "stop") if reason else "stop"
    parts = (candidate.content.parts or ()) if candidate.content is not None else ()
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if len(parts) == 1 and _is_plain(parts[0]):
        message["content"] = parts[0].text
    else:
        calls = _read_parts(message, parts, f"{name}|{at}", hints)
        if calls:
            finish = _add_calls(message, calls, legacy="functions" in hints)
        elif message["content"] is None and finish != "content_filter":
            message["content"] = ""
    return {
        "index": at,
        "message": message,
        "logprobs": None if candidate.logprobs_result is None else _logprobs(candidate.logprobs_result),
        "finish_reason": finish,
        "native_finish_reason": reason,
    }


def _is_plain(part: Part) -> bool:
    return part is not None and part.text is not None and not part.thought and part.function_call is None


def _read_parts(
    message: dict[str, Any], parts: list[Part] | tuple[()], seed: str, hints: dict[str, Any]
) -> list[dict[str, Any]]:
    """Fill in what the parts say; the calls of functions among them."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for part in parts:
        if part is None:
            continue
        if part.function_call is not None:
            calls.append(_call(part, f"{seed}|{len(calls)}"))
        elif part.text is not None:
            (thoughts if part.thought else texts).append(part.text)
        elif part.inline_data is not None and not part.thought:
            url = f"data:{part.inline_data.mime_type};base64,{part.inline_data.data}"
            images.append({"type": "image_url", "index": len(images), "image_url": {"url": url}})
    if texts:
        message["content"] = "".join(texts)
    if thoughts and "thoughts" in hints:
        message["reasoning_content"] = "".join(thoughts)
    if images:
        message["images"] = images  # an extension: images were not asked for, but they are there and paid for
    return calls


def _call(part: Part, seed: str) -> dict[str, Any]:
    call = part.function_call
    args = b"" if call is None else bytes(call.args)
    arguments = args.decode("utf-8", "replace") if args and args != b"null" else "{}"
    made: dict[str, Any] = {
        "id": f"call_{sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}",
        "type": "function",
        "function": {"name": (call.name if call is not None else None) or "", "arguments": arguments},
    }
    if part.thought_signature:  # Gemini 3 wants it back with the conversation
        made["extra_content"] = {"google": {"thought_signature": part.thought_signature}}
    return made


def _add_calls(message: dict[str, Any], calls: list[dict[str, Any]], *, legacy: bool) -> str:
    """The calls, in the form in which the functions were offered; the finish reason that goes with it."""
    if legacy and len(calls) == 1:
        message["function_call"] = calls[0]["function"]
        return "function_call"
    message["tool_calls"] = calls
    return "tool_calls"


def _logprobs(result: Logprobs) -> dict[str, Any]:
    tops = result.top_candidates or []
    content = []
    for at, chosen in enumerate(result.chosen_candidates or ()):
        top = tops[at].candidates if at < len(tops) and tops[at] is not None else None
        content.append({**_token(chosen), "top_logprobs": [_token(one) for one in top or ()]})
    return {"content": content, "refusal": None}


def _token(chosen: Chosen | None) -> dict[str, Any]:
    token = (chosen.token if chosen is not None else None) or ""
    logprob = chosen.log_probability if chosen is not None else None
    if logprob is None or not _IMPOSSIBLE <= logprob < math.inf:  # nor is NaN
        logprob = _IMPOSSIBLE
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
