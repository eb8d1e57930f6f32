"""A chat completion request as a Gemini row: one reader for each parameter, and nothing that is not in the table."""

import re
from collections.abc import Callable
from typing import Any, Final

from shared.lines.checks import (
    array,
    flag,
    integer,
    missing,
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
from shared.providers.base import Media
from shared.providers.vertex.abilities import Profile
from shared.providers.vertex.draft import Draft
from shared.providers.vertex.schema import convert
from shared.providers.vertex.thinking import read_thinking
from shared.providers.vertex.tools import read_tools
from shared.providers.vertex.turns import read_messages
from shared.providers.vertex.without_effect import WITHOUT_EFFECT, refuse_stream

__all__ = ["read_request"]

_INT32: Final = 2**31
_SCHEMA_LEVEL: Final = 4  # line, request, generationConfig, responseSchema
_SCHEMA_PATH: Final = "generationconfig.responseschema"
_MAX_STOPS: Final = 5
_NO_CACHE: Final = "batch prediction cannot use explicit caches."
_ENUM: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")

Reader = Callable[[Draft, Any], None]


def read_request(body: dict[str, Any], profile: Profile, media: Media) -> Draft:
    """The whole request. LineError at the first thing that cannot be done exactly as asked."""
    draft = Draft(profile, media)
    for name, value in body.items():
        reader = _READERS.get(name)
        if reader is None:
            raise unsupported(shown(name), "it is not known here.")
        if value is not None:  # null is OpenAI's way to say: not given
            reader(draft, value)
    if not draft.contents:
        raise missing("messages")
    if draft.joint:
        _read_joint(draft, body)
    request = draft.request
    if draft.system:
        request["systemInstruction"] = {"parts": draft.system}
    if draft.details:
        _read_details(draft)
    if draft.config:
        request["generationConfig"] = draft.config
    return draft


def _read_joint(draft: Draft, body: dict[str, Any]) -> None:
    """Parameters that mean something only together."""
    read_tools(draft, body)
    _read_logprobs(draft, body)
    google, where = _google(body)
    safety = _either(body, google, where, "safety_settings")
    if safety is not None:
        _read_safety(draft, *safety)
    thinking = _either(body, google, where, "thinking_config") or (None, "thinking_config")
    read_thinking(draft, body.get("reasoning_effort"), *thinking)


def _google(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What stands under extra_body.google, or under google, where the SDK's own extra_body puts it."""
    extra = body.get("extra_body")
    where = "extra_body.google"
    if extra is not None:
        only(object_(extra, "extra_body"), {"google"}, "extra_body")
    inner = (extra or {}).get("google")
    if body.get("google") is not None:
        if inner is not None:
            raise wrong_value("google", "it is given twice.")
        inner, where = body["google"], "google"
    if inner is None:
        return {}, where
    if object_(inner, where).get("cached_content") is not None:
        raise unsupported(f"{where}.cached_content", _NO_CACHE)
    only(inner, {"safety_settings", "thinking_config", "cached_content"}, where)
    return inner, where


def _either(body: dict[str, Any], google: dict[str, Any], where: str, name: str) -> tuple[Any, str] | None:
    if google.get(name) is None:
        return None if body.get(name) is None else (body[name], name)
    if body.get(name) is not None:
        raise wrong_value(name, "it is given twice.")
    return google[name], f"{where}.{name}"


def _read_safety(draft: Draft, settings: Any, param: str) -> None:
    read = []
    for at, setting in enumerate(array(settings, param)):
        here = f"{param}[{at}]"
        only(object_(setting, here), {"category", "threshold", "method"}, here)
        given = {name: value for name, value in setting.items() if value is not None}
        for name in ("category", "threshold"):
            if name not in given:
                raise missing(f"{here}.{name}")
        for name, value in given.items():
            if not _ENUM.fullmatch(text(value, f"{here}.{name}")):
                raise wrong_value(
                    f"{here}.{name}", "it must be one of Google's names, such as HARM_CATEGORY_HARASSMENT."
                )
        read.append(given)
    if read:
        draft.request["safetySettings"] = read


def _read_logprobs(draft: Draft, body: dict[str, Any]) -> None:
    wanted, top = body.get("logprobs"), body.get("top_logprobs")
    if wanted is not None and flag(wanted, "logprobs"):
        draft.config["responseLogprobs"] = True
    if top is not None and integer(top, "top_logprobs", 0, 20):
        if not wanted:
            raise wrong_value("top_logprobs", "logprobs must be true for it.")
        draft.config["logprobs"] = top


def _read_details(draft: Draft) -> None:
    """One resolution holds for all media of a request."""
    details = (draft.details or set()) - {"auto"}
    if len(details) > 1:
        raise wrong_value("messages", "all images of one request must share one detail, low or high.")
    for detail in details:
        draft.config["mediaResolution"] = f"MEDIA_RESOLUTION_{detail.upper()}"


def _read_max_tokens(name: str) -> Reader:
    def read(draft: Draft, value: Any) -> None:
        tokens = integer(value, name, 1, _INT32 - 1)
        if draft.config.setdefault("maxOutputTokens", tokens) != tokens:
            raise unsupported(name, "max_tokens and max_completion_tokens cannot be combined.")

    return read


def _read_sampling(name: str, theirs: str, high: float) -> Reader:
    def read(draft: Draft, value: Any) -> None:
        if type(value) is not float or not 0 <= value <= high:
            number(value, name, 0, high)
        if draft.profile.sampling:  # else the model takes no notice of it
            draft.config[theirs] = float(value)  # one type in all rows

    return read


def _read_penalty(name: str, theirs: str) -> Reader:
    def read(draft: Draft, value: Any) -> None:
        if number(value, name, -2, 2):
            if not draft.profile.penalties:
                raise unsupported(name)
            draft.config[theirs] = float(value)

    return read


def _read_n(draft: Draft, value: Any) -> None:
    if integer(value, "n", 1, draft.profile.candidates) > 1:
        draft.config["candidateCount"] = value


def _read_seed(draft: Draft, value: Any) -> None:
    """OpenAI's seeds have 64 bits, Gemini's 32; equal ones stay equal."""
    draft.config["seed"] = (integer(value, "seed") + _INT32) % (2 * _INT32) - _INT32


def _read_stop(draft: Draft, value: Any) -> None:
    if not isinstance(value, (str, list)):
        raise wrong_type("stop", "a string or an array of strings", value)
    stops = [value] if isinstance(value, str) else value
    if len(stops) > _MAX_STOPS:
        raise wrong_value("stop", f"at most {_MAX_STOPS} sequences are possible.")
    for at, stop in enumerate(stops):
        here = "stop" if stops is not value else f"stop[{at}]"
        if not text(stop, here):
            raise wrong_value(here, "it must not be empty.")
    if stops:
        draft.config["stopSequences"] = stops


def _read_response_format(draft: Draft, value: Any) -> None:
    param = "response_format"
    kind = one_of(object_(value, param).get("type"), f"{param}.type", {"text", "json_object", "json_schema"})
    if kind != "json_schema":
        only(value, {"type"}, param)
        draft.config["responseMimeType"] = "text/plain" if kind == "text" else "application/json"
        return
    only(value, {"type", "json_schema"}, param)
    here = f"{param}.json_schema"
    wanted = object_(value.get("json_schema"), here)
    only(wanted, {"name", "description", "schema", "strict"}, here)
    for name, check in (("name", text), ("description", text), ("strict", flag)):
        if wanted.get(name) is not None:
            check(wanted[name], f"{here}.{name}")
    draft.config["responseMimeType"] = "application/json"
    if wanted.get("schema") is None:
        return
    schema = convert(wanted["schema"], f"{here}.schema", _SCHEMA_PATH, _SCHEMA_LEVEL, draft.free(), ordered=True)
    if wanted.get("description"):
        schema = _described(schema, wanted["description"])
    draft.config["responseSchema"] = schema


def _described(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """What the whole answer is for; a description inside the schema says it better."""
    if "anyOf" in schema:
        return {"anyOf": [{"description": description, **branch} for branch in schema["anyOf"]]}
    return {"description": description, **schema}


def _read_modalities(_: Draft, value: Any) -> None:
    if any(text(kind, f"modalities[{at}]") != "text" for at, kind in enumerate(array(value, "modalities"))):
        raise unsupported("modalities", "only text can be answered.")


def _refuse_bias(_: Draft, value: Any) -> None:
    if object_(value, "logit_bias"):
        raise unsupported("logit_bias", "Gemini has no equivalent.")


def _refuse(name: str, why: str) -> Reader:
    def refuse(_: Draft, __: Any) -> None:
        raise unsupported(name, why)

    return refuse


def _joint(draft: Draft, _: Any) -> None:
    draft.joint = True


_READERS: Final[dict[str, Reader]] = {
    **WITHOUT_EFFECT,
    "messages": read_messages,
    "max_tokens": _read_max_tokens("max_tokens"),
    "max_completion_tokens": _read_max_tokens("max_completion_tokens"),
    "temperature": _read_sampling("temperature", "temperature", 2),
    "top_p": _read_sampling("top_p", "topP", 1),
    "n": _read_n,
    "stop": _read_stop,
    "seed": _read_seed,
    "presence_penalty": _read_penalty("presence_penalty", "presencePenalty"),
    "frequency_penalty": _read_penalty("frequency_penalty", "frequencyPenalty"),
    "response_format": _read_response_format,
    "modalities": _read_modalities,
    **dict.fromkeys(
        (
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "functions",
            "function_call",
            "logprobs",
            "top_logprobs",
            "reasoning_effort",
            "extra_body",
            "google",
            "safety_settings",
            "thinking_config",
        ),
        _joint,
    ),
    "stream": refuse_stream,
    "logit_bias": _refuse_bias,
    "cached_content": _refuse("cached_content", _NO_CACHE),
    "audio": _refuse("audio", "only text can be answered."),
    "web_search_options": _refuse("web_search_options", "searching the web is not offered."),
}
