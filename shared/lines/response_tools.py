"""Tools of a Responses request, which are flat, as those of a chat, which are nested."""

from typing import Any

from shared.lines.checks import array, members, only, text, unsupported
from shared.lines.lowering import Lowered

__all__ = ["read_tool_choice", "read_tools"]


def read_tools(lowered: Lowered, value: Any) -> None:
    """Functions, which the caller runs. A built-in tool would have to be run here, and is refused."""
    tools = []
    for at, given in enumerate(array(value, "tools")):
        param = f"tools[{at}]"
        tools.append(_function(given, param, "only functions can be offered; nothing else is run here."))
        only(tools[-1]["function"], {"name", "description", "parameters", "strict"}, param)
        lowered.places[f"{param}.function"] = param
    lowered.body["tools"] = tools


def read_tool_choice(lowered: Lowered, value: Any) -> None:
    """A mode, a function, or some of the functions."""
    param = "tool_choice"
    if isinstance(value, str):
        lowered.body[param] = value
        if value != "auto":
            lowered.echo[param] = value
        return
    choice = members(value, param)
    kind = text(choice.pop("type", None), f"{param}.type")
    if kind == "function":
        only(choice, {"name"}, param)
        lowered.echo[param] = {"type": kind, "name": choice.get("name")}
    elif kind == "allowed_tools":
        only(choice, {"mode", "tools"}, param)
        if choice.get("mode") != "auto":
            lowered.echo[param] = choice.get("mode")
        choice["tools"] = _allowed(lowered, array(choice.get("tools"), f"{param}.tools"))
    else:
        raise unsupported(f"{param}.type", "only functions can be chosen.")
    lowered.body[param] = {"type": kind, kind: choice}


def _allowed(lowered: Lowered, given: list[Any]) -> list[dict[str, Any]]:
    tools = []
    for at, tool in enumerate(given):
        param = f"tool_choice.tools[{at}]"
        tools.append(_function(tool, param, "only functions can be chosen."))
        only(tools[-1]["function"], {"name"}, param)
        lowered.places[f"tool_choice.allowed_tools.tools[{at}].function"] = param
    return tools


def _function(given: Any, param: str, why: str) -> dict[str, Any]:
    tool = members(given, param)
    kind = text(tool.pop("type", None), f"{param}.type")
    if kind != "function":
        raise unsupported(f"{param}.type", why)
    return {"type": kind, kind: tool}
