"""OpenAI's Files and Batches, for one deployment.

A job is an uploaded file and a batch that names it, with our label in its metadata. What a failure means depends on
what was asked: a create whose answer was lost may have made a job that costs money. That is Unknown, and the caller
looks before it asks again. A file that was uploaded in vain costs nothing, and expires by itself.
"""

import secrets
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx

from shared.config import Deployment
from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.domain.shard import Job
from shared.log import log
from shared.providers.base import Hold, JobMissing, JobRequest, Refused, Unknown
from shared.providers.openai.http import Http, Lost, Reply
from shared.providers.openai.job import CROWDED, created_at, is_id, read_job
from shared.providers.openai.plain import plain
from shared.storage.ports import ObjectExists, Objects

__all__ = ["LABEL", "OpenAIClient"]

LABEL: Final = "offpeak_job"

_CALL: Final = 18.0
_LIFE: Final = 2 * 86_400  # seconds of an input file: a batch reads it within its 24 hours
_CHUNK: Final = 2**18
_PAGE: Final = 100  # OpenAI's most
_MOST_PAGES: Final = 50
_SKEW: Final = 10 * 60_000  # milliseconds that our clock may differ from theirs
_MOST_UPLOADS: Final = 64
_LARGEST_RESULTS: Final = 8 * 2**30  # 50,000 embeddings of 3,072 numbers are about 3 GB


class _Oversized(Exception):
    """More than any job of ours can have written."""


