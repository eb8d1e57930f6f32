"""The life of a batch, from what its client sees."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from shared.config import Limits
from shared.domain.access import ADMIN
from shared.domain.batch import Status
from shared.domain.errors import Conflict
from shared.domain.files import File
from shared.steps.cancel import request_cancel
from shared.steps.files import delete_file
from shared.steps.native import native_objects, native_rows
from tests.steps.checker import check_at_rest, check_nothing_left
from tests.steps.world import EMBED, World, chat, embed


def test_every_line_ends_in_the_output_file_with_its_own_answer(world: World) -> None:
    """The provider returns rows in any order; the custom_id follows from the row's key alone."""
    lines = [chat(f"line-{n}") for n in range(20)]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.COMPLETED
    assert done.error_file_id is None
    assert (done.counts.total, done.counts.completed, done.counts.failed) == (20, 20, 0)
    check_at_rest(world, batch.id, lines)
    check_nothing_left(world, batch.id)


def test_the_cost_is_exact_to_the_nano_dollar(world: World) -> None:
    """gemini-2.5-flash in batch: 0.15 in, 1.25 out, per million; 7 in and 3 out a line."""
    batch = world.start([chat(f"line-{n}") for n in range(3)])
    world.settle(batch.id)
    assert world.batch(batch.id).cost.total == "0.000014400"
    assert world.batch(batch.id).cost.priced_lines == 3


def test_a_model_without_a_price_costs_null_and_is_flagged(world: World) -> None:
    batch = world.start([chat("known"), chat("unknown", model="odd")])
    world.settle(batch.id)
    cost = world.batch(batch.id).cost
    assert (cost.total, cost.priced_lines, cost.unpriced_lines) == ("0.000004800", 1, 1)

    batch = world.start([chat("unknown", model="odd")])
    world.settle(batch.id)
    assert world.batch(batch.id).cost.total is None


def test_what_the_provider_refuses_and_what_we_refuse_stand_in_the_error_file(world: World) -> None:
    lines = [chat("good"), chat("bad", text="please fail"), chat("ours", logit_bias={"1": 1})]
    batch = world.start(lines)
    world.settle(batch.id)
    rows = {row["custom_id"]: row["response"] for row in world.errors(batch.id)}
    assert rows["bad"]["status_code"] == 400
    assert rows["bad"]["body"]["error"]["message"] == "no such luck"
    assert rows["ours"]["status_code"] == 400
    assert rows["ours"]["body"]["error"]["param"] == "logit_bias"
    check_at_rest(world, batch.id, lines)


def test_a_batch_none_of_whose_lines_can_run_completes_without_an_output_file(world: World) -> None:
    lines = [chat("a", logit_bias={"1": 1}), chat("b", logit_bias={"1": 1})]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.output_file_id) == (Status.COMPLETED, None)
    assert world.upstream.created() == []
    check_at_rest(world, batch.id, lines)


def test_several_models_in_one_file_become_several_jobs_and_one_output(world: World) -> None:
    lines = [chat(f"line-{n}", model=("flash", "lite", "vertex_ai/flash")[n % 3]) for n in range(9)]
    batch = world.start(lines)
    world.settle(batch.id)
    assert [shard.lines for shard in world.shards(batch.id)] == [6, 3]
    models = {row["custom_id"]: row["response"]["body"]["model"] for row in world.output(batch.id)}
    assert models == {line["custom_id"]: line["body"]["model"] for line in lines}
    check_at_rest(world, batch.id, lines)


def test_a_file_larger_than_a_job_becomes_several_jobs(tmp_path: Path) -> None:
    world = World(tmp_path, rows_per_job=4)
    lines = [chat(f"line-{n}") for n in range(10)]
    batch = world.start(lines)
    world.settle(batch.id)
    assert [shard.lines for shard in world.shards(batch.id)] == [4, 4, 2]
    check_at_rest(world, batch.id, lines)


