"""`filter` of a list of jobs: `state`, `display_name`, `create_time` and `labels`, with AND, OR, NOT and brackets.

As job_service.proto documents it: `display_name` takes `=`, `!=` and `:` with `*`; `state` and `model_display_name` `=`
and `!=`; `create_time` all comparisons with a time of RFC 3339; labels `labels.key=value` and `labels.key:*`. No job
says what its model is displayed as: the last part of the model's name stands for it.

Words go together as google.aip.dev/160 has it: `a AND b OR c` is `a AND (b OR c)`, `a b` is `a AND b`, `-a` is `NOT a`.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from functions.vertex.body import invalid
from shared.domain.errors import BadRequest
from shared.domain.globs import fits

__all__ = ["parsed_filter"]

Test = Callable[[Mapping[str, Any]], bool]

_WORD: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(!=|<=|>=|[=<>:()])|([^\s=<>!:()"]+))')
_LONGEST: Final = 2_000  # characters
_DEEPEST: Final = 20
_EQUAL: Final = frozenset({"=", "!="})
_ORDERED: Final[Mapping[str, Callable[[datetime, datetime], bool]]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def parsed_filter(text: str) -> Test:
    """What a job must be like to be listed; BadRequest where nobody can say."""
    if len(text) > _LONGEST:
        raise invalid(f"Invalid filter: it has more than {_LONGEST:,} characters.")
    return _Parser(text).everything() if text.strip() else lambda _: True


class _Parser:
    def __init__(self, text: str) -> None:
        self._words: list[tuple[str, bool]] = []  # and whether it was quoted
        self._depth, at = 0, 0
        while text[at:].strip():
            word = _WORD.match(text, at)
            if word is None:
                raise _wrong(f"nobody understands {text[at : at + 40].strip()!r}")
            quoted = word[1] is not None
            self._words.append((re.sub(r"\\(.)", r"\1", word[1]) if quoted else word[2] or word[3], quoted))
            at = word.end()
        self._words.reverse()

    def everything(self) -> Test:
        test = self._all()
        if self._words:
            raise _wrong(f"{self._words[-1][0][:40]!r} stands where it should end")
        return test

    def _all(self) -> Test:
        tests = [self._any()]
        while self._next("AND") or (self._words and self._words[-1] != (")", False)):
            tests.append(self._any())
        return lambda job: all(test(job) for test in tests)

    def _any(self) -> Test:
        tests = [self._one()]
        while self._next("OR"):
            tests.append(self._one())
        return lambda job: any(test(job) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _wrong("it is nested too deeply")
        try:
            if self._next("NOT") or self._minus():
                negated = self._one()
                return lambda job: not negated(job)
            if self._next("("):
                inner = self._all()
                if not self._next(")"):
                    raise _wrong("a bracket is not closed")
                return inner
            field, operator, value = self._take(), self._take(), self._take()
            return _comparison(field, operator, value)
        finally:
            self._depth -= 1

    def _next(self, word: str) -> bool:
        if self._words and self._words[-1] == (word, False):
            self._words.pop()
            return True
        return False

    def _minus(self) -> bool:
        word, quoted = self._words[-1] if self._words else ("", True)
        if quoted or not word.startswith("-"):
            return False
        self._words.pop()
        if rest := word.removeprefix("-"):
            self._words.append((rest, False))
        return True

    def _take(self) -> str:
        if not self._words:
            raise _wrong("it ends too early")
        return self._words.pop()[0]


def _comparison(field: str, operator: str, value: str) -> Test:
    if field.startswith("labels."):
        return _of_label(field.removeprefix("labels."), operator, value)
    match field:
        case "display_name" | "displayName":
            return _of_text("displayName", operator, value, wild=True)
        case "state":
            return _of_text("state", operator, value, wild=False)
        case "model_display_name" | "modelDisplayName":
            return _of_model(operator, value)
        case "create_time" | "createTime":
            return _of_time(operator, value)
        case _:
            raise _wrong(
                f"{field[:40]!r} is none of display_name, model_display_name, state, create_time and labels.KEY"
            )


def _of_label(name: str, operator: str, value: str) -> Test:
    def read(job: Mapping[str, Any]) -> str | None:
        found: str | None = (job.get("labels") or {}).get(name)
        return found

    if operator == ":" and value == "*":
        return lambda job: read(job) is not None
    if operator not in _EQUAL:
        raise _wrong(f"labels take =, != and :*, not {operator[:10]!r}")
    return lambda job: (read(job) == value) == (operator == "=")


def _of_text(name: str, operator: str, value: str, *, wild: bool) -> Test:
    if operator == ":" and wild:
        return lambda job: fits(f"*{value}*", str(job.get(name, "")))
    if operator not in _EQUAL:
        raise _wrong(f"{name} does not take {operator[:10]!r}")
    return lambda job: (job.get(name) == value) == (operator == "=")


def _of_model(operator: str, value: str) -> Test:
    if operator not in _EQUAL:
        raise _wrong(f"model_display_name does not take {operator[:10]!r}")

    def test(job: Mapping[str, Any]) -> bool:
        name = str(job.get("model", "")).rpartition("/")[2].partition("@")[0]
        return (name == value) == (operator == "=")

    return test


def _of_time(operator: str, value: str) -> Test:
    compare, moment = _ORDERED.get(operator), _time(value)
    if compare is None or moment is None:
        raise _wrong("create_time takes =, !=, <, <=, > and >= with a time such as 2026-11-20T00:00:00Z")

    def test(job: Mapping[str, Any]) -> bool:
        made = _time(str(job.get("createTime", "")))
        return made is not None and compare(made, moment)

    return test


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _wrong(why: str) -> BadRequest:
    return invalid(f"Invalid filter: {why}.")
