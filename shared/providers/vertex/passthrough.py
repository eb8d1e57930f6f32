"""batchPredictionJobs in Google's own words, for callers who speak them: base.Passthrough for one deployment.

What goes out was built from what we understood, under our label; the credentials are ours. What comes back is Google's
JSON. Its refusals are its own words, without names of ours: what stays is a place or a name of the caller's own job.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from shared.config import Deployment
from shared.domain.errors import Transient
from shared.log import log
from shared.providers.base import Busy, JobMissing, Refused, Said, Unknown, Used
from shared.providers.exchange import Lost
from shared.providers.vertex.client import LABEL, VertexClient
from shared.providers.vertex.resource import created_at, is_job_name, nameless, read_job
from shared.providers.vertex.wire import Reply, Wire

__all__ = ["VertexPassthrough"]

_CALL: Final = 18.0  # seconds for one operation: a step's lease is 30 s
_PAGE: Final = 100
_MOST_PAGES: Final = 10
_LONGEST_MESSAGE: Final = 2_000  # characters
_LONGEST_READ: Final = 4 * _LONGEST_MESSAGE
_PASSED: Final = frozenset({400, 403, 404, 409, 412, 416, 429, 499, 501})  # that tell of the request, not of us
_PROBLEMS: Final = frozenset({"error", "partialFailures"})
_NAMES: Final = {  # google/rpc/code.proto, for what says a code alone
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
}


class VertexPassthrough:
    """Thread-safe."""

    def __init__(
        self,
        deployment: Deployment,
        client: VertexClient,
        *,
        path: str,
        silent: bool,
        read: Callable[[bytes], Used | None],
        predictions: Callable[[Any, Iterable[str]], list[str]],
        wire: Wire | None = None,
    ) -> None:
        self.path, self.silent = path, silent
        self._deployment, self._client = deployment, client
        self._read, self._predictions = read, predictions
        self._parent = f"projects/{deployment.project}/locations/{deployment.location}"
        self._wire = wire or Wire(deployment)

    def create(self, label: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a job; `body` is all of it but the model and our label."""
        asked = {**body, "model": self._model(), "labels": {**body.get("labels", {}), LABEL: label}}
        try:
            reply = self._wire.send("POST", f"{self._parent}/batchPredictionJobs", _deadline(), json=asked)
        except Lost as error:
            raise Unknown("vertex: the answer to a create was lost") from error
        except Refused as refusal:
            raise Transient(refusal.error.message) from refusal
        if reply.status >= 500 or reply.status == 408:
            raise Unknown(f"vertex: a create was answered {reply.status}")
        self._judge(reply, body)  # without the model: which one runs for a group is ours
        if not _is_job(reply.body):
            raise Unknown("vertex: the answer to a create was no job")
        return _cleaned(reply.body)

    def find(self, label: str) -> dict[str, Any] | None:
        """The job of this label; of several, the oldest."""
        try:
            found = min(self._labelled(label), key=lambda job: (created_at(job), job["name"]), default=None)
        except JobMissing as missing:
            raise Transient("vertex: there is no such list") from missing
        return None if found is None else _cleaned(found)

    def get(self, name: str) -> dict[str, Any]:
        reply = self._ask("GET", _checked(name))
        if not _is_job(reply.body) or reply.body["name"] != name:
            raise Transient("vertex: the answer to a get was no job")
        return _cleaned(reply.body)

    def cancel(self, name: str) -> dict[str, Any]:
        """Google's answer, which is empty."""
        return _object(self._ask("POST", f"{_checked(name)}:cancel", json={}))

    def delete(self, name: str) -> dict[str, Any]:
        """Google's answer, an operation."""
        return _object(self._ask("DELETE", _checked(name)))

    def predictions(self, job: Mapping[str, Any], names: Iterable[str]) -> list[str]:
        found = read_job(job)
        return [] if found is None or found.output is None else self._predictions(found, names)

    def read(self, raw: bytes) -> Used | None:
        return self._read(raw)

    def _model(self) -> str:
        try:
            return self._client.model()
        except Refused as refusal:
            raise Transient(refusal.error.message) from refusal

    def _labelled(self, label: str) -> Iterator[dict[str, Any]]:
        deadline, token = _deadline(), ""
        for _ in range(_MOST_PAGES):
            query = {"filter": f"labels.{LABEL}={label}", "pageSize": str(_PAGE)} | (
                {"pageToken": token} if token else {}
            )
            reply = self._ask("GET", f"{self._parent}/batchPredictionJobs", deadline, params=query)
            page = _object(reply)
            for job in page.get("batchPredictionJobs") or []:
                if _is_job(job) and isinstance(job.get("labels"), dict) and job["labels"].get(LABEL) == label:
                    yield job
            token = page.get("nextPageToken") or ""
            if not isinstance(token, str) or not token:
                return
        raise Transient("vertex: the pages of a list do not end")

    def _ask(self, method: str, path: str, deadline: float | None = None, **rest: Any) -> Reply:
        try:
            reply = self._wire.send(method, path, deadline or _deadline(), **rest)
        except Lost as error:
            raise Transient(f"vertex: {error}") from error
        except Refused as refusal:
            raise Transient(refusal.error.message) from refusal
        if reply.status == 404 and reply.google is not None:
            raise JobMissing(path)
        self._judge(reply, {"name": path.removesuffix(":cancel")})
        return reply

    def _judge(self, reply: Reply, asked: Mapping[str, Any]) -> None:
        """Raise what an answer means, unless it is a good one."""
        if 200 <= reply.status < 300:
            return
        problem = reply.google
        if reply.status not in _PASSED or problem is None:  # it is us whom they do not know, or nobody has spoken
            if reply.status == 401:
                self._wire.credentials.forget()
                log("provider_refused", severity="ERROR", deployment=self._deployment.id, status=reply.status)
            raise Busy(f"vertex: answered {reply.status}", retry_after=reply.retry_after)
        status, message = problem.get("status"), problem.get("message")
        raise Said(
            reply.status,
            status if isinstance(status, str) and status.isascii() else _NAMES.get(reply.status, "UNKNOWN"),
            _theirs(message if isinstance(message, str) else "", asked),
            retry_after=reply.retry_after,
        )


