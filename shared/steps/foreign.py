"""Somebody else's predictions, in a bucket that both may name: a job may not read them, nor write among them.

A job's record holds the directory of its predictions as soon as Google has told it, and until then the prefix under
which it will be: so what lies in a directory that nobody has told yet is nobody's but theirs who may be writing it. A
wildcard stands in the last segment alone, and leads into no directory that is not written out. So nobody can claim a
directory by writing to it before it is told: what looks like one, under a prefix that others write to, is refused too.
"""

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from shared.app import App
from shared.domain.access import Caller, scopes, visible
from shared.domain.errors import BadRequest, Forbidden
from shared.domain.passthrough import VertexJob
from shared.domain.prefixes import Place
from shared.log import log
from shared.storage.queries import JOBS_BY_DIRECTORY

__all__ = ["refuse_among_foreign", "refuse_foreign"]

_MOST: Final = 100  # directories that the inputs of one job may lie in: as many as it may have inputs
_READ: Final = 20  # records for one of them
_DECODED: Final = 2  # times
_MADE: Final = "prediction-"  # as Vertex begins the name of a directory that it makes


def refuse_foreign(app: App, caller: Caller, inputs: tuple[Place, ...]) -> None:
    """Forbidden where an input lies where a job of somebody else writes its predictions."""
    folders: dict[str, tuple[int, str]] = {}
    for at, place in enumerate(inputs):
        for folder in _folders(place.segments[:-1]):
            folders.setdefault(folder, (at, place.name))
    if len(folders) > _MOST:
        raise BadRequest(
            f"inputConfig.gcsSource.uris: these lie in more than {_MOST} folders whose names begin with 'prediction'. "
            "Ask for several jobs, or write the input elsewhere.",
            code="INVALID_ARGUMENT",
        )
    for folder, (at, name) in folders.items():
        if _foreign(app, caller, folder):
            log("refused", severity="WARNING", audit=True, **caller.log_context(), input_of_others=folder)
            raise Forbidden(f"inputConfig.gcsSource.uris[{at}]: jobs of this key may not read {name}.")


def refuse_among_foreign(app: App, caller: Caller, output: Place) -> None:
    """Forbidden where a prefix to write to is, or lies in, a directory of somebody else's predictions."""
    for folder in _folders(output.segments):
        if _taken(app, caller, folder):
            log("refused", severity="WARNING", audit=True, **caller.log_context(), output_among_others=folder)
            raise Forbidden(
                f"outputConfig.gcsDestination.outputUriPrefix: jobs of this key may not write to {output.name}. Name a "
                "prefix that is not in a folder of predictions."
            )


def _folders(segments: tuple[str, ...]) -> list[str]:
    """The directories of predictions that are among these, or above them; also for who would decode the name."""
    found: dict[str, None] = {}
    for read in _readings(segments):
        for at in range(1, len(read)):
            if read[at].startswith("prediction"):
                found["gs://" + "/".join(read[: at + 1])] = None
    return list(found)


def _readings(segments: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The name as it stands, and as it is decoded: as often as `prefixes` looks at it."""
    seen = None
    for _ in range(_DECODED + 1):
        if segments == seen:
            return
        yield segments
        seen, segments = segments, tuple(map(unquote, segments))


def _foreign(app: App, caller: Caller, folder: str) -> bool:
    """Whether predictions of others lie here, or may. What is one's own is one's own whoever claims its prefix, too."""
    here = _jobs(app, folder)
    if any(_is_told(job) and visible(caller, job) is not None for job in here):
        return False
    return _of_others(caller, here) or _of_others(caller, _jobs(app, folder.rpartition("/")[0]))


def _taken(app: App, caller: Caller, folder: str) -> bool:
    """Whether this is a directory of others, or may be told as one. That others write to the same prefix is nothing."""
    if told := [job for job in _jobs(app, folder) if _is_told(job)]:
        return all(visible(caller, job) is None for job in told)
    prefix, _, name = folder.rpartition("/")
    return name.startswith(_MADE) and _of_others(caller, _jobs(app, prefix))


def _jobs(app: App, directory: str) -> list[VertexJob]:
    return app.documents.query(JOBS_BY_DIRECTORY, directory, limit=_READ)


def _is_told(job: VertexJob) -> bool:
    """Whether Google has said that its predictions lie there, and not its caller."""
    return job.directory != job.output


def _of_others(caller: Caller, jobs: list[VertexJob]) -> bool:
    """Whether some are somebody else's, or may be: of so many that nobody has looked further."""
    return any(visible(caller, job) is None for job in jobs) or (len(jobs) == _READ and bool(scopes(caller)))
