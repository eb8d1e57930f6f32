"""The book: a file that is only appended to, the ids it answers to, and the configuration's own prices over it."""

import hashlib
import json
import re
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final, Literal

import msgspec
import pytest

from shared.config import PriceOverride
from shared.domain.errors import ConfigError
from shared.pricing import book as module
from shared.pricing.book import Book, normalised, wrong_price
from shared.pricing.price import NAMES, Rate

DAY: Final = "2026-11-20"
LITE: Final = "gemini-2.5-flash-lite"

Prices = dict[str, str]


class Long(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    above: int
    usd_per_million: Prices | None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: str
    match: str
    publisher: str
    kind: Literal["chat", "image", "speech", "embedding", "moderation"]
    since: date | None
    until: date | None
    usd_per_million: Prices | None
    long_context: Long | None = None
    regional_uplift: str | None = None
    sources: list[str]
    as_of: date
    confidence: Literal["high", "medium", "low"]
    note: str = ""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: date
    currency: Literal["USD"]
    about: list[str]
    sources: dict[str, str]
    entries: list[Entry]


FILE: Final = msgspec.json.decode(module._FILE.read_bytes(), type=File)
ENTRIES: Final = FILE.entries
BY_MODEL: Final = {model: list(group) for model, group in groupby(ENTRIES, lambda entry: entry.model)}


def rate_on(book: Book, day: str, model: str = LITE, location: str = "global") -> Rate | None:
    return book.rate(model, location=location, day=day, prompt_tokens=1)


def override(
    model: str = LITE, *, since: str | None = None, until: str | None = None, uplift: str | None = None, **usd: str
) -> PriceOverride:
    return PriceOverride(
        model=model,
        since=since,
        until=until,
        usd_per_million={name: Decimal(value) for name, value in usd.items()},
        regional_uplift=None if uplift is None else Decimal(uplift),
    )


# The file


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.model}-{entry.since}")
def test_every_entry_is_well_formed(entry: Entry) -> None:
    """Prices are decimal strings under known names, and sources are listed."""
    tiers = [entry.usd_per_million] + ([entry.long_context.usd_per_million] if entry.long_context else [])
    for prices in tiers:
        if prices is not None:
            assert "input" in prices
            assert list(prices) == [name for name in NAMES if name in prices], "one order for all"
            assert all(re.fullmatch(r"\d+(\.\d*[1-9])?", usd) for usd in prices.values())
    assert entry.regional_uplift is None or Decimal(1) < Decimal(entry.regional_uplift) < 2
    assert entry.sources
    assert set(entry.sources) <= FILE.sources.keys()
    assert entry.since is None or entry.until is None or entry.since <= entry.until
    assert entry.as_of <= FILE.version


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.model}-{entry.since}")
def test_an_entry_matches_its_own_model_and_no_other(entry: Entry) -> None:
    """Neither by prefix (`gemini-3.8-flash-cyber` is not a flash) nor by a dot that stands for anything."""
    assert {other.model for other in ENTRIES if re.fullmatch(entry.match, other.model)} == {entry.model}
    assert entry.match.startswith("^" + re.escape(entry.model).replace(r"\-", "-"))
    assert re.fullmatch(entry.match, f"{entry.model}@default")
    assert not re.fullmatch(entry.match, f"{entry.model}-x")
    assert not re.fullmatch(entry.match, f"x{entry.model}")


def test_entries_stand_in_order() -> None:
    """By publisher, model and day: that is where a reader looks."""
    places = [(entry.publisher, entry.model, entry.since or date.min) for entry in ENTRIES]
    assert places == sorted(places)


@pytest.mark.parametrize("entries", BY_MODEL.values(), ids=BY_MODEL.keys())
def test_the_entries_of_a_model_follow_one_another(entries: list[Entry]) -> None:
    """A new price has a later first day, and closes up to the one before it if that one ends."""
    assert entries[0].since is None
    for earlier, later in pairwise(entries):
        assert later.since is not None
        assert earlier.since is None or earlier.since < later.since
        assert earlier.until is None or earlier.until + timedelta(days=1) == later.since
        assert earlier.as_of <= later.as_of


USED: Final = {
    # the version they came with, who runs them, as_of: the number of entries, and the digest of what they cost.
    # Add a line with each new date; change none.
    ("2026-11-20", "vertex", "2026-11-20"): (69, "41b4dc76ab64cd99"),
    ("2026-11-21", "azure", "2026-11-20"): (44, "ac762dbc66d33e59"),
    ("2026-11-21", "openai", "2026-11-20"): (78, "234f5a6da12fcd91"),
}


def runner(entry: Entry) -> str:
    """Of OpenAI's own names, those of Vertex's open models end in -maas."""
    where = entry.model.partition("/")[0]
    return where if where in {"azure", "openai"} and not entry.model.endswith("-maas") else "vertex"


