"""What tokens cost: amounts worked out by hand, in nano-dollars. A thousand tokens at $1 a million are 1,000,000."""

from decimal import Decimal
from typing import Final

import pytest

from shared.domain.usage import Tokens
from shared.pricing.book import Book
from shared.pricing.meter import Meter
from shared.pricing.price import NAMES, Rate, price, rate_of

DAY: Final = "2026-11-20"
LITE, PRO, ARGON = "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-4-argon"
OSS, QWEN = "openai/gpt-oss-120b-maas", "qwen/qwen3-235b-a22b-instruct-2507-maas"
LLAMA, DEEPSEEK = "meta/llama-3.3-70b-instruct-maas", "deepseek-ai/deepseek-v3.1-maas"
TTS, BANANA, SONNET = "gemini-2.5-flash-tts", "gemini-2.5-flash-image", "claude-sonnet-4-5@20250929"

EVERYWHERE: Final[list[tuple[str, Tokens, int | None]]] = [
    # each kind of a plain chat model
    (LITE, Tokens(text=1000), 50_000),
    (LITE, Tokens(audio=1000), 50_000),
    (LITE, Tokens(image=1000), 50_000),
    (LITE, Tokens(video=1000), 50_000),
    (LITE, Tokens(cached_text=1000), 10_000),
    (LITE, Tokens(cached_audio=1000), 30_000),
    (LITE, Tokens(tool=1000), 50_000),
    (LITE, Tokens(output=1000), 200_000),
    (LITE, Tokens(thinking=1000), 200_000),
    (LITE, Tokens(image_output=1), None),
    (LITE, Tokens(1, 20, 300, 4000, 5, 60, 700, 8, 0, 90), 251_050 + 1_850 + 19_600),
    (LITE, Tokens(), 0),
    # audio with a price of its own, fresh and cached
    ("gemini-2.5-flash", Tokens(text=1000), 150_000),
    ("gemini-2.5-flash", Tokens(audio=1000), 500_000),
    ("gemini-2.5-flash", Tokens(cached_text=1000), 30_000),
    ("gemini-2.5-flash", Tokens(cached_audio=1000), 100_000),
    # no cached rate is listed for these: a tenth of standard input, 0.15, and of standard audio, 1.00
    ("gemini-2.0-flash", Tokens(cached_text=1000), 15_000),
    ("gemini-2.0-flash", Tokens(cached_audio=1000), 100_000),
    # a model whose standard cached rate is not a tenth of its input
    (ARGON, Tokens(cached_text=1000), 100_000),
    ("claude-fable-5-1", Tokens(cached_text=1000), 250_000),
    # the long tier begins above its threshold, and takes the whole line
    (PRO, Tokens(text=200_000), 125_000_000),
    (PRO, Tokens(text=200_001), 250_001_250),
    (PRO, Tokens(text=200_001, output=10), 250_076_250),
    (PRO, Tokens(text=200_000, thinking=1000), 130_000_000),
    (PRO, Tokens(text=200_001, thinking=1000), 257_501_250),
    (PRO, Tokens(text=1, cached_text=199_999), 625 + 24_999_875),
    (PRO, Tokens(text=1, cached_text=200_000), 1_250 + 50_000_000),
    (PRO, Tokens(text=200_001, cached_audio=1), 250_001_250 + 250),
    (PRO, Tokens(text=200_000, tool=5_000), 128_125_000),
    ("gemini-3.1-pro-preview", Tokens(text=200_000), 200_000_000),
    ("gemini-3.1-pro-preview", Tokens(text=200_001), 400_002_000),
    # a long tier without a batch rate
    ("gemini-3-pro-image", Tokens(text=200_000), 200_000_000),
    ("gemini-3-pro-image", Tokens(text=200_001), None),
    ("gemini-3-pro-preview", Tokens(text=200_001), None),
    (SONNET, Tokens(text=200_000), 300_000_000),
    (SONNET, Tokens(text=200_001), None),
    ("claude-haiku-5-5", Tokens(text=100_000), 5_000_000),
    ("claude-haiku-5-5", Tokens(text=100_001), None),
    # models that draw
    (BANANA, Tokens(text=1000, image=1000, output=1000, image_output=1000), 300_000 + 1_250_000 + 15_000_000),
    ("gemini-nano-banana-2.1", Tokens(image_output=1290), 19_350_000),
    ("deep-research-pro-preview-12-2025", Tokens(output=1000), 6_000_000),
    ("deep-research-pro-preview-12-2025", Tokens(output=1000, image_output=1), None),
    # models that speak: what they say has no batch rate
    (TTS, Tokens(text=1000), 250_000),
    (TTS, Tokens(text=1000, output=1), None),
    (TTS, Tokens(text=1000, thinking=1), None),
    # models that embed
    ("gemini-embedding-001", Tokens(text=1000), 120_000),
    ("gemini-embedding-001", Tokens(text=1000, output=1), None),
    ("gemini-embedding-2", Tokens(text=1000), 100_000),
    ("gemini-embedding-2", Tokens(audio=1000), 3_250_000),
    ("gemini-embedding-2", Tokens(image=1000), 225_000),
    ("gemini-embedding-2", Tokens(video=1000), 6_000_000),
    ("text-embedding-005", Tokens(text=1000), None),
    ("text-embedding-005", Tokens(), None),
    # Claude and the open models
    (SONNET, Tokens(text=1000, cached_text=1000, output=1000), 1_500_000 + 300_000 + 7_500_000),
    ("claude-haiku-4-5", Tokens(text=1000, output=1000), 500_000 + 2_500_000),
    ("claude-opus-4-8", Tokens(text=1000, output=1000), 2_500_000 + 12_500_000),
    (LLAMA, Tokens(text=1000, output=1000), 360_000 + 360_000),
    (DEEPSEEK, Tokens(text=1000, cached_text=1000, output=1000), 300_000 + 60_000 + 850_000),
    (OSS, Tokens(text=1000, output=1000), 45_000 + 180_000),
    (QWEN, Tokens(text=1000, output=1000), 110_000 + 440_000),
    # nobody knows these
    ("gemini-9-xenon", Tokens(text=1000), None),
    ("gemini-9-xenon", Tokens(), None),
    ("gemini-2.5-flash-lite-turbo", Tokens(text=1000), None),
    ("", Tokens(text=1000), None),
]

