"""Which request a fact belongs to: the trace that Google's front end begins, carried on through every message.

   request ── traceparent ──▶ log context ──▶ outbox row ──▶ message attribute ──▶ log context of the step ──▶ …

So the log of a request and those of the steps that it set going are one trace, however many functions they ran in.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from shared.log import context

__all__ = ["ATTRIBUTE", "Trace", "current", "report_to", "tracing"]

ATTRIBUTE: Final = "traceparent"  # W3C Trace Context's name for the header, and ours for the message attribute

_PARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CLOUD: Final = re.compile(r"([0-9a-fA-F]{32})(?:/(\d{1,20}))?(?:;o=([01]))?")  # X-Cloud-Trace-Context
_NO_TRACE: Final = "0" * 32
_FIELD: Final = "logging.googleapis.com"  # Cloud Logging: special fields of structured payloads, docs 2026-11


class _Headers(Protocol):
    def get(self, key: str, default: str, /) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A trace and the span in it that we work for."""

    id: str  # 32 hexadecimal digits
    span: str  # 16
    sampled: bool

    @classmethod
    def new(cls) -> "Trace":
        return cls(id=secrets.token_hex(16), span=secrets.token_hex(8), sampled=False)

    @classmethod
    def parse(cls, parent: object) -> "Trace | None":
        """A `traceparent`; None for anything else."""
        match = _PARENT.fullmatch(parent) if isinstance(parent, str) else None
        if match is None or match[1] == _NO_TRACE:
            return None
        return cls(id=match[1], span=match[2], sampled=bool(int(match[3], 16) & 1))

    @classmethod
    def of(cls, headers: "_Headers") -> "Trace":
        """The trace of a request: W3C's header, else Google's older one, else a new trace."""
        found = cls.parse(headers.get(ATTRIBUTE, ""))
        if found is None and (match := _CLOUD.fullmatch(headers.get("x-cloud-trace-context", ""))):
            span = f"{int(match[2] or 0) & (2**64 - 1):016x}"  # decimal there, hexadecimal everywhere else
            found = cls(id=match[1].lower(), span=span, sampled=match[3] == "1")
        return found or cls.new()

    def parent(self) -> str:
        """As a `traceparent`."""
        return f"00-{self.id}-{self.span}-{'01' if self.sampled else '00'}"


_current: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)
_projects: Final[list[str]] = []  # at most one: of the process


def report_to(project: str | None) -> None:
    """The project whose log this process writes to: Cloud Logging wants it in the name of a trace."""
    _projects[:] = [] if project is None else [project]


def current() -> str | None:
    """The `traceparent` that a message of ours should carry on."""
    trace = _current.get()
    return None if trace is None else trace.parent()


@contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Facts logged and messages sent inside belong to this trace."""
    token = _current.set(trace)
    name = "".join(f"projects/{project}/traces/" for project in _projects) + trace.id
    fields = {f"{_FIELD}/trace": name, f"{_FIELD}/spanId": trace.span, f"{_FIELD}/trace_sampled": trace.sampled}
    try:
        with context(**fields):
            yield
    finally:
        _current.reset(token)
