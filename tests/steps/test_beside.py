"""What is charged beside the tokens, such as a search on the way: refused under a budget, and else never free."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.ledger import check
from shared.config import PriceOverride
from shared.domain.access import Caller
from shared.domain.account import Account
from shared.domain.batch import Batch, Status
from shared.domain.cost import Cost
from shared.domain.errors import OverBudget
from shared.domain.hints import Hints
from shared.steps import new_job
from tests.steps.test_meter import CALLER, PAYER, Passing
from tests.steps.world import World, chat

SEARCH = {"googleSearch": {"excludeDomains": ["example.invalid"]}}
EACH = 7 * 150 + 3 * 1_250  # nano-dollars of one answer, see the upstream


def row(number: int, *tools: Any) -> dict[str, Any]:
    more = {"tools": list(tools)} if tools else {}
    return {
        "key": f"k{number}",
        "request": {"contents": [{"role": "user", "parts": [{"text": f"Hi {number}"}]}], **more},
    }


ROWS = [row(1), row(2, SEARCH), row(3, {"functionDeclarations": [{"name": "f"}]}), row(4, {"codeExecution": {"a": 1}})]


def budget(world: World, nano: int | None) -> None:
    account = world.documents.get(Account, PAYER) or Account(id=PAYER)
    world.documents.transact(lambda tx: tx.put(replace(account, name="Key=a", max_budget=nano)))


def native(world: World, rows: list[dict[str, Any]], caller: Caller = CALLER) -> Batch:
    file = replace(world.upload(rows, caller), native=True, hints=Hints(models=("flash",)))
    world.documents.transact(lambda tx: tx.put(file))
    batch = world.start(file, caller=caller)
    world.settle(batch.id)
    return world.batch(batch.id)


@pytest.fixture
def world(tmp_path: Path) -> Passing:
    return Passing(tmp_path)


def test_a_batch_with_such_rows_is_refused_under_a_budget_with_the_tool_and_its_line(world: Passing) -> None:
    budget(world, 10**12)
    batch = native(world, ROWS)

    assert batch.status is Status.FAILED
    [error] = batch.errors
    assert error.code == "budget_exceeded"
    assert error.message == (
        "The price of 2 requests is not known, so they cannot be held against the budget of Key=a. "
        "'request.tools[0].googleSearch' in line 2 is charged beside the tokens: leave it out."
    )
    assert native(world, [ROWS[0], ROWS[2]]).status is Status.COMPLETED


def test_a_job_with_such_rows_is_refused_under_a_budget_with_the_tool_and_its_row(world: Passing) -> None:
    budget(world, 10**12)
    with pytest.raises(OverBudget, match=r"price of 2 requests .* 'request\.tools\[0\]\.googleSearch' in row 2 of the"):
        world.create(ROWS)
    assert (world.records(), world.account().open_batches) == ([], 0)
    world.create([ROWS[0], ROWS[2]])


def test_a_large_input_with_such_rows_among_those_looked_at_is_refused_too(world: Passing) -> None:
    budget(world, 10**12)
    source = world.put([{**row(n, SEARCH), "beside": "x" * 100_000} for n in range(100)])
    with pytest.raises(OverBudget, match=r"googleSearch' in a row of the input is charged beside the tokens"):
        new_job.create(world.app, CALLER, world.new(source))


def test_without_a_budget_they_run_and_what_is_known_of_them_is_paid(world: Passing) -> None:
    """In a batch of ours as in a job passed through, to the last unit."""
    batch = native(world, ROWS)
    due = Cost(nano=4 * EACH, priced_lines=2, unpriced_lines=2)
    assert (batch.cost, batch.usage.input_tokens) == (due, 28)
    assert world.account().spent == due.nano
    world.create(ROWS)
    [job] = world.rest()

    assert job.cost == due
    assert world.account().spent == 2 * due.nano
    assert [entry.tokens for entry in world.entries()] == [{"text": 28, "output": 12}] * 2


def test_a_budget_that_comes_later_counts_what_they_have_used(world: Passing) -> None:
    for _ in range(2):
        native(world, [row(1, SEARCH)])
    budget(world, EACH)
    with pytest.raises(OverBudget, match="Budget has been exceeded"):
        native(world, [row(1)])


def test_an_amount_is_told_where_no_line_is_wholly_priced(world: Passing) -> None:
    batch = native(world, [row(1, SEARCH)])
    assert (batch.cost.priced_lines, batch.cost.unpriced_lines) == (0, 1)
    assert batch.cost.total == "0.000004800"


def test_the_books_are_proven_from_predictions_also_when_what_was_sent_is_forgotten(world: Passing) -> None:
    batch = native(world, ROWS)
    [shard] = world.shards(batch.id)
    world.objects.delete(shard.index)
    world.create(ROWS)
    world.rest()

    report = check(world.app, objects=True, pause=lambda _: None)
    assert [str(each) for each in report.differences] == []
    assert report.again["predictions"] == {"": 2}
    assert report.again["prices"] == {"": 2}


def test_of_lines_without_a_price_and_others_that_are_paid_in_part_nothing_is_claimed(world: Passing) -> None:
    """An entry has one sum of tokens: where some of these have a price and some have none, it tells no amount."""
    native(world, [row(1, SEARCH), row(2, SEARCH)])
    [entry] = world.entries()
    drawn = replace(entry, tokens={**entry.tokens, "image_output": 9})
    world.documents.transact(lambda tx: tx.put(drawn))

    report = check(world.app, pause=lambda _: None)
    assert not [each for each in report.differences if each.fact == "prices"]
    assert report.again["prices"]["with lines that have no price"] == 1


def test_a_line_that_asks_for_audio_is_refused_under_a_budget(tmp_path: Path) -> None:
    """Audio that is written has no price here, whatever else the model writes has."""
    usd = {"input": Decimal(1), "output": Decimal(2)}
    price = PriceOverride(model="openai/gpt-4o-mini", usd_per_million=usd)
    world = World(tmp_path, openai="http://127.0.0.1:9/v1", prices=(price,))
    budget(world, 10**12)
    lines = [chat("a", model="mini"), chat("b", model="mini", modalities=["text", "audio"])]
    batch = world.start(lines, caller=CALLER)
    world.settle(batch.id)

    [error] = world.batch(batch.id).errors
    assert "price of 1 requests" in error.message
    assert "'modalities' in line 2 is charged beside the tokens" in error.message


def test_what_a_line_says_in_its_text_is_no_tool(world: Passing) -> None:
    budget(world, 10**12)
    said = row(1)
    said["request"]["contents"][0]["parts"][0]["text"] = json.dumps({"tools": [SEARCH]})
    batch = native(world, [said])

    assert batch.cost == Cost(nano=EACH, priced_lines=1)
