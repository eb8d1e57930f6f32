"""The meter of a shard agrees with the definition to the last digit, and rounds once."""

import time
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import PriceOverride
from shared.domain.cost import Cost
from shared.domain.usage import Tokens, Usage
from shared.pricing.book import Book
from shared.pricing.meter import Meter
from shared.pricing.price import NAMES, price

DAYS: Final = ["2026-11-30", "2026-12-01", "2026-12-31", "2027-01-01"]
MODELS: Final = [
    "gemini-2.0-flash-lite",  # half nano-dollars
    "gemini-2.5-pro",  # a long tier
    "gemini-3-pro-preview",  # a long tier without a price
    "gemini-3.7-flash",  # without a price from 2027 on
    "gemini-4-argon",  # two prices, and an uplift
    "gemini-embedding-2",  # no output
    "gemini-2.5-flash-image",  # draws
    "claude-haiku-5-5",
    "openai/gpt-5.5",  # a long tier elsewhere
    "azure/gpt-4.1",  # cached tokens without a price
    "gemini-9-xenon",  # nobody knows it
]

counts = st.one_of(
    st.just(0), st.just(0), st.just(0), st.integers(0, 5_000), st.integers(199_990, 200_010), st.integers(0, 2**31)
)
lines = st.tuples(st.builds(Tokens, *[counts] * 10), st.sampled_from(DAYS), st.booleans())
usd = st.decimals(0, 1_000, places=9, allow_nan=False, allow_infinity=False)


def agree(book: Book, model: str, location: str, read: list[tuple[Tokens, str, bool]]) -> None:
    """The meter says of these lines what `price` says of each."""
    meter = Meter(book, model, location)
    prices, whole = [], 0
    for tokens, day, extra in read:
        rate = book.rate(model, location=location, day=day, prompt_tokens=tokens.prompt)
        prices.append(price(tokens, rate))
        priced = prices[-1] is not None and not extra
        whole += priced
        assert meter.add(tokens, day, extra=extra) == priced
    known = [each for each in prices if each is not None]
    nano = (sum(known, Decimal(0)) * 10**9).quantize(Decimal(1), ROUND_HALF_EVEN, context=Context(prec=60))
    assert meter.cost() == Cost(nano=int(nano), priced_lines=whole, unpriced_lines=len(prices) - whole)
    sums = {kind: sum(getattr(tokens, kind) for tokens, *_ in read) for kind in Tokens._fields}
    assert meter.tokens() == {kind: count for kind, count in sums.items() if count}


@given(st.sampled_from(MODELS), st.sampled_from(["global", "us-central1"]), st.lists(lines, max_size=12))
def test_the_meter_agrees_with_the_definition(model: str, location: str, read: list[tuple[Tokens, str, bool]]) -> None:
    """Whatever the lines, in whatever order of days."""
    agree(Book.load(), model, location, read)


@given(
    st.dictionaries(st.sampled_from(NAMES), usd),
    st.sampled_from(["global", "us-central1"]),
    st.lists(lines, max_size=8),
)
def test_the_meter_agrees_with_the_definition_at_any_price(
    listed: dict[str, Decimal], location: str, read: list[tuple[Tokens, str, bool]]
) -> None:
    """Nine decimals, any kind missing, an uplift on top."""
    override = PriceOverride(model="own", usd_per_million=listed, regional_uplift=Decimal("1.125"))
    agree(Book.load((override,)), "own", location, read)


def test_rounding_happens_once() -> None:
    """Two lines of 37.5 nano-dollars are 75, not 38 and 38."""
    meter = Meter(Book.load(), "gemini-2.0-flash-lite", "global")
    totals = []
    for _ in range(4):
        meter.add(Tokens(text=1), "2026-11-20")
        totals.append(meter.cost().nano)
    assert totals == [38, 75, 112, 150]  # 37.5 and 112.5 go to the even neighbour


