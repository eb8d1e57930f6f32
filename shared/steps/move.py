"""A shard's lines for another deployment of their group: read from the input once more, and encoded again.

Only what certainly has not begun is moved, or what a failed job has left unanswered.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App, Unconfigured
from shared.config import Deployment
from shared.domain import layout
from shared.domain.batch import Batch, BatchError
from shared.domain.clock import MINUTE, SECOND
from shared.domain.errors import ConfigError, Transient
from shared.domain.ids import derived
from shared.domain.places import Cooldown, place_of
from shared.domain.shard import Shard, ShardStatus, label, move_to, next_step
from shared.lines.errors import LineError
from shared.log import log
from shared.providers.base import NATIVE
from shared.steps.claim import Held
from shared.steps.commit import Turn, commit
from shared.steps.create import LOOK_AGAIN
from shared.steps.index import Index
from shared.steps.match import entry_of
from shared.steps.parts import Buffers
from shared.steps.route import candidates, named_by_hints
from shared.steps.source import input_lines, parser_of
from shared.steps.split import Lanes, Route, open_route
from shared.steps.spread import in_order
from shared.storage.ports import ObjectMissing

__all__ = [
    "NOT_AGAIN",
    "SILENT",
    "Trouble",
    "add_shards",
    "cool_down",
    "elsewhere",
    "moved",
    "patience",
    "places",
    "room_after",
]

_BEAT: Final = 1024  # lines between two looks at the clock
_COOL: Final = MINUTE  # LiteLLM's cooldown is shorter, and its requests too


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a deployment does not run a shard now; with an error, it never will."""

    reason: str
    error: BatchError | None = None
    retry_after: float | None = None  # seconds


NOT_AGAIN: Final = Trouble(reason="its last job there failed, or there was no room")
SILENT: Final = Trouble(reason="what it is asked for gets no answer, and nothing comes of it")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where lines go, and where what is written for it lies."""

    route: Route
    folder: str


def patience(troubles: int) -> int:
    """Milliseconds to wait after so many troubles in a row: 2 s, 4 s, 8 s … up to a minute."""
    return min(60, 1 << min(troubles, 6)) * SECOND


def room_after(attempts: int) -> int:
    """How long to leave a crowded provider alone: 1 min, 2, 4 … up to half an hour."""
    return min(30, 1 << min(attempts - 1, 5)) * MINUTE


def places(app: App, batch: Batch, shard: Shard) -> set[str]:
    """The deployments that may run all lines of a shard: each of its models, hints and prefixes has its say."""
    endpoint = NATIVE if batch.native else batch.endpoint
    found = {each.id for each in _choices(app, batch, shard)}
    if not batch.native:
        index = Index(app.objects, shard.index)
        for model in {index.entry(position).model for position in range(len(index))}:
            found &= {each.id for each in candidates(app.config, batch, model)[1]}
    return {id for id in found if app.provider(id).codec(endpoint) is not None}


def moved(app: App, held: Held[Shard], trouble: Trouble) -> bool:
    """Whether another deployment got the shard, of which this one certainly runs nothing.

    Those that had no room are asked again when all others were; those that refused for good never are.
    """
    shard = held.record
    if shard.tries > 1:  # an earlier try may have made a job that cannot be seen yet
        return False
    here = (shard.deployment,)
    refused = (*shard.refused_by, *here) if trouble.error is not None else shard.refused_by
    busy = shard.busy_at if trouble.error is not None or here[0] in shard.busy_at else (*shard.busy_at, *here)
    found = elsewhere(app, held, None, without={*here, *refused, *busy})
    pause = 0
    if not found and trouble.error is not None and busy:  # all others had no room a while ago
        found, busy, pause = elsewhere(app, held, None, without=refused), (), patience(shard.troubles + 3)
    if not found:
        return False

    def body(turn: Turn) -> None:
        current = held.current(turn)
        due = {"due_at": turn.now + pause} if pause else {}
        _hand_over(turn, current, found, refused_by=refused, busy_at=busy, troubles=current.troubles, **due)
        cool_down(turn, here[0], trouble.reason, retry_after=trouble.retry_after)

    commit(app, body)
    log("shard_moved", **shard.log_context(), was=here[0], to=found[0].deployment, reason=trouble.reason)
    return True


def elsewhere(app: App, held: Held[Shard], ordinals: Sequence[int] | None, without: Collection[str]) -> list[Shard]:
    """These lines of the shard, all of them if None, encoded for the best deployment that takes every one.

    Shards whose numbers are not theirs yet; none where no other deployment of the group would do, or the input is gone.
    """
    shard = held.record
    batch = app.documents.get(Batch, shard.batch)
    if batch is None:
        return []
    choices = [each for each in _choices(app, batch, shard) if each.id not in without]
    endpoint = NATIVE if batch.native else batch.endpoint
    wanted = ordinals if ordinals is not None else Index(app.objects, shard.index).ordinals
    for number, share in enumerate(in_order(app, choices, shard.id) if choices else ()):
        try:
            route = open_route(app, share.deployment, endpoint)
            if route is not None:
                prefix = layout.shard_folder(app.work_bucket, batch.id, shard.number, shard.epoch)
                return _encoded(app, held, batch, wanted, _Place(route, f"{prefix}/m{number}"))
        except LineError as error:
            log("move_refused", **shard.log_context(), to=share.deployment.id, code=error.code)
        except (Transient, Unconfigured, ConfigError) as error:
            log("move_postponed", severity="WARNING", **shard.log_context(), reason=str(error))
        except ObjectMissing:
            log("move_without_input", severity="WARNING", **shard.log_context())
            return []
    return []


def _choices(app: App, batch: Batch, shard: Shard) -> list[Deployment]:
    if batch.native:
        named = named_by_hints(app.config, batch)
        return [] if named is None else named[1]
    provider, pattern = "", ":" in shard.deployment
    here = app.config.deployment(shard.deployment) if pattern else None
    if here is not None:  # a name that fits several patterns is known by the provider that it was found at
        provider = f"{here.provider}/"
    return app.config.deployments_of(shard.group, model=f"{provider}{shard.group}")


def _encoded(app: App, held: Held[Shard], batch: Batch, ordinals: Sequence[int], place: _Place) -> list[Shard]:
    """LineError at the first line that this deployment may not or cannot run."""
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
    return [replace(each, since=held.record.since) for each in lanes.close()]


def _refuse_stranger(app: App, batch: Batch, model: str, deployment: Deployment) -> None:
    """A provider's name in front of a model narrows the choice for that line, now as before."""
    if all(each.id != deployment.id for each in candidates(app.config, batch, model)[1]):
        raise LineError("model_mismatch", "The line asks for another provider.", "model")


