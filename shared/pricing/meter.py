"""The meter of a shard: token sums while its lines pass, one exact multiplication at the end.

Within a rate the price is linear in the tokens, so a line costs a few additions and no arithmetic with money. The sum
is kept in whole atto-dollars and rounded to the nano-dollars of the ledger once per meter, half to even: a shard is at
most half a nano-dollar away from the exact prices of its lines, however many they are.
"""

from math import inf

from shared.domain.cost import Cost
from shared.domain.usage import Tokens, Usage
from shared.pricing.book import Book, Tariff
from shared.pricing.price import ATTO_PER_NANO, Rate, atto

__all__ = ["Meter"]


class _Register:
    """Lines and token sums under one rate."""

    __slots__ = ("lines", "rate", "sums", "unknown")

    def __init__(self, rate: Rate | None) -> None:
        self.rate = rate
        self.unknown = tuple(kind for kind, usd in enumerate(rate or ()) if usd is None)
        self.lines = 0
        self.sums = [0] * len(Tokens._fields)

    def atto(self) -> int:
        """What the sums cost. A kind whose price is unknown has no tokens here."""
        pairs = zip(self.sums, self.rate or (), strict=False)
        return sum(count * atto(usd) for count, usd in pairs if usd is not None)


class Meter:
    """Adds up what the lines of one shard used and cost."""

    def __init__(self, book: Book, model: str, location: str) -> None:
        self.model = model
        self._book, self._location = book, location
        self._unpriced = _Register(None)
        self._beside = 0  # lines in the registers of which more was charged than their tokens
        self._registers: dict[Rate, _Register] = {}
        self._days: dict[str, tuple[_Register, _Register, float]] = {}
        self._day: str | None = None  # the day that the next three are of
        self._near, self._long, self._above = self._unpriced, self._unpriced, inf

    def add(self, tokens: Tokens, day: str, *, extra: bool = False) -> bool:
        """Count one line that was answered on `day` (`2026-11-20`): was it priced?

        `extra`: something was charged beside its tokens, so that their price is not all of its own.
        """
        if day != self._day:
            self._turn_to(day)
        text, audio, image, video, cached_text, cached_audio, tool, output, image_output, thinking, written = tokens
        prompt = text + audio + image + video + cached_text + cached_audio + written
        register = self._long if prompt > self._above else self._near
        for kind in register.unknown:
            if tokens[kind]:
                register = self._unpriced
                break
        register.lines += 1
        sums = register.sums  # in the order of `Tokens`; the kinds that are mostly zero are mostly skipped
        sums[0] += text
        if prompt != text:
            sums[1] += audio
            sums[2] += image
            sums[3] += video
            sums[4] += cached_text
            sums[5] += cached_audio
            sums[10] += written
        if tool:
            sums[6] += tool
        sums[7] += output
        if image_output:
            sums[8] += image_output
        if thinking:
            sums[9] += thinking
        if register is self._unpriced:
            return False
        if extra:
            self._beside += 1
        return not extra

    def miss(self) -> None:
        """Count one line that was answered without a word of what it used: delivered, and without a price."""
        self._unpriced.lines += 1

    def cost(self) -> Cost:
        """What is known of it, in nano-dollars: rounded here and nowhere before, half to even."""
        registers = self._registers.values()
        return Cost(
            nano=_half_even(sum(register.atto() for register in registers)),
            priced_lines=sum(register.lines for register in registers) - self._beside,
            unpriced_lines=self._unpriced.lines + self._beside,
        )

    def tokens(self) -> dict[str, int]:
        """The sums over all lines, priced or not, by kind; kinds that nobody used are left out."""
        return {kind: count for kind, count in self._totals()._asdict().items() if count}

    def usage(self) -> Usage:
        """The sums over all lines, priced or not, in the words of OpenAI's batch object."""
        totals = self._totals()
        return Usage(
            input_tokens=totals.prompt + totals.tool,
            cached_tokens=totals.cached,
            output_tokens=totals.output + totals.image_output + totals.thinking,
            reasoning_tokens=totals.thinking,
        )

    def _totals(self) -> Tokens:
        registers = [self._unpriced, *self._registers.values()]
        return Tokens(*map(sum, zip(*(register.sums for register in registers), strict=True)))

    def _turn_to(self, day: str) -> None:
        if day not in self._days:
            tariff = self._book.tariff(self.model, location=self._location, day=day) or Tariff(None)
            above = inf if tariff.above is None else tariff.above
            self._days[day] = self._register(tariff.rate), self._register(tariff.long), above
        self._near, self._long, self._above = self._days[day]
        self._day = day

    def _register(self, rate: Rate | None) -> _Register:
        return self._unpriced if rate is None else self._registers.setdefault(rate, _Register(rate))


def _half_even(amount: int) -> int:
    """Atto-dollars to nano-dollars, half to even."""
    whole, rest = divmod(amount, ATTO_PER_NANO)
    return whole + (2 * rest > ATTO_PER_NANO or (2 * rest == ATTO_PER_NANO and whole % 2 == 1))
