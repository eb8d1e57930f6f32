"""The ledger: what each shard and each passed-through job cost, and the sums of it by day.

An entry is written once, in the transaction that commits the result it is for, and so are the sums: they always agree.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar
from zlib import crc32

from shared.domain.access import MASTER
from shared.domain.batch import Counts
from shared.domain.cost import Cost
from shared.domain.ids import derived

__all__ = ["SLICES", "Day", "LedgerEntry", "TagDay", "added", "day_of", "day_sum", "empty_sums", "tag_sum"]

SLICES: Final = 16  # of the sum of a day and tag: whoever shares the tag writes there, and Firestore takes few at once


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What one shard, or one passed-through job, cost."""

    id: str  # the shard's, or the job's
    batch: str  # the batch's, or the job's
    owner: str
    team: str | None  # team_id
    key: str = MASTER  # key_id
    user: str | None = None  # user_id
    group: str
    deployment: str
    provider: str = ""
    model: str
    book: str  # version of the price book
    tokens: dict[str, int]  # by kind, as in `Tokens`
    counts: Counts = Counts()
    cost: Cost
    tags: tuple[str, ...] = ()
    started_at: int | None = None  # when the batch or the job was created
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The sum of all entries of one day, UTC, with the same key, user, team, model and provider."""

    id: str
    day: int  # 20261121
    key: str
    user: str | None
    team: str | None
    group: str
    model: str
    provider: str
    entries: int = 0
    tokens: dict[str, int]
    counts: Counts = Counts()
    cost: Cost = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDay:
    """The sum of all entries of one day and one tag that are in the same slice. By id, slices of a tag are together."""

    id: str
    day: int
    tag: str
    slice: int = 0
    entries: int = 0
    tokens: dict[str, int]
    counts: Counts = Counts()
    cost: Cost = Cost()


S = TypeVar("S", bound=Day | TagDay)


def day_of(at: int) -> int:
    """The day of a moment, UTC, as a number such as 20261121."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.year * 10_000 + moment.month * 100 + moment.day


def day_sum(entry: LedgerEntry) -> Day:
    """The day that an entry is added to, as long as there is nothing in it."""
    day = day_of(entry.created_at)
    names = (entry.key, entry.user or "", entry.team or "", entry.group, entry.model, entry.provider)
    return Day(
        id=f"{day}-{derived('day', *names)}",
        day=day,
        key=entry.key,
        user=entry.user,
        team=entry.team,
        group=entry.group,
        model=entry.model,
        provider=entry.provider,
        tokens={},
    )


def tag_sum(entry: LedgerEntry, tag: str) -> TagDay:
    """The same for one of its tags."""
    day, slice = day_of(entry.created_at), crc32(entry.id.encode()) % SLICES
    return TagDay(id=f"{day}-{derived('tag', tag)}-{slice:02d}", day=day, tag=tag, slice=slice, tokens={})


def empty_sums(entry: LedgerEntry) -> list[Day | TagDay]:
    """The sums that an entry is added to, with nothing in them."""
    return [day_sum(entry), *(tag_sum(entry, tag) for tag in entry.tags)]


def added(sum: S, more: LedgerEntry | Day | TagDay) -> S:
    """The sum with one more entry, or with all that another sum has."""
    kinds = dict.fromkeys((*sum.tokens, *more.tokens))
    return replace(
        sum,
        entries=sum.entries + (1 if isinstance(more, LedgerEntry) else more.entries),
        tokens={kind: sum.tokens.get(kind, 0) + more.tokens.get(kind, 0) for kind in kinds},
        counts=sum.counts + more.counts,
        cost=sum.cost + more.cost,
    )
