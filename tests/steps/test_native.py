"""Files of the provider's own rows: in as they are, out as they came, and counted and paid like all others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.domain.batch import Batch, Status
from shared.domain.hints import Hints
from tests.steps.world import World


def row(text: str, **more: Any) -> dict[str, Any]:
    return {**more, "request": {"contents": [{"role": "user", "parts": [{"text": text}]}]}}


def started(world: World, rows: list[Any], *models: str) -> Batch:
    content = b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in rows)
    file = replace(world.upload(content), native=True, hints=Hints(models=models))
    world.documents.transact(lambda tx: tx.put(file))
    batch = world.start(file)
    world.settle(batch.id)
    return world.batch(batch.id)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_rows_come_back_as_the_provider_wrote_them_under_the_caller_s_own_keys(world: World) -> None:
    batch = started(world, [row("one", key="mine"), row("two"), row("three", key="r-000001")], "flash")
    assert (batch.status, batch.counts.completed) == (Status.COMPLETED, 3)
    output = world.output(batch.id)
    assert {each["response"]["candidates"][0]["content"]["parts"][0]["text"]: each.get("key") for each in output} == {
        "echo one": "mine",
        "echo two": None,
        "echo three": "r-000001",
    }
    assert all("custom_id" not in each for each in output)
    assert batch.cost.priced_lines == 3
    assert batch.usage.input_tokens == 21


def test_rows_that_fail_stand_in_the_error_file_with_the_provider_s_status(world: World) -> None:
    batch = started(world, [row("fine"), row("please fail", key="bad")], "flash")
    (failed,) = world.errors(batch.id)
    assert failed["key"] == "bad"
    assert failed["status"].startswith("Bad Request")
    assert (batch.counts.completed, batch.counts.failed) == (1, 1)


def test_rows_that_the_provider_could_not_take_say_why(world: World) -> None:
    batch = started(world, [row("fine"), {"key": "odd", "prompt": "x"}, row("x", key="sly", status="done")], "flash")
    errors = {each["key"]: each["status"] for each in world.errors(batch.id)}
    assert errors.keys() == {"odd", "sly"}
    assert all(status.startswith("INVALID_ARGUMENT: ") for status in errors.values())
    assert batch.counts.completed == 1


def test_rows_that_never_ran_say_so(world: World) -> None:
    world.upstream.takes = 10**9
    content = json.dumps(row("x", key="mine")).encode()
    file = replace(world.upload(content), native=True, hints=Hints(models=("flash",)))
    world.documents.transact(lambda tx: tx.put(file))
    batch = world.start(file, window="1h")
    world.pump()
    world.clock += 3_700_000
    world.upstream.writes = False
    world.settle(batch.id)
    (lost,) = world.errors(batch.id)
    assert lost["key"] == "mine"
    assert lost["status"].startswith("batch_expired: ")


def test_what_is_no_object_fails_the_batch_with_its_line(world: World) -> None:
    batch = started(world, [row("fine"), b"[1]", b'{"request": {}, "request": {}}'], "flash")
    assert batch.status is Status.FAILED
    assert [(error.code, error.line) for error in batch.errors] == [("invalid_json_line", 2), ("invalid_json_line", 3)]


def test_rows_without_a_model_beside_them_are_for_nobody(world: World) -> None:
    batch = started(world, [row("fine")])
    assert batch.status is Status.FAILED
    assert "target_model_names" in batch.errors[0].message


def test_rows_are_only_for_those_who_have_a_shape_of_their_own(tmp_path: Path) -> None:
    world = World(tmp_path, openai="http://127.0.0.1:9/v1")
    batch = started(world, [row("fine")], "mini")
    assert batch.status is Status.FAILED
    assert "does not run" in batch.errors[0].message
