"""Everything that the server keeps, whoever asks for it."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.google.cloud_storage.answers import resource
from tests.google.cloud_storage.events import Events
from tests.google.cloud_storage.faults import Faults
from tests.google.cloud_storage.store import Object, Store
from tests.google.cloud_storage.uploads import Uploads

__all__ = ["Service"]


class Service:
    """Buckets, uploads that are under way, faults that wait for their turn, and the news of what was written."""

    def __init__(
        self, buckets: Iterable[str], events: Events, keys: Mapping[str, rsa.RSAPublicKey], *, url: str
    ) -> None:
        """`keys` are those of the service accounts whose signatures can be judged."""
        self.url = url
        self.keys = dict(keys)
        self.events = events
        self.store = Store(on_commit=lambda written: events.announce(self.resource(written)))
        for bucket in buckets:
            self.store.add_bucket(bucket)
        self.uploads = Uploads()
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    def resource(self, object: Object) -> dict[str, Any]:
        return resource(self.url, object)

    def count(self, call: str) -> None:
        with self._lock:
            self.calls[call] += 1

    def report(self) -> dict[str, Any]:
        """What was asked so far, what went wrong on order, what was told to whom, and what there is."""
        with self._lock:
            calls = dict(self.calls)
        return {
            "calls": calls,
            "faults": self.faults.report(),
            "events": self.events.report(),
            "buckets": self.store.report(),
        }
