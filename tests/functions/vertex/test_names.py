"""Google's names hold a project's number, and a configuration its id: a job is found by either, in whatever process."""

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.passthrough import ProjectNumber, VertexJob
from shared.storage.ports import Transaction
from shared.storage.queries import JOBS_BY_NUMBER
from tests.functions.vertex.conftest import JOBS, World, google

UNKNOWN = "555555555555"


def begin_anew(world: World) -> None:
    """Another process, which remembers nothing."""
    world.api.app._memory.clear()


def add(world: World, *jobs: VertexJob) -> None:
    def put(tx: Transaction) -> None:
        for job in jobs:
            tx.put(job)

    world.api.app.documents.transact(put)


def jobs_of_another_project(world: World, count: int) -> None:
    [job] = world.records()
    name = str(job.name).replace(number_of(str(job.name)), UNKNOWN)
    add(
        world,
        *(
            replace(job, id=f"job_{at:032x}", project="q", name=name, number=f"9{at}", created_at=job.created_at + at)
            for at in range(1, count + 1)
        ),
    )


def number_of(name: str) -> str:
    return name.split("/")[1]


def test_a_job_is_found_by_the_name_that_create_gave_it_however_many_others_came_later(world: World) -> None:
    name = world.create()["name"]
    job = world.settled(name)
    jobs_of_another_project(world, 120)
    begin_anew(world)

    assert world.api.get(f"/v1/{name}").json["name"] == name
    assert world.api.get(f"/v1/jobs/{name}/cost").json["total"] == job.cost.total
    assert google(world.api.post(f"/v1/{name}:cancel", json={}))[1] == "FAILED_PRECONDITION"
    assert world.api.delete(f"/v1/{name}").json["done"] is True


def test_a_list_and_a_create_know_the_number_of_a_project_from_the_first_job_on(world: World) -> None:
    name = world.create()["name"]
    world.settled(name)
    jobs_of_another_project(world, 120)
    begin_anew(world)
    parent = f"/v1/{name.rpartition('/')[0]}"

    assert [job["name"] for job in world.api.get(parent).json["batchPredictionJobs"]] == [name]
    model = f"projects/{number_of(name)}/locations/global/publishers/google/models/gemini-2.5-flash"
    assert world.api.post(parent, json=world.body(model=model)).status_code == 200


def test_a_number_that_another_process_has_just_learnt_is_known_at_once(world: World) -> None:
    """Though this one was asked for it in vain, and somebody asks for numbers that nobody knows all the time."""
    known = f"/v1/projects/{number_of(world.create()['name'])}/locations/global/batchPredictionJobs"
    [job] = world.records()
    forget(world)
    begin_anew(world)
    assert google(world.api.get(known))[:2] == (403, "PERMISSION_DENIED")
    world.create()

    for _ in range(3):
        unknown = known.replace(number_of(str(job.name)), UNKNOWN)
        assert google(world.api.get(unknown))[:2] == (403, "PERMISSION_DENIED")
        assert world.api.get(known).status_code == 200
        world.api.app._memory.clear()


def forget(world: World) -> None:
    [job] = world.records()
    world.api.app.documents.transact(lambda tx: tx.delete(ProjectNumber, number_of(str(job.name))))


def test_a_job_whose_create_got_no_answer_teaches_the_number_as_well(world: World) -> None:
    world.put("gs://jobs/in.jsonl")
    world.place.fault(on="create", do="lose")
    world.places()
    job = world.until(lambda: next((job for job in world.records() if job.name), None))
    begin_anew(world)

    assert world.api.get(f"/v1/{str(job.name).rpartition('/')[0]}").json["batchPredictionJobs"] != []


@pytest.mark.parametrize("other", ["project", "location", "number"])
def test_a_name_that_differs_in_any_part_is_no_name_of_the_job(world: World, other: str) -> None:
    name = world.create()["name"]
    wrong = {
        "project": name.replace(number_of(name), UNKNOWN),
        "location": name.replace("/global/", "/us-central1/"),
        "number": f"{name}1",
    }[other]

    for method, tail in [("GET", ""), ("POST", ":cancel"), ("DELETE", "")]:
        code, _, message = google(world.api.call(method, f"/v1/{wrong}{tail}", json={}))
        assert code == (403 if other == "project" else 404)
        assert "batchPredictionJobs" in message
    assert world.api.get(f"/v1/jobs/{wrong}/cost").status_code == 404


def test_a_job_of_somebody_else_tells_nothing_of_its_project(world: World) -> None:
    """An unknown job and a foreign one are answered alike, whether the number is known or not."""
    name = world.create()["name"]
    missing = f"{name.rpartition('/')[0]}/1234567890123456789"
    world.as_("b")
    for _ in range(2):
        begin_anew(world)
        one, other = world.api.get(f"/v1/{name}"), world.api.get(f"/v1/{missing}")
        assert one.text.replace(name, missing) == other.text
        world.as_("a")
        forget(world)
        world.as_("b")


def test_a_job_that_is_over_can_be_read_after_its_place_has_left_the_configuration(world: World) -> None:
    name = world.create()["name"]
    job = world.settled(name)
    object.__setattr__(world.api.app, "config", world.api.app.config.model_copy(update={"deployments": ()}))

    assert world.api.get(f"/v1/jobs/{name}/cost").json["total"] == job.cost.total
    assert world.api.get(f"/v1/{name}").json["state"] == "JOB_STATE_SUCCEEDED"
    assert google(world.api.get(JOBS))[:2] == (403, "PERMISSION_DENIED")


def test_reading_a_job_by_its_number_reads_no_list_of_jobs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name = world.create()["name"]
    begin_anew(world)
    asked: list[Any] = []
    query = world.api.app.documents.query

    def spied(*args: Any, **rest: Any) -> list[Any]:
        asked.append(args[0])
        return query(*args, **rest)

    monkeypatch.setattr(world.api.app.documents, "query", spied)

    assert world.api.get(f"/v1/{name}").status_code == 200
    assert asked == [JOBS_BY_NUMBER]