def test_lines_whose_free_json_cannot_share_a_table_run_in_jobs_of_their_own(world: World) -> None:
    """The importer wants one type for each path over a whole file."""

    def call(custom_id: str, value: Any) -> dict[str, Any]:
        line = chat(custom_id)
        function = {"name": "f", "arguments": json.dumps({"x": value})}
        line["body"]["messages"] = [
            {"role": "user", "content": "first"},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "1", "content": "done"},
            {"role": "user", "content": f"nonce of {custom_id}"},
        ]
        return line

    lines = [call("text", "a"), call("number", 1), call("text-2", "b"), call("object", {"y": 1}), chat("plain")]
    batch = world.start(lines)
    world.settle(batch.id)
    assert [shard.lines for shard in world.shards(batch.id)] == [3, 1, 1]
    assert world.batch(batch.id).counts.completed == 5
    check_at_rest(world, batch.id, lines)


def test_live_counts_grow_while_the_job_runs(world: World) -> None:
    world.upstream.takes = 20_000
    batch = world.start([chat(f"line-{n}") for n in range(10)])
    assert world.batch(batch.id).counts.total == 0
    world.pump()
    assert world.batch(batch.id).counts.total == 10
    job = next(iter(world.upstream.jobs.values()))
    for done in (3, 2, 7):
        job["completionStats"] = {"successfulCount": str(done), "incompleteCount": "-1"}
        world.clock += 2_000
        world.sweep()
        world.pump()
        assert world.batch(batch.id).counts.completed == max(3, done)  # never less than before
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 10


