"""Vertex AI's batchPredictionJobs over REST, for one deployment.

What a failure means depends on what was asked. Looking is harmless, so whatever may pass is Transient. A create whose
answer was lost may have made a job that costs money: that is Unknown, and the caller looks before it asks again. One
that was turned away for want of quota, or that nobody took, made none: that is Busy.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.config import Deployment
from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.domain.shard import Job
from shared.log import log
from shared.providers.base import Busy, JobMissing, JobRequest, Refused, Unknown
from shared.providers.cut import Cut
from shared.providers.vertex.credentials import GoogleCredentials
from shared.providers.vertex.profile import Model, bare, model_of
from shared.providers.vertex.resource import created_at, deployed_model, is_job_name, plain, read_job

__all__ = ["LABEL", "VertexClient", "base_url"]

LABEL: Final = "offpeak_job"  # beside displayName, since `labels.` is the documented filter

_CALL: Final = 18.0  # seconds for one operation, all its pages and the token included: a step's lease is 30 s
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
_LARGEST_ANSWER: Final = 4 * 2**20
_PAGE: Final = 100
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def base_url(deployment: Deployment) -> str:
    """Where the API of a deployment is, version included: `https://us-central1-aiplatform.googleapis.com/v1`.

    `global` has no prefix, a location without a hyphen is a multi-region, every other is a region.
    """
    if deployment.api_base is not None:
        base = deployment.api_base.rstrip("/")
        return base if re.search(r"/v1(beta1)?$", base) else f"{base}/v1"
    location = deployment.location
    if location == "global":
        host = "aiplatform.googleapis.com"
    elif "-" not in location:
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-aiplatform.googleapis.com"
    return f"https://{host}/v1"


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: Any  # decoded JSON, or None where it was none
    retry_after: float | None = None  # seconds

    @property
    def google(self) -> Mapping[str, Any] | None:
        """Google's error object, also as the list of one that some of its front ends send."""
        body = self.body[0] if isinstance(self.body, list) and self.body else self.body
        problem = body.get("error") if isinstance(body, dict) else None
        return problem if isinstance(problem, dict) else None


class _Lost(Exception):
    """The request went out, and no usable answer came back."""


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
        self._base = base_url(deployment)
        self._parent = f"projects/{deployment.project}/locations/{deployment.location}"
        self._http = http
        self._lock = threading.Lock()
        self._credentials = credentials or GoogleCredentials(deployment.credentials)
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
            reply = self._send("POST", f"{self._parent}/batchPredictionJobs", deadline, json=body)
        except _Lost as error:
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

    def _ask(self, method: str, path: str, deadline: float, **rest: Any) -> _Reply:
        try:
            return self._send(method, path, deadline, **rest)
        except _Lost as error:
            raise Transient(f"vertex: {error}") from error

    def _send(self, method: str, path: str, deadline: float, **rest: Any) -> _Reply:
        headers = {"accept-encoding": "identity"}  # so that the bound on an answer is one on what we decode
        if self._base.startswith("https://"):  # a token never travels in the clear
            headers |= self._credentials.headers()
        if time.monotonic() >= deadline:
            raise Transient("vertex: no time left for this call")
        cut = Cut()
        request = self._client().build_request(
            method, f"{self._base}/{path}", headers=headers, extensions={"trace": cut.trace}, **rest
        )
        request.extensions["timeout"] = _TIMEOUT.as_dict()
        try:
            with cut.at(deadline):
                response = self._client().send(request, stream=True, follow_redirects=False)
                try:
                    body = _bounded(response, deadline)
                finally:
                    response.close()
        except _NEVER_SENT as error:
            raise Busy(f"vertex: no connection: {type(error).__name__}") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            raise _Lost(f"no answer: {type(error).__name__}") from error
        return _Reply(response.status_code, _decoded(body), _seconds(response.headers.get("retry-after")))

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._http is None:
                # No connection is kept: one that slept in a frozen instance loses the next create's answer.
                self._http = httpx.Client(
                    limits=httpx.Limits(max_keepalive_connections=0), trust_env=not _on_this_machine(self._base)
                )
            return self._http

    def _judge(self, reply: _Reply) -> None:
        """Raise what an answer means, unless it is a good one."""
        status = reply.status
        if 200 <= status < 300:
            return
        if status == 429:  # also what more jobs at once than a family may have are answered, as Claude's four
            raise Busy("vertex: no quota", retry_after=reply.retry_after)
        if status in {408, 409, 499} or status >= 500 or status < 200:
            raise Transient(f"vertex: answered {status}")
        if status == 401:
            self._credentials.forget()
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


def _seconds(said: str | None) -> float | None:
    """`Retry-After`: a number of seconds, or a date."""
    if said is None:
        return None
    if said.isascii() and said.isdigit():
        return float(said[:6])
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


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


def _bounded(response: httpx.Response, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _Lost("the answer is packed, which we did not ask for")
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise _Lost("the answer is too large")
        if time.monotonic() > deadline:
            raise _Lost("the answer came too slowly")
    return bytes(body)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _on_this_machine(base: str) -> bool:
    return urlsplit(base).hostname in {"127.0.0.1", "localhost", "::1"}
