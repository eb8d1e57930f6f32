"""collect(shard): one streaming pass over what the provider wrote. OpenAI rows, error rows, usage, price.

Every line of the shard gets exactly one row: the first that the provider returned for it, else one that says why there
is none. Where a job failed half way, the lines that it left become new shards instead, at another deployment. The
result is committed once, with its ledger entry.
"""

from array import array
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App, Unconfigured
from shared.domain.batch import Batch, Status
from shared.domain.cost import Cost
from shared.domain.shard import JobState, Result, Shard, ShardStatus, move_to
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Provider
from shared.steps.answers import Answers
from shared.steps.books import Books
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.cooldown import cool_down
from shared.steps.create import LOOK_AGAIN
from shared.steps.elsewhere import Found, elsewhere
from shared.steps.entry import entry_of
from shared.steps.expect import note_habit
from shared.steps.finish import finalizing
from shared.steps.index import Index
from shared.steps.move import add_shards, held_within
from shared.steps.predictions import Predictions
from shared.steps.settle import goes_on
from shared.steps.tidy import tidy

__all__ = ["collect"]

_MOST_RERUNS: Final = 2  # of the same lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collected:
    """What a shard has come to."""

    result: Result
    meter: Meter
    rest: list[Shard]  # of lines that are run again
    unread: bool  # there are rows that nobody could read in time


def collect(app: App, shard_id: str) -> None:
    """Move a shard from ended to collected; with the last one, its batch to finalizing."""
    with claim(app, Shard, shard_id, wanted=_wanted) as held:
        if held is None:
            return
        batch = app.documents.get(Batch, held.record.batch)
        if batch is None or batch.terminal:
            _close(app, held)
            return
        provider = _provider(app, held.record, batch)
        collected = _collected(app, held, batch, provider)
        if _commit(app, held, collected):
            return
        if batch.payers:
            result = collected.result
            note_habit(app, collected.meter.model, result.counts.completed, result.usage.output_tokens)
        if provider is not None and held.record.job is not None:
            tidy(app, held.record, held.record.job)


def _wanted(shard: Shard) -> bool:
    return shard.status is ShardStatus.ENDED


def _provider(app: App, shard: Shard, batch: Batch) -> Provider | None:
    """None where the configuration has lost the deployment and there is no time left in which it may come back."""
    try:
        return app.provider(shard.deployment)
    except Unconfigured:
        if batch.ending is None:
            raise
        return None


def _collected(app: App, held: Held[Shard], batch: Batch, provider: Provider | None) -> _Collected:
    predictions = Predictions(app, held, batch, provider)
    answers = Answers(app, held, batch, provider)
    answers.read(predictions)
    meter = answers.meter
    rest = _run_again(app, held, batch, answers.index, spent=meter.cost().nano)
    if not rest:
        answers.explain_missing(rest.dear)
    result = Result(
        rows=answers.close(),
        counts=answers.counts,
        usage=meter.usage(),
        cost=meter.cost() + Cost(unpriced_lines=held.record.lines if held.record.unread else 0),
        predictions=predictions.native,
    )
    return _Collected(result=result, meter=meter, rest=rest.shards, unread=predictions.given_up)


def _run_again(app: App, held: Held[Shard], batch: Batch, index: Index, *, spent: int) -> Found:
    """The lines that a failed job left, for another deployment, or for the same if the failure may pass."""
    shard = held.record
    job = shard.job
    if job is None or job.state is not JobState.FAILED or not job.name or shard.reruns >= _MOST_RERUNS:
        return Found()
    if batch.ending is not None or batch.status is not Status.IN_PROGRESS:
        return Found()
    left = array("L", (index.ordinals[position] for position in index.missing()))
    if not left or (len(left) == len(index) and not shard.executes):  # `check` has asked everybody for those
        return Found()
    found = elsewhere(app, held, left, without={*shard.refused_by, shard.deployment}, spent=spent)
    if not found and job.retryable:
        again = elsewhere(app, held, left, without=shard.refused_by, spent=spent)
        found = replace(again, dear=again.dear or found.dear)
    if found:
        log("lines_run_again", **shard.log_context(), lines=len(left), to=found.shards[0].deployment)
    return found


def _close(app: App, held: Held[Shard]) -> None:
    """The batch was given up: nobody will ask for these rows, but what ran is charged."""

    def body(turn: Turn) -> None:
        shard = held.current(turn)
        batch = turn.get(Batch, shard.batch)
        closed = replace(shard, status=move_to(shard, ShardStatus.COLLECTED), lease=None, due_at=None)
        turn.put(closed if batch is None else _owing(turn, closed))
        if batch is not None:
            turn.put(replace(batch, owing=batch.owing + 1, open_shards=batch.open_shards - 1))

    commit(app, body)
    log("shard_closed", **held.record.log_context())


def _owing(turn: Turn, shard: Shard) -> Shard:
    """The shard, whose entry is left to `settle`."""
    turn.send("settle", shard=shard.id)
    return replace(shard, owes=True, troubles=0, gone=0, empty_since=None, due_at=turn.now + LOOK_AGAIN)


def _commit(app: App, held: Held[Shard], collected: _Collected) -> bool:
    """Whether the shard still owes its entry: its batch was given up in the meantime, or ends before its job, or
    before its rows can be had.
    """
    result = collected.result

    def body(turn: Turn) -> bool:
        shard = held.current(turn)
        batch = turn.get(Batch, shard.batch)
        owes = batch is not None and (batch.terminal or collected.unread or goes_on(shard))
        books = None
        if batch is not None and not owes:
            entry = entry_of(
                app, batch, shard, meter=collected.meter, counts=result.counts, cost=result.cost, now=turn.now
            )
            books = Books(app, turn, entry, batch.payers)
        rest = held_within(collected.rest, shard.reserved)  # of the lines that are run again
        left = sum(each.reserved for each in rest)
        done = replace(
            shard,
            status=move_to(shard, ShardStatus.COLLECTED),
            result=result,
            counted=result.counts,
            reserved=shard.reserved if owes else 0,
            lease=None,
            due_at=None,
        )
        turn.put(_owing(turn, done) if owes else done)
        if batch is None:
            return False
        batch = replace(batch, open_shards=batch.open_shards - 1, owing=batch.owing + owes)
        if not batch.terminal:
            batch = replace(batch, counts=batch.counts + shard.counted.negated() + result.counts)
        if books is not None:
            books.write(released=shard.reserved - left)
            batch = replace(
                batch,
                reserved=batch.reserved - shard.reserved + left,
                usage=batch.usage + result.usage,
                cost=batch.cost + result.cost,
            )
        if rest and not owes:
            batch = add_shards(turn, batch, rest, reruns=shard.reruns + 1, refused_by=shard.refused_by)
            cool_down(turn, shard.deployment, "a job failed there")
        turn.put(finalizing(turn, batch) if batch.open_shards == 0 and not batch.terminal else batch)
        return owes

    owes = commit(app, body)
    log(
        "shard_collected",
        **held.record.log_context(),
        completed=result.counts.completed,
        failed=result.counts.failed,
        usd=result.cost.total,
    )
    return owes
