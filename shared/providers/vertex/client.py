"""Vertex AI's batchPredictionJobs over REST, for one deployment.

What a failure means depends on what was asked. Looking is harmless, so whatever may pass is Transient. A create whose
answer was lost may have made a job that costs money: that is Unknown, and the caller looks before it asks again. One
that was turned away for want of quota, or that nobody took, made none: that is Busy.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from shared.config import Deployment
from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.domain.passthrough import LABEL
from shared.domain.shard import Job
from shared.log import log
from shared.providers.base import Busy, JobMissing, JobRequest, Refused, Unknown
from shared.providers.exchange import Lost
from shared.providers.vertex.credentials import GoogleCredentials
from shared.providers.vertex.profile import Model, bare, model_of
from shared.providers.vertex.resource import created_at, deployed_model, is_job_name, plain, read_job
from shared.providers.vertex.wire import Reply, Wire, base_url

__all__ = ["LABEL", "VertexClient", "base_url"]

_CALL: Final = 18.0  # seconds for one operation, all its pages and the token included: a step's lease is 30 s
_PAGE: Final = 100


class VertexClient:
    """base.Client for one Vertex deployment. Thread-safe."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        http: httpx.Client | None = None,
        credentials: GoogleCredentials | None = None,
    ) -> None:
        self._deployment = deployment
        self._parent = f"projects/{deployment.project}/locations/{deployment.location}"
        self._wire = Wire(deployment, http=http, credentials=credentials)
        self._model: str | None = None  # as a job calls it, once that is known

    def create_job(self, request: JobRequest) -> Job:
        """Ask for a job. Unknown where it may exist although we were not told so."""
        deadline = _deadline()
        body = {
            "displayName": request.label,
            "model": self._resolved(deadline),
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [request.source]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": request.output}},
            "labels": {LABEL: request.label},
        }
        try:
            reply = self._wire.send("POST", f"{self._parent}/batchPredictionJobs", deadline, json=body)
        except Lost as error:
            raise Unknown("vertex: the answer to a create was lost") from error
        if reply.status >= 500 or reply.status == 408:
            raise Unknown(f"vertex: a create was answered {reply.status}")
        self._judge(reply)
        job = read_job(reply.body, self._deployment.project) if isinstance(reply.body, dict) else None
        if job is None:
            raise Unknown("vertex: the answer to a create was no job")
        return job

    def find_job(self, label: str, *, since: int = 0) -> Job | None:  # noqa: ARG002  # Vertex finds labels by itself
        """The job of this label. Of several, which a lost answer can cause, the oldest; the others are cancelled."""
        found = sorted(self._labelled(label), key=lambda resource: (created_at(resource), resource["name"]))
        if len(found) > 1:
            log("jobs_doubled", severity="WARNING", label=label, found=len(found))
            for doubled in found[1:]:
                self._cancel_quietly(doubled["name"])
        return read_job(found[0], self._deployment.project) if found else None

    def get_job(self, name: str) -> Job:
        """The job as it is now."""
        reply = self._ask("GET", _checked(name), _deadline())
        if reply.status == 404 and reply.google is not None:
            raise JobMissing(name)
        if reply.status == 404:  # a page of some proxy: Vertex itself has not spoken
            raise Transient("vertex: 404 without a word of Vertex")
        self._judge(reply)
        job = read_job(reply.body, self._deployment.project) if isinstance(reply.body, dict) else None
        if job is None:
            raise Transient("vertex: the answer to a get was no job")
        return job

    def cancel_job(self, name: str) -> None:
        """Ask for an early end. A job that is over already is no error."""
        reply = self._ask("POST", f"{_checked(name)}:cancel", _deadline(), json={})
        problem = reply.google or {}
        if reply.status == 400 and problem.get("status") == "FAILED_PRECONDITION":
            return
        if reply.status == 404 and reply.google is not None:
            raise JobMissing(name)
        self._judge(reply)

    def model(self) -> str:
        """What a job calls the model; a tuned one's endpoint is asked for it, once. Refused, Transient."""
        return self._resolved(_deadline())

    def _resolved(self, deadline: float) -> str:
        """What a job calls the model. A tuned one that was named by its endpoint is asked for there, once."""
        if self._model is None:
            model = model_of(self._deployment.model)
            endpoint = model.endpoint(self._parent) if model is not None else None
            self._model = self._behind(endpoint, deadline) if endpoint is not None else _path(model, self._deployment)
        return self._model

    def _behind(self, endpoint: str, deadline: float) -> str:
        reply = self._ask("GET", endpoint, deadline)
        if reply.status == 404 and reply.google is not None:
            raise Refused(_problem("the tuned model's endpoint does not exist"))
        self._judge(reply)
        model = deployed_model(reply.body) if isinstance(reply.body, dict) else None
        if model is None:  # somebody may still deploy it
            raise Refused(_problem("no model is deployed at the tuned model's endpoint"), settled=False)
        return model

    def _cancel_quietly(self, name: str) -> None:
        try:
            self.cancel_job(name)
        except (Refused, JobMissing, Transient) as error:
            log("doubled_job_not_cancelled", severity="WARNING", why=type(error).__name__)

    def _labelled(self, label: str) -> Iterator[dict[str, Any]]:
        deadline, token, seen = _deadline(), "", set[str]()
        while True:
            query = {"filter": f"labels.{LABEL}={label}", "pageSize": str(_PAGE)}
            if token:
                query["pageToken"] = token
            reply = self._ask("GET", f"{self._parent}/batchPredictionJobs", deadline, params=query)
            self._judge(reply)
            if not isinstance(reply.body, dict):
                raise Transient("vertex: the answer to a list was no list")
            yield from _matching(reply.body.get("batchPredictionJobs"), label)
            seen.add(token)
            token = reply.body.get("nextPageToken") or ""
            if not token:
                return
            if not isinstance(token, str) or token in seen:
                raise Transient("vertex: the pages of a list do not end")

    def _ask(self, method: str, path: str, deadline: float, **rest: Any) -> Reply:
        try:
            return self._wire.send(method, path, deadline, **rest)
        except Lost as error:
            raise Transient(f"vertex: {error}") from error

    def _judge(self, reply: Reply) -> None:
        """Raise what an answer means, unless it is a good one."""
        status = reply.status
        if 200 <= status < 300:
            return
        if status == 429:  # also what more jobs at once than a family may have are answered, as Claude's four
            raise Busy("vertex: no quota", retry_after=reply.retry_after)
        if status in {408, 409, 499} or status >= 500 or status < 200:
            raise Transient(f"vertex: answered {status}")
        if status == 401:
            self._wire.credentials.forget()
        said = plain((reply.google or {}).get("message"), self._deployment.project)
        log("provider_refused", severity="WARNING", deployment=self._deployment.id, status=status, said=said)
        raise Refused(
            BatchError(code="provider_error", message=f"The provider refused this ({status}): {said}"),
            # A grant takes minutes to be known everywhere; and what is not Google's JSON was not said by Vertex.
            settled=status not in {401, 403} and reply.google is not None,
        )


def _deadline() -> float:
    return time.monotonic() + _CALL


def _path(model: Model | None, deployment: Deployment) -> str:
    """A publisher's model by its bare name; what has slashes all the same is a resource already."""
    if model is not None:
        return model.path
    name = bare(deployment.model)
    return name if "/" in name else f"publishers/google/models/{name}"


def _problem(why: str) -> BatchError:
    return BatchError(code="provider_error", message=f"The provider cannot run this: {why}.")


def _checked(name: str) -> str:
    if not is_job_name(name):
        raise JobMissing(name)
    return name


def _matching(listed: object, label: str) -> Iterator[dict[str, Any]]:
    """Of one page, the jobs that are ours for certain, whatever the filter let through."""
    for resource in listed if isinstance(listed, list) else []:
        if not isinstance(resource, dict) or not is_job_name(resource.get("name")):
            continue
        labels = resource.get("labels")
        if isinstance(labels, dict) and labels.get(LABEL) == label and resource.get("displayName") == label:
            yield resource
