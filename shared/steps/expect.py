"""What lines are expected to cost before they have run: so much is held back from those who pay.

Input is counted from the bytes of a row, and what looks like media inside it as so many pieces of media; output is what
the line allows (`max_tokens` and its like, times `n`), or what the model usually answers.
"""

import re
from typing import Any, Final

from shared.app import App
from shared.domain.cost import Cost
from shared.domain.errors import Transient
from shared.domain.ids import derived
from shared.domain.places import Habit
from shared.domain.usage import TOKEN, Tokens
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Provider, RequestLine
from shared.storage.ports import Transaction

__all__ = ["Expectation", "expected_output", "note_habit", "usual"]

_UNKNOWN: Final = 1_000  # tokens of an answer, of a model that has not answered yet
_MOST: Final = 1_000_000
_LONG: Final = 4_096  # bytes of a row below which nobody looks for media
_DENSE: Final = re.compile(rb"[A-Za-z0-9+/_-]{1024,}={0,2}")
_MEDIUM: Final = 1_500  # tokens of one piece of media, about: an image has 258 to 1,290 at Gemini, more elsewhere
_ALLOWED: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_SILENT: Final = frozenset({"/v1/embeddings", "/v1/moderations"})  # answers without tokens
_REMEMBERED: Final = 100_000  # lines, after which the older ones count half


class Expectation:
    """Adds up what the lines of one shard are expected to use."""

    def __init__(self, app: App, provider: Provider) -> None:
        self._meter = Meter(app.book, provider.price_model, provider.location)
        self._usual, self._today = usual(app, provider.price_model), app.today()

    def add(self, line: RequestLine, rows: bytes) -> None:
        """Count one line, as it was encoded."""
        output = 0 if line.url in _SILENT else expected_output(line.body, self._usual)
        self._meter.add(Tokens(text=_input(rows), output=output), self._today)

    def cost(self) -> Cost:
        return self._meter.cost()


def expected_output(body: dict[str, Any], usually: int) -> int:
    """Tokens of the answers to one request, of any endpoint or of Vertex's own form."""
    allowed = next((body[name] for name in _ALLOWED if body.get(name) is not None), None)
    times = body.get("n")
    match body:
        case {"request": {"generationConfig": {"maxOutputTokens": most}}}:
            allowed = most
        case {"request": {"generation_config": {"max_output_tokens": most}}}:
            allowed = most
        case _:
            pass
    tokens = allowed if isinstance(allowed, int) and allowed > 0 else usually
    return min(tokens, _MOST) * (times if isinstance(times, int) and 1 <= times <= 128 else 1)


def usual(app: App, model: str) -> int:
    """Tokens that a model's answer has on average, as far as it was ever asked."""
    habit = app.documents.get(Habit, derived("habit", model))
    return _UNKNOWN if habit is None or not habit.lines else -(-habit.output // habit.lines)


def note_habit(app: App, model: str, lines: int, output: int) -> None:
    """Remember how much a model has answered. Nothing depends on it but the next expectation."""
    if not lines or not model:
        return

    def body(tx: Transaction) -> None:
        habit = tx.get(Habit, derived("habit", model)) or Habit(id=derived("habit", model))
        fade = 2 if habit.lines > _REMEMBERED else 1
        tx.put(Habit(id=habit.id, lines=habit.lines // fade + lines, output=habit.output // fade + output))

    try:
        app.documents.transact(body)
    except Transient as trouble:
        log("habit_not_noted", model=model, reason=str(trouble))


def _input(rows: bytes) -> int:
    size = len(rows)
    if size < _LONG:
        return size // TOKEN
    media = [len(found) for found in _DENSE.findall(rows)]
    return (size - sum(media)) // TOKEN + len(media) * _MEDIUM
