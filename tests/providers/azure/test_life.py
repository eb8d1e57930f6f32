"""The life of a batch whose lines run at Azure: odd answers, and the same promises."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.local.standins.azure import AzureStandIn, running
from shared.app import App
from shared.config import Config, Deployment, PriceOverride
from shared.domain.batch import Status
from shared.providers.azure.provider import open_provider
from shared.providers.base import Media, Provider
from shared.steps.cancel import request_cancel
from tests.providers.azure.deployments import deployment
from tests.steps.checker import check_at_rest, check_nothing_left
from tests.steps.world import World, chat

PRICE = PriceOverride(
    model="azure/gpt-4o-mini", usd_per_million={"input": Decimal("0.5"), "cached": Decimal(1), "output": Decimal(2)}
)


class Clock:
    """The world's, which is made after the stand-in that shows it."""

    world: World

    def now(self) -> int:
        return self.world.clock


class AzureWorld(World):
    """Whose group `mini` is a deployment at the stand-in."""

    at: AzureStandIn | None = None
    version: str | None = None

    def new_app(self) -> App:
        base = self.at.base if self.at is not None else "http://127.0.0.1:9"
        mini = deployment(base, api_version=self.version, base_model="gpt-4o-mini")
        return replace(super().new_app(), config=Config(deployments=(mini,)))

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        return open_provider(deployment, media)


Both = tuple[AzureWorld, AzureStandIn]


@pytest.fixture(params=[None, "2024-10-21"], ids=["v1", "dated"])
def both(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Both]:
    clock = Clock()
    with running(clock.now) as standin:
        world = AzureWorld(tmp_path, prices=(PRICE,))
        world.at, world.version, clock.world = standin, request.param, world
        world.app = world.new_app()
        yield world, standin


def lines_of(count: int) -> list[dict[str, Any]]:
    return [chat(f"line-{n}", model="mini") for n in range(count)]


def test_every_line_comes_back_with_its_own_answer_and_its_price(both: Both) -> None:
    world, standin = both
    lines = lines_of(7)
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.COMPLETED
    assert done.cost.nano == 7 * (7 * 500 + 3 * 2000)
    assert {row["response"]["body"]["model"] for row in world.output(batch.id)} == {"mini"}
    check_at_rest(world, batch.id, lines)
    check_nothing_left(world, batch.id)
    shown = json.dumps([world.output(batch.id), world.errors(batch.id)])
    assert not any(name in shown for name in (*standin.files, *standin.batches, "my-mini-batch"))


def test_azure_lets_nothing_expire_so_we_do_by_cancelling(both: Both) -> None:
    world, standin = both
    standin.takes, standin.ran, standin.cancel_takes = 10**12, 0.5, 300_000
    lines = lines_of(4)
    batch = world.start(lines, window="1h")
    world.pump()
    world.clock += 3_600_000
    world.sweep()
    world.settle(batch.id, rounds=1_000)
    counts = world.batch(batch.id).counts
    assert world.batch(batch.id).status is Status.EXPIRED
    assert (counts.total, counts.completed, counts.failed) == (4, 2, 0)
    assert len(world.output(batch.id)) == 2
    assert {row["error"]["code"] for row in world.errors(batch.id)} == {"batch_expired"}
    assert "cancelled" in {there["status"] for there in standin.batches.values()}
    check_at_rest(world, batch.id, lines)


def test_a_cancelled_batch_keeps_what_finished(both: Both) -> None:
    world, standin = both
    standin.takes, standin.ran, standin.cancel_takes = 10**12, 0.5, 60_000
    lines = lines_of(6)
    batch = world.start(lines)
    world.pump()
    request_cancel(world.app, batch.id)
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.CANCELLED
    assert len(world.output(batch.id)) == 3
    check_at_rest(world, batch.id, lines)


def test_no_room_in_either_form_is_waited_out(both: Both) -> None:
    world, standin = both
    standin.full_at_create, standin.full_later = 1, 1
    lines = lines_of(3)
    batch = world.start(lines)
    world.settle(batch.id, rounds=2_000)
    assert world.batch(batch.id).counts.completed == 3
    assert len(standin.made()) == 2
    check_at_rest(world, batch.id, lines)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_lost_answer_makes_no_second_job(both: Both, keeps: bool) -> None:
    world, standin = both
    standin.keeps_metadata, standin.lose = keeps, {"create": 1}
    lines = lines_of(3)
    batch = world.start(lines)
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 3
    assert len(standin.made()) == 1
    check_at_rest(world, batch.id, lines)


def test_a_deployment_that_is_not_there_fails_the_batch_without_its_name(both: Both) -> None:
    world, standin = both
    standin.deployments = frozenset()
    batch = world.start(lines_of(2))
    world.settle(batch.id)
    messages = {row["error"]["message"] for row in world.errors(batch.id)}
    assert len(messages) == 1
    assert "my-mini-batch" not in messages.pop()
