"""How long reports take over a ledger of 100,000 entries: ninety days, fifty keys, ten teams, twenty models."""

import io
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from shared.domain.batch import Counts
from shared.domain.clock import DAY, HOUR
from shared.domain.cost import Cost
from shared.domain.keys import Key, Team, team_account
from shared.domain.ledger import LedgerEntry, added, empty_sums
from shared.domain.secret_key import hashed
from shared.storage.ports import Documents

__all__ = ["ENTRIES", "fill", "key_text", "measure", "paths", "print_all"]

ROOT: Final = Path(__file__).resolve().parents[2]
ENTRIES: Final = 100_000
KEYS, TEAMS, USERS, MODELS, TAGS, DAYS = 50, 10, 25, 20, 8, 90
_PEPPER: Final = "a pepper for measurements alone"
_AT_ONCE: Final = 5_000


def key_text(number: int) -> str:
    return f"sk-bench-{number:04d}-bench"


def fill(documents: Documents, now: int, entries: int = ENTRIES, pepper: str = _PEPPER) -> int:
    """Write keys, teams, and a ledger with its sums, as it would be after ninety days; nano-dollars of all of it."""
    _put(documents, _people(now, pepper))
    sums: dict[str, Any] = {}
    spent, batch = 0, list[LedgerEntry]()
    for entry in _entries(now, entries):
        spent += entry.cost.nano
        batch.append(entry)
        for empty in empty_sums(entry):
            sums[empty.id] = added(sums.get(empty.id, empty), entry)
        if len(batch) >= _AT_ONCE:
            _put(documents, batch)
            batch.clear()
    _put(documents, [*batch, *sums.values()])
    return spent


def paths(now: int) -> dict[str, str]:
    """The reports that are measured, by name: of all ninety days where they take dates."""
    until = datetime.fromtimestamp(now / 1000, UTC).date().isoformat()
    since = datetime.fromtimestamp((now - (DAYS - 1) * DAY) / 1000, UTC).date().isoformat()
    span = f"start_date={since}&end_date={until}"
    return {
        "logs by day": f"/spend/logs?{span}",
        "logs, 10,000 rows": f"/spend/logs?{span}&summarize=false",
        "logs, a page": f"/spend/logs/v2?{span}",
        "logs of a key": f"/spend/logs?{span}&api_key={key_text(7)}",
        "logs as CSV": f"/spend/logs?{span}&format=csv",
        "rows as CSV": f"/spend/logs?{span}&summarize=false&format=csv",
        **{f"report by {group}": f"/global/spend/report?{span}&group_by={group}" for group in _GROUPS},
        "tags": "/spend/tags",
        "month": "/global/spend",
        "keys of month": "/global/spend/keys",
        "user activity": f"/user/daily/activity?{span}&page_size=1000",
        "team activity": f"/team/daily/activity?{span}&page_size=1000",
        "tag activity": f"/tag/daily/activity?{span}&page_size=1000",
    }


_GROUPS: Final = ("team", "customer", "api_key", "model", "tag")


def measure(entries: int = ENTRIES) -> list[tuple[str, float, int]]:
    """Name, seconds and bytes of each report, from the route to the last byte."""
    with tempfile.TemporaryDirectory(prefix="offpeak-reports-") as folder:
        key = "sk-bench-bench-bench"
        os.environ |= {
            "FUNCTION_TARGET": "api",
            "OFFPEAK_DOCUMENTS": f"sqlite://{folder}/documents.db",
            "OFFPEAK_OBJECTS": f"file://{folder}/objects",
            "OFFPEAK_BUS": "sqlite://",
            "OFFPEAK_DATA_BUCKET": "data",
            "OFFPEAK_WORK_BUCKET": "work",
            "OFFPEAK_MASTER_KEY": key,
            "OFFPEAK_KEY_PEPPER": _PEPPER,
        }
        import functions_framework  # noqa: PLC0415  # it reads the environment

        from shared.app import app  # noqa: PLC0415

        now = app().now()
        fill(app().documents, now, entries)
        make: Any = functions_framework.create_app
        client = make("api", str(ROOT / "functions" / "main.py")).test_client()
        found = []
        for name, path in paths(now).items():
            began = time.perf_counter()
            answer = client.get(path, headers={"authorization": f"Bearer {key}"})
            size = len(answer.data)
            if answer.status_code != 200:
                raise SystemExit(f"bench: {path}: {answer.text}")
            found.append((name, time.perf_counter() - began, size))
        app().documents.close()  # type: ignore[attr-defined]
        return found


def print_all() -> None:
    """A line for each report."""
    with redirect_stdout(io.StringIO()):  # the server's log
        found = measure()
    for name, seconds, size in found:
        print(f"{name:<20}{seconds:>9.3f} s{size:>14,} bytes")


def _people(now: int, pepper: str) -> Iterator[Key | Team]:
    for number in range(TEAMS):
        yield Team(
            id=team_account(f"team-{number}"),
            team_id=f"team-{number}",
            team_alias=f"Team {number}",
            created_at=now,
            updated_at=now,
        )
    for number in range(KEYS):
        yield Key(
            id=hashed(pepper, key_text(number)),
            key_id=f"key-{number:024d}",
            key_name=f"sk-...{number:04d}",
            key_alias=f"alias-{number}",
            user_id=f"user-{number % USERS}",
            team_id=f"team-{number % TEAMS}",
            created_at=now,
            created_by="default_user_id",
            updated_at=now,
        )


def _entries(now: int, entries: int) -> Iterator[LedgerEntry]:
    random = Random(7)  # noqa: S311  # the same ledger every time
    for number in range(entries):
        at = now - (entries - 1 - number) * (DAYS - 1) * DAY // max(1, entries - 1)
        key, model = random.randrange(KEYS), random.randrange(MODELS)
        batch = f"batch_{number // 3:032x}"  # three shards each
        random_of_batch = Random(number // 3)  # noqa: S311
        key = random_of_batch.randrange(KEYS)
        lines = random.randrange(1, 10_000)
        yield LedgerEntry(
            id=f"{batch}-{number % 3 + 1:04d}",
            batch=batch,
            owner=f"user:user-{key % USERS}",
            team=f"team-{key % TEAMS}",
            key=f"key-{key:024d}",
            user=f"user-{key % USERS}",
            group=f"group-{model}",
            deployment=f"{model:016x}",
            provider=("vertex_ai", "openai")[model % 2],
            model=f"model-{model}",
            book="2026-11-01",
            tokens={"text": lines * 700 + random.randrange(1_000), "cached_text": lines * 40, "output": lines * 210},
            counts=Counts(completed=lines, failed=random.randrange(5)),
            cost=Cost(nano=lines * 123_457 + random.randrange(1_000_000), priced_lines=lines),
            tags=tuple(f"tag-{random_of_batch.randrange(TAGS)}" for _ in range(key % 2)),
            started_at=at - 2 * HOUR,
            created_at=at,
        )


def _put(documents: Documents, records: Any) -> None:
    def body(tx: Any) -> None:
        for record in records:
            tx.put(record)

    records = list(records)
    documents.transact(body)
