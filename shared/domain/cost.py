"""Cost: an integer of nano-dollars, and which lines could be priced at all."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Final

__all__ = ["NANO", "Cost", "dollars", "nano", "usd"]

NANO: Final = 10**9
_MOST: Final = 9_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What delivered lines cost. `nano` counts the priced ones only; unknown is never 0, it is unpriced."""

    nano: int = 0
    priced_lines: int = 0
    unpriced_lines: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            nano=self.nano + other.nano,
            priced_lines=self.priced_lines + other.priced_lines,
            unpriced_lines=self.unpriced_lines + other.unpriced_lines,
        )

    @property
    def total(self) -> str | None:
        """US dollars as a decimal string, exact to the nano-dollar; None while nothing is priced."""
        if not self.priced_lines:
            return None
        return format(Decimal(self.nano).scaleb(-9).quantize(Decimal("0.000000001")), "f")


def dollars(nano: int) -> float:
    """Nano-dollars as LiteLLM's USD numbers. Up to nine million dollars no digit is lost on the way through JSON."""
    return float(Decimal(nano).scaleb(-9))


def nano(usd: object) -> int:
    """USD, as a JSON number or a decimal string, as whole nano-dollars; ValueError where it is no amount."""
    if isinstance(usd, bool) or not isinstance(usd, int | float | str | Decimal):
        raise ValueError("not an amount of US dollars")  # noqa: TRY004  # whatever it was, it is the value that is wrong
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        raise ValueError("not an amount of US dollars") from None
    if not amount.is_finite() or not 0 <= amount <= _MOST:
        raise ValueError(f"not between 0 and {_MOST} US dollars")
    whole = int(amount.scaleb(9).to_integral_value(ROUND_DOWN))
    if amount and not whole:
        raise ValueError("above 0, but less than a nano-dollar (0.000000001), the smallest amount there is")
    return whole


def usd(nano: int) -> str:
    """An amount for people: `$1.25`, with as many decimals as it has."""
    text = format(Decimal(nano).scaleb(-9).normalize(), "f")
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest.ljust(2, '0')}"
