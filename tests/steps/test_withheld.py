"""Rows of a job may not name what lies in the operator's project, which is read with the project's identity."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.domain.errors import BadRequest
from shared.steps import new_job
from tests.steps.test_meter import CALLER, Passing, row

STORE = {"retrieval": {"vertexAiSearch": {"datastore": "projects/p/locations/global/collections/c/dataStores/hr"}}}
CACHE = {"cachedContent": "projects/p/locations/global/cachedContents/1"}


def asking(**more: Any) -> dict[str, Any]:
    plain = row(1)
    return {**plain, "request": {**plain["request"], **more}}


@pytest.fixture
def world(tmp_path: Path) -> Passing:
    return Passing(tmp_path)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (asking(**CACHE), "request.cachedContent"),
        (asking(cached_content="x"), "request.cached_content"),
        (asking(tools=[STORE]), "request.tools[0].retrieval"),
        (asking(tools=[{"functionDeclarations": [{"name": "f"}]}, STORE]), "request.tools[1].retrieval"),
    ],
)
def test_a_job_with_such_a_row_is_refused_before_anything_is_asked_for(
    world: Passing, asked: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        world.create([row(0), asked])

    assert refused.value.code == "INVALID_ARGUMENT"
    assert str(refused.value).startswith(f"inputConfig.gcsSource.uris: '{named}' in row 2 of the input names ")
    assert (world.records(), world.upstream.created()) == ([], [])


def test_of_a_large_input_the_rows_looked_at_are_judged(world: Passing) -> None:
    source = world.put([{**asking(**CACHE), "beside": "x" * 100_000} for _ in range(100)])
    with pytest.raises(BadRequest, match=r"'request\.cachedContent' in a row of the input"):
        new_job.create(world.app, CALLER, world.new(source))


@pytest.mark.parametrize("odd", [b'"\xff"', b"NaN", b'"\\ud800"'])
def test_a_row_that_is_not_json_to_the_letter_hides_nothing(world: Passing, odd: bytes) -> None:
    source = world.put([row(0)])
    world.objects.delete(source.name)
    world.objects.write(source.name, [b'{"odd": ' + odd + b"," + json.dumps(asking(**CACHE)).encode()[1:] + b"\n"])
    with pytest.raises(BadRequest, match=r"'request\.cachedContent' in row 1 of the input"):
        new_job.create(world.app, CALLER, world.new(source))


@pytest.mark.parametrize("more", [{"cachedContent": None}, {"tools": [{"retrieval": None}]}, {"tools": None}])
def test_a_member_that_says_nothing_is_nothing(world: Passing, more: dict[str, Any]) -> None:
    world.create([asking(**more)])
    assert len(world.upstream.created()) == 1
