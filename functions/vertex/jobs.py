"""`/v1/projects/{project}/locations/{location}/batchPredictionJobs`: Vertex's batch prediction in Vertex's own words.

The same is at LiteLLM's `/vertex_ai/…` and `/vertex-ai/…`; there project and location may be left out, and are then
the first that the configuration has. What a job has cost stands in `x-offpeak-cost-usd` once it is counted, and what is
held back for it until then in `x-offpeak-estimated-cost-usd`. A create that is sent again makes another job: Google's
clients say nothing by which it could be known again.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from flask import Response

from functions.answers import grouped, json_answer
from functions.body import json_object
from functions.checks import tags
from functions.http import Call, Route, route
from functions.vertex.body import read_body
from functions.vertex.listing import listed
from functions.vertex.site import deployment_of, site_of
from shared.config import Deployment
from shared.domain.cost import Cost
from shared.domain.errors import Forbidden, NotFound, OverBudget, RateLimited
from shared.domain.ids import canonical, decoded
from shared.domain.passthrough import VertexJob, is_at, live, resource_of, shown
from shared.domain.prefixes import Place, allows, place_of, prefixes_of
from shared.steps import new_job, passed
from shared.storage.queries import JOBS_BY_NUMBER

__all__ = ["ROUTES", "cancel", "cost", "create", "delete", "listing", "retrieve"]

_NUMBER: Final = re.compile(r"[0-9A-Za-z_-]{1,63}")
_NAME: Final = re.compile(r"projects/([^/]+)/locations/([^/]+)/batchPredictionJobs/([0-9A-Za-z_-]{1,63})")
_SAME_NUMBER: Final = 10  # jobs of other places that may have it
_LONGEST_ECHO: Final = 200


def create(call: Call) -> Response:
    """A new job, on this server's own credentials."""
    site = site_of(call, "create")
    asked = read_body(json_object(call.request))
    deployment = deployment_of(call, site, asked.model)
    new = new_job.NewJob(
        body=asked.body(),
        model=asked.model,
        group=deployment.group,
        deployment=deployment.id,
        project=site.project,
        location=site.location,
        inputs=tuple(
            _place(call, deployment, uri, f"inputConfig.gcsSource.uris[{at}]") for at, uri in enumerate(asked.uris)
        ),
        output=_place(call, deployment, asked.output, "outputConfig.gcsDestination.outputUriPrefix", folder=True),
        tags=tags(None, call.request.headers.get("x-litellm-tags", "")),
    )
    try:
        job = new_job.create(call.app, call.caller, new)
    except OverBudget as error:  # Google has no 422
        raise RateLimited(str(error), code="RESOURCE_EXHAUSTED", type=error.kind) from error
    return _rendered(job, shown(resource_of(job)))


def retrieve(call: Call) -> Response:
    job = _job(call, "get")
    try:
        job = passed.look(call.app, job)
    except NotFound as error:
        raise _unknown(call) from error
    return _rendered(job, shown(resource_of(job)))


def listing(call: Call) -> dict[str, Any]:
    """A page of the caller's jobs, as they were last seen: at most a minute ago."""
    return listed(call, site_of(call, "list"))


def cancel(call: Call) -> Response:
    """Google's answer, an empty object; or its refusal, where the job is over."""
    job = _job(call, "cancel")
    try:
        return _rendered(job, passed.cancel(call.app, job))
    except NotFound as error:
        raise _unknown(call) from error


def delete(call: Call) -> Response:
    """An operation that is done."""
    job = _job(call, "delete")
    try:
        return json_answer(passed.delete(call.app, job))
    except NotFound as error:
        raise _unknown(call) from error


def cost(call: Call) -> Response:
    """`GET /v1/jobs/{id}/cost`: the cost object of a job. Its id is ours, Google's number, or its whole name."""
    text = decoded(call.names["id"])
    job = _named(call, text)
    if job is None:
        raise NotFound(f"No job found with id '{text[:_LONGEST_ECHO]}'.")
    body = {
        "currency": "USD",
        "total": job.cost.total,
        "priced_lines": job.cost.priced_lines,
        "unpriced_lines": job.cost.unpriced_lines,
    }
    return _rendered(job, body)