@pytest.mark.parametrize("content", [b"", b"\n\n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_fails_its_batch(world: World, content: bytes) -> None:
    batch = world.start(content)
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.FAILED
    assert [error.code for error in world.batch(batch.id).errors] == ["empty_file"]


def test_a_missing_file_fails_its_batch_a_moment_later(world: World) -> None:
    file = world.upload([chat("a")])
    delete_file(world.app, file)
    batch = world.start(file)
    assert world.batch(batch.id).status is Status.VALIDATING
    world.settle(batch.id)
    (error,) = world.batch(batch.id).errors
    assert (error.code, error.param, error.line) == ("invalid_request", "file_id", None)
    assert file.id in error.message


def test_a_file_deleted_while_it_is_validated_is_read_to_the_end_and_then_gone(world: World) -> None:
    file = world.upload([chat("a")])
    batch = world.start(file)
    delete_file(world.app, file)
    world.sweep()
    assert world.documents.get(File, file.id) is None
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 1
    check_nothing_left(world, batch.id)
    assert [stat.name for stat in world.objects.list("gs://data/files/") if file.id in stat.name] == []


def test_all_bad_lines_are_reported_together_with_their_numbers(world: World) -> None:
    good = json.dumps(chat("twice")).encode()
    lines = [
        good,
        b"{",
        json.dumps(chat("c", model="nobody")).encode(),
        b"",
        json.dumps({**chat("d"), "url": "/v1/embeddings"}).encode(),
        json.dumps(chat("e", stream=True)).encode(),
        good,
        json.dumps(chat("f", logit_bias={"1": 1})).encode(),
    ]
    batch = world.start(b"\r\n".join(lines))
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.FAILED
    assert [(error.line, error.code, error.param) for error in done.errors] == [
        (2, "invalid_json_line", None),
        (3, "model_not_found", "body.model"),
        (5, "invalid_url", "url"),
        (6, "streaming_unsupported", "body.stream"),
        (7, "duplicate_custom_id", "custom_id"),
    ]
    assert (done.counts.total, done.output_file_id, done.error_file_id) == (0, None, None)
    assert world.upstream.created() == []
    check_nothing_left(world, batch.id)


def test_of_many_bad_lines_the_first_hundred_are_listed_and_the_rest_counted(world: World) -> None:
    same = json.dumps(chat("same")).encode()
    batch = world.start(b"\n".join([same, *([b"{", same] * 70)]))
    world.settle(batch.id)
    errors = world.batch(batch.id).errors
    assert len(errors) == 101
    assert [error.line for error in errors[:100]] == list(range(2, 102))
    assert errors[100].line is None
    assert "40 more" in errors[100].message


def test_more_lines_than_a_batch_may_have_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(lines_per_batch=3))
    exactly = world.start([chat(f"{n}") for n in range(3)])
    over = world.start([chat(f"{n}") for n in range(4)])
    world.settle(exactly.id, over.id)
    assert world.batch(exactly.id).status is Status.COMPLETED
    assert [error.code for error in world.batch(over.id).errors] == ["too_many_tasks"]


def test_a_line_that_is_too_long_is_one_of_the_errors(tmp_path: Path) -> None:
    world = World(tmp_path, limits=Limits(line_bytes=2000))
    batch = world.start([chat("a"), chat("long", text="x" * 3_000_000), chat("b", model="nobody")])
    world.settle(batch.id)
    assert [(error.line, error.code) for error in world.batch(batch.id).errors] == [
        (2, "invalid_request"),
        (3, "model_not_found"),
    ]


def test_a_model_is_not_offered_at_an_endpoint_that_is_not_its_own(world: World) -> None:
    batch = world.start([embed("a", "text", model="flash")], endpoint=EMBED)
    world.settle(batch.id)
    assert [(error.code, error.param) for error in world.batch(batch.id).errors] == [("invalid_request", "url")]


def test_embeddings_of_several_texts_come_back_as_one_line_in_order(world: World) -> None:
    """Each text is a row of its own at the provider, and rows come back in any order."""
    line = embed("many", "one", "two", "three")
    packed = embed("packed", "one", "two")
    packed["body"]["encoding_format"] = "base64"
    batch = world.start([line, embed("one", "text"), packed], endpoint=EMBED)
    world.settle(batch.id)
    rows = {row["custom_id"]: row["response"]["body"] for row in world.output(batch.id)}
    assert [member["index"] for member in rows["many"]["data"]] == [0, 1, 2]
    assert rows["many"]["usage"] == {"prompt_tokens": 12, "total_tokens": 12}
    vector = struct.unpack("<2f", base64.b64decode(rows["packed"]["data"][1]["embedding"]))
    assert vector == pytest.approx((0.6, 0.8))
    assert world.batch(batch.id).counts.completed == 3


def test_a_line_that_lost_one_of_its_rows_has_no_answer(world: World) -> None:
    world.upstream.rewrite = lambda rows: [row for row in rows if row["key"] != "r-000001#1/3"]
    batch = world.start([embed("many", "one", "two", "three"), embed("one", "text")], endpoint=EMBED)
    world.settle(batch.id)
    assert [row["error"]["code"] for row in world.errors(batch.id)] == ["missing_result"]
    assert world.batch(batch.id).counts.completed == 1


def test_a_row_that_claims_to_be_a_whole_line_or_a_piece_of_another_kind_is_nobody_s(world: World) -> None:
    """What a line became is our own record; a provider's word for it is not taken."""

    def mangle(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        (piece,) = (row for row in rows if row["key"] == "r-000001#0/2")
        keys = ("r-000001", "r-000001#0/1", "r-000001#0/999999", "r-000002#0/2", "r-000002#1/2")
        return [*({**piece, "key": key} for key in keys), *rows]

    world.upstream.rewrite = mangle
    batch = world.start([embed("two", "one", "two"), embed("one", "text")], endpoint=EMBED)
    world.settle(batch.id)
    lengths = {row["custom_id"]: len(row["response"]["body"]["data"]) for row in world.output(batch.id)}
    assert lengths == {"two": 2, "one": 1}

    world.upstream.rewrite = lambda rows: [{**rows[0], "key": "r-000001#0/2"}, *rows]
    batch = world.start([chat("plain")])
    world.settle(batch.id)
    assert [row["custom_id"] for row in world.output(batch.id)] == ["plain"]
    assert world.errors(batch.id) == []


def test_rows_that_are_missing_doubled_or_nobodys_change_no_other_line(world: World) -> None:
    def mangle(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        stranger = {**rows[0], "key": "r-000099"}
        return [rows[1], stranger, {**rows[1]}, {"status": "no key"}, *rows[2:], {**rows[3]}]

    world.upstream.rewrite = mangle
    lines = [chat(f"line-{n}") for n in range(6)]
    batch = world.start(lines)
    world.settle(batch.id)
    (missing,) = world.errors(batch.id)
    assert (missing["custom_id"], missing["response"], missing["error"]["code"]) == ("line-0", None, "missing_result")
    assert world.batch(batch.id).counts.failed == 1
    check_at_rest(world, batch.id, lines)


def test_predictions_that_are_seen_only_after_the_job_s_success_are_waited_for(world: World) -> None:
    """Which comes first is not documented."""
    world.upstream.writes = False
    lines = [chat("a"), chat("b")]
    batch = world.start(lines)
    for _ in range(10):
        world.pump()
        world.clock += 1_000
        world.sweep()
    (job,) = world.upstream.jobs.values()
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    world.upstream.writes = True
    world.upstream._end(job, "JOB_STATE_SUCCEEDED")
    world.settle(batch.id)
    assert world.batch(batch.id).counts.completed == 2
    check_at_rest(world, batch.id, lines)


def test_a_job_that_succeeds_and_writes_nothing_is_not_waited_for_for_ever(world: World) -> None:
    world.upstream.writes = False
    batch = world.start([chat("a")])
    world.settle(batch.id)
    assert [row["error"]["code"] for row in world.errors(batch.id)] == ["missing_result"]


def test_a_row_is_one_line_for_whoever_splits_lines(world: World) -> None:
    odd = "a\u2028b\u2029c\u0085d “quoted”"
    batch = world.start([chat(odd, text="nonce of it")])
    world.settle(batch.id)
    file = world.documents.get(File, world.batch(batch.id).output_file_id or "")
    assert file is not None
    with world.objects.open(file.object) as stream:
        (line,) = stream.read().decode().splitlines()
    assert json.loads(line)["custom_id"] == odd


def test_the_provider_s_own_rows_can_be_read(world: World) -> None:
    batch = world.start([chat("a"), chat("b", model="lite")])
    world.settle(batch.id)
    file = world.documents.get(File, world.batch(batch.id).output_file_id or "")
    assert file is not None
    names = native_objects(world.app, file)
    assert names is not None
    keys = {json.loads(row)["key"] for row in b"".join(native_rows(world.app, names)).splitlines()}
    assert keys == {"r-000001", "r-000002"}


# ---------------------------------------------------------------------------------------------- the provider in trouble


def test_a_job_whose_create_was_answered_by_silence_is_found_and_not_made_again(world: World) -> None:
    world.upstream.lose_creates = 1
    lines = [chat("a")]
    batch = world.start(lines)
    world.settle(batch.id)
    assert len(world.upstream.created()) == 1
    check_at_rest(world, batch.id, lines)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_provider_in_trouble_is_waited_for(world: World, status: int) -> None:
    world.upstream.refuse = [status] * 4
    lines = [chat("a")]
    batch = world.start(lines)
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED
    check_at_rest(world, batch.id, lines)


def test_a_grant_that_comes_late_is_waited_for(world: World) -> None:
    """Vertex answers 403 for minutes after an API was enabled."""
    world.upstream.refuse = [403] * 3
    batch = world.start([chat("a")])
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.COMPLETED


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_provider_that_will_not_have_the_job_fails_the_batch_and_says_why(world: World, status: int) -> None:
    world.upstream.refuse = [status] * 20
    lines = [chat("a"), chat("b")]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.FAILED
    assert f"told to answer {status}" in done.errors[0].message
    assert [row["error"]["code"] for row in world.errors(batch.id)] == ["batch_failed"] * 2
    assert (done.counts.completed, done.counts.failed, done.cost.total) == (0, 2, None)


def test_when_one_of_two_deployments_refuses_the_other_half_is_kept(world: World) -> None:
    world.upstream.refuse = [404]
    lines = [chat("a"), chat("b", model="lite")]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.counts.completed, done.counts.failed) == (Status.COMPLETED, 1, 1)
    check_at_rest(world, batch.id, lines)


def test_a_job_that_fails_for_good_fails_its_lines_with_the_provider_s_words(world: World) -> None:
    world.upstream.ends_as, world.upstream.writes = "JOB_STATE_FAILED", False
    batch = world.start([chat("a")])
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.FAILED
    assert "Failed to import data" in done.errors[0].message
    assert "Failed to import data" in world.errors(batch.id)[0]["error"]["message"]
    assert len(world.upstream.created()) == 1


def test_what_a_failed_job_wrote_is_delivered(world: World) -> None:
    world.upstream.ends_as, world.upstream.error = "JOB_STATE_FAILED", {"code": 7, "message": "No grant."}
    world.upstream.rewrite = lambda rows: rows[:2]
    lines = [chat("a"), chat("b"), chat("c")]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.counts.completed, done.counts.failed) == (Status.COMPLETED, 2, 1)
    check_at_rest(world, batch.id, lines)


def test_lines_that_a_failed_job_has_left_run_again_where_that_may_help(world: World) -> None:
    world.upstream.ends_as, world.upstream.error = "JOB_STATE_FAILED", {"code": 13, "message": "System error."}
    world.upstream.rewrite = lambda rows: rows[:2]
    lines = [chat("a"), chat("b"), chat("c")]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.counts.completed, done.counts.failed) == (Status.COMPLETED, 3, 0)
    assert [shard.lines for shard in world.shards(batch.id)] == [3, 1]
    check_at_rest(world, batch.id, lines)


