"""Tools of a Claude request: which the model may call, whether it must, and the one that an answer's schema becomes."""

from typing import Any, Final

from shared.lines.checks import array, flag, object_, one_of, only, text, unsupported, wrong_value
from shared.lines.errors import LineError
from shared.providers.vertex.claude_draft import ANSWER, ClaudeDraft
from shared.providers.vertex.claude_turns import TOOL_NAME
from shared.providers.vertex.importer import survey
from shared.providers.vertex.json_schema import plain_schema

__all__ = ["read_format", "read_tools"]

_LEVEL: Final = 5  # line, request, tools, tool, input_schema
_PATH: Final = "tools.input_schema"
_CHOICES: Final = {"none": "none", "auto": "auto", "required": "any"}


def read_tools(draft: ClaudeDraft, body: dict[str, Any]) -> None:
    """Fill in `tools` and `tool_choice`."""
    given = [] if body.get("tools") is None else array(body["tools"], "tools")
    tools = [_tool(draft, tool, f"tools[{at}]") for at, tool in enumerate(given)]
    names = [tool["name"] for tool in tools]
    if len(set(names)) != len(names):
        raise wrong_value("tools", "two functions have the same name.")
    if tools:
        draft.request["tools"] = tools
    choice = _choice(body.get("tool_choice"), names)
    parallel = body.get("parallel_tool_calls")
    if parallel is not None and not flag(parallel, "parallel_tool_calls") and tools:
        choice = choice or {"type": "auto"}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
    if choice:
        draft.request["tool_choice"] = choice


def _tool(draft: ClaudeDraft, tool: Any, param: str) -> dict[str, Any]:
    one_of(object_(tool, param).get("type"), f"{param}.type", {"function"})
    only(tool, {"type", "function"}, param)
    here = f"{param}.function"
    function = object_(tool.get("function"), here)
    only(function, {"name", "description", "parameters", "strict"}, here)
    name = text(function.get("name"), f"{here}.name")
    if not TOOL_NAME.fullmatch(name):
        raise wrong_value(f"{here}.name", "it must be of at most 64 letters, digits, _ and -.")
    if function.get("strict") is not None:
        flag(function["strict"], f"{here}.strict")
    made: dict[str, Any] = {"name": name}
    if function.get("description") is not None and text(function["description"], f"{here}.description"):
        made["description"] = function["description"]
    schema = {"type": "object"} if function.get("parameters") is None else function["parameters"]
    return {**made, "input_schema": _schema(draft, schema, f"{here}.parameters")}


def _schema(draft: ClaudeDraft, given: Any, param: str) -> dict[str, Any]:
    schema = plain_schema(given, param)
    schema.setdefault("type", "object")
    if schema["type"] != "object":
        raise wrong_value(f"{param}.type", "it must be an object.")
    survey(schema, param, _PATH, _LEVEL, draft.shape)
    return schema


def _choice(given: Any, names: list[str]) -> dict[str, Any] | None:
    """What Claude calls the choice; None where it is left to the model."""
    param = "tool_choice"
    if given is None:
        return None
    if isinstance(given, dict):
        one_of(given.get("type"), f"{param}.type", {"function"})
        only(given, {"type", "function"}, param)
        function = object_(given.get("function"), f"{param}.function")
        only(function, {"name"}, f"{param}.function")
        if text(function.get("name"), f"{param}.function.name") not in names:
            raise wrong_value(param, "it names a function that is not among the tools.")
        return {"type": "tool", "name": function["name"]}
    choice = _CHOICES[one_of(given, param, _CHOICES.keys())]
    if not names:
        if choice == "any":
            raise LineError("invalid_value", f"'{param}' is only allowed when tools are specified.", param)
        return None  # nothing to choose from, and nothing asked for
    return {"type": choice}


def read_format(draft: ClaudeDraft, value: Any) -> None:
    """A schema for the answer is that of a tool which the model has to call; its arguments are the answer."""
    param = "response_format"
    kind = one_of(object_(value, param).get("type"), f"{param}.type", {"text", "json_object", "json_schema"})
    if kind == "text":
        only(value, {"type"}, param)
        return
    if kind == "json_object":
        raise unsupported(f"{param}.type", "Claude needs a schema for JSON: use json_schema.")
    only(value, {"type", "json_schema"}, param)
    here = f"{param}.json_schema"
    wanted = object_(value.get("json_schema"), here)
    only(wanted, {"name", "description", "schema", "strict"}, here)
    for name, check in (("name", text), ("description", text), ("strict", flag)):
        if wanted.get(name) is not None:
            check(wanted[name], f"{here}.{name}")
    if draft.request.get("tools"):
        raise unsupported(param, "Claude cannot combine a schema for the answer with tools.")
    if draft.request.get("thinking"):
        raise unsupported(param, "Claude cannot combine a schema for the answer with reasoning_effort.")
    made: dict[str, Any] = {"name": ANSWER}
    if wanted.get("description"):
        made["description"] = wanted["description"]
    schema = _schema(draft, object_(wanted.get("schema"), f"{here}.schema"), f"{here}.schema")
    draft.request["tools"] = [{**made, "input_schema": schema}]
    draft.request["tool_choice"] = {"type": "tool", "name": ANSWER, "disable_parallel_tool_use": True}
    draft.hints["json"] = True
