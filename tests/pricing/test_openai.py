"""What OpenAI and Azure OpenAI charge: bodies of `usage` and amounts worked out by hand, in nano-dollars.

A token at $1 a million is 1,000 nano-dollars.
"""

from decimal import Decimal
from typing import Any, Final

import pytest

from shared.config import PriceOverride
from shared.domain.usage import Tokens
from shared.pricing.book import Book
from shared.pricing.meter import Meter
from shared.providers.openai.usage import tokens_of

DAY: Final = "2026-11-21"


def chat(prompt: int, completion: int, *, cached: int = 0, thought: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": 0},
    }


def response(given: int, written: int, *, cached: int = 0, thought: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + written,
    }


def embedding(prompt: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "total_tokens": prompt}


def nano(model: str, tokens: Tokens | None, location: str = "global") -> int | None:
    """What a line costs; None where it has no price."""
    assert tokens is not None
    meter = Meter(Book.load(), model, location)
    return meter.cost().nano if meter.add(tokens, DAY) else None


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("openai/gpt-4o-mini", chat(1000, 500), 1000 * 75 + 500 * 300),
        ("openai/gpt-4.1", response(1000, 500), 1000 * 1000 + 500 * 4000),
        ("openai/o3", chat(1000, 500, thought=400), 1000 * 1000 + 500 * 4000),
        ("openai/gpt-5", response(1000, 300, cached=400, thought=200), 375_000 + 25_000 + 1_500_000),
        ("openai/gpt-5-nano", chat(1000, 1000, cached=1000), 2_500 + 200_000),
        ("openai/gpt-5.4", chat(1000, 0, cached=1000), 130_000),
        ("openai/text-embedding-3-small", embedding(1000), 10_000),
        ("openai/text-embedding-3-large", embedding(1000), 65_000),
        ("openai/text-embedding-ada-002", embedding(1000), 50_000),
        ("azure/gpt-4o-mini", chat(1000, 500), 75_000 + 150_000),
        ("azure/gpt-4o-2024-11-20", chat(1000, 500), 1_250_000 + 2_500_000),
        ("azure/gpt-5-mini", chat(1000, 300, cached=400, thought=200), 75_000 + 5_000 + 300_000),
        ("azure/o3-pro", response(1000, 500), 10_000_000 + 20_000_000),
    ],
)
def test_what_an_answer_costs(model: str, usage: dict[str, Any], cost: int) -> None:
    """Half of what it costs outside a batch; reasoning is output."""
    assert nano(model, tokens_of(usage)) == cost