DATED: Final[list[tuple[str, str, str, Tokens, int | None]]] = [
    (ARGON, "global", "2026-11-30", Tokens(text=1000, output=1000), 1_000_000 + 5_000_000),
    (ARGON, "global", "2026-12-01", Tokens(text=1000, output=1000), 2_000_000 + 10_000_000),
    (ARGON, "global", "2026-11-30", Tokens(audio=1000, cached_text=1000), 1_000_000 + 100_000),
    (ARGON, "global", "2026-12-01", Tokens(audio=1000, cached_text=1000), 2_000_000 + 200_000),
    (ARGON, "us-central1", "2026-11-30", Tokens(text=1000, output=1000), 1_100_000 + 5_500_000),
    (ARGON, "us-central1", "2026-12-01", Tokens(text=1000, output=1000), 2_200_000 + 11_000_000),
    ("gemini-3.8-flash", "global", "2026-12-31", Tokens(text=1000, output=1000), 375_000 + 1_875_000),
    ("gemini-3.8-flash", "global", "2027-01-01", Tokens(text=1000, output=1000), 750_000 + 3_750_000),
    ("gemini-3.8-flash", "europe-west4", "2026-12-31", Tokens(text=1000, output=1000), 412_500 + 2_062_500),
    ("gemini-3.8-flash", "europe-west4", "2026-12-31", Tokens(cached_text=1000), 82_500),
    ("gemini-3.8-flash", "europe-west4", "2027-01-01", Tokens(cached_text=1000), 165_000),
    ("gemini-3.8-flash-cyber", "global", "2026-12-31", Tokens(text=1000), 750_000),
    ("gemini-3.7-flash", "global", "2026-12-31", Tokens(text=1000), 375_000),
    ("gemini-3.7-flash", "global", "2027-01-01", Tokens(text=1000), None),
    ("gemini-robotics-er-2-preview", "global", "2027-01-01", Tokens(text=1000), None),
    (SONNET, "us-east5", DAY, Tokens(text=1000, output=1000), 1_650_000 + 8_250_000),
    (SONNET, "eu", DAY, Tokens(text=1000), 1_650_000),
    (LITE, "us-central1", DAY, Tokens(text=1000), 50_000),  # no uplift in any source
    (PRO, "us-central1", DAY, Tokens(text=200_001), 250_001_250),
    (LITE, "global", "1999-01-01", Tokens(text=1000), 50_000),  # no known beginning
]


