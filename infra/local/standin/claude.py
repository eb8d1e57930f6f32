"""What Claude says to one row: Anthropic's Messages, checked field by field, with the errors that its API gives.

Written from Anthropic's documentation, and on purpose without a look at Offpeak's own checks.
"""

import binascii
import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from infra.local.standin.request import RowRefused
from infra.local.standin.schema import value_for

__all__ = ["check_message", "message"]

_HONEST: Final = "This is Offpeak's Vertex stand-in speaking; no model was asked."
_FIELDS: Final = frozenset({
    "anthropic_version", "max_tokens", "messages", "system", "metadata", "stop_sequences", "temperature", "top_k",
    "top_p", "tools", "tool_choice", "thinking", "stream", "anthropic_beta",
})  # fmt: skip
_BLOCKS: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text", "cache_control", "citations"}),
    "image": frozenset({"source", "cache_control"}),
    "document": frozenset({"source", "title", "context", "citations", "cache_control"}),
    "tool_use": frozenset({"id", "name", "input", "cache_control"}),
    "tool_result": frozenset({"tool_use_id", "content", "is_error", "cache_control"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
}
_MEDIA: Final = {
    "image": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"}),
    "document": frozenset({"application/pdf"}),
}
_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TOKEN: Final = re.compile(r"\s*(?:\w{1,6}|[^\w\s])")
_QUOTED: Final = 240


def check_message(request: dict[str, Any]) -> None:
    """RowRefused where the API would answer with an error."""
    for name in request:
        _hold(name in _FIELDS, f"{name}: Extra inputs are not permitted")
    _hold(request.get("anthropic_version") == "vertex-2023-10-16", "anthropic_version: Field required")
    most = request.get("max_tokens")
    _hold(most is not None, "max_tokens: Field required")
    _hold(type(most) is int, "max_tokens: Input should be a valid integer")
    _hold(most > 0, "max_tokens: must be greater than 0")  # type: ignore[operator]
    _hold(not request.get("stream"), "stream: not supported in batches")
    for name, least, largest in (("temperature", 0, 1), ("top_p", 0, 1), ("top_k", 0, math.inf)):
        value = request.get(name, least)
        _hold(type(value) in {int, float} and least <= value <= largest, f"{name}: range: {least}..{largest}")
    for stop in request.get("stop_sequences", []):
        _hold(
            isinstance(stop, str) and stop.strip() != "",
            "stop_sequences: each stop sequence must contain non-whitespace",
        )
    system = request.get("system", [])
    _hold(isinstance(system, str | list), "system: Input should be a valid list")
    for block in [] if isinstance(system, str) else system:
        _hold(block.get("type") == "text", "system: only text")
        _check_block(block, "system")
    _check_turns(request.get("messages"))
    _check_tools(request)
    _check_thinking(request)


def message(request: dict[str, Any], marker: str, model: str) -> dict[str, Any]:
    """The `response` of one row."""
    check_message(request)
    seed = hashlib.sha256(msgspec.json.encode(request, order="deterministic")).hexdigest()
    most, content, reason = request["max_tokens"], list[dict[str, Any]](), "end_turn"
    written = 0
    if request.get("thinking", {}).get("type") == "enabled":
        content.append({"type": "thinking", "thinking": "(the stand-in does not think)", "signature": "c3RhbmQtaW4="})
        written += 6
    call = _call(request, marker)
    if marker == "safety":
        reason = "refusal"
    elif call is not None:
        content.append({"type": "tool_use", "id": f"toolu_vrtx_{seed[:24]}", **call})
        written, reason = written + max(1, len(msgspec.json.encode(call)) // 4), "tool_use"
    else:
        said = f"{_HONEST} You wrote: {_asked(request)}"
        ends = [place for place in (said.find(stop) for stop in request.get("stop_sequences", [])) if place >= 0]
        if ends:
            said, reason = said[: min(ends)], "stop_sequence"
        pieces = _TOKEN.findall(said)
        if len(pieces) > most:
            pieces, reason = pieces[:most], "max_tokens"
        written += len(pieces)
        content.append({"type": "text", "text": "".join(pieces)})
    if marker == "odd":
        reason = "some_future_reason"
    return {
        "id": f"msg_vrtx_{seed[:24]}",
        "type": "message",
        "role": "assistant",
        "model": f"{model.partition('@')[0]}-stand-in",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": max(1, len(msgspec.json.encode([request["messages"], request.get("system")])) // 4),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": written,
        },
    }


def _hold(holds: bool, said: str) -> None:  # noqa: FBT001 - as an assertion reads
    if not holds:
        raise RowRefused(said)


def _check_turns(messages: Any) -> None:
    _hold(isinstance(messages, list) and messages != [], "messages: at least one message is required")
    open_calls: set[str] = set()
    for at, turn in enumerate(messages):
        _hold(
            set(turn) == {"role", "content"}, f"messages.{at}: role and content are required, nothing else is permitted"
        )
        _hold(turn["role"] in {"user", "assistant"}, f'messages.{at}: Unexpected role "{turn["role"]}"')
        content = turn["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        _hold(isinstance(content, list) and content != [], f"messages.{at}: all messages must have non-empty content")
        for number, block in enumerate(content):
            _check_block(block, f"messages.{at}.content.{number}")
        results = {block["tool_use_id"] for block in content if block["type"] == "tool_result"}
        _hold(
            results == open_calls,
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after",
        )
        open_calls = {block["id"] for block in content if block["type"] == "tool_use"}
        _hold(
            turn["role"] == "assistant" or not open_calls,
            f"messages.{at}: `tool_use` blocks can only be in assistant messages",
        )
    _hold(messages[0]["role"] == "user", 'messages: first message must use the "user" role')
    _hold(not open_calls, "messages: `tool_use` without `tool_result`")


def _check_block(block: Any, where: str) -> None:
    _hold(isinstance(block, dict) and block.get("type") in _BLOCKS, f"{where}: unknown block")
    kind = block["type"]
    for name in block:
        _hold(name == "type" or name in _BLOCKS[kind], f"{where}.{kind}.{name}: Extra inputs are not permitted")
    match kind:
        case "text":
            _hold(block.get("text", "").strip() != "", f"{where}: text content blocks must contain non-whitespace text")
        case "image" | "document":
            _check_source(kind, block.get("source"), where)
        case "tool_use":
            _hold(_ID.fullmatch(block.get("id", "")) is not None, f"{where}.tool_use.id: String should match pattern")
            _hold(
                _NAME.fullmatch(block.get("name", "")) is not None,
                f"{where}.tool_use.name: String should match pattern",
            )
            _hold(isinstance(block.get("input"), dict), f"{where}.tool_use.input: Field required")
        case "tool_result":
            _hold(isinstance(block.get("tool_use_id"), str), f"{where}.tool_result.tool_use_id: Field required")
            for inner in block.get("content", []) if isinstance(block.get("content", []), list) else []:
                _hold(inner.get("type") in {"text", "image"}, f"{where}.tool_result.content: unknown block")
                _check_block(inner, where)
        case _:
            pass


def _check_source(kind: str, source: Any, where: str) -> None:
    _hold(isinstance(source, dict), f"{where}.{kind}.source: Field required")
    if kind == "document" and source.get("type") == "text":
        _hold(source.get("media_type") == "text/plain" and source.get("data", "") != "", f"{where}.source: wrong text")
        return
    _hold(source.get("type") == "base64", f"{where}.{kind}.source: only base64 sources are supported")
    _hold(
        source.get("media_type") in _MEDIA[kind], f"{where}.{kind}.source.media_type: Input should be one of {kind}'s"
    )
    try:
        _hold(binascii.a2b_base64(source.get("data", ""), strict_mode=True) != b"", f"{where}.source.data: empty")
    except ValueError:
        raise RowRefused(f"{where}.{kind}.source.base64: invalid base64 data") from None


def _check_tools(request: dict[str, Any]) -> None:
    tools = request.get("tools", [])
    names = [tool.get("name") for tool in tools]
    for at, tool in enumerate(tools):
        _hold(
            set(tool) <= {"name", "description", "input_schema", "type", "cache_control"}, f"tools.{at}: Extra inputs"
        )
        _hold(isinstance(tool.get("name"), str) and _NAME.fullmatch(tool["name"]) is not None, f"tools.{at}.name")
        schema = tool.get("input_schema")
        _hold(
            isinstance(schema, dict) and schema.get("type") == "object", f"tools.{at}.input_schema.type: Field required"
        )
    _hold(len(set(names)) == len(names), "tools: Tool names must be unique.")
    choice = request.get("tool_choice")
    if choice is None:
        return
    _hold(bool(tools), "tool_choice: may only be specified while providing tools")
    _hold(choice.get("type") in {"auto", "any", "tool", "none"}, "tool_choice.type: unknown")
    _hold(
        choice["type"] != "tool" or choice.get("name") in names, f"tool_choice: Tool '{choice.get('name')}' not found"
    )


def _check_thinking(request: dict[str, Any]) -> None:
    thinking = request.get("thinking")
    if thinking is None or thinking.get("type") == "disabled":
        return
    budget = thinking.get("budget_tokens")
    _hold(
        type(budget) is int and budget >= 1024,
        "thinking.enabled.budget_tokens: should be greater than or equal to 1024",
    )
    _hold(request["max_tokens"] > budget, "`max_tokens` must be greater than `thinking.budget_tokens`")
    _hold(request.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled")
    _hold("top_k" not in request, "`top_k` must be unset when thinking is enabled")
    _hold(
        request.get("tool_choice", {}).get("type") not in {"any", "tool"},
        "Thinking may not be enabled when tool_choice forces tool use.",
    )
    last = request["messages"][-1]["content"]
    if isinstance(last, list) and any(block["type"] == "tool_result" for block in last):
        first = request["messages"][-2]["content"][0]
        _hold(first["type"] in {"thinking", "redacted_thinking"}, "Expected `thinking` or `redacted_thinking`")


def _call(request: dict[str, Any], marker: str) -> dict[str, Any] | None:
    tools, choice = request.get("tools", []), request.get("tool_choice", {"type": "auto"})
    if choice["type"] == "none" or (choice["type"] == "auto" and marker != "call") or not tools:
        return None
    tool = next((tool for tool in tools if tool["name"] == choice.get("name")), tools[0])
    arguments = value_for(tool["input_schema"])
    return {"name": tool["name"], "input": arguments if isinstance(arguments, dict) else {}}


def _asked(request: dict[str, Any]) -> str:
    content = request["messages"][-1]["content"]
    if isinstance(content, str):
        return content[:_QUOTED]
    return " ".join(block.get("text", f"({block['type']})") for block in content)[:_QUOTED]
