"""The rows of `/spend/logs`: one for each batch, or passed-through job, that cost something in the days asked for.

A row sums up those entries of its batch that were asked for, so that rows and sums by day of the same days agree to the
last unit. Entries come newest first, and none of a batch is older than the batch: a row is complete when the search has
come to where its batch began. Held in memory are rows of batches that were open at one moment, however many there are.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from shared.admin.reports.names import MASTER_KEY, Names, deployment_shown, model_shown
from shared.admin.reports.sums import Facts, Sum, facts
from shared.admin.reports.time import moment_shown
from shared.domain.access import MASTER
from shared.domain.clock import HOUR
from shared.domain.cost import dollars
from shared.domain.ledger import LedgerEntry

__all__ = ["MOST", "Row", "batch_of", "key_alias", "row_rendered", "row_told", "rows"]

MOST: Final = 10_000  # LiteLLM's cap
_CLOCKS: Final = HOUR  # so far, at most, the clocks of two machines may be apart
_BEHIND: Final = "_batch_cost"  # LiteLLM's `request_id` of a batch
_CALL: Final = "aretrieve_batch"
_UNKNOWN: Final = {  # as litellm 1.106.2, `get_logging_payload`, has them where it knows nothing of them
    "api_base": "",
    "cache_hit": "False",
    "cache_key": "Cache OFF",
    "requester_ip_address": None,
}


class Row:
    """What one batch cost."""

    def __init__(self, first: LedgerEntry) -> None:
        self.batch, self.key, self.user, self.team = first.batch, first.key, first.user, first.team
        self.tags, self.ended = first.tags, first.created_at
        self.started = first.created_at if first.started_at is None else first.started_at
        self.surely_complete = first.started_at is not None
        self.sum = Sum()
        self.models: dict[str, Sum] = {}
        self.groups: dict[str, None] = {}
        self.deployments: dict[str, None] = {}
        self.providers: dict[str, None] = {}

    def add(self, entry: LedgerEntry) -> None:
        more = facts(entry)
        self.sum.add(more)
        self.models.setdefault(model_shown(entry.model), Sum()).add(more)
        self.groups[entry.group] = self.deployments[deployment_shown(entry.deployment)] = None
        self.providers[entry.provider] = None
        self.started = min(self.started, entry.created_at)

    @property
    def facts(self) -> Facts:
        return self.sum.facts

    @property
    def total_tokens(self) -> int:
        return self.facts.prompt + self.facts.completion

    @property
    def model(self) -> str:
        return _listed(self.models)

    @property
    def status(self) -> str:
        return "failure" if self.facts.failed and not self.facts.completed else "success"

    @property
    def duration(self) -> int:
        return max(0, self.ended - self.started)


def rows(found: Iterable[LedgerEntry], most: int | None = None) -> Iterator[Row]:
    """The rows of entries that come newest first: those whose newest entry is newest come first, `most` at most."""
    held: OrderedDict[str, Row] = OrderedDict()
    begun = 0
    for entry in found:
        while held and _complete(first := next(iter(held.values())), entry.created_at):
            del held[first.batch]
            yield first
        row = held.get(entry.batch)
        if row is None:
            if most is not None and begun >= most:
                if not held:
                    return
                continue
            begun += 1
            row = held[entry.batch] = Row(entry)
        row.add(entry)
    yield from held.values()


def batch_of(request_id: str) -> str:
    """The batch, or the job, that a row's `request_id` is of; its own id will do."""
    return request_id.removesuffix(_BEHIND)


def row_rendered(row: Row, names: Names) -> dict[str, Any]:
    """LiteLLM's row of its spend logs, as far as there is something to say."""
    own, found = row_told(row, names), row.facts
    return {
        **own,
        "metadata": {
            "user_api_key": own["api_key"],
            "user_api_key_alias": key_alias(row, names),
            "user_api_key_user_id": row.user,
            "user_api_key_team_id": row.team,
            "user_api_key_team_alias": names.team_alias(row.team),
            "batch_id": row.batch,
            "successful_requests": found.completed,
            "failed_requests": found.failed,
            "unpriced_requests": found.unpriced,
            "spend_by_model": {model: sum.exact for model, sum in row.models.items()},
        },
    }


def key_alias(row: Row, names: Names) -> str | None:
    """What the key of a row is called."""
    return MASTER_KEY if row.key == MASTER else names.alias(row.key)


def row_told(row: Row, names: Names) -> dict[str, Any]:
    """The row without its `metadata`."""
    found = row.facts
    return {
        "request_id": f"{row.batch}{_BEHIND}",
        "call_type": _CALL,
        "api_key": names.key(row.key),
        "spend": dollars(found.nano),
        "spend_exact": row.sum.exact,
        "total_tokens": row.total_tokens,
        "prompt_tokens": found.prompt,
        "completion_tokens": found.completion,
        "startTime": moment_shown(row.started),
        "endTime": moment_shown(row.ended),
        "request_duration_ms": row.duration,
        "model": row.model,
        "model_group": _listed(row.groups),
        "model_id": _listed(row.deployments),
        "custom_llm_provider": _listed(row.providers),
        **_UNKNOWN,
        "user": row.user or "",
        "team_id": row.team,
        "end_user": "",
        "request_tags": list(row.tags),
        "status": row.status,
    }


def _complete(row: Row, now: int) -> bool:
    return row.surely_complete and now < row.started - _CLOCKS


def _listed(names: Iterable[str]) -> str:
    """The one name that there mostly is; of a batch with several models all of them."""
    return ", ".join(sorted(names))