def test_a_job_that_the_provider_has_forgotten_fails_its_lines(world: World) -> None:
    world.upstream.takes = 10**9
    batch = world.start([chat("a")])
    world.pump()
    world.upstream.jobs.clear()
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.FAILED


@pytest.mark.parametrize("state", ["JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED"])
def test_a_job_that_ended_unasked_leaves_expired_lines_and_what_it_finished(world: World, state: str) -> None:
    """Vertex cancels what has run for 24 hours, and expires what was queued for 72."""
    world.upstream.ends_as = state
    world.upstream.rewrite = lambda rows: rows[:1]
    lines = [chat("a"), chat("b")]
    batch = world.start(lines)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.EXPIRED
    assert [row["error"]["code"] for row in world.errors(batch.id)] == ["batch_expired"]
    assert (done.counts.total, done.counts.completed, done.counts.failed) == (2, 1, 0)
    check_at_rest(world, batch.id, lines)


# --------------------------------------------------------------------------------------------------- cancel and expiry


def test_cancel_keeps_what_finished_and_explains_the_rest(world: World) -> None:
    world.upstream.takes = 10**9
    world.upstream.rewrite = lambda rows: rows[:2]
    lines = [chat("a"), chat("b"), chat("c", logit_bias={"1": 1}), chat("d")]
    batch = world.start(lines)
    world.pump()
    assert request_cancel(world.app, batch.id).status is Status.CANCELLING
    assert request_cancel(world.app, batch.id).status is Status.CANCELLING
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.CANCELLED
    assert len(world.output(batch.id)) == 2
    codes = {row["custom_id"]: (row["error"] or {}).get("code") for row in world.errors(batch.id)}
    assert sorted(filter(None, codes.values())) == ["batch_cancelled"]
    assert done.counts.completed == 2
    assert request_cancel(world.app, batch.id).status is Status.CANCELLED
    check_at_rest(world, batch.id, lines)
    check_nothing_left(world, batch.id)


