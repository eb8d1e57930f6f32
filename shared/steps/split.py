"""Lines to deployments, chosen when the batch is prepared, and to the shards that are written for them.

What callers write bounds neither how many models a pattern stands for nor how many shards there are: we do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.app import App
from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.cost import Cost, Unpriced
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Shard
from shared.lines.errors import InvalidLine, LineError
from shared.log import log
from shared.providers.base import NATIVE, Encoded, RequestLine
from shared.steps.lanes import Lanes, Route, open_route
from shared.steps.match import entry_of
from shared.steps.parts import Buffers
from shared.steps.route import candidates, named_by_hints
from shared.steps.spread import Spread, in_order

__all__ = ["Group", "Splitter"]

_NO_MODEL: Final = (
    "Native rows do not say which model they are for: name it when the file is uploaded, or the batch created, with "
    "model, target_model_names or the header x-litellm-model."
)
_MOST_SPELLINGS: Final = 1_000  # of models; more are looked up each time
_MOST_NAMED: Final = 100  # deployments of patterns: callers make up the names that fit one
_TOO_MANY_MODELS: Final = (
    f"The input file names too many models: those that are not listed one by one may be {_MOST_NAMED} in a batch, each "
    "counted once for every place that runs it. Split the file into several batches."
)


@dataclass(frozen=True, slots=True)
class Group:
    """Where the lines of one model go: its routes, best first, and whose turn it is."""

    name: str
    routes: list[Route]
    spread: Spread


class Splitter:
    """Takes the lines of one batch in order; leaves shards. `marks` are those of the input, as it is read."""

    def __init__(self, app: App, batch: Batch, buffers: Buffers, marks: Sequence[tuple[int, int]]) -> None:
        self._app, self._batch, self._native = app, batch, batch.native
        self._groups: dict[str, Group] = {}  # by the model as callers write it
        self._known: dict[tuple[str, ...], Group | None] = {}  # by deployments: spellings of a model share a spread
        self._named: set[str] = set()  # deployments of patterns

        def folder(number: int) -> str:
            return layout.shard_folder(app.work_bucket, batch.id, number, batch.epoch)

        self._lanes = Lanes(app, batch, buffers, folder, marks)

    def group(self, line: RequestLine) -> Group:
        """Where the line's model runs; InvalidLine where it does not, LineError where its request says otherwise."""
        model = "" if self._native else line.body["model"]
        group = self._groups.get(model)
        if group is None:
            group = self._find(model)
            if len(self._groups) < _MOST_SPELLINGS:
                self._groups[model] = group
        return group

    def add(self, ordinal: int, line: RequestLine, group: Group, size: int) -> None:
        """Encode the line, which had `size` bytes, into a shard; LineError where no deployment could run it."""
        at = group.spread.at
        route = group.routes[at]
        try:
            encoded = route.codec.encode(line, ordinal)
        except LineError as error:
            at, encoded = self._elsewhere(line, ordinal, group, error)
            route = group.routes[at]
        model = group.name if self._native else line.body["model"]
        self._lanes.add(route, line, encoded, entry_of(ordinal, line, model, encoded))
        if len(group.routes) > 1:
            group.spread.took(size, at)

    def close(self) -> list[Shard]:
        """Write what is left. The shards, waiting to be submitted."""
        return self._lanes.close()

    def expected(self) -> Cost:
        """What all lines are expected to cost, once they are written; nothing where nobody pays."""
        return self._lanes.expected

    def unpriced(self) -> Unpriced:
        """Those of them that will have no price."""
        return Unpriced(self._lanes.expected.unpriced_lines, self._lanes.beside)

    def only_model(self) -> str | None:
        """The model of all lines, as callers wrote it; None where there are several."""
        return next(iter(self._groups)) or None if len(self._groups) == 1 else None

    def _elsewhere(self, line: RequestLine, ordinal: int, group: Group, refusal: LineError) -> tuple[int, Encoded]:
        """One model of a group may do what another cannot; else the refusal of the one whose turn it was is the
        line's.
        """
        for number, route in enumerate(group.routes):
            if number == group.spread.at:
                continue
            try:
                return number, route.codec.encode(line, ordinal)
            except LineError:
                continue
        raise refusal

    def _find(self, model: str) -> Group:
        batch, config = self._batch, self._app.config
        if self._native:
            named = named_by_hints(config, batch)
            if named is None:
                raise InvalidLine("model_not_found", _NO_MODEL, "model")
            name, choices = named
        else:
            name, choices = candidates(config, batch, model)
        deployments = tuple(each.id for each in choices)
        if deployments not in self._known:
            self._count_named(deployments)
            self._known[deployments] = self._opened(name, choices)
        group = self._known[deployments]
        if group is None:
            what = "rows of its provider" if batch.native else batch.endpoint
            raise InvalidLine("invalid_request", f"The model '{name}' does not run {what} here.", "url")
        return group

    def _count_named(self, deployments: Sequence[str]) -> None:
        """InvalidLine where a caller makes up more names than a batch may have: each has a shard and a job."""
        named = self._named.union(each for each in deployments if ":" in each)
        if len(named) > _MOST_NAMED and len(named) > len(self._named):
            raise InvalidLine("too_many_models", _TOO_MANY_MODELS, "body.model")
        self._named = named

    def _opened(self, name: str, choices: Sequence[Deployment]) -> Group | None:
        """None where none of them runs such lines."""
        batch = self._batch
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
        return Group(name, [route for route, _ in able], Spread([part for _, part in able])) if able else None
