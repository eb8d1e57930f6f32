"""A batch comes into being: the batch, its first message and the memory of the request are one transaction.

Nothing of the input is looked at here, and an unknown file is no error: as at OpenAI, the batch is there at once and
fails a moment later. What the request and the upload of its file say of where the lines are to run has to agree.
"""

from dataclasses import dataclass
from typing import Final

from shared.app import App
from shared.domain.access import Caller, visible
from shared.domain.batch import Batch, window
from shared.domain.clock import DAY, MINUTE, SECOND
from shared.domain.errors import BadRequest
from shared.domain.files import File, live
from shared.domain.hints import Hints
from shared.domain.ids import canonical, derived, new_batch_id
from shared.domain.messages import Created
from shared.domain.usage import TOKEN
from shared.log import log
from shared.steps.accounts import Purse
from shared.steps.commit import Turn, commit

__all__ = ["LOOK_AGAIN", "NewBatch", "create"]

LOOK_AGAIN: Final = 30 * SECOND  # when `sweep` looks at a batch that should have been moved by a message
_KEY_LIFE: Final = DAY
_RETRY_LIFE: Final = 10 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """What a caller asks for, already checked."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_life: int | None = None  # milliseconds the output files live; None: as long as OpenAI's
    hints: Hints = Hints()  # groups by name, which the caller may use
    tags: tuple[str, ...] = ()


def create(
    app: App, caller: Caller, request: NewBatch, *, body_hash: str, idempotency_key: str | None, retried: bool
) -> Batch:
    """The batch for this request: a new one, or the one that the same request made before.

    The same request is one with the same `Idempotency-Key` (for a day; BadRequest `idempotency_error` if its body
    differs), or one that the SDK says is a retry (`retried`), of the same caller and body, within ten minutes.
    RateLimited and OverBudget where the caller's accounts have no room for another.
    """
    by_key = derived("key", caller.owner, caller.team or "", idempotency_key) if idempotency_key is not None else None
    by_body = derived("body", caller.owner, caller.team or "", body_hash)
    file_id = canonical(request.input_file_id) or "none"
    batch_id = new_batch_id()
    time = window(request.completion_window)
    if time is None:
        raise BadRequest(
            f"completion_window {request.completion_window!r} is not supported.", param="completion_window"
        )

    theirs: list[str] = []

    def body(turn: Turn) -> Batch:
        memory = turn.get(Created, by_key) if by_key else None
        recent = turn.get(Created, by_body)
        present = turn.get(File, file_id)
        file = live(visible(caller, present), turn.now)
        theirs[:] = [present.id] if present is not None and visible(caller, present) is None else []
        if memory is not None and memory.expire_at > turn.now and memory.body != body_hash:
            raise BadRequest(
                "This Idempotency-Key was used with another request body. Use a new key for a new request.",
                code="idempotency_error",
            )
        if memory is None and retried:
            memory = recent
        if memory is not None and memory.expire_at > turn.now:
            before = visible(caller, turn.get(Batch, memory.batch))
            if before is not None:
                return before
        purse = Purse(app, turn, caller.payers)
        tokens = file.bytes // TOKEN if file is not None else 0  # until `prepare` has counted them
        purse.admit(tokens)
        batch = Batch(
            id=batch_id,
            owner=caller.owner,
            team=caller.team,
            endpoint=request.endpoint,
            completion_window=request.completion_window,
            input_file_id=request.input_file_id,
            input_object=file.object if file else None,
            created_at=turn.now,
            expires_at=turn.now + time,
            models=caller.models,
            key=caller.key,
            user=caller.user,
            payers=caller.payers,
            tags=tuple(dict.fromkeys((*request.tags, *caller.tags))),
            tokens=tokens,
            hints=_agreed(file.hints, request.hints) if file else request.hints,
            native=file is not None and file.native,
            metadata=request.metadata,
            output_life=request.output_life if caller.output_life is None else caller.output_life,
            due_at=turn.now + LOOK_AGAIN,
        )
        purse.put()
        turn.add(batch)
        for name, life in ((by_key, _KEY_LIFE), (by_body, _RETRY_LIFE)):
            if name is not None:
                turn.put(Created(id=name, body=body_hash, batch=batch.id, expire_at=turn.now + life))
        turn.send("prepare", batch=batch.id)
        return batch

    batch = commit(app, body)
    if theirs:
        log("refused", severity="WARNING", audit=True, **caller.log_context(), not_theirs=theirs[0], batch_id=batch.id)
    log("batch_created" if batch.id == batch_id else "batch_repeated", **batch.log_context())
    return batch


def _agreed(file: Hints, request: Hints) -> Hints:
    """What an upload and a create say together; BadRequest where no deployment could do as both say."""
    both = tuple(group for group in request.models if group in file.models)
    if file.models and request.models and not both:
        raise BadRequest(
            f"This request names {_listed(request.models)}, but its input file was uploaded for "
            f"{_listed(file.models)}.",
            param="model",
        )
    if file.provider and request.provider and file.provider != request.provider:
        raise BadRequest(
            f"This request names the provider {request.provider}, but its input file was uploaded for {file.provider}.",
            param="custom_llm_provider",
        )
    return Hints(models=both or request.models or file.models, provider=request.provider or file.provider)


def _listed(models: tuple[str, ...]) -> str:
    return f"the model{'s' if len(models) > 1 else ''} {', '.join(models)}"
