"""Tags of keys and teams have one place, `metadata.tags`, and who writes them last has written them.

At LiteLLM metadata are read, changed and written as a whole; that is how a tag is taken away there.
"""

from typing import Any

import pytest

from shared.domain.keys import Key, Team, team_account
from tests.functions.conftest import Api
from tests.functions.office import key_of, ok

Change = dict[str, Any]
CHANGES: list[tuple[Change, list[str]]] = [
    ({"tags": ["b"]}, ["b"]),
    ({"tags": []}, []),
    ({"tags": ["c", "c"]}, ["c"]),
    ({"metadata": {"tags": ["b"]}}, ["b"]),
    ({"metadata": {"tags": []}}, []),
    ({"metadata": {"tags": None}}, []),
    ({"metadata": {"x": 1}}, []),
    ({"metadata": None}, []),
    ({"metadata": {"tags": ["c"]}, "tags": ["d"]}, ["d"]),
    ({"tags": None}, ["a", "b"]),
    ({"rpm_limit": 5}, ["a", "b"]),
]


@pytest.mark.parametrize("first", [{"tags": ["a", "b"]}, {"metadata": {"tags": ["a", "b"]}}], ids=str)
@pytest.mark.parametrize(("change", "left"), CHANGES, ids=str)
def test_the_last_who_writes_the_tags_of_a_key_has_written_them(
    api: Api, first: Change, change: Change, left: list[str]
) -> None:
    made = key_of(api, **first)
    assert made["metadata"]["tags"] == ["a", "b"]

    row = ok(api.post("/key/update", json={"key": made["token"], **change}))

    info = ok(api.get(f"/key/info?key={made['token']}"))["info"]
    record = api.app.documents.get(Key, made["token"])
    assert record is not None
    assert list(record.tags) == left
    for shown in (row, info):
        assert list(dict.fromkeys((shown["metadata"] or {}).get("tags") or [])) == left
        assert (shown["tags"] or []) == left


@pytest.mark.parametrize(("change", "left"), CHANGES, ids=str)
def test_and_of_a_team(api: Api, change: Change, left: list[str]) -> None:
    ok(api.post("/team/new", json={"team_id": "t", "tags": ["a", "b"]}))

    row = ok(api.post("/team/update", json={"team_id": "t", **change}))["data"]

    team = api.app.documents.get(Team, team_account("t"))
    assert team is not None
    assert list(team.tags) == left
    assert (row["tags"] or []) == left


def test_metadata_that_are_read_changed_and_written_keep_all_else(api: Api) -> None:
    made = key_of(api, tags=["a", "b"], metadata={"x": 1})
    metadata = ok(api.get(f"/key/info?key={made['token']}"))["info"]["metadata"]
    metadata["tags"].remove("a")

    ok(api.post("/key/update", json={"key": made["token"], "metadata": metadata}))

    assert ok(api.get(f"/key/info?key={made['token']}"))["info"]["metadata"] == {"x": 1, "tags": ["b"]}


def test_of_two_places_in_one_request_the_field_counts(api: Api) -> None:
    """As at LiteLLM, where the field is written into the metadata."""
    made = key_of(api, tags=["a", "b"], metadata={"tags": ["c"], "x": 1})
    assert made["metadata"] == {"tags": ["a", "b"], "x": 1}
