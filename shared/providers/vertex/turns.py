"""Messages: OpenAI's conversation as Gemini's turns and its system instruction."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.lines.checks import array, missing, object_, only, text, unsupported, wrong_type, wrong_value
from shared.lines.errors import LineError
from shared.providers.vertex.draft import Draft
from shared.providers.vertex.importer import Shape, fit
from shared.providers.vertex.parts import parts_of, texts_of

__all__ = ["FUNCTION_NAME", "read_messages"]

FUNCTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

_ARGS_LEVEL: Final = 8  # line, request, contents, turn, parts, part, functionCall, args
_ARGS: Final = "contents.parts.functioncall.args"
_RESULT: Final = "contents.parts.functionresponse.response"
_SIGNATURE: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")

_USER: Final = frozenset({"role", "content"})
_ASSISTANT: Final = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "audio"})
_OURS: Final = frozenset({"annotations", "reasoning_content", "images"})  # of answers, given back: no part of the talk
_TOOL: Final = frozenset({"role", "content", "tool_call_id", "name"})  # the name as in OpenAI's older examples
_FUNCTION: Final = frozenset({"role", "content", "name"})


def read_messages(draft: Draft, messages: Any) -> None:
    """Fill in `contents` and `systemInstruction`."""
    for at, message in enumerate(array(messages, "messages")):
        if type(message) is dict and len(message) == 2:  # the plain turn, of which there are most
            content = message.get("content")
            if type(content) is str and content:
                role = message.get("role")
                if role == "user":
                    draft.turn("user", {"text": content})
                    continue
                if role == "system":
                    draft.system.append({"text": content})
                    continue
                if role == "assistant":
                    draft.turn("model", {"text": content})
                    continue
        _read_message(draft, message, f"messages[{at}]")
    if not draft.contents:
        raise wrong_value("messages", "at least one message of the user is needed.")
    if draft.results:
        _settle_results(draft.results, draft.free())


def _read_message(draft: Draft, message: Any, param: str) -> None:
    role = object_(message, param).get("role")
    if role is None:
        raise missing(f"{param}.role")
    match text(role, f"{param}.role"):
        case "system" | "developer":
            only(message, _USER, param)
            draft.system += [{"text": said} for said in texts_of(_content(message, param), f"{param}.content")]
        case "user":
            only(message, _USER, param)
            parts = parts_of(_content(message, param), f"{param}.content", draft)
            draft.turn("user", *_something(parts, f"{param}.content"))
        case "assistant":
            draft.turn("model", *_something(_assistant(draft, message, param), f"{param}.content"))
        case "tool":
            only(message, _TOOL, param)
            draft.turn("user", _tool(draft, message, param))
        case "function":
            only(message, _FUNCTION, param)
            name = _function_name(message.get("name"), f"{param}.name")
            draft.turn("user", _response(draft, name, message.get("content") or "", param))
        case _:
            raise wrong_value(f"{param}.role", "it must be system, developer, user, assistant, tool or function.")


def _content(message: dict[str, Any], param: str) -> Any:
    content = message.get("content")
    if content is None:
        raise missing(f"{param}.content")
    if not isinstance(content, (str, list)):
        raise wrong_type(f"{param}.content", "a string or an array", content)
    return content


def _something(parts: list[dict[str, Any]], param: str) -> list[dict[str, Any]]:
    if not parts:
        raise wrong_value(param, "it must not be empty.")
    return parts


def _assistant(draft: Draft, message: dict[str, Any], param: str) -> list[dict[str, Any]]:
    only(message, _ASSISTANT | _OURS, param)
    if message.get("audio") is not None:
        raise unsupported(f"{param}.audio", "earlier spoken answers are not kept.")
    texts = []
    if message.get("content") is not None:
        texts = texts_of(_content(message, param), f"{param}.content", also="refusal")
    if message.get("refusal") is not None and text(message["refusal"], f"{param}.refusal"):
        texts.append(message["refusal"])
    parts: list[dict[str, Any]] = [{"text": said} for said in texts]
    if message.get("tool_calls") is not None:
        for at, call in enumerate(array(message["tool_calls"], f"{param}.tool_calls")):
            parts.append(_tool_call(draft, call, f"{param}.tool_calls[{at}]"))
    if message.get("function_call") is not None:
        parts.append(_call(draft, message["function_call"], f"{param}.function_call"))
    return parts


def _tool_call(draft: Draft, call: Any, param: str) -> dict[str, Any]:
    only(object_(call, param), {"id", "type", "function", "extra_content", "index"}, param)
    if call.get("type", "function") != "function":
        raise wrong_value(f"{param}.type", "only function calls are supported.")
    part = _call(draft, call.get("function"), f"{param}.function")
    if draft.calls is None:
        draft.calls = {}
    draft.calls[text(call.get("id"), f"{param}.id")] = part["functionCall"]["name"]
    if call.get("extra_content") is not None:
        part["thoughtSignature"] = _signature(call["extra_content"], f"{param}.extra_content")
    return part


def _signature(extra: Any, param: str) -> str:
    only(object_(extra, param), {"google"}, param)
    google = object_(extra.get("google"), f"{param}.google")
    only(google, {"thought_signature"}, f"{param}.google")
    here = f"{param}.google.thought_signature"
    signature = text(google.get("thought_signature"), here)
    if not _SIGNATURE.fullmatch(signature):
        raise wrong_value(here, "it is not base64.")
    return signature


def _call(draft: Draft, function: Any, param: str) -> dict[str, Any]:
    only(object_(function, param), {"name", "arguments"}, param)
    call: dict[str, Any] = {"name": _function_name(function.get("name"), f"{param}.name")}
    here = f"{param}.arguments"
    said = text(function.get("arguments"), here)
    if said.strip():
        try:
            args = _decoded(said)
        except ValueError as error:
            raise wrong_value(here, "it is not valid JSON.") from error
        if not isinstance(args, dict):
            raise wrong_value(here, "it must be the JSON of an object.")
        if args := fit(args, here, _ARGS, _ARGS_LEVEL, draft.free()):
            call["args"] = args
    return {"functionCall": call}


def _function_name(value: Any, param: str) -> str:
    if not FUNCTION_NAME.fullmatch(text(value, param)):
        raise wrong_value(param, "it must begin with a letter or _ and have at most 64 letters, digits, _, . or -.")
    return value  # type: ignore[no-any-return]


def _tool(draft: Draft, message: dict[str, Any], param: str) -> dict[str, Any]:
    here = f"{param}.tool_call_id"
    name = (draft.calls or {}).get(text(message.get("tool_call_id"), here))
    if name is None:
        raise wrong_value(here, "no earlier message of the assistant has a tool call of this id.")
    if message.get("name") is not None and text(message["name"], f"{param}.name") != name:
        raise wrong_value(f"{param}.name", "it is not the name of the function that was called.")
    return _response(draft, name, _content(message, param), param)


def _response(draft: Draft, name: str, content: Any, param: str) -> dict[str, Any]:
    response: dict[str, Any] = {"name": name}
    if draft.results is None:
        draft.results = []
    draft.results.append((response, "".join(texts_of(content, f"{param}.content"))))
    return {"functionResponse": response}


def _settle_results(results: Sequence[tuple[dict[str, Any], str]], shape: Shape) -> None:
    """Each result is the object that its text is, where the importer can hold all of it; else it stays text.

    Where the objects of one line disagree about the type of a field, all of them stay text.
    """
    trial = Shape(shape)
    try:
        for response, said in results:
            response["response"] = _as_object(said, trial)
    except LineError:
        trial = Shape(shape)
        for response, said in results:
            response["response"] = _as_text(said, trial)
    shape.update(trial)


def _as_text(said: str, shape: Shape) -> dict[str, Any]:
    shape.record(f"{_RESULT}.result", "result", "string", "messages")
    return {"result": said}


def _as_object(said: str, shape: Shape) -> dict[str, Any]:
    try:
        value = _decoded(said)
    except ValueError:
        return _as_text(said, shape)
    if value == {}:
        return _as_text("", shape)
    if not isinstance(value, dict):
        return _as_text(said, shape)
    alone = Shape()
    try:
        fitted = fit(value, "messages", _RESULT, _ARGS_LEVEL, alone)
    except LineError:
        return _as_text(said, shape)
    if fitted != value:  # something would be lost
        return _as_text(said, shape)
    fit(value, "messages", _RESULT, _ARGS_LEVEL, shape)  # together with the line's other results
    return fitted


def _decoded(said: str) -> Any:
    """JSON within JSON. ValueError where it is none, or says a key twice: then one of the two would be lost."""
    try:
        value = msgspec.json.decode(said)
        json.loads(said, object_pairs_hook=_unique)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members
