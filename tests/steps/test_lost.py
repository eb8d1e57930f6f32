"""A create whose answer was lost: never two jobs that run, never lines that wait for ever beside a free deployment."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain.batch import Status
from shared.domain.shard import JobState
from shared.steps.cancel import request_cancel
from tests.steps.test_balance import PLACES, Many, failing, lines_of, problem


@pytest.fixture
def many(tmp_path: Path) -> Many:
    return Many(tmp_path)


def losing(many: Many, *, makes: bool, then: Any = None, hidden_until: int = 0) -> Any:
    """Loses the answer to the first create, which did or did not make a job, perhaps one that is seen late."""
    lost = [False]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and ":cancel" not in request.url.path and not lost[0]:
            lost[0] = True
            if makes:
                many.upstream(request)
            raise httpx.ReadTimeout("the answer was lost")
        if request.method == "POST" and then is not None and ":cancel" not in request.url.path:
            refused: httpx.Response = then(request)
            return refused
        reply = many.upstream(request)
        if request.url.path.endswith("/batchPredictionJobs") and many.clock < hidden_until:
            return httpx.Response(200, json={})
        return reply

    return answer


def test_nothing_was_made_so_the_shard_may_go_elsewhere_when_it_is_refused(many: Many) -> None:
    full = losing(many, makes=False, then=lambda _: problem(429, "RESOURCE_EXHAUSTED"))
    many.answers = dict.fromkeys(PLACES[:2], full)
    batch = many.start(lines_of(3))
    many.settle(batch.id)
    assert many.batch(batch.id).status is Status.COMPLETED
    assert set(many.of(batch.id)) == {"many#2"}


def test_a_job_that_is_seen_within_a_minute_is_the_job(many: Many) -> None:
    many.answers = dict.fromkeys(PLACES, losing(many, makes=True, hidden_until=many.clock + 40_000))
    batch = many.start(lines_of(3))
    many.settle(batch.id)
    assert len(many.upstream.created()) == 1
    assert many.batch(batch.id).counts.completed == 3


def test_a_job_that_is_seen_later_still_is_cancelled(many: Many) -> None:
    many.upstream.takes = 300_000
    many.answers = dict.fromkeys(PLACES, losing(many, makes=True, hidden_until=many.clock + 120_000))
    batch = many.start(lines_of(3))
    many.settle(batch.id)
    assert len(many.upstream.created()) == 2
    states = sorted(job["state"] for job in many.upstream.jobs.values())
    assert many.batch(batch.id).counts.completed == 3
    assert states == ["JOB_STATE_CANCELLED", "JOB_STATE_SUCCEEDED"]


def test_a_job_without_room_is_not_made_again_and_again_where_no_other_place_may_have_it(many: Many) -> None:
    """The other deployments are of another provider than the lines ask for."""
    many.members = (many.members[0], *(replace_provider(each) for each in many.members[1:]))
    many.app = many.new_app()
    full = failing(many, leaves=0)

    def crowded(request: httpx.Request) -> httpx.Response:
        reply: httpx.Response = full(request)
        body = reply.json()
        if body.get("state") == "JOB_STATE_FAILED":
            body["error"] = {"code": 8, "message": "Quota exceeded."}
        return httpx.Response(reply.status_code, json=body)

    many.answers = {PLACES[0]: crowded}
    batch = many.start([{**line, "body": {**line["body"], "model": "vertex_ai/many"}} for line in lines_of(2)])
    for _ in range(300):
        many.pump()
        many.clock += 1_000
        many.sweep()
    assert len(many.upstream.created()) <= 5
    job = many.shards(batch.id)[0].job
    assert job is None or job.state is not JobState.SUCCEEDED


def replace_provider(deployment: Any) -> Any:
    return replace_model(deployment, provider="hosted_vllm", api_base="http://127.0.0.1:9/v1", location="")


def replace_model(deployment: Any, **changes: Any) -> Any:
    return deployment.model_copy(update=changes)


def test_a_job_that_fails_for_good_is_made_once_where_no_other_place_may_have_it(many: Many) -> None:
    many.members = (many.members[0], *(replace_provider(each) for each in many.members[1:]))
    many.app = many.new_app()
    many.answers = {PLACES[0]: failing(many, leaves=0)}
    batch = many.start([{**line, "body": {**line["body"], "model": "vertex_ai/many"}} for line in lines_of(2)])
    many.settle(batch.id)
    assert many.batch(batch.id).status is Status.FAILED
    assert len(many.upstream.created()) == 1


def test_a_job_that_is_seen_after_its_batch_was_cancelled_is_told_to_stop(many: Many) -> None:
    many.upstream.takes = 300_000
    many.answers = dict.fromkeys(PLACES, losing(many, makes=True, hidden_until=many.clock + 20_000))
    batch = many.start(lines_of(3))
    many.pump()
    many.clock += 2_000
    request_cancel(many.app, batch.id)
    many.settle(batch.id)
    assert many.batch(batch.id).status is Status.CANCELLED
    assert [job["state"] for job in many.upstream.jobs.values()] == ["JOB_STATE_CANCELLED"]


def test_what_may_run_unseen_when_its_batch_ends_has_no_price(many: Many) -> None:
    """Nobody can look for ten minutes, and the answer to every create is lost."""
    many.upstream.takes = 3_600_000

    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("the answer was lost")

    many.answers = dict.fromkeys(PLACES, silent)
    batch = many.start(lines_of(3))
    many.pump()
    many.clock += 2_000
    request_cancel(many.app, batch.id)
    many.settle(batch.id, rounds=1_000)
    assert many.batch(batch.id).status is Status.CANCELLED
    assert many.batch(batch.id).cost.unpriced_lines == 3
