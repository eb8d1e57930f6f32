"""What lines are expected to cost, beside what they cost in the end."""

import base64
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.config import PriceOverride
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.batch import Status
from shared.domain.ids import derived
from shared.domain.places import Habit
from shared.providers.base import NATIVE, RequestLine
from shared.steps.expect import Expectation, expected_input, expected_output, native_request, note_habit, usual
from tests.steps.world import CHAT, EMBED, World, chat, deployment, embed

WHOSE = Caller(owner="key:key-1", key="key-1", payers=("key-1",))
PICTURE = base64.b64encode(bytes(range(256)) * 120).decode()  # 40,960 characters
TEXT = "Tell me a story about a quick brown fox that jumps over lazy dogs. "


def said(*parts: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": list(parts)}]}


# ---- output


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, 77),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 11}, 11),
        ({"max_output_tokens": 12}, 12),
        ({"max_tokens": 10, "n": 3}, 30),
        ({"n": 4}, 308),
        ({"max_tokens": 5, "best_of": 4, "n": 2}, 20),
        ({"max_tokens": 5, "best_of": 1, "n": 8}, 40),
        ({"max_tokens": "60000", "n": "128"}, 7_680_000),
        ({"max_tokens": 1, "max_completion_tokens": 60_000}, 60_000),
        ({"max_tokens": 5, "n": 1_000}, 5_000),
        ({"max_tokens": 5, "input": 1}, 5),
        ({"max_tokens": 16, "prompt": ["one", "two", "three"]}, 48),
        ({"max_tokens": 16, "prompt": [1, 2, 3]}, 16),
        ({"max_tokens": 16, "prompt": [[1, 2], [3]]}, 32),
        ({"max_tokens": 2**70}, 1_000_000),
    ],
)
def test_output_is_what_a_line_allows_or_else_what_is_usual(body: dict[str, Any], tokens: int) -> None:
    assert expected_output({"messages": [], **body} if "prompt" not in body else body, 77) == tokens


@pytest.mark.parametrize(
    ("row", "tokens"),
    [
        ({"request": {"contents": [], "generationConfig": {"maxOutputTokens": 9, "candidateCount": 2}}}, 18),
        ({"request": {"contents": [], "generation_config": {"max_output_tokens": 8, "candidate_count": 3}}}, 24),
        ({"request": {"contents": []}}, 77),
        ({"request": {"messages": [], "max_tokens": 30, "anthropic_version": "vertex-2023-10-16"}}, 30),
        ({"body": {"messages": [], "max_tokens": 31}}, 31),
        ({"request": {"contents": [], "generationConfig": None}}, 77),
        ({"request": "nonsense"}, 77),
    ],
)
def test_a_providers_own_rows_say_it_in_its_own_words(row: dict[str, Any], tokens: int) -> None:
    assert expected_output(native_request(row), 77) == tokens


@pytest.mark.parametrize("garbage", [None, "x", 0, -1, 0.5, True, [], {}, [5], {"max": 5}, float("inf")])
def test_garbage_says_nothing(garbage: Any) -> None:
    for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"):
        assert expected_output({"messages": [], name: garbage}, 77) == 77
    for name in ("n", "best_of", "candidateCount"):
        assert expected_output({"messages": [], name: garbage}, 77) == 77
    for name in ("messages", "contents", "content", "input", "prompt"):
        assert expected_input({name: garbage}, 400) == 100
        assert expected_output({name: garbage}, 77) in {0, 77}
        assert expected_input({"messages": [{"content": garbage}, garbage]}, 400) == 100
    assert native_request({"request": garbage, "body": garbage}).keys() >= ({"max"} if garbage == {"max": 5} else set())


# ---- input


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"},
        {"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PICTURE}", "filename": "a.pdf"}},
        {"inlineData": {"mimeType": "image/png", "data": PICTURE}},
        {"inline_data": {"mime_type": "image/png", "data": PICTURE}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "base64", "data": PICTURE}}]},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"fileData": {"fileUri": "gs://bucket/cat.mp4", "mimeType": "video/mp4"}},
    ],
)
def test_media_do_not_count_as_text(part: dict[str, Any]) -> None:
    """Forty kilobytes of an image are no ten thousand tokens, and its address is not twelve."""
    for body in (said({"type": "text", "text": TEXT}, part), {"contents": [{"parts": [{"text": TEXT}, part]}]}):
        tokens = expected_input(body, len(json.dumps(body)))
        assert 1_500 <= tokens < 1_700


