"""A group over several deployments: who gets which lines, and what happens to the lines of one that fails."""

from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.app import App
from shared.config import Config, Deployment
from shared.domain.batch import Status
from shared.domain.hints import Hints
from shared.domain.messages import Message
from shared.domain.shard import ShardStatus
from shared.providers.base import Media, Provider
from shared.providers.vertex.client import VertexClient
from shared.providers.vertex.provider import open_provider as open_vertex
from shared.steps.run import run
from shared.steps.spread import Spread, in_order
from shared.storage.queries import SHARDS_OF_DEPLOYMENT
from tests.steps.checker import check_at_rest
from tests.steps.world import World, chat

PLACES = ("us-central1", "europe-west4", "asia-northeast1")


def member(number: int, **more: Any) -> Deployment:
    return Deployment(
        id=f"many#{number}",
        group="many",
        provider="vertex_ai",
        model="gemini-2.5-flash",
        project="p",
        location=PLACES[number],
        api_base="http://127.0.0.1:9",
        **more,
    )


class Many(World):
    """Three deployments of one group; each may be told to go wrong in its own way."""

    def __init__(self, root: Path, *members: Deployment) -> None:
        self.members = members or tuple(member(number) for number in range(3))
        self.answers: dict[str, Any] = {}  # location to what answers instead
        super().__init__(root)

    def new_app(self) -> App:
        app = super().new_app()
        return replace(app, config=Config(deployments=(*app.config.deployments, *self.members)))

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        def answer(request: httpx.Request) -> httpx.Response:
            instead = self.answers.get(deployment.location)
            told = instead(request) if instead is not None else None
            return told if told is not None else self.upstream(request)

        http = httpx.Client(transport=httpx.MockTransport(answer))
        return replace(open_vertex(deployment, media), client=VertexClient(deployment, http=http))

    def of(self, id: str) -> Counter[str]:
        """Lines of each deployment that has been given some."""
        lines: Counter[str] = Counter()
        for shard in self.shards(id):
            lines[shard.deployment] += shard.lines
        return lines


