from collections.abc import Iterator

import pytest

from tests.providers.openai.standin import OpenAIStandIn, running


@pytest.fixture
def standin() -> Iterator[OpenAIStandIn]:
    with running() as server:
        yield server
