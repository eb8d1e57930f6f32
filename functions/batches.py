"""`/v1/batches`."""

import hashlib
import json
from typing import Any, Final

from flask import Response

from functions.answers import grouped, json_answer
from functions.body import json_object
from functions.checks import expiry, invalid_window, metadata, one_of, required, string, tags
from functions.hints import group_of_batch, hints_of, listed_by
from functions.http import Call, route
from functions.paging import page
from shared.domain.access import MASTER, scopes
from shared.domain.account import Account, at, spend
from shared.domain.batch import Batch, Status, window
from shared.domain.clock import seconds
from shared.domain.cost import dollars
from shared.domain.errors import NotFound
from shared.steps.cancel import request_cancel
from shared.steps.create import NewBatch
from shared.steps.create import create as create_batch
from shared.storage.queries import BATCHES, BATCHES_OF_OWNER, BATCHES_OF_TEAM

__all__ = ["ENDPOINTS", "ROUTES", "batch_rendered", "cancel", "create", "listing", "retrieve"]

# OpenAI's eight. What no deployment offers becomes an error of the lines, where the model is known.
ENDPOINTS: Final = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/images/edits",
    "/v1/images/generations",
    "/v1/moderations",
    "/v1/responses",
    "/v1/videos",
)
_MOST, _DEFAULT = 100, 20  # OpenAI's bounds of a page
_OF: Final = {"owner": BATCHES_OF_OWNER, "team": BATCHES_OF_TEAM}
_LONGEST_KEY: Final = 255
_STAMPS: Final = {
    "in_progress_at": Status.IN_PROGRESS,
    "finalizing_at": Status.FINALIZING,
    "completed_at": Status.COMPLETED,
    "failed_at": Status.FAILED,
    "expired_at": Status.EXPIRED,
    "cancelling_at": Status.CANCELLING,
    "cancelled_at": Status.CANCELLED,
}


def create(call: Call) -> Response:
    """A new batch, or the one that the same request made before. Only parameters are judged here, never lines."""
    body, headers = json_object(call.request), call.request.headers
    request = _new_batch(call, body)
    key = headers.get("idempotency-key")
    batch = create_batch(
        call.app,
        call.caller,
        request,
        body_hash=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
        idempotency_key=string(key, "Idempotency-Key", longest=_LONGEST_KEY) if key else None,
        retried=headers.get("x-stainless-retry-count", "0") not in {"", "0"},
    )
    return _answer(call, batch)


def listing(call: Call) -> dict[str, Any]:
    """One page of the caller's batches, newest first; with a model, of those that run in its group or may."""
    groups = listed_by(call)

    def wanted(batch: Batch) -> bool:
        return groups is None or not groups.isdisjoint({*batch.hints.models, group_of_batch(call, batch)})

    return page(
        call,
        [(_OF[field], (value,)) for field, value in scopes(call.caller)] or [(BATCHES, ())],
        most=_MOST,
        default=_DEFAULT,
        missing=_no_such_batch,
        keep=wanted,
        render=batch_rendered,
    )


def retrieve(call: Call) -> Response:
    return _answer(call, _batch(call))


def cancel(call: Call) -> Response:
    return _answer(call, request_cancel(call.app, _batch(call).id))


def batch_rendered(batch: Batch) -> dict[str, Any]:
    """OpenAI's Batch object: every key always, and `cost` of our own."""
    usage, cost = batch.usage, batch.cost
    errors = [
        {"code": error.code, "message": error.message, "param": error.param, "line": error.line}
        for error in batch.errors
    ]
    life = seconds(batch.output_life)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": str(batch.status),
        "output_file_id": batch.output_file_id if batch.terminal else None,
        "error_file_id": batch.error_file_id if batch.terminal else None,
        "created_at": seconds(batch.created_at),
        "expires_at": seconds(batch.expires_at),
        **{name: seconds(batch.stamps.get(status)) for name, status in _STAMPS.items()},
        "request_counts": {
            "total": batch.counts.total,
            "completed": batch.counts.completed,
            "failed": batch.counts.failed,
        },
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
        "metadata": batch.metadata,
        "output_expires_after": None if life is None else {"anchor": "created_at", "seconds": life},
        "cost": {
            "currency": "USD",
            "total": cost.total,
            "priced_lines": cost.priced_lines,
            "unpriced_lines": cost.unpriced_lines,
        },
    }


def _answer(call: Call, batch: Batch) -> Response:
    answer = grouped(json_answer(batch_rendered(batch)), group_of_batch(call, batch))
    account = None if call.caller.key == MASTER else call.app.documents.get(Account, call.caller.key)
    if account is not None:  # LiteLLM's headers, which dashboards read
        account = at(account, call.app.now())
        answer.headers["x-litellm-key-spend"] = str(dollars(spend(account)))
        if account.max_budget is not None:
            answer.headers["x-litellm-key-max-budget"] = str(dollars(account.max_budget))
    return answer


def _new_batch(call: Call, body: dict[str, Any]) -> NewBatch:
    for name in ("input_file_id", "endpoint", "completion_window"):
        required(body.get(name), name)
    file = string(body["input_file_id"], "input_file_id", longest=512)
    endpoint = one_of(body["endpoint"], ENDPOINTS, "endpoint")
    if window(duration := string(body["completion_window"], "completion_window")) is None:
        raise invalid_window(duration)
    return NewBatch(
        input_file_id=call.file_id(file) or file,
        endpoint=endpoint,
        completion_window=duration,
        metadata=metadata(body.get("metadata")),
        output_life=expiry(body.get("output_expires_after"), "output_expires_after"),
        hints=hints_of(call, body, body_first=True),
        tags=tags(body.get("litellm_metadata"), call.request.headers.get("x-litellm-tags", "")),
    )


def _batch(call: Call) -> Batch:
    found = call.find(Batch, call.names["id"])
    if found is None:
        raise _no_such_batch(call.names["id"])
    return found


def _no_such_batch(id: str, param: str | None = None) -> NotFound:
    return NotFound(f"No batch found with id '{id[:200]}'.", param=param)


ROUTES: Final = (
    route("POST", "/batches", create),
    route("GET", "/batches", listing),
    route("POST", "/batches/{id}/cancel", cancel),
    route("GET", "/batches/{id}", retrieve),
)
