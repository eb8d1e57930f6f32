"""Pages of a list: Google's clients ask for a page for as long as they get a token, and fall over one that is empty."""

from dataclasses import replace
from typing import Any

import pytest

from functions.vertex import listing
from tests.functions.conftest import Answer
from tests.functions.vertex.conftest import JOBS, World, google


def page(world: World, **query: str) -> Answer:
    return world.api.get(JOBS, query_string=query)


def jobs_on(world: World, query: dict[str, str]) -> list[str]:
    """Everything there is, as a client pages through it: no page is empty but the first."""
    found, token = list[str](), ""
    while True:
        answer = page(world, **query, pageToken=token)
        assert answer.status_code == 200, answer.text
        names = [job["displayName"] for job in answer.json.get("batchPredictionJobs", [])]
        assert names or not token
        found += names
        token = answer.json.get("nextPageToken", "")
        if not token:
            return found


def make(world: World, *names: str) -> None:
    """Jobs of these names, the newest last."""
    world.put("gs://jobs/in.jsonl")
    for name in names:
        world.api.clock.pass_by(1_000)
        answer = world.api.post(JOBS, json=world.body(displayName=name))
        assert answer.status_code == 200, answer.text


def change(world: World, displayed: str, **changes: Any) -> None:
    job = next(each for each in world.records() if f'"{displayed}"' in each.resource)
    world.api.app.documents.transact(lambda tx: tx.put(replace(job, **changes)))


@pytest.mark.parametrize("size", ["1", "2", "3", "50"])
@pytest.mark.parametrize(
    "changes",
    [{"deleted": True}, {"location": "us-east1"}, {"name": None}, {"ended": True, "name": None}],
)
def test_what_is_not_shown_makes_no_page_of_its_own(world: World, changes: dict[str, Any], size: str) -> None:
    make(world, "hidden-1", "one", "hidden-2", "two", "hidden-3")
    for name in ("hidden-1", "hidden-2", "hidden-3"):
        change(world, name, **changes)

    assert jobs_on(world, {"pageSize": size}) == ["two", "one"]


@pytest.mark.parametrize("size", ["1", "2", "50"])
def test_what_a_filter_refuses_makes_no_page_of_its_own(world: World, size: str) -> None:
    make(world, "old", "one", "old", "two", "old")

    assert jobs_on(world, {"pageSize": size, "filter": 'display_name!="old"'}) == ["two", "one"]


def test_a_page_that_was_full_with_the_last_job_has_no_token(world: World) -> None:
    make(world, "one", "two")

    assert "nextPageToken" not in page(world, pageSize="2").json
    assert "nextPageToken" in page(world, pageSize="1").json


def test_a_token_is_good_wherever_the_search_had_to_stop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at a job of another location, or one that was deleted since."""
    monkeypatch.setattr(listing, "_LOOKED_AT", 2)
    make(world, "one", "gone", "elsewhere-1", "elsewhere-2")
    for name in ("elsewhere-1", "elsewhere-2"):
        change(world, name, location="us-east1")
    first = page(world)
    assert first.json.keys() == {"nextPageToken"}  # nobody knows yet whether there are more

    second = page(world, pageToken=first.json["nextPageToken"])
    assert [job["displayName"] for job in second.json["batchPredictionJobs"]] == ["gone", "one"]
    assert "nextPageToken" not in second.json
    token = page(world, pageSize="1", pageToken=first.json["nextPageToken"]).json["nextPageToken"]
    change(world, "gone", deleted=True)
    assert [job["displayName"] for job in page(world, pageToken=token).json["batchPredictionJobs"]] == ["one"]


def test_a_token_of_another_location_pages_on_there(world: World) -> None:
    """As at Google a token is a place in the list, and what is seen is judged anew."""
    make(world, "one", "two")
    token = page(world, pageSize="1").json["nextPageToken"]

    assert world.api.get(f"{JOBS.replace('global', 'us-east1')}?pageToken={token}").json == {}
    assert google(world.as_("b").api.get(f"{JOBS}?pageToken={token}"))[:2] == (400, "INVALID_ARGUMENT")