def test_every_price_is_watched_over() -> None:
    """Under one line, so that none can be edited."""
    assert {key[1:] for key in USED} == {(runner(entry), str(entry.as_of)) for entry in ENTRIES}
    assert len({key[1:] for key in USED}) == len(USED)


@pytest.mark.parametrize(("version", "where", "as_of"), USED)
def test_a_price_that_has_been_used_is_never_edited(version: str, where: str, as_of: str) -> None:
    """It would re-price the past. What may change is the last day, when another price is appended."""
    prices = [
        [entry.model, entry.match, entry.since, entry.usd_per_million, entry.long_context, entry.regional_uplift]
        for entry in ENTRIES
        if (runner(entry), str(entry.as_of)) == (where, as_of)
    ]
    text = json.dumps(msgspec.to_builtins(prices), sort_keys=True)
    assert (len(prices), hashlib.sha256(text.encode()).hexdigest()[:16]) == USED[version, where, as_of]


def test_the_version_is_the_day_of_the_last_change() -> None:
    """A ledger entry names it."""
    assert Book.load().version == str(FILE.version) == max(USED)[0]


# Ids


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("gemini-2.5-flash", "gemini-2.5-flash"),
        ("publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("models/gemini-2.5-flash@default", "gemini-2.5-flash@default"),
        ("vertex_ai/gemini-2.5-flash-001", "gemini-2.5-flash-001"),
        ("google/gemini-2.5-flash", "gemini-2.5-flash"),
        ("vertex_ai/google/gemini-2.5-flash", "gemini-2.5-flash"),
        ("vertex_ai/publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("projects/p/locations/global/publishers/google/models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("publishers/anthropic/models/claude-haiku-4-5@20251001", "claude-haiku-4-5@20251001"),
        ("vertex_ai/openai/gpt-oss-20b-maas", "openai/gpt-oss-20b-maas"),
        ("publishers/openai/models/gpt-oss-20b-maas", "openai/gpt-oss-20b-maas"),
        ("projects/p/locations/us-central1/models/4711", "projects/p/locations/us-central1/models/4711"),
        ("publishers/google/models/", "publishers/google/models/"),
        ("", ""),
    ],
)
def test_an_id_in_all_its_forms_is_one_model(given: str, name: str) -> None:
    """Vertex, LiteLLM and the SDKs each lead up to it in their own way."""
    assert normalised(given) == name


@pytest.mark.parametrize("model", BY_MODEL)
def test_every_model_of_the_book_is_found_under_every_form_of_its_id(model: str) -> None:
    """A price must not depend on who wrote the id."""
    expected = Book.load().tariff(model, location="global", day=DAY)
    publisher, _, bare = ("google", "", model) if "/" not in model else model.partition("/")
    forms = [f"vertex_ai/{model}", f"publishers/{publisher}/models/{bare}", f"{model}@default", f"{model}@20250929"]
    assert expected is not None
    assert [Book.load().tariff(form, location="global", day=DAY) for form in forms] == [expected] * 4


@pytest.mark.parametrize(
    "model", ["gemini-2.5-flash-lite\n", "gemini-2x5-flash", "Gemini-2.5-Flash", "gemini-2.5-flash-01", "gpt-4o"]
)
def test_what_only_looks_like_a_model_of_the_book_has_no_price(model: str) -> None:
    """Unknown, so null."""
    assert rate_on(Book.load(), DAY, model) is None


# The configuration's own prices


def test_an_override_wins_over_the_book() -> None:
    """All of it: what it does not list is not taken from the book."""
    rate = rate_on(Book.load((override(input="0.04", output="0.16"),)), DAY)
    assert rate is not None
    assert (rate.text, rate.audio, rate.output) == (Decimal("0.04"), Decimal("0.04"), Decimal("0.16"))
    assert rate.cached_text is None


@pytest.mark.parametrize(
    "model", [LITE, f"{LITE}-001", f"{LITE}@default", f"vertex_ai/{LITE}", f"publishers/google/models/{LITE}"]
)
@pytest.mark.parametrize("form", [LITE, f"vertex_ai/{LITE}"])
def test_an_override_answers_to_the_same_ids(form: str, model: str) -> None:
    """A name in the configuration means the model, however it is written."""
    rate = rate_on(Book.load((override(form, input="7"),)), DAY, model)
    assert rate is not None
    assert rate.text == 7


def test_an_override_leaves_every_other_model_alone() -> None:
    """Its name is taken literally, dots included."""
    book = Book.load((override("gemini-2.5-flash", input="7"), override("g.*", input="8")))
    assert rate_on(book, DAY) == rate_on(Book.load(), DAY)


def test_an_override_may_have_any_name() -> None:
    """Nothing in it is a pattern."""
    rate = rate_on(Book.load((override("c++(mini)", input="7"),)), DAY, "c++(mini)@default")
    assert rate is not None
    assert rate.text == 7