def problem(status: int, word: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": status, "message": "no", "status": word}})


def lines_of(count: int, **body: Any) -> list[dict[str, Any]]:
    return [chat(f"l{n}", model="many", **body) for n in range(count)]


@pytest.fixture
def many(tmp_path: Path) -> Many:
    return Many(tmp_path)


def test_a_small_batch_goes_to_one_deployment(many: Many) -> None:
    batch = many.start(lines_of(5))
    many.settle(batch.id)
    assert sorted(many.of(batch.id).values()) == [5]


def test_a_large_batch_is_spread_by_weight_and_comes_back_as_one(tmp_path: Path) -> None:
    many = Many(tmp_path, member(0, weight=2.0), member(1), member(2))
    lines = lines_of(8_000)
    batch = many.start(lines)
    many.settle(batch.id)
    got = many.of(batch.id)
    assert 3_900 < got["many#0"] < 4_100
    assert 1_900 < got["many#1"] < 2_100
    check_at_rest(many, batch.id, lines)
    assert many.batch(batch.id).model == "many"


def test_small_batches_take_turns(many: Many) -> None:
    got: Counter[str] = Counter()
    for _ in range(30):
        batch = many.start(lines_of(1))
        many.settle(batch.id)
        got += many.of(batch.id)
    assert set(got) == {"many#0", "many#1", "many#2"}


def test_who_has_least_to_do_is_asked_first(many: Many) -> None:
    many.upstream.takes = 10**9
    for _ in range(3):
        run(many.app, Message(step="prepare", batch=many.start(lines_of(20)).id))
    shards = [
        shard
        for number in range(3)
        for shard in many.documents.query(SHARDS_OF_DEPLOYMENT, f"many#{number}", "waiting")
    ]
    assert sorted(shard.deployment for shard in shards) == ["many#0", "many#1", "many#2"]


@pytest.mark.parametrize(
    "refusal",
    [
        lambda request: problem(429, "RESOURCE_EXHAUSTED") if request.method == "POST" else None,
        lambda request: problem(403, "PERMISSION_DENIED") if request.method == "POST" else None,
        lambda request: problem(400, "INVALID_ARGUMENT") if request.method == "POST" else None,
    ],
    ids=["quota", "grant", "refused"],
)
def test_what_one_deployment_refuses_the_next_one_runs(many: Many, refusal: Any) -> None:
    many.answers = {PLACES[0]: refusal, PLACES[1]: refusal}
    lines = lines_of(4)
    batch = many.start(lines)
    many.settle(batch.id)
    done = many.batch(batch.id)
    assert (done.status, done.counts.completed) == (Status.COMPLETED, 4)
    assert set(many.of(batch.id)) == {"many#2"}
    assert [row["custom_id"] for row in many.errors(batch.id)] == []


def test_a_deployment_that_nobody_reaches_hands_its_shard_on(many: Many) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody is there")

    many.answers = {PLACES[0]: away, PLACES[1]: away}
    batch = many.start(lines_of(3))
    many.settle(batch.id)
    assert set(many.of(batch.id)) == {"many#2"}


def test_where_all_are_full_the_shard_waits_and_is_asked_for_again(many: Many) -> None:
    full = [9]

    def quota(request: httpx.Request) -> httpx.Response | None:
        if request.method != "POST" or not full[0]:
            return None
        full[0] -= 1
        return problem(429, "RESOURCE_EXHAUSTED")

    many.answers = dict.fromkeys(PLACES, quota)
    lines = lines_of(3)
    batch = many.start(lines)
    many.settle(batch.id)
    assert many.batch(batch.id).status is Status.COMPLETED
    assert full == [0]


def test_what_may_have_begun_is_never_moved(many: Many) -> None:
    """Its answer was lost: the job may exist, so nobody else gets the lines until that is known."""
    many.upstream.lose_creates = 1
    batch = many.start(lines_of(3))
    many.settle(batch.id)
    assert len(many.upstream.created()) == 1
    assert many.batch(batch.id).status is Status.COMPLETED


def failing(many: Many, *, leaves: float) -> Any:
    """A deployment whose jobs fail, and leave that part of their rows."""

    def fails(request: httpx.Request) -> httpx.Response:
        upstream = many.upstream
        usual = upstream.rewrite, upstream.ends_as, upstream.error, upstream.writes
        upstream.rewrite = lambda rows: rows[: int(len(rows) * leaves)]
        upstream.ends_as, upstream.error = "JOB_STATE_FAILED", {"code": 9, "message": "Failed to get bucket."}
        upstream.writes = leaves > 0
        try:
            return upstream(request)
        finally:
            upstream.rewrite, upstream.ends_as, upstream.error, upstream.writes = usual

    return fails


def test_a_job_that_failed_is_run_again_elsewhere(many: Many) -> None:
    many.answers = dict.fromkeys(PLACES[:2], failing(many, leaves=0))
    lines = lines_of(3)
    batch = many.start(lines)
    many.settle(batch.id)
    assert many.batch(batch.id).counts.completed == 3
    assert set(many.of(batch.id)) == {"many#2"}
    check_at_rest(many, batch.id, lines)


def test_tokens_that_a_deployment_may_have_enqueued_bound_what_it_gets(tmp_path: Path) -> None:
    many = Many(tmp_path, member(0, most_tokens=2_000), member(1))
    many.upstream.takes = 10**9
    batch = many.start(lines_of(6_000))
    run(many.app, Message(step="prepare", batch=batch.id))
    assert all(shard.tokens <= 2_000 for shard in many.shards(batch.id) if shard.deployment == "many#0")
    many.pump()
    running = [shard for shard in many.shards(batch.id) if shard.status is ShardStatus.RUNNING]
    assert sum(shard.tokens for shard in running if shard.deployment == "many#0") <= 2_000


def test_a_provider_that_the_lines_contradict_is_their_error(many: Many) -> None:
    file = many.upload([chat("a", model="many"), chat("b", model="flash"), chat("c", model="azure/many")])
    many.documents.transact(lambda tx: tx.put(replace(file, hints=Hints(models=("many",)))))
    batch = many.start(file)
    many.settle(batch.id)
    assert [row["custom_id"] for row in many.output(batch.id)] == ["a"]
    assert {row["custom_id"]: row["response"]["body"]["error"]["code"] for row in many.errors(batch.id)} == {
        "b": "model_mismatch",
        "c": "model_mismatch",
    }


@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 3_000), st.integers(20, 200_000)), min_size=1, max_size=12),
)
def test_runs_of_lines_follow_the_shares(weights: list[float], stretches: list[tuple[int, int]]) -> None:
    """Wherever the file ends, nobody has more than its share and one run."""
    parts = [weight / sum(weights) for weight in weights]
    spread = Spread(parts)
    taken, total = [0] * len(parts), 0
    for lines, size in stretches:
        for _ in range(lines):
            at = spread.at
            taken[at] += size
            total += size
            spread.took(size, at)
    longest = max(size for _, size in stretches)
    for part, got in zip(parts, taken, strict=True):
        assert got <= part * total * 1.25 + 2**20 + longest + 1


