"""Lines to shards: which deployment runs a line, and with which others it may share a job.

The deployment is chosen here, when the batch is prepared. One job has one model, a most of rows and of bytes, and one
type for each path of free-form JSON. Lines that do not fit an open shard open another one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from shared.app import App
from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Shard
from shared.lines.errors import InvalidLine, LineError
from shared.log import log
from shared.providers.base import NATIVE, Codec, Encoded, Entry, Limits, Refused, RequestLine
from shared.steps.match import entry_of
from shared.steps.parts import Buffers, Parts
from shared.steps.route import candidates, named_by_hints
from shared.steps.spread import Spread, in_order

__all__ = ["Group", "Lanes", "Route", "Splitter", "open_route"]

_MOST_LANES: Final = 8  # shards that are written side by side because their lines' free-form JSON cannot share a job
_MOST_SHARDS: Final = 256  # of one batch, where that is the reason
_TOO_MANY_SHAPES: Final = (
    "The free-form JSON of this line (tool arguments, function results or schemas) cannot share a job with that of the "
    "lines before it: it has other types at the same paths, or too many paths. Put it into another batch."
)
_NO_MODEL: Final = (
    "Native rows do not say which model they are for: name it when the file is uploaded, or the batch created, with "
    "model, target_model_names or the header x-litellm-model."
)
_MOST_PATHS: Final = 5_000  # of free-form JSON in one job: each becomes a column of the importer's table
_MOST_SPELLINGS: Final = 1_000  # of models; more are looked up each time
_FANNED_ROWS: Final = 25_000  # where lines become several rows each, `collect` has to bring these together again
_INDEX_BYTES: Final = 32 * 2**20  # `collect` holds a shard's index in memory
_EXECUTED: Final = Limits(rows=500, bytes=4 * 2**20)
_TOKEN: Final = 4  # bytes, roughly

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Route:
    """One deployment that lines may go to."""

    deployment: Deployment
    codec: Codec
    limits: Limits
    executes: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Where the lines of one model go: its routes, best first, and whose turn it is."""

    name: str
    routes: list[Route]
    spread: Spread


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
    return Route(deployment, codec, _small(provider.limits) if executes else provider.limits, executes)


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
    line_count: int = 0
    row_count: int = 0
    input_count: int = 0

    @property
    def tokens(self) -> int:
        """About so many tokens are in its rows, at four bytes each."""
        return self.rows.size // _TOKEN

    def full(self, more: Encoded) -> bool:
        limits, tokens = self.route.limits, self.route.deployment.most_tokens
        return self.line_count > 0 and (
            self.row_count + more.count > (limits.rows if self.row_count == self.line_count else _FANNED_ROWS)
            or self.rows.size + len(more.rows) > limits.bytes
            or (limits.inputs is not None and self.input_count + more.inputs > limits.inputs)
            or self.index.size > _INDEX_BYTES
            or (tokens is not None and (self.rows.size + len(more.rows)) // _TOKEN > tokens)
        )

    def takes(self, shape: dict[str, str]) -> bool:
        """Whether these paths have the same types here as far as they are known, and there is room for the others."""
        known = self.shape.get
        if any(known(path, kind) != kind for path, kind in shape.items()):
            return False
        return len(self.shape) + len(shape) <= _MOST_PATHS or len(self.shape | shape) <= _MOST_PATHS


class Lanes:
    """The shards of one batch that are being written, each in a folder of its own."""

    def __init__(self, app: App, batch: Batch, buffers: Buffers, folder: Callable[[int], str]) -> None:
        self._app, self._batch, self._buffers, self._folder = app, batch, buffers, folder
        self._lanes: dict[tuple[str, str], list[_Lane]] = {}
        self._done: list[Shard] = []
        self._opened = 0

    def add(self, route: Route, encoded: Encoded, entry: Entry) -> None:
        """Put an encoded line into a shard; LineError where it can share none."""
        lane = self._lane(route, encoded)
        lane.rows.add(encoded.rows)
        lane.index.add(_encode(entry) + b"\n")
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
        folder = self._folder(self._opened)
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
                executes=lane.route.executes,
                source=lane.rows.join(),
                index=lane.index.join(),
                lines=lane.line_count,
                rows=lane.row_count,
                tokens=lane.tokens,
                created_at=self._app.now(),
            )
        )


class Splitter:
    """Takes the lines of one batch in order; leaves shards."""

    def __init__(self, app: App, batch: Batch, buffers: Buffers, size: int) -> None:
        self._app, self._batch, self._size = app, batch, size
        self._groups: dict[str, Group] = {}
        self._lanes = Lanes(
            app, batch, buffers, lambda number: layout.shard_folder(app.work_bucket, batch.id, number, batch.epoch)
        )

    def group(self, line: RequestLine) -> Group:
        """Where the line's model runs; InvalidLine where it does not, LineError where its request says otherwise."""
        model = "" if self._batch.native else line.body["model"]
        group = self._groups.get(model)
        if group is None:
            group = self._find(model)
            if len(self._groups) < _MOST_SPELLINGS:
                self._groups[model] = group
        return group

    def add(self, ordinal: int, line: RequestLine, group: Group, size: int) -> None:
        """Encode the line, which had `size` bytes, into a shard; LineError where no deployment could run it."""
        route = group.routes[group.spread.at]
        try:
            encoded = route.codec.encode(line, ordinal)
        except LineError:
            route, encoded = self._elsewhere(line, ordinal, group)
        model = group.name if self._batch.native else line.body["model"]
        self._lanes.add(route, encoded, entry_of(ordinal, line, model, encoded))
        group.spread.took(size)

    def close(self) -> list[Shard]:
        """Write what is left. The shards, waiting to be submitted."""
        return self._lanes.close()

    def only_model(self) -> str | None:
        """The model of all lines, as callers wrote it; None where there are several."""
        return next(iter(self._groups)) or None if len(self._groups) == 1 else None

    def _elsewhere(self, line: RequestLine, ordinal: int, group: Group) -> tuple[Route, Encoded]:
        """One model of a group may do what another cannot; else the first one's reason is the line's."""
        refusal: LineError | None = None
        for route in (group.routes[group.spread.at], *group.routes):
            try:
                return route, route.codec.encode(line, ordinal)
            except LineError as error:
                refusal = refusal or error
        raise refusal or LineError(None, "The line could not be run.")

    def _find(self, model: str) -> Group:
        batch, config = self._batch, self._app.config
        if batch.native:
            named = named_by_hints(config, batch)
            if named is None:
                raise InvalidLine("model_not_found", _NO_MODEL, "model")
            name, choices = named
        else:
            name, choices = candidates(config, batch, model)
        endpoint = NATIVE if batch.native else batch.endpoint
        able: list[tuple[Route, float]] = []
        silent: Exception | None = None  # of deployments that cannot be asked or opened: the others do without them
        for share in in_order(self._app, choices, batch.id):
            try:
                route = open_route(self._app, share.deployment, endpoint)
            except (Transient, ConfigError) as error:
                log("deployment_passed_over", severity="WARNING", deployment=share.deployment.id, reason=str(error))
                silent = error
                continue
            if route is not None:
                able.append((route, share.part))
        if silent is not None and not able:
            raise silent
        if not able:
            what = "rows of its provider" if batch.native else batch.endpoint
            raise InvalidLine("invalid_request", f"The model '{name}' does not run {what} here.", "url")
        return Group(name, [route for route, _ in able], Spread([part for _, part in able], self._size))
