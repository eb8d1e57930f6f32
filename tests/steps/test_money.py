"""Money under any story: what is spent, reserved, open and enqueued agrees everywhere, after every single step.

A machine creates batches for keys that share users and teams, delivers their messages once, twice, late, never or as
dead letters, lets processes die and sleep between any two effects, jobs fail, clocks turn, budgets change and begin
anew; and the books are balanced after each of its steps, and cleared at the end.

OFFPEAK_MONEY_SEEDS=20000 looks further than CI does: so many seeds, fifty to a test, from OFFPEAK_MONEY_FROM on.
"""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from shared.admin.keyring import caller_of
from shared.app import App
from shared.config import Deployment
from shared.domain import ledger
from shared.domain.access import ADMIN, Caller
from shared.domain.account import Account, Caps, at
from shared.domain.batch import Batch
from shared.domain.cost import Cost
from shared.domain.durations import next_reset
from shared.domain.errors import (
    ApiError,
    ConfigError,
    Conflict,
    IllegalMove,
    OverBudget,
    Poison,
    RateLimited,
    Transient,
)
from shared.domain.files import File
from shared.domain.ids import new_batch_id
from shared.domain.keys import Key, Member, Team, User, team_account, user_account
from shared.domain.messages import Message
from shared.domain.shard import Shard
from shared.providers.base import Media, Provider
from shared.steps import accounts
from shared.steps.cancel import request_cancel
from shared.steps.commit import Turn
from shared.steps.dead import record_dead
from shared.steps.files import delete_file
from shared.steps.run import BATCH_STEPS, SHARD_STEPS
from shared.storage.ports import Exists
from shared.storage.queries import BATCHES
from shared.storage.queue import FINALIZE, STEPS, backoff
from tests.steps.accountant import check_money, check_nothing_held
from tests.steps.mortal import Death, MortalWorld
from tests.steps.upstream import Rows
from tests.steps.world import chat, deployment

SEEDS = int(os.environ.get("OFFPEAK_MONEY_SEEDS", "1000"))
FIRST = int(os.environ.get("OFFPEAK_MONEY_FROM", "0"))
EACH = 50

TEAMS = {
    "red": Team(
        id=team_account("red"),
        team_id="red",
        members=(Member(user_id="ann", max_budget_in_team=9_000_000),),
        tags=("scarlet",),
        created_at=1,
        updated_at=1,
    ),
    "blue": Team(id=team_account("blue"), team_id="blue", created_at=1, updated_at=1),
}
USERS = {name: User(id=user_account(name), user_id=name, created_at=1, updated_at=1) for name in ("ann", "bob")}


def caller(key: str, user: str | None, team: str | None, *tags: str) -> Caller:
    made = Key(
        id=key,
        key_id=f"key-{key}",
        key_name=key,
        user_id=user,
        team_id=team,
        tags=tags,
        created_at=1,
        created_by="",
        updated_at=1,
    )
    return caller_of(made, TEAMS.get(team or ""), USERS.get(user or ""), "team")


CALLERS = [
    ADMIN,
    caller("1", "ann", "red"),
    caller("2", "bob", "red", "nightly", "scarlet"),
    caller("3", "ann", None),
    caller("4", None, "blue", "nightly"),
    caller("5", None, None),
    caller("4", None, "red"),  # the fourth, after it was moved to another team
]
ACCOUNTS = sorted({payer for each in CALLERS for payer in each.payers})
USAGES: list[dict[str, Any] | None] = [
    {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
    {"promptTokenCount": 70_001, "candidatesTokenCount": 333, "thoughtsTokenCount": 5, "totalTokenCount": 70_339},
    {"promptTokenCount": 9, "cachedContentTokenCount": 8, "candidatesTokenCount": 1, "totalTokenCount": 10},
    {"promptTokenCount": 3, "cachedContentTokenCount": 8, "candidatesTokenCount": 1, "totalTokenCount": 4},
    None,
]
LINES = {
    "one": lambda n: chat(f"flash-{n}", max_tokens=3),
    "long": lambda n: chat(f"flash-{n}", text="please " * 50, max_completion_tokens=4_000),
    "lite": lambda n: chat(f"lite-{n}", model="lite"),
    "unpriced": lambda n: chat(f"odd-{n}", model="odd"),
    "fails": lambda n: chat(f"fail-{n}", text="please fail"),
    "refused": lambda n: chat(f"refused-{n}", logit_bias={"1": 1}),
    "strange": lambda n: {**chat(f"strange-{n}"), "url": "/v1/nonsense"},
}


class Means(NamedTuple):
    """What an account may spend and have open."""

    budget: int | None = None
    duration: str | None = None
    caps: Caps = Caps()


MEANS = [
    Means(),
    Means(10**9),
    Means(10**9, "1h"),
    Means(2 * 10**9, "1h"),
    Means(12_000_000, "1d"),
    Means(70_000),
    Means(0),
    Means(caps=Caps(open_batches=1)),
    Means(10**8, "1h", Caps(enqueued_tokens=900)),
]
callers = st.sampled_from([*CALLERS, *CALLERS[1:]])
inputs = st.one_of(
    st.lists(st.sampled_from(["one", "long", "lite", "unpriced", "fails", "refused"]), min_size=1, max_size=5),
    st.sampled_from(
        [["one"] * 5, ["one", "long", "one"], ["one", "lite", "fails", "long"], ["one", "strange"], ["refused"]]
    ),
)
Ends = tuple[str, int | None, bool]  # a job's state, its error's code, whether it leaves rows
ENDS: st.SearchStrategy[Ends] = st.sampled_from(
    [
        *[("SUCCEEDED", None, True)] * 3,
        ("SUCCEEDED", None, False),
        *[("FAILED", code, writes) for code in (3, 8, 13) for writes in (True, True, False)],
        ("EXPIRED", None, True),
        ("CANCELLED", None, False),
    ]
)
windows = st.sampled_from(["1h", "24h"])
tag_lists = st.sampled_from([(), ("blue sky",), ("nightly", "x")])


class Bug(Exception):
    """Something that nobody has thought of."""


@dataclass
class RoughWorld(MortalWorld):
    """Remembers what it has delivered; a step may fail at any of its effects in a way that nobody foresaw."""

    fails_at: int | None = None
    delivered: list[dict[str, Any]] = field(default_factory=list)
    after: Callable[[], object] = lambda: None

    def point(self, name: str) -> None:
        if self.points + 1 == self.fails_at:
            self.points += 1
            raise Bug(name)
        super().point(name)

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        """The second deployment of `flash` takes fewer lines at a time than the first: a move makes more shards."""
        provider: Provider = super().open_provider(deployment, media)
        rows = 2 if deployment.id == "flash#9" else 3
        return replace(provider, limits=replace(provider.limits, rows=rows))

    def pump(self, most: int = 40) -> int:
        count = 0
        while count < most and (due := self.bus.queue.claim(self.now(), 600_000, 1)):
            delivery, count = due[0], count + 1
            try:
                self.deliver(delivery.topic, delivery.data)
            except (Transient, Bug):
                self.bus.queue.nack(delivery.id, delivery.token, backoff(delivery.attempt))
            except Death:
                self.restart()
                self.bus.queue.nack(delivery.id, delivery.token, backoff(delivery.attempt))
            else:
                self.bus.queue.ack(delivery.id, delivery.token)
        return count

    def deliver(self, topic: str, data: dict[str, Any]) -> None:
        if topic not in {FINALIZE, STEPS}:
            return
        if topic == STEPS:
            self.delivered.append(data)
        try:
            super().deliver(topic, data)
        finally:
            self.after()


def rewriting(number: int) -> Callable[[Rows], Rows]:
    """What comes back: rows doubled, lost, of nobody, and with all kinds of usage."""
    dice = random.Random(number)

    def rewrite(rows: Rows) -> Rows:
        found: Rows = []
        for row in rows:
            if "response" in row and dice.random() < 0.6:
                usage = dice.choice(USAGES)
                row["response"].pop("usageMetadata")
                row["response"].update({"usageMetadata": usage} if usage else {})
            found += [row] * dice.choices([0, 1, 2], [1 + number % 5, 8, 1])[0]
        return [*found, {"key": "r-999999", "status": "", "response": {}}]

    return rewrite


class Books(RuleBasedStateMachine):
    """Short stories: each of a few batches, and of what may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        root = Path(tempfile.mkdtemp(prefix="offpeak-money-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.open.callback(shutil.rmtree, root)
        dice = random.Random(0)  # ids decide which of two deployments comes first: the same story has the same ids
        entropy = partial(new_batch_id, dice.randbytes)
        self.open.enter_context(patch("shared.steps.create.new_batch_id", entropy))
        self.open.enter_context(patch("shared.steps.commit.uuid4", lambda: UUID(bytes=dice.randbytes(16))))
        second = deployment("flash", "gemini-2.5-flash-lite", 9).model_copy(update={"weight": 0})
        dearer = deployment("lite", "gemini-2.5-pro", 8).model_copy(update={"weight": 0})
        self.world = RoughWorld(root, more=(second, dearer))
        self.open.callback(self.world.documents.close)
        self.open.callback(self.world.bus.close)
        self.world.after = self.balance
        self.files: list[File] = []

    @property
    def ids(self) -> list[str]:
        return [batch.id for batch in self.world.documents.query(BATCHES)]

    def balance(self) -> None:
        check_money(self.world, ACCOUNTS)

    def act(self, act: Callable[[], Any]) -> Any:
        """As a client does: again, if the process dies on it; a refusal is an answer."""
        with suppress(Bug, ApiError):
            return self.world.mortally(act)
        return None

    @initialize(
        means=st.one_of(st.just([MEANS[2]] * 3), st.lists(st.sampled_from(MEANS), min_size=3, max_size=3)),
        first=st.data(),
    )
    def begin(self, means: list[Means], first: st.DataObject) -> None:
        for number, id in enumerate(ACCOUNTS):
            self.allow(id, means[number % 3])
        self.upstream(*first.draw(st.tuples(ENDS, st.just(3_000), st.integers(0, 9))))
        self.refuse(first.draw(st.sampled_from([[], [], [429], [403], [500, 500]])), 0)
        self.create(*first.draw(st.tuples(st.sampled_from(CALLERS[1:]), inputs, windows, tag_lists)))

    @rule(id=st.sampled_from(ACCOUNTS), means=st.sampled_from(MEANS))
    def allow(self, id: str, means: Means) -> None:
        """An operator says what an account may."""
        now = self.world.now()

        def body(tx: Any) -> None:
            before = tx.get(Account, id) or Account(id=id)
            reset = None if means.duration is None else next_reset(means.duration, now)
            changes = {"budget_duration": means.duration, "budget_reset_at": reset, "caps": means.caps}
            tx.put(replace(before, max_budget=means.budget, **changes))

        self.world.documents.transact(body)

    @precondition(lambda self: len(self.files) < 4)
    @rule(whose=callers, kinds=inputs, window=windows, tags=tag_lists)
    def create(self, whose: Caller, kinds: list[str], window: str, tags: tuple[str, ...]) -> None:
        number, world = len(self.files), self.world
        file = world.upload([LINES[kind](n) for n, kind in enumerate(kinds)], whose)
        self.files.append(file)
        key = f"create {number}"
        start = partial(world.start, file, window=window, caller=whose, tags=tags, body_hash=key, idempotency_key=key)
        with suppress(Bug, OverBudget, RateLimited):
            world.mortally(start)

    @precondition(lambda self: len(self.files) < 4)
    @rule(whose=st.sampled_from(CALLERS[1:]))
    def come_again(self, whose: Caller) -> None:
        """When some budgets have begun anew."""
        self.go_on(6, 1_000)
        self.world.clock += 3_600_000
        self.create(whose, ["one"], "24h", ())

    @rule(rounds=st.sampled_from([1, 3, 6]), then=st.sampled_from([1_000, 4_000]))
    def go_on(self, rounds: int, then: int) -> None:
        """Nothing happens but what should."""
        for _ in range(rounds):
            self.world.pump()
            self.world.clock += then
            with suppress(Bug):
                self.world.sweep()

    @rule(most=st.sampled_from([1, 2, 5, 20]), then=st.sampled_from([0, 1_000, 4_000]))
    def deliver(self, most: int, then: int) -> None:
        self.world.clock += then
        self.world.pump(most)

    @rule(passed=st.sampled_from([1_000, 4_000, 30_000, 660_000, 3_600_000, 90_000_000]))
    def wait(self, passed: int) -> None:
        self.world.clock += passed
        with suppress(Bug):
            self.world.sweep()

    @rule()
    def lose(self) -> None:
        for delivery in self.world.bus.queue.claim(self.world.now(), 600_000, 1):
            self.world.bus.queue.ack(delivery.id, delivery.token)

    @rule(late=st.sampled_from([500, 20_000, 4_000_000]))
    def delay(self, late: int) -> None:
        for delivery in self.world.bus.queue.claim(self.world.now(), 600_000, 1):
            self.world.bus.queue.nack(delivery.id, delivery.token, late)

    @precondition(lambda self: self.world.delivered)
    @rule(which=st.integers(0, 30), times=st.sampled_from([1, 3]))
    def repeat(self, which: int, times: int) -> None:
        delivered = self.world.delivered
        for _ in range(times):
            self.world.bus.queue.put(STEPS, delivered[-1 - which % len(delivered)])
        self.world.pump(times)

    @rule(in_=st.integers(1, 12), how=st.sampled_from(["dies_at", "dies_at", "sleeps_at", "fails_at"]))
    def trouble(self, in_: int, how: str) -> None:
        setattr(self.world, how, self.world.points + in_)

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        ids = self.ids or ["none"]
        id = ids[which % len(ids)]
        with suppress(Conflict):
            self.act(lambda: request_cancel(self.world.app, id))

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 9))
    def delete(self, which: int) -> None:
        file = self.files[which % len(self.files)]
        self.act(lambda: delete_file(self.world.app, file))

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 3))
    def delete_results(self, which: int) -> None:
        for id in self.ids[which:]:
            batch = self.world.batch(id)
            ids = filter(None, (batch.output_file_id, batch.error_file_id))
            files = (self.world.documents.get(File, each) for each in ids)
            for file in filter(None, files):
                self.act(partial(delete_file, self.world.app, file))

    @precondition(lambda self: self.files)
    @rule(which=st.integers(0, 9), step=st.sampled_from([*BATCH_STEPS, *SHARD_STEPS]), shard=st.integers(1, 3))
    def bury(self, which: int, step: str, shard: int) -> None:
        """A message that has failed too often, for a reason that is still there."""
        ids = self.ids or ["none"]
        id = ids[which % len(ids)]
        message = Message(step=step, batch=id) if step in BATCH_STEPS else Message(step=step, shard=f"{id}-{shard:04d}")
        self.world.fails_at = self.world.points + 1
        with suppress(Transient, ConfigError, Poison, Death, Bug):
            record_dead(self.world.app, message, "delivered too often")

    @rule(how=ENDS, takes=st.sampled_from([500, 3_000, 3_000, 100_000, 10**9]), rows=st.integers(0, 9))
    def upstream(self, how: Ends, takes: int, rows: int) -> None:
        """From now on jobs end like this, and what comes back is changed like that."""
        there = self.world.upstream
        there.takes, there.ends_as, there.writes, there.rewrite = takes, f"JOB_STATE_{how[0]}", how[2], rewriting(rows)
        there.error = None if how[1] is None else {"code": how[1], "message": "System error. Please try again."}

    @rule(refuse=st.lists(st.sampled_from([403, 404, 429, 429, 500, 503]), max_size=4), lose=st.integers(0, 2))
    def refuse(self, refuse: list[int], lose: int) -> None:
        self.world.upstream.refuse, self.world.upstream.lose_creates = refuse, lose

    def teardown(self) -> None:
        try:
            self._clear()
        finally:
            self.open.close()

    def _clear(self) -> None:
        """All troubles are over: everything comes to its end, and nothing is held any more."""
        world, there = self.world, self.world.upstream
        self.balance()
        world.dies_at = world.sleeps_at = world.fails_at = None
        there.takes, there.ends_as, there.error, there.writes = 3_000, "JOB_STATE_SUCCEEDED", None, True
        there.refuse, there.lose_creates = [], 0
        for number in range(80):
            world.pump(200)
            batches = [world.batch(id) for id in self.ids]
            if all(batch.terminal and not batch.open_shards and not batch.owing for batch in batches):
                break
            world.clock += min(1_000 << number, 900_000)
            world.sweep()
        check_nothing_held(world, ACCOUNTS)
        for id in self.ids:
            assert len(world.ledger(id)) == world.batch(id).shards, id


# Without `generate` being cut short by health checks; shrinking makes of what fails the shortest story that does.
STORY = settings(
    max_examples=EACH,
    stateful_step_count=14,
    deadline=None,
    database=None,
    derandomize=False,
    print_blob=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(900)  # what fails is made short first, which takes minutes
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, EACH))
def test_the_books_balance_after_every_step_of_any_story(first: int) -> None:
    """Fifty stories from one seed; what fails is told as the shortest story that does, under this test's number."""
    run_state_machine_as_test(seed(first)(Books), settings=STORY)


def _spends_without_release(purse: accounts.Purse, nano: int, *, released: int) -> None:
    assert released >= 0
    _spend(purse, nano, released=0)


def _spends_at_the_first_alone(purse: accounts.Purse, nano: int, *, released: int) -> None:
    others = purse.accounts[1:]
    _spend(purse, nano, released=released)
    purse.accounts[1:] = others


def _closes_without_tokens(purse: accounts.Purse, nano: int, tokens: int) -> None:
    assert tokens >= 0
    _close(purse, nano, 0)


def _reserves_at_no_account(purse: accounts.Purse, nano: int = 0, tokens: int = 0) -> None:
    purse.accounts = [replace(each, enqueued_tokens=each.enqueued_tokens + tokens) for each in purse.accounts]
    assert nano is not None


def _adds_a_line(sum_: Any, entry: Any) -> Any:
    found = _more(sum_, entry)
    return replace(found, cost=found.cost + Cost(priced_lines=1))


def _begins_anew_at_nothing(account: Account, now: int) -> Account:
    found = at(account, now)
    return found if found is account else replace(found, spent=0, before=0)


def _holds_more_than_there_is(found: Sequence[Shard], most: int) -> list[Shard]:
    return [replace(each, reserved=most + 1) for each in found]


def _puts_the_batch_alone(_: App, turn: Turn, purse: accounts.Purse, batch: Batch) -> Batch:
    assert purse.accounts is not None
    turn.put(batch)
    return batch


_spend, _close, _more = accounts.Purse.spend, accounts.Purse.close, ledger.added
BREAKS: dict[str, list[Any]] = {
    "shared.steps.accounts.Purse.spend": [_spends_without_release, _spends_at_the_first_alone],
    "shared.steps.accounts.Purse.close": [_closes_without_tokens],
    "shared.steps.accounts.Purse.reserve": [_reserves_at_no_account],
    "shared.steps.books.added": [_adds_a_line],
    "shared.steps.accounts.at": [_begins_anew_at_nothing],
    "shared.steps.move.held_within": [_holds_more_than_there_is],
    "shared.steps.dead.close": [_puts_the_batch_alone],
    "shared.steps.cancel.close": [_puts_the_batch_alone],
    "shared.steps.settle._owes": [lambda _: True],
    "shared.steps.collect._wanted": [lambda shard: shard.status in {"ended", "collected"}],
}


@pytest.mark.slow
@pytest.mark.parametrize(("place", "broken"), [(place, each) for place, all_ in BREAKS.items() for each in all_])
def test_books_that_do_not_balance_are_found(place: str, broken: Any) -> None:
    """The machine is tested, too: each of these is a mistake that somebody could make."""
    looking = settings(STORY, max_examples=600, phases=(Phase.generate,))
    with patch(place, broken), pytest.raises((AssertionError, IllegalMove, Exists, ExceptionGroup)):
        run_state_machine_as_test(seed(1)(Books), settings=looking)