def test_a_batch_cancelled_before_it_was_looked_at_has_no_files(world: World) -> None:
    batch = world.start([chat("a")])
    request_cancel(world.app, batch.id)
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert (done.status, done.counts.total, done.output_file_id, done.error_file_id) == (
        Status.CANCELLED,
        0,
        None,
        None,
    )
    assert world.upstream.created() == []


def test_a_batch_that_has_ended_cannot_be_cancelled(world: World) -> None:
    batch = world.start([chat("a")])
    world.settle(batch.id)
    with pytest.raises(Conflict, match="Cannot cancel a batch with status 'completed'"):
        request_cancel(world.app, batch.id)


def test_a_provider_that_will_not_cancel_is_not_waited_for_longer_than_ten_minutes(world: World) -> None:
    world.upstream.takes = 10**9
    lines = [chat("a")]
    batch = world.start(lines)
    world.pump()
    request_cancel(world.app, batch.id)
    world.upstream.refuse = [500] * 10**6
    for _ in range(40):
        world.pump()
        world.clock += 30_000
        world.sweep()
        if world.batch(batch.id).terminal:
            break
    assert world.batch(batch.id).status is Status.CANCELLED
    assert [row["error"]["code"] for row in world.errors(batch.id)] == ["batch_cancelled"]


