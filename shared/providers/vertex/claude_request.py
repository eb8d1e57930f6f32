"""A chat completion request as a row of Anthropic's Messages: one reader for each parameter, and nothing else passes.

Claude's own rules: `max_tokens` is required, and thinking is a part of it; a temperature is between 0 and 1; who thinks
may neither be given a temperature nor be made to call a tool, and goes on after a tool's result only with the thoughts
before the call, which a chat completion does not have. As everywhere, what has no effect on a batch's answer is checked
and left out, and a tool's `strict` is a wish: Claude keeps to a schema without being bound to it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.lines.checks import (
    array,
    flag,
    integer,
    number,
    object_,
    one_of,
    only,
    shown,
    text,
    unsupported,
    wrong_type,
    wrong_value,
)
from shared.providers.vertex.abilities import EFFORTS
from shared.providers.vertex.claude_draft import ClaudeDraft
from shared.providers.vertex.claude_tools import read_format, read_tools
from shared.providers.vertex.claude_turns import read_messages
from shared.providers.vertex.without_effect import WITHOUT_EFFECT, refuse_stream

__all__ = ["VERSION", "most_tokens", "read_request"]

VERSION: Final = "vertex-2023-10-16"  # "Batch predictions with Anthropic Claude models"

# LiteLLM's budgets; the least that Claude takes is 1,024, and what goes beyond `high` is `high`.
_BUDGETS: Final[Mapping[str, int | None]] = dict(zip(EFFORTS, (None, 1024, 1024, 2048, 4096, 4096, 4096), strict=True))
_LEAST_BUDGET: Final = 1024
_INT32: Final = 2**31
_MOST: Final = (  # max_tokens where a line gives none. OpenAI has no limit then; every model since 3.7 writes 32,000
    (re.compile(r"claude-3-5-"), 8_192),
    (re.compile(r"claude-3-(?!7)"), 4_096),
    (re.compile(r""), 32_000),
)

Reader = Callable[[ClaudeDraft, Any], None]


def most_tokens(model: str) -> int:
    """What `max_tokens` says where a line leaves it open."""
    return next(most for pattern, most in _MOST if pattern.match(model))


def read_request(body: dict[str, Any], most: int) -> ClaudeDraft:
    """The whole request. LineError at the first thing that cannot be done exactly as asked."""
    draft = ClaudeDraft()
    for name, value in body.items():
        reader = _READERS.get(name)
        if reader is None:
            raise unsupported(shown(name), "it is not known here.")
        if value is not None:  # null is OpenAI's way to say: not given
            reader(draft, value)
    read_messages(draft, body.get("messages"))
    request = draft.request
    read_tools(draft, body)
    _read_thinking(draft, body)
    if body.get("response_format") is not None:
        read_format(draft, body["response_format"])
    draft.request = {
        "anthropic_version": VERSION,
        "max_tokens": request.pop("max_tokens", most),
        "messages": draft.messages,
        **({"system": draft.system} if draft.system else {}),
        **request,
    }
    return draft


def _read_thinking(draft: ClaudeDraft, body: dict[str, Any]) -> None:
    """A budget of thoughts, and whether they are shown."""
    name, effort, budget = "thinking_config", body.get("reasoning_effort"), None
    if body.get(name) is not None:
        budget = _configured(draft, body[name])
    if effort is not None:
        one_of(effort, "reasoning_effort", frozenset(EFFORTS))
        if budget is not None:
            raise unsupported("reasoning_effort", "it cannot be combined with a thinking configuration.")
        name, budget = "reasoning_effort", _BUDGETS[effort]
    if budget:
        _refuse_beside(draft, body, name, budget)
        draft.request.pop("temperature", None)  # it is 1
        draft.request["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _refuse_beside(draft: ClaudeDraft, body: dict[str, Any], name: str, budget: int) -> None:
    """What Claude cannot do while it thinks. `name` is the parameter that asks for thoughts."""
    request = draft.request
    if request.get("max_tokens", budget + 1) <= budget:
        given = "max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens"
        raise wrong_value(given, f"it must be above the {budget} tokens that {name} gives to thoughts.")
    if request.get("temperature", 1) != 1:
        raise unsupported("temperature", f"Claude takes none together with {name}.")
    for other in ("top_k", "top_p"):
        if other in request:
            raise unsupported(other, f"Claude takes none together with {name}.")
    if request.get("tool_choice", {}).get("type") in {"any", "tool"}:
        raise unsupported("tool_choice", f"Claude cannot be made to call a tool together with {name}.")
    if any(block["type"] == "tool_result" for block in draft.messages[-1]["content"]):
        raise unsupported(name, "Claude cannot think on after a tool's result without its thoughts before the call.")


def _configured(draft: ClaudeDraft, config: Any) -> int | None:
    """The budget of a thinking configuration, as Gemini's is written."""
    param, read = "thinking_config", dict[str, Any]()
    names = {name.replace("_", ""): name for name in ("include_thoughts", "thinking_budget")}
    for name, value in object_(config, param).items():
        known = names.get(name.lower().replace("_", ""))
        if known is None:
            raise unsupported(f"{param}.{shown(name)}", "it is not known here.")
        if value is not None and read.setdefault(known, value) is not value:
            raise wrong_value(f"{param}.{shown(name)}", "it is given twice.")
    if read.get("include_thoughts") is not None and flag(read["include_thoughts"], f"{param}.include_thoughts"):
        draft.hints["thoughts"] = True
    budget = read.get("thinking_budget")
    if budget is None or integer(budget, f"{param}.thinking_budget", 0, _INT32 - 1) == 0:
        return budget
    return integer(budget, f"{param}.thinking_budget", _LEAST_BUDGET, _INT32 - 1)


