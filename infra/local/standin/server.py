"""The batchPredictionJobs REST API over HTTP, as Google's front end speaks it: camelCase, int64s as strings, errors."""

import base64
import binascii
import json
import re
import threading
import time
import zlib
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from infra.local.standin.answers import now
from infra.local.standin.families import family_of
from infra.local.standin.faults import BadRule, Faults
from infra.local.standin.filters import BadFilter, parse_filter
from infra.local.standin.store import FINISHED, JobGone, Jobs
from infra.local.standin.worker import Worker
from infra.local.standins.entry import Entry, last_of_each

__all__ = ["StandIn"]

_JOBS: Final = re.compile(
    r"/v1(?:beta1)?/projects/(?P<project>[^/:]+)/locations/(?P<location>[a-z0-9-]+)/batchPredictionJobs"
    r"(?:/(?P<job>[^/:]+)(?P<cancel>:cancel)?)?"
)
_ENDPOINT: Final = re.compile(
    r"/v1(?:beta1)?/(?P<parent>projects/(?P<project>[^/:]+)/locations/(?P<location>[a-z0-9-]+))/endpoints/(?P<id>\d+)"
)
_LABEL: Final = re.compile(r"[\w-]{1,64}")
_LARGEST_BODY: Final = 2**20
_PAGE: Final = 10  # small, so that whoever forgets the second page is found out
_LARGEST_PAGE: Final = 100
_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FIELDS: Final = frozenset({
    "name", "displayName", "model", "inputConfig", "outputConfig", "labels", "modelParameters", "instanceConfig",
    "generateExplanation", "serviceAccount", "encryptionSpec", "dedicatedResources", "manualBatchTuningParameters",
})  # fmt: skip


