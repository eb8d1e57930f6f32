from collections.abc import Iterator

import pytest

from infra.local.standins.azure import AzureStandIn, running
from shared.providers.openai import client


@pytest.fixture
def standin() -> Iterator[AzureStandIn]:
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked at again after a hundredth of a second."""
    monkeypatch.setattr(client, "_FIRST_LOOK", 0.01)
