"""The life of a batch whose lines run at OpenAI: another provider, the same promises."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.openai import KEY, OpenAIStandIn, running
from shared.config import PriceOverride
from shared.domain.batch import Status
from shared.domain.cost import Cost
from shared.domain.files import File
from shared.domain.messages import Message
from shared.domain.shard import ShardStatus
from shared.steps.cancel import request_cancel
from shared.steps.dead import record_dead
from shared.steps.native import native_objects
from tests.steps.checker import check_at_rest, check_nothing_left
from tests.steps.world import EMBED, World, chat, embed

PRICE = PriceOverride(
    model="openai/gpt-4o-mini", usd_per_million={"input": Decimal("0.5"), "cached": Decimal(1), "output": Decimal(2)}
)


class Clock:
    """The world's, which is made after the stand-in that shows it."""

    world: World

    def now(self) -> int:
        return self.world.clock


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[World, OpenAIStandIn]]:
    clock = Clock()
    clock.world = World(tmp_path)
    with running(clock.now) as standin:
        clock.world = World(tmp_path / "w", openai=standin.base, prices=(PRICE,))
        yield clock.world, standin


Both = tuple[World, OpenAIStandIn]


def lines_of(count: int) -> list[dict[str, Any]]:
    return [chat(f"line-{n}", model="mini") for n in range(count)]


def test_every_line_comes_back_with_its_own_answer_and_its_price(both: Both) -> None:
    world, standin = both
    lines = lines_of(12)
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.COMPLETED
    assert (done.counts.completed, done.counts.failed) == (12, 0)
    assert done.cost.nano == 12 * (7 * 500 + 3 * 2000)
    assert {row["response"]["body"]["model"] for row in world.output(batch.id)} == {"mini"}
    check_at_rest(world, batch.id, lines)
    assert standin.made() == [f"{world.shards(batch.id)[0].id}-a1"]
    check_nothing_left(world, batch.id)


def test_a_price_that_nobody_knows_is_flagged_and_never_zero(tmp_path: Path) -> None:
    with running() as standin:
        world = World(tmp_path, openai=standin.base)
        standin.takes = 0
        batch = world.start([chat(f"line-{n}", model="odd-mini") for n in range(2)])
        world.settle(batch.id)
    cost = world.batch(batch.id).cost
    assert (cost.total, cost.priced_lines, cost.unpriced_lines) == (None, 0, 2)


def test_lines_that_fail_stand_in_the_error_file_and_name_nothing_of_ours(both: Both) -> None:
    world, _ = both
    lines = [*lines_of(3), chat("bad", "please fail", model="mini"), chat("ours", model="mini", api_base="https://x")]
    batch = world.start(lines)
    world.settle(batch.id)
    rows = {row["custom_id"]: row["response"] for row in world.errors(batch.id)}
    assert rows["bad"]["status_code"] == 400
    assert rows["bad"]["body"]["error"]["message"] == "no such luck in (an account)"
    assert rows["ours"]["body"]["error"]["param"] == "api_base"
    check_at_rest(world, batch.id, lines)


def test_models_of_two_providers_in_one_file_make_one_output(both: Both) -> None:
    world, standin = both
    lines = [chat(f"line-{n}", model=("flash", "openai/mini", "lite")[n % 3]) for n in range(9)]
    batch = world.start(lines)
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 9
    models = {row["custom_id"]: row["response"]["body"]["model"] for row in world.output(batch.id)}
    assert models == {line["custom_id"]: line["body"]["model"] for line in lines}
    assert (len(world.upstream.created()), len(standin.made())) == (2, 1)
    check_at_rest(world, batch.id, lines)


def test_embeddings_keep_several_inputs_in_one_row(both: Both) -> None:
    world, standin = both
    batch = world.start([embed("a", "one", "two", model="vectors"), embed("b", "x", model="vectors")], endpoint=EMBED)
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 2
    (batch_there,) = standin.batches.values()
    sent = [json.loads(row) for row in standin.files[batch_there["input_file_id"]][1].splitlines()]
    assert [row["body"]["input"] for row in sent] == [["one", "two"], "x"]
    assert {row["body"]["model"] for row in sent} == {"text-embedding-3-small"}


