from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from shared.app import App, open_bus, open_documents, open_objects, open_provider
from shared.config import Config
from shared.pricing.book import Book


@dataclass
class Clock:
    at: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[App]:
    """An application on SQLite in memory, without models."""
    documents, bus = open_documents("sqlite://"), open_bus("sqlite://")
    yield App(
        documents=documents,
        objects=open_objects(f"file://{tmp_path}/objects"),
        bus=bus,
        data_bucket="data",
        work_bucket="work",
        master_key="sk-master-of-the-tests",
        key_pepper="a pepper for tests alone",
        config=Config(),
        book=Book.load(()),
        open_provider=open_provider,
        now=clock,
    )
    for port in (documents, bus):
        cast("Any", port).close()
