"""A store that fails while a report is made: an error like any other, and where half of it is on its way no whole."""

import contextlib
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.spend.answers import Broken
from shared.domain.clock import MINUTE
from shared.domain.cost import Cost
from shared.domain.errors import Transient
from shared.domain.ledger import LedgerEntry
from shared.storage.ports import Documents
from shared.storage.sqlite import SqliteDocuments
from tests.functions.conftest import Api, Server, serving
from tests.functions.spending import SPAN, charge
from tests.functions.wire import KEY, envelope

BEGAN = 1_000_000_000_000  # 2001-09-09
QUARTER = 15 * MINUTE
LONG = "/spend/logs?start_date=2001-09-01&end_date=2001-09-30&summarize=false"


@dataclass
class Failing:
    """Documents that answer so many queries about spend, and none after."""

    inner: Documents
    answers: int

    def query(self, query: Any, *values: object, **bounds: Any) -> list[Any]:
        if query.kind.__name__ in {"Day", "TagDay", "LedgerEntry"}:
            self.answers -= 1
            if self.answers < 0:
                raise Transient("gone")
        return self.inner.query(query, *values, **bounds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def fill(documents: Documents, entries: int) -> None:
    """More than is sent at once, of two weeks."""

    def body(tx: Any) -> None:
        for number in range(entries):
            id = f"batch_{number:05d}"
            tx.put(
                LedgerEntry(
                    id=f"{id}-0001", batch=id, owner="o", team=None, group="g", deployment="d", model="m", book="b",
                    tokens={"text": 1}, cost=Cost(nano=1, priced_lines=1), started_at=BEGAN + number * QUARTER,
                    created_at=BEGAN + number * QUARTER,
                )
            )  # fmt: skip

    documents.transact(body)


@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
@pytest.mark.parametrize(
    "path",
    [
        *(f"/spend/logs?{SPAN}", f"/spend/logs?{SPAN}&summarize=false", "/spend/logs", f"/spend/logs/v2?{SPAN}"),
        *("/spend/tags", f"/user/daily/activity?{SPAN}", f"/tag/daily/activity?{SPAN}", "/global/spend/models"),
        *(f"/global/spend/report?{SPAN}&group_by={group}" for group in ("team", "api_key", "model", "tag")),
    ],
)
def test_a_store_that_does_not_answer_is_an_error_like_any_other(api: Api, path: str, accept: str) -> None:
    charge(api, "batch_a", 5, tags=("t",))
    object.__setattr__(api.app, "documents", Failing(api.app.documents, 0))
    answer = api.get(path, headers={"accept": accept})

    assert (answer.status_code, answer.mimetype) == (503, "application/json")
    assert envelope(answer.data)["message"]
    assert answer.headers["x-request-id"].startswith("req_")


def test_what_fails_later_is_told_in_the_log(api: Api, facts: Callable[[], list[dict[str, Any]]]) -> None:
    fill(api.app.documents, 1_500)
    object.__setattr__(api.app, "documents", Failing(api.app.documents, 1))
    answer = api.get(LONG)
    assert answer.status_code == 200
    with pytest.raises(Broken):
        assert answer.data

    [told] = [fact for fact in facts() if fact["message"] == "answer_broken"]
    assert told["request_id"] == answer.headers["x-request-id"]
    assert (told["severity"], told["error"]) == ("ERROR", "Transient")


@pytest.fixture
def spoiled(tmp_path: Path) -> Iterator[Server]:
    """A server of its own, for it prints what no other may, with 1,500 entries, the oldest of which cannot be read."""
    with contextlib.closing(SqliteDocuments(f"sqlite://{tmp_path}/documents.db")) as documents:
        fill(documents, 1_500)
    with contextlib.closing(sqlite3.connect(tmp_path / "documents.db", isolation_level=None)) as store:
        store.execute("UPDATE documents SET data = json_set(data, '$.tokens', 'sk-x') WHERE id = 'batch_00000-0001'")
    with serving(tmp_path) as server:
        yield server


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_half_an_answer_is_not_taken_for_a_whole_one(spoiled: Server, kind: str) -> None:
    """The connection ends before the body does, and what the server prints has nothing of the record in it."""
    url, received = f"{spoiled.url.removesuffix('/v1')}{LONG}&format={kind}", bytearray()
    with httpx.stream("GET", url, headers={"authorization": f"Bearer {KEY}"}, timeout=60) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            deque(map(received.extend, answer.iter_bytes()), maxlen=0)

    assert received.count(b"_batch_cost") > 500
    assert not received.endswith(b"]")
    log = spoiled.log.read_text()
    assert "answer_broken" in log
    assert "sk-x" not in log
    assert httpx.get(f"{spoiled.url.removesuffix('/v1')}/health/liveliness", timeout=60).status_code == 200
