"""One JSON object per fact, on standard output: an action, then fields. Never a key, a prompt or an answer.

`message` is a name, never a sentence: alerts and counters are built on it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

__all__ = ["context", "log"]

_context: Final[ContextVar[Mapping[str, object]]] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def context(**fields: object) -> Iterator[None]:
    """Every fact logged inside carries these fields too."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def log(action: str, *, severity: str = "INFO", **fields: object) -> None:
    """Write one fact, as Cloud Logging reads it."""
    fact = {"severity": severity, "message": action, **_context.get(), **fields}
    sys.stdout.write(json.dumps(fact, default=str, ensure_ascii=True) + "\n")
    sys.stdout.flush()
