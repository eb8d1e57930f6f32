"""A chat completion as a Response object. Its ids are the chat's, so that the same answer has the same ids.

Of the request it repeats what is short: the numbers, the effort, the tool choice, the kind of format. `instructions`,
`tools`, `metadata` and a schema are not kept with a line, and stand here as null or empty.
"""

from typing import Any, Final

__all__ = ["respond"]

_CUT: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def respond(chat: dict[str, Any], echo: dict[str, Any]) -> dict[str, Any]:
    """The Response that the first choice of a chat.completion is."""
    choice = chat["choices"][0]
    reason = _CUT.get(choice["finish_reason"])
    form = echo.get("format", "text")
    return {
        "id": f"resp_{_name(chat)}",
        "object": "response",
        "created_at": chat["created"],
        "status": "incomplete" if reason else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "max_output_tokens": echo.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": chat["model"],
        "output": _output(choice, _name(chat), "incomplete" if reason else "completed"),
        "parallel_tool_calls": echo.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": echo.get("effort"), "summary": echo.get("summary")},
        "store": False,
        "temperature": echo.get("temperature"),
        "text": None if form == "json_schema" else {"format": {"type": form}},
        "tool_choice": echo.get("tool_choice", "auto"),
        "tools": [],
        "top_p": echo.get("top_p"),
        "truncation": "disabled",
        "usage": _usage(chat.get("usage")),
        "metadata": {},
        "native_finish_reason": choice.get("native_finish_reason"),
    }


def _name(chat: dict[str, Any]) -> str:
    name: str = chat["id"]
    return name.removeprefix("chatcmpl-")


def _output(choice: dict[str, Any], name: str, status: str) -> list[dict[str, Any]]:
    """Thoughts, then words, then pictures, then calls."""
    message = choice["message"]
    calls = message.get("tool_calls") or []
    output: list[dict[str, Any]] = []
    if thoughts := message.get("reasoning_content"):
        summary = [{"type": "summary_text", "text": thoughts}]
        output.append({"id": f"rs_{name}", "type": "reasoning", "summary": summary})
    if content := _content(choice, empty=not calls):
        said = {"type": "message", "role": "assistant", "status": status, "content": content}
        output.append({"id": f"msg_{name}", **said})
    for at, image in enumerate(message.get("images") or ()):
        data = image["image_url"]["url"].partition(",")[2]
        made = {"type": "image_generation_call", "status": "completed", "result": data}
        output.append({"id": f"ig_{name}_{at}", **made})
    output += [_call(call) for call in calls]
    return output


def _content(choice: dict[str, Any], *, empty: bool) -> list[dict[str, Any]]:
    """Words and a refusal; words that are none only where there is nothing else and `empty` allows it."""
    message = choice["message"]
    content: list[dict[str, Any]] = []
    said = message.get("content")
    if said or (empty and said is not None):
        part: dict[str, Any] = {"type": "output_text", "text": said, "annotations": message.get("annotations") or []}
        if choice.get("logprobs") is not None:
            part["logprobs"] = choice["logprobs"].get("content") or []
        content.append(part)
    if message.get("refusal"):
        content.append({"type": "refusal", "refusal": message["refusal"]})
    return content


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    item = {
        "id": f"fc_{call['id'].removeprefix('call_')}",
        "type": "function_call",
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"],
        "status": "completed",
    }
    if "extra_content" in call:  # to be given back with the item
        item["extra_content"] = call["extra_content"]
    return item


def _usage(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": usage["total_tokens"],
    }
