"""The input of a Responses request as the messages of a chat: items in their order, calls with their turn."""

from collections.abc import Callable
from typing import Any, Final

from shared.lines.checks import array, members, missing, only, text, unsupported, wrong_type, wrong_value

__all__ = ["read_input", "read_instructions"]

_ROLES: Final = frozenset({"user", "assistant", "system", "developer"})
_SAID: Final = frozenset({"id", "status"})  # of answers, given back: no part of the talk


class _Talk:
    """Messages in the making, and where each of them stood."""

    def __init__(self, messages: list[dict[str, Any]], places: dict[str, str]) -> None:
        self.messages, self.places = messages, places

    def add(self, message: dict[str, Any], place: str, content: str | None = None) -> str:
        """Returns the path of the new message. `content`: where its content stood, if it is not called so."""
        path = f"messages[{len(self.messages)}]"
        self.messages.append(message)
        self.places[path] = place
        if content is not None:
            self.places[f"{path}.content"] = content
        return path


def read_instructions(value: Any, messages: list[dict[str, Any]], places: dict[str, str]) -> None:
    """Instructions are the first message, and the system's."""
    said = {"role": "system", "content": text(value, "instructions")}
    _Talk(messages, places).add(said, "instructions", "instructions")


def read_input(value: Any, messages: list[dict[str, Any]], places: dict[str, str]) -> None:
    """Add the messages that the input is: a text of the user, or items."""
    talk = _Talk(messages, places)
    if isinstance(value, str):
        talk.add({"role": "user", "content": value}, "input", "input")
        return
    if not isinstance(value, list):
        raise missing("input") if value is None else wrong_type("input", "a string or an array", value)
    for at, given in enumerate(value):
        param = f"input[{at}]"
        item = members(given, param)
        kind = text(item.get("type", "message" if "role" in item else None), f"{param}.type")
        reader = _ITEMS.get(kind)
        if reader is None:
            raise wrong_value(f"{param}.type", f"supported types are: {', '.join(sorted(_ITEMS))}.")
        reader(talk, item, param)


def _message(talk: _Talk, item: dict[str, Any], param: str) -> None:
    only(item, {"type", "role", "content"} | _SAID, param)
    role = text(item.get("role"), f"{param}.role")
    if role not in _ROLES:
        raise wrong_value(f"{param}.role", f"supported values are: {', '.join(sorted(_ROLES))}.")
    message = {"role": role}
    path = talk.add(message, param)
    message["content"] = _content(talk, item.get("content"), f"{param}.content", f"{path}.content")


def _call(talk: _Talk, item: dict[str, Any], param: str) -> None:
    """A call belongs to the turn of the assistant that it continues."""
    only(item, {"type", "call_id", "name", "arguments", "extra_content"} | _SAID, param)
    call: dict[str, Any] = {
        "id": text(item.get("call_id"), f"{param}.call_id"),
        "type": "function",
        "function": {name: text(item.get(name), f"{param}.{name}") for name in ("name", "arguments")},
    }
    if "extra_content" in item:  # where Gemini's thought signatures travel, in chat completions too
        call["extra_content"] = item["extra_content"]
    if not talk.messages or talk.messages[-1]["role"] != "assistant":
        talk.add({"role": "assistant", "content": None}, param)
    calls = talk.messages[-1].setdefault("tool_calls", [])
    path = f"messages[{len(talk.messages) - 1}].tool_calls[{len(calls)}]"
    calls.append(call)
    talk.places |= {path: param, f"{path}.id": f"{param}.call_id", f"{path}.function": param}


def _result(talk: _Talk, item: dict[str, Any], param: str) -> None:
    only(item, {"type", "call_id", "output"} | _SAID, param)
    message = {"role": "tool", "tool_call_id": text(item.get("call_id"), f"{param}.call_id")}
    path = talk.add(message, param, f"{param}.output")
    talk.places[f"{path}.tool_call_id"] = f"{param}.call_id"
    message["content"] = _content(talk, item.get("output"), f"{param}.output", f"{path}.content")


def _reasoning(_: _Talk, item: dict[str, Any], param: str) -> None:
    """Summaries are for people; a model is not told its own. What only OpenAI can read would be lost."""
    only(item, {"type", "summary", "content", "encrypted_content"} | _SAID, param)
    if "encrypted_content" in item:
        raise unsupported(f"{param}.encrypted_content", "reasoning of another model cannot be read.")


_ITEMS: Final[dict[str, Callable[[_Talk, dict[str, Any], str], None]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _result,
    "reasoning": _reasoning,
}


def _content(talk: _Talk, value: Any, param: str, path: str) -> Any:
    """Content of a message; `path` is where it goes."""
    if isinstance(value, str):
        return value
    parts = []
    for at, given in enumerate(array(value, param)):
        here = f"{param}[{at}]"
        part = members(given, here)
        kind = text(part.pop("type", None), f"{here}.type")
        reader = _PARTS.get(kind)
        if reader is None:
            raise wrong_value(f"{here}.type", f"supported types are: {', '.join(sorted(_PARTS))}.")
        there = f"{path}[{at}]"
        talk.places[there] = here
        parts.append(reader(talk, part, here, there))
    return parts


def _text(_: _Talk, part: dict[str, Any], param: str, __: str) -> dict[str, Any]:
    only(part, {"text", "annotations", "logprobs"}, param)  # the last two come with answers
    return {"type": "text", "text": text(part.get("text"), f"{param}.text")}


def _refusal(_: _Talk, part: dict[str, Any], param: str, __: str) -> dict[str, Any]:
    only(part, {"refusal"}, param)
    return {"type": "refusal", "refusal": text(part.get("refusal"), f"{param}.refusal")}


def _image(talk: _Talk, part: dict[str, Any], param: str, path: str) -> dict[str, Any]:
    only(part, {"image_url", "detail", "file_id", "format"}, param)
    if "file_id" in part:
        raise unsupported(f"{param}.file_id", "give the image as image_url.")
    image = {"url": text(part.get("image_url"), f"{param}.image_url")}
    image |= {name: part[name] for name in ("detail", "format") if name in part}
    talk.places |= {f"{path}.image_url": param, f"{path}.image_url.url": f"{param}.image_url"}
    return {"type": "image_url", "image_url": image}


def _audio(_: _Talk, part: dict[str, Any], param: str, __: str) -> dict[str, Any]:
    only(part, {"input_audio"}, param)
    if "input_audio" not in part:
        raise missing(f"{param}.input_audio")
    return {"type": "input_audio", "input_audio": part["input_audio"]}


def _file(talk: _Talk, part: dict[str, Any], param: str, path: str) -> dict[str, Any]:
    only(part, {"file_data", "file_url", "file_id", "filename", "format", "detail"}, param)
    sources = [name for name in ("file_data", "file_url", "file_id") if name in part]
    if not sources:
        raise missing(f"{param}.file_data")
    if len(sources) > 1:
        raise wrong_value(f"{param}.{sources[1]}", "the file is given twice.")
    if part.get("detail", "auto") != "auto":
        raise unsupported(f"{param}.detail", "pages of documents have one resolution.")
    source = sources[0]
    file: dict[str, Any] = {name: part[name] for name in ("filename", "format") if name in part}
    file["file_data" if source == "file_data" else "file_id"] = part[source]  # a chat has URLs as ids
    talk.places |= {f"{path}.file": param, f"{path}.file.file_id": f"{param}.{source}"}
    return {"type": "file", "file": file}


_PARTS: Final[dict[str, Callable[[_Talk, dict[str, Any], str, str], dict[str, Any]]]] = {
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_audio": _audio,
    "input_file": _file,
}
