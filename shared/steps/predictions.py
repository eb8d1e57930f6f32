"""What a provider wrote for one shard: which objects, and their rows, as they come."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.clock import MINUTE
from shared.domain.errors import Transient
from shared.domain.shard import Shard
from shared.lines.read import chunks_of, lines_of
from shared.log import log
from shared.providers.base import JobMissing, Provider
from shared.steps.cancel import overdue
from shared.steps.claim import Held
from shared.steps.commit import commit
from shared.storage.ports import ObjectMissing

__all__ = ["Predictions"]

_GONE_AFTER: Final = 5 * MINUTE  # of a provider saying so
_LONGEST_ROW: Final = 64 * 2**20  # a provider is not trusted either: what is longer is nobody's row


class Predictions:
    """The objects with a shard's rows; none where the deployment is no longer configured, or there never was a job."""

    def __init__(self, app: App, held: Held[Shard], batch: Batch, provider: Provider | None) -> None:
        """Fetches them first, where the provider keeps results with itself. Transient."""
        self._app, self._held, self._batch, self._provider = app, held, batch, provider
        self.given_up = False  # rows that are there, and were not to be had as long as the batch had time
        self.names = self._found()

    @property
    def native(self) -> tuple[str, ...]:
        """Those that `format=native` may show. Results that were copied from a provider hold its own ids and names."""
        copied = self._provider is not None and self._provider.fetch is not None
        return () if copied or self._held.record.executes else tuple(self.names)

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(self._app.objects.stat(name).size for name in self.names)

    def rows(self, names: list[str] | None = None) -> Iterator[bytes | None]:
        """Every row of these objects, or of all; None for one that is too long."""
        for name in self.names if names is None else names:
            try:
                stream = self._app.objects.open(name)
            except ObjectMissing:  # what it held will be missing, and said to be
                log("predictions_missing", severity="ERROR", **self._held.record.log_context(), object=name)
                continue
            with stream:
                for _, raw in lines_of(chunks_of(stream), longest=_LONGEST_ROW):
                    yield raw

    def _found(self) -> list[str]:
        shard = self._held.record
        if self._provider is None or shard.job is None or not shard.job.name:
            return []
        if shard.executes:
            return list(shard.job.files)
        output = layout.shard_output(self._app.work_bucket, shard.batch, shard.number, shard.attempt)
        if self._provider.fetch is not None:
            try:
                self._provider.fetch(shard.job, self._app.objects, output, self._held)
            except Transient as trouble:
                if not overdue(self._batch, self._app.now()):
                    raise
                self.given_up = True
                log("results_given_up", severity="ERROR", **shard.log_context(), reason=str(trouble))
            except JobMissing as missing:
                if self._may_come_back():
                    raise Transient(
                        "the provider says that results are gone, which it may think better of"
                    ) from missing
                log("results_missing", severity="ERROR", **shard.log_context())
        return self._provider.predictions(shard.job, (stat.name for stat in self._app.objects.list(output)))

    def _may_come_back(self) -> bool:
        """Whether it is too early to believe that results which were paid for are gone."""
        since, now = self._held.record.empty_since, self._app.now()
        if since is None:
            commit(self._app, lambda turn: turn.put(replace(self._held.kept(turn), empty_since=turn.now)))
        return not overdue(self._batch, now) and (since is None or now - since < _GONE_AFTER)
