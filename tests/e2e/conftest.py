from collections.abc import Iterator

import pytest
from openai import OpenAI

from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all tests that do it no harm."""
    stack = Stack(tmp_path_factory.mktemp("stack") / "data")
    yield stack
    assert stack.stop() == 0


@pytest.fixture
def client(stack: Stack) -> Iterator[OpenAI]:
    with stack.client() as client:
        yield client
