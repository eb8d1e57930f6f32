"""What the bench runs the steps on: the local adapters in a scratch folder, and batches that are about to be timed."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from shared.app import App, compose
from shared.domain import layout
from shared.domain.access import ADMIN
from shared.domain.batch import Batch, Counts, Status
from shared.domain.clock import DAY
from shared.domain.files import BATCH_LIFE, File
from shared.domain.ids import new_batch_id, new_file_id
from shared.domain.shard import Job, JobState, Shard, ShardStatus
from shared.lines.read import chunks_of
from shared.providers.base import Entry
from shared.settings import read_settings

__all__ = ["bench_app", "ended_batch", "upload"]

_CONFIG = """
model_list:
  - model_name: {model}
    litellm_params: {{model: vertex_ai/{model}, vertex_project: bench, vertex_location: global}}
"""


def bench_app(scratch: Path, model: str) -> App:
    """Offpeak on SQLite and a directory in `scratch`."""
    config = scratch / "config.yaml"
    config.write_text(_CONFIG.format(model=model), encoding="utf-8")
    settings = read_settings(
        {
            "OFFPEAK_DOCUMENTS": f"sqlite:///{scratch}/documents.db",
            "OFFPEAK_OBJECTS": f"file:///{scratch}/objects",
            "OFFPEAK_BUS": f"sqlite:///{scratch}/queue.db",
            "OFFPEAK_DATA_BUCKET": "data",
            "OFFPEAK_WORK_BUCKET": "work",
            "OFFPEAK_CONFIG": str(config),
            "OFFPEAK_MASTER_KEY": "sk-bench-bench",
        }
    )
    return compose(settings)


def upload(app: App, path: Path) -> str:
    """Store a file as an upload would; its id."""
    file_id = new_file_id()
    with path.open("rb") as stream:
        stat = app.objects.write(layout.file_object(app.data_bucket, file_id), chunks_of(stream))
    now = app.now()
    file = File(
        id=file_id,
        owner=ADMIN.owner,
        team=None,
        purpose="batch",
        filename=path.name,
        bytes=stat.size,
        object=stat.name,
        generation=stat.generation,
        created_at=now,
        expires_at=now + BATCH_LIFE,
    )
    app.documents.transact(lambda tx: tx.add(file))
    return file_id


def ended_batch(app: App, jobs: Iterable[Iterator[bytes]], model: str) -> tuple[str, list[str]]:
    """A batch whose jobs are over, one for each run of rows; its id and those of its shards."""
    batch_id, now, ordinal = new_batch_id(), app.now(), 0
    shards: list[Shard] = []
    for number, rows in enumerate(jobs, start=1):
        folder = layout.shard_output(app.work_bucket, batch_id, number, 1) + "prediction-model-bench"
        counted = _Counted(rows)
        app.objects.write(f"{folder}/predictions.jsonl", counted)
        index = f"{layout.shard_folder(app.work_bucket, batch_id, number, 1)}/index.jsonl"
        app.objects.write(index, _index(ordinal, counted.rows, model))
        ordinal += counted.rows
        shards.append(
            Shard(
                id=layout.shard_id(batch_id, number),
                batch=batch_id,
                number=number,
                group=model,
                deployment=app.config.deployments[0].id,
                codec="gemini-chat",
                source=index,
                index=index,
                lines=counted.rows,
                rows=counted.rows,
                created_at=now,
                status=ShardStatus.ENDED,
                job=Job(name="jobs/bench", state=JobState.SUCCEEDED, output=folder),
            )
        )
    batch = Batch(
        id=batch_id,
        owner=ADMIN.owner,
        team=None,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        input_file_id="file-bench",
        input_object=None,
        created_at=now,
        expires_at=now + DAY,
        status=Status.IN_PROGRESS,
        stamps={Status.IN_PROGRESS: now},
        counts=Counts(total=ordinal),
        shards=len(shards),
        open_shards=len(shards),
    )
    app.documents.transact(lambda tx: tx.add(batch))
    for shard in shards:
        app.documents.transact(lambda tx, shard=shard: tx.add(shard))  # type: ignore[misc]
    return batch_id, [shard.id for shard in shards]


class _Counted:
    """Rows in large chunks, counted as they pass."""

    def __init__(self, rows: Iterator[bytes]) -> None:
        self._left, self.rows = rows, 0

    def __iter__(self) -> Iterator[bytes]:
        held: list[bytes] = []
        for row in self._left:
            self.rows += 1
            held.append(row)
            if len(held) == 512:
                yield b"".join(held)
                held.clear()
        yield b"".join(held)


def _index(before: int, lines: int, model: str) -> Iterator[bytes]:
    for ordinal in range(before + 1, before + lines + 1):
        yield msgspec.json.encode(Entry(ordinal, f"Request-{ordinal - 1:06d}", model)) + b"\n"
