import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.google.emulators import FIRESTORE, PUBSUB, Emulator, Missing, running

# The same examples in every run, so that a change is what breaks a test; HYPOTHESIS_SEARCH=1 looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("search" if os.environ.get("HYPOTHESIS_SEARCH") else "same")


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[str]:
    """HOST:PORT of Google's Firestore emulator, from the first test that needs it on."""
    yield from _started(FIRESTORE)


@pytest.fixture(scope="session")
def pubsub_emulator() -> Iterator[str]:
    """HOST:PORT of Google's Pub/Sub emulator, from the first test that needs it on."""
    yield from _started(PUBSUB)


def _started(emulator: Emulator) -> Iterator[str]:
    try:
        with running(emulator) as host:
            yield host
    except Missing as missing:
        if os.environ.get("CI"):  # there, a test that does not run would be one that nobody misses
            pytest.fail(str(missing))
        pytest.skip(str(missing))
