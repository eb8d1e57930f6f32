"""What LiteLLM's own keys, in `litellm_params` or `model_info`, say that a token costs in a batch."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from shared.pricing.price import rate_of

__all__ = ["PRICES", "listed_price"]

_NAMES: Final = {  # LiteLLM's, and ours
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached",
    "cache_creation_input_token_cost": "cache_write",
}
_BATCH: Final = "_batches"  # what LiteLLM's names end in where they are a batch's
_SHARES: Final = {"hosted_vllm": Decimal(1)}  # of a price that is not said to be a batch's
_SHARE: Final = Decimal("0.5")
_MILLION: Final = 10**6

PRICES: Final = frozenset(f"{name}{end}" for name in _NAMES for end in ("", _BATCH))


def listed_price(provider: str, said: Mapping[str, Any]) -> tuple[dict[str, Decimal], list[str]]:
    """Dollars per million tokens, by our names; and the keys that are not taken.

    As in LiteLLM, a batch costs half of a price that is not said to be a batch's; a server of one's own knows no other.
    Of Vertex's batches the book knows better. A cache's price alone would leave all other tokens without one.
    ValueError says what is wrong.
    """
    rates, taken, ignored = {}, [], []
    for key, name in _NAMES.items():
        if said.get(f"{key}{_BATCH}") is not None:
            rates[name] = _per_million(said[f"{key}{_BATCH}"])
            taken.append(f"{key}{_BATCH}")
        elif said.get(key) is not None and provider == "vertex_ai":
            ignored.append(key)
        elif said.get(key) is not None:
            rates[name] = _per_million(said[key]) * _SHARES.get(provider, _SHARE)
            taken.append(key)
    rate_of(rates, Decimal(1))
    if "input" in rates:
        rates.setdefault("cached", rates["input"])  # as in LiteLLM, where nothing is said of them
    if rates.keys() & {"input", "output"}:
        return rates, ignored
    return {}, sorted([*ignored, *taken])


def _per_million(usd: object) -> Decimal:
    try:
        return Decimal(str(usd)) * _MILLION
    except ArithmeticError:
        raise ValueError(f"{' and '.join(_NAMES)}, also with {_BATCH} behind, are dollars per token") from None
