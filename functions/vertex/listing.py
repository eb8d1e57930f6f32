"""A list of jobs as Vertex pages it: the caller's own, newest first.

A token is the id of the job behind which the next page begins, and is good for whoever may see that job. There is none
where no more is to come: google-genai falls over a page that is empty.
"""

import base64
import binascii
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from functions.http import Call
from functions.vertex.body import invalid
from functions.vertex.filter import parsed_filter
from functions.vertex.site import Site
from shared.domain.access import scopes, visible
from shared.domain.passthrough import VertexJob, live, resource_of, shown
from shared.storage.ports import Query
from shared.storage.queries import JOBS, JOBS_OF_OWNER, JOBS_OF_TEAM

__all__ = ["listed"]

_MOST, _DEFAULT = 100, 50
_LOOKED_AT: Final = 2_000  # records for one page, of which a filter may refuse all: then it is short, or even empty
_GULP: Final = 100
_OF: Final = {"owner": JOBS_OF_OWNER, "team": JOBS_OF_TEAM}


def listed(call: Call, site: Site) -> dict[str, Any]:
    """The page that `pageSize`, `pageToken` and `filter` ask for."""
    size, after = _size(_asked(call, "pageSize", "page_size")), _after(call)
    wanted = parsed_filter(_asked(call, "filter", "filter"))
    page: list[dict[str, Any]] = []
    last, more = None, False
    for count, job in enumerate(islice(_jobs(call, after), _LOOKED_AT + 1)):
        resource = _fitting(site, job, wanted)
        more = count == _LOOKED_AT or (resource is not None and len(page) == size)
        if more:
            break
        if resource is not None:
            page.append(resource)
        last = job
    found: dict[str, Any] = {"batchPredictionJobs": page} if page else {}
    if more and last is not None:
        found["nextPageToken"] = base64.urlsafe_b64encode(last.id.encode()).decode()
    return found


def _fitting(site: Site, job: VertexJob, wanted: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any] | None:
    """The job as a list of this site shows it; None where it does not."""
    if job.name is None or live(job) is None or not site.holds(job):
        return None
    resource = shown(resource_of(job))
    return resource if wanted(resource) else None


def _jobs(call: Call, after: VertexJob | None) -> Iterator[VertexJob]:
    """Everything that the caller may see, once."""
    sources: list[tuple[Query, Sequence[str]]] = [(_OF[field], (value,)) for field, value in scopes(call.caller)]
    streams = [_records(call, query, values, after) for query, values in sources or [(JOBS, ())]]
    seen = None
    for job in heapq.merge(*streams, key=lambda each: (each.created_at, each.id), reverse=True):
        if job.id != seen and visible(call.caller, job):  # one's own may be the team's, too
            yield job
        seen = job.id


def _records(call: Call, query: Query, values: Sequence[str], after: VertexJob | None) -> Iterator[VertexJob]:
    while True:
        records: list[VertexJob] = call.app.documents.query(query, *values, after=after, limit=_GULP)
        yield from records
        if len(records) < _GULP:
            return
        after = records[-1]


def _asked(call: Call, *names: str) -> str:
    return next((call.request.args[name] for name in names if name in call.request.args), "")


def _size(text: str) -> int:
    if not text:
        return _DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid("Invalid page_size: it must be a whole number, not below 0.")
    return min(int(text), _MOST) or _DEFAULT


def _after(call: Call) -> VertexJob | None:
    token = _asked(call, "pageToken", "page_token")
    if not token:
        return None
    try:
        id = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        id = ""
    job = call.find(VertexJob, id)
    if job is None:
        raise invalid("Invalid page_token: it is none that this list has given out.")
    return job
