"""What lines are expected to cost before they have run: so much is held back from those who pay.

Input is counted from the bytes of a row, and what is media inside it, or named by it, as so many pieces of media;
output is what the line allows (`max_tokens` and its like, times `n`), or what the model usually answers.
"""

import re
from collections.abc import Iterable
from decimal import ROUND_UP
from math import inf
from typing import Any, Final

from shared.app import App
from shared.domain.cost import NANO, Cost
from shared.domain.errors import Transient
from shared.domain.ids import derived
from shared.domain.places import Habit
from shared.domain.usage import TOKEN, Tokens
from shared.log import log
from shared.pricing.book import Tariff
from shared.pricing.price import Rate, price
from shared.providers.base import NATIVE, Provider, RequestLine
from shared.storage.ports import Transaction

__all__ = ["Expectation", "expected_input", "expected_output", "native_request", "note_habit", "usual"]

_UNKNOWN: Final = 1_000  # tokens of an answer, of a model that has not answered yet
_MOST: Final = 1_000_000
_TIMES: Final = 10_000
_LENGTHS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens")
_TIMED: Final = ("best_of", "n", "candidateCount", "candidate_count")
_CONFIGS: Final = ("generationConfig", "generation_config")
_DIGITS: Final = 30
_SAYS: Final = frozenset({*_LENGTHS, *_TIMED})
_SILENT: Final = frozenset({"/v1/embeddings", "/v1/moderations"})  # answers without tokens
_REMEMBERED: Final = 100_000  # lines, after which the older ones count half

_SHORT: Final = 1_024  # characters of base64 that are no piece of media yet
_BASE64: Final = re.compile(r"(?:data:[^,]{1,200},)?[A-Za-z0-9+/_-]{512}")
_NAMES: Final = frozenset({"url", "image_url", "file_url", "fileUri", "file_uri", "uri"})  # of what a provider fetches
_ADDRESS: Final = ("http://", "https://", "gs://")
_PIECE: Final = 1_500  # tokens of a piece of media, for each _SIZE begun: an image has 258 to 1,290 at Gemini, and
_SIZE: Final = 2**20  # of base64 about as many has audio at 128 kbit/s, video at 1 Mbit/s, and a PDF


class Expectation:
    """Adds up what the lines of one shard are expected to use: a few additions a line, since there may be a million."""

    def __init__(self, app: App, provider: Provider, habits: dict[str, int]) -> None:
        """`habits`: by model, what was looked up already, to be kept as long as one batch is prepared."""
        model = provider.price_model
        if model not in habits:
            habits[model] = usual(app, model)
        tariff = app.book.tariff(model, location=provider.location, day=app.today()) or Tariff(None)
        self._usual, self._tariff = habits[model], tariff
        self._above = inf if tariff.above is None else tariff.above
        self._silent = provider.passthrough is not None and provider.passthrough.silent
        self._asked_beside = provider.beside
        self._beside = 0  # lines of which more is charged than their tokens
        self.beside: str | None = None  # what the first of them asks for, and where it stands
        self._draws = tariff.rate is not None and tariff.rate.image_output is not None
        self._near = self._near_input = self._near_output = 0  # lines and their tokens
        self._long = self._long_input = self._long_output = 0

    def add(self, line: RequestLine, rows: bytes, ordinal: int = 0) -> None:
        """Count one line, as it was encoded; `ordinal` in the input."""
        body, silent, lines = line.body, line.url in _SILENT, 1
        if (asked := self._asked_beside(line.url, body)) is not None:
            lines = 0
            self._beside += 1
            self.beside = self.beside or f"'{asked}' in line {ordinal}"
        if line.url == NATIVE:
            body = native_request(body)
            silent = self._silent
        tokens = expected_input(body, len(rows))
        output = 0 if silent else expected_output(body, self._usual)
        if tokens > self._above:
            self._long += lines
            self._long_input += tokens
            self._long_output += output
        else:
            self._near += lines
            self._near_input += tokens
            self._near_output += output

    def cost(self) -> Cost:
        """Of models that draw, all that is written is expected to be drawn."""
        near = self._priced(self._tariff.rate, self._near, self._near_input, self._near_output)
        long = self._priced(self._tariff.long, self._long, self._long_input, self._long_output)
        return near + long + Cost(unpriced_lines=self._beside)

    def _priced(self, rate: Rate | None, lines: int, text: int, output: int) -> Cost:
        tokens = Tokens(text=text, image_output=output) if self._draws else Tokens(text=text, output=output)
        usd = price(tokens, rate)
        if usd is None:
            return Cost(unpriced_lines=lines)
        return Cost(nano=int((usd * NANO).to_integral_value(ROUND_UP)), priced_lines=lines)


def native_request(row: dict[str, Any]) -> dict[str, Any]:
    """What a provider's own row asks, in one object: of Gemini what is in its `generationConfig`, too."""
    asked = row.get("request") or row.get("body")
    if not isinstance(asked, dict):
        return row
    said = [asked, *(config for name in _CONFIGS if isinstance(config := asked.get(name), dict))]
    found = {name: _largest(said, names) for name, names in (("max_completion_tokens", _LENGTHS), ("best_of", _TIMED))}
    return {**asked, **{name: number for name, number in found.items() if number}}


def _largest(said: Iterable[dict[str, Any]], names: tuple[str, ...]) -> int:
    """Of all that a row says of one thing, under whatever name and as whatever JSON, that which costs the most: which
    of them counts is the provider's to say, and protobuf reads `"65000"` and `65000.0` as 65000.
    """
    numbers = [place[name] for place in said for name in names if name in place]
    return max((_integer(each) for each in numbers), default=0)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > _DIGITS:
        return 0
    try:
        number = float(value)
    except ValueError:
        return 0
    return int(number) if 0 < number < inf else 0


def expected_output(body: dict[str, Any], usually: int) -> int:
    """Tokens of the answers to one request, of any endpoint or of a provider's own form."""
    tokens, times = usually, 1
    if not _SAYS.isdisjoint(body):
        tokens = min(_largest((body,), _LENGTHS), _MOST) or usually
        times = min(_largest((body,), _TIMED), _TIMES) or 1
    if "messages" in body or "contents" in body:
        return tokens * times
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int):  # each is answered
        times *= len(prompt)
    return tokens * times


def expected_input(body: dict[str, Any], size: int) -> int:
    """Tokens of one request whose rows have so many bytes."""
    get, pieces = body.get, 0
    turns = get("messages") or get("contents") or get("input") or [get("content")]
    for turn in turns if type(turns) is list else ():
        if type(turn) is dict:
            parts = turn.get("content") or turn.get("parts") or turn.get("output")
            for part in parts if type(parts) is list else ():
                if type(part) is dict and "text" not in part:
                    length, tokens = _media(part)
                    size -= length
                    pieces += tokens
    return max(size, 0) // TOKEN + pieces


def _media(value: Any, name: str = "") -> tuple[int, int]:
    """Characters of what is media in part of a request, and the tokens that it has instead."""
    if isinstance(value, str):
        if len(value) >= _SHORT and _BASE64.match(value):
            return len(value), _PIECE * -(-len(value) // _SIZE)
        return (0, _PIECE) if name in _NAMES and value.startswith(_ADDRESS) else (0, 0)
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [_media(member, str(key)) for key, member in members if isinstance(member, str | dict | list)]
    return sum(length for length, _ in found), sum(tokens for _, tokens in found)


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
