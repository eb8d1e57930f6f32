"""What every provider has to do, told once for each: the real steps, its real client and codec, a server on a port."""

import ast
import random
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from shared.app import REGISTRY
from shared.domain.batch import Status
from shared.domain.shard import ShardStatus
from shared.providers.openai import client as openai_client
from shared.providers.vllm import probe
from shared.steps import flight, in_hand, worker
from shared.steps.cancel import request_cancel
from tests.providers.contract.cases import CASES, CELLS, NOT_THERE, Case, having
from tests.providers.contract.deaths import DoomedWorld
from tests.providers.contract.place import Json, Rows
from tests.providers.contract.scene import Scene, scene_of

PATIENCE = 150  # seconds within which a deployment that refuses our key is given up


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the real clock waits for moments."""
    monkeypatch.setattr(openai_client, "_FIRST_LOOK", 0.01)
    monkeypatch.setattr(worker, "_CANCELLED", 0.05)
    monkeypatch.setattr(in_hand, "_FLUSH", 0.05)
    monkeypatch.setattr(worker, "_LOOK", 0.02)
    monkeypatch.setattr(worker, "_AWAY", 0.3)
    monkeypatch.setattr(worker, "RENEW_AFTER", 50)
    monkeypatch.setattr(flight, "_BARREN", 0.3)
    probe.forget()
    monkeypatch.setitem(REGISTRY, "toy", "tests.providers.toy")


@pytest.fixture
def scene(case: Case, tmp_path: Path) -> Iterator[Scene]:
    with scene_of(case, tmp_path) as scene:
        yield scene


@pytest.fixture
def two(case: Case, tmp_path: Path) -> Iterator[Scene]:
    """With a second deployment in the group."""
    with scene_of(case, tmp_path, 2) as scene:
        yield scene


def cell(name: str) -> pytest.MarkDecorator:
    """The test is of this cell: it is told for every case that has it."""
    return pytest.mark.parametrize("case", having(name), ids=lambda case: case.name)


def crowded(name: str) -> pytest.MarkDecorator:
    """The same, for every way in which a case may say that there is no room."""
    ways = [(case, way) for case in having(name) for way in case.crowds]
    return pytest.mark.parametrize(("case", "way"), ways, ids=[f"{case.name} {way}" for case, way in ways])


@cell("success")
def test_every_line_comes_back_with_its_own_answer_and_its_price(scene: Scene) -> None:
    lines = scene.lines(7)
    batch = scene.settle(scene.start(lines).id, lines)
    assert (batch.counts.completed, batch.counts.failed) == (7, 0)
    assert batch.cost.nano > 0
    assert scene.place.made() == (7 if scene.case.executes else 1)
    scene.rest(batch.id)


@cell("counts")
def test_counts_are_live_and_never_fall(scene: Scene) -> None:
    lines, seen = scene.lines(6), [0]
    scene.place.hold(3, 6)
    batch = scene.start(lines)
    with scene.under_way(batch.id):
        for _ in range(500):
            seen.append(scene.world.batch(batch.id).counts.completed)
            if seen[-1] == 3:
                break
            if not scene.case.executes:
                scene.turn(1)
            else:
                time.sleep(0.01)
    scene.settle(batch.id, lines)
    assert seen == sorted(seen)
    assert seen[-1] == 3


@cell("line fails")
def test_a_line_that_fails_fails_alone(scene: Scene) -> None:
    lines = scene.lines(3, fails=True)
    batch = scene.settle(scene.start(lines).id, lines)
    assert (batch.counts.completed, batch.counts.failed) == (3, 1)
    (row,) = scene.world.errors(batch.id)
    assert (row["custom_id"], row["response"]["status_code"]) == ("line-3", 400)
    assert row["response"]["body"]["error"]["message"]


@cell("job fails")
def test_what_fails_as_a_whole_is_said_to_and_names_nobody(scene: Scene) -> None:
    lines = scene.lines(3)
    private = f"{scene.place.deployment.api_base} {scene.place.deployment.project} {scene.place.deployment.model}"
    key = scene.place.deployment.api_key or ""
    scene.place.fail(f"Bad thing happened at {private}, with {key}.")
    batch = scene.settle(scene.start(lines).id, lines, Status.FAILED)
    assert batch.counts.failed == 3
    assert batch.errors
    assert scene.codes(batch.id) == {"batch_failed"}
    scene.rest(batch.id)


@cell("cancel")
def test_cancel_in_the_middle_keeps_what_finished(scene: Scene) -> None:
    lines = scene.lines(6)
    scene.place.hold(3, 6)
    batch = scene.start(lines)
    with scene.under_way(batch.id):
        request_cancel(scene.world.app, batch.id)
    scene.settle(batch.id, lines, Status.CANCELLED)
    assert len(scene.world.output(batch.id)) == 3
    assert scene.codes(batch.id) == {"batch_cancelled"}
    scene.rest(batch.id)


@cell("expiry")
def test_a_batch_whose_time_is_over_keeps_what_finished(scene: Scene) -> None:
    lines = scene.lines(6)
    scene.place.hold(3, 6)
    batch = scene.start(lines, window="1h")
    with scene.under_way(batch.id):
        scene.world.clock += 3_600_000
        scene.world.sweep()
    scene.settle(batch.id, lines, Status.EXPIRED)
    assert len(scene.world.output(batch.id)) == 3
    assert scene.codes(batch.id) == {"batch_expired"}
    assert scene.world.batch(batch.id).counts.failed == 0


@cell("lost answer")
def test_an_answer_that_is_lost_makes_no_second_job(scene: Scene) -> None:
    """Where there are no jobs, it makes one line run twice, and no other."""
    lines = scene.lines(5)
    scene.place.lose()
    batch = scene.settle(scene.start(lines).id, lines)
    assert batch.counts.completed == 5
    assert scene.place.made() == (6 if scene.case.executes else 1)


@cell("credentials")
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_stays_wrong_ends_the_batch_soon(scene: Scene, status: int) -> None:
    scene.place.lock(status)
    lines = scene.lines(3)
    batch = scene.settle(scene.start(lines).id, lines, Status.FAILED, rounds=PATIENCE)
    assert scene.codes(batch.id) == {"batch_failed"}
    assert scene.place.made() == 0


@cell("healed key")
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_comes_right_again_costs_nothing(scene: Scene, status: int) -> None:
    scene.place.lock(status)
    lines = scene.lines(3)
    batch = scene.start(lines)
    scene.turn(8)
    assert not scene.world.batch(batch.id).terminal
    assert {shard.status for shard in scene.world.shards(batch.id)} <= {ShardStatus.WAITING, ShardStatus.RUNNING}
    scene.place.unlock()
    assert scene.settle(batch.id, lines).counts.completed == 3
    # A call that was dropped with the key may still be on its way when the key comes right.
    assert 1 <= scene.place.made() <= (6 if scene.case.executes else 1)


@cell("credentials")
@pytest.mark.parametrize("status", [401, 403])
def test_where_one_deployment_refuses_the_key_another_runs_the_lines(two: Scene, status: int) -> None:
    two.place.lock(status)
    lines = two.lines(3)
    batch = two.settle(two.start(lines).id, lines)
    assert [shard.deployment for shard in two.world.shards(batch.id)] == [two.places[1].deployment.id]
    assert (two.place.made(), two.places[1].made()) == (0, 3 if two.case.executes else 1)


@cell("key lost while it runs")
def test_a_key_that_is_lost_while_lines_run_loses_none(scene: Scene) -> None:
    lines = scene.lines(20)
    scene.place.hold(5, 20)
    batch = scene.start(lines)
    with scene.under_way(batch.id):
        scene.place.lock(401)
    scene.turn(12)
    assert not scene.world.batch(batch.id).terminal
    scene.place.unlock()
    assert scene.settle(batch.id, lines).counts.completed == 20


@crowded("no room")
def test_without_room_a_batch_waits_and_then_runs(scene: Scene, way: str) -> None:
    lines = scene.lines(4)
    scene.place.crowds()[way]()
    batch = scene.start(lines)
    for _ in range(40):
        if scene.place.asked() >= 8:
            break
        scene.turn(5)
    assert scene.world.batch(batch.id).status is Status.IN_PROGRESS
    assert scene.world.batch(batch.id).counts.failed == 0
    scene.place.clear()
    assert scene.settle(batch.id, lines, rounds=2_000).counts.completed == 4


@crowded("no room, two deployments")
def test_without_room_lines_go_to_another_deployment(two: Scene, way: str) -> None:
    lines = two.lines(4)
    two.place.crowds()[way]()
    batch = two.settle(two.start(lines).id, lines)
    assert batch.counts.completed == 4
    assert [shard.deployment for shard in two.world.shards(batch.id)] == [two.places[1].deployment.id]
    assert two.places[1].made() == (4 if two.case.executes else 1)
    assert two.place.kept() == set()


@cell("away")
def test_a_provider_that_is_away_is_waited_for(scene: Scene) -> None:
    lines = scene.lines(4)
    scene.place.wire.cut()
    batch = scene.start(lines)
    scene.turn(20)
    assert not scene.world.batch(batch.id).terminal
    scene.place.wire.mend()
    assert scene.settle(batch.id, lines).counts.completed == 4
    assert scene.place.made() == (4 if scene.case.executes else 1)


@cell("away")
def test_where_one_deployment_is_away_another_runs_the_lines(two: Scene) -> None:
    lines = two.lines(4)
    two.place.wire.cut()
    batch = two.settle(two.start(lines).id, lines)
    assert {shard.deployment for shard in two.world.shards(batch.id)} == {two.places[1].deployment.id}


@cell("away while it runs")
def test_a_provider_that_goes_away_in_the_middle_loses_nothing(scene: Scene) -> None:
    lines = scene.lines(6)
    scene.place.hold(3, 6)
    batch = scene.start(lines)
    with scene.under_way(batch.id):
        scene.place.wire.cut()
        scene.place.release()
    scene.turn(20)
    assert not scene.world.batch(batch.id).terminal
    scene.place.wire.mend()
    assert scene.settle(batch.id, lines).counts.completed == 6


@cell("odd rows")
def test_rows_that_are_missing_doubled_or_nobody_s_change_no_other_line(scene: Scene) -> None:
    def mangle(rows: Rows) -> Rows:
        of = {scene.jobs.named(row): row for row in rows}
        return [
            of[5],
            scene.jobs.renamed(of[1]),
            of[2],
            of[2],
            {"what": "is this", "response": None},
            of[4],
            of[1],
            of[5],
        ]

    lines = scene.lines(5)
    scene.jobs.mangle(mangle)
    batch = scene.settle(scene.start(lines).id, lines)
    assert {row["custom_id"] for row in scene.world.output(batch.id)} == {"line-0", "line-1", "line-3", "line-4"}
    (row,) = scene.world.errors(batch.id)
    assert (row["custom_id"], row["error"]["code"]) == ("line-2", "missing_result")


@cell("status 0")
def test_a_row_without_a_status_is_an_error_and_never_an_answer(scene: Scene) -> None:
    def mangle(rows: Rows) -> list[Json]:
        zero = scene.jobs.zero(rows[0])
        assert zero is not None
        return [zero, *rows[1:]]

    lines = scene.lines(3)
    scene.jobs.mangle(mangle)
    batch = scene.settle(scene.start(lines).id, lines)
    assert len(scene.world.output(batch.id)) == 2
    (row,) = scene.world.errors(batch.id)
    assert row["response"]["status_code"] == 500


@cell("job unknown")
def test_a_job_that_the_provider_forgot_ends_the_batch(scene: Scene) -> None:
    lines = scene.lines(4)
    scene.place.hold(2, 4)
    batch = scene.start(lines)
    with scene.under_way(batch.id):
        scene.jobs.forget()
    scene.settle(batch.id, lines, Status.FAILED)
    assert scene.codes(batch.id) == {"batch_failed"}
    assert all("no longer knows" in message for message in scene.said(batch.id))


@cell("nothing left")
@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "expired", "no room"])
def test_no_file_is_left_with_the_provider(scene: Scene, end: str) -> None:
    lines, place = scene.lines(4), scene.place
    wanted = {"no room": Status.COMPLETED}.get(end) or Status(end)
    if end == "failed":
        place.fail("Bad.")
    if end in {"cancelled", "expired"}:
        place.hold(2, 4)
    if end == "no room":
        place.crowds().get("later", place.clear)()
    batch = scene.start(lines, window="1h")
    if end in {"cancelled", "expired"}:
        with scene.under_way(batch.id):
            if end == "cancelled":
                request_cancel(scene.world.app, batch.id)
            scene.world.clock += 3_600_000 if end == "expired" else 0
            scene.world.sweep()
    if end == "no room":
        scene.turn(30)
        place.clear()
    scene.settle(batch.id, lines, wanted, rounds=1_000)
    assert place.left() == set()


def to_the_end(scene: Scene, world: DoomedWorld, id: str) -> Status:
    return Status.COMPLETED


def cancelled(scene: Scene, world: DoomedWorld, id: str) -> Status:
    if not scene.case.executes:  # where lines are run one by one, the batch is cancelled before a worker comes
        scene.place.hold(3, 6)
        world.pump()
    world.mortally(lambda: request_cancel(world.app, id))
    return Status.CANCELLED


Story = Callable[[Scene, DoomedWorld, str], Status]


def told(story: Story, case: Case, root: Path, dies_at: int | None) -> tuple[list[str], int]:
    """Tell a story in which the process dies at that point. What all points were, and how many deaths there were."""
    with scene_of(case, root, kind=DoomedWorld) as scene:
        world = scene.world
        assert isinstance(world, DoomedWorld)
        lines = scene.lines(5, fails=True)
        file = world.upload(lines)
        world.dies_at = dies_at
        id = str(world.mortally(lambda: scene.start(file, idempotency_key="once")).id)
        wanted = story(scene, world, id)
        try:
            scene.settle(id, lines, wanted, rounds=1_500)
            made = scene.place.labels()
            assert max(made.values(), default=0) <= (2 if case.executes else 1), made
            scene.rest(id)
        except Exception as error:
            raise AssertionError(f"died at {dies_at}, {world.last!r}: {error}") from error
        return world.names, world.deaths


def chosen(names: list[str], most: int) -> list[int]:
    """Points from 1: all around what makes a job, and others here and there, the same in every run."""
    creating = [at for at, name in enumerate(names, start=1) if "POST" in name][:6]
    others = sorted(set(range(1, len(names) + 1)) - set(creating))
    return sorted([*creating, *random.Random(len(names)).sample(others, min(len(others), most - len(creating)))])


@cell("deaths")
@pytest.mark.parametrize("story", [to_the_end, cancelled])
def test_a_death_changes_nothing_in_the_outcome(case: Case, story: Story, tmp_path: Path) -> None:
    names, _ = told(story, case, tmp_path / "alive", None)
    assert len(names) > 10
    for point in chosen(names, 10):
        told(story, case, tmp_path / str(point), point)


@pytest.mark.slow
@pytest.mark.timeout(900)  # a story for each point, and in each dozens of writes to the disk
@cell("deaths")
@pytest.mark.parametrize("story", [to_the_end, cancelled])
def test_a_death_at_any_point_changes_nothing_in_the_outcome(case: Case, story: Story, tmp_path: Path) -> None:
    point, deaths = 0, 1
    while deaths:
        point += 1
        _, deaths = told(story, case, tmp_path / str(point), point)
    assert point > 10


def swapped(rows: Rows) -> Rows:
    one, two, *rest = rows
    return [{**one, "response": two["response"]}, {**two, "response": one["response"]}, *rest]


def renamed(rows: Rows) -> Rows:
    return [{**rows[0], "custom_id": rows[1]["custom_id"]}, *rows[1:]]


def leaking(rows: Rows) -> Rows:
    return [{**rows[0], "note": "file-000000000000000000000000"}, *rows[1:]]


def dearer(rows: Rows) -> Rows:
    first = deepcopy(rows[0])
    first["response"]["body"]["usage"]["completion_tokens"] += 1
    return [first, *rows[1:]]


def unsaid(rows: Rows) -> Rows:
    first = deepcopy(rows[0])
    first["response"]["status_code"] = 0
    return [first, *rows[1:]]


def once_more(rows: Rows) -> Rows:
    return [*rows, rows[0]]


def one_less(rows: Rows) -> Rows:
    return rows[1:]


@pytest.mark.parametrize("spoil", [swapped, renamed, leaking, dearer, unsaid, once_more, one_less])
def test_what_is_wrong_with_an_output_is_found(
    spoil: Callable[[Rows], Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks of this suite, checked."""
    (case,) = (case for case in CASES if case.name == "openai")
    with scene_of(case, tmp_path) as scene:
        lines = scene.lines(4)
        batch = scene.settle(scene.start(lines).id, lines)
        rows = scene.world.output(batch.id)
        monkeypatch.setattr(scene.world, "output", lambda _: spoil(rows))
        with pytest.raises(AssertionError):
            scene.check(batch.id, lines)


def test_each_cell_is_told_or_has_a_reason_not_to_be() -> None:
    names = {case.name for case in CASES}
    assert all(case in names and found in CELLS and len(why) > 10 for (case, found), why in NOT_THERE.items())
    told = {
        call.args[0].value
        for call in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"cell", "crowded", "having"} and call.args
        if isinstance(call.args[0], ast.Constant)
    }
    assert told == CELLS


def test_the_ways_to_say_that_there_is_no_room_are_all_told(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        with scene_of(case, tmp_path / str(number)) as scene:
            assert set(scene.place.crowds()) == set(case.crowds)