def test_the_usage_is_of_all_lines_and_the_cost_of_the_priced_ones() -> None:
    """What cannot be priced was used all the same."""
    meter = Meter(Book.load(), "gemini-2.5-flash-lite", "global")
    answers = [
        meter.add(Tokens(1, 2, 3, 4, 5, 6, 7, 80, 0, 100), "2026-11-20"),
        meter.add(Tokens(text=1000, output=1000, image_output=9), "2026-11-20"),
        meter.add(Tokens(), "2026-11-20"),
    ]
    assert answers == [True, False, True]
    assert meter.usage() == Usage(input_tokens=1028, cached_tokens=11, output_tokens=1189, reasoning_tokens=100)
    assert meter.cost() == Cost(nano=17 * 50 + 5 * 10 + 6 * 30 + 180 * 200, priced_lines=2, unpriced_lines=1)
    assert meter.tokens() == {
        "text": 1001,
        "audio": 2,
        "image": 3,
        "video": 4,
        "cached_text": 5,
        "cached_audio": 6,
        "tool": 7,
        "output": 1080,
        "image_output": 9,
        "thinking": 100,
    }


def test_an_unknown_model_has_no_cost_and_still_a_usage() -> None:
    """The total is null, never zero."""
    meter = Meter(Book.load(), "gemini-9-xenon", "global")
    assert not meter.add(Tokens(text=10, output=5), "2026-11-20")
    assert meter.cost() == Cost(unpriced_lines=1)
    assert meter.cost().total is None
    assert meter.usage() == Usage(input_tokens=10, output_tokens=5)


def test_tokens_are_paid_also_where_more_was_charged_and_their_line_is_unpriced() -> None:
    """What is known is the least that it was, and never nothing."""
    meter = Meter(Book.load(), "gemini-2.5-flash", "global")
    answers = [
        meter.add(Tokens(text=1000), "2026-11-20"),
        meter.add(Tokens(text=1000, output=10), "2026-11-20", extra=True),
    ]
    assert answers == [True, False]
    assert meter.cost() == Cost(nano=2000 * 150 + 10 * 1250, priced_lines=1, unpriced_lines=1)
    assert meter.tokens() == {"text": 2000, "output": 10}


def test_an_amount_is_told_though_no_line_of_it_is_whole() -> None:
    assert Cost(nano=5, unpriced_lines=1).total == "0.000000005"
    assert Cost(unpriced_lines=1).total is None
    assert Cost(priced_lines=1).total == "0.000000000"


def test_a_meter_that_saw_nothing() -> None:
    """A shard may end without a single answer."""
    meter = Meter(Book.load(), "gemini-2.5-pro", "global")
    assert (meter.cost(), meter.usage(), meter.tokens()) == (Cost(), Usage(), {})


def test_a_shard_across_midnight_pays_each_line_its_own_day() -> None:
    """Rows come back in any order."""
    meter = Meter(Book.load(), "gemini-4-argon", "global")
    for day in ["2026-12-01", "2026-11-30", "2026-12-01"]:
        meter.add(Tokens(text=1000), day)
    assert meter.cost().nano == 2_000_000 + 1_000_000 + 2_000_000


@pytest.mark.parametrize(
    ("name", "tokens", "days"),
    [
        ("plain", Tokens(text=120, output=80), ["2026-11-20"]),
        ("every_kind", Tokens(1, 2, 3, 4, 5, 6, 7, 8, 0, 10), ["2026-11-20"]),
        ("unpriced", Tokens(text=120, image_output=80), ["2026-11-20"]),
        ("alternating_days", Tokens(text=120, output=80), ["2026-11-20", "2026-11-21"]),
    ],
)
def test_how_long_a_line_takes(
    name: str, tokens: Tokens, days: list[str], record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Measured, not asserted: it stands in the junit report. `collect` does this once per row."""
    meter, rounds = Meter(Book.load(), "gemini-2.5-pro", "us-central1"), 20_000 // len(days)
    started = time.perf_counter()
    for _ in range(rounds):
        for day in days:
            meter.add(tokens, day)
    record_testsuite_property(f"microseconds_per_add_{name}", (time.perf_counter() - started) * 1e6 / 20_000)
    assert meter.cost().priced_lines + meter.cost().unpriced_lines == 20_000
