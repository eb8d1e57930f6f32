"""Tools: which functions the model may call, and whether it must."""

from typing import Any, Final

from shared.lines.checks import array, flag, object_, one_of, only, text, unsupported, wrong_value
from shared.lines.errors import LineError
from shared.providers.vertex.draft import Draft
from shared.providers.vertex.schema import convert
from shared.providers.vertex.turns import FUNCTION_NAME

__all__ = ["read_tools"]

_LEVEL: Final = 7  # line, request, tools, tool, functionDeclarations, declaration, parameters
_PATH: Final = "tools.functiondeclarations.parameters"
_MODES: Final = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def read_tools(draft: Draft, body: dict[str, Any]) -> None:
    """Fill in `tools` and `toolConfig` from today's parameters, or from the ones before them."""
    tools = _array(body, "tools")
    functions = _array(body, "functions")
    if tools and functions:
        raise unsupported("functions", "use tools alone.")
    declared = [_tool(tool, f"tools[{at}]", draft) for at, tool in enumerate(tools)]
    declared += [_function(function, f"functions[{at}]", draft) for at, function in enumerate(functions)]
    names = [function["name"] for function in declared]
    if len(set(names)) != len(names):
        raise wrong_value("tools" if tools else "functions", "two functions have the same name.")
    if declared:
        draft.request["tools"] = [{"functionDeclarations": declared}]
    if functions:
        draft.hint("functions")
    _choose(draft, body, frozenset(names))
    parallel = body.get("parallel_tool_calls")
    if parallel is not None and not flag(parallel, "parallel_tool_calls") and len(names) > 1:
        raise unsupported("parallel_tool_calls", "Gemini cannot be kept from calling several tools at once.")


def _array(body: dict[str, Any], name: str) -> list[Any]:
    return [] if body.get(name) is None else array(body[name], name)


def _tool(tool: Any, param: str, draft: Draft) -> dict[str, Any]:
    one_of(object_(tool, param).get("type"), f"{param}.type", {"function"})
    only(tool, {"type", "function"}, param)
    return _function(tool.get("function"), f"{param}.function", draft)


def _function(function: Any, param: str, draft: Draft) -> dict[str, Any]:
    only(object_(function, param), {"name", "description", "parameters", "strict"}, param)
    name = text(function.get("name"), f"{param}.name")
    if not FUNCTION_NAME.fullmatch(name):
        raise wrong_value(
            f"{param}.name", "it must begin with a letter or _ and have at most 64 letters, digits, _, . or -."
        )
    declaration = {"name": name}
    if function.get("description") is not None and text(function["description"], f"{param}.description"):
        declaration["description"] = function["description"]
    if function.get("strict") is not None:
        flag(function["strict"], f"{param}.strict")
    parameters = _parameters(function.get("parameters"), f"{param}.parameters", draft)
    return {**declaration, "parameters": parameters} if parameters else declaration


def _parameters(schema: Any, param: str, draft: Draft) -> dict[str, Any] | None:
    """None for a function without arguments: an object without fields is nothing that a job can import."""
    if schema is None or object_(schema, param) == {}:
        return None
    converted = convert(schema, param, _PATH, _LEVEL, draft.free())
    if converted.get("type") != "OBJECT":
        raise wrong_value(f"{param}.type", "the parameters of a function must be an object.")
    return converted if "properties" in converted else None


def _choose(draft: Draft, body: dict[str, Any], names: frozenset[str]) -> None:
    param = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    choice = body.get(param)
    if choice is None:
        return
    mode, allowed = _named(choice, param) if isinstance(choice, dict) else (_mode(choice, param), [])
    if not names:
        if mode in {"NONE", "AUTO"} and not allowed:
            return  # nothing to choose from, and nothing asked for
        raise LineError("invalid_value", f"'{param}' is only allowed when tools are specified.", param)
    if not names.issuperset(allowed):
        raise wrong_value(param, "it names a function that is not among the tools.")
    calling: dict[str, Any] = {"mode": mode}
    if allowed:
        calling["allowedFunctionNames"] = allowed
    draft.request["toolConfig"] = {"functionCallingConfig": calling}


def _mode(choice: Any, param: str) -> str:
    return _MODES[one_of(choice, param, _MODES.keys() - ({"required"} if param == "function_call" else set()))]


def _named(choice: dict[str, Any], param: str) -> tuple[str, list[str]]:
    """A choice that names functions."""
    if param == "function_call":
        only(choice, {"name"}, param)
        return "ANY", [text(choice.get("name"), f"{param}.name")]
    kind = one_of(choice.get("type"), f"{param}.type", {"function", "allowed_tools"})
    only(choice, {"type", kind}, param)
    chosen, here = object_(choice.get(kind), f"{param}.{kind}"), f"{param}.{kind}"
    if kind == "function":
        only(chosen, {"name"}, here)
        return "ANY", [text(chosen.get("name"), f"{here}.name")]
    only(chosen, {"mode", "tools"}, here)
    mode = one_of(chosen.get("mode"), f"{here}.mode", {"auto", "required"})
    names = []
    for at, tool in enumerate(array(chosen.get("tools"), f"{here}.tools")):
        place = f"{here}.tools[{at}]"
        one_of(object_(tool, place).get("type"), f"{place}.type", {"function"})
        only(tool, {"type", "function"}, place)
        function = object_(tool.get("function"), f"{place}.function")
        names.append(text(function.get("name"), f"{place}.function.name"))
    if not names:
        raise wrong_value(f"{here}.tools", "it must not be empty.")
    # Names may stand beside ANY and VALIDATED alone; VALIDATED leaves the model free to answer in words.
    return ("ANY" if mode == "required" else "VALIDATED"), names