@pytest.mark.parametrize("model", ["openai/gpt-5.5", "openai/gpt-5.5-2026-04-23", "azure/gpt-5.5"])
def test_a_long_prompt_makes_its_whole_line_cost_more(model: str) -> None:
    """Above 272,000 tokens, those from the cache among them."""
    assert nano(model, tokens_of(chat(272_000, 10))) == 272_000 * 2_500 + 10 * 15_000
    assert nano(model, tokens_of(chat(272_001, 10))) == 272_001 * 5_000 + 10 * 22_500
    assert nano(model, tokens_of(response(272_001, 10, cached=272_000))) == 5_000 + 272_000 * 500 + 10 * 22_500


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("openai/gpt-4o-mini", 1000),
        ("openai/gpt-4.1-2025-04-14", 1000),
        ("openai/o3-pro", 1000),
        ("openai/gpt-5.4-pro", 1000),
        ("openai/gpt-5.4-pro", 300_000),
        ("azure/gpt-4.1-mini", 1000),
        ("azure/gpt-5.4-pro", 300_000),
    ],
)
def test_cached_tokens_without_a_known_price_leave_their_line_without_one(model: str, prompt: int) -> None:
    """Unknown is neither free nor as dear as fresh tokens are. The lines beside it have their price."""
    assert nano(model, tokens_of(chat(prompt, 10))) is not None
    assert nano(model, tokens_of(chat(prompt, 10, cached=1))) is None


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("openai/gpt-4o", 1_250_000 + 5_000_000),
        ("openai/gpt-4o-2024-11-20", 1_250_000 + 5_000_000),
        ("openai/gpt-4o-2024-05-13", 2_500_000 + 7_500_000),
        ("azure/gpt-4o-2024-05-13", 2_500_000 + 7_500_000),
        ("openai/gpt-4o-mini-2024-07-18", 75_000 + 300_000),
        ("azure/gpt-4o-mini-2024-07-18", 75_000 + 300_000),
        ("openai/gpt-3.5-turbo-0125", 250_000 + 750_000),
        ("openai/gpt-3.5-turbo-1106", 1_000_000 + 2_000_000),
    ],
)
def test_a_version_has_its_own_price(model: str, cost: int) -> None:
    """Which is not always that of the name without a date."""
    assert nano(model, tokens_of(chat(1000, 1000))) == cost


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4o-mini",  # nobody says where
        "openai/gpt-4o-2025-01-01",  # a version nobody knows
        "openai/gpt-5-2025-08-07-x",
        "openai/GPT-5",
        "openai/gpt-5x5",
        "openai/gpt-oss-120b",  # what Vertex runs ends in -maas
        "openai/gpt-4o-mini-search-preview",  # charged by the search too
        "openai/gpt-image-2",
        "openai/gpt-audio",
        "azure/gpt-4o",  # two versions, two prices
        "azure/my-mini-batch",
        "azure/eu/gpt-4.1",  # a Data Zone
        "azure/text-embedding-3-small",  # not for batches there
        "azure/omni-moderation-latest",
    ],
)
def test_a_model_that_the_book_does_not_know_has_no_price(model: str) -> None:
    assert Book.load().tariff(model, location="global", day=DAY) is None


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("openai/ft:gpt-4.1-mini-2025-04-14:acme:tone:9xYz", 400_000 + 1_600_000),
        ("openai/ft:gpt-4.1-mini-2025-04-14:acme::9xYz:ckpt-step-90", 400_000 + 1_600_000),
        ("openai/ft:gpt-4o-2024-08-06:acme::9xYz", 2_225_000 + 12_500_000),
        ("openai/ft:gpt-4o-mini-2024-07-18:acme::9xYz", 150_000 + 600_000),
        ("openai/ft:gpt-4o-2024-11-20:acme::9xYz", None),
        ("openai/ft:gpt-5-mini:acme::9xYz", None),
        ("openai/ft:", None),
        ("azure/ft:gpt-4.1-mini-2025-04-14:acme::9xYz", None),
    ],
)
def test_a_fine_tuned_model_never_has_the_price_of_what_it_was_made_from(model: str, cost: int | None) -> None:
    """Its own, whatever its owner called it, or none."""
    assert nano(model, tokens_of(chat(1000, 1000))) == cost


@pytest.mark.parametrize("name", ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-stable"])
def test_moderation_is_free_which_is_a_price(name: str) -> None:
    """It says nothing of tokens, and what is known to cost nothing is not unknown."""
    assert nano(f"openai/{name}", Tokens()) == 0
    assert nano("openai/omni-moderation-next", Tokens()) is None


def test_a_price_of_a_deployment_s_own_wins_over_the_book_s() -> None:
    """It stands under the model's name with the deployment's id behind; the others have the book's."""
    own = PriceOverride(model="openai/gpt-4o-mini@0f3c", source="model_list", usd_per_million={"input": Decimal(7)})
    book = Book.load((own,))
    tariffs = [book.tariff(f"openai/gpt-4o-mini{id}", location="global", day=DAY) for id in ("@0f3c", "@beef", "")]
    mini = Decimal("0.075")
    assert [tariff and tariff.rate and tariff.rate.text for tariff in tariffs] == [7, mini, mini]


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("openai/gpt-5.4-mini", 412_500 + 2_475_000),
        ("openai/gpt-5.2", 875_000 + 7_000_000),  # older than the uplift
        ("openai/gpt-oss-120b-maas", 45_000 + 180_000),  # Vertex's
    ],
)
def test_a_region_costs_more_for_the_models_that_are_charged_so(model: str, cost: int) -> None:
    """Those of OpenAI since March 2026."""
    assert nano(model, tokens_of(chat(1000, 1000)), "eu") == cost