def test_an_override_prices_a_model_that_the_book_does_not_know() -> None:
    """Such as one on a server of one's own."""
    book = Book.load((override("hosted_vllm/qwen3-4b", input="0.02", output="0.02", cached="0"),))
    rate = rate_on(book, DAY, "hosted_vllm/qwen3-4b")
    assert rate is not None
    assert (rate.text, rate.cached_text, rate.image_output) == (Decimal("0.02"), Decimal(0), None)


def test_an_override_holds_on_its_days_and_the_book_on_the_others() -> None:
    """Both ends are inclusive."""
    book = Book.load((override(since="2026-11-20", until="2026-11-21", input="7"),))
    days = ["2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"]
    rates = [rate_on(book, day) for day in days]
    assert [rate and rate.text for rate in rates] == [Decimal("0.05"), Decimal(7), Decimal(7), Decimal("0.05")]


def test_the_later_price_wins() -> None:
    """By its first day, then by its place in the file: prices are appended, nobody has to close the old one."""
    book = Book.load(
        (
            override(since="2026-12-01", input="3"),
            override(input="1"),
            override(input="2"),
        )
    )
    rates = [rate_on(book, day) for day in ["2026-11-30", "2026-12-01"]]
    assert [rate and rate.text for rate in rates] == [2, 3]


@pytest.mark.parametrize(("uplift", "expected"), [(None, "0.04"), ("1", "0.04"), ("1.1", "0.044")])
def test_an_override_has_its_own_uplift(uplift: str | None, expected: str) -> None:
    """And none if it names none, whatever the book says of the model."""
    book = Book.load((override("gemini-4-argon", input="0.04", uplift=uplift),))
    near, far = (rate_on(book, DAY, "gemini-4-argon", location) for location in ("global", "us-east5"))
    assert near is not None
    assert far is not None
    assert (near.text, far.text) == (Decimal("0.04"), Decimal(expected))


def test_an_override_has_one_tier() -> None:
    """Long prompts pay the same."""
    book = Book.load((override("gemini-2.5-pro", input="0.5"),))
    rate = book.rate("gemini-2.5-pro", location="global", day=DAY, prompt_tokens=900_000)
    assert rate is not None
    assert rate.text == Decimal("0.5")


def test_the_version_tells_which_prices_were_over_the_book() -> None:
    """The same configuration gives the same version, another one another."""
    plain, first = Book.load(), Book.load((override(input="1", output="2"),))
    assert re.fullmatch(re.escape(plain.version) + r"\+[0-9a-f]{8}", first.version)
    assert Book.load((override(output="2.0", input="1.00"),)).version == first.version
    others = [override(input="1", output="3"), override(input="1", output="2", since=DAY), override("x", input="1")]
    versions = {Book.load((other,)).version for other in others}
    assert len(versions | {first.version, plain.version}) == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (override(input="1", cache="2", outptu="3"), r"offpeak.prices\[1\] \(gemini-2.5-flash-lite\): .*cache, outptu"),
        (override(input="-1"), r"offpeak.prices\[1\] .*input: -1 is not a price"),
        (override(output="0.0000000000001"), "output: 1E-13 has more than 12 decimals"),
        (override(input="0.000000000001", uplift="1.1"), "input: .* more than 12 decimals"),
        (override(input="1", uplift="0.1"), "regional_uplift 0.1 is not a factor such as 1.1"),
        (override(input="1", since="2026-02-30"), "there is no day 2026-02-30"),
        (override(input="1", since="2026-12-01", until="2026-11-30"), "since 2026-12-01 is after until 2026-11-30"),
        (
            PriceOverride.model_construct(
                model="m", since=None, until=None, usd_per_million={"input": Decimal("NaN")}, regional_uplift=None
            ),
            "input: NaN is not a price",
        ),
        (
            PriceOverride.model_construct(
                model="m", since=None, until=None, usd_per_million={}, regional_uplift=Decimal("Infinity")
            ),
            "regional_uplift Infinity is not a factor",
        ),
    ],
)
def test_a_wrong_override_is_refused_by_name(wrong: PriceOverride, message: str) -> None:
    """Before anything runs, with the place and what is wrong there."""
    with pytest.raises(ConfigError, match=message):
        Book.load((override(input="1"), wrong))


def test_a_price_is_judged_by_itself_too() -> None:
    """Whoever reads it from a file knows where it stands."""
    assert wrong_price(override(input="1")) is None
    assert wrong_price(override(input="-1")) == "input: -1 is not a price in US dollars per million tokens"
    assert "there is no day" in (wrong_price(override(input="1", since="2026-02-30")) or "")


def test_loading_leaves_the_book_as_it_was() -> None:
    """One process may hold several."""
    before = rate_on(Book.load(), DAY)
    Book.load((override(input="9"),))
    assert rate_on(Book.load(), DAY) == before
