"""Brings the ledger of a store up to this version: `infra/dev ledger rebuild`.

  batches, shards, jobs ──► the entry of each, by its id ──► written again, whole, so that every query finds it
  all entries           ──► sums by day, and by day and tag ──► written where they are not what is there

A version that had no queries on the ledger left entries that no query finds, without counts, and no sums. Every
transaction is right by itself, so it may die anywhere, and be done again; on a store that is up to date nothing
changes.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final, TextIO, TypeVar

from infra.ledger_look import everything
from shared.app import App
from shared.domain.batch import Batch
from shared.domain.ledger import Day, LedgerEntry, TagDay, added, empty_sums
from shared.domain.shard import Shard
from shared.storage.ports import Transaction
from shared.storage.queries import BATCHES, DAYS, JOBS, LEDGER, SHARDS_OF_BATCH, TAG_DAYS

__all__ = ["Moving", "Rebuilt", "rebuild"]

T = TypeVar("T")
Place = tuple[type[Day | TagDay], str]
Sums = dict[Place, Day | TagDay]

_AT_ONCE: Final = 100  # records in a transaction
_TRIES: Final = 8
_PAUSE: Final = 0.5  # seconds before the second try; a little longer each time


class Moving(Exception):
    """Somebody collects all the time: the sums were never those of the entries that had been read."""


class _Moved(Exception):
    """A sum is not what it was when the reading of entries began."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done: entries written again, sums that there are, and of these, those that were not so before."""

    entries: int
    sums: int
    mended: int

    @property
    def code(self) -> int:
        return 0

    def print(self, out: TextIO) -> None:
        print(f"{self}; `ledger check` proves it", file=out)

    def __str__(self) -> str:
        return (
            f"{self.entries:,} entries written again; {self.sums:,} sums by day and tag, of which {self.mended:,} anew"
        )


def rebuild(app: App, *, pause: Callable[[float], object] = time.sleep) -> Rebuilt:
    """Do all of it. Moving: the entries are done, the sums are not all."""
    entries = sum(_written_again(app, ids) for ids in _chunks(_entry_ids(app)))
    mended = 0
    for number in range(_TRIES):
        pause(_PAUSE * number)
        stored = {(type(each), each.id): each for query in (DAYS, TAG_DAYS) for each in everything(app, query)}
        due = _due(app)  # read behind what is stored: what is collected meanwhile has changed that
        wrong = [place for place in {**stored, **due} if stored.get(place) != due.get(place)]
        try:
            for places in _chunks(wrong):
                mended += _mended(app, places, stored, due)
        except _Moved:
            continue
        return Rebuilt(entries, len(due), mended)
    raise Moving


def _entry_ids(app: App) -> Iterator[str]:
    """Of all entries that there may be: an entry has the id of its shard, or of its job."""
    for record in chain(everything(app, BATCHES), everything(app, JOBS)):
        if isinstance(record, Batch):
            yield from (shard.id for shard in everything(app, SHARDS_OF_BATCH, record.id))
        else:
            yield record.id


def _written_again(app: App, ids: list[str]) -> int:
    def body(tx: Transaction) -> int:
        tx.prefetch(*((LedgerEntry, id) for id in ids))
        stored = [entry for entry in (tx.get(LedgerEntry, id) for id in ids) if entry is not None]
        found = [_completed(app, tx, entry) for entry in stored]
        for entry in found:
            tx.put(entry)
        return len(found)

    return app.documents.transact(body)


def _completed(app: App, tx: Transaction, entry: LedgerEntry) -> LedgerEntry:
    """With what that version did not write, as its shard knows it."""
    if entry.started_at is not None:
        return entry
    shard, batch = tx.get(Shard, entry.id), tx.get(Batch, entry.batch)
    if shard is None or shard.result is None or batch is None:
        return entry
    deployment = app.config.deployment(entry.deployment)
    provider = entry.provider if deployment is None else deployment.provider
    return replace(entry, counts=shard.result.counts, provider=provider, started_at=batch.created_at)


def _due(app: App) -> Sums:
    due: Sums = {}
    for entry in everything(app, LEDGER):
        for empty in empty_sums(entry):
            place = (type(empty), empty.id)
            due[place] = added(due.get(place, empty), entry)
    return due


def _mended(app: App, places: list[Place], stored: Sums, due: Sums) -> int:
    def body(tx: Transaction) -> int:
        tx.prefetch(*places)
        if any(tx.get(*place) != stored.get(place) for place in places):
            raise _Moved
        for place in places:
            if place in due:
                tx.put(due[place])
            else:
                tx.delete(*place)
        return len(places)

    return app.documents.transact(body)


def _chunks(found: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(found)
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk
