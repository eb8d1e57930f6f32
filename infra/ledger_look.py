"""One look at a store: everything that is written about money twice, held against each other.

entries of the ledger ─┬─ each batch's and job's cost, tokens and owner      ─── one entry for each collected shard
                       ├─ each account's spend ─ what it holds back: what its open batches and jobs hold
                       └─ the sums by day and by tag
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Final, NamedTuple

from shared.admin.reports.read import pages
from shared.app import App
from shared.domain.account import Account
from shared.domain.batch import Batch, Counts
from shared.domain.clock import MINUTE
from shared.domain.cost import Cost
from shared.domain.keys import member_account
from shared.domain.ledger import Day, LedgerEntry, TagDay, added, empty_sums
from shared.domain.passthrough import VertexJob
from shared.domain.shard import Shard, ShardStatus
from shared.domain.usage import Tokens
from shared.storage.ports import Query
from shared.storage.queries import (
    ACCOUNTS,
    BATCHES,
    DAYS,
    JOBS,
    KEYS,
    LEDGER,
    SHARDS_OF_BATCH,
    TAG_DAYS,
    TEAMS,
    USERS,
)

__all__ = ["FACTS", "Difference", "Look", "Mark", "everything", "look"]

FACTS: Final = ("entries", "batches", "shards", "accounts", "held", "days", "tags")
_CLOCKS: Final = 5 * MINUTE  # by which those of two machines may differ
Mark = tuple[type[Any], str]  # a record that changes whenever the fact does


@dataclass(frozen=True, slots=True)
class Difference:
    """Two places that should say the same."""

    fact: str
    id: str
    what: str
    stored: str
    due: str
    marks: tuple[Mark, ...] = ()

    @property
    def place(self) -> tuple[str, str, str]:
        return self.fact, self.id, self.what

    def __str__(self) -> str:
        return f"{self.id}: {self.what} is {self.stored}, and should be {self.due}"


class _Said(NamedTuple):
    """What one entry says of its shard, or its job."""

    cost: Cost
    counts: Counts
    place: tuple[str, str, str]  # group, deployment and provider
    at: int


class _Charged:
    """What the entries of one batch, or one job, say together."""

    def __init__(self) -> None:
        self.cost = Cost()
        self.tokens: dict[str, int] = {}
        self.entries: dict[str, _Said] = {}
        self.whose: set[tuple[Any, ...]] = set()

    def add(self, entry: LedgerEntry) -> None:
        self.cost += entry.cost
        for kind, count in entry.tokens.items():
            self.tokens[kind] = self.tokens.get(kind, 0) + count
        place = entry.group, entry.deployment, entry.provider
        self.entries[entry.id] = _Said(entry.cost, entry.counts, place, entry.created_at)
        self.whose.add((entry.owner, entry.team, entry.key, entry.user, entry.tags))

    @property
    def usage(self) -> tuple[int, int]:
        """Tokens in and out."""
        found = Tokens(**{kind: count for kind, count in self.tokens.items() if kind in Tokens._fields})
        return found.prompt + found.tool, found.output + found.image_output + found.thinking


@dataclass
class _Due:
    """What an account should say."""

    spent: int = 0
    reserved: int = 0
    open: int = 0
    tokens: int = 0

    def hold(self, record: Batch | VertexJob, *, over: bool) -> None:
        if not over:
            self.reserved += record.reserved
            self.tokens += record.tokens
            self.open += 1


@dataclass
class Look:
    """What was found, and how much was looked at."""

    differences: list[Difference] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FACTS, 0))
    nano: int = 0  # of all entries
    cost: int = 0  # of all batches and jobs

    def compare(self, fact: str, id: str, what: str, stored: Any, due: Any, *marks: Mark) -> None:
        if stored != due:
            self.differences.append(Difference(fact, id, what, _said(stored), _said(due), marks))


def everything(app: App, query: Query, *values: str) -> Iterator[Any]:
    """All records of a query, in pages."""
    return pages(app, query, values, None, None)


def look(app: App) -> Look:
    """Read the store once."""
    found = Look()
    charged: dict[str, _Charged] = {}
    sums: dict[type[Any], dict[str, Any]] = {Day: {}, TagDay: {}}
    for entry in everything(app, LEDGER):
        found.counts["entries"] += 1
        found.nano += entry.cost.nano
        charged.setdefault(entry.batch, _Charged()).add(entry)
        for empty in empty_sums(entry):
            of_kind = sums[type(empty)]
            of_kind[empty.id] = added(of_kind.get(empty.id, empty), entry)
    accounts: dict[str, _Due] = {id: _Due() for id in _accounts(app)}
    for record in chain(everything(app, BATCHES), everything(app, JOBS)):
        said = charged.pop(record.id, _Charged())
        found.cost += record.cost.nano
        found.counts["batches"] += 1
        over = record.terminal if isinstance(record, Batch) else record.ended
        if isinstance(record, Batch):
            _batch(app, found, record, said)
        else:
            _job(app, found, record, said)
        for id in record.payers:
            due = accounts.setdefault(id, _Due())
            due.spent += said.cost.nano
            due.hold(record, over=over)
    for id, said in charged.items():
        for entry_id in said.entries:
            found.compare("entries", entry_id, "its batch", "of nobody", id, (Batch, id), (VertexJob, id))
    stored = {account.id: account for account in everything(app, ACCOUNTS)}
    for id in {**accounts, **stored}:
        account = stored.get(id) or app.documents.get(Account, id) or Account(id=id)
        _account(found, account, accounts.get(id, _Due()))
    _sums(app, found, DAYS, sums[Day])
    _sums(app, found, TAG_DAYS, sums[TagDay])
    return found


def _accounts(app: App) -> Iterator[str]:
    """Those of everybody that there is; those of who was deleted stand on what they have paid, or in the store."""
    for key in everything(app, KEYS):
        yield key.key_id
    for user in everything(app, USERS):
        yield user.account
    for team in everything(app, TEAMS):
        yield team.account
        for member in team.members:
            yield member_account(team.team_id, member.user_id, team.since, member.since)


def _batch(app: App, found: Look, batch: Batch, said: _Charged) -> None:
    mark = (Batch, batch.id)
    _owned(found, batch, said, mark)
    usage = (batch.usage.input_tokens, batch.usage.output_tokens)
    found.compare("batches", batch.id, "usage, in and out", usage, said.usage, mark)
    held = 0
    collected, left = 0, dict(said.entries)
    for shard in everything(app, SHARDS_OF_BATCH, batch.id):
        found.counts["shards"] += 1
        held += shard.reserved
        entry = left.pop(shard.id, None)
        _shard(found, batch, shard, entry, mark)
        if entry is not None:
            found.compare(
                "entries", shard.id, "group, deployment and provider", entry.place, _place(app, shard, entry), mark
            )
            _dated(found, shard.id, entry, batch.created_at, _over(batch, shard))
        collected += entry is not None
    for id in left:
        found.compare("entries", id, "its shard", "none", f"one of {batch.id}", mark)
    if batch.shards:
        found.compare(
            *("shards", batch.id, "number of entries"), collected, batch.shards - batch.open_shards - batch.owing, mark
        )
    if batch.terminal:
        found.compare("held", batch.id, "reserved, of a batch that has ended,", batch.reserved, 0, mark)
        found.compare("held", batch.id, "enqueued tokens, of a batch that has ended,", batch.tokens, 0, mark)
    else:
        found.compare("held", batch.id, "reserved", batch.reserved, held, mark)


def _shard(found: Look, batch: Batch, shard: Shard, entry: _Said | None, mark: Mark) -> None:
    collected = shard.status is ShardStatus.COLLECTED
    whole = not batch.terminal or batch.open_shards == 0  # else it was given up, perhaps before this was collected
    if entry is not None:
        found.compare("shards", shard.id, "status", shard.status, ShardStatus.COLLECTED, mark, (Shard, shard.id))
    elif collected and whole and not shard.owes:
        found.compare("shards", shard.id, "entry", "missing", "there", mark, (Shard, shard.id))
    if entry is not None and collected and shard.result is not None:
        marks = mark, (Shard, shard.id)
        found.compare("shards", shard.id, "cost in its entry", entry.cost, shard.result.cost, *marks)
        found.compare("shards", shard.id, "counts in its entry", entry.counts, shard.result.counts, *marks)


def _over(batch: Batch, shard: Shard) -> int | None:
    """When all was over: with the batch, or where its job went on, once that was settled."""
    return max(batch.stamps[batch.status], shard.settled_at or 0) if batch.terminal else None


def _place(app: App, part: Shard | VertexJob, entry: _Said) -> tuple[str, str, str]:
    """Where it ran. What is not configured, or was not when the entry was written, may have been any provider's."""
    deployment, said = app.config.deployment(part.deployment), entry.place[2]
    return part.group, part.deployment, said if deployment is None or not said else deployment.provider


