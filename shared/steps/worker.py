"""A worker: one seat, one server, and the shards that are in hand: mostly one, and two where one ends.

take up ──► lines in flight ──► look: rows to write, leases to keep, ends to commit ──┬─► the next shard that waits here
               ▲                                                                      ├─► none is left: leave
               └──────────────────────────────────────────────────────────────────────┤
                     the server stays away: put all off ◄─────────────────────────────┼─► time is over: hand all on

What goes wrong with one shard is no other shard's trouble.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from shared.app import App
from shared.domain.batch import BatchError
from shared.domain.clock import SECOND
from shared.domain.errors import Transient
from shared.domain.lease import RENEW_AFTER
from shared.domain.shard import JobState, Shard, ShardStatus
from shared.log import log
from shared.providers.base import Provider
from shared.steps.claim import LeaseLost
from shared.steps.flight import Flight
from shared.steps.in_hand import InHand, take_in_hand, to_execute
from shared.steps.move import Trouble
from shared.steps.pace import Pace
from shared.steps.patience import patience
from shared.steps.slots import Seat
from shared.storage.queries import SHARDS_OF_DEPLOYMENT

__all__ = ["Worker"]

_UNIT: Final = 450.0  # seconds of one message: a function is stopped at 540, and its message comes again at 600
_LAST_START: Final = 30.0  # seconds before that, or as long as a line takes, after which none is begun
_LOOK: Final = 0.25  # seconds between two looks, if nothing stirs
_CANCELLED: Final = 1.5  # seconds between two looks at the batches
_AWAY: Final = 20.0  # seconds that a server may be away before the worker leaves, too
_MOST_TROUBLES: Final = 5  # refusals that time might heal, such as a key that is being replaced: about a minute
_NEXT: Final = 16  # shards that are looked at for the next one
_UNFILLED: Final = 2.0  # seconds between two looks for another shard
_AHEAD: Final = 256  # lines: with fewer, the next shard is taken up before this one ends
_SELDOM: Final = 20.0  # seconds between two renewals of a lease at the most, which are also when counts are told
_PER_SECOND: Final = 32.0  # lines in flight whose workers may together tell their batch about once a second


class Worker:
    """Runs what waits at one deployment, within the time of one message."""

    def __init__(self, app: App, provider: Provider, seat: Seat, deployment: str) -> None:
        self._app, self._provider, self._seat, self._deployment = app, provider, seat, deployment
        self._works: list[InHand] = []
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

    @asynccontextmanager
    async def _alone(self, work: InHand) -> AsyncIterator[None]:
        """What is done here is about this shard. Where it is not ours any more, or a store does not answer, the worker
        goes on with the others, and leaves this one to its own message.
        """
        try:
            yield
        except (LeaseLost, Transient) as error:
            await self._flight.drop(work.checkpoint)
            self._works.remove(work)
            self._passed_over.add(work.shard.id)
            await asyncio.to_thread(work.close, error)

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
            async with self._alone(work):
                if look and await asyncio.to_thread(work.stopping):
                    await self._flight.drop(work.checkpoint)
                    await self._let_go(work, partial(work.end, JobState.CANCELLED))
                elif work.checkpoint.complete:
                    await self._let_go(work, partial(work.end, JobState.SUCCEEDED))
                else:
                    room = self._flight.pace.room
                    await asyncio.to_thread(partial(work.keep, now, room=room, every=self._every))
        return True

    async def _let_go(self, work: InHand, act: Callable[[], None]) -> None:
        await asyncio.to_thread(act)
        self._works.remove(work)

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
        mine = {work.shard.id for work in self._works} | self._passed_over
        for status in (ShardStatus.RUNNING, ShardStatus.WAITING):
            for shard in self._app.documents.query(SHARDS_OF_DEPLOYMENT, self._deployment, status, limit=_NEXT):
                now = self._app.now()
                resting = (shard.rest_until or 0) > now
                free = shard.lease is None or shard.lease.until <= now
                if free and not resting and to_execute(shard) and shard.id not in mine:
                    yield shard

    def _open(self, id: str) -> bool:
        work = take_in_hand(self._app, id)
        if work is None:
            return False
        self._works.append(work)
        self.opened += 1
        return True

    async def _awaited(self) -> bool:
        """Wait for a server that does not answer; False where it stays away."""
        stay = 0.0 if self._seat.slot.troubles else _AWAY  # who finds it away once more need not
        flight, until, pause = self._flight, time.monotonic() + stay, 0.2
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
        trouble = Trouble(reason="the server does not answer")
        for work in list(self._works):
            async with self._alone(work):
                await self._let_go(work, partial(work.put_off, trouble, until))

    async def _refused(self, work: InHand) -> None:
        """No line of this shard will ever run here: a wrong key, no such model or endpoint. Keys are replaced, so not
        at the first refusal. Shards of other endpoints and models are none the wiser.
        """
        outcome, troubles = work.checkpoint.refusal, work.shard.troubles
        await self._flight.drop(work.checkpoint)
        said = outcome.said if outcome is not None else ""
        trouble = Trouble(reason=said, error=BatchError(code="provider_error", message=said))
        if troubles < _MOST_TROUBLES and outcome is not None and outcome.status in {401, 403}:
            trouble = Trouble(reason=said)
        async with self._alone(work):
            if trouble.error is None or not work.checkpoint.parts:
                until = self._app.now() + patience(troubles + 1)
                await self._let_go(work, partial(work.put_off, trouble, until))
            else:
                await self._let_go(work, partial(work.end, JobState.FAILED, trouble.error))

    async def _hand_on(self) -> None:
        """The time of this message is over: what is left is for the next one."""
        await self._flight.drop()
        for work in list(self._works):
            async with self._alone(work):
                await self._let_go(work, work.hand_on)
        await asyncio.to_thread(self._seat.leave, self._flight.pace.window)

    def _abandon(self, error: BaseException) -> None:
        """Something is wrong with us or a store. What was answered is kept, if that can be."""
        for work in self._works:
            try:
                work.checkpoint.flush()
            except Exception as lost:  # noqa: BLE001  # then these lines are run again
                log("rows_lost", severity="WARNING", **work.shard.log_context(), reason=type(lost).__name__)
            with suppress(BaseException):  # it is on its way already
                work.close(error)
        self._seat.leave(self._flight.pace.window)