def test_when_its_time_is_over_a_batch_keeps_what_finished_and_the_rest_expires(world: World) -> None:
    world.upstream.takes = 10**9
    world.upstream.rewrite = lambda rows: rows[:1]
    lines = [chat("a"), chat("b")]
    batch = world.start(lines, window="1h")
    world.pump()
    world.clock += 3_599_000
    world.sweep()
    world.pump()
    assert world.batch(batch.id).status is Status.IN_PROGRESS
    world.clock += 1_000
    world.settle(batch.id)
    done = world.batch(batch.id)
    assert done.status is Status.EXPIRED
    assert (done.counts.completed, done.counts.failed) == (1, 0)
    assert [row["error"]["code"] for row in world.errors(batch.id)] == ["batch_expired"]
    check_at_rest(world, batch.id, lines)


def test_a_batch_whose_time_ends_while_the_provider_is_down_expires_all_the_same(world: World) -> None:
    world.upstream.refuse = [503] * 10**6
    batch = world.start([chat("a")], window="1h")
    world.pump()
    world.clock += 3_600_000
    world.upstream.refuse = [503] * 3
    world.settle(batch.id)
    assert world.batch(batch.id).status is Status.EXPIRED
    assert world.upstream.created() == []


# ------------------------------------------------------------------------------------------------------ the same again


def test_an_idempotency_key_makes_two_requests_one_batch(world: World) -> None:
    file = world.upload([chat("a")])
    first = world.start(file, idempotency_key="k", body_hash="same")
    again = world.start(file, idempotency_key="k", body_hash="same")
    other = world.start(file, idempotency_key="k2", body_hash="same")
    assert first.id == again.id != other.id


def test_a_retry_of_the_sdk_gets_the_first_batch_back_for_ten_minutes(world: World) -> None:
    file = world.upload([chat("a")])
    first = world.start(file, body_hash="same")
    assert world.start(file, body_hash="same", retried=True).id == first.id
    assert world.start(file, body_hash="other", retried=True).id != first.id
    assert world.start(file, body_hash="same").id != first.id
    world.clock += 600_001
    assert world.start(file, body_hash="same", retried=True).id != first.id


def test_output_files_live_as_long_as_was_asked_for(world: World) -> None:
    batch = world.start([chat("a")])
    world.settle(batch.id)
    file = world.documents.get(File, world.batch(batch.id).output_file_id or "")
    assert file is not None
    assert (file.owner, file.purpose) == (ADMIN.owner, "batch_output")
    world.clock = (file.expires_at or 0) + 1
    for _ in range(3):
        world.sweep()
    assert world.documents.get(File, file.id) is None
    assert list(world.objects.list("gs://data/files/")) == []
    assert list(world.objects.list(f"gs://work/out/{batch.id}/")) == []