def test_a_job_that_fails_for_good_is_said_to(both: Both) -> None:
    world, standin = both
    standin.ends_as, standin.errors = (
        "failed",
        [{"code": "invalid_request", "message": "Bad file-AbCdEfGhIj.", "line": None}],
    )
    batch = world.start(lines_of(2))
    world.settle(batch.id)
    messages = {row["error"]["message"] for row in world.errors(batch.id)}
    assert messages == {"This request was not executed because the batch failed. The provider says: Bad (an id)."}
    assert world.batch(batch.id).counts.failed == 2
    assert len(standin.made()) == 1


def test_a_job_there_was_no_room_for_is_run_again_until_there_is(both: Both) -> None:
    world, standin = both
    standin.ends_as = "failed"
    standin.errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached.", "line": None}]
    batch = world.start(lines_of(2))
    for _ in range(600):
        world.pump()
        world.clock += 1_000
        world.sweep()
    attempts = len(standin.made())
    assert 3 <= attempts <= 6  # after 1, 2, 4 … minutes
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    standin.ends_as = "completed"
    world.settle(batch.id, rounds=2_000)
    assert world.batch(batch.id).counts.completed == 2


def test_cancel_keeps_what_finished(both: Both) -> None:
    world, standin = both
    standin.takes, standin.ran = 10**9, 0.5
    lines = lines_of(6)
    batch = world.start(lines)
    world.pump()
    request_cancel(world.app, batch.id)
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.CANCELLED
    assert len(world.output(batch.id)) == 3
    assert {row["error"]["code"] for row in world.errors(batch.id)} == {"batch_cancelled"}
    check_at_rest(world, batch.id, lines)


def test_what_the_provider_let_expire_is_expired_and_does_not_count_as_failed(both: Both) -> None:
    world, standin = both
    standin.ends_as, standin.ran = "expired", 0.5
    batch = world.start(lines_of(6))
    world.settle(batch.id)
    counts = world.batch(batch.id).counts
    assert (counts.total, counts.completed, counts.failed) == (6, 3, 0)
    assert {row["error"]["code"] for row in world.errors(batch.id)} == {"batch_expired"}


def test_a_batch_whose_time_is_over_keeps_what_finished(both: Both) -> None:
    world, standin = both
    standin.takes, standin.ran = 10**9, 0.5
    lines = lines_of(4)
    batch = world.start(lines, window="1h")
    world.pump()
    world.clock += 3_600_000
    world.sweep()
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.EXPIRED
    assert len(world.output(batch.id)) == 2
    check_at_rest(world, batch.id, lines)


def test_a_lost_answer_makes_no_second_job(both: Both) -> None:
    world, standin = both
    standin.lose = {"create": 1, "upload": 1}
    lines = lines_of(3)
    batch = world.start(lines)
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 3
    assert len(standin.made()) == 1
    check_at_rest(world, batch.id, lines)


def test_a_key_that_is_refused_and_then_right_costs_nothing(both: Both) -> None:
    world, standin = both
    standin.key = "sk-another"
    batch = world.start(lines_of(2))
    for _ in range(5):
        world.pump()
        world.clock += 1_000
        world.sweep()
    assert world.shards(batch.id)[0].status is ShardStatus.WAITING
    standin.key = KEY
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 2
    assert len(standin.made()) == 1


def test_results_that_cannot_be_had_yet_are_waited_for_and_read_once(both: Both) -> None:
    world, standin = both
    standin.refuse["content"] = [(502, None), (401, None), (429, None)]
    standin.cut = 7
    lines = lines_of(3)
    batch = world.start(lines)
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 3
    check_at_rest(world, batch.id, lines)


def test_results_that_never_come_do_not_keep_a_batch_for_ever(both: Both) -> None:
    world, standin = both
    standin.refuse["content"] = [(403, None)] * 5_000
    batch = world.start(lines_of(2), window="1h")
    world.settle(batch.id, rounds=6_000)
    assert world.batch(batch.id).status is Status.EXPIRED
    assert {row["error"]["code"] for row in world.errors(batch.id)} == {"batch_expired"}


