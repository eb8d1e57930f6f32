"""What must hold of money and limits in a store at any moment: nothing here asks how it came about."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.domain.account import Account, spend
from shared.domain.batch import Batch
from shared.domain.cost import Cost
from shared.domain.ledger import Day, LedgerEntry, TagDay, added, day_of
from shared.domain.shard import Shard, ShardStatus
from shared.steps.finish import shards_of
from shared.storage.queries import BATCHES, DAYS, LEDGER, TAG_DAYS
from tests.steps.world import World

__all__ = ["account", "check_money", "check_nothing_held"]


def account(world: World, id: str) -> Account:
    return world.documents.get(Account, id) or Account(id=id)


def check_money(world: World, accounts: Iterable[str]) -> list[Batch]:
    """Ledger, batches, accounts and the sums by day agree to the last unit; what is held is held for open batches."""
    batches: list[Batch] = _all(world, BATCHES)
    ledger: list[LedgerEntry] = _all(world, LEDGER)
    _check_batches(world, batches, ledger)
    _check_days(world, ledger)
    payers = {batch.id: batch.payers for batch in batches}
    for id in accounts:
        _check_account(account(world, id), batches, [entry for entry in ledger if id in payers[entry.batch]])
    return batches


def check_nothing_held(world: World, accounts: Iterable[str]) -> None:
    """Every batch has ended, and nobody holds anything back for one."""
    for batch in check_money(world, accounts):
        assert batch.terminal, batch
    for id in accounts:
        found = account(world, id)
        assert (found.reserved, found.enqueued_tokens, found.open_batches) == (0, 0, 0), found


def _all(world: World, query: Any) -> list[Any]:
    found = world.documents.query(query, limit=1_000)
    assert len(found) < 1_000
    return found


def _check_batches(world: World, batches: Sequence[Batch], ledger: Sequence[LedgerEntry]) -> None:
    for batch in batches:
        entries = [entry for entry in ledger if entry.batch == batch.id]
        assert _sum(entries) == batch.cost, batch
        whose = {(entry.owner, entry.team, entry.key, entry.user, entry.tags) for entry in entries}
        assert whose <= {(batch.owner, batch.team, batch.key, batch.user, batch.tags)}, whose
        assert batch.reserved >= 0, batch
        assert batch.tokens >= 0, batch
        assert batch.cost.nano >= 0, batch
        shards = shards_of(world.app, batch)
        _check_entries(world, batch, {entry.id: entry for entry in entries}, shards)
        owing = [shard for shard in shards if shard.owes]
        assert len(owing) == batch.owing, batch
        assert len(entries) == batch.shards - batch.open_shards - batch.owing, batch
        if batch.terminal:
            assert (batch.reserved, batch.tokens) == (0, 0), batch
            continue
        assert sum(shard.reserved for shard in shards) == batch.reserved, (batch, shards)
        collected = [shard for shard in shards if shard.status is ShardStatus.COLLECTED and not shard.owes]
        assert all(shard.reserved == 0 for shard in collected), collected
        assert all(shard.reserved >= 0 for shard in shards), shards
        assert {entry.id for entry in entries} == {shard.id for shard in collected}


def _check_entries(world: World, batch: Batch, entries: Mapping[str, LedgerEntry], shards: Iterable[Shard]) -> None:
    """Each says what its shard says."""
    for shard in shards:
        entry = entries.get(shard.id)
        if entry is None:
            continue
        assert shard.result is not None, shard
        assert (entry.cost, entry.counts) == (shard.result.cost, shard.result.counts), (entry, shard)
        deployment = world.app.config.deployment(shard.deployment)
        assert deployment is not None, shard
        where = shard.group, shard.deployment, deployment.provider
        assert (entry.group, entry.deployment, entry.provider) == where, (entry, shard)
        assert entry.started_at == batch.created_at, (entry, batch)


def _check_account(found: Account, batches: Sequence[Batch], entries: Sequence[LedgerEntry]) -> None:
    open_ = [batch for batch in batches if found.id in batch.payers and not batch.terminal]
    assert found.spent == sum(entry.cost.nano for entry in entries), found
    assert found.reserved == sum(batch.reserved for batch in open_), (found, open_)
    assert found.open_batches == len(open_), (found, open_)
    assert found.enqueued_tokens == sum(batch.tokens for batch in open_), (found, open_)
    assert found.before <= found.spent, found
    assert spend(found) >= 0, found
    assert min(found.hour.used, found.day.used) >= 0, found


def _check_days(world: World, ledger: Sequence[LedgerEntry]) -> None:
    days: list[Day] = _all(world, DAYS)
    tag_days: dict[Any, TagDay] = {}
    for slice in _all(world, TAG_DAYS):
        whole = tag_days.get((slice.day, slice.tag))
        tag_days[slice.day, slice.tag] = slice if whole is None else added(whole, slice)
    by_day: dict[Any, list[LedgerEntry]] = {}
    by_tag: dict[Any, list[LedgerEntry]] = {}
    for entry in ledger:
        day = day_of(entry.created_at)
        names = (day, entry.key, entry.user, entry.team, entry.group, entry.model, entry.provider)
        by_day.setdefault(names, []).append(entry)
        for tag in entry.tags:
            by_tag.setdefault((day, tag), []).append(entry)
    assert len(days) == len(by_day)
    assert len(tag_days) == len(by_tag)
    for sum_ in days:
        _check_sum(sum_, by_day[sum_.day, sum_.key, sum_.user, sum_.team, sum_.group, sum_.model, sum_.provider])
    for tag_sum in tag_days.values():
        _check_sum(tag_sum, by_tag[tag_sum.day, tag_sum.tag])


def _check_sum(sum_: Day | TagDay, entries: Sequence[LedgerEntry]) -> None:
    tokens: Counter[str] = Counter()
    for entry in entries:
        tokens.update(entry.tokens)
    assert sum_.entries == len(entries), sum_
    assert sum_.cost == _sum(entries), sum_
    assert +Counter(sum_.tokens) == +tokens, sum_
    assert sum_.counts.completed == sum(entry.counts.completed for entry in entries), sum_
    assert sum_.counts.failed == sum(entry.counts.failed for entry in entries), sum_


def _sum(entries: Iterable[LedgerEntry]) -> Cost:
    return sum((entry.cost for entry in entries), Cost())
