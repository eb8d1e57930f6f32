"""A group whose deployments have different prices: lines go to a dearer one where those who pay can afford it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.standins.vllm import running
from shared.config import PriceOverride
from shared.domain.access import Caller
from shared.domain.account import Account, spend
from shared.domain.batch import Batch, Status
from tests.steps.accountant import account, check_money, check_nothing_held
from tests.steps.mortal import MortalWorld
from tests.steps.test_execute import server
from tests.steps.upstream import Rows, Upstream
from tests.steps.world import World, chat, deployment

CHEAP, DEAR, ODD = "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-unpriced-9"
FREE = (PriceOverride(model=CHEAP, usd_per_million={"input": Decimal(0), "output": Decimal(0)}),)
KEYS = ["key-1", "key-2"]
ONE, OTHER = (Caller(owner=f"key:{key}", key=key, team="red", payers=(key, "team-red")) for key in KEYS)
ALL = [*KEYS, "team-red"]
LINES = [chat(f"line-{n}", model="mix", max_tokens=200) for n in range(4)]


@dataclass
class Gate(Upstream):
    """The cheap deployment may be told what to do with a create; `made` are the models of jobs that were made."""

    cheap: Callable[[httpx.Request], httpx.Response | None] = lambda _: None
    made: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and ":cancel" not in request.url.path:
            is_cheap = CHEAP.encode() in request.content
            told = self.cheap(request) if is_cheap else None
            if told is not None:
                return told
            self.made.append(CHEAP if is_cheap else "other")
        return super().__call__(request)


@dataclass
class Mix(MortalWorld):
    """`mix` is a cheap deployment, and others that are asked when it does not run the lines."""

    others: tuple[str, ...] = (DEAR,)

    def __post_init__(self) -> None:
        last = [
            deployment("mix", model, 11 + n).model_copy(update={"weight": 0}) for n, model in enumerate(self.others)
        ]
        self.more = (deployment("mix", CHEAP, 10), *last)
        super().__post_init__()
        self.upstream: Gate = Gate(self.objects, self.now)

    def fund(self, **budgets: int | None) -> None:
        for id, budget in budgets.items():
            name = id.replace("_", "-")
            self.documents.transact(
                lambda tx, name=name, budget=budget: tx.put(  # type: ignore[misc]
                    replace(tx.get(Account, name) or Account(id=name, name=f"Key={name}"), max_budget=budget)
                )
            )

    def prepared(self, caller: Caller = ONE) -> Batch:
        """A batch whose lines are expected somewhere, and nobody has been asked to run them."""
        batch = self.start(LINES, caller=caller)
        self.pump(1)
        return self.batch(batch.id)

    def go_on(self, rounds: int) -> None:
        for _ in range(rounds):
            self.pump()
            self.clock += 1_000
            self.sweep()

    def expected(self, *models: str) -> int:
        """What the lines are expected to cost at a deployment, and nowhere else."""
        folder = self.root / "other"
        other = Mix(folder, others=models or (DEAR,), prices=self.prices)
        other.more = tuple(each for each in other.more if (each.model == CHEAP) is not bool(models))
        other.app = other.new_app()
        return other.prepared().reserved

    def codes(self, id: str) -> set[tuple[str, str]]:
        return {(row["error"]["code"], row["error"]["message"]) for row in self.errors(id)}


def busy(_: httpx.Request) -> httpx.Response:
    return httpx.Response(429, json={"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}})


def refused(_: httpx.Request) -> httpx.Response:
    return httpx.Response(400, json={"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}})


def failing(world: Mix, *, leaves: int, code: int = 9) -> None:
    """Jobs of the cheap deployment fail, and leave so many rows."""
    there, end = world.upstream, world.upstream._end

    def ends(job: dict[str, Any], state: str) -> None:
        if CHEAP not in job["model"] or state != "JOB_STATE_SUCCEEDED":
            end(job, state)
            return
        usual: tuple[Callable[[Rows], Rows], bool] = there.rewrite, there.writes
        there.error, there.rewrite, there.writes = (
            {"code": code, "message": "no"},
            lambda rows: rows[:leaves],
            leaves > 0,
        )
        end(job, "JOB_STATE_FAILED")
        there.error, (there.rewrite, there.writes) = None, usual

    there._end = ends  # type: ignore[method-assign]


def test_lines_go_to_a_dearer_deployment_and_the_difference_is_held_back(tmp_path: Path) -> None:
    world = Mix(tmp_path)
    dear = world.expected(DEAR)
    world.fund(key_1=dear, team_red=None)
    world.upstream.cheap, world.upstream.takes = busy, 60_000
    batch = world.prepared()
    assert 0 < batch.reserved < dear
    world.go_on(5)
    assert world.upstream.made == ["other"]
    assert world.batch(batch.id).reserved == dear
    assert [account(world, id).reserved for id in ("key-1", "team-red")] == [dear, dear]
    check_money(world, ALL)
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 4
    check_nothing_held(world, ALL)


@pytest.mark.parametrize("payer", ["key_1", "team_red"])
@pytest.mark.parametrize("other", [DEAR, ODD])
@pytest.mark.parametrize("prices", [(), FREE], ids=["cheap", "free"])
def test_lines_wait_for_a_busy_deployment_where_the_other_is_beyond_the_budget(
    tmp_path: Path, payer: str, other: str, prices: Any
) -> None:
    world = Mix(tmp_path, others=(other,), prices=prices)
    budget = world.expected(DEAR) - 1 if other == DEAR and not prices else world.expected() or 1
    world.fund(**{payer: budget})
    world.upstream.cheap = busy
    batch = world.prepared()
    world.go_on(100)
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    assert world.upstream.made == []
    assert world.batch(batch.id).reserved == batch.reserved
    check_money(world, ALL)
    world.upstream.cheap = lambda _: None
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 4
    assert set(world.upstream.made) == {CHEAP}
    check_nothing_held(world, ALL)


def test_lines_that_wait_go_to_the_dearer_deployment_once_there_is_a_budget_for_it(tmp_path: Path) -> None:
    world = Mix(tmp_path)
    dear = world.expected(DEAR)
    world.fund(key_1=dear - 1)
    world.upstream.cheap = busy
    batch = world.prepared()
    world.go_on(30)
    world.fund(key_1=dear)
    world.clock += 900_000
    world.settle(batch.id)
    assert world.upstream.made == ["other"]
    check_nothing_held(world, ALL)


def test_lines_pass_over_a_deployment_that_is_too_dear_for_one_that_is_not(tmp_path: Path) -> None:
    world = Mix(tmp_path, others=(ODD, DEAR))
    world.fund(key_1=world.expected(DEAR))
    world.upstream.cheap = busy
    batch = world.prepared()
    world.settle(batch.id)
    assert {shard.deployment for shard in world.shards(batch.id)} == {"mix#12"}
    check_nothing_held(world, ALL)


def test_lines_that_wait_are_not_encoded_for_the_dearer_deployment_at_each_look(tmp_path: Path) -> None:
    world = Mix(tmp_path)
    world.fund(key_1=world.expected(DEAR) - 1)
    world.upstream.cheap = busy
    world.prepared()
    world.go_on(10)
    before = len(list(tmp_path.rglob("*lines*")))
    world.go_on(300)
    assert len(list(tmp_path.rglob("*lines*"))) == before


def test_who_has_no_budget_pays_any_price(tmp_path: Path) -> None:
    world = Mix(tmp_path, others=(ODD,))
    world.upstream.cheap = busy
    batch = world.prepared()
    world.settle(batch.id)
    assert world.upstream.made == ["other"]
    check_nothing_held(world, ALL)


def test_of_two_batches_that_race_for_one_budget_one_moves(tmp_path: Path) -> None:
    world = Mix(tmp_path)
    dear, cheap = world.expected(DEAR), world.expected()
    world.fund(team_red=dear + 2 * cheap)
    world.upstream.cheap, world.upstream.takes = busy, 10_000
    ids = [world.start(LINES, caller=caller).id for caller in (ONE, OTHER)]
    for _ in range(40):
        world.go_on(1)
        team = account(world, "team-red")
        assert team.reserved + spend(team) <= dear + 2 * cheap
        check_money(world, ALL)
    assert world.upstream.made == ["other"]
    assert sorted(world.batch(id).terminal for id in ids) == [False, True]
    world.upstream.cheap = lambda _: None
    world.settle(*ids)
    assert [world.batch(id).counts.completed for id in ids] == [4, 4]
    check_nothing_held(world, ALL)


@pytest.mark.parametrize("other", [DEAR, ODD])
def test_lines_that_only_a_dearer_deployment_would_run_end_with_the_numbers(tmp_path: Path, other: str) -> None:
    world = Mix(tmp_path, others=(other,))
    world.fund(key_1=world.expected(DEAR) - 1)
    world.upstream.cheap = refused
    batch = world.prepared()
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.counts.failed, done.cost.nano) == (Status.FAILED, 4, 0)
    assert [error.code for error in done.errors] == ["budget_exceeded"]
    ((code, message),) = world.codes(batch.id)
    assert code == "budget_exceeded"
    assert ("Key=key-1 has $" in message) is (other == DEAR)
    assert ("The price of 4 requests is not known" in message) is (other == ODD)
    assert "provider" not in message
    assert world.upstream.made == []
    check_nothing_held(world, ALL)


@pytest.mark.parametrize("other", [DEAR, ODD])
@pytest.mark.parametrize("code", [9, 13])
def test_what_a_failed_job_left_ends_with_the_numbers_where_only_a_dearer_deployment_is_left(
    tmp_path: Path, other: str, code: int
) -> None:
    """Where the failure may pass, after it was tried again at the first."""
    world = Mix(tmp_path, others=(other,))
    world.fund(key_1=world.expected(DEAR) // 2 if other == DEAR else 10**9)
    failing(world, leaves=2, code=code)
    batch = world.prepared()
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert set(world.upstream.made) == {CHEAP}
    assert (done.status, done.counts.completed + done.counts.failed) == (Status.COMPLETED, 4)
    assert done.counts.completed == (2 if code == 9 else 4)
    assert {each for each, _ in world.codes(batch.id)} == ({"budget_exceeded"} if code == 9 else set())
    check_nothing_held(world, ALL)


def test_what_a_failed_job_left_goes_to_a_dearer_deployment_within_the_budget(tmp_path: Path) -> None:
    """What the job has cost so far, and what the rest is expected to cost, fit together."""
    world = Mix(tmp_path)
    dear = world.expected(DEAR)
    world.fund(key_1=dear)
    failing(world, leaves=2)
    batch = world.prepared()
    while len(world.upstream.made) < 2:
        world.go_on(1)
    team = account(world, "key-1")
    assert world.batch(batch.id).reserved == team.reserved == dear // 2
    assert team.reserved + spend(team) <= dear
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 4
    check_nothing_held(world, ALL)


@pytest.mark.parametrize("code", [9, 13])
def test_a_job_that_failed_as_a_whole_ends_with_the_numbers_where_only_a_dearer_deployment_is_left(
    tmp_path: Path, code: int
) -> None:
    world = Mix(tmp_path)
    world.fund(key_1=world.expected(DEAR) - 1)
    failing(world, leaves=0, code=code)
    batch = world.prepared()
    world.settle(batch.id, rounds=3_000)
    assert world.upstream.made == [CHEAP] * (1 if code == 9 else 3)
    assert {each for each, _ in world.codes(batch.id)} == {"budget_exceeded"}
    check_nothing_held(world, ALL)


def own_server_first(root: Path, port: int, **more: Any) -> World:
    """A server of one's own that costs nothing, and the lines' own price where it does not run them."""
    own = server(port, **more).model_copy(update={"id": "mix#9", "group": "mix"})
    last = deployment("mix", DEAR, 11).model_copy(update={"weight": 0})
    free = PriceOverride(model="hosted_vllm/tiny", usd_per_million={"input": Decimal(0), "output": Decimal(0)})
    world = World(root, more=(own, last), prices=(free,))
    world.documents.transact(lambda tx: tx.put(Account(id="key-1", name="Key=key-1", max_budget=1)))
    return world


def test_lines_wait_for_a_server_of_one_s_own_that_is_away(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shared.steps.worker._AWAY", 0.2)
    world = own_server_first(tmp_path, 1)
    batch = world.start(LINES, caller=ONE)
    for _ in range(3):
        world.pump()
        world.clock += 600_000
        world.sweep()
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    assert [shard.deployment for shard in world.shards(batch.id)] == ["mix#9"]
    assert world.upstream.created() == []
    check_money(world, ALL)


def test_lines_that_a_server_of_one_s_own_refuses_for_good_end_with_the_numbers(tmp_path: Path) -> None:
    with running(key="sk-right") as vllm:
        world = own_server_first(tmp_path, vllm.port, api_key="sk-wrong")
        batch = world.start(LINES, caller=ONE)
        world.settle(batch.id, rounds=3_000)
    assert world.batch(batch.id).status is Status.FAILED
    assert {row["error"]["code"] for row in world.errors(batch.id)} == {"budget_exceeded"}
    assert all("Key=key-1 has $0.000000001 left" in row["error"]["message"] for row in world.errors(batch.id))
    assert world.upstream.created() == []
    check_nothing_held(world, ALL)


def busy_at_first(world: Mix) -> None:
    world.upstream.cheap = busy


def failed_half_way(world: Mix) -> None:
    failing(world, leaves=2)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a story for each point
@pytest.mark.parametrize(
    ("story", "how"), [(busy_at_first, "dies_at"), (failed_half_way, "dies_at"), (failed_half_way, "sleeps_at")]
)
def test_a_death_at_any_point_of_a_move_loses_no_money(tmp_path: Path, story: Callable[[Mix], None], how: str) -> None:
    dear = Mix(tmp_path / "0").expected(DEAR)
    for point in range(1, 500):
        world = Mix(tmp_path / str(point))
        world.fund(key_1=dear)
        story(world)
        id = world.prepared().id
        setattr(world, how, world.points + point)
        world.settle(id)
        assert world.batch(id).counts.completed == 4, (point, world.last)
        check_nothing_held(world, ALL)
        if not world.deaths:
            break
    assert 20 < point < 499
