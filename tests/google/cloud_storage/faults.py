"""Faults to order: each rule hits the next so many calls of one kind, after `skip` others, and is then used up.

{"on": "insert", "do": "status", "status": 503, "next": 3}  a call is refused
{"on": "any", "do": "hang", "seconds": 30}                  … gets no answer for so long, and then none at all
{"on": "compose", "do": "lose"}                             … has its effect, and its answer is lost
{"on": "read", "do": "break", "after": 1000}                a download ends after so many bytes; "seconds": and is
                                                            silent for so long before that
{"on": "chunk", "do": "keep", "after": 262144}              of a piece of an upload only so much is kept
{"on": "insert", "do": "damage"}                            one bit is stored, or read, turned over

Calls are insert (in one request), start, chunk, finish (of an upload in pieces), stat, read, compose, delete, list,
and signed (a read by a signed URL).
"""

import threading
from typing import Any, Final

__all__ = ["CALLS", "BadRule", "Faults", "Rule"]

Rule = dict[str, Any]

_EVERYWHERE: Final = frozenset({"status", "hang", "lose"})
CALLS: Final = {
    "insert": _EVERYWHERE | {"damage"},
    "start": _EVERYWHERE,
    "chunk": _EVERYWHERE | {"keep"},
    "finish": _EVERYWHERE | {"keep", "damage"},
    "stat": _EVERYWHERE,
    "read": _EVERYWHERE | {"break", "damage"},
    "signed": _EVERYWHERE | {"break"},
    "compose": _EVERYWHERE,
    "delete": _EVERYWHERE,
    "list": _EVERYWHERE,
}


class BadRule(Exception):
    """This is no fault that is known here."""


class Faults:
    """The rules that wait for their turn, in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._done: dict[str, int] = {}

    def add(self, rule: Rule) -> None:
        on, do = str(rule.get("on")), rule.get("do")
        if do not in (_EVERYWHERE if on == "any" else CALLS.get(on, frozenset())):
            raise BadRule(str(rule)[:200])
        with self._lock:
            self._rules.append({"next": 1, "skip": 0, **rule})

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, call: str) -> Rule | None:
        """The rule that hits this call, if any; one of its turns is used up."""
        with self._lock:
            for rule in self._rules:
                if rule["on"] not in {call, "any"}:
                    continue
                if rule["skip"] > 0:
                    rule["skip"] -= 1
                    continue
                rule["next"] -= 1
                if rule["next"] <= 0:
                    self._rules.remove(rule)
                name = f"{call}:{rule['do']}"
                self._done[name] = self._done.get(name, 0) + 1
                return dict(rule)
        return None

    def report(self) -> dict[str, Any]:
        """What still waits, and how many were really injected."""
        with self._lock:
            return {"waiting": [dict(rule) for rule in self._rules], "injected": dict(self._done)}