def _read_max_tokens(name: str) -> Reader:
    def read(draft: ClaudeDraft, value: Any) -> None:
        tokens = integer(value, name, 1, _INT32 - 1)
        if draft.request.setdefault("max_tokens", tokens) != tokens:
            raise unsupported(name, "max_tokens and max_completion_tokens cannot be combined.")

    return read


def _read_temperature(draft: ClaudeDraft, value: Any) -> None:
    if number(value, "temperature", 0, 2) > 1:
        raise wrong_value("temperature", "Claude takes temperatures between 0 and 1.")
    draft.request["temperature"] = float(value)  # one type in all rows


def _read_top_p(draft: ClaudeDraft, value: Any) -> None:
    draft.request["top_p"] = float(number(value, "top_p", 0, 1))


def _read_top_k(draft: ClaudeDraft, value: Any) -> None:
    draft.request["top_k"] = integer(value, "top_k", 0, _INT32 - 1)


def _read_stop(draft: ClaudeDraft, value: Any) -> None:
    if not isinstance(value, str | list):
        raise wrong_type("stop", "a string or an array of strings", value)
    stops = [value] if isinstance(value, str) else value
    for at, stop in enumerate(stops):
        here = "stop" if stops is not value else f"stop[{at}]"
        if not text(stop, here).strip():
            raise wrong_value(here, "Claude takes no sequence of nothing but white space.")
    if stops:
        draft.request["stop_sequences"] = stops


def _refuse_more(name: str, none: float | bool) -> Reader:  # noqa: FBT001 - the value that asks for nothing
    def read(_: ClaudeDraft, value: Any) -> None:
        if isinstance(none, bool):
            flag(value, name)
        elif isinstance(none, int):
            integer(value, name)
        else:
            number(value, name, -2, 2)
        if value != none:
            raise unsupported(name, "Claude has no equivalent.")

    return read


def _refuse_bias(_: ClaudeDraft, value: Any) -> None:
    if object_(value, "logit_bias"):
        raise unsupported("logit_bias", "Claude has no equivalent.")


def _read_modalities(_: ClaudeDraft, value: Any) -> None:
    if any(text(kind, f"modalities[{at}]") != "text" for at, kind in enumerate(array(value, "modalities"))):
        raise unsupported("modalities", "only text can be answered.")


def _refuse_some(name: str, why: str) -> Reader:
    """Unless it is empty, and says nothing."""

    def refuse(_: ClaudeDraft, value: Any) -> None:
        if value not in ([], {}):
            raise unsupported(name, why)

    return refuse


def _google(_: ClaudeDraft, value: Any) -> None:
    only(object_(value, "extra_body"), frozenset(), "extra_body")


def _joint(_: ClaudeDraft, __: Any) -> None:
    """Read together with others."""


_READERS: Final[dict[str, Reader]] = {
    **WITHOUT_EFFECT,
    "max_tokens": _read_max_tokens("max_tokens"),
    "max_completion_tokens": _read_max_tokens("max_completion_tokens"),
    "temperature": _read_temperature,
    "top_p": _read_top_p,
    "top_k": _read_top_k,
    "stop": _read_stop,
    "modalities": _read_modalities,
    "n": _refuse_more("n", 1),
    "seed": _refuse_some("seed", "Claude has no equivalent."),
    "logprobs": _refuse_more("logprobs", none=False),
    "top_logprobs": _refuse_more("top_logprobs", 0),
    "presence_penalty": _refuse_more("presence_penalty", 0.0),
    "frequency_penalty": _refuse_more("frequency_penalty", 0.0),
    "logit_bias": _refuse_bias,
    "stream": refuse_stream,
    "extra_body": _google,
    **dict.fromkeys(
        (
            "messages",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "reasoning_effort",
            "thinking_config",
        ),
        _joint,
    ),
    "functions": _refuse_some("functions", "use tools."),
    "function_call": _refuse_some("function_call", "use tool_choice."),
    "audio": _refuse_some("audio", "only text can be answered."),
    "web_search_options": _refuse_some("web_search_options", "searching the web is not offered."),
}
