"""Lines to shards: which deployment runs a line, and with which others it may share a job.

One job has one model, a most of rows and of bytes, and one type for each path of free-form JSON. Lines that do not fit
an open shard open another one.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from shared.app import App
from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.shard import Shard
from shared.lines.errors import InvalidLine, LineError
from shared.providers.base import Codec, Encoded, Entry, Limits, RequestLine
from shared.steps.parts import Buffers, Parts

__all__ = ["Route", "Splitter"]

_MOST_LANES: Final = 8  # shards that are written side by side because their lines' free-form JSON cannot share a job
_MOST_SHARDS: Final = 256  # of one batch, where that is the reason
_TOO_MANY_SHAPES: Final = (
    "The free-form JSON of this line (tool arguments, function results or schemas) cannot share a job with that of the "
    "lines before it: it has other types at the same paths, or too many paths. Put it into another batch."
)
_MOST_PATHS: Final = 5_000  # of free-form JSON in one job: each becomes a column of the importer's table
_MOST_SPELLINGS: Final = 1_000  # of models; more are looked up each time
_FANNED_ROWS: Final = 25_000  # where lines become several rows each, `collect` has to bring these together again
_INDEX_BYTES: Final = 32 * 2**20  # `collect` holds a shard's index in memory

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Route:
    """Where lines of one model go."""

    deployment: Deployment
    codec: Codec
    limits: Limits


@dataclass(slots=True)
class _Lane:
    """A shard that is being written."""

    number: int
    route: Route
    rows: Parts
    index: Parts
    shape: dict[str, str]
    line_count: int = 0
    row_count: int = 0
    input_count: int = 0

    def full(self, more: Encoded) -> bool:
        limits = self.route.limits
        return (
            self.row_count + more.count > (limits.rows if self.row_count == self.line_count else _FANNED_ROWS)
            or self.rows.size + len(more.rows) > limits.bytes
            or (limits.inputs is not None and self.input_count + more.inputs > limits.inputs)
            or self.index.size > _INDEX_BYTES
        )

    def takes(self, shape: dict[str, str]) -> bool:
        """Whether these paths have the same types here as far as they are known, and there is room for the others."""
        known = self.shape.get
        if any(known(path, kind) != kind for path, kind in shape.items()):
            return False
        return len(self.shape) + len(shape) <= _MOST_PATHS or len(self.shape | shape) <= _MOST_PATHS


class Splitter:
    """Takes the lines of one batch in order; leaves shards."""

    def __init__(self, app: App, batch: Batch, buffers: Buffers) -> None:
        self._app, self._batch, self._buffers = app, batch, buffers
        self._routes: dict[str, Route] = {}
        self._lanes: dict[tuple[str, str], list[_Lane]] = {}
        self._done: list[Shard] = []
        self._opened = 0

    def route(self, line: RequestLine) -> Route:
        """Where the line's model runs; InvalidLine where it does not."""
        model = line.body["model"]
        route = self._routes.get(model)
        if route is None:
            route = self._find(model)
            if len(self._routes) < _MOST_SPELLINGS:
                self._routes[model] = route
        return route

    def add(self, ordinal: int, line: RequestLine, route: Route) -> None:
        """Encode the line into a shard; LineError where it cannot be run."""
        encoded = route.codec.encode(line, ordinal)
        lane = self._lane(route, encoded)
        lane.rows.add(encoded.rows)
        lane.index.add(
            _encode(Entry(ordinal, line.custom_id, line.body["model"], encoded.hints, encoded.count)) + b"\n"
        )
        lane.line_count += 1
        lane.row_count += encoded.count
        lane.input_count += encoded.inputs

    def close(self) -> list[Shard]:
        """Write what is left. The shards, waiting to be submitted."""
        for lanes in self._lanes.values():
            for lane in lanes:
                self._finish(lane)
        self._lanes.clear()
        return sorted(self._done, key=lambda shard: shard.number)

    def only_model(self) -> str | None:
        """The model of all lines, as callers wrote it; None where there are several."""
        return next(iter(self._routes)) if len(self._routes) == 1 else None

    def _find(self, model: str) -> Route:
        config = self._app.config
        group = config.group_of(model)
        if group is None or (self._batch.models is not None and group not in self._batch.models):
            raise InvalidLine(
                "model_not_found", f"The provided model '{model[:64]}' is not supported by the Batch API.", "body.model"
            )
        choices = config.deployments_of(group)
        deployment = choices[int(self._batch.id[-8:], 16) % len(choices)]
        provider = self._app.provider(deployment.id)
        codec = provider.codec(self._batch.endpoint)
        if codec is None:
            raise InvalidLine(
                "invalid_request", f"The model '{group}' does not run {self._batch.endpoint} here.", "url"
            )
        return Route(deployment, codec, provider.limits)

    def _lane(self, route: Route, encoded: Encoded) -> _Lane:
        lanes = self._lanes.setdefault((route.deployment.id, route.codec.name), [])
        for position, lane in enumerate(lanes):
            if encoded.shape is not None and not lane.takes(encoded.shape):
                continue
            if lane.full(encoded):
                self._finish(lane)
                lane = lanes[position] = self._open(route)  # noqa: PLW2901
            if encoded.shape is not None:
                lane.shape.update(encoded.shape)
            return lane
        if len(lanes) == _MOST_LANES:
            if self._opened >= _MOST_SHARDS:
                raise LineError("too_many_shapes", _TOO_MANY_SHAPES)
            fullest = max(lanes, key=lambda lane: len(lane.shape))
            lanes.remove(fullest)
            self._finish(fullest)
        lane = self._open(route)
        lanes.append(lane)
        if encoded.shape is not None:
            lane.shape.update(encoded.shape)
        return lane

    def _open(self, route: Route) -> _Lane:
        self._opened += 1
        folder = layout.shard_folder(self._app.work_bucket, self._batch.id, self._opened, self._batch.epoch)
        rows, index = self._buffers.parts(folder, "lines"), self._buffers.parts(folder, "index")
        return _Lane(self._opened, route, rows, index, {})

    def _finish(self, lane: _Lane) -> None:
        deployment = lane.route.deployment
        self._done.append(
            Shard(
                id=layout.shard_id(self._batch.id, lane.number),
                batch=self._batch.id,
                number=lane.number,
                group=deployment.group,
                deployment=deployment.id,
                codec=lane.route.codec.name,
                source=lane.rows.join(),
                index=lane.index.join(),
                lines=lane.line_count,
                rows=lane.row_count,
                created_at=self._app.now(),
            )
        )