def _hand_over(turn: Turn, shard: Shard, found: Sequence[Shard], **changes: object) -> None:
    """Give a shard that has not begun to another deployment: the first of `found` takes its place."""
    first, *others = found
    moved = replace(
        shard,
        deployment=first.deployment,
        group=first.group,
        codec=first.codec,
        executes=first.executes,
        source=first.source,
        index=first.index,
        lines=first.lines,
        rows=first.rows,
        since=first.since,
        tokens=first.tokens,
        status=ShardStatus.WAITING if shard.status is ShardStatus.WAITING else move_to(shard, ShardStatus.WAITING),
        attempt=shard.attempt + 1,
        tries=0,
        troubles=0,
        gone=0,
        empty_since=None,
        lost_at=None,
        left_behind=shard.left_behind if shard.lost_at is None else (*shard.left_behind, _left_behind(shard)),
        line_tries=(),
        rest_until=None,
        job=None,
        lease=None,
        due_at=turn.now + LOOK_AGAIN,
    )
    moved = replace(moved, **changes)  # type: ignore[arg-type]
    others = [replace(each, reserved=0) for each in others]  # what is held back for all of them stays with the first
    batch = turn.get(Batch, shard.batch) if others else None
    turn.put(moved)
    step = next_step(moved)
    if step is not None and (moved.due_at or 0) <= turn.now + LOOK_AGAIN:
        turn.send(step, shard=moved.id)
    if batch is not None:
        turn.put(add_shards(turn, batch, others, refused_by=moved.refused_by, busy_at=moved.busy_at))


def _left_behind(shard: Shard) -> str:
    return f"{shard.deployment} {label(shard)}"


def add_shards(turn: Turn, batch: Batch, found: Sequence[Shard], **changes: object) -> Batch:
    """The batch with these shards behind its others; they get their numbers here."""
    for number, each in enumerate(found, start=batch.shards + 1):
        shard = replace(
            each,
            id=layout.shard_id(batch.id, number),
            number=number,
            due_at=turn.now + LOOK_AGAIN,
            **changes,  # type: ignore[arg-type]
        )
        turn.add(shard)
        step = next_step(shard)
        if step is not None:
            turn.send(step, shard=shard.id)
    return replace(batch, shards=batch.shards + len(found), open_shards=batch.open_shards + len(found))


def cool_down(turn: Turn, deployment: str, reason: str, *, retry_after: float | None = None) -> None:
    """Let others be asked first for a while."""
    pause = max(_COOL, int((retry_after or 0) * SECOND))
    turn.put(Cooldown(id=derived(place_of(deployment)), until=turn.now + pause, reason=reason[:200]))
