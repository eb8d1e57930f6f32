"""execute(shard): run its lines one by one, where the server has no batch API. Instead of submit and check.

a slot of the deployment ──► lines in flight ──► parts, every second or so ──► ended, and the next shard that waits here
   └ none is free: whoever has one will come to it        │
                                                           └ 7 minutes are over: the rest is for the next message
What a worker leaves that dies is found again: all rows in the parts that it wrote. Only what was in flight, and what of
its rows was not written yet, is run twice.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Final

from shared.app import App
from shared.domain.batch import Batch, BatchError
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import Transient
from shared.domain.lease import RENEW_AFTER
from shared.domain.shard import Job, JobState, Shard, ShardStatus, label, move_to
from shared.log import log
from shared.providers.base import Provider
from shared.steps.checkpoint import Checkpoint, parts_of
from shared.steps.claim import Held, LeaseLost, claim
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.flight import Flight
from shared.steps.move import Trouble, moved, patience
from shared.steps.pace import Pace
from shared.steps.slots import Seat, take_seat
from shared.steps.submit import end
from shared.storage.queries import SHARDS_OF_DEPLOYMENT

__all__ = ["execute"]

_UNIT: Final = 450.0  # seconds of one message: a function is stopped at 540, and its message comes again at 600
_LAST_START: Final = 30.0  # seconds before that, or as long as a line takes, after which none is begun
_LOOK: Final = 0.25  # seconds between two looks, if nothing stirs
_CANCELLED: Final = 1.5  # seconds between two looks at the batches
_FLUSH: Final = 1.0  # seconds that a row may be kept before it is written
_AWAY: Final = 20.0  # seconds that a server may be away before the worker leaves, too
_MOST_TROUBLES: Final = 5  # refusals that time might heal, such as a key that is being replaced: about a minute
_NEXT: Final = 16  # shards that are looked at for the next one
_UNFILLED: Final = 2.0  # seconds between two looks for another shard
_AHEAD: Final = 256  # lines: with fewer, the next shard is taken up before this one ends
_QUEUED: Final = 5 * MINUTE
_SELDOM: Final = 20.0  # seconds between two renewals of a lease at the most, which are also when counts are told
_PER_SECOND: Final = 32.0  # lines in flight whose workers may together tell their batch about once a second


def execute(app: App, shard_id: str) -> None:
    """Run the lines of this shard, and of others that wait for the same deployment, as far as time allows."""
    shard = app.documents.get(Shard, shard_id)
    if shard is None or not _wanted(shard):
        return
    if _ended(app, shard_id):
        _end_unbegun(app, shard_id)
        return
    provider = app.provider(shard.deployment)
    first: str | None = shard_id
    while True:
        seat = take_seat(app, shard.deployment, provider.parallel)
        if not isinstance(seat, Seat):  # others have the slots, or wait for the server: they will come to this shard
            _postpone(app, shard, until=max(seat or 0, app.now() + _QUEUED))
            return
        worker = _Worker(app, provider, seat, shard.deployment)
        asyncio.run(worker.work(first))
        # Who came when this worker was about to leave found no slot, and has left the shard to it.
        if not (worker.ran_dry and worker.opened and worker.waiting()):
            return
        first = None


def _wanted(shard: Shard) -> bool:
    return shard.executes and shard.status in {ShardStatus.WAITING, ShardStatus.RUNNING}


def _begun(shard: Shard) -> Shard:
    if shard.status is ShardStatus.RUNNING:
        return shard
    job = Job(name=label(shard), state=JobState.RUNNING)
    return replace(shard, status=move_to(shard, ShardStatus.RUNNING), job=job)


class _Work:
    """A shard in hand."""

    def __init__(self, stack: ExitStack, held: Held[Shard], checkpoint: Checkpoint) -> None:
        self.stack, self.held, self.checkpoint = stack, held, checkpoint
        self.taken_up = False
        self.flushed = self.renewed = time.monotonic()

    def close(self, error: BaseException | None = None) -> None:
        """Let go of the shard. What an error means, `claim` knows."""
        with self.stack:
            if error is not None:
                raise error


class _Worker:
    """One seat, one server, and the shards that are in hand: mostly one, and two where one ends."""

    def __init__(self, app: App, provider: Provider, seat: Seat, deployment: str) -> None:
        self._app, self._provider, self._seat, self._deployment = app, provider, seat, deployment
        self._works: list[_Work] = []
        self._started = self._looked = self._renewed = time.monotonic()
        self._asked = float("-inf")
        self._every = min(_SELDOM, max(RENEW_AFTER / SECOND, provider.parallel / _PER_SECOND))
        self._passed_over: set[str] = set()
        self.opened = 0
        self.ran_dry = False

    async def work(self, first: str | None) -> None:
        """Run lines until there are none, the server is away, or time is over."""
        if self._provider.runner is None:
            raise LookupError(f"{self._deployment} runs no lines one by one")
        async with self._provider.runner() as runner:
            self._flight = Flight(runner, Pace(self._seat.lines, self._seat.slot.window))
            if self._seat.slot.troubles:
                self._flight.pace.doubt()
            try:
                if first is not None:
                    await self._take_up(partial(self._open, first))
                await self._serve()
            except BaseException as error:
                await self._flight.drop()
                await asyncio.to_thread(self._abandon, error)
                raise
            finally:
                await self._flight.drop()

    def waiting(self) -> bool:
        """Whether a shard of this deployment waits for somebody with a slot."""
        return any(True for _ in self._free())

    async def _serve(self) -> None:
        flight = self._flight
        while True:
            flight.stirred.clear()
            flight.fill()
            if flight.crash is not None:
                raise flight.crash
            for work in [work for work in self._works if work.checkpoint.refusal is not None]:
                await self._refused(work)
            if flight.barren() or ((flight.pace.open or flight.silent()) and not await self._awaited()):
                return await self._leave_closed()
            if not await self._attend():
                return await self._hand_on()
            self._stop_in_time()
            if flight.stopped and (flight.landed or self._time_left() <= 0):
                flight.cut_off()
                return await self._hand_on()
            if flight.waiting < _AHEAD and not flight.stopped:
                await self._more()
            if not self._works:
                self.ran_dry = True
                return await asyncio.to_thread(self._seat.leave, flight.pace.window)
            with suppress(TimeoutError):
                await asyncio.wait_for(flight.stirred.wait(), _LOOK)

    def _time_left(self) -> float:
        return self._started + _UNIT - time.monotonic()

    def _stop_in_time(self) -> None:
        if self._time_left() < max(_LAST_START, self._flight.slowest):
            self._flight.stopped = True

    async def _attend(self) -> bool:
        """Whatever is due: rows to write, leases to keep, ends to commit, batches that stop. False without a seat."""
        now = time.monotonic()
        if now - self._renewed >= RENEW_AFTER / SECOND:
            self._renewed = now
            if not await asyncio.to_thread(self._seat.renew):
                return False
        look = now - self._looked >= _CANCELLED
        if look:
            self._looked = now
        for work in list(self._works):
            try:
                if look and await asyncio.to_thread(self._stopping, work):
                    await self._flight.drop(work.checkpoint)
                    await asyncio.to_thread(self._end, work, JobState.CANCELLED)
                elif work.checkpoint.complete:
                    await asyncio.to_thread(self._end, work, JobState.SUCCEEDED)
                else:
                    await asyncio.to_thread(self._keep, work, now)
            except (LeaseLost, Transient) as error:
                await self._flight.drop(work.checkpoint)
                if work in self._works:
                    self._works.remove(work)
                await asyncio.to_thread(work.close, error)
        return True

    def _stopping(self, work: _Work) -> bool:
        batch = self._app.documents.get(Batch, work.held.record.batch)
        return batch is None or batch.ending is not None or batch.terminal

    def _keep(self, work: _Work, now: float) -> None:
        held = work.checkpoint.held
        if held and (now - work.flushed >= _FLUSH or held >= min(50, self._flight.pace.room)):
            work.checkpoint.flush()
            work.flushed = now
        if now - work.renewed >= self._every:
            work.checkpoint.flush()
            work.renewed = work.flushed = now
            commit(self._app, partial(_progress, work))

    def _end(self, work: _Work, state: JobState, error: BatchError | None = None) -> None:
        """All rows are written; commit which parts count."""
        checkpoint, shard = work.checkpoint, work.held.record
        checkpoint.flush()

        def body(turn: Turn) -> None:
            current = work.held.current(turn)
            job = Job(name=label(current), state=state, error=error, files=tuple(checkpoint.parts))
            end(turn, current, job)

        commit(self._app, body)
        self._works.remove(work)
        work.close()
        log(
            "shard_executed",
            **shard.log_context(),
            state=str(state),
            lines=checkpoint.total,
            resumed=checkpoint.resumed,
            calls=checkpoint.calls,
            parts=len(checkpoint.parts),
        )

    async def _more(self) -> None:
        """Take up another shard that waits here, if there is one."""
        now = time.monotonic()
        if now - self._asked < _UNFILLED and self._works:
            return
        if not await self._take_up(self._next):
            self._asked = now

    async def _take_up(self, find: Callable[[], bool]) -> bool:
        found = await asyncio.to_thread(find)
        for work in self._works:
            if not work.taken_up:
                work.taken_up = True
                self._flight.add(work.checkpoint.left)
        return found

    def _next(self) -> bool:
        """Take the first that can be had. One that cannot be opened is left to its own message.

        Small batches go first, since their shards have small numbers; every other time it is the oldest one's turn.
        """
        free = list(self._free())
        if self.opened % 2:
            free.sort(key=lambda shard: shard.created_at)
        for shard in free:
            try:
                if self._open(shard.id):
                    return True
            except Exception as error:  # noqa: BLE001  # one broken shard must not stop the others
                self._passed_over.add(shard.id)
                log("shard_passed_over", severity="ERROR", **shard.log_context(), reason=type(error).__name__)
        return False

    def _free(self) -> Iterator[Shard]:
        """Shards of this deployment that nobody works on; those that were begun before come first."""
        mine = {work.held.record.id for work in self._works} | self._passed_over
        for status in (ShardStatus.RUNNING, ShardStatus.WAITING):
            for shard in self._app.documents.query(SHARDS_OF_DEPLOYMENT, self._deployment, status, limit=_NEXT):
                now = self._app.now()
                resting = (shard.rest_until or 0) > now
                free = shard.lease is None or shard.lease.until <= now
                if free and not resting and _wanted(shard) and shard.id not in mine:
                    yield shard

    def _open(self, id: str) -> bool:
        """Take a shard in hand; False where somebody else has it, or it has ended, or its batch is being wound up."""
        if _ended(self._app, id):
            _end_unbegun(self._app, id)
            return False
        stack = ExitStack()
        held = stack.enter_context(claim(self._app, Shard, id, wanted=_wanted, change=_begun))
        if held is None:
            stack.close()
            return False
        checkpoint = None
        with ExitStack() as guard:
            guard.push(stack)  # should the next fail, the shard is let go of
            checkpoint = Checkpoint(self._app, held.record)
            guard.pop_all()
        if checkpoint is None:
            return False
        self._works.append(_Work(stack, held, checkpoint))
        self.opened += 1
        return True

    async def _awaited(self) -> bool:
        """Wait for a server that does not answer; False where it stays away."""
        patience = 0.0 if self._seat.slot.troubles else _AWAY  # who finds it away once more need not stay
        flight, until, pause = self._flight, time.monotonic() + patience, 0.2
        if await flight.well():  # it only takes its time, or something on the way was in trouble
            return True
        flight.pace.doubt()
        await flight.call_back()
        while time.monotonic() < until:
            if await flight.well():
                log("circuit_closed", deployment=self._deployment, window=flight.pace.room)
                flight.fill()
                return True
            if not await self._attend():
                return False
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)
        return False

    async def _leave_closed(self) -> None:
        """Nobody is there: the shards wait for the circuit, or go elsewhere where nothing of them was run."""
        await self._flight.drop()
        until = await asyncio.to_thread(self._seat.close, self._flight.pace.window)
        log("circuit_open", severity="WARNING", deployment=self._deployment, until=until)
        for work in list(self._works):
            await asyncio.to_thread(self._wait, work, Trouble(reason="the server does not answer"), until)
        self._works.clear()

    async def _refused(self, work: _Work) -> None:
        """No line of this shard will ever run here: a wrong key, no such model or endpoint. Keys are replaced, so not
        at the first refusal. Shards of other endpoints and models are none the wiser.
        """
        outcome, troubles = work.checkpoint.refusal, work.held.record.troubles
        await self._flight.drop(work.checkpoint)
        said = outcome.said if outcome is not None else ""
        trouble = Trouble(reason=said, error=BatchError(code="provider_error", message=said))
        if troubles < _MOST_TROUBLES and outcome is not None and outcome.status in {401, 403}:
            trouble = Trouble(reason=said)
        if trouble.error is None or not work.checkpoint.parts:
            until = self._app.now() + patience(troubles + 1)
            await asyncio.to_thread(self._wait, work, trouble, until)
        else:
            await asyncio.to_thread(self._end, work, JobState.FAILED, trouble.error)
        if work in self._works:
            self._works.remove(work)

    def _wait(self, work: _Work, trouble: Trouble, until: int) -> None:
        """Let go of a shard that cannot be run here now: for another deployment, for later, or for good."""
        work.checkpoint.flush()
        begun = bool(work.checkpoint.parts)
        if not begun and moved(self._app, work.held, trouble):
            work.close()
            return
        if trouble.error is not None:
            self._end(work, JobState.FAILED, trouble.error)
            return

        def body(turn: Turn) -> None:
            shard = work.held.current(turn)
            _count(turn, shard, work)
            shard = _noted(shard, work)
            troubles = shard.troubles + 1
            turn.put(replace(shard, lease=None, troubles=troubles, busy_at=(), rest_until=until, due_at=until))

        commit(self._app, body)
        work.close()
        log("execute_postponed", severity="WARNING", **work.held.record.log_context(), reason=trouble.reason)

    async def _hand_on(self) -> None:
        """The time of this message is over: what is left is for the next one."""
        await self._flight.drop()
        for work in list(self._works):
            await asyncio.to_thread(self._leave, work)
        self._works.clear()
        await asyncio.to_thread(self._seat.leave, self._flight.pace.window)

    def _leave(self, work: _Work) -> None:
        work.checkpoint.flush()

        def body(turn: Turn) -> None:
            shard = work.held.current(turn)
            _count(turn, shard, work)
            turn.put(replace(_noted(shard, work), lease=None, due_at=turn.now + LOOK_AGAIN))
            turn.send("execute", shard=shard.id)

        commit(self._app, body)
        work.close()
        log("execute_continued", **work.held.record.log_context(), left=work.checkpoint.total)

    def _abandon(self, error: BaseException) -> None:
        """Something is wrong with us or a store. What was answered is kept, if that can be."""
        for work in self._works:
            try:
                work.checkpoint.flush()
            except Exception as lost:  # noqa: BLE001  # then these lines are run again
                log("rows_lost", severity="WARNING", **work.held.record.log_context(), reason=type(lost).__name__)
            with suppress(BaseException):  # it is on its way already
                work.close(error)
        self._seat.leave(self._flight.pace.window)


def _progress(work: _Work, turn: Turn) -> None:
    shard = work.held.kept(turn)
    _count(turn, shard, work)
    turn.put(replace(_noted(shard, work), troubles=0))


def _noted(shard: Shard, work: _Work) -> Shard:
    """What is known of its lines by now."""
    return replace(shard, counted=work.checkpoint.counts, line_tries=work.checkpoint.line_tries())


def _count(turn: Turn, shard: Shard, work: _Work) -> None:
    """Bring the batch's live counts up to date. To be called before the shard is put."""
    batch = turn.get(Batch, shard.batch)
    counts = work.checkpoint.counts
    if batch is not None and not batch.terminal and counts != shard.counted:
        turn.put(replace(batch, counts=batch.counts + counts + shard.counted.negated()))


def _ended(app: App, shard_id: str) -> bool:
    """Whether the shard's batch is over, or being wound up."""
    shard = app.documents.get(Shard, shard_id)
    batch = app.documents.get(Batch, shard.batch) if shard is not None else None
    return batch is None or batch.ending is not None or batch.terminal


def _end_unbegun(app: App, shard_id: str) -> None:
    """Its batch is being wound up: what an earlier worker left is collected, nothing is begun."""
    with claim(app, Shard, shard_id, wanted=_wanted, change=_begun) as held:
        if held is None:
            return
        parts = parts_of(app, held.record)

        def body(turn: Turn) -> None:
            shard = held.current(turn)
            end(turn, shard, Job(name=label(shard), state=JobState.CANCELLED, files=tuple(parts)))

        commit(app, body)


def _postpone(app: App, seen: Shard, *, until: int) -> None:
    def body(turn: Turn) -> None:
        shard = turn.get(Shard, seen.id)
        if shard is not None and _wanted(shard) and shard.lease is None:
            turn.put(replace(shard, due_at=until))

    commit(app, body)
