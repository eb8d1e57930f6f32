"""Rows of Claude's output, as types: what is not named here is skipped unread. Every field may be missing or null."""

from typing import Annotated, Final

import msgspec

__all__ = ["Block", "ClaudeRow", "ClaudeUsage", "Message", "Problem"]

_MOST: Final = 2**53  # a larger number is no count of anything
_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]


class Block(msgspec.Struct, gc=False):
    """One thing of those that a message says: `text`, `thinking` or `tool_use`; of other types there is nothing."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()  # goes out as it came; empty: there is none


class ClaudeUsage(msgspec.Struct, gc=False):
    """Counts of tokens; what was written to a cache or read from it is not in `input_tokens`."""

    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None


class Problem(msgspec.Struct, gc=False):
    """An error that stands where the message should."""

    type: str | None = None
    message: str | None = None


class Message(msgspec.Struct, gc=False):
    """The answer, or an error in its place."""

    id: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    usage: ClaudeUsage | None = None
    error: Problem | None = None


class ClaudeRow(msgspec.Struct, gc=False):
    """A line of the output; it failed where `status` says something or `response` is missing or empty."""

    custom_id: str | None = None
    status: str | None = None
    processed_time: str | None = None
    response: Message | None = None
