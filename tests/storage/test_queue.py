"""The durable queue: leases, attempts, dead letters, processes, death, and a full disk."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.domain.messages import Message
from shared.storage.directory import DirectoryObjects, Finalized
from shared.storage.queue import (
    DEAD,
    FINALIZE,
    MOST_ATTEMPTS,
    STEPS,
    DeadLetter,
    Delivery,
    Queue,
    SqliteBus,
    backoff,
    finalized_to_queue,
)
from tests.storage.conftest import Worker, small_disk

Start = Callable[..., Worker]
LEASE = 1_000


class Clock:
    """The time of a test, in milliseconds."""

    def __init__(self) -> None:
        self.at = 0

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/queue.db"


@pytest.fixture
def queue(url: str, clock: Clock) -> Iterator[Queue]:
    with closing(Queue(url, now=clock)) as adapter:
        yield adapter


def claim_one(queue: Queue, now: int) -> Delivery:
    [delivery] = queue.claim(now, LEASE, 10)
    return delivery


# ---- claim


def test_a_message_is_delivered_with_all_that_was_put(queue: Queue, clock: Clock) -> None:
    clock.at = 5
    queue.put(STEPS, {"step": "sweep", "deep": {"é": [1, None]}}, {"traceparent": "00-1"})

    delivery = claim_one(queue, 5)

    assert delivery.topic == STEPS
    assert delivery.data == {"step": "sweep", "deep": {"é": [1, None]}}
    assert delivery.attributes == {"traceparent": "00-1"}
    assert (delivery.published_at, delivery.attempt) == (5, 1)


def test_nobody_else_gets_a_message_during_its_lease(queue: Queue) -> None:
    queue.put(STEPS, {})
    claim_one(queue, 0)

    assert queue.claim(LEASE - 1, LEASE, 10) == []


def test_a_message_comes_again_when_its_lease_has_run_out(queue: Queue) -> None:
    """Whoever had it was killed, or will be late."""
    queue.put(STEPS, {})
    first = claim_one(queue, 0)

    second = claim_one(queue, LEASE)

    assert (first.id, first.attempt) == (second.id, 1)
    assert second.attempt == 2
    assert first.token != second.token


def test_a_message_is_not_due_before_its_delay_is_over(queue: Queue) -> None:
    queue.put(STEPS, {}, delay=100)

    assert queue.claim(99, LEASE, 10) == []
    assert len(queue.claim(100, LEASE, 10)) == 1


def test_the_longest_due_come_first_and_no_more_than_asked_for(queue: Queue) -> None:
    for delay in (30, 10, 20, 10):
        queue.put(STEPS, {"delay": delay}, delay=delay)

    assert [delivery.data["delay"] for delivery in queue.claim(50, LEASE, 3)] == [10, 10, 20]
    assert [delivery.data["delay"] for delivery in queue.claim(50, LEASE, 3)] == [30]


def test_one_topic_may_be_claimed_alone(queue: Queue) -> None:
    queue.put(STEPS, {})
    queue.put(FINALIZE, {})

    assert [delivery.topic for delivery in queue.claim(0, LEASE, 10, topic=FINALIZE)] == [FINALIZE]
    assert (queue.depth(), queue.depth(STEPS), queue.depth(DEAD)) == (2, 1, 0)


# ---- ack and nack


def test_an_acknowledged_message_is_gone(queue: Queue) -> None:
    queue.put(STEPS, {})
    delivery = claim_one(queue, 0)

    assert queue.ack(delivery.id, delivery.token)
    assert not queue.ack(delivery.id, delivery.token)
    assert queue.depth() == 0


def test_a_refused_message_comes_again_after_its_pause(queue: Queue, clock: Clock) -> None:
    queue.put(STEPS, {})
    delivery = claim_one(queue, 0)
    clock.at = 10

    assert queue.nack(delivery.id, delivery.token, 100)

    assert queue.claim(109, LEASE, 10) == []
    assert claim_one(queue, 110).attempt == 2


def test_a_late_acknowledgement_counts_while_nobody_else_has_the_message(queue: Queue) -> None:
    queue.put(STEPS, {})
    delivery = claim_one(queue, 0)

    assert queue.ack(delivery.id, delivery.token)  # its lease is over, but the work is done


@pytest.mark.parametrize(
    "act",
    [
        lambda queue, held: queue.ack(held.id, held.token),
        lambda queue, held: queue.nack(held.id, held.token, 0),
        lambda queue, held: queue.dead_letter(held.id, held.token, "late"),
    ],
    ids=["ack", "nack", "dead_letter"],
)
def test_who_was_presumed_dead_decides_nothing(queue: Queue, act: Callable[[Queue, Delivery], bool]) -> None:
    queue.put(STEPS, {})
    dead = claim_one(queue, 0)
    alive = claim_one(queue, LEASE)

    assert not act(queue, dead)

    assert queue.claim(LEASE, LEASE, 10) == []
    assert queue.ack(alive.id, alive.token)
    assert (queue.depth(), queue.dead()) == (0, 0)


def test_after_a_refusal_its_token_is_worth_nothing(queue: Queue) -> None:
    queue.put(STEPS, {})
    delivery = claim_one(queue, 0)
    queue.nack(delivery.id, delivery.token, 0)

    assert not queue.ack(delivery.id, delivery.token)
    assert queue.depth() == 1


def test_an_id_is_never_given_twice(queue: Queue) -> None:
    """Else a late acknowledgement might hit another message, and consumers see two facts under one name."""
    ids = []
    for _ in range(3):
        queue.put(STEPS, {})
        delivery = claim_one(queue, 0)
        queue.ack(delivery.id, delivery.token)
        ids.append(delivery.id)

    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("attempt", "pause"),
    [(0, 1_000), (1, 1_000), (2, 2_000), (3, 4_000), (6, 32_000), (7, 60_000), (20, 60_000), (10**6, 60_000)],
)
def test_pauses_grow_to_a_minute(attempt: int, pause: int) -> None:
    assert backoff(attempt) == pause


# ---- dead letters


def test_a_dead_letter_is_on_record_and_announced(queue: Queue, clock: Clock) -> None:
    clock.at = 1
    queue.put(STEPS, {"step": "sweep"}, {"a": "b"})
    delivery = claim_one(queue, 1)
    clock.at = 2

    assert queue.dead_letter(delivery.id, delivery.token, "no such step")

    assert queue.dead_letters() == [
        DeadLetter(
            id=delivery.id,
            topic=STEPS,
            data={"step": "sweep"},
            attributes={"a": "b"},
            published_at=1,
            died_at=2,
            attempt=1,
            reason="no such step",
        )
    ]
    news = claim_one(queue, 2)
    assert (news.topic, news.data) == (DEAD, {"step": "sweep"})
    assert news.attributes == {
        "a": "b",
        "CloudPubSubDeadLetterSourceDeliveryCount": "1",
        "CloudPubSubDeadLetterSourceSubscription": STEPS,
        "reason": "no such step",
    }
    assert queue.dead() == 1


def test_a_message_that_is_never_acknowledged_dies_of_its_attempts(queue: Queue) -> None:
    """A worker that is killed by it cannot say that it is bad."""
    queue.put(STEPS, {})
    at = 0
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert claim_one(queue, at).attempt == attempt
        at += LEASE

    last = claim_one(queue, at)

    assert last.topic == DEAD
    assert queue.dead() == 1
    assert queue.dead_letters()[0].attempt == MOST_ATTEMPTS


def test_news_of_a_dead_letter_that_cannot_be_delivered_either_breeds_no_more_news(queue: Queue) -> None:
    queue.put(DEAD, {})
    delivery = claim_one(queue, 0)

    queue.dead_letter(delivery.id, delivery.token, "nobody there")

    assert (queue.depth(), queue.dead()) == (0, 1)


# ---- waking up


def test_when_to_look_next_is_known(queue: Queue) -> None:
    assert queue.next_due() is None
    queue.put(STEPS, {}, delay=500)
    assert queue.next_due() == 500
    queue.put(STEPS, {})
    assert queue.next_due() == 0
    claim_one(queue, 0)
    assert queue.next_due() == 500


def test_a_write_of_anybody_shows_in_the_version(url: str, queue: Queue) -> None:
    before = queue.version()
    assert queue.version() == before

    with closing(SqliteBus(url)) as other:
        other.publish([Message(step="sweep")])
    after = queue.version()
    assert after != before

    queue.put(STEPS, {})
    assert queue.version() != after


def test_an_idle_poll_does_not_wait_for_a_writer(url: str) -> None:
    with closing(Queue(url, wait=0.1)) as queue, closing(Queue(url)) as other:
        queue.depth()
        with other._database.writing():
            assert queue.claim(0, LEASE, 10) == []
            queue.version()
            queue.next_due()


# ---- the finalize event


def test_only_news_of_what_providers_wrote_is_passed_on(queue: Queue) -> None:
    notify = finalized_to_queue(queue, "work")
    for bucket, name in [("work", "out/a/b"), ("work", "in/a"), ("work", "output"), ("data", "out/a")]:
        notify(Finalized(bucket=bucket, name=name, generation=17, size=3))

    assert [(each.topic, each.data) for each in queue.claim(2**53, LEASE, 10)] == [
        (FINALIZE, {"bucket": "work", "name": "out/a/b", "generation": "17", "size": "3"})
    ]


def test_an_object_written_is_an_event_to_deliver(queue: Queue, tmp_path: Path) -> None:
    objects = DirectoryObjects(tmp_path / "objects", finalized_to_queue(queue, "work"))

    written = objects.write("gs://work/out/a", [b"abc"])

    assert claim_one(queue, 2**53).data["generation"] == str(written.generation)


# ---- processes, death, full disks


def test_several_processes_share_the_work_and_do_each_once(url: str, queue: Queue, start: Start) -> None:
    queue.put_all(STEPS, [{"number": number} for number in range(200)])
    workers = [start("consume", url) for _ in range(3)]
    for worker in workers:
        assert worker.say() == "ready"
    for worker in workers:
        worker.go()
    done = [number for worker in workers for number in worker.done()]

    assert sorted(done) == list(range(200))
    assert queue.depth() == 0


def test_a_killed_publisher_leaves_all_that_was_acknowledged_and_nothing_half(
    url: str, queue: Queue, start: Start
) -> None:
    dice, first = random.Random(1), 0
    for _ in range(6):
        worker = start("publish", url, first)
        assert worker.say() == first
        time.sleep(dice.random() * 0.05)
        worker.kill()
        acknowledged = (first, *worker.rest())[-1]
        sent = {delivery.data["shard"] for delivery in queue.claim(2**53, 0, 10**6)}

        numbers = {int(shard.partition("-")[2]) for shard in sent}
        assert sent == {f"{side}-{number}" for side in ("left", "right") for number in numbers}
        assert set(range(first, acknowledged + 1)) <= numbers <= set(range(acknowledged + 2))
        first = max(numbers) + 1


def test_a_killed_consumer_s_messages_come_again(url: str, queue: Queue, start: Start) -> None:
    queue.put_all(STEPS, [{"number": number} for number in range(3)])
    worker = start("claim_for_ever", url)
    assert worker.say() == "ready"
    worker.go()
    assert len(worker.say()) == 3
    worker.kill()

    assert queue.claim(59_999, LEASE, 10) == []
    assert [delivery.attempt for delivery in queue.claim(60_000, LEASE, 10)] == [2, 2, 2]


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(url: str, queue: Queue, start: Start) -> None:
    said = start("fill_queue", url, 2**20).done()

    assert said[-3:] == ["full", "still full", "room again"]
    assert [delivery.data["number"] for delivery in queue.claim(2**53, LEASE, 10_000)] == [*said[:-3], 0]


def test_a_disk_without_a_free_block_is_storage_full(tmp_path: Path, start: Start) -> None:
    said = start("fill_queue", f"sqlite://{tmp_path}/a.db", 0, within=small_disk(tmp_path)).done()

    assert said[-2:] == ["full", "still full"]
    assert len(said) > 10
