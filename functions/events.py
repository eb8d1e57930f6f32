"""From an event to a step, and back to the platform: acknowledged, asked for again, or recorded as dead.

Events are hints. Whatever cannot be understood is logged and acknowledged: no delivery of it would ever help. Where the
configuration names who delivers, nobody else is listened to.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from cloudevents.http.event import CloudEvent
from flask import request
from werkzeug.exceptions import Forbidden, InternalServerError, ServiceUnavailable

from functions.faults import stack
from functions.senders import Unproved, prove
from shared.app import App, app
from shared.domain.errors import ConfigError, Poison, Transient
from shared.domain.layout import job_output, shard_of_output
from shared.domain.messages import Message
from shared.log import context, log
from shared.steps.dead import record_dead
from shared.steps.passed import written
from shared.steps.run import BATCH_STEPS, JOB_STEPS, SHARD_STEPS, run
from shared.trace import Trace, tracing

__all__ = ["dead_letter", "predictions", "work"]

_PUBLISHED: Final = "google.cloud.pubsub.topic.v1.messagePublished"
_FINALIZED: Final = "google.cloud.storage.object.v1.finalized"
_BATCH: Final = re.compile(r"batch_[0-9a-f]{32}")
_SHARD: Final = re.compile(r"batch_[0-9a-f]{32}-\d{4,9}")
_JOB: Final = re.compile(r"job_[0-9a-f]{32}")
_NEEDS: Final[Mapping[str, str | None]] = {  # step: the one id that it needs
    **dict.fromkeys(BATCH_STEPS, "batch"),
    **dict.fromkeys(SHARD_STEPS, "shard"),
    **dict.fromkeys(JOB_STEPS, "job"),
    "sweep": None,
}


class Malformed(Exception):
    """This is no event of ours."""


def work(event: CloudEvent) -> None:
    """Run the step that a message on our topic names."""
    with _delivery(event, "work") as application:
        _run(application, _message(event))


def predictions(event: CloudEvent) -> None:
    """A provider wrote an object: look at the shard, or at the jobs, that it may belong to."""
    with _delivery(event, "predictions") as application:
        bucket, name = _written(event)
        shard = shard_of_output(name) if bucket == application.work_bucket else None
        if shard is None:
            output = job_output(bucket, name)
            if output is None or not written(application, output):
                log("object_ignored", bucket=bucket, object=name)
            return
        _run(application, Message(step="check", shard=shard))


def dead_letter(event: CloudEvent) -> None:
    """A message used up its deliveries: write that on what it was about."""
    with _delivery(event, "dead_letter") as application:
        message = _message(event)
        attributes = _published(event).get("attributes")
        tries = attributes.get("CloudPubSubDeadLetterSourceDeliveryCount") if isinstance(attributes, dict) else None
        known = isinstance(tries, str) and tries.isascii() and tries.isdigit()
        record_dead(
            application, message, f"given up after {tries} deliveries" if known else "given up after all deliveries"
        )


def _run(application: App, message: Message) -> None:
    with context(**message.body()):
        try:
            run(application, message)
        except Poison as error:
            log("message_poison", severity="ERROR", reason=str(error))
            record_dead(application, message, str(error))


@contextmanager
def _delivery(event: CloudEvent, target: str) -> Iterator[App]:
    """Decide what becomes of the delivery: returning acknowledges it, an HTTP error brings it back.

    The errors are werkzeug's, so that the framework neither logs a page of stack nor answers with anybody's words.
    """
    with tracing(_trace(event)), context(event_id=str(event.get("id"))[:100]):
        try:
            application = app()
            if application.config.events is not None:
                prove(application.config.events, target, request.headers)
            yield application
        except Unproved as error:
            log("event_refused", severity="ERROR", reason=str(error))
            raise Forbidden from error
        except Malformed as error:
            log("event_malformed", severity="ERROR", reason=str(error))
        except Transient as error:
            log("delivery_deferred", severity="WARNING", error=type(error).__name__, reason=str(error)[:300])
            raise ServiceUnavailable from error
        except ConfigError as error:
            log("configuration_wrong", severity="CRITICAL", reason=str(error))
            raise InternalServerError from error
        except Exception as error:
            log("delivery_crashed", severity="ERROR", **stack(error))
            raise InternalServerError from error


def _trace(event: CloudEvent) -> Trace:
    """Of the request that the message goes back to; where it tells of none, of this delivery."""
    with suppress(Malformed):
        match _published(event).get("attributes"):
            case {"traceparent": parent} if (trace := Trace.parse(parent)) is not None:
                return trace
    return Trace.of(request.headers)


def _message(event: CloudEvent) -> Message:
    body = _json(_published(event))
    step, batch, shard, job = (body.get(name) for name in ("step", "batch", "shard", "job"))
    if not isinstance(step, str) or step not in _NEEDS:
        raise Malformed("unknown step")
    given = {name for name, value in (("batch", batch), ("shard", shard), ("job", job)) if value is not None}
    if given != {_NEEDS[step]} - {None}:
        raise Malformed(f"{step} needs {_NEEDS[step] or 'no id'} alone")
    for value, shape in ((batch, _BATCH), (shard, _SHARD), (job, _JOB)):
        if value is not None and not (isinstance(value, str) and shape.fullmatch(value)):
            raise Malformed("an id is not of our shape")
    return Message(step=step, batch=batch, shard=shard, job=job)


def _written(event: CloudEvent) -> tuple[str, str]:
    """Bucket and name of a finalized object: told directly, or by a bucket notification through Pub/Sub."""
    if event.get("type") == _FINALIZED:
        told = event.get_data()
    else:
        published = _published(event)
        attributes = published.get("attributes")
        if isinstance(attributes, dict) and attributes.get("eventType", "OBJECT_FINALIZE") != "OBJECT_FINALIZE":
            raise Malformed("not a finalize event")
        told = _json(published)
    match told:
        case {"bucket": str(bucket), "name": str(name)}:
            return bucket, name
        case _:
            raise Malformed("no bucket and name")


def _published(event: CloudEvent) -> dict[str, Any]:
    if event.get("type") != _PUBLISHED:
        raise Malformed("unexpected type of event")
    match event.get_data():
        case {"message": dict(message)}:
            return message
        case _:
            raise Malformed("no message")


def _json(published: Mapping[str, Any]) -> dict[str, Any]:
    try:
        value = json.loads(base64.b64decode(published["data"], validate=True))
    except (KeyError, TypeError, ValueError, binascii.Error, RecursionError) as error:
        raise Malformed("the message is not JSON in base64") from error
    if not isinstance(value, dict):
        raise Malformed("the message is not a JSON object")
    return value
