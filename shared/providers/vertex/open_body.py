"""The body of an open model's answer: whether it is one, with the members that every reader of OpenAI's counts on."""

from typing import Any

__all__ = ["settled"]


def settled(body: dict[str, Any], chat: bool, name: str) -> dict[str, Any] | None:  # noqa: FBT001 - or embeddings
    """The body; None where it is no answer. `name` stands for an id that is missing."""
    if not chat:
        return body if isinstance(body.get("data"), list) and body["data"] else None
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    if not all(_is_choice(choice) for choice in choices):
        return None
    for at, choice in enumerate(choices):
        choice.setdefault("index", at)
        if not isinstance(choice.get("finish_reason"), str):
            choice["finish_reason"] = "tool_calls" if choice["message"].get("tool_calls") else "stop"
    if not isinstance(body.get("id"), str):
        body["id"] = f"chatcmpl-{name}"
    if type(body.get("created")) is not int:
        body["created"] = 0
    if not _is_usage(body.get("usage")):
        body["usage"] = None
    return body


def _is_choice(choice: Any) -> bool:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | None):
        return False
    calls = message.get("tool_calls")
    if calls is None:
        return True
    return isinstance(calls, list) and all(
        isinstance(call, dict)
        and isinstance(call.get("id"), str)
        and isinstance(call.get("function"), dict)
        and isinstance(call["function"].get("name"), str)
        and isinstance(call["function"].get("arguments"), str)
        for call in calls
    )


def _is_usage(usage: Any) -> bool:
    return (
        isinstance(usage, dict)
        and all(type(usage.get(name)) is int for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
        and all(
            usage.get(name) is None or isinstance(usage[name], dict)
            for name in ("prompt_tokens_details", "completion_tokens_details")
        )
    )