class Refusal(Exception):
    """An answer with a Google error."""

    def __init__(self, code: int, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.status = status or _STATUS.get(code, "UNKNOWN")


class _LostAnswer(Exception):
    """Close the connection instead of answering."""


class StandIn(ThreadingHTTPServer):
    """The server. Everything that it does not keep in its files is in this object."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], jobs: Jobs, worker: Worker, faults: Faults) -> None:
        super().__init__(address, _Handler)
        self.jobs, self.worker, self.faults = jobs, worker, faults
        self.stopping = threading.Event()
        self.calls: dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, call: str) -> None:
        with self._lock:
            self.calls[call] = self.calls.get(call, 0) + 1


class _Handler(Entry):
    server: StandIn
    server_version = "offpeak-stand-in"
    timeout = 60

    def serve(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), last_of_each(url.query)
        try:
            body = self._body()
            if path.startswith("/-/"):
                self._reply(200, self._admin(path, body))
                return
            self._reply(200, self._api(path, query, body))
        except Refusal as error:
            self._reply(error.code, {"error": {"code": error.code, "message": error.message, "status": error.status}})
        except _LostAnswer:
            self.close_connection = True

    def _body(self) -> Any:
        size = int(self.headers.get("content-length") or 0)
        if size > _LARGEST_BODY:
            self.close_connection = True
            raise Refusal(400, "Request payload size exceeds the limit.")
        raw = self.rfile.read(size)
        if not raw:
            return {}
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise Refusal(400, "Invalid JSON payload received. Parse error.") from None

    def _reply(self, code: int, body: Any) -> None:
        self._send(code, json.dumps(body, indent=2).encode(), "application/json; charset=UTF-8")

    def _send(self, code: int, body: bytes, content_type: str, *, cut: int = 0) -> None:
        self.send_response(code)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - cut])

    def _api(self, path: str, query: dict[str, str], body: Any) -> Any:
        if self.command == "GET" and (asked := _ENDPOINT.fullmatch(path)) is not None:
            self.server.count("endpoint")
            return self._with_fault("endpoint", lambda: _endpoint(asked["parent"], asked["id"]))
        match = _JOBS.fullmatch(path)
        if match is None:
            raise Refusal(404, "Not Found")
        parent = f"projects/{_number(match['project'])}/locations/{match['location']}"
        name = f"{parent}/batchPredictionJobs/{match['job']}"
        calls: dict[tuple[str, bool, bool], tuple[str, Callable[[], Any]]] = {
            ("POST", False, False): ("create", lambda: self._create(parent, body)),
            ("GET", False, False): ("list", lambda: self._list(parent, query)),
            ("GET", True, False): ("get", lambda: self._known(name)),
            ("POST", True, True): ("cancel", lambda: self._cancel(name)),
            ("DELETE", True, False): ("delete", lambda: self._delete(name)),
        }
        found = calls.get((self.command, match["job"] is not None, match["cancel"] is not None))
        if found is None:
            raise Refusal(404, "Method not found.")
        call, effect = found
        self.server.count(call)
        return self._with_fault(call, effect)

    def _with_fault(self, call: str, effect: Callable[[], Any]) -> Any:
        fault = self.server.faults.take(call)
        if fault is None:
            return effect()
        match fault["do"]:
            case "status":
                code = int(fault["status"])
                raise Refusal(code, f"The stand-in was asked to answer {code}.")
            case "hang":
                self.server.stopping.wait(float(fault.get("seconds", 30)))
            case "slow":
                time.sleep(float(fault.get("seconds", 1)))
                return effect()
            case "lose":
                effect()
            case "html":
                self._send(200, b"<!doctype html><title>Sorry</title>", "text/html")
            case _:  # truncate
                self._send(200, json.dumps(effect()).encode(), "application/json", cut=20)
        raise _LostAnswer

    def _create(self, parent: str, body: Any) -> Any:
        resource = _checked(body)
        self._refuse_place(parent, resource["model"])
        moment = now()
        job = self.server.jobs.add(
            parent, {**resource, "state": "JOB_STATE_PENDING", "createTime": moment, "updateTime": moment}
        )
        self.server.worker.start(job["name"])
        return job

    def _refuse_place(self, parent: str, model: str) -> None:
        """What runs in regions alone, or so many at once."""
        family = family_of(model)
        if family is None:
            raise Refusal(404, f"The PublisherModel {model.rpartition('/')[2]} does not exist.")
        location = parent.rpartition("/")[2]
        if family.regional and "-" not in location:
            raise Refusal(400, f"Batch prediction of this model is not supported in the location {location}.")
        if family.at_once is not None:
            project = parent.partition("/locations/")[0]
            running = [name for name in self.server.jobs.unfinished() if name.startswith(f"{project}/")]
            models = [self.server.jobs.get(name)["model"] for name in running]
            if sum("publishers/anthropic/" in each for each in models) >= family.at_once:
                raise Refusal(429, "Quota exceeded for concurrent batch prediction requests of this model.")

    def _list(self, parent: str, query: dict[str, str]) -> Any:
        try:
            test = parse_filter(query.get("filter", ""))
            before = int(base64.urlsafe_b64decode(query["pageToken"])) if query.get("pageToken") else 2**62
            size = int(query.get("pageSize") or 0) or _PAGE
        except BadFilter as error:
            raise Refusal(400, f"Invalid filter: {error}") from None
        except (ValueError, binascii.Error):
            raise Refusal(400, "Invalid page_token or page_size.") from None
        found, rest = self.server.jobs.listed(parent, test, before=before, limit=min(max(size, 1), _LARGEST_PAGE))
        page: dict[str, Any] = {"batchPredictionJobs": found} if found else {}
        if rest is not None:
            page["nextPageToken"] = base64.urlsafe_b64encode(str(rest).encode()).decode()
        return page

    def _known(self, name: str) -> Any:
        try:
            return self.server.jobs.get(name)
        except JobGone:
            raise Refusal(404, f"The BatchPredictionJob does not exist: {name}") from None

    def _cancel(self, name: str) -> Any:
        def cancel(job: dict[str, Any]) -> None:
            if job["state"] in FINISHED:
                raise Refusal(400, "The job is not in a cancellable state.", "FAILED_PRECONDITION")
            job["state"] = "JOB_STATE_CANCELLING"

        self._known(name)
        self.server.jobs.change(name, cancel)
        return {}

    def _delete(self, name: str) -> Any:
        if self._known(name)["state"] not in FINISHED:
            raise Refusal(400, "The job is not in a terminal state.", "FAILED_PRECONDITION")
        self.server.jobs.remove(name)
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        return {"name": f"{name}/operations/{time.time_ns()}", "done": True, "response": empty}

    def _admin(self, path: str, body: Any) -> Any:
        faults = self.server.faults
        match self.command, path:
            case "GET", "/-/ready":
                return {"ready": True}
            case "GET", "/-/journal":
                return {"calls": dict(self.server.calls), **faults.report()}
            case "POST", "/-/faults":
                try:
                    for rule in body if isinstance(body, list) else [body]:
                        faults.add(rule)
                except BadRule as error:
                    raise Refusal(400, f"unknown fault: {error}") from None
                return faults.report()
            case "DELETE", "/-/faults":
                faults.clear()
                return faults.report()
            case _:
                raise Refusal(404, "Not Found")


def _checked(body: Any) -> dict[str, Any]:
    """What a create asks for; refused at once is only what Vertex refuses at once."""
    if not isinstance(body, dict):
        raise Refusal(400, "Invalid JSON payload received.")
    for name in body:
        if name not in _FIELDS:
            raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
    if not isinstance(body.get("displayName"), str) or not 1 <= len(body["displayName"]) <= 128:
        raise Refusal(400, "display_name is required, with at most 128 characters.")
    match body:
        case {
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [str(source)]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": str(prefix)}},
        } if source.startswith("gs://") and prefix.startswith("gs://"):
            pass
        case _:
            raise Refusal(400, "input_config and output_config must name one JSONL file and one prefix, both gs://.")
    labels = body.get("labels", {})
    if not isinstance(labels, dict) or not all(
        isinstance(value, str) and _LABEL.fullmatch(name) and (value == "" or _LABEL.fullmatch(value))
        and name == name.lower() and value == value.lower()
        for name, value in labels.items()
    ):  # fmt: skip
        raise Refusal(400, "Label keys and values are of lowercase letters, digits, _ and -, at most 64 characters.")
    if family_of(str(body.get("model"))) is None:
        raise Refusal(404, f"The PublisherModel {str(body.get('model')).rpartition('/')[2]} does not exist.")
    return {name: value for name, value in body.items() if name != "name"}


def _endpoint(parent: str, id: str) -> Any:
    """A tuned model's endpoint; those whose number ends in 404 are unknown, in 000 empty."""
    if id.endswith("404"):
        raise Refusal(404, f"The Endpoint does not exist: {parent}/endpoints/{id}")
    deployed = {"id": "1", "model": f"{parent}/models/{int(id) + 1}", "modelVersionId": "2"}
    return {"name": f"{parent}/endpoints/{id}", **({} if id.endswith("000") else {"deployedModels": [deployed]})}


def _number(project: str) -> int:
    """Resource names carry the project's number, also where it was asked for by its id."""
    return int(project) if project.isdigit() else 10**11 + zlib.crc32(project.encode())
