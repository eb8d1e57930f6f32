"""The `filter` of a list call: `labels.k=v`, `display_name`, `state`, `create_time`, with AND, OR, NOT and brackets."""

import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["BadFilter", "parse_filter"]

Resource = dict[str, Any]
Test = Callable[[Resource], bool]

_WORD: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(!=|<=|>=|[=<>:()])|([^\s=<>!:()"]+))')
_FIELDS: Final = {
    "display_name": "displayName",
    "displayName": "displayName",
    "state": "state",
    "model": "model",
    "create_time": "createTime",
}


class BadFilter(Exception):
    """The service answers 400."""


def parse_filter(text: str) -> Test:
    """What a job must be like to be listed; an empty filter lets everything through."""
    return _Parser(text).everything() if text.strip() else lambda _: True


class _Parser:
    def __init__(self, text: str) -> None:
        self._words: list[tuple[str, bool]] = []  # and whether it was quoted
        place = 0
        while text[place:].strip():
            match = _WORD.match(text, place)
            if match is None:
                raise BadFilter(text)
            quoted = match[1] is not None
            self._words.append((match[1].replace('\\"', '"') if quoted else match[2] or match[3], quoted))
            place = match.end()

    def everything(self) -> Test:
        test = self._any()
        if self._words:
            raise BadFilter(self._words[0][0])
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._next("OR"):
            tests.append(self._all())
        return lambda resource: any(test(resource) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._next("AND") or (self._words and self._words[0] not in {("OR", False), (")", False)}):
            tests.append(self._one())
        return lambda resource: all(test(resource) for test in tests)

    def _one(self) -> Test:
        if self._next("NOT"):
            negated = self._one()
            return lambda resource: not negated(resource)
        if self._next("("):
            inner = self._any()
            if not self._next(")"):
                raise BadFilter("a bracket is not closed")
            return inner
        field, operator, value = self._take(), self._take(), self._take()
        return _comparison(field, operator, value)

    def _next(self, word: str) -> bool:
        if self._words and self._words[0] == (word, False):
            self._words.pop(0)
            return True
        return False

    def _take(self) -> str:
        if not self._words:
            raise BadFilter("the filter ends too early")
        return self._words.pop(0)[0]


def _comparison(field: str, operator: str, value: str) -> Test:
    if field.startswith("labels."):
        name = field.removeprefix("labels.")
        if operator == ":" and value == "*":
            return lambda resource: name in resource.get("labels", {})
        return _compared(lambda resource: resource.get("labels", {}).get(name), operator, value)
    if field not in _FIELDS:
        raise BadFilter(f"unknown field {field}")
    return _compared(lambda resource: resource.get(_FIELDS[field]), operator, value)


def _compared(read: Callable[[Resource], str | None], operator: str, value: str) -> Test:
    match operator:
        case "=":
            return lambda resource: read(resource) == value
        case "!=":
            return lambda resource: read(resource) != value
        case ":":
            pattern = re.compile(".*".join(re.escape(piece) for piece in value.split("*")))
            return lambda resource: pattern.search(read(resource) or "") is not None
        case "<" | "<=" | ">" | ">=":
            return lambda resource: _ordered(read(resource) or "", operator, value)
        case _:
            raise BadFilter(f"unknown operator {operator}")


def _ordered(left: str, operator: str, right: str) -> bool:
    """Times in RFC 3339 and UTC are ordered as text."""
    if left == right:
        return operator in {"<=", ">="}
    return (left < right) == operator.startswith("<")
