"""The shards of a batch while they are written: which lines may share a job, and when one is full.

One job has one model, a most of rows and of bytes, and one type for each path of free-form JSON. Lines that do not fit
an open shard open another one.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from shared.app import App
from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.cost import Cost
from shared.domain.shard import Shard
from shared.domain.usage import TOKEN
from shared.lines.checks import shown
from shared.lines.errors import LineError
from shared.providers.base import Codec, Encoded, Entry, Limits, Refused, RequestLine
from shared.steps.expect import Expectation
from shared.steps.parts import Buffers, Parts

__all__ = ["MOST_JOBS", "Lanes", "Route", "TooManyJobs", "open_route"]

MOST_JOBS: Final = 4_000  # shards of one batch: they are stored in one transaction, and Firestore's takes 10 MiB

_MOST_LANES: Final = 8  # shards that are written side by side because their lines' free-form JSON cannot share a job
_MOST_SHARDS: Final = 256  # of one batch, where that is the reason
_TOO_MANY_SHAPES: Final = (
    "The free-form JSON of this line (tool arguments, function results or schemas) cannot share a job with that of the "
    "lines before it: it has other types at the same paths, or too many paths. Put it into another batch."
)
_MOST_PATHS: Final = 5_000  # of free-form JSON in one job: each becomes a column of the importer's table
_TOO_MANY_JOBS: Final = (
    "The requests of the input file do not fit into {most:,} jobs, and a batch may have no more.{why} "
    "Split the file into several{or_else}."
)
_LIMIT: Final = " A job for the model '{group}' may have {limit}, as it is set up here."
_RAISE: Final = ", or raise the batch_limits of the deployments of that model"
_FANNED_ROWS: Final = 25_000  # where lines become several rows each, `collect` has to bring these together again
_INDEX_BYTES: Final = 32 * 2**20  # `collect` holds a shard's index in memory
_EXECUTED: Final = Limits(rows=500, bytes=4 * 2**20)

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Route:
    """One deployment that lines may go to."""

    deployment: Deployment
    codec: Codec
    limits: Limits
    executes: bool
    key: tuple[str, str]  # lines of one key may share a job
    most_bytes: int  # of one job: what the provider takes, and what may be enqueued there


class TooManyJobs(LineError):
    """The lines so far need more shards than a batch may have. The message says which limit makes them so many."""


def open_route(app: App, deployment: Deployment, endpoint: str) -> Route | None:
    """A deployment, ready for lines of an endpoint (or NATIVE); None where it does not run that."""
    provider = app.provider(deployment.id)
    codec = provider.codec(endpoint)
    if codec is None:
        return None
    try:
        executes = provider.executes()
    except Refused:  # a wrong key: whoever runs the lines is told so, too, and knows how long to be patient with it
        executes = deployment.batches != "server"
    limits = _small(provider.limits) if executes else provider.limits
    tokens = deployment.most_tokens
    most_bytes = limits.bytes if tokens is None else min(limits.bytes, (tokens + 1) * TOKEN - 1)
    return Route(deployment, codec, limits, executes, (deployment.id, codec.name), most_bytes)


def _small(limits: Limits) -> Limits:
    """A shard whose lines are run one by one: so many that what a worker leaves is soon taken up by the next."""
    return Limits(rows=min(limits.rows, _EXECUTED.rows), bytes=min(limits.bytes, _EXECUTED.bytes), inputs=limits.inputs)


@dataclass(slots=True)
class _Lane:
    """A shard that is being written."""

    number: int
    route: Route
    rows: Parts
    index: Parts
    shape: dict[str, str]
    since: tuple[int, int] | None
    line_count: int = 0
    row_count: int = 0
    input_count: int = 0
    byte_count: int = 0
    expectation: Expectation | None = None  # where somebody pays for its lines

    def full(self, more: Encoded) -> bool:
        route = self.route
        limits = route.limits
        return self.line_count > 0 and (
            self.row_count + more.count > (limits.rows if self.row_count == self.line_count else _FANNED_ROWS)
            or self.byte_count + len(more.rows) > route.most_bytes
            or (limits.inputs is not None and self.input_count + more.inputs > limits.inputs)
            or self.index.size > _INDEX_BYTES
        )

    def limit(self, more: Encoded) -> tuple[str, bool]:
        """What made it full, in a client's words, and whether the configuration says so."""
        limits, deployment = self.route.limits, self.route.deployment
        size = self.byte_count + len(more.rows)
        if size > limits.bytes:
            return f"{limits.bytes:,} bytes", limits.bytes == deployment.most_bytes
        if size > self.route.most_bytes:
            return f"{deployment.most_tokens:,} enqueued tokens", True
        if limits.inputs is not None and self.input_count + more.inputs > limits.inputs:
            return f"{limits.inputs:,} inputs", False
        return "1 request" if limits.rows == 1 else f"{limits.rows:,} requests", limits.rows == deployment.most_lines

    def takes(self, shape: dict[str, str]) -> bool:
        """Whether these paths have the same types here as far as they are known, and there is room for the others."""
        known = self.shape.get
        if any(known(path, kind) != kind for path, kind in shape.items()):
            return False
        return len(self.shape) + len(shape) <= _MOST_PATHS or len(self.shape | shape) <= _MOST_PATHS


