"""A caller's line as OpenAI's own batch line. What the tables of the profile do not name is an error of the line."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shared.lines.checks import one_of, shown, text, unsupported
from shared.lines.errors import LineError
from shared.providers.media import check_media_url, media_urls
from shared.providers.openai.profile import EMBEDDINGS, MODERATIONS, PARAMETERS, RESPONSES, TIERS, TOOLS, WITHHELD

__all__ = ["encode_line", "inputs_of"]

_encode: Final = msgspec.json.Encoder().encode
_OURS: Final = frozenset({"model", "stream"})  # said by us, or with nothing left to say
_SEATS: Final = {RESPONSES: "input"}
_STORED: Final = "a file_id is not offered; give the content itself."


def encode_line(endpoint: str, model: str, body: dict[str, Any], ordinal: int, *, url: str) -> bytes:
    """The line, ended by a newline; LineError at the first thing that may not pass. `url`: the provider's own."""
    known = PARAMETERS[endpoint]
    for name, value in body.items():
        if name not in known:
            raise unsupported(shown(name), WITHHELD.get(name, "it is not known here."))
        if value is not None and name in _READERS:
            _READERS[name](value)
    seat = _SEATS.get(endpoint, "messages")
    _refuse_stored(body.get(seat), seat)
    for param, there in _urls(endpoint, body):
        check_media_url(there, param, None)
    # null is OpenAI's way to say: not given
    sent = {name: value for name, value in body.items() if value is not None and name not in _OURS}
    row = {"custom_id": f"r-{ordinal:06d}", "method": "POST", "url": url, "body": {"model": model, **sent}}
    return _encode(row) + b"\n"


def inputs_of(endpoint: str, body: dict[str, Any]) -> int:
    """How many texts a line has to embed; a list of numbers is one text in tokens."""
    given = body.get("input")
    if endpoint != EMBEDDINGS or not isinstance(given, list) or not given or type(given[0]) is int:
        return 1
    return len(given)


def _urls(endpoint: str, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the provider would fetch, from its own network, by the path where it stands."""
    if endpoint != MODERATIONS:
        yield from media_urls(body)
        return
    given = body.get("input")
    for at, part in enumerate(given if isinstance(given, list) else []):
        image = part.get("image_url") if isinstance(part, dict) else None
        url = image.get("url") if isinstance(image, dict) else image
        if isinstance(url, str):
            yield f"input[{at}].image_url{'.url' if isinstance(image, dict) else ''}", url


def _read_tools(value: Any) -> None:
    for at, tool in enumerate(value if isinstance(value, list) else []):
        if isinstance(tool, dict) and tool.get("type") is not None:
            kind = text(tool["type"], f"tools[{at}].type")
            if kind not in TOOLS:
                raise unsupported(f"tools[{at}].type", f"only {' and '.join(sorted(TOOLS))} tools are offered here.")


def _read_tier(value: Any) -> None:
    one_of(value, "service_tier", TIERS)


_READERS: Final = {"tools": _read_tools, "service_tier": _read_tier}


def _refuse_stored(turns: Any, param: str) -> None:
    """Files and items at the provider belong to whoever holds the deployment's key, so to no caller."""
    for at, turn in enumerate(turns if isinstance(turns, list) else []):
        if not isinstance(turn, dict):
            continue
        if turn.get("type") == "item_reference" or (param == "input" and not turn.get("type") and _only_id(turn)):
            raise unsupported(f"{param}[{at}]", "items that the provider keeps are not one caller's own.")
        for name in ("content", "output"):
            parts = turn.get(name)
            if isinstance(parts, dict):  # such as a picture of a screen
                _refuse_part(parts, f"{param}[{at}].{name}")
            for number, part in enumerate(parts if isinstance(parts, list) else []):
                if isinstance(part, dict):
                    _refuse_part(part, f"{param}[{at}].{name}[{number}]")


def _only_id(turn: dict[str, Any]) -> bool:
    return "id" in turn and "role" not in turn


def _refuse_part(part: dict[str, Any], param: str) -> None:
    inner = part.get("file")
    if part.get("file_id") is not None:
        raise _stored(f"{param}.file_id")
    if isinstance(inner, dict) and inner.get("file_id") is not None:
        raise _stored(f"{param}.file.file_id")


def _stored(param: str) -> LineError:
    return unsupported(param, _STORED)
