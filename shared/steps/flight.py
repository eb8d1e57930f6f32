"""Lines in flight: as many calls at once as go well, each line until it has its row. One event loop, no documents.

Every call that ends starts the next one by itself. `stirred` is set where somebody should have a look.
"""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from shared.providers.base import Fault, Outcome, Runner
from shared.steps.checkpoint import MOST_HELD, Checkpoint, Line, given_up
from shared.steps.pace import MOST_ATTEMPTS, GiveUp, Pace, after

__all__ = ["Flight"]

_SILENT: Final = 10.0  # seconds without any answer after which the server is asked how it is
_MOST_OUTAGES: Final = 12  # that one line may have been in flight in; some lines bring a server down
_FRESH: Final = 0.5  # seconds for which the answer to that is good
_BARREN: Final = 60.0  # seconds of refusals without a single row after which it is better to come again
_LONGEST_HOLD: Final = 60.0  # seconds that a server may ask to be left alone


class Flight:
    """The calls of one worker at one server."""

    def __init__(self, runner: Runner, pace: Pace) -> None:
        self._runner, self.pace = runner, pace
        self._ready: deque[Line] = deque()
        self._later: list[tuple[float, int, Line]] = []
        self._tasks: dict[asyncio.Task[None], Line] = {}
        self._tie = 0
        self._heard = self._fed = time.monotonic()  # when a call ended, and when one brought a row
        self._closings = 0  # of the circuit since then
        self._shut = False  # whether the circuit was open since then
        self._asking = asyncio.Lock()
        self._asked = float("-inf"), False  # when the server was asked how it is, and what it said
        self._hold = 0.0  # until then the server asked to be left alone
        self._timer: asyncio.TimerHandle | None = None
        self.slowest = 0.0  # seconds of the longest call that brought a row
        self.stopped = False  # no new line is begun
        self.crash: BaseException | None = None  # a bug of ours: whoever looks next raises it
        self.stirred = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Lines that are not in flight yet."""
        return len(self._ready) + len(self._later)

    @property
    def landed(self) -> bool:
        """Whether nothing is in flight."""
        return not self._tasks

    def add(self, lines: Iterable[Line]) -> None:
        self._ready.extend(lines)
        self.fill()

    def fill(self) -> None:
        """Begin as many lines as there is room for."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        if self.stopped or self.pace.open:
            return
        if now < self._hold:
            self._wake_at(self._hold)
            return
        while self._ready and len(self._tasks) < self.pace.room:
            line = self._ready.popleft()
            if line.work.refusal is None:  # else it is settled with its shard
                self._begin(line)
        if self._later and len(self._tasks) < self.pace.room:
            self._wake_at(self._later[0][0])
        if not self._tasks:
            self.stirred.set()

    async def drop(self, work: Checkpoint | None = None) -> None:
        """Forget the lines of one shard, or of all, and close their connections: that ends the calls."""
        self._ready = deque(line for line in self._ready if work is not None and line.work is not work)
        self._later = [entry for entry in self._later if work is not None and entry[2].work is not work]
        heapq.heapify(self._later)
        gone = [task for task, line in self._tasks.items() if work is None or line.work is work]
        for task in gone:
            task.cancel()
        for task in gone:
            with suppress(asyncio.CancelledError):
                await task

    async def call_back(self) -> None:
        """End all calls, and have their lines wait for another try. It costs them nothing, unless a line has seen the
        server go away so often that it may be the reason.
        """
        flying = {task: line for task, line in self._tasks.items() if not task.done()}
        gone, lines = list(flying), list(flying.values())
        for line in lines:
            self._saw_an_outage(line)
        for task in gone:
            task.cancel()
        for task in gone:
            with suppress(asyncio.CancelledError):
                await task
        self._ready.extendleft(line for line in reversed(lines) if not line.work.done(line))

    def cut_off(self) -> None:
        """Time is over for what is in flight, and that was one of its tries: some lines never come to an end."""
        for task, line in self._tasks.items():
            if task.done():
                continue
            if line.attempt >= MOST_ATTEMPTS:
                self._row(line, given_up(line, 504, _TOO_LONG), good=False)
            line.attempt += 1
            line.work.note(line)

    async def well(self) -> bool:
        """Whether the server answers; if so, the circuit is closed."""
        if not await self._runner.well():
            return False
        self._heard = time.monotonic()
        if self.pace.open:
            self.pace.close()
            self._closings += 1
            self._hold = max(self._hold, self._heard + min(_LONGEST_HOLD, 0.25 * 2.0**self._closings))
        return True

    def silent(self) -> bool:
        """Whether calls are in flight and none of them has ended for a long time."""
        return bool(self._tasks) and time.monotonic() - self._heard > _SILENT

    def barren(self) -> bool:
        """Whether it has been long since any line got its row, although calls were made and answered."""
        return self._shut and self._heard - self._fed > _BARREN

    def _begin(self, line: Line) -> None:
        task = asyncio.ensure_future(self._one(line))
        self._tasks[task] = line
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            return
        self.crash = self.crash or task.exception()
        if self.crash is not None:
            self.stirred.set()
        else:
            self.fill()

    async def _one(self, line: Line) -> None:
        started = time.monotonic()
        line.work.calls += 1
        outcome = await self._runner.run(line.row, f"{line.work.name}-{line.key}-{line.attempt}")
        self._heard = time.monotonic()
        if outcome.row is not None:
            self._fed, self._shut, self._closings = self._heard, False, 0
            self.pace.answered()
            self.slowest = max(self.slowest, self._heard - started)
            self._row(line, outcome.row, good=outcome.good)
        else:
            self._failed(line, outcome, await self._whose(line, outcome, started))

    async def _whose(self, line: Line, outcome: Outcome, started: float) -> Fault:
        """A call that broke off costs its line a try only where the server is there: others got their rows meanwhile,
        or it says so itself. So an outage costs nobody anything, also behind a gateway that answers for it.
        """
        fault = outcome.fault or Fault.REPLY
        if fault is not Fault.REPLY or (self._fed > started and line.attempt < MOST_ATTEMPTS):
            return fault
        async with self._asking:
            if time.monotonic() - self._asked[0] > _FRESH:
                well = await self._runner.well()
                self._asked = time.monotonic(), well
        return Fault.REPLY if self._asked[1] else Fault.ENDPOINT

    def _failed(self, line: Line, outcome: Outcome, fault: Fault) -> None:
        if fault is Fault.REPLY:
            self.pace.broke()
        elif fault is Fault.ENDPOINT:
            self.pace.busy(self._heard)
        else:
            line.work.refusal = outcome
            self.stirred.set()
        verdict = after(fault, line.attempt, random.random(), outcome.retry_after)  # noqa: S311  # to spread tries
        if isinstance(verdict, GiveUp):
            self._row(line, given_up(line, outcome.status, _TRIED), good=False)
            return
        line.attempt += verdict.spends_attempt
        if fault is Fault.ENDPOINT and outcome.fault is Fault.REPLY:  # it broke, and then the server was gone
            self._saw_an_outage(line)
        if line.work.done(line):
            return
        line.work.note(line)
        self._tie += 1
        heapq.heappush(self._later, (self._heard + verdict.seconds, self._tie, line))
        self._shut = self._shut or self.pace.open
        if outcome.retry_after and self._heard - self._fed > 1.0:  # nobody gets an answer: it is meant for all
            self._hold = max(self._hold, self._heard + min(outcome.retry_after, _LONGEST_HOLD))
        if self.pace.open:
            self.stirred.set()

    def _saw_an_outage(self, line: Line) -> None:
        line.outages += 1
        line.work.note(line)
        if line.outages >= _MOST_OUTAGES:
            self._row(line, given_up(line, 500, _DEADLY), good=False)

    def _row(self, line: Line, row: bytes, *, good: bool) -> None:
        work = line.work
        work.add(line, row, good=good)
        if work.complete or work.held >= min(MOST_HELD, self.pace.room):
            self.stirred.set()

    def _wake_at(self, when: float) -> None:
        if self._timer is not None and self._timer.when() <= when and not self._timer.cancelled():
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._awake)

    def _awake(self) -> None:
        self._timer = None
        self.fill()


_DEADLY: Final = "The server went away each time that it was given this request."
_TOO_LONG: Final = "This request takes longer than a line may."
_TRIED: Final = "The server could not answer this request, though it was asked several times."
