"""A caller's line as an OpenAI batch line in the server's own words. What no table names is an error of the line.

A content part is read by the table, too: vLLM knows many more kinds, some of which it unpickles, fetches or takes from
another caller's cache.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.lines.checks import array, missing, object_, one_of, only, shown, text, unsupported, wrong_value
from shared.providers.media import check_media_url
from shared.providers.openai.profile import TIERS
from shared.providers.vllm.profile import CHAT, IGNORED, PARAMETERS, WITHHELD

__all__ = ["encode_line"]

_encode: Final = msgspec.json.Encoder().encode
_UNSENT: Final = IGNORED | {
    "model",
    "stream",
    "modalities",
    "best_of",
    "suffix",
    "thinking_config",
}  # said by us, or with nothing to say
_FORMATS: Final = frozenset({"text", "json_object", "json_schema"})
_MESSAGE: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "reasoning", "reasoning_content"}
    | {"annotations", "audio", "function_call"}  # of answers that are given back, mostly null
)
_SOUND: Final = re.compile(r"[a-z0-9]{1,16}")

Hosts = frozenset[str]


def encode_line(endpoint: str, model: str, hosts: Hosts, body: dict[str, Any], ordinal: int) -> bytes:
    """The line, ended by a newline; LineError at the first thing that may not pass. `hosts` may be named in URLs."""
    known = PARAMETERS[endpoint]
    for name, value in body.items():
        if name not in known:
            why = WITHHELD.get(name, "it is not known here.")
            raise unsupported(shown(name), why)
        if value is not None and name in _READERS:
            _READERS[name](value, body)
    # null is OpenAI's way to say: not given
    sent = {name: value for name, value in body.items() if value is not None and name not in _UNSENT}
    if endpoint == CHAT:
        sent["messages"] = _messages(sent.get("messages"), hosts)
    row = {"custom_id": f"r-{ordinal:06d}", "method": "POST", "url": endpoint, "body": {"model": model, **sent}}
    return _encode(row) + b"\n"


def _read_tools(value: Any, _: dict[str, Any]) -> None:
    for at, tool in enumerate(array(value, "tools")):
        kind = object_(tool, f"tools[{at}]").get("type", "function")
        if text(kind, f"tools[{at}].type") != "function":
            raise unsupported(f"tools[{at}].type", "only function tools are offered here.")


def _read_tier(value: Any, _: dict[str, Any]) -> None:
    one_of(value, "service_tier", TIERS)


def _read_modalities(value: Any, _: dict[str, Any]) -> None:
    if value != ["text"]:
        raise unsupported("modalities", "answers are text.")


def _read_format(value: Any, _: dict[str, Any]) -> None:
    one_of(object_(value, "response_format").get("type"), "response_format.type", _FORMATS)


def _read_thinking(value: Any, _: dict[str, Any]) -> None:
    """That thoughts are wanted: what `reasoning.summary` of a response becomes. Those that there are come anyway."""
    if value != {"include_thoughts": True}:
        raise unsupported("thinking_config", "say it with reasoning_effort.")


def _read_best(value: Any, body: dict[str, Any]) -> None:
    if value != body.get("n", 1):
        raise unsupported("best_of", "all that is generated is returned; ask for it with n.")


def _read_suffix(value: Any, _: dict[str, Any]) -> None:
    if value != "":
        raise unsupported("suffix", "a text cannot be made to lead up to a given end.")


_READERS: Final[dict[str, Callable[[Any, dict[str, Any]], None]]] = {
    "tools": _read_tools,
    "service_tier": _read_tier,
    "modalities": _read_modalities,
    "response_format": _read_format,
    "thinking_config": _read_thinking,
    "best_of": _read_best,
    "suffix": _read_suffix,
}


def _messages(value: Any, hosts: Hosts) -> list[Any]:
    """The messages, with every content part as vLLM writes it."""
    messages = []
    for at, given in enumerate(array(value, "messages")):
        param = f"messages[{at}]"
        only(object_(given, param), _MESSAGE, param)
        content = given.get("content")
        if isinstance(content, list):
            here = f"{param}.content"
            parts = [_part(part, f"{here}[{number}]", hosts) for number, part in enumerate(content)]
            messages.append({**given, "content": parts})
        else:
            if content is not None:
                text(content, f"{param}.content")
            messages.append(given)
    return messages


def _part(part: Any, param: str, hosts: Hosts) -> dict[str, Any]:
    kind = object_(part, param).get("type")
    if kind is None:
        raise missing(f"{param}.type")
    if text(kind, f"{param}.type") not in _PARTS:
        raise wrong_value(f"{param}.type", f"supported types are: {', '.join(sorted(_PARTS))}.")
    only(part, {"type", kind}, param)
    return {"type": kind, kind: _PARTS[kind](part.get(kind), f"{param}.{kind}", hosts)}


def _text(value: Any, param: str, _: Hosts) -> str:
    return text(value, param)


def _url(value: Any, param: str, hosts: Hosts) -> dict[str, Any]:
    if isinstance(value, str):  # LiteLLM's short form
        check_media_url(value, param, hosts)
        return {"url": value}
    only(object_(value, param), {"url", "detail", "format"}, param)
    check_media_url(text(value.get("url"), f"{param}.url"), f"{param}.url", hosts)
    if value.get("detail") is not None:
        text(value["detail"], f"{param}.detail")
    # a URL has a type of its own; a level of detail is for models that vLLM does not run
    return {name: member for name, member in value.items() if member is not None and name != "format"}


def _sound(value: Any, param: str, _: Hosts) -> dict[str, Any]:
    only(object_(value, param), {"data", "format"}, param)
    form = text(value.get("format"), f"{param}.format")
    if not _SOUND.fullmatch(form):  # it becomes part of a URL there
        raise wrong_value(f"{param}.format", "it must be a format such as wav.")
    if ":" in text(value.get("data"), f"{param}.data")[:16]:
        raise wrong_value(f"{param}.data", "it is not base64.")
    return {"data": value["data"], "format": form}


_PARTS: Final[dict[str, Callable[[Any, str, Hosts], Any]]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _url,
    "audio_url": _url,
    "video_url": _url,
    "input_audio": _sound,
}
