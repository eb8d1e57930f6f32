"""What budgets and caps do to a batch, and what its owner is told."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shared.config import Limits, PriceOverride
from shared.domain.access import Caller
from shared.domain.account import Account, Caps, Window, left, spend
from shared.domain.batch import Batch, Status
from shared.domain.clock import DAY, HOUR
from shared.domain.cost import NANO, usd
from shared.domain.durations import next_reset
from shared.domain.errors import OverBudget, RateLimited
from shared.steps.accounts import Purse, strictest
from shared.steps.cancel import request_cancel
from shared.steps.commit import commit
from shared.steps.prepare import prepare
from shared.storage.queries import BATCHES
from tests.steps.accountant import account, check_money, check_nothing_held
from tests.steps.world import World, chat, deployment

LINE = 7 * 150 + 3 * 1_250  # nano-dollars that one line of `flash` costs here
WHOSE = Caller(owner="key:key-1", key="key-1", payers=("key-1",))
SHARED = Caller(owner="user:ann", key="key-1", user="ann", team="red", payers=("key-1", "user-ann", "team-red"))
OTHER = Caller(owner="user:bob", key="key-2", user="bob", team="red", payers=("key-2", "user-bob", "team-red"))
ALL = ["key-1", "key-2", "user-ann", "user-bob", "team-red", "team-blue"]


def allow(world: World, id: str = "key-1", **changes: Any) -> None:
    def body(tx: Any) -> None:
        before = tx.get(Account, id) or Account(id=id, name=f"Key={id}")
        tx.put(replace(before, **changes))

    world.documents.transact(body)


def lines(count: int, **body: Any) -> list[dict[str, Any]]:
    return [chat(f"line-{n}", **{"max_tokens": 3, **body}) for n in range(count)]


def price_of(world: World, content: list[dict[str, Any]]) -> int:
    """What is held back for a batch of these lines."""
    probe = World(world.root.parent / f"{world.root.name}-probe", limits=world.limits, prices=world.prices)
    probe.start(content, caller=WHOSE)
    probe.pump(1)
    return account(probe, "key-1").reserved


def prepared(world: World, content: list[dict[str, Any]], caller: Caller = WHOSE) -> Batch:
    batch = world.start(content, caller=caller)
    prepare(world.app, batch.id)
    return world.batch(batch.id)


# ---- budgets


def test_what_fits_exactly_runs_and_one_unit_less_does_not(world: World) -> None:
    price = price_of(world, lines(5))
    allow(world, max_budget=price)
    batch = prepared(world, lines(5))
    assert batch.status is Status.IN_PROGRESS
    assert (batch.reserved, account(world, "key-1").reserved) == (price, price)
    request_cancel(world.app, batch.id)
    world.settle(batch.id)

    allow(world, max_budget=price + account(world, "key-1").spent - 1)
    assert prepared(world, lines(5)).status is Status.FAILED
    check_nothing_held(world, ALL)


def test_a_batch_that_does_not_fit_is_told_the_numbers(world: World) -> None:
    price, one = price_of(world, lines(4)), price_of(world, lines(1))
    allow(world, max_budget=price + one)
    running = prepared(world, lines(4))
    assert running.status is Status.IN_PROGRESS

    refused = prepared(world, lines(2))
    assert refused.status is Status.FAILED
    assert [(error.code, error.line) for error in refused.errors] == [("budget_exceeded", None)]
    assert refused.errors[0].message == (
        f"This batch is expected to cost about {usd(2 * one)}; Key=key-1 has {usd(one)} left. "
        f"Current cost: $0.00, reserved by open batches: {usd(price)}, Max budget: {usd(price + one)}."
    )
    assert refused.counts.total == 0
    assert prepared(world, lines(1)).status is Status.IN_PROGRESS


def test_a_budget_that_is_used_up_refuses_at_once(world: World) -> None:
    allow(world, max_budget=2 * NANO, spent=3 * NANO, before=NANO // 2)
    with pytest.raises(OverBudget) as told:
        world.start(lines(1), caller=WHOSE)
    assert (told.value.status, told.value.kind, told.value.code) == (422, "budget_exceeded", "budget_exceeded")
    assert str(told.value) == "Budget has been exceeded! Key=key-1 Current cost: $2.50, Max budget: $2.00"
    assert check_refused(world)


def test_a_budget_that_is_all_held_says_so(world: World) -> None:
    price = price_of(world, lines(3))
    allow(world, max_budget=price)
    prepared(world, lines(3))
    with pytest.raises(OverBudget, match=r"reserved by open batches: \$0\.0"):
        world.start(lines(1), caller=WHOSE)


def check_refused(world: World) -> bool:
    """A refusal leaves nothing: no batch, no count."""
    found = account(world, "key-1")
    return (found.open_batches, found.enqueued_tokens, found.hour.used) == (0, 0, 0) and not world.documents.query(
        BATCHES
    )


@pytest.mark.parametrize("poor", ["key-1", "user-ann", "team-red"])
def test_all_budgets_have_to_hold(world: World, poor: str) -> None:
    price = price_of(world, lines(2))
    for id in SHARED.payers:
        allow(world, id, max_budget=price - (id == poor), name=id)
    batch = prepared(world, lines(2), SHARED)
    assert batch.status is Status.FAILED
    assert f"; {poor} has " in batch.errors[0].message
    check_nothing_held(world, ALL)


def test_what_was_held_too_much_can_be_used_again(world: World) -> None:
    """An estimate of a thousand tokens a line, of which three came."""
    price = price_of(world, lines(4, max_tokens=1_000))
    allow(world, max_budget=price)
    first = prepared(world, lines(4, max_tokens=1_000))
    world.settle(first.id)
    found = account(world, "key-1")
    assert (found.spent, found.reserved, left(found)) == (4 * LINE, 0, price - 4 * LINE)
    assert prepared(world, lines(3, max_tokens=1_000)).status is Status.IN_PROGRESS


def test_what_costs_more_than_was_held_is_spent_and_the_next_is_refused(world: World) -> None:
    """Nobody is told after the fact that what ran shall not count."""

    def dear(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            usage = {"promptTokenCount": 7, "candidatesTokenCount": 90_000, "totalTokenCount": 90_007}
            row["response"]["usageMetadata"] = usage
        return rows

    price = price_of(world, lines(2))
    allow(world, max_budget=10 * price)
    world.upstream.rewrite = dear
    batch = prepared(world, lines(2))
    world.settle(batch.id)
    found = account(world, "key-1")
    assert found.spent == 2 * (7 * 150 + 90_000 * 1_250)
    assert found.reserved == 0
    assert (left(found) or 0) < 0
    with pytest.raises(OverBudget, match=r"Current cost: \$0\.2250021, Max budget"):
        world.start(lines(1), caller=WHOSE)


def test_one_that_was_let_in_before_is_refused_when_the_rest_was_spent_meanwhile(world: World) -> None:
    allow(world, max_budget=NANO)
    batch = world.start(lines(2), caller=WHOSE)
    allow(world, spent=2 * NANO)
    world.pump(1)
    error = world.batch(batch.id).errors[0]
    assert world.batch(batch.id).status is Status.FAILED
    assert "Key=key-1 has $0.00 left. Current cost: $2.00" in error.message


def test_lines_without_a_price_cannot_be_held_against_a_budget(world: World) -> None:
    allow(world, max_budget=NANO)
    batch = prepared(world, [chat("a", model="odd"), *lines(2)])
    assert batch.status is Status.FAILED
    assert [error.code for error in batch.errors] == ["budget_exceeded"]
    assert "The price of 1 requests is not known" in batch.errors[0].message
    assert "the budget of Key=key-1" in batch.errors[0].message
    check_nothing_held(world, ALL)


def test_without_a_budget_lines_without_a_price_run(world: World) -> None:
    batch = prepared(world, [chat("a", model="odd")])
    world.settle(batch.id)
    assert world.batch(batch.id).cost.unpriced_lines == 1
    assert account(world, "key-1").spent == 0


def test_what_costs_nothing_runs_under_any_budget_that_has_something_left(tmp_path: Path) -> None:
    free = PriceOverride(model="gemini-unpriced-9", usd_per_million={"input": Decimal(0), "output": Decimal(0)})
    world = World(tmp_path / "world", prices=(free,))
    allow(world, max_budget=1)
    batch = prepared(world, [chat("a", model="odd")])
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED
    assert world.batch(batch.id).cost.total == "0.000000000"


# ---- time


def test_a_budget_begins_anew_while_a_batch_runs(world: World) -> None:
    """What the batch costs counts where it is spent: in the time that is. What it holds is held in both."""
    price = price_of(world, lines(4))
    allow(world, max_budget=price + 3 * LINE, budget_duration="1h", spent=2 * LINE, before=0)
    allow(world, budget_reset_at=next_reset("1h", world.now()))
    world.upstream.takes = 2 * HOUR
    batch = prepared(world, lines(4))
    world.pump()
    world.clock += 2 * HOUR
    allow(world, max_budget=price)
    with pytest.raises(OverBudget, match="reserved by open batches"):  # the time began anew, and all is held
        world.start(lines(1), caller=WHOSE)
    world.settle(batch.id)
    found = account(world, "key-1")
    assert (found.spent, spend(found), found.reserved) == (6 * LINE, 4 * LINE, 0)
    assert (found.budget_reset_at or 0) > world.now()
    world.clock += 3 * HOUR
    assert prepared(world, lines(4)).status is Status.IN_PROGRESS


def test_a_clock_that_is_behind_does_not_take_a_new_beginning_back(world: World) -> None:
    allow(world, max_budget=100, budget_duration="1h", budget_reset_at=next_reset("1h", world.now()), spent=60)
    late = next_reset("1h", world.now())
    world.clock = late + 1
    commit(world.app, lambda turn: Purse(world.app, turn, ["key-1"]).put())
    assert spend(account(world, "key-1")) == 0
    world.clock = late - 1
    commit(world.app, lambda turn: Purse(world.app, turn, ["key-1"]).put())
    assert spend(account(world, "key-1")) == 0


# ---- caps


CAPPED: list[tuple[Caps, str, str, Callable[[int], bool]]] = [
    (Caps(open_batches=1), "open_batches", "Key=key-1 may have 1 that have not ended", lambda wait: wait == 60),
    (Caps(batches_per_hour=1), "batches_per_hour", "Key=key-1 may create 1 an hour", lambda wait: 0 < wait <= 3_600),
    (Caps(enqueued_tokens=90), "enqueued_tokens", "Limit: 90 enqueued tokens, of which", lambda wait: wait == 60),
]


@pytest.mark.parametrize(("caps", "kind", "said", "waits"), CAPPED)
def test_a_cap_is_told_with_its_number_and_when_to_come_again(
    world: World, caps: Caps, kind: str, said: str, waits: Callable[[int], bool]
) -> None:
    allow(world, caps=caps)
    world.start(lines(2), caller=WHOSE, body_hash="1")
    before = account(world, "key-1")
    with pytest.raises(RateLimited) as told:
        world.start(lines(2), caller=WHOSE, body_hash="2")
    assert (told.value.status, told.value.kind) == (429, kind)
    assert said in str(told.value)
    assert waits(told.value.retry_after or 0)
    assert account(world, "key-1") == before


def test_the_smaller_cap_of_key_and_configuration_holds(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(open_batches=1))
    allow(world, caps=Caps(open_batches=5))
    world.start(lines(1), caller=WHOSE, body_hash="1")
    with pytest.raises(RateLimited, match="may have 1 that"):
        world.start(lines(1), caller=WHOSE, body_hash="2")
    allow(world, "team-red", caps=Caps(open_batches=1), name="Team=red")  # a team has none of the configuration's
    world.start(lines(1), caller=OTHER, body_hash="3")
    with pytest.raises(RateLimited, match="Team=red may have 1 that"):
        world.start(lines(1), caller=Caller(owner="x", payers=("key-3", "team-red")), body_hash="4")


def test_the_end_of_a_batch_makes_room(world: World) -> None:
    allow(world, caps=Caps(open_batches=1, enqueued_tokens=200))
    for number in range(3):
        batch = world.start(lines(2), caller=WHOSE, body_hash=str(number))
        world.settle(batch.id)
    assert account(world, "key-1").hour.used == 3


def test_tokens_that_were_counted_line_by_line_may_be_too_many(world: World) -> None:
    """Until then the size of the file stands for them."""
    long = lines(3)
    size = sum(len(str(line)) for line in long) // 4
    allow(world, caps=Caps(enqueued_tokens=size * 10))
    batch = world.start(long, caller=WHOSE)
    enqueued = account(world, "key-1").enqueued_tokens
    allow(world, caps=Caps(enqueued_tokens=1))
    world.pump(1)
    found = world.batch(batch.id)
    assert enqueued > 1
    assert [error.code for error in found.errors] == ["token_limit_exceeded"]
    assert "Limit: 1 enqueued tokens." in found.errors[0].message
    check_nothing_held(world, ALL)


def test_the_hour_of_one_clock_that_is_ahead_counts_on_others(world: World) -> None:
    """Two machines at the turn of an hour: one in each. Neither forgets what the other has counted."""
    allow(world, caps=Caps(batches_per_hour=3))
    turn = world.now() - world.now() % HOUR + HOUR
    created = 0
    for number in range(10):
        world.clock = turn + (5 if number % 2 else -5)
        try:
            world.start(lines(1), caller=WHOSE, body_hash=str(number))
        except RateLimited:
            continue
        created += 1
    assert created <= 3 + 1  # one in the hour that ends, three in the next
    world.clock = turn + HOUR
    world.start(lines(1), caller=WHOSE, body_hash="next hour")


def test_a_window_is_counted_anew_when_it_is_over(world: World) -> None:
    allow(world, caps=Caps(files_per_day=2))

    def store() -> None:
        def body(turn: Any) -> None:
            purse = Purse(world.app, turn, ["key-1"])
            purse.store()
            purse.put()

        commit(world.app, body)

    store()
    store()
    with pytest.raises(RateLimited, match="Key=key-1 may upload 2 a day") as told:
        store()
    assert 0 < (told.value.retry_after or 0) <= DAY // 1000
    world.clock += (told.value.retry_after or 0) * 1000
    store()
    assert account(world, "key-1").day == Window(since=world.now() - world.now() % DAY, used=1)


def test_the_strictest_cap_of_all_who_pay_holds(world: World) -> None:
    allow(world, caps=Caps(lines_per_batch=10, file_bytes=5))
    allow(world, "team-red", caps=Caps(lines_per_batch=3))
    caps = strictest(world.app, SHARED.payers)
    assert (caps.lines_per_batch, caps.file_bytes) == (3, 5)
    assert prepared(world, lines(3), SHARED).status is Status.IN_PROGRESS
    batch = prepared(world, lines(4), replace(SHARED, key="key-9"))
    assert [error.code for error in batch.errors] == ["too_many_tasks"]


# ---- who pays


def test_a_key_that_moves_to_another_team_leaves_its_batches_to_those_who_paid_before(world: World) -> None:
    for id in ("team-red", "team-blue"):
        allow(world, id, max_budget=NANO)
    first = prepared(world, lines(2), SHARED)
    moved = replace(SHARED, team="blue", payers=("key-1", "user-ann", "team-blue"))
    second = prepared(world, lines(3), moved)
    world.settle(first.id, second.id)
    assert account(world, "team-red").spent == 2 * LINE
    assert account(world, "team-blue").spent == 3 * LINE
    assert account(world, "key-1").spent == account(world, "user-ann").spent == 5 * LINE
    check_nothing_held(world, ALL)


@pytest.mark.parametrize("kind", ["key-1", "team-red"])
def test_who_is_deleted_while_a_batch_runs_pays_for_it(world: World, kind: str) -> None:
    """Whether or not the account goes with it: nothing is held below nothing, and the batch ends as it would."""
    batch = prepared(world, lines(2), SHARED)
    world.documents.transact(lambda tx: tx.delete(Account, kind))
    world.settle(batch.id)
    found = account(world, kind)
    assert world.batch(batch.id).status is Status.COMPLETED
    assert (found.spent, found.reserved, found.open_batches, found.enqueued_tokens) == (2 * LINE, 0, 0, 0)


def test_two_who_share_a_team_share_its_budget(world: World) -> None:
    price = price_of(world, lines(2))
    allow(world, "team-red", max_budget=price + price // 2, name="Team=red")
    assert prepared(world, lines(2), SHARED).status is Status.IN_PROGRESS
    refused = prepared(world, lines(2), OTHER)
    assert refused.status is Status.FAILED
    assert "Team=red has" in refused.errors[0].message
    assert account(world, "key-2").spent == account(world, "key-2").reserved == 0


# ---- what is held while lines move


def test_what_is_held_goes_with_the_lines_that_are_run_again(tmp_path: Path) -> None:
    """A job fails when half of it is done: what is done is spent, and no longer held as well."""
    last = deployment("flash", "gemini-2.5-flash", 9).model_copy(update={"weight": 0})
    world = World(tmp_path / "world", more=(last,))
    world.upstream.ends_as = "JOB_STATE_FAILED"
    world.upstream.error = {"code": 8, "message": "no more resources"}
    world.upstream.rewrite = lambda rows: sorted(rows, key=lambda row: str(row["key"]))[:6]
    batch = prepared(world, lines(10))
    held = batch.reserved
    while world.batch(batch.id).cost.nano == 0:
        world.pump()
        world.clock += 1_000
        world.sweep()
        world.pump(1)
    found = world.batch(batch.id)
    assert found.cost.nano == 6 * LINE
    assert found.reserved == held * 4 // 10
    world.upstream.ends_as, world.upstream.error = "JOB_STATE_SUCCEEDED", None
    world.settle(batch.id)
    assert world.batch(batch.id).cost.nano == 10 * LINE
    check_nothing_held(world, ALL)


def test_what_is_held_is_dealt_to_the_shards_that_lines_move_to(tmp_path: Path) -> None:
    """The other place takes two lines at a time: each of its shards holds what its own lines may cost."""
    small = deployment("flash", "gemini-2.5-flash", 9).model_copy(update={"weight": 0, "most_lines": 2})
    world = World(tmp_path / "world", more=(small,))
    batch = prepared(world, lines(6))
    world.upstream.refuse = [429]
    world.pump(2)
    shards = world.shards(batch.id)
    assert [shard.deployment for shard in shards] == ["flash#9"] * 3
    assert [shard.reserved for shard in shards] == [batch.reserved // 3] * 3
    check_money(world, ALL)
    world.settle(batch.id)
    check_nothing_held(world, ALL)


# ---- words


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "$0.00"), (1, "$0.000000001"), (1_250_000_000, "$1.25"), (NANO, "$1.00"), (10**18, "$1000000000.00")],
)
def test_amounts_for_people(nano: int, text: str) -> None:
    assert usd(nano) == text


def test_the_wait_for_an_hour_is_never_nothing(world: World) -> None:
    allow(world, caps=Caps(batches_per_hour=0))
    world.clock = world.now() - world.now() % HOUR + HOUR - 1
    with pytest.raises(RateLimited) as told:
        world.start(lines(1), caller=WHOSE)
    assert told.value.retry_after == 1