def test_larger_media_count_more() -> None:
    clip = {"inlineData": {"mimeType": "video/mp4", "data": "A" * (3 * 2**20)}}
    body = {"contents": [{"parts": [clip]}]}
    assert 4_500 <= expected_input(body, len(json.dumps(body))) < 4_600


def test_what_is_no_media_counts_as_text() -> None:
    body = {"messages": [{"role": "user", "content": TEXT * 100}]}
    assert expected_input(body, 7_000) == 1_750
    calls = said({"functionCall": {"name": "f", "args": {"text": TEXT * 100}}})
    assert expected_input(calls, 7_000) == 1_750


@pytest.mark.parametrize("text", ["A" * 1_023 + " ", "data:" * 300, '"data":"' * 200, "base64," * 300])
def test_hostile_text_costs_no_time(text: str) -> None:
    """Twenty megabytes that look like the beginning of media again and again."""
    long = text * (20 * 2**20 // len(text))
    body = said(*({"x": long} for _ in range(3)))
    started = time.process_time()
    expected_input(body, 3 * len(long))
    assert time.process_time() - started < 1


# ---- money


def reserved(world: World, lines: list[dict[str, Any]], endpoint: str = CHAT) -> tuple[int, int]:
    """What is held back for a batch of these lines, and what it costs in the end."""
    id = world.start(lines, endpoint, caller=WHOSE).id
    world.pump(1)
    held = world.batch(id).reserved
    account = world.documents.get(Account, "key-1")
    assert account is not None
    assert account.reserved == held
    world.settle(id)
    assert world.batch(id).status is Status.COMPLETED
    return held, world.batch(id).cost.nano


def test_what_is_allowed_is_held_back_to_the_last_unit(world: World) -> None:
    """gemini-2.5-flash at its global endpoint: $0.15 and $1.25 a million."""
    lines = [chat(f"c{n}", max_tokens=100) for n in range(10)]
    held, cost = reserved(world, lines)
    codec = world.app.provider("flash#0").codec_named("gemini-chat")
    encoded = [len(codec.encode(RequestLine(line["custom_id"], CHAT, line["body"]), 1).rows) for line in lines]
    assert held == sum(size // 4 * 150 + 100 * 1_250 for size in encoded)
    assert cost == 10 * (7 * 150 + 3 * 1_250)
    assert cost < held


def test_a_model_that_has_answered_before_is_expected_to_answer_as_much_again(world: World) -> None:
    lines = [chat(f"c{n}") for n in range(10)]
    first, cost = reserved(world, lines)
    second, _ = reserved(world, lines)
    assert first > 10 * 1_000 * 1_250
    assert cost <= second < 3 * cost


@pytest.mark.parametrize("model", ["flash", "lite"])
def test_lines_without_media_are_not_expected_far_from_what_they_cost(world: World, model: str) -> None:
    """Where the answer's length is known, the estimate is within what the envelope of a row adds."""
    lines = [chat(f"c{n}", model=model, max_tokens=3) for n in range(20)]
    held, cost = reserved(world, lines)
    assert cost <= held < 3 * cost


def test_embeddings_write_nothing(world: World) -> None:
    held, cost = reserved(world, [embed(f"e{n}", "a few words") for n in range(5)], EMBED)
    assert 0 < held < 40 * 5 * 120
    assert cost == 5 * 4 * 120


def test_a_long_prompt_is_expected_at_its_own_price(tmp_path: Path) -> None:
    world = World(tmp_path, more=(deployment("pro", "gemini-2.5-pro", 7),))
    provider = world.app.provider("pro#7")
    short, long = Expectation(world.app, provider, {}), Expectation(world.app, provider, {})
    short.add(RequestLine("a", CHAT, {"messages": [], "max_tokens": 10}), b"x" * 800_000)
    long.add(RequestLine("a", CHAT, {"messages": [], "max_tokens": 10}), b"x" * 800_004)
    assert short.cost().nano == 200_000 * 625 + 10 * 5_000
    assert long.cost().nano == 200_001 * 1_250 + 10 * 7_500


def test_what_a_model_draws_has_the_price_of_what_is_drawn(tmp_path: Path) -> None:
    world = World(tmp_path, more=(deployment("draw", "gemini-2.5-flash-image", 7),))
    expectation = Expectation(world.app, world.app.provider("draw#7"), {"gemini-2.5-flash-image": 1_290})
    row = {"request": {"contents": [{"role": "user", "parts": [{"text": "a fox"}]}]}}
    expectation.add(RequestLine("a", NATIVE, row), json.dumps(row).encode())
    assert expectation.cost().nano == len(json.dumps(row)) // 4 * 150 + 1_290 * 15_000


@pytest.mark.parametrize(("place", "nano"), [("flash#0", 500 * 1_250), ("embedder#2", 0)])
def test_whether_a_model_answers_is_the_models_affair_and_not_its_rows(world: World, place: str, nano: int) -> None:
    """A member that its family does not know is no word about it, and providers read past it."""
    expectation = Expectation(world.app, world.app.provider(place), {})
    row = {"request": {"contents": [], "generationConfig": {"maxOutputTokens": 500}, "content": 1, "input": 1}}
    expectation.add(RequestLine("a", NATIVE, row), b"")
    assert expectation.cost().nano == nano


def test_what_has_no_price_is_told_from_what_is_free(tmp_path: Path) -> None:
    free = PriceOverride(model="gemini-unpriced-9", usd_per_million={"input": Decimal(0), "output": Decimal(0)})
    for prices, unpriced in (((), 1), ((free,), 0)):
        world = World(tmp_path / str(unpriced), prices=prices)
        expectation = Expectation(world.app, world.app.provider("odd#3"), {})
        expectation.add(RequestLine("a", CHAT, {"messages": []}), b"x" * 400)
        assert expectation.cost().unpriced_lines == unpriced
        assert expectation.cost().nano == 0


# ---- habits


def test_a_habit_follows_the_model(world: World) -> None:
    assert usual(world.app, "m") == 1_000
    note_habit(world.app, "m", 10, 55)
    assert usual(world.app, "m") == 6
    for _ in range(40):
        note_habit(world.app, "m", 10_000, 2_000_000)
    assert usual(world.app, "m") in {199, 200}
    habit = world.documents.get(Habit, derived("habit", "m"))
    assert habit is not None
    assert habit.lines < 250_000
    assert usual(world.app, "another") == 1_000


def test_a_shard_without_answers_teaches_nothing(world: World) -> None:
    note_habit(world.app, "m", 0, 0)
    assert usual(world.app, "m") == 1_000


def test_a_batch_looks_a_habit_up_once(world: World) -> None:
    habits: dict[str, int] = {}
    provider = world.app.provider("flash#0")
    Expectation(world.app, provider, habits)
    note_habit(world.app, provider.price_model, 10, 50)
    Expectation(world.app, provider, habits)
    assert habits == {"gemini-2.5-flash": 1_000}


@pytest.mark.parametrize(
    "config",
    [
        {"generationConfig": {"maxOutputTokens": "65000"}},
        {"generationConfig": {"maxOutputTokens": 65000.0}},
        {"generationConfig": {"max_output_tokens": 1, "maxOutputTokens": 65000}},
        {"generationConfig": {"temperature": 1}, "generation_config": {"maxOutputTokens": 65000}},
        {"generationConfig": {"maxOutputTokens": 1}, "generation_config": {"max_output_tokens": "6.5e4"}},
        {"max_tokens": 1, "generationConfig": {"maxOutputTokens": 65000}},
    ],
)
def test_of_several_lengths_in_a_row_the_longest_is_expected(config: dict[str, Any]) -> None:
    assert expected_output(native_request({"request": {"contents": [], **config}}), 10) == 65_000


@pytest.mark.parametrize("value", [True, None, [], {}, "", "x", "nan", "inf", -5, "9" * 40, float("inf")])
def test_what_is_no_length_leaves_what_is_usual(value: object) -> None:
    assert (
        expected_output(
            native_request({"request": {"contents": [], "generationConfig": {"maxOutputTokens": value}}}), 10
        )
        == 10
    )
