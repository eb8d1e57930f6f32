"""Faults to order, for tests: each rule hits the next so many calls, jobs or events, and is then used up.

{"on": "create", "do": "status", "status": 429, "next": 3}     a call is refused
{"on": "any",    "do": "hang", "seconds": 30}                  … gets no answer for so long
{"on": "create", "do": "slow", "seconds": 1}                   … is answered, and has its effect, after so long
{"on": "create", "do": "lose"}                                 … has its effect, and its answer is lost
{"on": "get",    "do": "html"}  {"do": "truncate"}             … is answered with something else
{"on": "job",    "do": "fail", "code": 13, "message": "…"}     a job fails after it has run
{"on": "job",    "do": "missing", "every": 5}  {"do": "twice"} every fifth row is never returned, or returned twice
{"on": "finalize", "do": "lose"}  {"do": "delay", "seconds": 5}  {"do": "twice"}
"""

import threading
from typing import Any, Final

__all__ = ["BadRule", "Faults", "Rule"]

Rule = dict[str, Any]

_CALLS: Final = frozenset({"create", "get", "list", "cancel", "delete", "endpoint", "any"})
_KNOWN: Final = {
    **dict.fromkeys(_CALLS, frozenset({"status", "hang", "slow", "lose", "html", "truncate"})),
    "job": frozenset({"fail", "missing", "twice"}),
    "finalize": frozenset({"lose", "delay", "twice"}),
}


class BadRule(Exception):
    """This is no fault that the stand-in knows."""


class Faults:
    """The rules that wait for their turn, in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._done: dict[str, int] = {}

    def add(self, rule: object) -> None:
        if not isinstance(rule, dict) or rule.get("do") not in _KNOWN.get(str(rule.get("on")), frozenset()):
            raise BadRule(str(rule)[:200])
        with self._lock:
            self._rules.append({"next": 1, **rule})

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, what: str) -> Rule | None:
        """The first rule for such an event; one of its turns is used up."""
        with self._lock:
            for rule in self._rules:
                if rule["on"] == what or (rule["on"] == "any" and what in _CALLS):
                    rule["next"] -= 1
                    if rule["next"] <= 0:
                        self._rules.remove(rule)
                    name = f"{what}:{rule['do']}"
                    self._done[name] = self._done.get(name, 0) + 1
                    return dict(rule)
        return None

    def report(self) -> dict[str, Any]:
        """What still waits, and how many were really injected."""
        with self._lock:
            return {"waiting": [dict(rule) for rule in self._rules], "injected": dict(self._done)}
