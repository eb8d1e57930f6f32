import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from shared.domain.batch import Batch, Rows, Status, advance
from shared.domain.errors import ConfigError, Poison, Transient
from shared.domain.ids import new_file_id
from shared.domain.messages import Message
from shared.trace import current
from tests.functions.conftest import Api
from tests.functions.wire import envelope

Facts = Callable[[], list[dict[str, Any]]]
BATCH = "batch_" + "0a" * 16
SHARD = f"{BATCH}-0001"
SECRET = "canary-7f3a"
PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
FINALIZED = "google.cloud.storage.object.v1.finalized"
PREDICTIONS = f"out/{BATCH}/0001/a1/prediction-model-1/predictions.jsonl"


class Steps:
    """What was asked of the steps; `error` is what they say."""

    def __init__(self) -> None:
        self.ran: list[Message] = []
        self.dead: list[tuple[Message, str]] = []
        self.traces: list[str | None] = []
        self.error: Exception | None = None

    def run(self, _: object, message: Message) -> None:
        self.ran.append(message)
        self.traces.append(current())
        if self.error is not None:
            raise self.error

    def record_dead(self, _: object, message: Message, reason: str) -> None:
        self.dead.append((message, reason))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()
    monkeypatch.setattr("functions.events.run", steps.run)
    monkeypatch.setattr("functions.events.record_dead", steps.record_dead)
    return steps


def b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(raw).decode()


def deliver(api: Api, data: Any, kind: str = PUBLISHED) -> TestResponse:
    headers = {
        "content-type": "application/json",
        "ce-id": "77",
        "ce-specversion": "1.0",
        "ce-type": kind,
        "ce-source": "//pubsub.googleapis.com/projects/p/topics/t",
    }
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return api.client.post("/", data=raw, headers=headers)


def publish(api: Api, body: object, **message: Any) -> TestResponse:
    return deliver(api, {"message": {"data": b64(body), "messageId": "77", **message}, "subscription": "s"})


@pytest.mark.parametrize(
    "message",
    [
        Message(step="prepare", batch=BATCH),
        Message(step="submit", shard=SHARD),
        Message(step="check", shard=SHARD),
        Message(step="collect", shard=f"{BATCH}-12345"),
        Message(step="finish", batch=BATCH),
        Message(step="cancel", batch=BATCH),
        Message(step="sweep"),
    ],
)
def test_a_message_runs_its_step(target: Callable[[str], Api], steps: Steps, message: Message) -> None:
    answer = publish(target("work"), message.body())

    assert answer.status_code == 200
    assert steps.ran == [message]


def test_a_raw_push_runs_its_step_too(target: Callable[[str], Api], steps: Steps) -> None:
    """What Pub/Sub sends where the subscription does not wrap it as a CloudEvent."""
    body = {"message": {"data": b64({"step": "sweep"}), "messageId": "7"}, "subscription": "projects/p/subscriptions/s"}
    answer = target("work").client.post("/", json=body)

    assert (answer.status_code, steps.ran) == (200, [Message(step="sweep")])


def test_a_structured_event_runs_its_step_too(target: Callable[[str], Api], steps: Steps) -> None:
    event = {
        "id": "7",
        "specversion": "1.0",
        "type": PUBLISHED,
        "source": "//pubsub.googleapis.com/",
        "data": {"message": {"data": b64({"step": "sweep"})}},
    }
    kind = {"content-type": "application/cloudevents+json"}
    answer = target("work").client.post("/", data=json.dumps(event), headers=kind)

    assert (answer.status_code, steps.ran) == (200, [Message(step="sweep")])


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        "x",
        {"message": None},
        {"message": {}},
        {"message": {"data": 7}},
        {"message": {"data": "not base64!"}},
        {"message": {"data": b64(b"not JSON " + SECRET.encode())}},
        {"message": {"data": b64(b"\xff")}},
        {"message": {"data": b64(b"[" * 100_000)}},
        {"message": {"data": b64([])}},
        {"message": {"data": b64({})}},
        {"message": {"data": b64({"step": "launch", "batch": BATCH})}},
        {"message": {"data": b64({"step": ["sweep"]})}},
        {"message": {"data": b64({"step": "prepare"})}},
        {"message": {"data": b64({"step": "prepare", "shard": SHARD})}},
        {"message": {"data": b64({"step": "check", "batch": BATCH})}},
        {"message": {"data": b64({"step": "check", "shard": SHARD, "batch": BATCH})}},
        {"message": {"data": b64({"step": "cancel", "shard": SHARD})}},
        {"message": {"data": b64({"step": "cancel", "shard": SHARD, "batch": BATCH})}},
        {"message": {"data": b64({"step": "sweep", "batch": BATCH})}},
        {"message": {"data": b64({"step": "prepare", "batch": "batch_x"})}},
        {"message": {"data": b64({"step": "prepare", "batch": BATCH + "\n"})}},
        {"message": {"data": b64({"step": "prepare", "batch": "../" + BATCH})}},
        {"message": {"data": b64({"step": "check", "shard": BATCH})}},
        {"message": {"data": b64({"step": "check", "shard": {"a": SHARD}})}},
    ],
    ids=lambda value: str(value)[:80],
)
@pytest.mark.parametrize("name", ["work", "dead_letter"])
def test_what_is_no_message_of_ours_is_acknowledged_without_effect(
    target: Callable[[str], Api], steps: Steps, facts: Facts, name: str, data: Any
) -> None:
    answer = deliver(target(name), data)

    assert answer.status_code == 200
    assert (steps.ran, steps.dead) == ([], [])
    (fact,) = facts()
    assert (fact["message"], fact["severity"], fact["event_id"]) == ("event_malformed", "ERROR", "77")
    assert SECRET not in str(fact)


