"""One measurement in this process: a real step over real adapters, its result checked before its time counts."""

import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

NOT_OFFERED: Final = 3
MODEL: Final = "gemini-2.5-flash-lite"
ROWS_OF_A_JOB: Final = 200_000
MB: Final = 1_000_000
NOWHERE: Final = {  # complete settings, so that a target starts; nothing is opened before its first request
    "OFFPEAK_DOCUMENTS": "sqlite://",
    "OFFPEAK_OBJECTS": "file:///nowhere",
    "OFFPEAK_BUS": "sqlite://",
    "OFFPEAK_DATA_BUCKET": "data",
    "OFFPEAK_WORK_BUCKET": "work",
    "OFFPEAK_MASTER_KEY": "sk-bench-bench",
}


def run_one(measurement: str, file: str = "") -> None:
    """Print one record; exit 3 for a measurement that we do not offer."""
    if measurement.startswith("import"):
        target = measurement.partition(".")[2] or "api"
        record = timed(f"offpeak/{measurement}", lambda: load_target(target))
    elif measurement in STEPS and file:
        with open(f"{file}.meta.json", encoding="utf-8") as handle:  # noqa: PTH123
            meta = json.load(handle)
        with tempfile.TemporaryDirectory(prefix="offpeak-bench-", dir=Path(file).parent) as scratch:
            ready = STEPS[measurement](Path(file), meta, Path(scratch))
            record = timed(f"offpeak/{measurement}", ready.run, meta["lines"], os.path.getsize(file))  # noqa: PTH202
            ready.check()
    else:
        sys.exit(NOT_OFFERED)
    print(json.dumps(record))


def timed(name: str, work: Callable[[], object], lines: int = 0, size: int = 0) -> dict[str, Any]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "name": name,
        "lines": lines,
        "seconds": round(seconds, 3),
        "lines_per_s": round(lines / seconds) if lines else None,
        "mb_per_s": round(size / MB / seconds, 2) if size else None,
        "peak_rss_mb": round(peak_rss_mb()),
        "cpu_seconds": round(cpu_seconds, 3),
    }


def peak_rss_mb() -> float:
    """The most memory this process ever had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / MB


def load_target(target: str) -> None:
    """What a new instance does before it can serve: the framework, the source, the one target."""
    os.environ.update(NOWHERE)
    framework = importlib.import_module("functions_framework")
    framework.create_app(target, str(Path(__file__).resolve().parents[2] / "functions" / "main.py"))


def check(what: str, got: object, want: object) -> None:
    """A fast wrong answer is no result."""
    if got != want:
        sys.exit(f"{what}: got {got!r}, want {want!r}")


def warm(app: Any) -> None:
    """Import what a running instance has imported long ago: imports are measured apart."""
    for step in ("prepare", "collect"):
        importlib.import_module(f"shared.steps.{step}")
    app.provider(app.config.deployments[0].id).codec("/v1/chat/completions")


class Prepare:
    """The whole prepare step of a batch of one model."""

    def __init__(self, file: Path, meta: dict[str, Any], scratch: Path) -> None:
        from infra.local.bench_world import bench_app, upload  # noqa: PLC0415
        from shared.domain.access import ADMIN  # noqa: PLC0415
        from shared.steps.create import NewBatch, create  # noqa: PLC0415

        self.app, self.meta = bench_app(scratch, MODEL), meta
        request = NewBatch(
            input_file_id=upload(self.app, file), endpoint="/v1/chat/completions", completion_window="24h"
        )
        batch = create(self.app, ADMIN, request, body_hash="", idempotency_key=None, retried=False)
        self.batch = batch.id
        warm(self.app)

    def run(self) -> None:
        from shared.steps.prepare import prepare  # noqa: PLC0415

        prepare(self.app, self.batch)

    def check(self) -> None:
        from shared.domain.batch import Batch  # noqa: PLC0415
        from shared.steps.finish import shards_of  # noqa: PLC0415

        batch = self.app.documents.get(Batch, self.batch)
        if batch is None:
            sys.exit("the batch is gone")
        shards = shards_of(self.app, batch)
        check("status", str(batch.status), "in_progress")
        check("lines", sum(shard.lines for shard in shards), self.meta["lines"])
        check("refused", batch.counts.failed, 0)


class Collect:
    """The collect steps of all shards of a batch whose predictions are there."""

    def __init__(self, file: Path, meta: dict[str, Any], scratch: Path) -> None:
        from infra.local.bench_world import bench_app, ended_batch  # noqa: PLC0415

        self.app, self.meta = bench_app(scratch, MODEL), meta
        with file.open("rb") as rows:
            self.batch, self.shards = ended_batch(self.app, pieces(rows), MODEL)
        warm(self.app)

    def run(self) -> None:
        from shared.steps.collect import collect  # noqa: PLC0415

        for shard in self.shards:
            collect(self.app, shard)

    def check(self) -> None:
        from shared.domain.batch import Batch  # noqa: PLC0415

        batch = self.app.documents.get(Batch, self.batch)
        if batch is None:
            sys.exit("the batch is gone")
        check("completed", batch.counts.completed, self.meta["lines"])
        check("prompt tokens", batch.usage.input_tokens, self.meta["prompt_tokens"])
        check("completion tokens", batch.usage.output_tokens, self.meta["completion_tokens"])
        check("priced lines", batch.cost.priced_lines, self.meta["lines"])
        check("nano-dollars", batch.cost.nano, round(self.meta["cost_usd"] * 1e9))


def pieces(rows: Any) -> Iterator[Iterator[bytes]]:
    """The rows in runs of one job's size, none of them held in memory."""
    while True:
        run = islice(rows, ROWS_OF_A_JOB)
        first = next(run, None)
        if first is None:
            return
        yield _again(first, run)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


STEPS: Final[dict[str, Callable[[Path, dict[str, Any], Path], Any]]] = {
    "prepare.managed": Prepare,
    "collect.priced": Collect,
}