def _named(call: Call, text: str) -> VertexJob | None:
    if name := _NAME.fullmatch(text):
        project, location, number = name.groups()
        return _numbered(call, number, lambda job: is_at(job, project, location))
    found = canonical(text)
    if found is None:
        return None
    if found.startswith("job_"):
        return live(call.find(VertexJob, found))
    return _numbered(call, found, lambda _: True)


def _numbered(call: Call, number: str, fits: Callable[[VertexJob], bool]) -> VertexJob | None:
    """The caller's job of this number."""
    found = call.app.documents.query(JOBS_BY_NUMBER, number, limit=_SAME_NUMBER)
    return next((job for job in found if fits(job) and live(call.own(job)) is not None), None)


def _job(call: Call, verb: str) -> VertexJob:
    """The caller's job that the path names; NotFound where there is none, and where it is somebody else's."""
    fits = _fits(call, verb)
    number = canonical(call.names["id"])
    job = None if number is None or not _NUMBER.fullmatch(number) else _numbered(call, number, fits)
    if job is None:
        site_of(call, verb)  # a place that is none is denied, whatever may be there
        raise _unknown(call)
    return job


def _fits(call: Call, verb: str) -> Callable[[VertexJob], bool]:
    """Whether a job is where the path says. That stands in its own record, whatever the configuration has by now."""
    if "project" not in call.names:
        return site_of(call, verb).holds
    project, location = decoded(call.names["project"]), decoded(call.names["location"])
    return lambda job: is_at(job, project, location)


def _unknown(call: Call) -> NotFound:
    names = {name: decoded(text)[:_LONGEST_ECHO] for name, text in call.names.items()}
    parent = f"projects/{names['project']}/locations/{names['location']}/" if "project" in names else ""
    return NotFound(f'The BatchPredictionJob "{parent}batchPredictionJobs/{names["id"]}" does not exist.')


def _place(call: Call, deployment: Deployment, uri: str, field: str, *, folder: bool = False) -> Place:
    """What an address means; Forbidden where this caller's jobs may not name it, whether it is there or not."""
    listed = (*call.app.config.passthrough_buckets, *([deployment.bucket] if deployment.bucket else []))
    place, app = place_of(uri, folder=folder), call.app
    prefixes = prefixes_of(listed, call.caller)
    if place is None or not allows(place, prefixes, folder=folder, data=app.data_bucket, work=app.work_bucket):
        what, wild = (
            ("write to", "no wildcards") if folder else ("read", "no wildcards but * and ?, in its last segment")
        )
        raise Forbidden(
            f"{field}: jobs of this key may not {what} '{uri[:_LONGEST_ECHO]}'. The operator of this server says which "
            f"buckets and prefixes they may name. A name has {wild}."
        )
    return place


def _rendered(job: VertexJob, body: dict[str, Any]) -> Response:
    """An answer about a job, with what it costs."""
    answer = grouped(json_answer(body), job.group)
    answer.headers["x-offpeak-job-id"] = job.id
    if job.ended:
        if job.cost.total is not None:
            answer.headers["x-offpeak-cost-usd"] = job.cost.total
    elif job.reserved:
        answer.headers["x-offpeak-estimated-cost-usd"] = str(Cost(nano=job.reserved, priced_lines=1).total)
    return answer


def _routes() -> tuple[Route, ...]:
    found: list[Route] = []
    for jobs in ("/projects/{project}/locations/{location}/batchPredictionJobs", "/batchPredictionJobs"):
        found += [
            route("POST", jobs, create, google=True),
            route("GET", jobs, listing, google=True),
            route("POST", f"{jobs}/{{id}}:cancel", cancel, google=True),
            route("GET", f"{jobs}/{{id}}", retrieve, google=True),
            route("DELETE", f"{jobs}/{{id}}", delete, google=True),
        ]
    return (*found, route("GET", "/jobs/{id}/cost", cost))


ROUTES: Final = _routes()