@pytest.mark.parametrize("name", ["work", "predictions", "dead_letter"])
def test_an_event_whose_data_is_no_json_is_acknowledged_without_effect(
    target: Callable[[str], Api], steps: Steps, facts: Facts, name: str
) -> None:
    """The framework hands its bytes over as they are."""
    answer = deliver(target(name), b"{broken " + SECRET.encode())

    assert answer.status_code == 200
    assert (steps.ran, steps.dead) == ([], [])
    assert SECRET not in str(facts())


@pytest.mark.parametrize("name", ["work", "predictions", "dead_letter"])
def test_another_type_of_event_is_acknowledged_without_effect(
    target: Callable[[str], Api], steps: Steps, name: str
) -> None:
    answer = deliver(target(name), {"message": {"data": b64({"step": "sweep"})}}, "google.cloud.audit.log.v1.written")

    assert answer.status_code == 200
    assert (steps.ran, steps.dead) == ([], [])


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({"content-type": "application/cloudevents-batch+json"}, b'[{"id": "1", "specversion": "1.0"}]'),
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "application/json"}, b"[]"),
        ({"content-type": "application/json"}, b"not json " + SECRET.encode()),
        ({"content-type": "application/json"}, b'{"context": {}, "data": {}}'),
        ({"content-type": "application/json"}, b'{"context": {"eventType": "x", "eventId": "1"}, "data": {}}'),
        ({}, b""),
        ({"ce-id": "1", "ce-type": PUBLISHED}, b"{}"),
        ({"content-type": "application/json"}, b"[1, 2]"),
        ({"content-type": "application/json"}, b'"text"'),
        ({"content-type": "application/json"}, b'{"context": "x", "data": {}}'),
        ({"content-type": "application/json"}, b'{"message": {"messageId": "7"}, "subscription": "s"}'),
        ({"content-type": "application/json"}, b"\xff\xfe"),
        ({"content-type": "application/cloudevents+json"}, b'{"id": "7"}'),
        ({"content-type": "application/cloudevents+json"}, b"\xff"),
    ],
    ids=lambda value: str(value)[:50],
)
@pytest.mark.parametrize("name", ["work", "predictions", "dead_letter"])
def test_what_is_no_event_is_refused_and_echoed_nowhere(
    *, target: Callable[[str], Api], steps: Steps, facts: Facts, name: str, headers: dict[str, str], data: bytes
) -> None:
    """The framework's own page repeats all headers, the token of the push included."""
    answer = target(name).client.post("/", data=data, headers={**headers, "authorization": f"Bearer {SECRET}"})

    assert answer.status_code in {400, 415}
    assert SECRET not in answer.text
    envelope(answer.data)
    assert (steps.ran, steps.dead) == ([], [])
    said = facts()
    assert "event_malformed" in [fact["message"] for fact in said] or answer.status_code == 415
    assert SECRET not in str(said)


def test_what_may_pass_is_asked_for_again_quietly(target: Callable[[str], Api], steps: Steps, facts: Facts) -> None:
    steps.error = Transient("the lease is held")
    answer = publish(target("work"), {"step": "check", "shard": SHARD})

    assert answer.status_code == 503
    assert "lease is held" not in answer.text
    (fact,) = facts()
    assert (fact["message"], fact["reason"], fact["severity"]) == ("delivery_deferred", "the lease is held", "WARNING")
    assert steps.dead == []


