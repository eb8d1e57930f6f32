"""A disk that takes no more: said clearly, nothing half written, and work goes on where there is room."""

import resource
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.stack import Stack, chat, ended, start

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills")]

MOST = 6_000_000  # bytes that any one file may have


def no_large_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, MOST))


def test_an_upload_that_does_not_fit_is_refused_and_leaves_nothing(new_stack: Callable[..., Stack]) -> None:
    stack = new_stack(prepare=no_large_files)
    with stack.client(max_retries=0) as client:
        answer = httpx.post(
            f"{stack.url}/v1/files",
            headers={"authorization": f"Bearer {stack.key}"},
            data={"purpose": "batch"},
            files={"file": ("big.jsonl", b"x" * (MOST + 1))},
            timeout=60,
        )
        assert answer.status_code == 507
        assert answer.headers["x-should-retry"] == "false"
        assert "room" in answer.json()["error"]["message"]
        assert list(client.files.list()) == []
        stored = (path for path in (stack.data / "objects").rglob("*") if path.is_file())
        assert [path for path in stored if path.stat().st_size] == []
        batch = ended(client, start(client, [chat("fits")]).id)
        assert batch.status == "completed"
    assert stack.stop() == 0
