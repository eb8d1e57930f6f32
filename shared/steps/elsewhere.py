"""A shard's lines for another deployment of their group: read from the input once more, and encoded again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shared.app import App, Unconfigured
from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch, BatchError
from shared.domain.cost import Unpriced
from shared.domain.errors import ConfigError, Transient
from shared.domain.shard import Shard
from shared.lines.errors import LineError
from shared.log import log
from shared.providers.base import NATIVE
from shared.steps.afford import afford
from shared.steps.claim import Held
from shared.steps.index import Index
from shared.steps.lanes import Lanes, Route, open_route
from shared.steps.match import entry_of
from shared.steps.parts import Buffers
from shared.steps.places import choices
from shared.steps.route import candidates
from shared.steps.source import input_lines, parser_of
from shared.steps.spread import in_order
from shared.storage.ports import ObjectMissing

__all__ = ["Found", "elsewhere"]

_BEAT: Final = 1024  # lines between two looks at the clock


@dataclass(frozen=True, slots=True)
class Found:
    """The lines, encoded for another deployment: shards whose numbers are not theirs yet. None where none would do."""

    shards: list[Shard] = field(default_factory=list)
    dear: BatchError | None = None  # why whoever pays does not let one run them that could

    def __bool__(self) -> bool:
        return bool(self.shards)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where lines go, and where what is written for it lies."""

    route: Route
    folder: str


def elsewhere(
    app: App, held: Held[Shard], ordinals: Sequence[int] | None, without: Collection[str], *, spent: int = 0
) -> Found:
    """These lines of the shard, all of them if None, encoded for the best deployment that takes every one, and whose
    price those who pay can afford: with the nano-dollars that the shard has `spent`, so much is held back for it.
    """
    shard = held.record
    batch = app.documents.get(Batch, shard.batch)
    if batch is None:
        return Found()
    others = [each for each in choices(app, batch, shard) if each.id not in without]
    endpoint = NATIVE if batch.native else batch.endpoint
    dear: BatchError | None = None
    wanted = ordinals if ordinals is not None else Index(app.objects, shard.index).ordinals
    for number, share in enumerate(in_order(app, others, shard.id) if others else ()):
        try:
            route = open_route(app, share.deployment, endpoint)
            if route is None:
                continue
            prefix = layout.shard_folder(app.work_bucket, batch.id, shard.number, shard.epoch)
            shards, unpriced = _encoded(app, held, batch, wanted, _Place(route, f"{prefix}/m{number}"))
            nano = spent + sum(each.reserved for each in shards)
            refusal = afford(app, held, share.deployment.id, nano, unpriced)
            if refusal is None:
                return Found(shards, dear)
            dear = dear or refusal
            log("move_refused", **shard.log_context(), to=share.deployment.id, code=refusal.code)
        except LineError as error:
            log("move_refused", **shard.log_context(), to=share.deployment.id, code=error.code)
        except (Transient, Unconfigured, ConfigError) as error:
            log("move_postponed", severity="WARNING", **shard.log_context(), reason=str(error))
        except ObjectMissing:
            log("move_without_input", severity="WARNING", **shard.log_context())
            break
    return Found(dear=dear)


def _encoded(
    app: App, held: Held[Shard], batch: Batch, ordinals: Sequence[int], place: _Place
) -> tuple[list[Shard], Unpriced]:
    """With which of them will have no price. LineError at the first that this deployment may not or cannot run."""
    lanes = Lanes(app, batch, Buffers(app.objects, held.beat), lambda number: f"{place.folder}/{number:04d}")
    parser, left, models = parser_of(batch), iter(ordinals), set[str]()
    ordinal = next(left, None)
    for number, raw in input_lines(app, batch, since=held.record.since):
        if ordinal is None:
            break
        if number & (_BEAT - 1) == 0:
            held.beat()
        if number != ordinal or raw is None:
            continue
        line = parser.parse(raw)
        model = held.record.group if batch.native else line.body["model"]
        if not batch.native and model not in models:
            _refuse_stranger(app, batch, model, place.route.deployment)
            models.add(model)
        encoded = place.route.codec.encode(line, number)
        lanes.add(place.route, line, encoded, entry_of(number, line, model, encoded))
        ordinal = next(left, None)
    if ordinal is not None:
        raise ObjectMissing(batch.input_file_id)
    shards = [replace(each, since=held.record.since) for each in lanes.close()]
    return shards, Unpriced(lanes.expected.unpriced_lines, lanes.beside)


def _refuse_stranger(app: App, batch: Batch, model: str, deployment: Deployment) -> None:
    """A provider's name in front of a model narrows the choice for that line, now as before."""
    if all(each.id != deployment.id for each in candidates(app.config, batch, model)[1]):
        raise LineError("model_mismatch", "The line asks for another provider.", "model")