def test_what_no_delivery_will_help_is_recorded_and_acknowledged(
    target: Callable[[str], Api], steps: Steps, facts: Facts
) -> None:
    steps.error = Poison("no step for it")
    answer = publish(target("work"), {"step": "check", "shard": SHARD})

    assert answer.status_code == 200
    assert steps.dead == [(Message(step="check", shard=SHARD), "no step for it")]
    assert facts()[0]["shard"] == SHARD


def test_a_crash_comes_back_and_says_where_it_was(target: Callable[[str], Api], steps: Steps, facts: Facts) -> None:
    steps.error = ValueError(SECRET)
    answer = publish(target("work"), {"step": "prepare", "batch": BATCH})

    assert answer.status_code == 500
    assert SECRET not in answer.text
    (fact,) = facts()
    assert (fact["message"], fact["error"], fact["severity"]) == ("delivery_crashed", "ValueError", "ERROR")
    assert "events.py" in fact["stack"]
    assert SECRET not in str(fact)


def test_a_wrong_configuration_comes_back(target: Callable[[str], Api], steps: Steps, facts: Facts) -> None:
    """Somebody is about to mend it."""
    steps.error = ConfigError("the configuration has no deployment 'x'")

    assert publish(target("work"), {"step": "prepare", "batch": BATCH}).status_code == 500
    assert facts()[0]["severity"] == "CRITICAL"


def test_predictions_are_a_hint_to_check_their_shard(target: Callable[[str], Api], steps: Steps) -> None:
    api = target("predictions")
    finalized = {"bucket": "work", "name": PREDICTIONS, "generation": "17", "size": "12"}

    assert deliver(api, finalized, FINALIZED).status_code == 200
    through_a_topic = publish(api, finalized, attributes={"eventType": "OBJECT_FINALIZE", "bucketId": "work"})
    assert through_a_topic.status_code == 200
    assert publish(api, finalized).status_code == 200
    assert steps.ran == [Message(step="check", shard=SHARD)] * 3


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        ("other", PREDICTIONS),
        ("data", PREDICTIONS),
        ("work", f"in/{BATCH}/0001/e1/lines.jsonl"),
        ("work", f"out/{BATCH}/0001/a1/prediction-model-1/incremental_predictions.jsonl"),
        ("work", "out/batch_x/0001/a1/prediction-model-1/predictions.jsonl"),
        ("work", "canary\r\n\x1b[31m{}"),
    ],
)
def test_other_objects_are_ignored(
    target: Callable[[str], Api], steps: Steps, facts: Facts, bucket: str, name: str
) -> None:
    answer = deliver(target("predictions"), {"bucket": bucket, "name": name}, FINALIZED)

    assert (answer.status_code, steps.ran) == (200, [])
    (fact,) = facts()  # one line each, whatever is in the name
    assert (fact["message"], fact["object"]) == ("object_ignored", name)


@pytest.mark.parametrize("data", [{}, {"bucket": "work"}, {"bucket": 1, "name": PREDICTIONS}, []], ids=str)
def test_a_finalize_event_without_a_name_is_acknowledged(target: Callable[[str], Api], steps: Steps, data: Any) -> None:
    assert deliver(target("predictions"), data, FINALIZED).status_code == 200
    assert steps.ran == []


def test_a_deleted_object_is_no_prediction(target: Callable[[str], Api], steps: Steps) -> None:
    answer = publish(
        target("predictions"), {"bucket": "work", "name": PREDICTIONS}, attributes={"eventType": "OBJECT_DELETE"}
    )
    assert (answer.status_code, steps.ran) == (200, [])


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"CloudPubSubDeadLetterSourceDeliveryCount": "20"}, "given up after 20 deliveries"),
        ({"CloudPubSubDeadLetterSourceDeliveryCount": "<b>"}, "given up after all deliveries"),
        (None, "given up after all deliveries"),
    ],
)
def test_a_dead_letter_is_recorded(
    target: Callable[[str], Api], steps: Steps, attributes: dict[str, str] | None, reason: str
) -> None:
    answer = publish(target("dead_letter"), {"step": "check", "shard": SHARD}, attributes=attributes)

    assert answer.status_code == 200
    assert steps.ran == []
    assert steps.dead == [(Message(step="check", shard=SHARD), reason)]


def test_an_unknown_batch_is_no_error(target: Callable[[str], Api], facts: Facts) -> None:
    """The steps themselves, and nothing in the documents."""
    api = target("work")

    for message in (Message(step="prepare", batch=BATCH), Message(step="check", shard=SHARD), Message(step="sweep")):
        assert publish(api, message.body()).status_code == 200
    assert publish(target("dead_letter"), {"step": "check", "shard": SHARD}).status_code == 200
    assert not [fact for fact in facts() if fact["message"] == "delivery_crashed"]


