"""The bus on Pub/Sub.

One request for up to a thousand messages, sent at once and answered before `publish` returns. Google's own publisher
collects messages for a while, in a thread of its own, and waits without end for what it could not send.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec
from google.pubsub_v1.services.publisher import PublisherClient
from google.pubsub_v1.types import PublishRequest, PublishResponse, PubsubMessage

from shared.domain.errors import ConfigError
from shared.domain.messages import Message
from shared.storage.remote import PerProcess, insist, translated

__all__ = ["PubsubBus", "on_the_wire"]

_CALL: Final = 10.0  # seconds for all of one `publish`, unless it is more than a thousand messages
_MOST: Final = 1_000  # messages in one request; Pub/Sub's limit
_URL: Final = re.compile(r"pubsub://(?P<project>[a-z0-9.:-]+)/(?P<topic>[A-Za-z][A-Za-z0-9._~+%-]{2,254})")


class PubsubBus:
    """The bus port on the topic of `pubsub://PROJECT/TOPIC`."""

    def __init__(self, url: str, *, call: float = _CALL) -> None:
        match = _URL.fullmatch(url)
        if match is None:
            raise ConfigError(f"{url!r} is not pubsub://PROJECT/TOPIC")
        self._topic = f"projects/{match['project']}/topics/{match['topic']}"
        self._url, self._call = url, call
        self._client = PerProcess(PublisherClient)  # knows PUBSUB_EMULATOR_HOST by itself

    def publish(self, messages: Iterable[Message]) -> None:
        """See the port. Transient: some of them may have been sent, so send all of them again."""
        waiting = iter(messages)
        while some := [on_the_wire(message) for message in islice(waiting, _MOST)]:
            self._send(some)

    def close(self) -> None:
        """Close the connection of this process. A later use opens another."""
        client = self._client.take()
        if client is not None:
            client.transport.close()  # type: ignore[no-untyped-call]

    def _send(self, messages: Sequence[PubsubMessage]) -> None:
        request = PublishRequest(topic=self._topic, messages=messages)

        def call(left: float) -> PublishResponse:
            return self._client.get().publish(request=request, retry=None, timeout=left)

        with translated(self._url):
            insist(call, seconds=self._call)


def on_the_wire(message: Message) -> PubsubMessage:
    """Data as the function reads it; the step stands beside it too, where a subscription's filter could see it."""
    return PubsubMessage(
        data=msgspec.json.encode(message.body()), attributes={"step": message.step, **message.attributes()}
    )
