"""Troubles that a prompt asks for: `[[status 500]]`, `[[status 500 x2]]`, `[[slow 3]]`."""

import re
from collections import Counter
from typing import Final

from infra.local.standins.vllm.answers import Refusal

__all__ = ["Troubles"]

_TROUBLE: Final = re.compile(r"\[\[(status|slow) ([0-9.]+)(?: x([0-9]+))?\]\]")


class Troubles:
    """Remembers how often each prompt was given its error."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def of(self, text: str) -> float:
        """So many seconds more; or Refusal, where the prompt asks for an error."""
        seconds = 0.0
        for kind, value, times in _TROUBLE.findall(text) if "[[" in text else ():
            if kind == "slow":
                seconds += float(value)
                continue
            self._given[text] += 1
            if not times or self._given[text] <= int(times):
                raise Refusal(int(value), "The stand-in was asked for this.", "InternalServerError")
        return seconds
