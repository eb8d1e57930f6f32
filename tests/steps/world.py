"""Offpeak in one process, on its real local adapters, with a clock that the test turns."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from infra.local.standins.openai import KEY
from shared.app import App, open_provider
from shared.config import Config, Deployment, Limits, PriceOverride
from shared.domain import layout
from shared.domain.access import ADMIN, Caller
from shared.domain.batch import Batch
from shared.domain.errors import Transient
from shared.domain.files import BATCH_LIFE, File
from shared.domain.ids import new_file_id
from shared.domain.ledger import LedgerEntry
from shared.domain.messages import Message
from shared.domain.shard import Shard
from shared.pricing.book import Book
from shared.providers.base import Media, Provider
from shared.providers.vertex.client import VertexClient
from shared.providers.vertex.provider import open_provider as open_vertex
from shared.steps.create import NewBatch, create
from shared.steps.finish import shards_of
from shared.steps.run import run
from shared.storage.directory import DirectoryObjects
from shared.storage.queue import FINALIZE, SqliteBus, backoff, finalized_to_queue
from shared.storage.sqlite import SqliteDocuments
from tests.steps.upstream import Upstream

__all__ = ["CHAT", "EMBED", "World", "chat", "embed"]

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
OPENAI = (("mini", "gpt-4o-mini"), ("vectors", "text-embedding-3-small"), ("odd-mini", "gpt-unpriced-9"))


def chat(custom_id: str, text: str | None = None, model: str = "flash", **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text or f"nonce of {custom_id}"}]
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": CHAT,
        "body": {"model": model, "messages": messages, **body},
    }


def embed(custom_id: str, *texts: str, model: str = "embedder") -> dict[str, Any]:
    body = {"model": model, "input": list(texts) if len(texts) > 1 else texts[0]}
    return {"custom_id": custom_id, "method": "POST", "url": EMBED, "body": body}


def deployment(group: str, model: str, number: int) -> Deployment:
    return Deployment(
        id=f"{group}#{number}",
        group=group,
        provider="vertex_ai",
        model=model,
        project="p",
        location="global",
        api_base="http://127.0.0.1:9",
    )


def openai_deployment(group: str, model: str, base: str) -> Deployment:
    return Deployment(id=f"{group}#o", group=group, provider="openai", model=model, api_base=base, api_key=KEY)


@dataclass
class World:
    """`pump` delivers what the bus holds, `settle` goes on until nothing moves any more."""

    root: Path
    clock: int = 1_795_000_000_000
    limits: Limits = field(default_factory=Limits)
    rows_per_job: int | None = None
    openai: str | None = None  # where a stand-in of OpenAI listens, for the groups `mini` and `vectors`
    prices: tuple[PriceOverride, ...] = ()
    more: tuple[Deployment, ...] = ()  # of any provider, opened as the application does it

    def __post_init__(self) -> None:
        self.bus = SqliteBus("sqlite://", now=self.now)
        self.documents = SqliteDocuments("sqlite://")
        self.objects = DirectoryObjects(self.root, on_finalize=finalized_to_queue(self.bus.queue, "work"))
        self.upstream = Upstream(self.objects, self.now)
        self.app = self.new_app()

    def now(self) -> int:
        return self.clock

    def new_app(self) -> App:
        """What a process that has just started has: the same stores, and no memory."""
        config = Config(
            deployments=(
                deployment("flash", "gemini-2.5-flash", 0),
                deployment("lite", "gemini-2.5-flash-lite", 1),
                deployment("embedder", "gemini-embedding-001", 2),
                deployment("odd", "gemini-unpriced-9", 3),
                *(openai_deployment(*names, self.openai) for names in OPENAI if self.openai is not None),
                *self.more,
            ),
            limits=self.limits,
        )
        return App(
            documents=self.documents,
            objects=self.objects,
            bus=self.bus,
            data_bucket="data",
            work_bucket="work",
            master_key="sk-test-test",
            config=config,
            book=Book.load(self.prices),
            open_provider=self.open_provider,
            now=self.now,
        )

    def open_provider(self, deployment: Deployment, media: Media) -> Provider:
        if deployment.provider != "vertex_ai":
            provider = open_provider(deployment, media)
        else:
            http = httpx.Client(transport=httpx.MockTransport(self.upstream))
            provider = replace(open_vertex(deployment, media), client=VertexClient(deployment, http=http))
        if self.rows_per_job is not None:
            provider = replace(provider, limits=replace(provider.limits, rows=self.rows_per_job))
        return provider

    def upload(self, content: bytes | list[dict[str, Any]], caller: Caller = ADMIN) -> File:
        if isinstance(content, list):
            content = b"".join(json.dumps(line).encode() + b"\n" for line in content)
        id = new_file_id()
        stat = self.objects.write(layout.file_object("data", id), [content] if content else [])
        file = File(
            id=id,
            owner=caller.owner,
            team=caller.team,
            purpose="batch",
            filename="in.jsonl",
            bytes=stat.size,
            object=stat.name,
            generation=stat.generation,
            created_at=self.now(),
            expires_at=self.now() + BATCH_LIFE,
        )
        self.documents.transact(lambda tx: tx.add(file))
        return file

    def start(
        self,
        content: bytes | list[dict[str, Any]] | File,
        endpoint: str = CHAT,
        window: str = "24h",
        *,
        caller: Caller = ADMIN,
        tags: tuple[str, ...] = (),
        **rest: Any,
    ) -> Batch:
        file = content if isinstance(content, File) else self.upload(content, caller)
        request = NewBatch(input_file_id=file.id, endpoint=endpoint, completion_window=window, tags=tags)
        options = {"body_hash": "h", "idempotency_key": None, "retried": False, **rest}
        return create(self.app, caller, request, **options)

    def pump(self, most: int = 500) -> int:
        """Deliver everything that is due; how many messages that were."""
        delivered = 0
        while delivered < most and (due := self.bus.queue.claim(self.now(), 600_000, 1)):
            delivery = due[0]
            delivered += 1
            try:
                self.deliver(delivery.topic, delivery.data)
            except Transient:
                self.bus.queue.nack(delivery.id, delivery.token, backoff(delivery.attempt))
            else:
                self.bus.queue.ack(delivery.id, delivery.token)
        return delivered

    def deliver(self, topic: str, data: dict[str, Any]) -> None:
        if topic == FINALIZE:
            shard = layout.shard_of_output(data["name"])
            if shard is not None:
                run(self.app, Message(step="check", shard=shard))
            return
        run(self.app, Message(**data))

    def sweep(self) -> None:
        run(self.app, Message(step="sweep"))

    def settle(self, *ids: str, rounds: int = 400) -> None:
        """Pump, turn the clock, sweep: until all these batches are terminal."""
        for _ in range(rounds):
            self.pump()
            if ids and all(self.batch(id).terminal for id in ids):
                return
            self.clock += 1_000
            self.sweep()
        raise AssertionError(f"still moving: {[self.batch(id) for id in ids]}")

    def batch(self, id: str) -> Batch:
        batch = self.documents.get(Batch, id)
        assert batch is not None
        return batch

    def shards(self, id: str) -> list[Shard]:
        return shards_of(self.app, self.batch(id))

    def rows(self, file_id: str | None) -> list[dict[str, Any]]:
        if file_id is None:
            return []
        file = self.documents.get(File, file_id)
        assert file is not None
        with self.objects.open(file.object) as stream:
            content = stream.read()
        assert len(content) == file.bytes
        return [json.loads(line) for line in content.splitlines()]

    def output(self, id: str) -> list[dict[str, Any]]:
        return self.rows(self.batch(id).output_file_id)

    def errors(self, id: str) -> list[dict[str, Any]]:
        return self.rows(self.batch(id).error_file_id)

    def ledger(self, id: str) -> list[LedgerEntry]:
        entries = [self.documents.get(LedgerEntry, shard.id) for shard in self.shards(id)]
        return [entry for entry in entries if entry is not None]
