"""What schemathesis is told beside the description of the routes: loaded by its own process, see test_schemathesis.py.

A description says what one request may look like. It cannot say which models are configured, or what state a thing is
in; so requests that are meant to be right get right values here, and what still cannot be known is excused, each case
with its reason.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import requests
import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, HookContext, Response
from schemathesis.core.failures import Failure

__all__ = ["EXCUSED", "foreign_is_unknown"]

LINE: Final = '{"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}}\n'
MODEL: Final = "gemini-2.5-flash"
DATES: Final = frozenset({"start_date", "end_date"})
PLACE: Final = {"project": "p", "location": "us-central1"}
JOB: Final = {
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://jobs/in.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://jobs/out"}},
}
MOST_PROBES: Final = int(os.environ.get("FUZZ_PROBES", "10"))  # things of one kind that the peer asks for
TIMEOUT: Final = 30.0

ADMIN_WRITES: Final = (
    "(generate|update|delete|block|unblock|regenerate|reset|new|add).*(Key|Account|Team|User|Member|Spend).*"
)
# Failure code, operations, what the failure or the answer says: the reason why this is right all the same.
EXCUSED: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("ST202", "addUploadPart|completeUpload|cancelUpload", "This upload is", "OpenAI: 400 where it is not pending"),
    ("ST202", "completeUpload", "The parts have|this upload has no part|with other parts", "the parts decide"),
    ("ST202", "completeUpload", "Invalid file format|does not have this md5", "the content decides"),
    ("ST202", "retrieveFileContent", "has no native rows", "the file decides"),
    ("ST202", "createFile|createUpload", "'passthrough' is for files", "the purpose decides"),
    ("ST202", "createFile", "parameter: 'expires_after", "the coverage phase does not know dependentRequired"),
    ("ST202", "createBatch", "but its input file was uploaded for", "the file's own hints decide"),
    ("ST202", "createBatch", "at most 10 tags", "those of the header and those of the body count together"),
    ("ST202", "listJobs.*", "Invalid filter|Invalid page_token", "Google's filters have a grammar of their own"),
    ("ST201", "createJob.*", "labels: Incorrect type", "protobuf: a field at its default is one that is not there"),
    ("ST202", "deleteJob.*", "not in a terminal state", "Google: only what is over can be deleted"),
    ("ST202", "spend.*|global.*|.*Activity", "is after the end_date|go together", "two dates decide together"),
    (
        "ST202",
        "list.*|page.*|spend.*|.*Activity",
        "for '(page|page_size)': expected an integer",
        "of over twenty digits",
    ),
    ("ST202", "teamInfo|userInfo", "No team id passed in", "the master key has no team"),
    ("ST202", "listDeployments", "not found on litellm proxy", "LiteLLM: 400 where there is no such deployment"),
    # No schema says what a duration is, that one of two fields has to be there, or how much money there is.
    ("ST202", ADMIN_WRITES, "", "what is wrong is said; see the reason above"),
    # LiteLLM's scripts and forms write false as 0, a number as "5" and nothing as "": that is read as it is meant.
    ("ST201", ADMIN_WRITES, "", "read as it is meant; see the reason above"),
    ("ST301", "retrieveModel", "", "models come from the configuration: `deleted` is false"),
    ("ST401", ".*", "429 Too Many Requests", "fifty wrong keys in ten seconds: 429, see auth.Doorman"),
    # An id may have slashes and colons: for /files/{id}, `x/content` is one, too.
    ("ST205", "retrieveFileContent|cancelBatch|cancelJob.*|regenerateKeyByPath|resetSpend", "", "see above"),
)
_seen: Counter[str] = Counter()


@schemathesis.hook
def before_load_schema(context: HookContext, raw_schema: dict[str, Any]) -> None:
    """What OpenAPI's own links cannot say: a job's number is the end of its name."""
    del context
    for path, operations in raw_schema["paths"].items():
        if path.endswith("/batchPredictionJobs"):
            links = operations["post"]["responses"]["200"].setdefault("links", {})
            for name in ("get", "cancel", "delete"):
                operation = f"{name}Job{'Somewhere' if 'vertex_ai' in path else ''}"
                links[name] = {"operationId": operation, "parameters": {"id": "$response.body#/name#regex:([^/]+)$"}}


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Of a request that is meant to be right, those values that only the operator, or a file's content, decides."""
    del context, kwargs
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    query: Any = case.query or {}
    headers: Any = case.headers or {}
    body = case.body if isinstance(case.body, dict) else {}
    for name in PLACE.keys() & (case.path_parameters or {}).keys():
        case.path_parameters[name] = PLACE[name]
    for place in (query, headers, body):
        for name in ("model", "target_model_names", "x-litellm-model"):
            if name in place:
                place[name] = MODEL
    for name in DATES & query.keys():
        query[name] = _some_day(query[name])
    _fitted(str(case.operation.definition.raw.get("operationId")), headers, body)


