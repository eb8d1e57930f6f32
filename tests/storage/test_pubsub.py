"""What is particular to the bus on Pub/Sub: what is sent, lost answers, silence, forks, and refusals."""

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median

import google.auth
import pytest

from shared.domain.errors import ConfigError, Transient
from shared.domain.messages import Message
from shared.storage.pubsub import PubsubBus
from tests.google.trouble import Line, nobody, refusing
from tests.storage.conftest import Subscription, emulated, new_project

SWEEP = Message(step="sweep")


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Iterator[str]:
    with emulated(request, "pubsub") as host:
        yield host


@pytest.fixture
def project(host: str) -> str:
    return new_project()


@pytest.fixture
def subscription(project: str) -> Iterator[Subscription]:
    with closing(Subscription(project)) as subscription:
        yield subscription


@pytest.fixture
def bus(project: str, subscription: Subscription) -> Iterator[PubsubBus]:
    with closing(PubsubBus(f"pubsub://{project}/steps")) as bus:
        yield bus


@pytest.fixture
def line(host: str, subscription: Subscription, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """Where the bus's calls go through: the subscription's do not."""
    with closing(Line(host)) as line:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.host)
        yield line


# ---- where


@pytest.mark.parametrize(
    "url", ["", "pubsub:", "pubsub://p", "pubsub://p/", "pubsub:///t", "pubsub://p/t/u", "pubsub://p/1st", "sqlite://"]
)
def test_what_is_no_address_of_a_topic_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="pubsub://PROJECT/TOPIC"):
        PubsubBus(url)


def test_nothing_is_connected_before_the_first_use_and_then_once(bus: PubsubBus) -> None:
    assert bus._client._made == {}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: bus.publish([SWEEP]), range(8)))

    assert list(bus._client._made) == [os.getpid()]


def test_the_emulator_is_asked_without_anybody_s_credentials(bus: PubsubBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """To look for them takes seconds where there are none."""

    def looked(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(google.auth, "default", looked)

    bus.publish([SWEEP])


def test_a_closed_one_opens_again(bus: PubsubBus, subscription: Subscription) -> None:
    bus.publish([SWEEP])
    bus.close()
    bus.close()
    bus.publish([SWEEP])

    assert len(subscription.messages()) == 2


# ---- what is sent


def test_a_message_is_json_and_says_its_step_and_trace_beside_it(bus: PubsubBus, subscription: Subscription) -> None:
    """A subscription can filter by attributes alone, and the trace has no other way."""
    bus.publish([Message(step="check", shard="s-1", trace="00-1-2-01"), SWEEP])

    first, second = subscription.messages()

    assert json.loads(first.data) == {"step": "check", "shard": "s-1"}
    assert dict(first.attributes) == {"step": "check", "traceparent": "00-1-2-01"}
    assert json.loads(second.data) == {"step": "sweep"}
    assert dict(second.attributes) == {"step": "sweep"}


def test_more_than_fit_into_one_request_all_arrive(bus: PubsubBus, subscription: Subscription) -> None:
    bus.publish(Message(step="check", shard=f"s-{number}") for number in range(2_500))

    arrived = [json.loads(message.data)["shard"] for message in subscription.messages()]

    assert sorted(arrived) == sorted(f"s-{number}" for number in range(2_500))


def test_a_message_is_there_when_publish_returns_and_no_thread_still_works_on_it(
    bus: PubsubBus, subscription: Subscription
) -> None:
    """A function's processor may be taken away as soon as it has answered."""
    before = set(threading.enumerate())
    bus.publish([SWEEP])
    assert set(threading.enumerate()) <= before

    bus.close()
    assert len(subscription.messages()) == 1


def test_one_message_does_not_wait_for_others(bus: PubsubBus) -> None:
    bus.publish([SWEEP])
    took = []
    for _ in range(21):
        began = time.monotonic()
        bus.publish([SWEEP])
        took.append(time.monotonic() - began)

    assert median(took) < 0.1


# ---- lost answers, silence, refusals


def test_messages_whose_answer_is_lost_are_sent_again(line: Line, bus: PubsubBus, subscription: Subscription) -> None:
    bus.publish([SWEEP])
    line.lose_answers()
    bus.publish([Message(step="check", shard="s")])

    steps = [json.loads(message.data)["step"] for message in subscription.messages()]

    assert steps == ["sweep", "check", "check"]


def test_where_nobody_listens_it_is_transient_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", nobody())
    began = time.monotonic()

    with closing(PubsubBus("pubsub://p/steps", call=60)) as bus, pytest.raises(Transient, match="ServiceUnavailable"):
        bus.publish([SWEEP])

    assert time.monotonic() - began < 20


def test_where_nobody_answers_it_is_transient_within_the_bound(line: Line) -> None:
    line.fall_silent()
    began = time.monotonic()

    with closing(PubsubBus("pubsub://p/steps", call=1)) as bus, pytest.raises(Transient, match="DeadlineExceeded"):
        bus.publish([SWEEP])

    assert time.monotonic() - began < 20
    assert PubsubBus("pubsub://p/steps")._call <= 10


def test_a_topic_that_is_not_there_is_said(bus: PubsubBus, project: str) -> None:
    """To come again would never help."""
    with closing(PubsubBus(f"pubsub://{project}/other")) as other, pytest.raises(ConfigError, match=f"{project}/other"):
        other.publish([SWEEP])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, Transient) for code in ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED", "ABORTED")),
        *((code, ConfigError) for code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND")),
    ],
)
def test_a_refusal_says_whether_to_come_again(
    monkeypatch: pytest.MonkeyPatch, code: str, kind: type[Exception]
) -> None:
    with refusing(code) as host:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
        with closing(PubsubBus("pubsub://p/steps")) as bus, pytest.raises(kind) as told:
            bus.publish([SWEEP])

    assert told.value.__cause__ is not None


# ---- processes


def publish_in_child(bus: PubsubBus) -> None:
    bus.publish([SWEEP])
    bus.close()


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("used", [False, True], ids=["before", "after"])
def test_a_fork_opens_its_own_connection_and_leaves_its_parent_s_alone(
    bus: PubsubBus, subscription: Subscription, used: bool
) -> None:
    """The server forks its workers after it has loaded us."""
    if used:
        bus.publish([SWEEP])
    child = multiprocessing.get_context("fork").Process(target=publish_in_child, args=(bus,))
    child.start()
    child.join(60)
    bus.publish([SWEEP])

    assert child.exitcode == 0
    assert len(subscription.messages()) == (3 if used else 2)
