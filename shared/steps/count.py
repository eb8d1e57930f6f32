"""What the predictions of a job have used that we did not write: one streaming pass, however many rows there are.

Rows that failed cost nothing; a good one that does not say what it used, or has no price, is unpriced. So is one for
which more was charged than its tokens, though these are paid, and so are rows that Vertex has counted and that nobody
can read: unknown is never 0.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from shared.app import App
from shared.domain.batch import Counts
from shared.domain.cost import Cost
from shared.domain.passthrough import VertexJob, counted, directory, has_counts
from shared.lines.read import chunks_of, lines_of
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Passthrough, Provider

__all__ = ["JobCount"]

_BEAT: Final = 1024  # rows between two looks at the clock
_LONGEST_ROW: Final = 64 * 2**20
_MOST_OBJECTS: Final = 10_000  # of one directory
_PARTIAL: Final = "incremental"  # in the name of what a job writes on its way


class JobCount:
    """The count of one job, as Vertex described it at its end."""

    def __init__(self, app: App, job: VertexJob, resource: Mapping[str, Any], provider: Provider | None) -> None:
        """Without a provider nothing can be read, and all rows that Vertex has counted stay unpriced."""
        self._app, self._job, self._resource, self._provider = app, job, resource, provider
        self.meter = Meter(app.book, _price_model(app, job, provider), provider.location if provider else "")
        self.read = self._failed = self._strange = self._unread = 0

    @property
    def counts(self) -> Counts:
        return Counts(completed=self.read + self._unread, failed=self._failed)

    @property
    def cost(self) -> Cost:
        return self.meter.cost() + Cost(unpriced_lines=self._unread)

    def run(self, beat: Callable[[], None]) -> bool:
        """Read all there is; whether that is as much as there should be. ObjectMissing, ConfigError, Transient."""
        through = self._provider.passthrough if self._provider is not None else None
        if through is None:
            return False
        folder, said = directory(self._job, self._resource)
        names = self._names(through, folder)
        for row, raw in enumerate(self._rows(names), start=1):
            if row & (_BEAT - 1) == 0:
                beat()
            self._add(through, raw)
        if self._strange:
            log("rows_ignored", severity="WARNING", **self._job.log_context(), rows=self._strange)
        return self.read >= counted(self._resource) and (bool(names) or not (said or self._succeeded))

    def add_missing(self, *, blind: bool) -> None:
        """Good rows that Vertex has counted and we have not seen. `blind`: there may be others, so that where nobody
        has counted them there is one at least.
        """
        unknown = blind and not has_counts(self._resource) and not self.read and not self._failed
        self._unread = max(unknown, counted(self._resource) - self.read)
        if self._unread:
            log("predictions_missing", severity="ERROR", **self._job.log_context(), rows=self._unread)

    @property
    def _succeeded(self) -> bool:
        return self._resource.get("state") == "JOB_STATE_SUCCEEDED"

    def _names(self, through: Passthrough, folder: str) -> list[str]:
        """The objects with final rows; of a job that was stopped, where it has none, those that it wrote on its way."""
        resource = {**self._resource, "outputInfo": {"gcsOutputDirectory": folder}}
        names = [stat.name for stat in islice(self._app.objects.list(f"{folder}/"), _MOST_OBJECTS)]
        found = through.predictions(resource, names)
        if found or self._succeeded:
            return found
        return [name for name in names if _is_partial(name, folder)]

    def _rows(self, names: list[str]) -> Iterator[bytes | None]:
        for name in names:
            with self._app.objects.open(name) as stream:
                for _, raw in lines_of(chunks_of(stream), longest=_LONGEST_ROW):
                    yield raw

    def _add(self, through: Passthrough, raw: bytes | None) -> None:
        used = None if raw is None else through.read(raw)
        if used is None:
            self._strange += 1
            return
        self.read += used.good
        self._failed += not used.good
        if used.tokens is not None:
            self.meter.add(used.tokens, used.day or self._app.today(), extra=used.extra)
        elif used.good:
            self.meter.miss()


def _is_partial(name: str, folder: str) -> bool:
    """Whether this is a partial export that lies directly in the folder: deeper ones are of other jobs."""
    parent, _, own = name.rpartition("/")
    return parent == folder and _PARTIAL in own and ".jsonl" in own


def _price_model(app: App, job: VertexJob, provider: Provider | None) -> str:
    if provider is not None:
        return provider.price_model
    deployment = app.config.deployment(job.deployment)
    return "" if deployment is None else deployment.price_name or deployment.model
