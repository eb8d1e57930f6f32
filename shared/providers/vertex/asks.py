"""What a row as Vertex's own asks for, or had, beside an answer of its model.

Gemini's rows come back with their request ("batch prediction": the output's columns), so the tools that they were given
tell what may have been charged beside the tokens. Claude's come back without it and say what has run at the server: a
tool that was there and was not used costs nothing.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shared.lines.checks import shown
from shared.providers.base import NATIVE
from shared.providers.vertex.profile import Kind

__all__ = ["asked_beside", "charged_beside", "plain", "withheld"]

_GEMINI: Final = frozenset({Kind.GEMINI, Kind.GEMINI_EMBEDDINGS})
_FUNCTIONS: Final = "functiondeclarations"  # the caller's own: tokens alone
_OWN: Final = frozenset({None, "custom"})  # types of Claude's tools that are the caller's own
_STORES: Final = "retrieval"  # a tool that reads data stores of the project
_CACHE: Final = "cachedcontent"
_SERVER_TOOL: Final = b'"server_tool_use"'  # inside a string its quotes would be escaped


class _Request(msgspec.Struct, gc=False):
    tools: list[dict[str, msgspec.Raw] | None] | None = None


class _Echo(msgspec.Struct, gc=False):
    """A row of Gemini's, its request alone."""

    request: _Request | None = None


class _Block(msgspec.Struct, gc=False):
    type: str | None = None


class _Counts(msgspec.Struct, gc=False):
    server_tool_use: dict[str, Any] | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block | None] | None = None
    usage: _Counts | None = None


class _Said(msgspec.Struct, gc=False):
    """A row of Claude's, what it says of tools that ran at the server."""

    response: _Message | None = None


_echo: Final = msgspec.json.Decoder(_Echo).decode
_said: Final = msgspec.json.Decoder(_Said).decode


def plain(name: str) -> str:
    """A member's name as protobuf knows it, in either of its two spellings."""
    return name.lower().replace("_", "")


def asked_beside(kind: Kind, endpoint: str, row: dict[str, Any]) -> str | None:
    """Of a row that has not run: the first of its tools that is charged beside the tokens."""
    if endpoint != NATIVE:  # what we make of lines of OpenAI's has no such tool
        return None
    if kind is Kind.CLAUDE:
        for here, tool in _tools(row):
            if not isinstance(type_ := tool.get("type"), str | None) or type_ not in _OWN:
                return f"{here}.type"
    if kind in _GEMINI:
        for here, tool in _tools(row):
            for name, value in tool.items():
                if plain(name) != _FUNCTIONS and value is not None:
                    return f"{here}.{shown(name)}"
    return None


def withheld(kind: Kind, row: dict[str, Any]) -> str | None:
    """Of a row that has not run: the member that names a cache or a store of data in the project, which is read with
    the project's identity.
    """
    request = row.get("request")
    if kind not in _GEMINI or not isinstance(request, dict):
        return None
    for name, value in request.items():
        if plain(name) == _CACHE and value is not None:
            return f"request.{shown(name)}"
    for here, tool in _tools(row):
        for name, value in tool.items():
            if plain(name) == _STORES and value is not None:
                return f"{here}.{shown(name)}"
    return None


def charged_beside(kind: Kind, raw: bytes) -> bool:
    """Of a good row that has come back: whether more may be charged for it than its tokens."""
    try:
        if kind is Kind.CLAUDE:
            return _SERVER_TOOL in raw and _ran_at_server(_said(raw).response)
        return kind in _GEMINI and b'"tools"' in raw and _had_tools(_echo(raw).request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def _had_tools(request: _Request | None) -> bool:
    tools = (request.tools if request is not None else None) or []
    return any(
        plain(name) != _FUNCTIONS and bytes(value) != b"null" for tool in tools for name, value in (tool or {}).items()
    )


def _ran_at_server(message: _Message | None) -> bool:
    if message is None:
        return False
    counts = message.usage.server_tool_use if message.usage is not None else None
    blocks = message.content or ()
    return any((counts or {}).values()) or any(
        block is not None and block.type == "server_tool_use" for block in blocks
    )


def _tools(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tools of a row's request, each after its path."""
    request = row.get("request")
    for name, value in request.items() if isinstance(request, dict) else ():
        if plain(name) == "tools" and isinstance(value, list):
            yield from (
                (f"request.{shown(name)}[{at}]", tool) for at, tool in enumerate(value) if isinstance(tool, dict)
            )
