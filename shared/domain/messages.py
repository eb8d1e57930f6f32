"""Messages to steps, and the records that make delivery and repetition harmless."""

from dataclasses import dataclass

__all__ = ["Created", "Message", "Outbox"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A hint to run one step. It carries ids only; the truth is in the documents.

    On the bus: `{"step": "prepare", "batch": "batch_…"}`, `{"step": "check", "shard": "…"}`,
    `{"step": "meter", "job": "job_…"}`, `{"step": "sweep"}`, with the trace as an attribute beside it.
    """

    step: str
    batch: str | None = None
    shard: str | None = None
    job: str | None = None
    trace: str | None = None  # W3C `traceparent` of the request that it all began with

    def body(self) -> dict[str, str]:
        """The data of the message."""
        return {
            name: value
            for name, value in (("step", self.step), ("batch", self.batch), ("shard", self.shard), ("job", self.job))
            if value is not None
        }

    def attributes(self) -> dict[str, str]:
        """What stands beside the data."""
        return {} if self.trace is None else {"traceparent": self.trace}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """A message that its transaction owes to the bus. Published after the commit; `sweep` sends what was forgotten."""

    id: str
    message: Message
    due_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What a `POST /v1/batches` made, found again by an idempotency key or by a retried body."""

    id: str
    body: str  # hash of the request body
    batch: str
    expire_at: int
