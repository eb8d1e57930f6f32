"""Cost: an integer of nano-dollars, and which lines could be priced at all."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Final

__all__ = ["NANO", "Cost", "Unpriced", "dollars", "nano", "usd"]

NANO: Final = 10**9
_MOST: Final = 9_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What delivered lines cost. A line is unpriced where something that it used has no known price. `nano` is what is
    known, also of such lines: with none of them it is the cost, and else the least that it was. Unknown is never 0.
    """

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
        """US dollars as a decimal string, exact to the nano-dollar; None while nothing is known."""
        if not self.priced_lines and not self.nano:
            return None
        return format(Decimal(self.nano).scaleb(-9).quantize(Decimal("0.000000001")), "f")


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Lines that will have no price, or not all of it."""

    lines: int = 0
    beside: str | None = None  # what one of them asks for that is charged beside its tokens, and where it stands


def dollars(nano: int) -> float:
    """Nano-dollars as LiteLLM's USD numbers. Up to nine million dollars no digit is lost on the way through JSON."""
    return float(Decimal(nano).scaleb(-9))


def nano(usd: object) -> int:
    """USD, as a JSON number or a decimal string, as whole nano-dollars; ValueError where it is no amount.

    What is above 0 is one nano-dollar at the least: a budget of less is neither none nor no limit.
    """
    if isinstance(usd, bool) or not isinstance(usd, int | float | str | Decimal):
        raise ValueError("not an amount of US dollars")  # noqa: TRY004  # whatever it was, it is the value that is wrong
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        raise ValueError("not an amount of US dollars") from None
    if not amount.is_finite() or not 0 <= amount <= _MOST:
        raise ValueError(f"not between 0 and {_MOST} US dollars")
    whole = int(amount.scaleb(9).to_integral_value(ROUND_DOWN))
    return max(whole, 1) if amount else 0


def usd(nano: int) -> str:
    """An amount for people: `$1.25`, with as many decimals as it has."""
    text = format(Decimal(nano).scaleb(-9).normalize(), "f")
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest.ljust(2, '0')}"
