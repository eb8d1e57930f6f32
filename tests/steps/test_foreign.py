"""Where somebody else's predictions lie a job writes nothing: not before Google has told it, and not after."""

from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.access import ADMIN, Caller
from shared.domain.errors import Forbidden
from shared.domain.passthrough import VertexJob
from shared.steps import new_job
from tests.steps.test_meter import CALLER, ROWS, Passing

OTHER = Caller(owner="user:b", user="b", team="two", key="key-b", payers=("key-b",))
MATE = replace(CALLER, owner="user:mate", key="key-mate")
FOLDER = "out/prediction-model-2026-11-21T10:00:00.000000Z"


@pytest.fixture
def world(tmp_path: Path) -> Passing:
    return Passing(tmp_path)


def create(world: Passing, caller: Caller, output: str) -> VertexJob:
    source = world.put(ROWS, f"in-{len(world.records())}")
    job = world.new(source)
    place = replace(job.output, segments=("jobs", *output.split("/")))
    destination = {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": place.name}}
    return new_job.create(world.app, caller, replace(job, output=place, body={**job.body, "outputConfig": destination}))


def refused(world: Passing, caller: Caller, output: str) -> bool:
    before = len(world.records())
    try:
        create(world, caller, output)
    except Forbidden as error:
        where = error.args[0].partition(": ")[0]
        assert (where, len(world.records())) == ("outputConfig.gcsDestination.outputUriPrefix", before)
        return True
    return False


@pytest.mark.parametrize("output", [FOLDER, f"{FOLDER}/incremental", f"{FOLDER}/deep/er"])
def test_a_directory_that_was_told_as_anothers_is_written_to_by_nobody_else(world: Passing, output: str) -> None:
    create(world, CALLER, "out")
    world.rest()

    assert refused(world, OTHER, output)
    for caller in (CALLER, MATE, ADMIN):
        assert not refused(world, caller, output)


def test_what_may_be_told_as_anothers_is_taken_already(world: Passing) -> None:
    create(world, CALLER, "out")

    assert refused(world, OTHER, FOLDER)
    assert refused(world, OTHER, f"{FOLDER}/x")


@pytest.mark.parametrize("prefix", ["out", "predictions", "predictions/of/all", "prediction"])
def test_a_prefix_that_several_write_to_is_shared_while_they_run_and_after(world: Passing, prefix: str) -> None:
    for _ in range(2):
        assert not refused(world, CALLER, prefix)
        assert not refused(world, OTHER, prefix)
        assert not refused(world, OTHER, f"{prefix}/deeper")
        world.rest()


def test_claims_keep_nobody_from_predictions_of_ones_own(world: Passing) -> None:
    create(world, CALLER, "out")
    world.rest()
    for _ in range(25):
        assert refused(world, OTHER, FOLDER)
    place = replace(world.put(ROWS), segments=("jobs", *FOLDER.split("/"), "predictions.jsonl"))

    assert new_job.create(world.app, CALLER, world.new(place)).name


def test_a_refusal_is_an_audit_record(world: Passing, capsys: pytest.CaptureFixture[str]) -> None:
    create(world, CALLER, "out")
    world.rest()
    capsys.readouterr()

    assert refused(world, OTHER, FOLDER)
    told = [line for line in capsys.readouterr().out.splitlines() if '"audit": true' in line]
    assert len(told) == 1
    assert FOLDER in told[0]
    assert '"key_id": "key-b"' in told[0]


@pytest.mark.parametrize(
    "mark", ["prediction%2Dmodel", "predictio%6E-model", "%70rediction-model", "%2570rediction-model"]
)
def test_a_directory_whose_name_is_written_in_another_way_is_anothers_still(world: Passing, mark: str) -> None:
    create(world, CALLER, "out")
    written = FOLDER.replace("prediction-model", mark)
    assert refused(world, OTHER, written)
    world.rest()

    assert refused(world, OTHER, f"{written}/x")
    assert not refused(world, CALLER, written)
    place = replace(world.put(ROWS), segments=("jobs", *written.split("/"), "predictions.jsonl"))
    with pytest.raises(Forbidden, match="may not read"):
        new_job.create(world.app, OTHER, world.new(place))
