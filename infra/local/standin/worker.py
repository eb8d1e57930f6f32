"""The life of a job: pending while its input is imported, running row by row, and one output object at the end.

   PENDING ── import ──▶ RUNNING ── rows ──▶ SUCCEEDED
      └─ a bad row, no input ─▶ FAILED        │
      └────────── cancel ──▶ CANCELLING ──▶ CANCELLED, with the rows that were finished

Rows are read, answered and written in a stream: memory holds a window of them, out of which they leave in disorder.
"""

import hashlib
import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

import msgspec

from infra.local.standin.answers import marker_of, now
from infra.local.standin.families import Family, family_of
from infra.local.standin.faults import Faults, Rule
from infra.local.standin.importer import Importer, ImportFailed, rows_of
from infra.local.standin.store import FINISHED, JobGone, Jobs
from shared.log import log
from shared.storage.ports import ObjectMissing, Objects

__all__ = ["Pace", "Worker"]

_AT_ONCE: Final = 64  # jobs; the shared pool of the real service is larger, its queue longer
_WINDOW: Final = 2_000  # rows
_WINDOW_BYTES: Final = 16 * 2**20
_STATS: Final = 0.25  # seconds between two looks at a running job
_AGAIN: Final = 2.0  # seconds until a job is tried again that our own trouble has stopped, such as a full disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take, in seconds, and how many rows fail by chance."""

    pending: float = 1.0
    running: float = 2.0
    fail_share: float = 0.0


class _Stopping(Exception):
    """The stand-in is being stopped: leave everything as it is."""


