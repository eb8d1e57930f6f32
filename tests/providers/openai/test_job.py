"""A batch of OpenAI or of a relative, in our words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.shard import Job, JobState
from shared.providers.openai.job import created_at, read_job

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["data", "code", "completed"]), inner),
    max_leaves=6,
)


def job(**rest: Any) -> Job:
    read = read_job({"id": "batch_1", **rest})
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *(
            (word, JobState.QUEUED)
            for word in ("validating", "Validating", "pending", "queued", "scheduling", "created")
        ),
        *((word, JobState.RUNNING) for word in ("in_progress", "running", "finalizing", "CANCELLING")),
        *((word, JobState.RUNNING) for word in ("brand_new", "", None, 7)),
        ("completed", JobState.SUCCEEDED),
        ("Failed", JobState.FAILED),
        ("expired", JobState.EXPIRED),
        ("cancelled", JobState.CANCELLED),
        ("canceled", JobState.CANCELLED),
    ],
)
def test_one_table_for_all_relatives(status: Any, state: JobState) -> None:
    assert job(status=status).state is state


@pytest.mark.parametrize("counts", [None, {}, {"completed": None, "failed": None}, {"completed": "3", "failed": -1}, 5])
def test_counts_that_are_not_told_are_not_known(counts: Any) -> None:
    read = job(status="in_progress", request_counts=counts)
    assert (read.completed, read.failed) == (None, None)


def test_files_are_those_that_have_a_name() -> None:
    assert job(output_file_id="file-1", error_file_id="").files == ("file-1",)
    assert job(output_file_id=None, error_file_id="file-2").files == ("file-2",)
    assert job(output_file_id="../secret", error_file_id=7).files == ()


@pytest.mark.parametrize(
    ("code", "again"), [("token_limit_exceeded", True), ("invalid_json_line", False), (None, False)]
)
def test_a_failure_for_want_of_room_will_pass(code: str | None, again: bool) -> None:
    error = {"code": code, "message": "Limit reached in organization org-AbCdEfGhIj.", "line": None}
    read = job(status="failed", errors={"object": "list", "data": [error]})
    assert (read.retryable, read.crowded) == (again, again)
    assert read.error is not None
    assert read.error.message == "Limit reached in organization (an account)."


@pytest.mark.parametrize("errors", [None, {}, {"data": None}, {"data": ["x"]}, [{"code": 1}], "x"])
def test_a_failure_without_a_reason_is_one_all_the_same(errors: Any) -> None:
    read = job(status="failed", errors=errors)
    assert read.error is not None
    assert (read.error.code, read.error.message) == ("provider_error", "The provider gave no reason.")


@pytest.mark.parametrize("id", [None, "", 7, "a/b", "..", "x" * 200, "b?x=1"])
def test_what_has_no_name_is_no_job(id: Any) -> None:
    assert read_job({"id": id, "status": "completed"}) is None


@pytest.mark.parametrize(
    ("moment", "milliseconds"),
    [
        (1_795_000_000, 1_795_000_000_000),
        (1.5, 1500),
        ("2026-11-21T00:00:00+00:00", 1_795_219_200_000),
        ("2026-11-21T00:00:00Z", 1_795_219_200_000),
        ("2026-11-21T00:00:00", 1_795_219_200_000),
        ("2026-11-21T00:00:00.1234567+00:00", 1_795_219_200_123),
    ],
)
def test_times_are_read_in_each_of_their_forms(moment: Any, milliseconds: int) -> None:
    assert created_at({"created_at": moment}) == milliseconds


@given(st.dictionaries(st.sampled_from(["created_at", "errors", "status", "request_counts"]), VALUES))
def test_nothing_that_a_provider_writes_raises(batch: dict[str, Any]) -> None:
    read_job({"id": "b", **batch})
    created_at(batch)


@pytest.mark.parametrize("said", ["my-batch", "MY-BATCH", "'my-batch'", "my-batch."])
def test_an_error_hides_the_names_that_are_private(said: str) -> None:
    errors = {"data": [{"code": "model_not_found", "message": f"The deployment {said} is not there; my-batch-2 is."}]}
    read = read_job({"id": "b", "status": "failed", "errors": errors}, ("my-batch",))
    assert read is not None
    assert read.error is not None
    assert "my-batch " not in f"{read.error.message.lower()} ".replace("'", " ").replace(".", " ")
    assert "my-batch-2" in read.error.message
