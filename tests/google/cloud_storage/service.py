"""Everything that the server keeps, whoever asks for it."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.google.cloud_storage.answers import resource
from tests.google.cloud_storage.events import Events
from tests.google.cloud_storage.faults import Faults
from tests.google.cloud_storage.store import Object, Store
from tests.google.cloud_storage.uploads import Uploads

__all__ = ["Service"]


_BARE: Final = ("kind", "name", "bucket", "generation", "size")


class Service:
    """Buckets, uploads that are under way, faults that wait for their turn, and the news of what was written."""

    def __init__(
        self,
        buckets: Iterable[str],
        events: Events,
        keys: Mapping[str, rsa.RSAPublicKey],
        *,
        url: str,
        bare: bool = False,
    ) -> None:
        """`keys` are those of the service accounts whose signatures can be judged.

        `bare`: say as little as somebody else's imitation of Cloud Storage might.
        """
        self.url, self.bare = url, bare
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
        said = resource(self.url, object)
        return {name: said[name] for name in _BARE} if self.bare else said

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