def _dated(found: Look, id: str, entry: _Said, since: int, until: int | None) -> None:
    """When it was written: not before there was anything to do, nor after all was over."""
    if entry.at < since - _CLOCKS or (until is not None and entry.at > until + _CLOCKS):
        due = f"from {since} on" if until is None else f"between {since} and {until}"
        found.compare("entries", id, "moment (in milliseconds)", entry.at, due, (LedgerEntry, id))


def _job(app: App, found: Look, job: VertexJob, said: _Charged) -> None:
    mark = (VertexJob, job.id)
    _owned(found, job, said, mark)
    for id, entry in said.entries.items():
        found.compare("entries", id, "id of a job's entry", id, job.id, mark)
        found.compare("entries", id, "group, deployment and provider", entry.place, _place(app, job, entry), mark)
        _dated(found, id, entry, job.created_at, None)
    if job.ended:
        found.compare("held", job.id, "reserved, of a job that has ended,", job.reserved, 0, mark)
        found.compare("held", job.id, "enqueued tokens, of a job that has ended,", job.tokens, 0, mark)


def _owned(found: Look, record: Batch | VertexJob, said: _Charged, mark: Mark) -> None:
    found.compare("batches", record.id, "cost", record.cost, said.cost, mark)
    whose = (record.owner, record.team, record.key, record.user, record.tags)
    for other in said.whose - {whose}:
        found.compare("entries", record.id, "owner, team, key, user and tags in its entries", other, whose, mark)


