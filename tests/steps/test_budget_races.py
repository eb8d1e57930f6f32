"""Many at once against one budget or cap: exactly as many pass as fit, on every store, from threads and processes."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.app import App
from shared.domain.access import Caller
from shared.domain.account import Account, Caps, spend
from shared.domain.batch import Status
from shared.domain.errors import OverBudget, RateLimited, Transient
from shared.domain.files import File
from shared.domain.ids import new_file_id
from shared.steps.files import keep
from shared.steps.prepare import prepare
from shared.steps.submit import submit
from shared.storage.firestore.documents import FirestoreDocuments
from shared.storage.ports import Documents
from shared.storage.sqlite import SqliteDocuments
from tests.steps.accountant import account, check_money, check_nothing_held
from tests.steps.world import World, chat, deployment
from tests.storage.conftest import emulated, new_project

pytestmark = pytest.mark.slow

KEYS = ["key-1", "key-2", "key-3"]
CALLERS = [Caller(owner=f"key:{key}", key=key, team="red", payers=(key, "user-ann", "team-red")) for key in KEYS]
ALL = [*KEYS, "user-ann", "team-red"]
LINES = [chat(f"line-{n}", max_tokens=3) for n in range(3)]
LINE = 7 * 150 + 3 * 1_250


@dataclass
class Arena(World):
    """On a store that others use, too."""

    store: Documents | None = None

    def new_app(self) -> App:
        assert self.store is not None
        self.documents = self.store  # type: ignore[assignment]  # whichever it is, only the port's side of it is used
        return replace(super().new_app(), documents=self.store)


@contextmanager
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[Documents]:
    """With time for all: a step that gets no turn leaves its work to a message that nobody here brings."""
    if request.param == "sqlite":
        with closing(SqliteDocuments(f"sqlite://{folder}/documents.db", wait=60)) as documents:
            yield documents
        return
    with (
        emulated(request, "firestore"),
        closing(FirestoreDocuments(f"firestore://{new_project()}", transaction=60)) as remote,
    ):
        yield remote


@pytest.fixture(params=["sqlite", "firestore"])
def arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Arena]:
    with store(request, tmp_path) as documents:
        yield Arena(tmp_path, store=documents)


def allow(world: World, id: str, **changes: Any) -> None:
    world.documents.transact(
        lambda tx: tx.put(replace(tx.get(Account, id) or Account(id=id, name=f"Key={id}"), **changes))
    )


def patiently(act: Callable[[], Any]) -> Any:
    """As a client and the bus do: again, where the store had no time for it."""
    for _ in range(20):
        try:
            return act()
        except Transient:
            continue
    raise AssertionError("the store never had time")


def at_once(acts: Sequence[Callable[[], Any]], threads: int = 8) -> list[Any]:
    """What came of each; refusals are answers."""
    ready = threading.Barrier(threads)

    def run(number: int) -> list[Any]:
        ready.wait()
        return [outcome(act) for act in acts[number::threads]]

    with ThreadPoolExecutor(threads) as pool:
        return [found for share in pool.map(run, range(threads)) for found in share]


def outcome(act: Callable[[], Any]) -> Any:
    try:
        return patiently(act)
    except (RateLimited, OverBudget) as refusal:
        return refusal.kind


def starts(world: World, count: int) -> list[Callable[[], Any]]:
    files = [world.upload(LINES, caller) for caller in CALLERS]
    return [
        partial(world.start, files[n % 3], caller=CALLERS[n % 3], body_hash=str(n), idempotency_key=str(n))
        for n in range(count)
    ]


def passed(found: Sequence[Any]) -> list[Any]:
    return [each for each in found if not isinstance(each, str)]


@contextmanager
def watched(world: World, id: str) -> Iterator[list[Account]]:
    """The account, seen again and again while others are at it."""
    seen: list[Account] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.002):
            seen.append(account(world, id))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
    seen.append(account(world, id))


@pytest.mark.parametrize("whose", ["team-red", "user-ann"])
@pytest.mark.parametrize(
    ("caps", "kind", "fit"),
    [
        (Caps(open_batches=7), "open_batches", 7),
        (Caps(batches_per_hour=5), "batches_per_hour", 5),
        (Caps(enqueued_tokens=0), "enqueued_tokens", 6),
    ],
)
def test_as_many_batches_are_created_as_a_cap_has_room_for(
    arena: Arena, whose: str, caps: Caps, kind: str, fit: int
) -> None:
    creates = starts(arena, 24)
    if kind == "enqueued_tokens":
        caps = Caps(enqueued_tokens=fit * (arena.upload(LINES).bytes // 4) + 1)
    allow(arena, whose, caps=caps)
    with watched(arena, whose) as seen:
        found = at_once(creates)
    assert Counter(each for each in found if isinstance(each, str)) == {kind: 24 - fit}
    assert len(passed(found)) == len({batch.id for batch in passed(found)}) == fit
    assert max(each.open_batches for each in seen) == fit
    assert max(each.hour.used for each in seen) == fit
    check_money(arena, ALL)


def test_as_many_batches_run_as_a_budget_pays_for(arena: Arena) -> None:
    """Reserved and spent together are never more than the budget, whoever looks, and whenever."""
    arena.start(LINES, caller=Caller(owner="probe", payers=("key-probe",)))
    arena.pump(1)
    price = account(arena, "key-probe").reserved
    allow(arena, "team-red", max_budget=5 * price + price // 2)
    ids = [each.id for each in passed(at_once(starts(arena, 14)))]
    assert len(ids) == 14

    with watched(arena, "team-red") as seen:
        at_once([partial(prepare, arena.app, id) for id in ids for _ in range(2)])  # each is delivered twice
    assert max(each.reserved + spend(each) for each in seen) == 5 * price
    ended = Counter(arena.batch(id).status for id in ids)
    assert ended == {Status.IN_PROGRESS: 5, Status.FAILED: 9}
    assert {arena.batch(id).errors[0].code for id in ids if arena.batch(id).terminal} == {"budget_exceeded"}
    check_money(arena, ALL)

    arena.settle(*ids)
    assert account(arena, "team-red").spent == 5 * 3 * LINE


def test_as_many_shards_move_to_a_dearer_deployment_as_a_budget_pays_for(arena: Arena) -> None:
    dearer = deployment("mix", "gemini-2.5-pro", 11).model_copy(update={"weight": 0})
    arena.more = (deployment("mix", "gemini-2.5-flash-lite", 10), dearer)
    arena.app = arena.new_app()
    lines = [chat(f"line-{n}", model="mix", max_tokens=3) for n in range(3)]
    ids = [arena.start(lines, caller=CALLERS[n % 3], body_hash=str(n)).id for n in range(8)]
    for id in ids:
        prepare(arena.app, id)
    cheap = arena.batch(ids[0]).reserved
    probe = arena.start(lines, caller=Caller(owner="probe", payers=("p",)))
    prepare(arena.app, probe.id)
    arena.upstream.refuse = [429]
    submit(arena.app, f"{probe.id}-0001")
    more = account(arena, "p").reserved - cheap
    assert more > cheap

    allow(arena, "team-red", max_budget=8 * cheap + 3 * more + more // 2)
    arena.upstream.refuse = [429] * 8
    with watched(arena, "team-red") as seen:
        at_once([partial(submit, arena.app, f"{id}-0001") for id in ids])
    assert max(each.reserved for each in seen) == 8 * cheap + 3 * more
    places = Counter(shard.deployment for id in ids for shard in arena.shards(id))
    assert places == {"mix#11": 3, "mix#10": 5}
    check_money(arena, [*ALL, "p"])
    arena.settle(*ids, probe.id)
    check_nothing_held(arena, [*ALL, "p"])


def test_shards_that_are_collected_at_once_are_all_counted(arena: Arena) -> None:
    """Every worker adds to the same accounts and to the same sums of the day."""
    arena.rows_per_job = 1
    arena.app = arena.new_app()
    ids = [each.id for each in passed(at_once(starts(arena, 4)))]
    for id in ids:
        prepare(arena.app, id)
    at_once([arena.pump] * 4, threads=4)
    arena.clock += 5_000
    arena.sweep()
    at_once([arena.pump] * 4, threads=4)
    arena.settle(*ids)
    assert account(arena, "team-red").spent == 4 * 3 * LINE
    check_nothing_held(arena, ALL)


def test_as_many_files_are_kept_as_a_day_may_have(arena: Arena) -> None:
    allow(arena, "team-red", caps=Caps(files_per_day=6))

    def kept(number: int) -> File:
        file = replace(arena.upload(b"{}\n"), id=new_file_id())
        keep(arena.app, file, CALLERS[number % 3].payers)
        return file

    found = at_once([partial(kept, number) for number in range(20)])
    assert Counter(each for each in found if isinstance(each, str)) == {"files_per_day": 14}
    assert len(passed(found)) == account(arena, "team-red").day.used == 6


# ---- processes


def _in_a_process(root: str, url: str, number: int) -> list[str]:
    with closing(SqliteDocuments(url, wait=60)) as documents:
        world = Arena(Path(root), store=documents)
        files = [world.upload(LINES, caller) for caller in CALLERS]
        found = []
        for count in range(8):
            name = f"{number} {count}"
            start = partial(world.start, files[count % 3], caller=CALLERS[count % 3], body_hash=name)
            made = outcome(start)
            if not isinstance(made, str):
                patiently(partial(prepare, world.app, made.id))
                made = str(world.batch(made.id).status)
            found.append(made)
        return found


def test_processes_that_share_a_file_share_its_limits(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path}/documents.db"
    with closing(SqliteDocuments(url)) as documents:
        world = Arena(tmp_path / "objects", store=documents)
        world.start(LINES, caller=Caller(owner="probe", payers=("key-probe",)))
        world.pump(1)
        price = account(world, "key-probe").reserved
        allow(world, "team-red", max_budget=5 * price + price // 2, caps=Caps(batches_per_hour=11))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(3, mp_context=context) as pool:
            work = partial(_in_a_process, str(tmp_path / "objects"), url)
            found = [each for share in pool.map(work, range(3)) for each in share]
        assert Counter(found) == {"in_progress": 5, "failed": 6, "batches_per_hour": 13}
        assert account(world, "team-red").reserved == 5 * price
        check_money(world, ALL)