def test_runs_are_long_enough_to_pay() -> None:
    spread, turns = Spread([0.5, 0.25, 0.25]), []
    for _ in range(100_000):
        turns.append(spread.at)
        spread.took(100, spread.at)
    runs = [len(list(run)) for _, run in groupby(turns)]
    assert min(runs[:-1]) >= 1_000
    assert len(runs) < 80
    assert [turns.count(at) // 1_000 for at in range(3)] == pytest.approx([50, 25, 25], abs=5)


def test_what_another_deployment_took_counts_for_that_one() -> None:
    """Lines that the first could not run went to the second: of what both can run, the first gets more."""
    spread = Spread([0.5, 0.5])
    for _ in range(3_000):
        spread.took(1_000, 1)
    turns: Counter[int] = Counter()
    for _ in range(3_000):
        turns[spread.at] += 1
        spread.took(1_000, spread.at)
    assert turns[0] >= 2_000


def test_who_has_no_share_gets_no_run() -> None:
    spread = Spread([0.0, 1.0, 0.0])
    for _ in range(3_000):
        assert spread.at == 1
        spread.took(1_000, 1)
    assert Spread([0.0, 0.0]).at == 0


@pytest.mark.parametrize("share", [2, 5])
def test_a_group_that_has_a_part_of_the_file_is_spread_over_its_deployments(many: Many, share: int) -> None:
    lines = [chat(f"l{n}", model="flash" if n % share else "many") for n in range(6_000 * share)]
    batch = many.start(lines)
    run(many.app, Message(step="prepare", batch=batch.id))
    got = many.of(batch.id)
    assert all(1_800 < got[f"many#{number}"] < 2_200 for number in range(3))
    assert many.batch(batch.id).shards == 4


def test_models_that_are_spelt_in_many_ways_share_one_spread(many: Many) -> None:
    spellings = ["many", "vertex_ai/many", "google/many", "vertex_ai/google/many"]
    lines = [chat(f"l{n}", model=spellings[n % 4]) for n in range(6_000)]
    batch = many.start(lines)
    run(many.app, Message(step="prepare", batch=batch.id))
    assert all(1_800 < many.of(batch.id)[f"many#{number}"] < 2_200 for number in range(3))


def test_a_deployment_of_weight_zero_gets_nothing_and_is_asked_when_the_others_would_not(tmp_path: Path) -> None:
    many = Many(tmp_path, member(0, weight=0.0), member(1), member(2))
    batch = many.start(lines_of(6_000))
    run(many.app, Message(step="prepare", batch=batch.id))
    assert set(many.of(batch.id)) == {"many#1", "many#2"}
    ordered = in_order(many.app, many.members, "seed")
    assert (ordered[-1].deployment.id, ordered[-1].part) == ("many#0", 0.0)
    many.answers = dict.fromkeys(PLACES[1:], lambda _: problem(403, "PERMISSION_DENIED"))
    small = many.start(lines_of(3))
    many.settle(small.id)
    assert set(many.of(small.id)) == {"many#0"}


def test_where_all_weigh_nothing_one_of_them_is_asked(tmp_path: Path) -> None:
    many = Many(tmp_path, member(0, weight=0.0), member(1, weight=0.0))
    batch = many.start(lines_of(3))
    many.settle(batch.id)
    assert many.batch(batch.id).counts.completed == 3


@pytest.mark.slow
def test_a_hundred_thousand_lines_over_three_deployments_one_of_which_fails_half_way(tmp_path: Path) -> None:
    """One output, the right counts, the right cost."""
    many = Many(tmp_path)
    many.answers = {PLACES[1]: failing(many, leaves=0.5)}
    lines = lines_of(100_000)
    batch = many.start(lines)
    many.settle(batch.id)
    done = many.batch(batch.id)
    assert done.status is Status.COMPLETED
    assert (done.counts.total, done.counts.completed, done.counts.failed) == (100_000, 100_000, 0)
    assert len({shard.deployment for shard in many.shards(batch.id)}) == 3
    check_at_rest(many, batch.id, lines)
    one = done.cost.nano / 100_000
    assert done.cost.nano == round(one) * 100_000
