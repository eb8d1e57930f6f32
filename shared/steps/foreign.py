"""Inputs of a job that are somebody else's predictions: they lie in a bucket that both may name, and are refused.

A job's record holds the directory of its predictions as soon as Google has told it, and until then the prefix under
which it will be: so what lies in a directory that nobody has told yet is nobody's but theirs who may be writing it. A
wildcard stands in the last segment alone, and leads into no directory that is not written out.
"""

from typing import Final

from shared.app import App
from shared.domain.access import Caller, scopes, visible
from shared.domain.errors import BadRequest, Forbidden
from shared.domain.prefixes import Place
from shared.log import log
from shared.storage.queries import JOBS_BY_DIRECTORY

__all__ = ["refuse_foreign"]

_MOST: Final = 100  # directories that the inputs of one job may lie in: as many as it may have inputs
_READ: Final = 20  # records for one of them


def refuse_foreign(app: App, caller: Caller, inputs: tuple[Place, ...]) -> None:
    """Forbidden where an input lies where a job of somebody else writes its predictions."""
    folders: dict[str, tuple[int, str]] = {}
    for at, place in enumerate(inputs):
        for folder in _folders(place):
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


def _folders(place: Place) -> list[str]:
    """The directories of predictions that an input could lie in."""
    segments = place.segments
    return [
        "gs://" + "/".join(segments[: at + 1])
        for at in range(1, len(segments) - 1)
        if segments[at].startswith("prediction")
    ]


def _foreign(app: App, caller: Caller, folder: str) -> bool:
    """Whether predictions of others lie here, or may. What is one's own is one's own whoever claims its prefix, too."""
    for directory in (folder, folder.rpartition("/")[0]):
        jobs = app.documents.query(JOBS_BY_DIRECTORY, directory, limit=_READ)
        own = [job for job in jobs if visible(caller, job) is not None]
        if directory == folder and any(job.directory != job.output for job in own):  # told by Google, not claimed
            return False
        unread = len(jobs) == _READ and bool(scopes(caller))  # there may be others, whose nobody has looked
        if len(own) < len(jobs) or unread:
            return True
    return False
