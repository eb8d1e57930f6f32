"""Cost: an integer of nano-dollars, and which lines could be priced at all."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

__all__ = ["NANO", "Cost", "LedgerEntry"]

NANO: Final = 10**9


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What one shard cost: written once, in the transaction that commits the shard's result."""

    id: str  # the shard's
    batch: str
    owner: str
    team: str | None
    group: str
    deployment: str
    model: str
    book: str  # version of the price book
    tokens: dict[str, int]
    cost: Cost
    created_at: int
