"""What every bus adapter promises: at least once, in any order."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.messages import Message
from tests.storage.conftest import Wire


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (Message(step="prepare", batch="batch_a"), {"step": "prepare", "batch": "batch_a"}),
        (Message(step="check", shard="batch_a-0001"), {"step": "check", "shard": "batch_a-0001"}),
        (Message(step="sweep"), {"step": "sweep"}),
    ],
)
def test_a_message_arrives_as_its_body(wire: Wire, message: Message, body: dict[str, str]) -> None:
    wire.bus.publish([message])

    assert body in wire.taken()


def test_the_trace_of_a_message_arrives_beside_it(wire: Wire) -> None:
    wire.bus.publish([Message(step="check", shard="a", trace="00-1-2-01"), Message(step="check", shard="b")])

    traces = {data["shard"]: attributes.get("traceparent") for data, attributes in wire.arrived()}

    assert traces == {"a": "00-1-2-01", "b": None}


def test_all_messages_of_one_call_arrive(wire: Wire) -> None:
    wire.bus.publish(Message(step="check", shard=f"s-{number}") for number in range(100))

    assert {body["shard"] for body in wire.taken()} == {f"s-{number}" for number in range(100)}


def test_the_same_message_may_be_sent_again(wire: Wire) -> None:
    """Nothing is dropped as a duplicate: the second one may be the one that counts."""
    wire.bus.publish([Message(step="sweep")])
    wire.bus.publish([Message(step="sweep")])

    assert len(wire.taken()) >= 2


def test_nothing_to_say_is_no_message(wire: Wire) -> None:
    wire.bus.publish([])

    assert wire.taken() == []


def test_many_may_publish_at_once(wire: Wire) -> None:
    def work(who: int) -> None:
        for number in range(10):
            wire.bus.publish([Message(step="check", shard=f"s-{who}-{number}")])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))

    assert {body["shard"] for body in wire.taken()} == {f"s-{who}-{number}" for who in range(4) for number in range(10)}
