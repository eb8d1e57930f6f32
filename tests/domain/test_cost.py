from decimal import Decimal
from typing import Any

import pytest

from shared.domain.cost import dollars, nano


@pytest.mark.parametrize(
    ("usd", "found"),
    [(0, 0), ("0.0", 0), (1, 10**9), (1e-9, 1), ("1e-9", 1), ("0.0000000019", 1), (1.5, 15 * 10**8), (0.1, 10**8)],
)
def test_dollars_are_whole_nano_dollars(usd: Any, found: int) -> None:
    assert nano(usd) == found
    assert nano(dollars(found)) == found


@pytest.mark.parametrize("usd", [1e-10, "0.0000000009", Decimal("9.99e-10"), 5e-324, "1e-400"])
def test_an_amount_that_would_become_nothing_is_the_smallest_that_there_is(usd: Any) -> None:
    """LiteLLM's documents have a budget of 1e-12, for a team member who is to be stopped by it."""
    assert nano(usd) == 1


@pytest.mark.parametrize("usd", [True, None, "x", "NaN", "inf", -1, 1e12, [], {}])
def test_what_is_no_amount_is_refused(usd: Any) -> None:
    with pytest.raises(ValueError, match="US dollars"):
        nano(usd)
