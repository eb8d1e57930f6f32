"""What one batch may become: how many deployments, how many jobs, and where each of its shards begins in the input."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch, Status
from shared.domain.messages import Message
from shared.lines import read
from shared.steps.prepare import prepare
from shared.steps.source import input_lines
from tests.steps.world import World, chat

SMALL = 1024  # bytes of a chunk, so that small files have many


def deployment(group: str, **more: Any) -> Deployment:
    return Deployment(
        **{
            "id": f"{group}#x",
            "group": group,
            "provider": "vertex_ai",
            "model": "gemini-2.5-flash",
            "project": "p",
            "location": "global",
            "api_base": "http://127.0.0.1:9",
            **more,
        }
    )


def pattern() -> Deployment:
    return deployment("*", provider="openai", model="*", api_base="http://127.0.0.1:9/v1", api_key="sk-no")


def server(**more: Any) -> Deployment:
    return deployment(
        "tiny", provider="hosted_vllm", model="tiny", api_base="http://127.0.0.1:9/v1", batches="execute", **more
    )


def prepared(world: World, lines: list[dict[str, Any]] | bytes) -> Batch:
    batch = world.start(lines)
    prepare(world.app, batch.id)
    return world.batch(batch.id)


def test_a_pattern_stands_for_a_hundred_models_of_one_batch(tmp_path: Path) -> None:
    world = World(tmp_path, more=(pattern(),))
    lines = [chat(f"l{n}", model=f"gpt-4o-{n % 100}") for n in range(300)]
    batch = prepared(world, lines)
    assert (batch.status, batch.shards) == (Status.IN_PROGRESS, 100)


def test_a_batch_that_names_more_models_than_a_pattern_may_stand_for_fails(tmp_path: Path) -> None:
    world = World(tmp_path, more=(pattern(),))
    lines = [chat(f"l{n}", model=f"gpt-4o-{n}") for n in range(103)]
    batch = prepared(world, [*lines, chat("known", model="gpt-4o-7"), chat("listed", model="flash")])
    assert batch.status is Status.FAILED
    assert [(error.code, error.param, error.line) for error in batch.errors] == [
        ("too_many_models", "body.model", line) for line in (101, 102, 103)
    ]
    assert "100" in batch.errors[0].message
    assert world.app.config.deployments[-1].pattern
    assert sum(":" in id for id in world.app._providers) <= 100


def test_groups_that_are_listed_are_not_counted(tmp_path: Path) -> None:
    world = World(tmp_path, more=tuple(deployment(f"g{n}") for n in range(120)))
    assert prepared(world, [chat(f"l{n}", model=f"g{n}") for n in range(120)]).shards == 120


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"most_lines": 1}, "1 request,"), ({"most_tokens": 60}, "60 enqueued tokens,"), ({"most_bytes": 1024}, "bytes,")],
    ids=["lines", "tokens", "bytes"],
)
def test_a_batch_of_more_jobs_than_it_may_have_fails_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], says: str
) -> None:
    monkeypatch.setattr("shared.steps.lanes.MOST_JOBS", 40)
    world = World(tmp_path, more=(deployment("few", **limits),))
    batch = prepared(world, [chat(f"l{n}", "word " * 100, model="few") for n in range(100)])
    assert (batch.status, batch.shards) == (Status.FAILED, 0)
    (error,) = batch.errors
    assert (error.code, error.line) == ("too_many_jobs", None)
    assert all(part in error.message for part in ("40", "'few'", says, "Split the file", "batch_limits"))
    assert "few#x" not in error.message


def test_as_many_jobs_as_a_batch_may_have_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.steps.lanes.MOST_JOBS", 40)
    world = World(tmp_path, more=(deployment("few", most_lines=1),))
    assert prepared(world, [chat(f"l{n}", model="few") for n in range(40)]).shards == 40


def test_where_jobs_are_small_by_our_choice_the_file_is_to_be_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.steps.lanes.MOST_JOBS", 2)
    world = World(tmp_path, more=(server(),))
    (error,) = prepared(world, [chat(f"l{n}", model="tiny") for n in range(1_600)]).errors
    assert (error.code, "batch_limits" in error.message) == ("too_many_jobs", False)


@pytest.mark.parametrize(("parallel", "begun"), [(1, 2), (32, 2), (33, 3), (256, 9), (1_024, 33)])
def test_as_many_shards_are_begun_as_workers_find_room_and_one_more(tmp_path: Path, parallel: int, begun: int) -> None:
    world = World(tmp_path, more=(server(parallel=parallel, most_lines=1),))
    assert prepared(world, [chat(f"l{n}", model="tiny") for n in range(40)]).shards == 40
    sent = [Message(**each.data).step for each in world.bus.queue.claim(world.now(), 1_000, 1_000)]
    assert sent.count("execute") == begun


def first_ordinal(world: World, index: str) -> int:
    with world.objects.open(index) as stream:
        ordinal: int = json.loads(stream.readline())[0]
        return ordinal


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n\r\n"], ids=["plain", "bom", "blank"])
def test_a_shard_remembers_where_its_first_line_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(read, "CHUNK", SMALL)
    world = World(tmp_path, rows_per_job=17)
    text = "".join(json.dumps(chat(f"l{n}", "é" * (n % 50), model=("flash", "lite")[n % 2])) + "\n" for n in range(200))
    batch = prepared(world, start + text.encode())
    shards = world.shards(batch.id)
    assert len(shards) == 12
    whole = dict(input_lines(world.app, batch))
    for shard in shards:
        first = first_ordinal(world, shard.index)
        assert shard.since is not None
        left = list(input_lines(world.app, batch, since=shard.since))
        assert left == [(number, raw) for number, raw in whole.items() if number >= shard.since[0]]
        assert first in dict(left)
        assert sum(len(raw or b"") + 1 for number, raw in left if number < first) <= 2 * SMALL
    assert max(shard.since for shard in shards if shard.since is not None) > (100, 0)


def test_what_is_read_from_the_middle_leaves_marks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "CHUNK", SMALL)
    world = World(tmp_path)
    batch = prepared(world, [chat(f"l{n}") for n in range(100)])
    marks: list[tuple[int, int]] = []
    list(input_lines(world.app, batch, marks=marks))
    again: list[tuple[int, int]] = []
    list(input_lines(world.app, batch, since=marks[3], marks=again))
    assert again[0] == marks[3]
    with world.objects.open(layout.file_object("data", batch.input_file_id)) as stream:
        data = stream.read()
    assert all(data[:offset].count(b"\n") == number - 1 for number, offset in again)