def _cleaned(job: Mapping[str, Any]) -> dict[str, Any]:
    """A job whose error names nothing of ours: neither service accounts nor buckets that are not its own."""
    own = {name: value for name, value in job.items() if name not in _PROBLEMS}
    found = dict(job)
    if isinstance(job.get("error"), dict):
        found["error"] = _plain(job["error"], own)
    if isinstance(job.get("partialFailures"), list):
        found["partialFailures"] = [_plain(each, own) for each in job["partialFailures"] if isinstance(each, dict)]
    return found


def _plain(problem: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A google.rpc.Status, without details."""
    message = problem.get("message")
    return {"code": problem.get("code"), "message": _theirs(message if isinstance(message, str) else "", own)}


def _theirs(message: str, asked: Mapping[str, Any]) -> str:
    """Google's message without what names our side of it; a place or a name that is the caller's own may stay."""
    if len(message) > _LONGEST_READ:  # cut between words: of half a name nobody would know that it is one
        message = message[:_LONGEST_READ].rpartition(" ")[0]
    return nameless(message, frozenset(_own(asked)))[:_LONGEST_MESSAGE]


def _own(asked: Mapping[str, Any]) -> Iterator[str]:
    """What a job itself says of where it is and where it reads and writes. Its other words are free, and prove nothing:
    somebody may display it as whatever a message is to be searched for.
    """
    uris = _inside(asked, "inputConfig", "gcsSource", "uris")
    folder = _inside(asked, "outputConfig", "gcsDestination", "outputUriPrefix")
    said = [asked.get("name"), asked.get("model"), folder, _inside(asked, "outputInfo", "gcsOutputDirectory")]
    for text in [*said, *(uris if isinstance(uris, list) else [])]:
        if isinstance(text, str):
            yield from (text, text.rstrip("/"))


def _inside(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _deadline() -> float:
    return time.monotonic() + _CALL


def _is_job(value: Any) -> bool:
    return isinstance(value, dict) and is_job_name(value.get("name"))


def _object(reply: Reply) -> dict[str, Any]:
    if not isinstance(reply.body, dict):
        raise Transient("vertex: the answer was no object")
    return reply.body


def _checked(name: str) -> str:
    if not is_job_name(name):
        raise JobMissing(name)
    return name