@pytest.mark.parametrize("come", [True, False])
def test_results_that_come_too_late_for_their_batch_are_charged_and_those_that_never_do_have_no_price(
    both: Both, come: bool
) -> None:
    world, standin = both
    standin.refuse["content"] = [(403, None)] * 50_000
    batch = world.start(lines_of(2), window="1h")
    world.settle(batch.id, rounds=6_000)
    assert (world.batch(batch.id).cost, world.ledger(batch.id)) == (Cost(), [])
    if come:
        standin.refuse["content"] = []
    for _ in range(11 * 12):
        world.pump()
        world.clock += 7_200_000
        world.sweep()
    (entry,) = world.ledger(batch.id)
    assert entry.cost == (Cost(nano=2 * 9_500, priced_lines=2) if come else Cost(unpriced_lines=2))
    assert world.batch(batch.id).cost == entry.cost
    check_nothing_left(world, batch.id)


def test_a_job_that_was_running_when_its_batch_was_given_up_is_charged(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told to stop, and what it has done by then is paid for; nothing of it is left there."""
    world, standin = both
    standin.takes, standin.ran = 10**9, 0.5
    batch = world.start(lines_of(6))
    world.pump()
    finishing = replace(world.batch(batch.id), output_file_id="file-x")
    world.documents.transact(lambda tx: tx.put(finishing))

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("shared.steps.finish._file", broken)
    record_dead(world.app, Message(step="finish", batch=batch.id), "given up")
    for _ in range(60):
        world.pump()
        world.clock += 5_000
        world.sweep()
    (entry,) = world.ledger(batch.id)
    assert (world.batch(batch.id).status, entry.cost) == (Status.FAILED, Cost(nano=3 * 9_500, priced_lines=3))
    check_nothing_left(world, batch.id)
    assert standin.gone == standin.files.keys()


def test_rows_that_are_doubled_missing_or_nobody_s_change_no_other_line(both: Both) -> None:
    world, standin = both

    def mangle(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        stranger = {**rows[0], "custom_id": "r-000099"}
        zero = {**rows[1], "response": {"status_code": 0, "request_id": None, "body": None}}
        return [zero, stranger, {**rows[2]}, {**rows[2]}, {"custom_id": "somebody's", "response": rows[0]["response"]}]

    standin.rewrite = mangle
    batch = world.start(lines_of(4))
    world.settle(batch.id)
    rows = {row["custom_id"]: row for row in world.errors(batch.id)}
    assert rows["line-1"]["response"]["status_code"] == 500
    assert {rows[name]["error"]["code"] for name in ("line-0", "line-3")} == {"missing_result"}
    assert [row["custom_id"] for row in world.output(batch.id)] == ["line-2"]
    assert world.batch(batch.id).counts.failed == 3


def test_the_provider_s_ids_are_in_no_row_and_its_own_rows_are_not_shown(both: Both) -> None:
    world, standin = both
    batch = world.start([*lines_of(2), chat("bad", "please fail", model="mini")])
    world.settle(batch.id)
    file = world.documents.get(File, world.batch(batch.id).output_file_id or "")
    assert file is not None
    assert native_objects(world.app, file) is None
    shown = json.dumps([world.output(batch.id), world.errors(batch.id)])
    for id in (*standin.files, *standin.batches, "req_0", "req_1"):
        assert f'"{id}"' not in shown


def test_fifty_thousand_inputs_are_what_one_job_embeds(both: Both) -> None:
    world, standin = both
    texts = ["x"] * 2_000
    lines = [embed(f"e-{n}", *texts, model="vectors") for n in range(26)]
    batch = world.start(lines, endpoint=EMBED)
    world.settle(batch.id)
    assert [shard.lines for shard in world.shards(batch.id)] == [25, 1]
    assert len(standin.made()) == 2


GONE = (404, {"error": {"message": "No such File object.", "code": None}})


def test_results_that_are_gone_for_a_moment_are_waited_for(both: Both) -> None:
    """They were paid for: one 404 does not give them up."""
    world, standin = both
    batch = world.start(lines_of(3))
    world.pump()
    standin.refuse["content"] = [GONE] * 2
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 3


def test_results_that_stay_away_are_said_to_be_missing(both: Both) -> None:
    world, standin = both
    batch = world.start(lines_of(3))
    world.pump()
    standin.refuse["content"] = [GONE] * 10_000
    world.settle(batch.id, rounds=2_000)
    assert {row["error"]["code"] for row in world.errors(batch.id)} == {"missing_result"}
