"""What was really run, whatever its clients were told."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Journal"]


@dataclass(slots=True)
class Journal:
    """Requests until now; `GET /-/journal` shows it, and DELETE begins a new one."""

    started: int = 0
    finished: int = 0
    aborted: int = 0
    refused: int = 0
    most_running: int = 0
    requests: Counter[str] = field(default_factory=Counter)  # finished, by X-Request-Id
    nonces: Counter[str] = field(default_factory=Counter)  # finished, by what the prompt names itself
    fetched: list[str] = field(default_factory=list)  # http URLs that a real server would have fetched

    def report(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}
