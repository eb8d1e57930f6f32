"""One endpoint's request said as another's: what comes of it, and how errors find the way back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.lines.errors import LineError

__all__ = ["EXTENSIONS", "Lowered", "Lowering", "in_callers_words"]

EXTENSIONS = frozenset({"extra_body", "google", "safety_settings", "thinking_config"})
"""A provider's own parameters. They are the same at every endpoint, and the chat codec knows which of them it takes."""


@dataclass(slots=True, kw_only=True)
class Lowered:
    """A chat completion request that asks for exactly what the caller asked for."""

    body: dict[str, Any]
    places: dict[str, str] = field(default_factory=dict)
    """Path in `body` to the path in what the caller wrote, where they differ; what is below a path goes with it."""
    echo: dict[str, Any] = field(default_factory=dict)
    """What the answer repeats of the request. Stored with each line: short values, none that is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """There and back. `answer` gets a chat.completion and the echo, and is total for what a chat codec answers."""

    name: str
    lower: Callable[[dict[str, Any]], Lowered]  # LineError where something would be lost
    answer: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def in_callers_words(error: LineError, places: dict[str, str]) -> LineError:
    """The same error about the parameter that the caller wrote; as it is where that is not known."""
    if error.param is None:
        return error
    param = _place(error.param, places)
    message = error.message.replace(f"'{error.param}'", f"'{param}'")
    return LineError(error.code, message, param)


def _place(param: str, places: dict[str, str]) -> str:
    """The longest beginning that has a place decides."""
    end = len(param)
    while end > 0:
        place = places.get(param[:end])
        if place is not None:
            return place + param[end:]
        end = max(param.rfind(".", 0, end), param.rfind("[", 0, end))
    return param
