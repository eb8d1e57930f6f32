from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def new_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Stacks of a test's own, which it may harm; whatever is left of them is stopped."""
    started: list[Stack] = []

    def start(**options: Any) -> Stack:
        started.append(Stack(tmp_path / "data", **options))
        return started[-1]

    yield start
    for stack in started:
        stack.stop()
