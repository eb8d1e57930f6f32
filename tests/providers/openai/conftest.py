from collections.abc import Iterator

import pytest

from infra.local.standins.openai import OpenAIStandIn, running


@pytest.fixture
def standin() -> Iterator[OpenAIStandIn]:
    with running() as server:
        yield server
