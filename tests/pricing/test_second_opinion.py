"""The prices once more, straight from the file and in fractions, by code that shares nothing with ours."""

import json
import re
from fractions import Fraction
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Tokens
from shared.pricing import book as module
from shared.pricing.book import Book
from shared.pricing.meter import Meter

ENTRIES: Final[list[dict[str, Any]]] = json.loads(module._FILE.read_text())["entries"]
WHERE_ELSE: Final = {
    "text": ["input"],
    "audio": ["audio", "input"],
    "image": ["image", "input"],
    "video": ["video", "input"],
    "cached_text": ["cached"],
    "cached_audio": ["cached_audio", "cached"],
    "tool": ["input"],
    "output": ["output"],
    "image_output": ["image_output"],
    "thinking": ["output"],
    "cache_write": ["cache_write"],
}


def second_opinion(model: str, location: str, day: str, tokens: Tokens) -> Fraction | None:
    """Dollars, slowly."""
    entry = None
    for candidate in ENTRIES:
        holds = (candidate["since"] or day) <= day <= (candidate["until"] or day)
        if holds and re.match(candidate["match"], model):
            entry = candidate
    if entry is None:
        return None
    prices, tier = entry["usd_per_million"], entry.get("long_context")
    prompt = sum(tokens[:6]) + tokens.cache_write
    if tier and prompt > tier["above"]:
        prices = tier["usd_per_million"]
    if prices is None:
        return None
    dollars = Fraction(0)
    for kind, names in WHERE_ELSE.items():
        count = getattr(tokens, kind)
        known = [prices[name] for name in names if name in prices]
        if count and not known:
            return None
        if count:
            dollars += Fraction(known[0]) * count / 1_000_000
    return dollars if location == "global" else dollars * Fraction(entry.get("regional_uplift", "1"))


models = st.sampled_from([entry["model"] for entry in ENTRIES] + ["gemini-9-xenon"])
suffixes = st.sampled_from(["", "", "@default", "@20250929", "-001"])
days = st.sampled_from(["2026-06-01", "2026-11-30", "2026-12-01", "2026-12-31", "2027-01-01", "2030-02-28"])
thresholds = st.sampled_from([99_999, 100_000, 100_001, 199_999, 200_000, 200_001, 272_000, 272_001])
counts = st.one_of(st.just(0), st.just(0), st.just(0), st.integers(1, 10_000), thresholds, st.integers(0, 10**9))


@given(models, suffixes, st.sampled_from(["global", "us-central1", "eu"]), days, st.builds(Tokens, *[counts] * 10))
def test_one_line(model: str, suffix: str, location: str, day: str, tokens: Tokens) -> None:
    """Model, place, day and tokens in any combination."""
    expected = second_opinion(model + suffix, location, day, tokens)
    meter = Meter(Book.load(), model + suffix, location)
    assert meter.add(tokens, day) == (expected is not None)
    assert meter.cost().nano == round((expected or Fraction(0)) * 10**9)  # a Fraction rounds half to even
    assert (meter.cost().total is None) == (expected is None)


@given(models, st.lists(st.tuples(days, st.builds(Tokens, *[counts] * 10)), max_size=10))
def test_a_shard(model: str, lines: list[tuple[str, Tokens]]) -> None:
    """Summed exactly, rounded once."""
    prices = [second_opinion(model, "us-central1", day, tokens) for day, tokens in lines]
    meter = Meter(Book.load(), model, "us-central1")
    assert [meter.add(tokens, day) for day, tokens in lines] == [price is not None for price in prices]
    assert meter.cost().nano == round(sum((price for price in prices if price is not None), Fraction(0)) * 10**9)