def metered(model: str, location: str, day: str, tokens: Tokens) -> int | None:
    meter = Meter(Book.load(), model, location)
    priced = meter.add(tokens, day)
    cost = meter.cost()
    assert (cost.priced_lines, cost.unpriced_lines) == ((1, 0) if priced else (0, 1))
    assert (cost.total is not None) == priced
    return cost.nano if priced else None


@pytest.mark.parametrize(("model", "tokens", "nano"), EVERYWHERE)
def test_what_a_line_costs(model: str, tokens: Tokens, nano: int | None) -> None:
    """At the global endpoint, in November 2026."""
    assert metered(model, "global", DAY, tokens) == nano


@pytest.mark.parametrize(("model", "location", "day", "tokens", "nano"), DATED)
def test_what_a_line_costs_there_and_then(
    model: str, location: str, day: str, tokens: Tokens, nano: int | None
) -> None:
    """Prices change at midnight, and are higher in a region where the source says so."""
    assert metered(model, location, day, tokens) == nano


def test_a_whole_batch_of_flash_lite() -> None:
    """Two sums and two rates: 2,978,038 x 0.05 and 2,481,067 x 0.20 millionths of a dollar."""
    meter = Meter(Book.load(), LITE, "global")
    meter.add(Tokens(text=2_978_038, output=2_481_067), DAY)
    assert meter.cost().total == "0.645115300"


def test_the_definition_in_decimal() -> None:
    """`price` gives exact dollars, below the nano-dollar too."""
    rate = Book.load().rate("gemini-2.0-flash-lite", location="global", day=DAY, prompt_tokens=1)
    assert price(Tokens(text=1), rate) == Decimal("0.0000000375")
    assert price(Tokens(text=1, image_output=1), rate) is None
    assert price(Tokens(), rate) == 0
    assert price(Tokens(), None) is None


def test_a_rate_has_a_price_for_every_kind_of_token() -> None:
    """In the same order: `price` walks along both."""
    assert Rate._fields == Tokens._fields


def test_what_is_not_listed_costs_what_it_is_a_part_of() -> None:
    """Audio, images and video are input, cached audio is cached; what else is missing stays unknown."""
    rate = rate_of({"input": Decimal(1), "cached": Decimal(2)}, Decimal(1))
    assert rate == Rate(
        text=Decimal(1),
        audio=Decimal(1),
        image=Decimal(1),
        video=Decimal(1),
        cached_text=Decimal(2),
        cached_audio=Decimal(2),
        tool=Decimal(1),
        output=None,
        image_output=None,
        thinking=None,
        cache_write=None,
    )
    assert rate_of({}, Decimal(1)) == Rate(*[None] * 11)


def test_what_is_listed_counts() -> None:
    """Each name reaches its own kinds and no other."""
    listed = {name: Decimal(number) for number, name in enumerate(NAMES, start=1)}
    assert rate_of(listed, Decimal(1)) == tuple(map(Decimal, (1, 3, 5, 6, 2, 4, 1, 7, 8, 7, 9)))


@pytest.mark.parametrize(
    ("usd", "uplift", "message"),
    [
        ("0.0000000000001", "1", "input: 1E-13 has more than 12 decimals"),
        ("1e-400000", "1", "more than 12 decimals"),
        ("0.000000000001", "1.1", "times 1.1 has more than 12 decimals"),
        ("1.0000000000000000000000000000000001", "1", "more than 12 decimals"),
        ("-0.1", "1", "input: -0.1 is not a price"),
        ("NaN", "1", "not a price"),
        ("Infinity", "1", "not a price"),
        ("1e400000", "1", "not a price"),
    ],
)
def test_a_price_that_cannot_be_exact_is_refused(usd: str, uplift: str, message: str) -> None:
    """Nothing is rounded before the end, so every price has to be a whole number of atto-dollars per token."""
    with pytest.raises(ValueError, match=message):
        rate_of({"input": Decimal(usd)}, Decimal(uplift))
