"""Messages: OpenAI's conversation as Claude's turns and its system text."""

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.lines.checks import array, missing, object_, one_of, only, text, unsupported, wrong_type, wrong_value
from shared.providers.vertex.claude_draft import ClaudeDraft
from shared.providers.vertex.importer import pruned, survey

__all__ = ["TOOL_NAME", "read_messages"]

TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

_INPUT_LEVEL: Final = 7  # line, request, messages, message, content, block, input
_INPUT: Final = "messages.content.input"
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_DATA: Final = re.compile(r"data:([a-z]+/[A-Za-z0-9.+-]+)(?:;[A-Za-z0-9_-]+=[^;,]*)*;base64,", re.ASCII)
_IMAGES: Final = {f"image/{kind}": f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp")} | {
    "image/jpg": "image/jpeg"  # many write it
}
_PDF: Final = "application/pdf"
_PLAIN: Final = "text/plain"

_USER: Final = frozenset({"role", "content"})
_ASSISTANT: Final = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "audio"})
_OURS: Final = frozenset({"annotations", "reasoning_content", "images"})  # of answers, given back: no part of the talk
_TOOL: Final = frozenset({"role", "content", "tool_call_id", "name"})


def read_messages(draft: ClaudeDraft, messages: Any) -> None:
    """Fill in the turns and the system text."""
    for at, message in enumerate(array(messages, "messages")):
        param = f"messages[{at}]"
        role = object_(message, param).get("role")
        if role is None:
            raise missing(f"{param}.role")
        read = _ROLES.get(text(role, f"{param}.role"))
        if read is None:
            raise wrong_value(f"{param}.role", "it must be system, developer, user, assistant or tool.")
        read(draft, message, param)
    if not draft.messages or draft.messages[0]["role"] != "user":
        raise wrong_value("messages", "the conversation must begin with a message of the user.")


def _system(draft: ClaudeDraft, message: dict[str, Any], param: str) -> None:
    only(message, _USER, param)
    draft.system += _texts(_content(message, param), f"{param}.content")


def _user(draft: ClaudeDraft, message: dict[str, Any], param: str) -> None:
    only(message, _USER, param)
    content, here = _content(message, param), f"{param}.content"
    if isinstance(content, str):
        blocks = _texts(content, here)
    else:
        blocks = []
        for at, item in enumerate(array(content, here)):
            place = f"{here}[{at}]"
            kind = text(object_(item, place).get("type"), f"{place}.type")
            if kind not in _READERS:
                raise wrong_value(f"{place}.type", f"supported types are: {', '.join(sorted(_READERS))}.")
            only(item, {"type", kind}, place)
            if item.get(kind) is None:
                raise missing(f"{place}.{kind}")
            blocks += _READERS[kind](item[kind], f"{place}.{kind}")
    if not blocks:
        raise wrong_value(here, "it must not be empty.")
    draft.turn("user", blocks)


def _assistant(draft: ClaudeDraft, message: dict[str, Any], param: str) -> None:
    only(message, _ASSISTANT | _OURS, param)
    for name, why in (
        ("audio", "earlier spoken answers are not kept."),
        ("function_call", "give it as tool_calls."),
    ):
        if message.get(name) is not None:
            raise unsupported(f"{param}.{name}", why)
    blocks: list[dict[str, Any]] = []
    if message.get("content") is not None:
        blocks += _texts(_content(message, param), f"{param}.content", also="refusal")
    if message.get("refusal") is not None:
        blocks += _text(text(message["refusal"], f"{param}.refusal"), f"{param}.refusal")
    if message.get("tool_calls") is not None:
        for at, call in enumerate(array(message["tool_calls"], f"{param}.tool_calls")):
            blocks.append(_tool_call(draft, call, f"{param}.tool_calls[{at}]"))
    if not blocks:
        raise wrong_value(f"{param}.content", "it must not be empty.")
    draft.turn("assistant", blocks)


