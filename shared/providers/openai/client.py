"""OpenAI's Files and Batches, for one deployment, in the dialect of its server.

A job is an uploaded file and a batch that names it, with our label in its metadata and in the file's name. What a
failure means depends on what was asked: a create whose answer was lost may have made a job that costs money. That is
Unknown, and the caller looks before it asks again. Until then nothing was made that matters: a file that was uploaded
in vain costs nothing, and expires by itself.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import httpx

from shared.config import Deployment
from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.domain.shard import Job
from shared.log import log
from shared.providers.base import Busy, Hold, JobMissing, JobRequest, Refused, Unknown
from shared.providers.exchange import Lost
from shared.providers.openai.dialect import Dialect
from shared.providers.openai.http import Http, Reply
from shared.providers.openai.job import FULL, created_at, is_id, read_job
from shared.providers.openai.plain import plain
from shared.providers.openai.upload import Form
from shared.storage.ports import ObjectExists, Objects

__all__ = ["LABEL", "OpenAIClient"]

LABEL: Final = "offpeak_job"

_CALL: Final = 18.0
_READ: Final = 60.0  # seconds that a provider may take to read what was uploaded, while the lease is kept alive
_FIRST_LOOK, _LONGEST_LOOK = 0.2, 5.0
_PAGE: Final = 100  # OpenAI's most
_MOST_PAGES: Final = 50
_SKEW: Final = 10 * 60_000  # milliseconds that our clock may differ from theirs
_MOST_KEPT: Final = 256
_LARGEST_RESULTS: Final = 8 * 2**30  # 50,000 embeddings of 3,072 numbers are about 3 GB
_NO_ROUTE: Final = "Resource not found"  # Azure's words for a path that it does not have
_UNREADABLE: Final = "The provider could not read the file of these requests."


class _Oversized(Exception):
    """More than any job of ours can have written."""


class OpenAIClient:
    """base.Client for one deployment, and the way to what its jobs leave there. Thread-safe."""

    def __init__(self, deployment: Deployment, dialect: Dialect, *, http: httpx.Client | None = None) -> None:
        if deployment.api_key:  # some repeat the key that they refuse
            dialect = replace(dialect, private=(deployment.api_key, *dialect.private))
        self._deployment, self._dialect = deployment, dialect
        self._http = Http(dialect, http)
        self._uploads: dict[str, str] = {}  # label to file, so that a create that has to wait sends its rows once
        self._seen: dict[str, tuple[float, Job]] = {}  # when, and what: see `Dialect.pause`

    def create_job(self, request: JobRequest) -> Job:
        """Upload the rows and ask for a job. Unknown where it may exist although we were not told so."""
        file = self._uploads.get(request.label) or self._upload(request)
        if self._dialect.reads_files:
            self._await_reading(file, request)
        request.hold.beat(at_once=True)  # what follows must not be done by two
        try:
            reply = self._http.send("POST", "batches", json=self._batch_of(file, request))
        except Lost as error:
            raise Unknown(f"{self._dialect.name}: the answer to a create was lost") from error
        if reply.status >= 500 or reply.status == 408:
            raise Unknown(f"{self._dialect.name}: a create was answered {reply.status}")
        expires = self._dialect.input_life is not None
        _keep(self._uploads, request.label, file if _later(reply) and expires else None)
        if not (reply.good or expires):  # should these lines go elsewhere, nobody would ever delete it
            self._delete_quietly(file)
        self._judge(reply)
        job = read_job(reply.body, self._dialect.private) if isinstance(reply.body, dict) else None
        if job is None:
            raise Unknown(f"{self._dialect.name}: the answer to a create was no batch")
        return replace(job, room=_room(reply))

    def find_job(self, label: str, *, since: int = 0) -> Job | None:
        """The job of this label. Of several, which a lost answer can cause, the oldest; the others are cancelled."""
        found = sorted(self._labelled(label, since), key=lambda batch: (created_at(batch), batch["id"]))
        if len(found) > 1:
            log("jobs_doubled", severity="WARNING", label=label, found=len(found))
            for doubled in found[1:]:
                self._cancel_quietly(doubled["id"])
        return read_job(found[0], self._dialect.private) if found else None

    def get_job(self, name: str) -> Job:
        """The job as it is now, or was when it was last asked for not long ago."""
        at, seen = self._seen.get(name, (0.0, None))
        if seen is not None and time.monotonic() - at < self._dialect.pause:
            return seen
        reply = self._ask("GET", f"batches/{_checked(name)}")
        self._known(reply, name)
        self._judge(reply)
        job = read_job(reply.body, self._dialect.private) if isinstance(reply.body, dict) else None
        if job is None or job.name != name:
            raise Transient(f"{self._dialect.name}: the answer to a get was no such batch")
        _keep(self._seen, name, None if job.state.terminal or not self._dialect.pause else (time.monotonic(), job))
        return job

    def cancel_job(self, name: str) -> None:
        """Ask for an early end. A job that is over already is no error: OpenAI says 409 then, and others 400."""
        reply = self._ask("POST", f"batches/{_checked(name)}/cancel")
        _keep(self._seen, name, None)
        self._known(reply, name)
        if reply.status not in {400, 409}:
            self._judge(reply)

    def fetch(self, job: Job, objects: Objects, output: str, hold: Hold) -> None:
        """Copy the files of a job to `<output>results-1.jsonl` and on. JobMissing where the provider has one no more,
        once all others are copied.
        """
        gone = None
        for number, file in enumerate(job.files, start=1):
            hold.beat(at_once=True)
            try:
                objects.write(f"{output}results-{number}.jsonl", self._content(file, hold), if_generation=0)
            except ObjectExists:
                continue
            except Lost as error:
                raise Transient(f"{self._dialect.name}: results: {error}") from error
            except JobMissing as missing:
                gone = missing
            except _Oversized as error:
                log(
                    "results_missing",
                    severity="ERROR",
                    deployment=self._deployment.id,
                    job=job.name,
                    reason=type(error).__name__,
                )
        if gone is not None:
            raise gone

    def tidy(self, job: Job) -> None:
        """Delete the files that a job read and wrote, once it is over; what cannot be deleted expires by itself."""
        until = time.monotonic() + _CALL
        try:
            for file in self._files_of(job, until):
                reply = self._ask("DELETE", f"files/{file}", until)
                if not reply.good and reply.status != 404:
                    log("file_not_deleted", severity="WARNING", deployment=self._deployment.id, status=reply.status)
        except (Transient, Refused) as error:
            log("files_not_deleted", severity="WARNING", deployment=self._deployment.id, reason=type(error).__name__)

    def _files_of(self, job: Job, until: float) -> list[str]:
        """All files of a job that is over; none of one that may still read or write them."""
        if not is_id(job.name):
            return []
        reply = self._ask("GET", f"batches/{job.name}", until)
        batch = reply.body if reply.good and isinstance(reply.body, dict) else {}
        now = read_job(batch)
        if now is None or not now.state.terminal:
            return []
        files = (batch.get("input_file_id"), *now.files, *job.files)
        return list(dict.fromkeys(file for file in files if isinstance(file, str) and is_id(file)))

    def _content(self, file: str, hold: Hold) -> Iterator[bytes]:
        size = 0
        with self._http.download(f"files/{_checked(file)}/content") as (status, chunks):
            if status in {404, 410} and b'"error"' in next(chunks, b""):  # else some proxy said so
                raise JobMissing(file)
            if status != 200:  # whatever it is, what was paid for is not given up before its batch has no time left
                raise Transient(f"{self._dialect.name}: results answered {status}")
            for chunk in chunks:
                size += len(chunk)
                if size > _LARGEST_RESULTS:
                    raise _Oversized
                hold.beat()
                yield chunk

    def _batch_of(self, file: str, request: JobRequest) -> dict[str, Any]:
        life = self._dialect.output_life
        return {
            "input_file_id": file,
            "endpoint": self._dialect.endpoints.get(request.endpoint, request.endpoint),
            "completion_window": self._dialect.window,
            "metadata": {LABEL: request.label},
            **({"output_expires_after": {"anchor": "created_at", "seconds": life}} if life else {}),
        }

    def _upload(self, request: JobRequest) -> str:
        """A fresh file of the encoded rows; its name at the provider."""
        life = self._dialect.input_life
        fields = {"purpose": "batch"}
        if life:
            fields |= {"expires_after[anchor]": "created_at", "expires_after[seconds]": str(life)}
        form = Form(fields, _filename(request.label), request)
        try:
            reply = self._http.send("POST", "files", long=True, headers=form.headers, content=form.chunks())
        except Lost as error:
            raise Busy(f"{self._dialect.name}: upload: {error}") from error
        if reply.status >= 500:
            raise Busy(f"{self._dialect.name}: upload answered {reply.status}", retry_after=reply.retry_after)
        self._judge(reply)
        file = reply.body.get("id") if isinstance(reply.body, dict) else None
        if not isinstance(file, str) or not is_id(file):
            raise Busy(f"{self._dialect.name}: the answer to an upload was no file")
        _keep(self._uploads, request.label, file)
        return file

    def _await_reading(self, file: str, request: JobRequest) -> None:
        """Return once the provider has read the file: before that, no batch may name it."""
        until, pause = time.monotonic() + _READ, _FIRST_LOOK
        while True:
            reply = self._ask("GET", f"files/{file}")
            gone = reply.status == 404
            if not gone:
                self._judge(reply)
            status = "deleted" if gone or not isinstance(reply.body, dict) else str(reply.body.get("status")).lower()
            if status == "processed":
                return
            if status in {"error", "deleting", "deleted"}:
                _keep(self._uploads, request.label, None)  # another one may fare better
                raise Refused(BatchError(code="provider_error", message=_UNREADABLE), settled=False)
            if time.monotonic() > until:
                raise Busy(f"{self._dialect.name}: an uploaded file is not read yet")
            time.sleep(pause)
            pause = min(_LONGEST_LOOK, 1.5 * pause)
            request.hold.beat(at_once=True)

    def _cancel_quietly(self, name: str) -> None:
        try:
            self.cancel_job(name)
        except (Refused, JobMissing, Transient) as error:
            log("doubled_job_not_cancelled", severity="WARNING", why=type(error).__name__)

    def _delete_quietly(self, file: str) -> None:
        try:
            self._ask("DELETE", f"files/{file}")
        except (Refused, Transient) as error:
            log("file_not_deleted", severity="WARNING", deployment=self._deployment.id, why=type(error).__name__)

    def _labelled(self, label: str, since: int) -> Iterator[dict[str, Any]]:
        """All batches of this label that are not too old to be its job."""
        deadline, after, too_old = time.monotonic() + _CALL, "", since - _SKEW
        for _ in range(_MOST_PAGES):
            query = {"limit": str(_PAGE), **({"after": after} if after else {})}
            reply = self._ask("GET", "batches", deadline, params=query)
            self._judge(reply)
            listed = reply.body.get("data") if isinstance(reply.body, dict) else None
            if not isinstance(listed, list):
                raise Transient(f"{self._dialect.name}: the answer to a list was no list")
            batches = [batch for batch in listed if isinstance(batch, dict) and is_id(batch.get("id"))]
            yield from (b for b in batches if created_at(b) >= too_old and self._is_of(b, label, deadline))
            last = batches[-1] if batches else None
            if last is None or reply.body.get("has_more") is not True:
                return
            if self._dialect.newest_first and created_at(last) < too_old:
                return
            if last["id"] == after:
                break
            after = last["id"]
        raise Transient(f"{self._dialect.name}: the pages of a list do not end")

    def _is_of(self, batch: dict[str, Any], label: str, deadline: float) -> bool:
        """By its metadata; where a server may not show them, by the name under which its file was uploaded."""
        metadata, file = batch.get("metadata"), batch.get("input_file_id")
        said = metadata.get(LABEL) if isinstance(metadata, dict) else None
        if said is not None or self._dialect.labelled or not is_id(file):
            return bool(said == label)
        reply = self._ask("GET", f"files/{file}", deadline)
        if reply.status == 404:
            return False  # what was just uploaded is there
        self._judge(reply)
        return isinstance(reply.body, dict) and reply.body.get("filename") == _filename(label)

    def _ask(self, method: str, path: str, deadline: float | None = None, **rest: Any) -> Reply:
        try:
            return self._http.send(method, path, deadline, **rest)
        except Lost as error:
            raise Transient(f"{self._dialect.name}: {error}") from error

    def _known(self, reply: Reply, name: str) -> None:
        if reply.status == 404:
            said = (reply.error or {}).get("message")
            if said is None or said == _NO_ROUTE:  # a proxy, or a path that is wrong: of the job, nothing was said
                raise Transient(f"{self._dialect.name}: 404 without a word about the job")
            raise JobMissing(name)

    def _judge(self, reply: Reply) -> None:
        """Raise what an answer means, unless it is a good one."""
        status, name = reply.status, self._dialect.name
        if reply.good:
            return
        if _later(reply):
            raise Busy(f"{name}: answered {status}", retry_after=reply.retry_after)
        if status >= 500 or status < 200:
            raise Transient(f"{name}: answered {status}")
        if status == 401:
            self._dialect.credentials.forget()
        said = plain((reply.error or {}).get("message"), self._dialect.private)
        log("provider_refused", severity="WARNING", deployment=self._deployment.id, status=status, said=said)
        raise Refused(
            BatchError(code="provider_error", message=f"The provider refused this ({status}): {said}"),
            # A key may be replaced; and what is no error object was not said by the provider.
            settled=status not in {401, 403} and status >= 400 and reply.error is not None,
        )


def _later(reply: Reply) -> bool:
    """Whether there certainly was no effect, and time alone will help."""
    return reply.status in {408, 409, 425, 429} or (reply.error or {}).get("code") in FULL


def _filename(label: str) -> str:
    return f"offpeak-{label}.jsonl"


def _keep(kept: dict[str, Any], key: str, value: Any) -> None:
    """Remember, so far as there is room; None forgets."""
    if value is None:
        kept.pop(key, None)
    elif len(kept) < _MOST_KEPT or key in kept:
        kept[key] = value


def _checked(name: str) -> str:
    if not is_id(name):
        raise JobMissing(name)
    return name


def _room(reply: Reply) -> int | None:
    """How many tokens may be enqueued at the deployment, where it says so: Azure, 2024-10-01-preview and later."""
    said = reply.headers.get("deployment-maximum-enqueued-tokens", "")
    return int(said) if said.isascii() and said.isdecimal() and 0 < len(said) < 16 else None
