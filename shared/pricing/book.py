"""The price book: what a model costs in a place on a day, and above which length of prompt.

The prices are data: `book.json`, dated, sourced, and only ever appended to. `offpeak.prices` of the configuration is
laid over it. A model that neither knows has no price, which is not a price of zero.
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from shared.domain.errors import ConfigError
from shared.pricing.price import NAMES, Rate, rate_of

if TYPE_CHECKING:
    from shared.config import PriceOverride

__all__ = ["Book", "Tariff", "normalised", "wrong_price"]

_FILE: Final = Path(__file__).with_name("book.json")
_ONE: Final = Decimal(1)
_ALWAYS: Final = ("0000-00-00", "9999-99-99")  # as text, before and after every day

# Google and Anthropic publish under bare names; open models keep their publisher's in front.
_PUBLISHED: Final = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?publishers/([^/]+)/models/(?=.)")
_PREFIX: Final = re.compile(r"^(?:vertex_ai/|google/|models/)+")
_BARE: Final = {"google", "anthropic"}
_VERSION: Final = r"(-\d{3})?(@[\w.-]+)?"  # what a literal model name of the configuration may be followed by


class Tariff(NamedTuple):
    """What one model costs in one place on one day."""

    rate: Rate | None
    above: int | None = None  # a longer prompt than this pays `long`, for all the tokens of its line
    long: Rate | None = None

    def of(self, prompt_tokens: int) -> Rate | None:
        return self.long if self.above is not None and prompt_tokens > self.above else self.rate


class _Price(NamedTuple):
    """An entry of the file or of the configuration, with its arithmetic done."""

    model: str
    match: str
    since: str
    until: str
    at_global: Tariff
    regional: Tariff  # at every other location


class Book:
    """Every price we know. Immutable: a changed configuration makes a new one."""

    def __init__(self, version: str, prices: Iterable[_Price], overrides: Iterable[_Price] = ()) -> None:
        self.version: Final = version
        self._layers: Final = (tuple(overrides), tuple(prices))
        self._candidates = lru_cache(maxsize=256)(self._search)

    @classmethod
    def load(cls, overrides: "tuple[PriceOverride, ...]" = ()) -> Self:
        """The book that comes with Offpeak, with the configuration's own prices over it.

        ConfigError names the price that is wrong.
        """
        version, prices = _shipped()
        if not overrides:
            return cls(version, prices)
        ours = []
        for number, override in enumerate(overrides):
            try:
                ours.append(_overriding(override))
            except ValueError as error:
                raise ConfigError(f"offpeak.prices[{number}] ({override.model}): {error}") from error
        return cls(f"{version}+{zlib.crc32(repr(tuple(ours)).encode()):08x}", prices, ours)

    def rate(self, model: str, *, location: str, day: str, prompt_tokens: int) -> Rate | None:
        """What a line costs whose prompt has `prompt_tokens`; None where we do not know."""
        tariff = self.tariff(model, location=location, day=day)
        return tariff.of(prompt_tokens) if tariff else None

    def tariff(self, model: str, *, location: str, day: str) -> Tariff | None:
        """What a model costs at a location on a day (`2026-11-20`); None for a model we do not know."""
        for candidates in self._candidates(model):
            for price in candidates:
                if price.since <= day <= price.until:
                    return price.at_global if location == "global" else price.regional
        return None

    def _search(self, model: str) -> tuple[tuple[_Price, ...], ...]:
        """The prices of a model in each layer, the one to prefer first.

        The later `since` wins over the earlier, and the later in the file over the earlier: so both the book and a
        configuration can be appended to without touching what is there.
        """
        name = normalised(model)
        found = []
        for layer in self._layers:
            # `match` begins with the model's own name: to look for that first leaves one or two patterns to compile
            matching = [price for price in layer if name.startswith(price.model) and re.fullmatch(price.match, name)]
            order = sorted(enumerate(matching), key=lambda pair: (pair[1].since, pair[0]), reverse=True)
            found.append(tuple(price for _, price in order))
        return tuple(found)


def normalised(model: str) -> str:
    """A model id as the book has it: without the ways in which Vertex, LiteLLM and the SDKs lead up to it."""
    name = _PREFIX.sub("", model)
    published = _PUBLISHED.match(name)
    if published is None:
        return name
    bare = name[published.end() :]
    return bare if published[1] in _BARE else f"{published[1]}/{bare}"


@cache
def _shipped() -> tuple[str, tuple[_Price, ...]]:
    file = json.loads(_FILE.read_bytes())
    return file["version"], tuple(_priced(entry) for entry in file["entries"])


def _priced(entry: Mapping[str, Any]) -> _Price:
    def rate(usd_per_million: Mapping[str, str] | None, uplift: Decimal) -> Rate | None:
        if usd_per_million is None:
            return None
        return rate_of({name: Decimal(usd) for name, usd in usd_per_million.items()}, uplift)

    def tariff(uplift: Decimal) -> Tariff:
        near, long = rate(entry["usd_per_million"], uplift), entry.get("long_context")
        return Tariff(near, long["above"], rate(long["usd_per_million"], uplift)) if long else Tariff(near)

    return _Price(
        model=entry["model"],
        match=entry["match"],
        since=entry["since"] or _ALWAYS[0],
        until=entry["until"] or _ALWAYS[1],
        at_global=tariff(_ONE),
        regional=tariff(Decimal(entry.get("regional_uplift", _ONE))),
    )


def wrong_price(override: "PriceOverride") -> str | None:
    """What is wrong with a price of the configuration; None where nothing is."""
    try:
        _overriding(override)
    except ValueError as error:
        return str(error)
    return None


def _overriding(override: "PriceOverride") -> _Price:
    if unknown := sorted(override.usd_per_million.keys() - set(NAMES)):
        raise ValueError(f"usd_per_million does not know {', '.join(unknown)}; it knows {', '.join(NAMES)}")
    uplift = _ONE if override.regional_uplift is None else override.regional_uplift
    if not uplift.is_finite() or not 1 <= uplift <= 10:
        raise ValueError(f"regional_uplift {uplift} is not a factor such as 1.1")
    since, until = _day(override.since) or _ALWAYS[0], _day(override.until) or _ALWAYS[1]
    if since > until:
        raise ValueError(f"since {since} is after until {until}")
    name = normalised(override.model)
    return _Price(
        model=name,
        match=f"^{re.escape(name)}{_VERSION}$",
        since=since,
        until=until,
        at_global=Tariff(rate_of(override.usd_per_million, _ONE)),
        regional=Tariff(rate_of(override.usd_per_million, uplift)),
    )


def _day(text: str | None) -> str | None:
    try:
        return text and date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(f"there is no day {text}") from error
