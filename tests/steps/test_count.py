"""Which rows of a directory are a job's own."""

from pathlib import Path

import pytest

from tests.steps.test_meter import Passing

FOLDER = "gs://jobs/out/prediction-model-2026-11-21T10:00:00.000000Z"


@pytest.fixture
def world(tmp_path: Path) -> Passing:
    return Passing(tmp_path)


def stopped(world: Passing, name: str) -> int:
    """Priced lines of a job that was stopped, whose rows lie under this name below its directory, ten times each."""
    world.upstream.ends_as = "JOB_STATE_CANCELLED"
    world.create()
    world.clock += 4_000
    world.upstream._turn()
    with world.objects.open(f"{FOLDER}/predictions.jsonl") as stream:
        rows = stream.read()
    world.objects.delete(f"{FOLDER}/predictions.jsonl")
    world.objects.write(f"{FOLDER}/{name}", [rows * 10])
    [job] = world.rest()
    return job.cost.priced_lines


@pytest.mark.parametrize("name", ["incremental_predictions.jsonl", "incremental_predictions.jsonl-00000-of-00001"])
def test_a_partial_export_of_its_own_counts(world: Passing, name: str) -> None:
    assert stopped(world, name) == 50


@pytest.mark.parametrize(
    "name",
    [
        "incremental/prediction-model-2026-11-21T10:05:00.000000Z/predictions.jsonl",
        "deeper/incremental_predictions.jsonl",
        "incremental.txt",
        "notes.jsonl.txt/incremental",
    ],
)
def test_what_lies_deeper_is_another_jobs(world: Passing, name: str) -> None:
    assert stopped(world, name) == 0
