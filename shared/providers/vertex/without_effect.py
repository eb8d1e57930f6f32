"""Parameters of a chat completion that mean the same to every model: those without effect in a batch, and `stream`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.lines.checks import flag, object_, text
from shared.lines.errors import LineError

__all__ = ["WITHOUT_EFFECT", "refuse_stream"]

Reader = Callable[[object, Any], None]  # of whatever draft


def refuse_stream(_: object, value: Any) -> None:
    """No batch has a stream: LineError where one is asked for."""
    if flag(value, "stream"):
        message = "Chat Completions: Streaming is not supported in the Batch API."
        raise LineError("streaming_unsupported", message, "stream")


def _ignore(name: str, check: Callable[[Any, str], object]) -> Reader:
    """A parameter that changes nothing in the answer of a batch; its type is checked all the same."""

    def ignore(_: object, value: Any) -> None:
        check(value, name)

    return ignore


WITHOUT_EFFECT: Final[Mapping[str, Reader]] = {
    name: _ignore(name, check)
    for check, names in (
        (text, ("model", "service_tier", "user", "safety_identifier")),  # the job has the model: one for all rows
        (text, ("prompt_cache_key", "prompt_cache_retention", "verbosity")),
        (object_, ("stream_options", "prediction", "metadata")),
        (flag, ("store",)),
    )
    for name in names
}