class Lanes:
    """The shards of one batch that are being written, each in a folder of its own."""

    def __init__(
        self,
        app: App,
        batch: Batch,
        buffers: Buffers,
        folder: Callable[[int], str],
        marks: Sequence[tuple[int, int]] = (),
    ) -> None:
        """`marks` of the input, as they are while its lines are added."""
        self._app, self._batch, self._buffers, self._folder, self._marks = app, batch, buffers, folder, marks
        self._lanes: dict[tuple[str, str], list[_Lane]] = {}
        self._filled: Counter[tuple[str, str, bool]] = Counter()  # shards that a limit ended: group, `_Lane.limit`
        self._done: list[Shard] = []
        self._opened = 0
        self._habits: dict[str, int] = {}
        self.expected = Cost()  # of the shards that are written
        self.beside: str | None = None  # what a line in them asks for that is charged beside its tokens

    def add(self, route: Route, line: RequestLine, encoded: Encoded, entry: Entry) -> None:
        """Put an encoded line into a shard; LineError where it can share none, TooManyJobs where there are enough."""
        lane, rows = self._lane(route, encoded, entry.ordinal), encoded.rows
        lane.rows.add(rows)
        lane.index.add(_encode(entry) + b"\n")
        lane.line_count += 1
        lane.byte_count += len(rows)
        lane.row_count += encoded.count
        lane.input_count += encoded.inputs
        if lane.expectation is not None:
            lane.expectation.add(line, rows, entry.ordinal)

    def close(self) -> list[Shard]:
        """Write what is left. The shards, waiting to be submitted."""
        for lanes in self._lanes.values():
            for lane in lanes:
                self._finish(lane)
        self._lanes.clear()
        return sorted(self._done, key=lambda shard: shard.number)

    def _lane(self, route: Route, encoded: Encoded, ordinal: int) -> _Lane:
        lanes = self._lanes.get(route.key)
        if lanes is None:
            lanes = self._lanes[route.key] = []
        elif encoded.shape is None and not lanes[0].full(encoded):  # nearly always: in a hurry
            return lanes[0]
        for position, lane in enumerate(lanes):
            if encoded.shape is not None and not lane.takes(encoded.shape):
                continue
            if lane.full(encoded):
                self._filled[route.deployment.group, *lane.limit(encoded)] += 1
                self._finish(lane)
                lane = lanes[position] = self._open(route, ordinal)  # noqa: PLW2901
            if encoded.shape is not None:
                lane.shape.update(encoded.shape)
            return lane
        if len(lanes) == _MOST_LANES:
            if self._opened >= _MOST_SHARDS:
                raise LineError("too_many_shapes", _TOO_MANY_SHAPES)
            fullest = max(lanes, key=lambda lane: len(lane.shape))
            lanes.remove(fullest)
            self._finish(fullest)
        lane = self._open(route, ordinal)
        lanes.append(lane)
        if encoded.shape is not None:
            lane.shape.update(encoded.shape)
        return lane

    def _open(self, route: Route, ordinal: int) -> _Lane:
        if self._opened == MOST_JOBS:
            raise self._too_many()
        self._opened += 1
        folder = self._folder(self._opened)
        rows, index = self._buffers.parts(folder, "lines"), self._buffers.parts(folder, "index")
        position = bisect_right(self._marks, ordinal, key=lambda mark: mark[0])
        lane = _Lane(self._opened, route, rows, index, {}, self._marks[position - 1] if position else None)
        if self._batch.payers:
            lane.expectation = Expectation(self._app, self._app.provider(route.deployment.id), self._habits)
        return lane

    def _too_many(self) -> TooManyJobs:
        """With the limit that ended the most shards."""
        why = or_else = ""
        for (group, limit, ours), _ in self._filled.most_common(1):
            why, or_else = _LIMIT.format(group=shown(group), limit=limit), _RAISE if ours else ""
        return TooManyJobs("too_many_jobs", _TOO_MANY_JOBS.format(most=MOST_JOBS, why=why, or_else=or_else))

    def _finish(self, lane: _Lane) -> None:
        deployment = lane.route.deployment
        cost = Cost() if lane.expectation is None else lane.expectation.cost()
        self.expected += cost
        if lane.expectation is not None:
            self.beside = self.beside or lane.expectation.beside
        self._done.append(
            Shard(
                id=layout.shard_id(self._batch.id, lane.number),
                batch=self._batch.id,
                number=lane.number,
                group=deployment.group,
                deployment=deployment.id,
                codec=lane.route.codec.name,
                executes=lane.route.executes,
                source=lane.rows.join(),
                index=lane.index.join(),
                since=lane.since,
                lines=lane.line_count,
                rows=lane.row_count,
                tokens=lane.byte_count // TOKEN,
                reserved=cost.nano,
                created_at=self._app.now(),
            )
        )