class _Failed(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class _Progress:
    rows: int
    good: int = 0
    bad: int = 0
    cancelled: bool = False
    looked: float = field(default=0.0)


class Worker:
    """Runs jobs, each in a thread of its own."""

    def __init__(self, jobs: Jobs, objects: Objects, faults: Faults, pace: Pace) -> None:
        self._jobs, self._objects, self._faults, self._pace = jobs, objects, faults, pace
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")

    def start(self, name: str) -> None:
        self._pool.submit(self._guarded, name)

    def resume(self) -> None:
        """Take up what an earlier process left unfinished."""
        for name in self._jobs.unfinished():
            self.start(name)

    def stop(self) -> None:
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _guarded(self, name: str) -> None:
        while not self._stopping.is_set():
            try:
                self._run(name)
            except (_Stopping, JobGone):
                return
            except Exception as error:  # noqa: BLE001 - a full disk, a locked file: the job waits, as it would there
                log("job_interrupted", severity="WARNING", error=type(error).__name__, why=str(error)[:300])
                self._stopping.wait(_AGAIN)
            else:
                return

    def _run(self, name: str) -> None:
        job = self._jobs.get(name)
        if job["state"] in FINISHED:
            return
        family = family_of(job["model"])
        if family is None:
            raise JobGone(name)  # made by another version
        source = job["inputConfig"]["gcsSource"]["uris"][0]
        try:
            if self._cancelled_within(name, self._pace.pending):
                self._finish(name, "JOB_STATE_CANCELLED", error={"code": 1, "message": "CANCELED"})
                return
            rows = self._imported(source, family)
            self._output(name, job, family, rows)
        except ImportFailed as error:
            self._finish(name, "JOB_STATE_FAILED", error={"code": 3, "message": str(error)})
        except _Failed as error:
            self._finish(name, "JOB_STATE_FAILED", error={"code": error.code, "message": error.message})

    def _imported(self, source: str, family: Family) -> int:
        try:
            with self._objects.open(source) as stream:
                blocks = iter(lambda: stream.read(1 << 18), b"")
                return Importer(family.rules).read(self._while_running(rows_of(blocks)))
        except ObjectMissing:
            bucket = source.removeprefix("gs://").partition("/")[0]
            if next(iter(self._objects.list(f"gs://{bucket}/")), None) is None:
                raise _Failed(
                    9,
                    f"Failed to get GCS bucket location for {bucket}. Please check that the bucket exists and "
                    "permissions are set correctly.",
                ) from None
            raise _Failed(5, f"Failed to read the input: {source} was not found.") from None

    def _output(self, name: str, job: dict[str, Any], family: Family, rows: int) -> None:
        fault = self._faults.take("job")
        prefix = job["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
        folder = f"{prefix}/prediction-model-{job['createTime']}"
        progress = _Progress(rows)
        self._jobs.change(name, _begin(folder))
        source = job["inputConfig"]["gcsSource"]["uris"][0]
        written = self._rows(name, source, family, fault, progress)
        if fault is not None and fault["do"] == "fail":
            for _ in written:  # it ran, and is paid for
                pass
            raise _Failed(int(fault.get("code", 13)), str(fault.get("message", "System error. Please try this again.")))
        first = next(written, None)
        if first is not None:
            self._objects.write(f"{folder}/predictions.jsonl", _chained(first, written))
        state = "JOB_STATE_CANCELLED" if progress.cancelled else "JOB_STATE_SUCCEEDED"
        error = {"code": 1, "message": "CANCELED"} if progress.cancelled else None
        self._finish(name, state, error=error, progress=progress)

    def _rows(self, name: str, source: str, family: Family, fault: Rule | None, progress: _Progress) -> Iterator[bytes]:
        """Output rows, at the pace of the job, until it is done or cancelled."""
        began = time.monotonic()
        with self._objects.open(source) as stream:
            lines = rows_of(iter(lambda: stream.read(1 << 18), b""))
            for number, line in enumerate(_disordered(filter(bytes.strip, lines), seed=name)):
                self._wait_until(began + self._pace.running * number / progress.rows)
                if self._look(name, progress):
                    return
                row, good = self._answered(line, family)
                progress.good += good
                progress.bad += not good
                yield from _returned(row, line, number, fault)
        while not self._look(name, progress) and time.monotonic() < began + self._pace.running:
            self._wait_until(min(time.monotonic() + _STATS, began + self._pace.running))

    def _answered(self, line: bytes, family: Family) -> tuple[bytes, bool]:
        marker = "unlucky" if self._unlucky(line) else marker_of(line)
        row, good = family.run(msgspec.json.decode(line), marker)
        return msgspec.json.encode(row, order="sorted") + b"\n", good

    def _unlucky(self, line: bytes) -> bool:
        """By content, so that the same row fails again, and none by default."""
        share = self._pace.fail_share
        return share > 0 and int.from_bytes(hashlib.sha256(line).digest()[:4], "big") < share * 2**32

    def _look(self, name: str, progress: _Progress) -> bool:
        """Publish the counts now and then; True once somebody has cancelled the job."""
        moment = time.monotonic()
        if moment < progress.looked + _STATS:
            return progress.cancelled
        progress.looked = moment
        job = self._jobs.change(name, _counted(progress))
        progress.cancelled = job["state"] == "JOB_STATE_CANCELLING"
        return progress.cancelled

    def _cancelled_within(self, name: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while True:
            if self._jobs.get(name)["state"] == "JOB_STATE_CANCELLING":
                return True
            if time.monotonic() >= until:
                return False
            self._wait_until(min(until, time.monotonic() + _STATS))

    def _wait_until(self, moment: float) -> None:
        if self._stopping.wait(max(0.0, moment - time.monotonic())):
            raise _Stopping

    def _while_running(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        yield from takewhile(lambda _: not self._stopping.is_set(), lines)
        if self._stopping.is_set():
            raise _Stopping

    def _finish(
        self, name: str, state: str, *, error: dict[str, Any] | None = None, progress: _Progress | None = None
    ) -> None:
        def end(job: dict[str, Any]) -> None:
            job["state"], job["endTime"] = state, now()
            if error is not None:
                job["error"] = error
            if progress is not None:
                _counted(progress, final=True)(job)

        job = self._jobs.change(name, end)
        log("job_over", label=job["displayName"], state=state, error=error)


def _begin(folder: str) -> Any:
    def begin(job: dict[str, Any]) -> None:
        if job["state"] != "JOB_STATE_CANCELLING":
            job["state"] = "JOB_STATE_RUNNING"
        job.setdefault("startTime", now())
        job["outputInfo"] = {"gcsOutputDirectory": folder}

    return begin


def _counted(progress: _Progress, *, final: bool = False) -> Any:
    def count(job: dict[str, Any]) -> None:
        stats = {"successfulCount": str(progress.good)}
        if progress.bad:
            stats["failedCount"] = str(progress.bad)
        if not final:
            stats["incompleteCount"] = str(progress.rows - progress.good - progress.bad)
        job["completionStats"] = stats

    return count


def _disordered(lines: Iterable[bytes], seed: str) -> Iterator[bytes]:
    """The same lines, each some way off its place; the window is what memory holds."""
    chance = random.Random(seed)  # noqa: S311 - disorder that a test can repeat
    window: list[bytes] = []
    size = 0
    for line in lines:
        window.append(line)
        size += len(line)
        while len(window) > _WINDOW or (size > _WINDOW_BYTES and len(window) > 1):
            place = chance.randrange(len(window))
            window[place], window[-1] = window[-1], window[place]
            out = window.pop()
            size -= len(out)
            yield out
    chance.shuffle(window)
    if len(window) > 1 and window == sorted(window):
        window.reverse()  # even a file of two rows comes back out of order
    yield from window


def _returned(row: bytes, line: bytes, number: int, fault: Rule | None) -> Iterator[bytes]:
    marker = marker_of(line)
    hit = fault is not None and number % int(fault.get("every", 1)) == 0
    if marker == "missing" or (hit and fault is not None and fault["do"] == "missing"):
        return
    yield row
    if marker == "twice" or (hit and fault is not None and fault["do"] == "twice"):
        yield row


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
