"""A small Cloud Storage of our own: what Offpeak asks of the real one, answered as that does.

Strict where others are lenient: an argument that is not offered here is refused, never ignored, so that a test cannot
pass because a precondition was overlooked.
"""

from tests.google.cloud_storage.events import Events, Receiver
from tests.google.cloud_storage.server import CloudStorage

__all__ = ["CloudStorage", "Events", "Receiver"]