def _some_day(text: str) -> str:
    """A day that there is, and not at the end of all time: no schema says how long a month is."""
    return f"20{text[2:8]}{min(int(text[8:10]), 28):02d}{text[10:]}"


def _fitted(operation: str, headers: Any, body: dict[str, Any]) -> None:
    """What one operation needs beside: content that is some, and places that are allowed."""
    match operation:
        case "createFile":
            body |= {"file": LINE} if "file" in body else {}
        case "createUpload":
            body |= {"bytes": len(LINE)} if "bytes" in body else {}
        case "addUploadPart":
            body |= {"data": LINE} if "data" in body else {}
        case "createJob" | "createJobSomewhere":
            body |= {name: place for name, place in JOB.items() if name in body}
        case "createBatch":
            headers.pop("Idempotency-Key", None)  # of another body: 400, as it should be
        case _:
            pass


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Whether a failure is one."""
    del context
    operation = case.operation.definition.raw.get("operationId", "")
    return not any(
        re.fullmatch(code, failure.code)
        and re.fullmatch(operations, operation)
        and re.search(says, f"{failure.message}\n{response.text}")
        for code, operations, says, _ in EXCUSED
    )


@schemathesis.check
def foreign_is_unknown(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What one identity made does not exist for the other one: not to be read, not to be changed, not to be ended.

    Every operation that takes its id answers the peer exactly as for an id that never was, and the thing is as before.
    The check that comes with schemathesis repeats reads alone.
    """
    del ctx
    made = _made(case, response)
    if made is None or _seen[case.operation.label] >= MOST_PROBES:
        return
    _seen[case.operation.label] += 1
    owner, peer = response.request.headers.get("Authorization"), f"Bearer {os.environ['FUZZ_PEER']}"
    if owner in {None, peer}:
        return
    before = _own(case, made, str(owner))
    for method, path, body in _operations(case):
        foreign = _told(_ask(case, method, path, made, peer, body), made)
        never = _unknown(made)
        unknown = _told(_ask(case, method, path, never, peer, body), never)
        assert foreign[0] == 404, f"{method} {path} of what is somebody else's: {foreign}"
        assert foreign == unknown, f"{method} {path} tells it from what never was: {foreign} and {unknown}"
    assert _own(case, made, str(owner)) == before, f"{made} is not as it was before a stranger asked for it"


def _made(case: Case[Any], response: Response) -> str | None:
    """The id of what a request has just made."""
    if case.method != "POST" or response.status_code != 200 or "{id}" in case.operation.path:
        return None
    body = json.loads(response.content)
    if not isinstance(body, dict):
        return None
    named = body.get("id") or str(body.get("name", "")).rpartition("/")[2]
    return named if isinstance(named, str) and any(_operations(case)) else None


def _operations(case: Case[Any]) -> Iterator[tuple[str, str, Any]]:
    """All that can be asked about one of those that this operation makes: method, path and a body."""
    raw: Mapping[str, Any] = case.operation.schema.raw_schema["paths"]
    for path, operations in raw.items():
        if path.startswith(f"{case.operation.path}/{{id}}"):
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {})
                yield method.upper(), path, content


def _own(case: Case[Any], made: str, key: str) -> Any:
    """The thing as its owner sees it; of what cannot be read, whether its owner still can go on with it."""
    reads = [path for method, path, _ in _operations(case) if method == "GET" and path.endswith("{id}")]
    if reads:
        return _ask(case, "GET", reads[0], made, key, {}).json()
    method, path, body = next(_operations(case))
    return _ask(case, method, path, made, key, body).status_code


def _ask(  # noqa: PLR0917
    case: Case[Any], method: str, path: str, id: str, key: str, content: Mapping[str, Any]
) -> requests.Response:
    filled = path.format(**{**(case.path_parameters or {}), "id": id})
    options: dict[str, Any] = {}
    for kind, each in content.items():
        if kind == "application/json":
            options["json"] = each.get("example", {})
        else:
            options["files"] = {name: ("upload", value) for name, value in each["example"].items()}
    url = str(case.operation.base_url).rstrip("/") + filled
    return requests.request(method, url, headers={"authorization": key}, timeout=TIMEOUT, **options)


def _unknown(id: str) -> str:
    """An id of the same shape that nobody has."""
    return re.sub(r"(?<=[-_])[0-9a-z]+$|^\d+$", lambda match: "2" * len(match[0]), id)


def _told(answer: requests.Response, id: str) -> tuple[int, str, dict[str, str]]:
    """Everything that an answer tells, but for the id, when it was, and which request it was."""
    passed_over = {"x-request-id", "x-litellm-call-id", "date"}
    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in passed_over}
    return answer.status_code, answer.text.replace(id, "ID"), headers