@pytest.fixture
def broken(target: Callable[[str], Api], monkeypatch: pytest.MonkeyPatch) -> str:
    """A batch whose input nobody will ever be able to read."""
    api = target("api")
    body = {"input_file_id": api.upload_file(), "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = api.post("/v1/batches", json=body).json["id"]

    def unreadable(*_: object, **__: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(type(api.app.objects), "open", unreadable)
    return str(batch)


def test_a_dead_message_is_seen_by_the_caller(target: Callable[[str], Api], broken: str) -> None:
    """All of it real: a step that crashes at each delivery, the dead letter, and what is told of it."""
    message = Message(step="prepare", batch=broken).body()
    assert publish(target("work"), message).status_code == 500
    assert target("api").get(f"/v1/batches/{broken}").json["status"] == "validating"

    letter = publish(target("dead_letter"), message, attributes={"CloudPubSubDeadLetterSourceDeliveryCount": "20"})

    assert letter.status_code == 200
    batch = target("api").get(f"/v1/batches/{broken}")
    assert (batch.json["status"], batch.json["failed_at"]) == ("failed", 1_800_000_000)
    assert batch.json["errors"]["data"]
    assert SECRET not in batch.text


def test_poison_is_seen_by_the_caller(
    target: Callable[[str], Api], broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a dead letter: the first delivery says it."""

    def poison(*_: object) -> None:
        raise Poison(SECRET)

    monkeypatch.setattr("functions.events.run", poison)
    assert publish(target("work"), Message(step="prepare", batch=broken).body()).status_code == 200

    batch = target("api").get(f"/v1/batches/{broken}")
    assert batch.json["status"] == "failed"
    assert batch.json["errors"]["data"]
    assert SECRET not in batch.text


def test_a_dead_letter_twice_is_the_same_as_once(target: Callable[[str], Api], broken: str) -> None:
    message, batches = Message(step="prepare", batch=broken).body(), target("api")
    seen = [
        (publish(target("dead_letter"), message).status_code, batches.get(f"/v1/batches/{broken}").json)
        for _ in range(2)
    ]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("parts", [{"output_parts": 1}, {"error_parts": 1}], ids=str)
def test_a_failed_batch_shows_no_file_that_is_not_there(target: Callable[[str], Api], parts: dict[str, int]) -> None:
    """Its files had their ids already when `finish` was given up: one of its parts is gone."""
    api = target("api")
    body = {"input_file_id": "file-x", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = api.app.documents.get(Batch, api.post("/v1/batches", json=body).json["id"])
    assert batch is not None
    rows = Rows(prefix=f"gs://data/rows/{batch.id}/prepare/e1", **parts)
    for status in (Status.IN_PROGRESS, Status.FINALIZING):
        batch = advance(batch, status, at=batch.created_at)
    finalizing = replace(batch, output_file_id=new_file_id(), error_file_id=new_file_id(), refused=rows)
    api.app.documents.transact(lambda tx: tx.put(finalizing))

    publish(target("dead_letter"), Message(step="finish", batch=batch.id).body())

    seen = api.get(f"/v1/batches/{batch.id}").json
    assert seen["status"] == "failed"
    shown = [id for id in (seen["output_file_id"], seen["error_file_id"]) if id is not None]
    assert [api.get(f"/v1/files/{id}").status_code for id in shown] == [200] * len(shown)


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_step_works_in_the_trace_of_the_request_that_it_goes_back_to(
    target: Callable[[str], Api], steps: Steps, facts: Facts
) -> None:
    steps.error = Transient("busy")
    publish(target("work"), {"step": "sweep"}, attributes={"traceparent": PARENT})

    assert steps.traces == [PARENT]
    (deferred,) = facts()
    assert deferred["logging.googleapis.com/trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize("attributes", [{}, {"traceparent": "x"}, {"traceparent": 7}, [], None])
def test_without_a_trace_of_its_own_a_message_has_that_of_its_delivery(
    target: Callable[[str], Api], steps: Steps, attributes: Any
) -> None:
    message = {"data": b64({"step": "sweep"}), "messageId": "7", "attributes": attributes}
    body = {"message": message, "subscription": "s"}
    target("work").client.post("/", json=body, headers={"traceparent": PARENT})

    assert steps.traces == [PARENT]


def test_a_dead_message_waits_for_an_operator(target: Callable[[str], Api], monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody took a grant away: that is no reason to give anything up."""

    def refused(*_: object) -> None:
        raise ConfigError("Cloud Storage answers 403")

    api = target("dead_letter")
    monkeypatch.setattr("shared.steps.dead.run", refused)

    assert publish(api, {"step": "prepare", "batch": BATCH}).status_code == 500
