"""Inputs of a job that are somebody else's predictions: they lie in a bucket that both may name, and are refused."""

from collections.abc import Iterator
from typing import Final

from shared.app import App
from shared.domain.access import Caller, visible
from shared.domain.errors import Forbidden
from shared.domain.passthrough import VertexJob, directory, resource_of
from shared.domain.prefixes import Place
from shared.log import log
from shared.storage.queries import JOBS_BY_OUTPUT

__all__ = ["refuse_foreign"]

_PAGE: Final = 100


def refuse_foreign(app: App, caller: Caller, inputs: tuple[Place, ...]) -> None:
    """Forbidden where an input lies where a job of somebody else writes its predictions."""
    for at, place in enumerate(inputs):
        for folder, within in _outputs_around(place):
            jobs = [job for job in _jobs_with_output(app, folder) if job.name is not None or not job.ended]
            own = {directory(job, resource_of(job))[0] for job in jobs if visible(caller, job) is not None}
            if any(visible(caller, job) is None for job in jobs) and within not in own:
                log("refused", severity="WARNING", audit=True, **caller.log_context(), input_of_others=folder)
                raise Forbidden(f"inputConfig.gcsSource.uris[{at}]: jobs of this key may not read {place.name}.")


def _outputs_around(place: Place) -> Iterator[tuple[str, str | None]]:
    """Prefixes of jobs whose predictions an input could be, each with the directory of them that it lies in."""
    segments = place.segments
    for at in range(1, len(segments)):
        if segments[at].startswith("prediction"):
            yield "gs://" + "/".join(segments[:at]), "gs://" + "/".join(segments[: at + 1])
    if place.wild:
        yield "gs://" + "/".join(segments[:-1]), None


def _jobs_with_output(app: App, output: str) -> Iterator[VertexJob]:
    last = None
    while True:
        page: list[VertexJob] = app.documents.query(JOBS_BY_OUTPUT, output, after=last, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]
