"""/v1/responses, lowered to a chat completion where nothing is lost.

What would be lost is an error of the line that names the parameter: whatever a server would have to remember
(`previous_response_id`, `conversation`, `prompt`), do later (`background`) or do itself (built-in tools).
"""

from collections.abc import Callable
from typing import Any, Final

from shared.lines.checks import array, members, missing, only, text, unsupported, wrong_type, wrong_value
from shared.lines.lowering import EXTENSIONS, Lowered, Lowering
from shared.lines.response_items import read_input, read_instructions
from shared.lines.response_object import respond
from shared.lines.response_tools import read_tool_choice, read_tools

__all__ = ["RESPONSES"]

_LOGPROBS: Final = "message.output_text.logprobs"
_VACUOUS: Final = frozenset(  # of items that cannot occur: built-in tools are refused
    {
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
_PLACES: Final = {  # of parameters that are called otherwise in a chat
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "logprobs": "include",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "response_format.json_schema": "text.format",
    "verbosity": "text.verbosity",
    "tool_choice.function": "tool_choice",
    "tool_choice.allowed_tools": "tool_choice",
}

Reader = Callable[[Lowered, Any], None]


def lower(body: dict[str, Any]) -> Lowered:
    """The chat that asks for the same. LineError where there is none, at the first thing that stands in the way.

    Values that mean the same in a chat go as they are: the chat codec checks them.
    """
    only(body, _READERS.keys())
    messages: list[dict[str, Any]] = []
    lowered = Lowered(body={"messages": messages}, places=dict(_PLACES))
    if body.get("instructions") is not None:
        read_instructions(body["instructions"], messages, lowered.places)
    if body.get("input") is None:
        _refuse_stored(body)
        raise missing("input")
    read_input(body["input"], messages, lowered.places)
    for name, value in body.items():
        if value is not None:  # null is OpenAI's way to say: not given
            _READERS[name](lowered, value)
    if lowered.body.get("top_logprobs") and "logprobs" not in lowered.body:
        raise wrong_value("top_logprobs", f"include must have {_LOGPROBS} for it.")
    return lowered


def _refuse_stored(body: dict[str, Any]) -> None:
    """Without an input, the reason is most likely that the server is meant to remember one."""
    for name in _SERVED:
        if body.get(name) is not None:
            _READERS[name](Lowered(body={}), body[name])


def _done(_: Lowered, __: Any) -> None:
    """It has been read already."""


def _as_is(name: str) -> Reader:
    def read(lowered: Lowered, value: Any) -> None:
        lowered.body[name] = value

    return read


def _repeated(name: str, theirs: str, default: Any = None) -> Reader:
    """As it is, and the answer says it again."""

    def read(lowered: Lowered, value: Any) -> None:
        lowered.body[theirs] = value
        if value != default:
            lowered.echo[name] = value

    return read


def _only(name: str, harmless: Any, why: str) -> Reader:
    """Only the value that asks for nothing."""

    def read(_: Lowered, value: Any) -> None:
        if not isinstance(value, type(harmless)):
            raise wrong_type(name, "a boolean" if harmless is False else "a string", value)
        if value != harmless:
            raise unsupported(name, why)

    return read


def _refuse(name: str, why: str) -> Reader:
    def refuse(_: Lowered, __: Any) -> None:
        raise unsupported(name, why)

    return refuse


def _include(lowered: Lowered, value: Any) -> None:
    for at, wanted in enumerate(array(value, "include")):
        if text(wanted, f"include[{at}]") == _LOGPROBS:
            lowered.body["logprobs"] = True
        elif wanted not in _VACUOUS:
            raise unsupported(f"include[{at}]", f"only {_LOGPROBS} can be included.")


def _text(lowered: Lowered, value: Any) -> None:
    config = members(value, "text")
    only(config, {"format", "verbosity"}, "text")
    if "verbosity" in config:
        lowered.body["verbosity"] = config["verbosity"]
    if "format" not in config:
        return
    wanted = members(config["format"], "text.format")
    kind = text(wanted.get("type"), "text.format.type")
    if kind == "json_schema":
        only(wanted, {"type", "name", "description", "schema", "strict"}, "text.format")
        for name in ("name", "schema"):
            if name not in wanted:
                raise missing(f"text.format.{name}")
        schema = {name: member for name, member in wanted.items() if name != "type"}
        lowered.body["response_format"] = {"type": kind, kind: schema}
    else:
        lowered.body["response_format"] = wanted
    if kind != "text":
        lowered.echo["format"] = kind


def _reasoning(lowered: Lowered, value: Any) -> None:
    """A summary is whatever the model says of its thoughts; how long it is cannot be chosen."""
    config = members(value, "reasoning")
    only(config, {"effort", "summary"}, "reasoning")
    if "effort" in config:
        lowered.body["reasoning_effort"] = lowered.echo["effort"] = config["effort"]
    if "summary" not in config:
        return
    if text(config["summary"], "reasoning.summary") != "auto":
        raise unsupported("reasoning.summary", "only auto is possible.")
    lowered.echo["summary"] = "auto"
    lowered.places.setdefault("thinking_config", "reasoning.summary")
    thinking = lowered.body.setdefault("thinking_config", {})
    if isinstance(thinking, dict):
        lowered.body["thinking_config"] = {**thinking, "include_thoughts": True}


def _thinking(lowered: Lowered, value: Any) -> None:
    lowered.places["thinking_config"] = "thinking_config"
    ours = lowered.body.get("thinking_config")  # made of the summary that is wanted
    lowered.body["thinking_config"] = {**value, **ours} if ours and isinstance(value, dict) else value


_UNKEPT: Final = "earlier responses are not kept; give the whole conversation as input."
_SERVED: Final = {
    "previous_response_id": _refuse("previous_response_id", _UNKEPT),
    "conversation": _refuse("conversation", _UNKEPT),
    "prompt": _refuse("prompt", "prompts are not kept; give it as instructions and input."),
}
_READERS: Final[dict[str, Reader]] = {
    "input": _done,
    "instructions": _done,
    "max_output_tokens": _repeated("max_output_tokens", "max_completion_tokens"),
    "temperature": _repeated("temperature", "temperature"),
    "top_p": _repeated("top_p", "top_p"),
    "parallel_tool_calls": _repeated("parallel_tool_calls", "parallel_tool_calls", default=True),
    "include": _include,
    "text": _text,
    "reasoning": _reasoning,
    "tools": read_tools,
    "tool_choice": read_tool_choice,
    **{name: _as_is(name) for name in EXTENSIONS},
    "thinking_config": _thinking,
    **{
        name: _as_is(name)
        for name in (
            "model",
            "top_logprobs",
            "metadata",
            "user",
            "safety_identifier",
            "prompt_cache_key",
            "prompt_cache_retention",
            "service_tier",
            "store",
            "stream",
            "stream_options",
        )
    },
    **_SERVED,
    "background": _only("background", harmless=False, why="a batch waits for all of its lines."),
    "truncation": _only("truncation", "disabled", "nothing is left out of an input that is too long."),
    "max_tool_calls": _refuse("max_tool_calls", "built-in tools are not run here."),
}

RESPONSES: Final = Lowering(name="responses", lower=lower, answer=respond)
