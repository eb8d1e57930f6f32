"""Jobs that are passed through: none is nobody's, and each is charged once, whatever dies, comes twice or never."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from shared.app import App
from shared.domain import layout
from shared.domain.access import ADMIN, Caller
from shared.domain.account import Account
from shared.domain.errors import ApiError, BadRequest, Forbidden, Transient, Unavailable
from shared.domain.ledger import LedgerEntry
from shared.domain.messages import Message
from shared.domain.passthrough import VertexJob
from shared.domain.prefixes import Place
from shared.providers.vertex.client import VertexClient
from shared.providers.vertex.passthrough import VertexPassthrough
from shared.steps import new_job, passed
from shared.steps.dead import record_dead
from shared.steps.foreign import refuse_foreign
from shared.steps.meter import meter
from shared.steps.run import run
from shared.storage.queries import JOBS, LEDGER
from shared.storage.queue import FINALIZE
from tests.e2e.stack import ROOT
from tests.steps.mortal import Death, MortalWorld
from tests.steps.world import CHAT, EMBED, chat, embed

PAYER = "key-a"
CALLER = Caller(owner="user:a", user="a", team="one", key=PAYER, payers=(PAYER,), tags=("blue",))


def row(number: int, said: str | None = None) -> dict[str, Any]:
    parts = [{"text": said or f"Question {number}"}]
    return {"key": f"their-{number}", "request": {"contents": [{"role": "user", "parts": parts}]}}


ROWS = [*map(row, range(5)), row(5, "please fail")]


@dataclass
class Passing(MortalWorld):
    """A world whose provider passes jobs through to the same Vertex that a test holds in its hand."""

    def open_provider(self, deployment: Any, media: Any) -> Any:
        provider = super().open_provider(deployment, media)
        if isinstance(provider.passthrough, VertexPassthrough):
            assert isinstance(provider.client, VertexClient)
            provider.passthrough._wire = provider.client._wire
        return provider

    def put(self, rows: list[dict[str, Any]], name: str = "in") -> Place:
        self.objects.write(f"gs://jobs/{name}.jsonl", [json.dumps(each).encode() + b"\n" for each in rows])
        return Place(("jobs", f"{name}.jsonl"))

    def new(self, source: Place, group: str = "flash", output: str = "out", app: App | None = None) -> new_job.NewJob:
        deployment = next(each for each in (app or self.app).config.deployments if each.group == group)
        return new_job.NewJob(
            body={
                "displayName": "mine",
                "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [source.name]}},
                "outputConfig": {
                    "predictionsFormat": "jsonl",
                    "gcsDestination": {"outputUriPrefix": f"gs://jobs/{output}"},
                },
            },
            model=group,
            group=group,
            deployment=deployment.id,
            project=deployment.project,
            location=deployment.location,
            inputs=(source,),
            output=Place(("jobs", output)),
        )

    def create(self, rows: list[dict[str, Any]] | None = None, **rest: Any) -> VertexJob:
        source = self.put(rows or ROWS, rest.get("output", "in"))
        return new_job.create(self.app, CALLER, self.new(source, **rest))

    def deliver(self, topic: str, data: dict[str, Any]) -> None:
        if topic == FINALIZE:
            output = layout.job_output(data["bucket"], data["name"])
            if output is not None:
                passed.written(self.app, output)
            return
        super().deliver(topic, data)

    def records(self) -> list[VertexJob]:
        return list(self.documents.query(JOBS))

    def rest(self, rounds: int = 200, step: int = 5_000) -> list[VertexJob]:
        """Until no job has anything more to say."""
        for _ in range(rounds):
            self.pump()
            if all(job.ended for job in self.records()):
                return self.records()
            self.clock += step
            self.sweep()
        raise AssertionError(f"still open: {self.records()}")

    def entries(self) -> list[LedgerEntry]:
        return list(self.documents.query(LEDGER))

    def account(self) -> Account:
        return self.documents.get(Account, PAYER) or Account(id=PAYER)


@pytest.fixture
def world(tmp_path: Path) -> Passing:
    return Passing(tmp_path)


def check_at_rest(world: Passing) -> None:
    """No job without a record; one ledger entry for each; and nobody holds or owes anything."""
    records = {job.name: job for job in world.records() if job.name is not None}
    assert set(records) == set(world.upstream.jobs)
    assert all(job.ended and job.due_at is None and job.lease is None for job in world.records())
    entries = world.entries()
    assert {entry.id for entry in entries} == {job.id for job in records.values()}
    for job in records.values():
        assert (job.cost.priced_lines, job.cost.unpriced_lines, job.reserved, job.tokens) == (5, 0, 0, 0)
    account = world.account()
    assert account.spent == sum(entry.cost.nano for entry in entries) == sum(job.cost.nano for job in records.values())
    assert (account.reserved, account.open_batches, account.enqueued_tokens) == (0, 0, 0)


def test_a_job_is_followed_counted_and_charged(world: Passing) -> None:
    job = world.create()
    assert world.account().open_batches == 1
    [ended] = world.rest()

    assert (ended.id, ended.state) == (job.id, "JOB_STATE_SUCCEEDED")
    check_at_rest(world)
    [entry] = world.entries()
    assert (entry.batch, entry.key, entry.user, entry.team, entry.tags) == (job.id, PAYER, "a", "one", ("blue",))
    assert (entry.model, entry.provider, entry.group) == ("gemini-2.5-flash", "vertex_ai", "flash")
    assert entry.tokens == {"text": 35, "output": 15}
    assert (entry.counts.completed, entry.counts.failed) == (5, 1)


@pytest.mark.parametrize(
    ("lines", "endpoint", "group"),
    [
        ([chat(f"c{n}") for n in range(7)] + [chat("bad", "please fail")], CHAT, "flash"),
        ([embed(f"e{n}", f"text {n}") for n in range(7)], EMBED, "embedder"),
        ([chat(f"c{n}", model="odd") for n in range(3)], CHAT, "odd"),
    ],
)
def test_the_same_rows_cost_the_same_as_in_a_batch(
    world: Passing, lines: list[dict[str, Any]], endpoint: str, group: str
) -> None:
    batch = world.start(lines, endpoint)
    world.settle(batch.id)
    [shard] = world.shards(batch.id)
    [source] = [job["inputConfig"]["gcsSource"]["uris"][0] for job in world.upstream.jobs.values()]
    with world.objects.open(source) as stream:
        rows = [json.loads(line) for line in stream]
    new_job.create(world.app, CALLER, world.new(world.put(rows), group))
    [job] = world.rest()

    assert job.cost == world.batch(batch.id).cost
    [ours, theirs] = world.entries()
    assert (ours.tokens, ours.cost, ours.book, ours.model) == (theirs.tokens, theirs.cost, theirs.book, theirs.model)
    assert shard.id in {ours.id, theirs.id}


# ---- deaths and sleeps


def until_the_end(world: Passing) -> None:
    source = world.put(ROWS)
    try:
        new_job.create(world.app, CALLER, world.new(source))
    except (Death, ApiError) as error:
        if isinstance(error, Death):
            world.restart()
    world.rest()


def with_a_lost_answer(world: Passing) -> None:
    world.upstream.lose_creates = 1
    until_the_end(world)


def told_by_an_event_and_a_look(world: Passing) -> None:
    source = world.put(ROWS)
    try:
        job = new_job.create(world.app, CALLER, world.new(source))
        world.clock += 4_000
        passed.look(world.app, job)
        passed.written(world.app, "gs://jobs/out")
    except (Death, ApiError) as error:
        if isinstance(error, Death):
            world.restart()
    world.rest()


@pytest.mark.slow
@pytest.mark.parametrize("story", [until_the_end, with_a_lost_answer, told_by_an_event_and_a_look])
@pytest.mark.parametrize("how", ["dies_at", "sleeps_at"])
def test_a_death_or_a_sleep_at_any_point_changes_nothing_in_the_end(
    tmp_path: Path, story: Callable[[Passing], None], how: str
) -> None:
    for point in range(1, 200):
        world = Passing(tmp_path / str(point))
        setattr(world, how, point)
        try:
            story(world)
            check_at_rest(world)
        except Exception as error:
            raise AssertionError(f"{how} {point}, {world.last!r}") from error
        if world.deaths == 0:
            assert point > 15
            return
    raise AssertionError("endless")


# ---- events that come twice, late or never


def test_events_that_come_twice_charge_once(world: Passing) -> None:
    job = world.create()
    world.clock += 4_000
    for _ in range(3):
        meter(world.app, job.id)
        passed.written(world.app, "gs://jobs/out")
        run(world.app, Message(step="meter", job=job.id))
    world.rest()
    passed.written(world.app, "gs://jobs/out")
    run(world.app, Message(step="meter", job=job.id))
    check_at_rest(world)


def test_an_event_of_predictions_that_belong_to_nobody_is_ignored(world: Passing) -> None:
    world.create()
    assert not passed.written(world.app, "gs://jobs/elsewhere")
    assert passed.written(world.app, "gs://jobs/out")
    world.rest()
    assert not passed.written(world.app, "gs://jobs/out")


def test_only_the_jobs_own_directory_is_counted(world: Passing) -> None:
    """Whoever shares its prefix with others pays for its own rows alone."""
    job = world.create()
    other = "gs://jobs/out/prediction-model-2026-11-20T10:00:00.000000Z/predictions.jsonl"
    world.objects.write(other, [b'{"key":"x","status":"","response":{"usageMetadata":{"promptTokenCount":1000000}}}\n'])
    [ended] = world.rest()

    assert ended.id == job.id
    check_at_rest(world)


# ---- what goes wrong


def test_a_create_that_was_lost_is_adopted_and_one_that_never_came_ends(world: Passing) -> None:
    world.upstream.lose_creates = 1
    with pytest.raises(Unavailable, match="not known"):
        world.create()
    world.upstream.refuse = [500]
    with pytest.raises(Unavailable, match="not known"):
        world.create(output="other")
    assert world.account().open_batches == 2
    adopted, never = sorted(world.rest(), key=lambda job: job.name is None)

    assert adopted.name in world.upstream.jobs
    assert (never.name, never.ended) == (None, True)
    check_at_rest(world)


def test_a_refused_create_holds_nothing(world: Passing) -> None:
    world.upstream.refuse = [400]
    with pytest.raises(ApiError, match="told to answer 400"):
        world.create()
    assert [job.ended for job in world.records()] == [True]
    check_at_rest(world)


def test_a_worker_that_slept_before_its_create_does_not_send_it(world: Passing) -> None:
    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.documents, name)

        def transact(self, body: Any) -> Any:
            result = world.documents.transact(body)
            world.clock += 31_000
            return result

    app = replace(world.app, documents=cast("Any", Slow()))
    source = world.put(ROWS)
    with pytest.raises(Unavailable):
        new_job.create(app, CALLER, world.new(source))
    assert world.upstream.created() == []
    check_at_rest(world)


@pytest.mark.parametrize("state", ["JOB_STATE_FAILED", "JOB_STATE_CANCELLED"])
def test_partial_predictions_of_a_job_that_did_not_succeed_are_charged(world: Passing, state: str) -> None:
    world.upstream.ends_as, world.upstream.error = state, {"code": 1, "message": "CANCELED"}
    world.upstream.rewrite = lambda rows: rows[:2]
    world.create()
    [job] = world.rest()

    assert (job.state, job.cost.priced_lines, job.cost.unpriced_lines) == (state, 2, 0)


def test_a_partial_export_counts_where_a_stopped_job_left_nothing_else(world: Passing) -> None:
    world.upstream.ends_as = "JOB_STATE_CANCELLED"
    world.create()
    world.clock += 4_000
    world.upstream._turn()
    folder = "gs://jobs/out/prediction-model-2026-11-21T10:00:00.000000Z"
    with world.objects.open(f"{folder}/predictions.jsonl") as stream:
        world.objects.write(f"{folder}/incremental_predictions.jsonl", [stream.read()])
    world.objects.delete(f"{folder}/predictions.jsonl")
    [job] = world.rest()

    assert job.cost.priced_lines == 5


def test_a_job_that_never_ran_costs_nothing_and_waits_for_nothing(world: Passing) -> None:
    world.upstream.ends_as = "JOB_STATE_FAILED"
    world.create()
    started = world.clock
    [job] = world.rest(step=1_000)

    assert world.clock - started < 30_000
    assert (job.cost.total, job.cost.unpriced_lines, world.entries()) == (None, 0, [])
    assert (world.account().open_batches, world.account().reserved) == (0, 0)


def test_rows_that_are_not_there_stay_unpriced_and_are_never_free(world: Passing) -> None:
    world.upstream.writes = False
    world.create()
    world.clock += 4_000
    world.upstream._turn()
    [resource] = world.upstream.jobs.values()
    resource["completionStats"] = {"successfulCount": "5", "failedCount": "1"}
    started = world.clock
    [job] = world.rest()

    assert world.clock - started >= 120_000
    assert (job.cost.total, job.cost.unpriced_lines) == (None, 5)
    [entry] = world.entries()
    assert (entry.cost.nano, entry.cost.unpriced_lines, entry.counts.completed) == (0, 5, 5)


def test_fewer_rows_than_vertex_has_counted_leave_the_rest_unpriced(world: Passing) -> None:
    world.upstream.rewrite = lambda rows: rows[:3]
    world.create()
    world.clock += 4_000
    world.upstream._turn()
    [resource] = world.upstream.jobs.values()
    resource["completionStats"] = {"successfulCount": "5"}
    [job] = world.rest()

    assert (job.cost.priced_lines, job.cost.unpriced_lines) == (3, 2)


def test_a_job_that_google_no_longer_has_is_counted_by_what_it_left(world: Passing) -> None:
    job = world.create()
    world.clock += 4_000
    passed.look(world.app, job)
    world.upstream.jobs.clear()
    [job] = world.rest()

    assert (job.ended, job.cost.priced_lines) == (True, 5)


def without_its_deployment(world: Passing) -> Passing:
    config = world.app.config
    world.app = replace(
        world.app, config=config.model_copy(update={"deployments": config.deployments[1:]}), _providers={}
    )
    return world


def test_a_job_that_cannot_be_asked_for_waits_however_long_and_is_charged_at_last(world: Passing) -> None:
    world.create()
    held = world.account()
    before, world = world.app, without_its_deployment(world)
    for _ in range(15):
        world.clock += 86_400_000
        world.sweep()
        world.pump()
    assert [job.ended for job in world.records()] == [False]
    assert world.account() == held
    world.app = before
    world.clock += 3_600_000
    world.rest(step=60_000)
    check_at_rest(world)


def test_a_job_that_is_over_and_cannot_be_asked_for_ends_unpriced_after_days(world: Passing) -> None:
    job = world.create()
    world.clock += 4_000
    passed.look(world.app, job)
    without_its_deployment(world)
    world.clock += 11 * 86_400_000
    world.sweep()
    [ended] = world.rest(step=60_000)

    assert (ended.ended, ended.cost.unpriced_lines) == (True, 1)
    [entry] = world.entries()
    assert (entry.id, entry.cost.unpriced_lines, entry.counts.completed) == (job.id, 1, 1)
    assert (world.account().open_batches, world.account().reserved) == (0, 0)


def dead(world: Passing, job: VertexJob, monkeypatch: pytest.MonkeyPatch) -> VertexJob:
    """The record, after no delivery has got it any further."""
    with monkeypatch.context() as broken:
        broken.setattr("shared.steps.meter._follow", lambda *_: 1 / 0)
        record_dead(world.app, Message(step="meter", job=job.id), "given up after 20 deliveries")
    [record] = world.records()
    return record


def test_a_dead_message_ends_a_job_that_is_over_unpriced_and_never_free(
    world: Passing, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.create()
    world.clock += 4_000
    passed.look(world.app, job)
    ended = dead(world, job, monkeypatch)

    assert (ended.ended, ended.cost.total, ended.cost.unpriced_lines) == (True, None, 1)
    [entry] = world.entries()
    assert (entry.id, entry.cost.unpriced_lines) == (job.id, 1)
    assert (world.account().open_batches, world.account().reserved) == (0, 0)


def test_a_dead_message_does_not_end_a_job_that_goes_on_at_google(
    world: Passing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is charged once whatever stood in the way is gone; until then it is held, and shows as it is."""
    job, held = world.create(), world.account()
    open_still = dead(world, job, monkeypatch)

    assert (open_still.ended, open_still.lease) == (False, None)
    assert open_still.due_at is not None
    assert open_still.due_at > world.clock
    assert (world.account(), world.entries()) == (held, [])
    world.clock += 4_000
    assert passed.look(world.app, open_still).state == "JOB_STATE_SUCCEEDED"
    world.rest(step=60_000)
    check_at_rest(world)