class OpenAIClient:
    """base.Client for one deployment, and the way to what its jobs leave there. Thread-safe."""

    def __init__(self, deployment: Deployment, *, http: httpx.Client | None = None) -> None:
        self._deployment = deployment
        self._http = Http(deployment, http)
        self._uploads: dict[str, str] = {}  # label to file, so that a create that has to wait sends its rows once

    def create_job(self, request: JobRequest) -> Job:
        """Upload the rows and ask for a job. Unknown where it may exist although we were not told so."""
        file = self._uploads.get(request.label) or self._upload(request)
        request.hold.beat(at_once=True)  # what follows must not be done by two
        body = {
            "input_file_id": file,
            "endpoint": request.endpoint,
            "completion_window": "24h",
            "metadata": {LABEL: request.label},
        }
        try:
            reply = self._http.send("POST", "batches", json=body)
        except Lost as error:
            raise Unknown("openai: the answer to a create was lost") from error
        if reply.status >= 500 or reply.status == 408:
            raise Unknown(f"openai: a create was answered {reply.status}")
        self._remember(request.label, file if _later(reply) else None)
        self._judge(reply)
        job = read_job(reply.body) if isinstance(reply.body, dict) else None
        if job is None:
            raise Unknown("openai: the answer to a create was no batch")
        return job

    def find_job(self, label: str, *, since: int = 0) -> Job | None:
        """The job of this label. Of several, which a lost answer can cause, the oldest; the others are cancelled."""
        found = sorted(self._labelled(label, since), key=lambda batch: (created_at(batch), batch["id"]))
        if len(found) > 1:
            log("jobs_doubled", severity="WARNING", label=label, found=len(found))
            for doubled in found[1:]:
                self._cancel_quietly(doubled["id"])
        return read_job(found[0]) if found else None

    def get_job(self, name: str) -> Job:
        """The job as it is now."""
        reply = self._ask("GET", f"batches/{_checked(name)}")
        self._known(reply, name)
        self._judge(reply)
        job = read_job(reply.body) if isinstance(reply.body, dict) else None
        if job is None or job.name != name:
            raise Transient("openai: the answer to a get was no such batch")
        return job

    def cancel_job(self, name: str) -> None:
        """Ask for an early end. A job that is over already is no error: OpenAI says 409 then, and others 400."""
        reply = self._ask("POST", f"batches/{_checked(name)}/cancel")
        self._known(reply, name)
        if reply.status not in {400, 409}:
            self._judge(reply)

    def fetch(self, job: Job, objects: Objects, output: str, hold: Hold) -> None:
        """Copy the files of a job to `<output>results-1.jsonl` and on. One that is gone is logged and left out."""
        for number, file in enumerate(job.files, start=1):
            hold.beat(at_once=True)
            try:
                objects.write(f"{output}results-{number}.jsonl", self._content(file, hold), if_generation=0)
            except ObjectExists:
                continue
            except Lost as error:
                raise Transient(f"openai: results: {error}") from error
            except (JobMissing, _Oversized) as error:
                log(
                    "results_missing",
                    severity="ERROR",
                    deployment=self._deployment.id,
                    job=job.name,
                    reason=type(error).__name__,
                )

    def _content(self, file: str, hold: Hold) -> Iterator[bytes]:
        size = 0
        with self._http.download(f"files/{_checked(file)}/content") as (status, chunks):
            if status in {404, 410} and b'"error"' in next(chunks, b""):  # else some proxy said so
                raise JobMissing(file)
            if status != 200:  # whatever it is, what was paid for is not given up before its batch has no time left
                raise Transient(f"openai: results answered {status}")
            for chunk in chunks:
                size += len(chunk)
                if size > _LARGEST_RESULTS:
                    raise _Oversized
                hold.beat()
                yield chunk

    def _upload(self, request: JobRequest) -> str:
        """A fresh file of the encoded rows; its name at the provider."""
        boundary = f"offpeak-{secrets.token_hex(16)}"
        fields = {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": str(_LIFE)}
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="offpeak-{request.label}.jsonl"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        )
        tail = f"\r\n--{boundary}--\r\n"
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(len(head) + request.size() + len(tail)),
        }

        def body() -> Iterator[bytes]:
            yield head.encode()
            with request.open() as stream:
                while chunk := stream.read(_CHUNK):
                    request.hold.beat()
                    yield chunk
            request.hold.beat(at_once=True)  # the answer may take a while
            yield tail.encode()

        try:
            reply = self._http.send("POST", "files", long=True, headers=headers, content=body())
        except Lost as error:
            raise Transient(f"openai: upload: {error}") from error
        self._judge(reply)
        file = reply.body.get("id") if isinstance(reply.body, dict) else None
        if not isinstance(file, str) or not is_id(file):
            raise Transient("openai: the answer to an upload was no file")
        self._remember(request.label, file)
        return file

    def _remember(self, label: str, file: str | None) -> None:
        if file is None:
            self._uploads.pop(label, None)
        elif len(self._uploads) < _MOST_UPLOADS:
            self._uploads[label] = file

    def _cancel_quietly(self, name: str) -> None:
        try:
            self.cancel_job(name)
        except (Refused, JobMissing, Transient) as error:
            log("doubled_job_not_cancelled", severity="WARNING", why=type(error).__name__)

    def _labelled(self, label: str, since: int) -> Iterator[dict[str, Any]]:
        """All batches of this label, newest first, down to those that are too old to be it."""
        deadline, after = time.monotonic() + _CALL, ""
        for _ in range(_MOST_PAGES):
            query = {"limit": str(_PAGE), **({"after": after} if after else {})}
            reply = self._ask("GET", "batches", deadline, params=query)
            self._judge(reply)
            listed = reply.body.get("data") if isinstance(reply.body, dict) else None
            if not isinstance(listed, list):
                raise Transient("openai: the answer to a list was no list")
            batches = [batch for batch in listed if isinstance(batch, dict) and is_id(batch.get("id"))]
            yield from (batch for batch in batches if _is_of(batch, label))
            last = batches[-1] if batches else None
            if last is None or reply.body.get("has_more") is not True or created_at(last) < since - _SKEW:
                return
            if last["id"] == after:
                break
            after = last["id"]
        raise Transient("openai: the pages of a list do not end")

    def _ask(self, method: str, path: str, deadline: float | None = None, **rest: Any) -> Reply:
        try:
            return self._http.send(method, path, deadline, **rest)
        except Lost as error:
            raise Transient(f"openai: {error}") from error

    def _known(self, reply: Reply, name: str) -> None:
        if reply.status == 404:
            if reply.error is None:  # a page of some proxy: the provider itself has not spoken
                raise Transient("openai: 404 without a word of the provider")
            raise JobMissing(name)

    def _judge(self, reply: Reply) -> None:
        """Raise what an answer means, unless it is a good one."""
        status = reply.status
        if reply.good:
            return
        if _later(reply) or status >= 500 or status < 200:
            raise Transient(f"openai: answered {status}")
        said = plain((reply.error or {}).get("message"))
        log("provider_refused", severity="WARNING", deployment=self._deployment.id, status=status, said=said)
        raise Refused(
            BatchError(code="provider_error", message=f"The provider refused this ({status}): {said}"),
            # A key may be replaced; and what is no error object was not said by the provider.
            settled=status not in {401, 403} and status >= 400 and reply.error is not None,
        )


def _later(reply: Reply) -> bool:
    """Whether there certainly was no effect, and time alone will help."""
    return reply.status in {408, 409, 425, 429} or (reply.error or {}).get("code") == CROWDED


def _is_of(batch: dict[str, Any], label: str) -> bool:
    metadata = batch.get("metadata")
    return isinstance(metadata, dict) and metadata.get(LABEL) == label


def _checked(name: str) -> str:
    if not is_id(name):
        raise JobMissing(name)
    return name