def _tool_call(draft: ClaudeDraft, call: Any, param: str) -> dict[str, Any]:
    only(object_(call, param), {"id", "type", "function", "index"}, param)
    if call.get("type", "function") != "function":
        raise wrong_value(f"{param}.type", "only function calls are supported.")
    id = text(call.get("id"), f"{param}.id")
    if not _CALL_ID.fullmatch(id):
        raise wrong_value(f"{param}.id", "it must be of letters, digits, _ and -.")
    function = object_(call.get("function"), f"{param}.function")
    only(function, {"name", "arguments"}, f"{param}.function")
    name = text(function.get("name"), f"{param}.function.name")
    if not TOOL_NAME.fullmatch(name):
        raise wrong_value(f"{param}.function.name", "it must be of at most 64 letters, digits, _ and -.")
    here = f"{param}.function.arguments"
    arguments = pruned(_arguments(text(function.get("arguments"), here), here))
    if not arguments:
        raise wrong_value(here, "batch prediction with Claude cannot hold a call without arguments.")
    survey(arguments, here, _INPUT, _INPUT_LEVEL, draft.shape)
    draft.calls.add(id)
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def _arguments(said: str, param: str) -> dict[str, Any]:
    """JSON within JSON; of a key that is said twice one would be lost."""
    if not said.strip():
        return {}
    try:
        value = msgspec.json.decode(said)
        json.loads(said, object_pairs_hook=_unique)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise wrong_value(param, "it is not valid JSON.") from error
    if not isinstance(value, dict):
        raise wrong_value(param, "it must be the JSON of an object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _tool(draft: ClaudeDraft, message: dict[str, Any], param: str) -> None:
    only(message, _TOOL, param)
    here = f"{param}.tool_call_id"
    id = text(message.get("tool_call_id"), here)
    if id not in draft.calls:
        raise wrong_value(here, "no earlier message of the assistant has a tool call of this id.")
    if message.get("name") is not None:
        text(message["name"], f"{param}.name")
    said = _texts(_content(message, param), f"{param}.content")
    draft.turn("user", [{"type": "tool_result", "tool_use_id": id, **({"content": said} if said else {})}])


_ROLES: Final[dict[str, Callable[[ClaudeDraft, dict[str, Any], str], None]]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}


def _content(message: dict[str, Any], param: str) -> Any:
    content = message.get("content")
    if content is None:
        raise missing(f"{param}.content")
    if not isinstance(content, str | list):
        raise wrong_type(f"{param}.content", "a string or an array", content)
    return content


def _texts(content: Any, param: str, also: str = "text") -> list[dict[str, Any]]:
    """Content that can hold nothing but text. `also` is a second type of text."""
    if isinstance(content, str):
        return _text(content, param)
    blocks = []
    for at, item in enumerate(array(content, param)):
        here = f"{param}[{at}]"
        kind = text(object_(item, here).get("type"), f"{here}.type")
        if kind not in {"text", also}:
            raise wrong_value(f"{here}.type", "this message takes text only.")
        only(item, {"type", kind}, here)
        blocks += _text(text(item.get(kind), f"{here}.{kind}"), f"{here}.{kind}")
    return blocks


def _text(value: Any, param: str) -> list[dict[str, Any]]:
    """A block, or none for an empty text. Claude refuses texts of nothing but white space."""
    if not text(value, param):
        return []
    if not value.strip():
        raise wrong_value(param, "it must not be of white space alone.")
    return [{"type": "text", "text": value}]


def _image(value: Any, param: str) -> list[dict[str, Any]]:
    if not isinstance(value, str):
        only(object_(value, param), {"url", "detail", "format"}, param)
        if (
            value.get("detail") is not None
            and one_of(value["detail"], f"{param}.detail", {"auto", "high", "low"}) == "low"
        ):
            raise unsupported(f"{param}.detail", "Claude sees every image in full.")
        if value.get("format") is not None:
            one_of(value["format"], f"{param}.format", _IMAGES.keys())
        if value.get("url") is None:
            raise missing(f"{param}.url")
        value, param = value["url"], f"{param}.url"
    kind, data = _data(text(value, param), param)
    if kind not in _IMAGES:
        raise wrong_value(param, "Claude reads images in png, jpeg, gif and webp.")
    return [{"type": "image", "source": {"type": "base64", "media_type": _IMAGES[kind], "data": data}}]


def _file(value: Any, param: str) -> list[dict[str, Any]]:
    only(object_(value, param), {"file_data", "file_id", "filename", "format"}, param)
    name = text(value.get("filename") or "", f"{param}.filename")
    if value.get("file_id") is not None:
        raise unsupported(f"{param}.file_id", "give the file as file_data.")
    here = f"{param}.file_data"
    given = text(value.get("file_data"), here)
    kind, data = _data(given, here) if ":" in given else (_PDF, _checked(given, here))
    if value.get("format") is not None:
        kind = text(value["format"], f"{param}.format")
    titled = {"title": name} if name.strip() else {}
    if kind == _PDF:
        return [{"type": "document", "source": {"type": "base64", "media_type": _PDF, "data": data}, **titled}]
    if kind != _PLAIN:
        raise wrong_value(here, "Claude reads documents in PDF and plain text.")
    try:
        said = b64decode(data).decode()
    except UnicodeDecodeError as error:
        raise wrong_value(here, "it is not UTF-8.") from error
    if not said.strip():
        raise wrong_value(here, "it is empty.")
    return [{"type": "document", "source": {"type": "text", "media_type": _PLAIN, "data": said}, **titled}]


_READERS: Final[dict[str, Callable[[Any, str], list[dict[str, Any]]]]] = {
    "text": _text,
    "image_url": _image,
    "file": _file,
}


def _data(url: str, param: str) -> tuple[str, str]:
    """Media type and base64 of a data: URL; there is nothing else that Claude reads in a batch."""
    if not (head := _DATA.match(url)):
        raise wrong_value(param, "batch prediction with Claude reads data: URLs only (data:<type>;base64,<data>).")
    return head[1], _checked(url[head.end() :], param)


def _checked(data: str, param: str) -> str:
    try:
        if not binascii.a2b_base64(data, strict_mode=True):
            raise wrong_value(param, "it is empty.")
    except ValueError as error:  # binascii.Error, or characters that are not ASCII
        raise wrong_value(param, "it is not base64.") from error
    return data