def test_a_dead_message_does_not_end_a_search_for_a_lost_create(
    world: Passing, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.upstream.lose_creates = 1
    with pytest.raises(Unavailable, match="not known"):
        world.create()
    [job] = world.records()
    assert not dead(world, job, monkeypatch).ended
    world.clock += 3_600_000
    world.rest(step=60_000)
    check_at_rest(world)


def ended_too_early(world: Passing) -> VertexJob:
    job = replace(world.create(), ended=True, reserved=0, tokens=0, lease=None, due_at=None)
    world.documents.transact(lambda tx: tx.put(job))
    account = replace(world.account(), reserved=0, open_batches=0, enqueued_tokens=0)
    world.documents.transact(lambda tx: tx.put(account))
    world.pump()
    return job


def test_a_record_that_ended_before_its_job_still_shows_it_and_is_charged(world: Passing) -> None:
    job = ended_too_early(world)
    assert passed.look(world.app, job).state == "JOB_STATE_PENDING"
    world.clock += 4_000

    assert passed.look(world.app, job).state == "JOB_STATE_SUCCEEDED"
    world.rest()
    check_at_rest(world)
    passed.look(world.app, job)
    world.rest()
    check_at_rest(world)


def test_a_record_that_ended_before_its_job_is_counted_before_it_is_deleted(world: Passing) -> None:
    job = ended_too_early(world)
    with pytest.raises(ApiError, match="not in a terminal state"):
        passed.delete(world.app, job)
    world.clock += 4_000
    passed.delete(world.app, job)

    assert [job.deleted for job in world.records()] == [True]
    check_at_rest(world)


def test_what_nobody_can_read_of_a_job_that_ended_well_is_never_free(world: Passing) -> None:
    world.upstream.writes = False
    world.create()
    [job] = world.rest()

    assert (job.state, job.cost.total, job.cost.unpriced_lines) == ("JOB_STATE_SUCCEEDED", None, 1)
    assert [entry.cost.unpriced_lines for entry in world.entries()] == [1]


def test_the_directory_of_a_job_is_known_with_its_record(world: Passing) -> None:
    job = world.create()
    assert job.directory == "gs://jobs/out"
    [job] = world.rest()
    assert job.directory == "gs://jobs/out/prediction-model-2026-11-21T10:00:00.000000Z"


@dataclass
class Asked:
    """Documents that count what queries have read."""

    plain: Any
    queries: int = 0
    read: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def query(self, *values: Any, **rest: Any) -> list[Any]:
        found: list[Any] = self.plain.query(*values, **rest)
        self.queries, self.read = self.queries + 1, self.read + len(found)
        return found


def test_however_many_jobs_wrote_to_a_prefix_an_input_is_judged_by_few_records(world: Passing) -> None:
    job = world.create()
    [job] = world.rest()

    def put(record: VertexJob) -> None:
        world.documents.transact(lambda tx: tx.put(record))

    for number in range(500):
        put(replace(job, id=f"job_{number:032x}", owner="user:z", team="z", directory=f"{job.directory}{number}"))
    asked = Asked(world.documents)
    app = replace(world.app, documents=cast("Any", asked))

    def judge(*inputs: str, caller: Caller = CALLER) -> bool:
        places = tuple(Place(tuple(each.removeprefix("gs://").split("/"))) for each in inputs)
        try:
            refuse_foreign(app, caller, places)
        except Forbidden:
            return False
        return True

    assert judge(f"{job.directory}/predictions.jsonl", f"{job.directory}/*", "gs://jobs/in.jsonl", "gs://jobs/*")
    assert not judge(f"{job.directory}7/predictions.jsonl")
    assert not judge(f"{job.directory}499/*.jsonl")
    assert judge(f"{job.directory}7/predictions.jsonl", caller=replace(CALLER, team="z"))
    assert asked.read < 20
    claim = replace(job, id="job_" + "f" * 32, output=f"{job.directory}7", directory=f"{job.directory}7", ended=False)
    put(claim)
    assert not judge(f"{job.directory}7/predictions.jsonl")  # a claim makes nobody the owner
    for number in range(30):
        put(replace(job, id=f"job_a{number:031x}", directory=job.output, ended=False, created_at=world.clock))
    assert not judge("gs://jobs/out/prediction-unknown/x")  # nor do so many of one's own that nobody reads on
    assert judge("gs://jobs/out/prediction-unknown/x", caller=ADMIN)
    asked.queries = 0
    with pytest.raises(BadRequest, match="100 folders"):
        judge(*(f"gs://jobs/prediction-{n}/prediction-{n}/x" for n in range(51)))
    assert asked.queries == 0


def test_a_store_in_trouble_is_waited_for(world: Passing) -> None:
    job = world.create()
    world.clock += 4_000
    world.upstream._turn()
    objects = world.app.objects

    class Sick:
        def __getattr__(self, name: str) -> Any:
            return getattr(objects, name)

        def open(self, *_: object, **__: object) -> Any:
            raise Transient("no answer")

    meter(replace(world.app, objects=cast("Any", Sick())), job.id)
    assert not world.records()[0].ended
    world.rest()
    check_at_rest(world)


# ---- rows of all kinds


@pytest.mark.parametrize(
    ("raw", "good", "tokens"),
    [
        (
            {"response": {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2}, "candidates": []}},
            True,
            6,
        ),
        ({"response": {"candidates": [{"content": {"parts": [{"text": "x"}]}}]}}, True, None),
        ({"status": "Bad Request: {}", "response": {}}, False, None),
        ({"status": "", "response": None}, False, None),
        (
            {
                "request": {"tools": [{"google_search": {"exclude_domains": ["x"]}, "function_declarations": None}]},
                "response": {"usageMetadata": {"promptTokenCount": 4}, "candidates": [{}]},
            },
            True,
            4,
        ),
        (
            {
                "request": {"tools": [{"function_declarations": [{"name": "f"}], "google_search": None}]},
                "response": {"usageMetadata": {"promptTokenCount": 4}, "candidates": [{}]},
            },
            True,
            4,
        ),
    ],
)
def test_a_row_says_what_it_has_used(world: Passing, raw: dict[str, Any], good: bool, tokens: int | None) -> None:
    through = world.app.provider("flash#0").passthrough
    assert through is not None
    used = through.read(json.dumps(raw).encode())

    assert used is not None
    assert used.good is good
    assert (None if used.tokens is None else sum(used.tokens)) == tokens


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'"x"'])
def test_what_is_no_row_is_passed_over(world: Passing, raw: bytes) -> None:
    through = world.app.provider("flash#0").passthrough
    assert through is not None
    assert through.read(raw) is None


MEMORY = """
import json, resource, sys, time
from pathlib import Path
from tests.steps.test_meter import Passing, row
from tests.steps.upstream import answer_to
world = Passing(Path(sys.argv[1]))
job = world.create([row(1)])
answer = json.dumps(answer_to({**row(1), "key": "k"})).encode() + b"\\n"
folder = "gs://jobs/out/prediction-model-2026-11-21T10:00:00.000000Z"
world.clock += 4_000
world.upstream._turn()
world.objects.delete(f"{folder}/predictions.jsonl")
world.objects.write(f"{folder}/predictions.jsonl", (answer * 1000 for _ in range(int(sys.argv[2]))))
began = time.monotonic()
[job] = world.rest()
assert job.cost.priced_lines == 1000 * int(sys.argv[2]), job
status = open("/proc/self/status").read()  # what a process has had before it was this program is in no VmHWM
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024, round(time.monotonic() - began, 1))
"""


@pytest.mark.slow
def test_a_million_rows_are_counted_in_little_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), "1000"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    megabytes, _seconds = done.stdout.split()[-2:]
    assert int(megabytes) < 200
