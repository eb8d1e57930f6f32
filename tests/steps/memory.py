"""Run one step over a large file in a process of its own, and print the most memory it ever had, in MB."""

import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shared.domain.shard import Job, JobState, ShardStatus
from shared.steps.collect import collect
from shared.steps.finish import shards_of
from shared.steps.prepare import prepare
from tests.steps.world import EMBED, World, chat, embed

MB = 10**6
Lines = Iterator[dict[str, object]]


def plain() -> Lines:
    for n in range(150_000):
        yield chat(f"line-{n}", "word " * 100)


def unknown_models() -> Lines:
    for n in range(150_000):
        yield chat(f"line-{n}", model=f"nobody-{n}-{'x' * 200}")


def many_paths() -> Lines:
    """Tool arguments whose keys are never the same."""
    for n in range(12_000):
        line = chat(f"line-{n}")
        function = {"name": "f", "arguments": json.dumps({f"key_{n}_{k}": k for k in range(20)})}
        call = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]}
        line["body"]["messages"] += [call, {"role": "tool", "tool_call_id": "1", "content": "done"}]
        yield line


def many_schemas() -> Lines:
    for n in range(500):
        properties = {f"p_{n}_{k}": {"type": "string", "description": "d" * 40} for k in range(400)}
        schema = {"type": "object", "properties": properties}
        yield chat(f"line-{n}", response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}})


def pieces() -> Lines:
    for n in range(60):
        yield embed(f"line-{n}", *(f"text {n} {k}" for k in range(100)))


def prepared(root: Path, lines: Lines, endpoint: str) -> tuple[World, str]:
    world = World(root)
    file = world.upload(b"")
    world.objects.write(file.object, (json.dumps(line).encode() + b"\n" for line in lines))
    batch = world.start(file, endpoint=endpoint)
    prepare(world.app, batch.id)
    return world, batch.id


def collect_peak(root: Path) -> None:
    """Rows of 3,072 numbers, the pieces of each line as far apart as can be."""
    world, id = prepared(root, pieces(), EMBED)
    batch = world.batch(id)
    (shard,) = shards_of(world.app, batch)
    values = [round(random.Random(1).random(), 6) for _ in range(3072)]
    folder = f"gs://work/out/{batch.id}/0001/a1/prediction-model-x"

    def rows() -> Iterator[bytes]:
        for k in range(100):
            for n in range(1, 61):
                response = {"embedding": {"values": values}, "usageMetadata": {"promptTokenCount": 2}}
                yield json.dumps({"key": f"r-{n:06d}#{k}/100", "status": "", "response": response}).encode() + b"\n"

    world.objects.write(f"{folder}/predictions.jsonl", rows())
    job = Job(name="j", state=JobState.SUCCEEDED, output=folder)
    world.documents.transact(lambda tx: tx.put(replace(shard, status=ShardStatus.ENDED, job=job)))
    collect(world.app, shard.id)
    assert world.batch(batch.id).counts.completed == 60


if __name__ == "__main__":
    scenario = sys.argv[1]
    out, sys.stdout = sys.stdout, sys.stderr
    with tempfile.TemporaryDirectory() as folder:
        if scenario == "collect_pieces":
            collect_peak(Path(folder))
        else:
            prepared(Path(folder), globals()[scenario](), "/v1/chat/completions")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024 // MB, file=out)
