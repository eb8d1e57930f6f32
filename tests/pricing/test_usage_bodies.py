"""Two hundred and more answers as providers give them, from the row to the nano-dollar, and once more by hand.

`usage/*.json` holds whole response bodies, each with its deployment, its line and the day of its answer. They take the
way that every answer takes: encoded, read, answered by their provider's codec, metered. Beside that the same is done
from what the providers' pages say of their counts, straight from `book.json` and in fractions, by code that shares
nothing with ours.

Where a case says `unknown`, its counts contradict each other or are missing: it has no price, and is delivered.
"""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from shared.app import open_provider
from shared.config import Deployment, PriceOverride
from shared.pricing.book import Book
from shared.pricing.meter import Meter
from shared.providers.base import Answer, Media, Provider, RequestLine
from shared.steps.match import entry_of

HERE: Final = Path(__file__).parent
BOOK: Final[list[dict[str, Any]]] = json.loads((HERE.parents[1] / "shared" / "pricing" / "book.json").read_text())[
    "entries"
]
CASES: Final[list[dict[str, Any]]] = [
    {**case, "file": path.stem}
    for path in sorted((HERE / "usage").glob("*.json"))
    for case in json.loads(path.read_text())
]
KEYS: Final = {"azure": "k", "openai": "sk-k", "hosted_vllm": "k"}

PART_OF: Final = {"audio": "input", "image": "input", "video": "input", "cached_audio": "cached"}

Counts = dict[str, int]  # by the names that the price book has


# ---- the way that every answer takes


def opened(case: dict[str, Any]) -> Provider:
    fields = {"id": "d", "group": "a-model", "project": "p", **case["deployment"]}
    key = KEYS.get(fields["provider"])
    return open_provider(Deployment(**fields, api_key=key), Media())


def answered(case: dict[str, Any], provider: Provider) -> Answer:
    """What collect makes of the rows that the provider wrote for this line."""
    endpoint = case["endpoint"]
    codec = provider.codec(endpoint)
    assert codec is not None
    line = RequestLine("mine", endpoint, case["line"])
    encoded = codec.encode(line, 1)
    sent = [json.loads(row) for row in encoded.rows.splitlines()]
    rows = []
    for number, (row, response) in enumerate(zip(sent, case["responses"], strict=True)):
        found = codec.read(json.dumps(as_it_comes_back(case, row, response)).encode())
        assert found is not None
        found.index, found.count = number, len(sent)
        rows.append(found)
    return codec.answer(rows, entry_of(1, line, "a-model", encoded))