def _account(found: Look, account: Account, due: _Due) -> None:
    id, mark = account.id, (Account, account.id)
    found.counts["accounts"] += 1
    found.counts["held"] += 1
    found.compare("accounts", id, "spent", account.spent, due.spent, mark)
    if account.before > account.spent:  # below 0 it is an opening balance, of which the ledger knows nothing
        found.compare("accounts", id, "spent before its budget began", account.before, "all of it at most", mark)
    found.compare("held", id, "reserved", account.reserved, due.reserved, mark)
    found.compare("held", id, "open batches", account.open_batches, due.open, mark)
    found.compare("held", id, "enqueued tokens", account.enqueued_tokens, due.tokens, mark)


def _sums(app: App, found: Look, query: Query, due: dict[str, Any]) -> None:
    kind = query.kind
    fact = "days" if kind is Day else "tags"
    for stored in everything(app, query):
        found.counts[fact] += 1
        wanted = due.pop(stored.id, None)
        empty = replace(stored, entries=0, tokens={}, counts=type(stored.counts)(), cost=Cost())
        found.compare(fact, stored.id, "sum", _sum(stored), _sum(wanted or empty), (kind, stored.id))
        if wanted is not None:
            names = replace(wanted, entries=0, tokens={}, counts=type(stored.counts)(), cost=Cost())
            found.compare(fact, stored.id, "what it is a sum of", empty, names, (kind, stored.id))
    for id, missing in due.items():
        found.compare(fact, id, "sum", "missing", _sum(missing), (kind, id))


def _sum(record: Day | TagDay) -> tuple[Any, ...]:
    tokens = {kind: count for kind, count in sorted(record.tokens.items()) if count}
    return record.entries, tokens, record.counts, record.cost


def _said(value: Any) -> str:
    if isinstance(value, Counts):
        return f"{value.completed:,} completed and {value.failed:,} failed"
    if isinstance(value, Cost):
        return (
            f"{value.nano:,} nano-dollars ({value.priced_lines:,} lines with a price, {value.unpriced_lines:,} without)"
        )
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
