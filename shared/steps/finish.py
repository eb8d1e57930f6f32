"""finish(batch): all shards are collected. Join their rows into the output and the error file, and say how it ended."""

from dataclasses import replace

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch, BatchError, Ending, Status, advance
from shared.domain.files import BATCH_LIFE, File
from shared.domain.ids import new_file_id
from shared.domain.shard import JobState, Shard
from shared.steps.accounts import Purse, close
from shared.steps.claim import Held, claim
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.report import report
from shared.storage.ports import ABSENT, ObjectExists, Stat
from shared.storage.queries import SHARDS_OF_BATCH

__all__ = ["finalizing", "finish", "shards_of"]

_ENDS = {Ending.CANCELLED: Status.CANCELLED, Ending.EXPIRED: Status.EXPIRED, Ending.FAILED: Status.FAILED}


def finalizing(turn: Turn, batch: Batch) -> Batch:
    """The batch, all of whose lines have had their row: its files get their ids, so that `finish` may be repeated."""
    turn.send("finish", batch=batch.id)
    if batch.status is Status.IN_PROGRESS and batch.ending is None:
        batch = advance(batch, Status.FINALIZING, at=turn.now)
    return replace(
        batch, output_file_id=new_file_id(), error_file_id=new_file_id(), lease=None, due_at=turn.now + LOOK_AGAIN
    )


def finish(app: App, batch_id: str) -> None:
    """Move a batch to its final status, with its files."""
    with claim(app, Batch, batch_id, wanted=_wanted) as held:
        if held is None:
            return
        batch = held.record
        shards = shards_of(app, batch)
        results = [shard.result for shard in shards if shard.result is not None]
        rows = [*([batch.refused] if batch.refused else []), *(result.rows for result in results)]
        output = _file(app, held, batch.output_file_id, [name for part in rows for name in part.outputs()], "output")
        error = _file(app, held, batch.error_file_id, [name for part in rows for name in part.errors()], "error")
        _end(app, held, output, error, shards)


def shards_of(app: App, batch: Batch) -> list[Shard]:
    """All shards of a batch, by number."""
    shards: list[Shard] = []
    while len(shards) < batch.shards:
        page = app.documents.query(SHARDS_OF_BATCH, batch.id, after=shards[-1] if shards else None)
        if not page:
            break
        shards += page
    return shards


def _wanted(batch: Batch) -> bool:
    return not batch.terminal and batch.output_file_id is not None


def _file(app: App, held: Held[Batch], id: str | None, parts: list[str], kind: str) -> File | None:
    """The file of one kind, its object in place; None where it would be empty."""
    if not parts or id is None:
        return None
    batch, now = held.record, app.now()
    stat = _composed(app, layout.file_object(app.data_bucket, id), parts)
    held.beat()
    return File(
        id=id,
        owner=batch.owner,
        team=batch.team,
        purpose="batch_output",
        filename=f"{batch.id}_{kind}.jsonl",
        bytes=stat.size,
        object=stat.name,
        generation=stat.generation,
        created_at=now,
        expires_at=now + (batch.output_life or BATCH_LIFE),
        batch=batch.id,
        batch_created_at=batch.created_at,
        hints=batch.hints,
    )


def _composed(app: App, name: str, parts: list[str]) -> Stat:
    try:
        return app.objects.compose(name, parts, if_generation=ABSENT)
    except ObjectExists:  # by a worker that died after it: the same parts, so the same bytes
        return app.objects.stat(name)


def _end(app: App, held: Held[Batch], output: File | None, error: File | None, shards: list[Shard]) -> None:
    def body(turn: Turn) -> Batch:
        batch = held.current(turn)
        purse = Purse(app, turn, batch.payers)
        to, errors = _outcome(batch, shards)
        batch = replace(
            advance(batch, to, at=turn.now),
            errors=errors,
            output_file_id=output.id if output else None,
            error_file_id=error.id if error else None,
        )
        for file in (output, error):
            if file is not None:
                turn.add(file)
        return close(app, turn, purse, batch)

    batch = commit(app, body)
    report(batch)


def _outcome(batch: Batch, shards: list[Shard]) -> tuple[Status, tuple[BatchError, ...]]:
    """How it ended, and what to say of it."""
    if batch.ending is not None:
        return _ENDS[batch.ending], batch.errors
    jobs = [shard.job for shard in shards if shard.job is not None]
    if any(job.state in {JobState.EXPIRED, JobState.CANCELLED} for job in jobs) and not _all_ran(batch):
        return Status.EXPIRED, batch.errors
    failures = tuple(job.error for job in jobs if job.state is JobState.FAILED and job.error is not None)
    if failures and len(failures) == len(shards) and batch.counts.completed == 0:
        return Status.FAILED, tuple(dict.fromkeys(failures))
    return Status.COMPLETED, batch.errors


def _all_ran(batch: Batch) -> bool:
    return batch.counts.completed + batch.counts.failed == batch.counts.total
