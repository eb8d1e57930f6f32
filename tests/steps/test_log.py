"""What the log says: the facts that alerts, counters and the trace view are built on."""

import json
from typing import Any

import pytest

from shared.domain.clock import HOUR, MINUTE
from shared.domain.messages import Message
from shared.steps.cancel import request_cancel
from shared.steps.dead import record_dead
from shared.steps.sweep import sweep
from shared.trace import Trace, tracing
from tests.steps.world import World, chat

TRACE = Trace(id="4bf92f3577b34da6a3ce929d0e0e4736", span="00f067aa0ba902b7", sampled=True)


def facts(capsys: pytest.CaptureFixture[str], action: str) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [fact for fact in said if fact["message"] == action]


def test_every_message_carries_the_trace_that_it_was_sent_in(world: World) -> None:
    with tracing(TRACE):
        world.start([chat("a")])

    (sent,) = world.bus.queue.claim(world.now(), 1, 10)
    assert sent.attributes == {"traceparent": TRACE.parent()}


def test_a_message_that_was_never_sent_keeps_its_trace(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request died; the sweep that sends it has another trace."""
    monkeypatch.setattr("shared.steps.commit.dispatch", lambda *_: None)
    with tracing(TRACE):
        world.start([chat("a")])
    monkeypatch.undo()
    world.clock += 20_000

    with tracing(Trace.new()):
        sweep(world.app)

    assert TRACE.parent() in [sent.attributes["traceparent"] for sent in world.bus.queue.claim(world.now(), 1, 10)]


@pytest.mark.parametrize(
    ("lines", "status", "numbers"),
    [
        ([chat("a"), chat("b")], "completed", {"total": 2, "completed": 2, "failed": 0, "unpriced_lines": 0}),
        ([chat("a", model="odd")], "completed", {"total": 1, "unpriced_lines": 1, "nano": 0}),
        ([chat("a"), chat("a")], "failed", {"completed": 0}),
    ],
)
def test_how_a_batch_ended_is_said_once(
    world: World, capsys: pytest.CaptureFixture[str], lines: list[dict[str, Any]], status: str, numbers: dict[str, int]
) -> None:
    batch = world.start(lines)
    world.settle(batch.id)

    (ended,) = facts(capsys, "batch_ended")
    assert (ended["batch_id"], ended["status"]) == (batch.id, status)
    assert {name: ended[name] for name in numbers} == numbers
    assert ended["nano"] == world.batch(batch.id).cost.nano


def test_a_batch_that_was_given_up_has_ended_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    batch = world.start([chat("a")])
    world.objects.delete(batch.input_object or "")
    record_dead(world.app, Message(step="prepare", batch=batch.id), "given up")

    assert [fact["status"] for fact in facts(capsys, "batch_ended")] == ["failed"]


def test_a_batch_that_does_not_end_in_its_time_is_called_stuck(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.start([chat("a")], window="1h")
    world.pump()
    world.clock += HOUR
    sweep(world.app)
    assert facts(capsys, "batch_stuck") == []

    world.clock += 16 * MINUTE
    sweep(world.app)
    assert [fact["severity"] for fact in facts(capsys, "batch_stuck")] == ["ERROR"]


def test_a_cancelled_batch_that_does_not_end_is_called_stuck(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    batch = world.start([chat("a")])
    request_cancel(world.app, batch.id)
    world.clock += 16 * MINUTE
    sweep(world.app)

    assert [fact["batch_id"] for fact in facts(capsys, "batch_stuck")] == [batch.id]