def as_it_comes_back(case: dict[str, Any], sent: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """One row of output around a response, as each provider writes it."""
    if case["deployment"]["provider"] != "vertex_ai":
        told = {"status_code": 200, "request_id": "req_1", "body": response}
        return {"id": "batch_req_1", "custom_id": sent["custom_id"], "response": told, "error": None}
    stamped = {"status": "", "processed_time": case["processed_time"]}
    if "predictions" in response:
        return {"instance": sent, **response, "status": ""}
    if "custom_id" in sent:
        return {"custom_id": sent["custom_id"], **stamped, "response": response}
    return {**sent, **stamped, "response": response}


def metered(case: dict[str, Any]) -> Meter:
    provider = opened(case)
    book = Book.load(tuple(PriceOverride(**price) for price in case.get("prices", ())))
    meter = Meter(book, provider.price_model, provider.location)
    answer = answered(case, provider)
    assert answer.status == 200
    if answer.tokens is None:
        meter.miss()
    else:
        meter.add(answer.tokens, answer.day or case["day"])
    return meter


# ---- the same by hand


def by_hand(case: dict[str, Any]) -> Fraction | None:
    """Dollars of one case, or None where there is no price."""
    if case.get("unknown"):
        return None
    counts, prompt = counted(case)
    entry = entry_for(case)
    if entry is None:
        return None
    prices, long = entry["usd_per_million"], entry.get("long_context")
    if long is not None and prompt > long["above"]:
        prices = long["usd_per_million"]
    if prices is None:
        return None
    total = Fraction(0)
    for name, count in counts.items():
        if not count:
            continue
        price = prices.get(name)
        if price is None:
            price = prices.get(
                {"audio": "input", "image": "input", "video": "input", "cached_audio": "cached"}.get(name)
            )
        if price is None:
            return None
        total += Fraction(price) * count / 1_000_000
    at_home = case["deployment"]["provider"] == "hosted_vllm" or place_of(case) == "global"
    return total if at_home else total * Fraction(entry.get("regional_uplift") or 1)


def place_of(case: dict[str, Any]) -> str:
    deployment = case["deployment"]
    if deployment["provider"] == "vertex_ai":
        return str(deployment["location"])
    return "eu" if "//eu." in deployment.get("api_base", "") else "global"


def entry_for(case: dict[str, Any]) -> dict[str, Any] | None:
    """The configured price, or the book's that holds on the day: of several the latest, and the last of these."""
    deployment = case["deployment"]
    name = deployment["model"]
    if deployment["provider"] == "vertex_ai":
        name = name.removeprefix("publishers/google/models/")
    elif deployment["provider"] == "azure":
        name = f"azure/{deployment.get('base_model', name)}"
    else:
        name = f"{deployment['provider']}/{name}"
    for price in case.get("prices", ()):
        if name == price["model"] or name.startswith(f"{price['model']}@"):
            return dict(price)
    found = None
    for entry in BOOK:
        since, until = entry["since"] or "0", entry["until"] or "9"
        if re.fullmatch(entry["match"], name) and since <= case["day"] <= until:
            found = entry if found is None or since >= (found["since"] or "0") else found
    return found


def counted(case: dict[str, Any]) -> tuple[Counts, int]:
    """What is paid for, by the names of the book; and how long the prompt was."""
    sums: Counts = {}
    length = 0
    for response in case["responses"]:
        counts, prompt = {
            "gemini": of_gemini,
            "gemini_images": of_gemini,
            "embeddings": of_embedding,
            "claude": of_claude,
        }.get(case["file"], of_openai)(response)
        length += prompt
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
    return sums, length


def of_gemini(response: dict[str, Any]) -> tuple[Counts, int]:
    """usageMetadata: the prompt's count has what was cached in it, and neither thoughts nor what tools brought; the
    details divide a count by modality, of which documents are text.
    """
    meta = response["usageMetadata"]
    prompt = meta["promptTokenCount"]
    fresh = modalities(meta.get("promptTokensDetails"))
    fresh["TEXT"] += prompt - sum(fresh.values())
    left = meta.get("cachedContentTokenCount", 0)
    said = modalities(meta.get("cacheTokensDetails"))
    cached = dict.fromkeys(fresh, 0)
    for wanted in (said, fresh.copy()):  # what the cache says that it held; what it does not say, is text first
        for name in ("TEXT", "AUDIO", "IMAGE", "VIDEO"):
            taken = min(wanted[name], left, fresh[name])
            fresh[name], cached[name], left = fresh[name] - taken, cached[name] + taken, left - taken
    written = modalities(meta.get("candidatesTokensDetails"))
    drawn = written["IMAGE"]
    counts = {
        "input": fresh["TEXT"] + meta.get("toolUsePromptTokenCount", 0),
        "audio": fresh["AUDIO"],
        "image": fresh["IMAGE"],
        "video": fresh["VIDEO"],
        "cached": cached["TEXT"] + cached["IMAGE"] + cached["VIDEO"],
        "cached_audio": cached["AUDIO"],
        "output": meta.get("candidatesTokenCount", 0) - drawn + meta.get("thoughtsTokenCount", 0),
        "image_output": drawn,
    }
    return counts, prompt


def modalities(details: list[dict[str, Any]] | None) -> Counts:
    found = dict.fromkeys(("TEXT", "AUDIO", "IMAGE", "VIDEO"), 0)
    for detail in details or ():
        found[detail["modality"] if detail["modality"] in found else "TEXT"] += detail["tokenCount"]
    return found


def of_embedding(response: dict[str, Any]) -> tuple[Counts, int]:
    """One count of the text, at one of three places."""
    if "predictions" in response:
        count = response["predictions"][0]["embeddings"]["statistics"]["token_count"]
    elif "usageMetadata" in response:
        count = response["usageMetadata"]["promptTokenCount"]
    else:
        count = response["tokenCount"]
    return {"input": int(count)}, int(count)


def of_claude(response: dict[str, Any]) -> tuple[Counts, int]:
    """`input_tokens` are those behind the last cache point: what a cache gave or took comes on top."""
    usage = response["usage"]
    read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
    counts = {
        "input": usage["input_tokens"],
        "cached": read,
        "cache_write": written,
        "output": usage["output_tokens"],
    }
    return counts, usage["input_tokens"] + read + written


def of_openai(response: dict[str, Any]) -> tuple[Counts, int]:
    """The prompt's count has all of its details in it, and so has the answer's: reasoning is output."""
    if "results" in response:  # a moderation
        return {}, 0
    response = response.get("body", response)
    usage = response["usage"]
    prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    cached, written = details.get("cached_tokens", 0), details.get("cache_write_tokens", 0)
    heard = details.get("audio_tokens", 0)
    counts = {
        "input": prompt - cached - written - heard,
        "cached": cached,
        "cache_write": written,
        "audio": heard,
        "output": usage.get("completion_tokens", usage.get("output_tokens", 0)),
    }
    return counts, prompt


# ---- both


@pytest.mark.parametrize("case", CASES, ids=[f"{case['file']}: {case['name']}" for case in CASES])
def test_each_answer_costs_what_it_costs_by_hand(case: dict[str, Any]) -> None:
    expected = by_hand(case)
    cost = metered(case).cost()
    assert (cost.priced_lines, cost.unpriced_lines) == ((1, 0) if expected is not None else (0, 1))
    assert cost.nano == round((expected or Fraction(0)) * 10**9)  # a Fraction rounds half to even
    if expected is None:
        assert cost.total is None


def test_a_shard_costs_the_exact_sum_rounded_once() -> None:
    """All answers of a model in a place, as one shard."""
    shards: dict[str, list[dict[str, Any]]] = {}
    for case in CASES:
        shards.setdefault(json.dumps([case["deployment"], case.get("prices")]), []).append(case)
    assert max(map(len, shards.values())) >= 8
    for cases in shards.values():
        provider = opened(cases[0])
        book = Book.load(tuple(PriceOverride(**price) for price in cases[0].get("prices", ())))
        meter = Meter(book, provider.price_model, provider.location)
        for case in cases:
            answer = answered(case, provider)
            if answer.tokens is not None:
                meter.add(answer.tokens, answer.day or case["day"])
        known = [dollars for dollars in map(by_hand, cases) if dollars is not None]
        assert meter.cost().nano == round(sum(known, Fraction(0)) * 10**9)
        assert meter.cost().priced_lines == len(known)


def test_there_are_two_hundred_of_all_kinds() -> None:
    """And most of them have a price: a test of nothing but unknowns would prove nothing."""
    assert len(CASES) >= 200
    assert sum(by_hand(case) is not None for case in CASES) >= 200
    paid = {name for case in CASES if by_hand(case) for name, count in counted(case)[0].items() if count}
    assert paid == {
        *("input", "audio", "image", "video", "cached", "cached_audio", "cache_write", "output", "image_output"),
    }
