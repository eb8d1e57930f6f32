"""What tokens cost: a rate has one price for each kind of token, and unknown is not zero."""

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact
from typing import Final, NamedTuple

from shared.domain.usage import Tokens

__all__ = ["ATTO_PER_NANO", "NAMES", "Rate", "atto", "price", "rate_of"]

NAMES: Final = ("input", "cached", "audio", "cached_audio", "image", "video", "output", "image_output", "cache_write")
ATTO_PER_NANO: Final = 10**9

_MILLION: Final = 10**6
_MOST: Final = 10**6  # a dollar per token: whoever writes more has mistaken the unit
_ATTO: Final = Decimal("1e-12")  # one atto-dollar per token, in dollars per million tokens
_EXACT: Final = Context(prec=28, traps=[Inexact])  # where a digit would be lost, it raises


class Rate(NamedTuple):
    """US dollars per million tokens, kind by kind in the order of `Tokens`; None is unknown."""

    text: Decimal | None
    audio: Decimal | None
    image: Decimal | None
    video: Decimal | None
    cached_text: Decimal | None
    cached_audio: Decimal | None
    tool: Decimal | None
    output: Decimal | None
    image_output: Decimal | None
    thinking: Decimal | None
    cache_write: Decimal | None


def price(tokens: Tokens, rate: Rate | None) -> Decimal | None:
    """The exact dollars, or None where a kind that was used has no known price.

    This is the definition; `Meter` does the same for a whole shard, in integers.
    """
    if rate is None:
        return None
    millionths = Decimal(0)
    for count, usd in zip(tokens, rate, strict=True):
        if not count:
            continue
        if usd is None:
            return None
        millionths += count * usd
    return millionths / _MILLION


def rate_of(usd_per_million: Mapping[str, Decimal], uplift: Decimal) -> Rate:
    """The rate that a list of prices stands for, each multiplied by `uplift`.

    What is not listed costs what its kind is a part of: audio, image and video are input, cached audio is cached.
    Anything else that is not listed is unknown. Tokens from a tool are input, thinking is output.
    ValueError names a price that is not a whole number of atto-dollars per token, or not a price at all.
    """
    listed = {name: _lifted(name, usd, uplift) for name, usd in usd_per_million.items()}
    fresh, cached, output = listed.get("input"), listed.get("cached"), listed.get("output")
    return Rate(
        text=fresh,
        audio=listed.get("audio", fresh),
        image=listed.get("image", fresh),
        video=listed.get("video", fresh),
        cached_text=cached,
        cached_audio=listed.get("cached_audio", cached),
        tool=fresh,
        output=output,
        image_output=listed.get("image_output"),
        thinking=output,
        cache_write=listed.get("cache_write"),
    )


def atto(usd: Decimal) -> int:
    """One price of a rate, as whole atto-dollars (10**-18) per token."""
    return int(usd.scaleb(12))


def _lifted(name: str, usd: Decimal, uplift: Decimal) -> Decimal:
    if not usd.is_finite() or not 0 <= usd <= _MOST:
        raise ValueError(f"{name}: {usd} is not a price in US dollars per million tokens")
    try:
        return _EXACT.quantize(_EXACT.multiply(usd, uplift), _ATTO)
    except Inexact as error:
        times = "" if uplift == 1 else f" times {uplift}"
        raise ValueError(f"{name}: {usd}{times} has more than 12 decimals") from error
