"""The matrix: every route, whoever asks, and whatever the id is of; each cell written down.

A line is a route, what its id is of, and the status for each who asks. What belongs to others, and what is gone, has to
answer as what never was: to the last byte, and without any effect.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from functions.routes import routes_of
from infra.local.standin.worker import Pace
from shared.domain.ids import new_batch_id, new_file_id, new_upload_id
from shared.domain.secret_key import mint
from shared.storage.queries import JOBS_BY_NUMBER
from tests.functions.conftest import Answer, Api
from tests.functions.people import COLUMNS, MODEL, People
from tests.functions.wire import WORK, multipart
from tests.infra.conftest import prompt, standing_in

PLACE = "/projects/{project}/locations/{location}"
STATES = ("exists", "deleted", "foreign", "malformed")
TABLE = """
# who asks:                                        none wrong expired blocked stranger mate owner admin
POST   /files                             -         401  401   401     401     200      200  200   200
GET    /files                             -         401  401   401     401     200      200  200   200
GET    /files/{id}/content                exists    401  401   401     401     404      200  200   200
GET    /files/{id}/content                deleted   401  401   401     401     404      404  404   404
GET    /files/{id}/content                foreign   401  401   401     401     404      404  404   200
GET    /files/{id}/content                malformed 401  401   401     401     404      404  404   404
GET    /files/{id}                        exists    401  401   401     401     404      200  200   200
GET    /files/{id}                        deleted   401  401   401     401     404      404  404   404
GET    /files/{id}                        foreign   401  401   401     401     404      404  404   200
GET    /files/{id}                        malformed 401  401   401     401     404      404  404   404
DELETE /files/{id}                        exists    401  401   401     401     404      200  200   200
DELETE /files/{id}                        deleted   401  401   401     401     404      404  404   404
DELETE /files/{id}                        foreign   401  401   401     401     404      404  404   200
DELETE /files/{id}                        malformed 401  401   401     401     404      404  404   404
POST   /uploads                           -         401  401   401     401     200      200  200   200
POST   /uploads/{id}/parts                exists    401  401   401     401     404      200  200   200
POST   /uploads/{id}/parts                deleted   -- nobody deletes an upload: it is cancelled, or its time is over
POST   /uploads/{id}/parts                foreign   401  401   401     401     404      404  404   200
POST   /uploads/{id}/parts                malformed 401  401   401     401     404      404  404   404
POST   /uploads/{id}/complete             exists    401  401   401     401     404      200  200   200
POST   /uploads/{id}/complete             deleted   -- nobody deletes an upload: it is cancelled, or its time is over
POST   /uploads/{id}/complete             foreign   401  401   401     401     404      404  404   200
POST   /uploads/{id}/complete             malformed 401  401   401     401     404      404  404   404
POST   /uploads/{id}/cancel               exists    401  401   401     401     404      200  200   200
POST   /uploads/{id}/cancel               deleted   -- nobody deletes an upload: it is cancelled, or its time is over
POST   /uploads/{id}/cancel               foreign   401  401   401     401     404      404  404   200
POST   /uploads/{id}/cancel               malformed 401  401   401     401     404      404  404   404
POST   {place}/batchPredictionJobs        -         401  401   401     401     200      200  200   200
GET    {place}/batchPredictionJobs        -         401  401   401     401     200      200  200   200
POST   {place}/batchPredictionJobs/{id}:cancel exists    401  401   401     401     404      200  200   200
POST   {place}/batchPredictionJobs/{id}:cancel deleted   401  401   401     401     404      404  404   404
POST   {place}/batchPredictionJobs/{id}:cancel foreign   401  401   401     401     404      404  404   200
POST   {place}/batchPredictionJobs/{id}:cancel malformed 401  401   401     401     404      404  404   404
GET    {place}/batchPredictionJobs/{id}   exists    401  401   401     401     404      200  200   200
GET    {place}/batchPredictionJobs/{id}   deleted   401  401   401     401     404      404  404   404
GET    {place}/batchPredictionJobs/{id}   foreign   401  401   401     401     404      404  404   200
GET    {place}/batchPredictionJobs/{id}   malformed 401  401   401     401     404      404  404   404
DELETE {place}/batchPredictionJobs/{id}   exists    401  401   401     401     404      400  400   400
DELETE {place}/batchPredictionJobs/{id}   deleted   401  401   401     401     404      404  404   404
DELETE {place}/batchPredictionJobs/{id}   foreign   401  401   401     401     404      404  404   400
DELETE {place}/batchPredictionJobs/{id}   malformed 401  401   401     401     404      404  404   404
POST   /batchPredictionJobs               -         401  401   401     401     200      200  200   200
GET    /batchPredictionJobs               -         401  401   401     401     200      200  200   200
POST   /batchPredictionJobs/{id}:cancel   exists    401  401   401     401     404      200  200   200
POST   /batchPredictionJobs/{id}:cancel   deleted   401  401   401     401     404      404  404   404
POST   /batchPredictionJobs/{id}:cancel   foreign   401  401   401     401     404      404  404   200
POST   /batchPredictionJobs/{id}:cancel   malformed 401  401   401     401     404      404  404   404
GET    /batchPredictionJobs/{id}          exists    401  401   401     401     404      200  200   200
GET    /batchPredictionJobs/{id}          deleted   401  401   401     401     404      404  404   404
GET    /batchPredictionJobs/{id}          foreign   401  401   401     401     404      404  404   200
GET    /batchPredictionJobs/{id}          malformed 401  401   401     401     404      404  404   404
DELETE /batchPredictionJobs/{id}          exists    401  401   401     401     404      400  400   400
DELETE /batchPredictionJobs/{id}          deleted   401  401   401     401     404      404  404   404
DELETE /batchPredictionJobs/{id}          foreign   401  401   401     401     404      404  404   400
DELETE /batchPredictionJobs/{id}          malformed 401  401   401     401     404      404  404   404
GET    /jobs/{id}/cost                    exists    401  401   401     401     404      200  200   200
GET    /jobs/{id}/cost                    deleted   401  401   401     401     404      404  404   404
GET    /jobs/{id}/cost                    foreign   401  401   401     401     404      404  404   200
GET    /jobs/{id}/cost                    malformed 401  401   401     401     404      404  404   404
GET    /health/liveliness                 -         200  200   200     200     200      200  200   200
GET    /health/liveness                   -         200  200   200     200     200      200  200   200
GET    /health/readiness                  -         200  200   200     200     200      200  200   200
POST   /batches                           -         401  401   401     401     200      200  200   200
GET    /batches                           -         401  401   401     401     200      200  200   200
POST   /batches/{id}/cancel               exists    401  401   401     401     404      200  200   200
POST   /batches/{id}/cancel               deleted   -- nobody deletes a batch
POST   /batches/{id}/cancel               foreign   401  401   401     401     404      404  404   200
POST   /batches/{id}/cancel               malformed 401  401   401     401     404      404  404   404
GET    /batches/{id}                      exists    401  401   401     401     404      200  200   200
GET    /batches/{id}                      deleted   -- nobody deletes a batch
GET    /batches/{id}                      foreign   401  401   401     401     404      404  404   200
GET    /batches/{id}                      malformed 401  401   401     401     404      404  404   404
GET    /openapi.json                      -         200  200   200     200     200      200  200   200
GET    /models                            -         401  401   401     401     200      200  200   200
GET    /models/{model}                    exists    401  401   401     401     200      200  200   200
GET    /models/{model}                    deleted   -- models come from the configuration
GET    /models/{model}                    foreign   401  401   401     401     404      404  404   200
GET    /models/{model}                    malformed 401  401   401     401     404      404  404   404
DELETE /models/{model}                    exists    401  401   401     401     200      200  200   200
DELETE /models/{model}                    deleted   -- models come from the configuration
DELETE /models/{model}                    foreign   401  401   401     401     404      404  404   200
DELETE /models/{model}                    malformed 401  401   401     401     404      404  404   404
GET    /model_group/info                  -         401  401   401     401     200      200  200   200
GET    /model/info                        -         401  401   401     401     200      200  200   200
POST   /key/generate                      -         401  401   401     401     403      403  403   200
POST   /key/service-account/generate      exists    401  401   401     401     403      403  403   200
POST   /key/service-account/generate      deleted   401  401   401     401     403      403  403   400
POST   /key/service-account/generate      foreign   401  401   401     401     403      403  403   200
POST   /key/service-account/generate      malformed 401  401   401     401     403      403  403   400
GET    /key/info                          exists    401  401   401     401     404      404  200   200
GET    /key/info                          deleted   401  401   401     401     404      404  404   404
GET    /key/info                          foreign   401  401   401     401     404      404  404   200
GET    /key/info                          malformed 401  401   401     401     404      404  404   404
GET    /key/list                          -         401  401   401     401     200      200  200   200
POST   /key/update                        exists    401  401   401     401     403      403  403   200
POST   /key/update                        deleted   401  401   401     401     403      403  403   404
POST   /key/update                        foreign   401  401   401     401     403      403  403   200
POST   /key/update                        malformed 401  401   401     401     403      403  403   404
POST   /key/delete                        exists    401  401   401     401     403      403  403   200
POST   /key/delete                        deleted   401  401   401     401     403      403  403   404
POST   /key/delete                        foreign   401  401   401     401     403      403  403   200
POST   /key/delete                        malformed 401  401   401     401     403      403  403   404
POST   /key/block                         exists    401  401   401     401     403      403  403   200
POST   /key/block                         deleted   401  401   401     401     403      403  403   404
POST   /key/block                         foreign   401  401   401     401     403      403  403   200
POST   /key/block                         malformed 401  401   401     401     403      403  403   404
POST   /key/unblock                       exists    401  401   401     401     403      403  403   200
POST   /key/unblock                       deleted   401  401   401     401     403      403  403   404
POST   /key/unblock                       foreign   401  401   401     401     403      403  403   200
POST   /key/unblock                       malformed 401  401   401     401     403      403  403   404
POST   /key/regenerate                    exists    401  401   401     401     403      403  403   200
POST   /key/regenerate                    deleted   401  401   401     401     403      403  403   404
POST   /key/regenerate                    foreign   401  401   401     401     403      403  403   200
POST   /key/regenerate                    malformed 401  401   401     401     403      403  403   404
POST   /key/{key}/regenerate              exists    401  401   401     401     403      403  403   200
POST   /key/{key}/regenerate              deleted   401  401   401     401     403      403  403   404
POST   /key/{key}/regenerate              foreign   401  401   401     401     403      403  403   200
POST   /key/{key}/regenerate              malformed 401  401   401     401     403      403  403   404
POST   /key/{key}/reset_spend             exists    401  401   401     401     403      403  403   200
POST   /key/{key}/reset_spend             deleted   401  401   401     401     403      403  403   404
POST   /key/{key}/reset_spend             foreign   401  401   401     401     403      403  403   200
POST   /key/{key}/reset_spend             malformed 401  401   401     401     403      403  403   404
POST   /team/new                          -         401  401   401     401     403      403  403   200
GET    /team/info                         exists    401  401   401     401     404      200  200   200
GET    /team/info                         deleted   401  401   401     401     404      404  404   404
GET    /team/info                         foreign   401  401   401     401     404      404  404   200
GET    /team/info                         malformed 401  401   401     401     404      404  404   404
GET    /team/list                         -         401  401   401     401     200      200  200   200
GET    /team/available                    -         401  401   401     401     200      200  200   200
GET    /v2/team/list                      -         401  401   401     401     200      200  200   200
POST   /team/update                       exists    401  401   401     401     403      403  403   200
POST   /team/update                       deleted   401  401   401     401     403      403  403   404
POST   /team/update                       foreign   401  401   401     401     403      403  403   200
POST   /team/update                       malformed 401  401   401     401     403      403  403   404
POST   /team/delete                       exists    401  401   401     401     403      403  403   200
POST   /team/delete                       deleted   401  401   401     401     403      403  403   404
POST   /team/delete                       foreign   401  401   401     401     403      403  403   200
POST   /team/delete                       malformed 401  401   401     401     403      403  403   404
POST   /team/member_add                   exists    401  401   401     401     403      403  403   200
POST   /team/member_add                   deleted   401  401   401     401     403      403  403   404
POST   /team/member_add                   foreign   401  401   401     401     403      403  403   200
POST   /team/member_add                   malformed 401  401   401     401     403      403  403   404
POST   /team/member_update                exists    401  401   401     401     403      403  403   200
POST   /team/member_update                deleted   401  401   401     401     403      403  403   404
POST   /team/member_update                foreign   401  401   401     401     403      403  403   400
POST   /team/member_update                malformed 401  401   401     401     403      403  403   404
POST   /team/member_delete                exists    401  401   401     401     403      403  403   200
POST   /team/member_delete                deleted   401  401   401     401     403      403  403   404
POST   /team/member_delete                foreign   401  401   401     401     403      403  403   400
POST   /team/member_delete                malformed 401  401   401     401     403      403  403   404
POST   /team/block                        exists    401  401   401     401     403      403  403   200
POST   /team/block                        deleted   401  401   401     401     403      403  403   404
POST   /team/block                        foreign   401  401   401     401     403      403  403   200
POST   /team/block                        malformed 401  401   401     401     403      403  403   404
POST   /team/unblock                      exists    401  401   401     401     403      403  403   200
POST   /team/unblock                      deleted   401  401   401     401     403      403  403   404
POST   /team/unblock                      foreign   401  401   401     401     403      403  403   200
POST   /team/unblock                      malformed 401  401   401     401     403      403  403   404
POST   /user/new                          -         401  401   401     401     403      403  403   200
GET    /user/info                         exists    401  401   401     401     404      404  200   200
GET    /user/info                         deleted   401  401   401     401     404      404  404   404
GET    /user/info                         foreign   401  401   401     401     404      404  404   200
GET    /user/info                         malformed 401  401   401     401     404      404  404   404
GET    /v2/user/info                      exists    401  401   401     401     404      404  200   200
GET    /v2/user/info                      deleted   401  401   401     401     404      404  404   404
GET    /v2/user/info                      foreign   401  401   401     401     404      404  404   200
GET    /v2/user/info                      malformed 401  401   401     401     404      404  404   404
GET    /user/list                         -         401  401   401     401     403      403  403   200
POST   /user/update                       exists    401  401   401     401     403      403  403   200
POST   /user/update                       deleted   401  401   401     401     403      403  403   404
POST   /user/update                       foreign   401  401   401     401     403      403  403   200
POST   /user/update                       malformed 401  401   401     401     403      403  403   404
POST   /user/delete                       exists    401  401   401     401     403      403  403   200
POST   /user/delete                       deleted   401  401   401     401     403      403  403   404
POST   /user/delete                       foreign   401  401   401     401     403      403  403   200
POST   /user/delete                       malformed 401  401   401     401     403      403  403   404
GET    /spend/logs                        -         401  401   401     401     200      200  200   200
GET    /spend/logs/v2                     -         401  401   401     401     200      200  200   200
GET    /spend/tags                        -         401  401   401     401     200      200  200   200
POST   /spend/calculate                   -         401  401   401     401     200      200  200   200
GET    /global/spend                      -         401  401   401     401     403      403  403   200
GET    /global/spend/report               -         401  401   401     401     403      403  403   200
GET    /global/spend/logs                 -         401  401   401     401     403      403  403   200
GET    /global/spend/keys                 -         401  401   401     401     403      403  403   200
GET    /global/spend/models               -         401  401   401     401     403      403  403   200
GET    /global/spend/teams                -         401  401   401     401     403      403  403   200
GET    /global/spend/tags                 -         401  401   401     401     403      403  403   200
GET    /user/daily/activity               -         401  401   401     401     200      200  200   200
GET    /team/daily/activity               -         401  401   401     401     200      200  200   200
GET    /tag/daily/activity                -         401  401   401     401     200      200  200   200
GET    /customer/daily/activity           -         401  401   401     401     200      200  200   200
GET    /organization/daily/activity       -         401  401   401     401     200      200  200   200
"""
FORM, FORM_KIND = multipart(("file", b"{}\n", "in.jsonl"), ("purpose", "batch"))
PART, PART_KIND = multipart(("data", b"", "upload"))
CREATE = {"input_file_id": "file-" + "a" * 24, "endpoint": "/v1/embeddings", "completion_window": "24h"}
UPLOAD = {"filename": "f.txt", "purpose": "user_data", "bytes": 0, "mime_type": "m"}
JOB = {
    "displayName": "job",
    "model": MODEL,
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://jobs/in.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://jobs/out"}},
}
JOBS = "/v1/projects/p/locations/us-central1/batchPredictionJobs"
CONFIG = """
model_list:
  - model_name: gemini-2.5-flash
    litellm_params:
      {{model: vertex_ai/gemini-2.5-flash, vertex_project: p, vertex_location: us-central1, api_base: "{url}"}}
  - model_name: team/embeddings
    litellm_params:
      {{model: vertex_ai/gemini-embedding-001, vertex_project: p, vertex_location: us-central1, api_base: "{url}"}}
offpeak: {{passthrough_buckets: [jobs]}}
"""
DAYS = "?start_date=2026-11-01&end_date=2026-11-02"
DELETES: dict[str, tuple[str, str, str | None]] = {
    "file": ("DELETE", "/files/{id}", None),
    "key": ("POST", "/key/delete", "keys"),
    "team": ("POST", "/team/delete", "team_ids"),
    "user": ("POST", "/user/delete", "user_ids"),
}
KEY, TEAM = {"json": {"key": "{id}"}}, {"json": {"team_id": "{id}"}}
MEMBER = {"json": {"team_id": "{id}", "user_id": "owner"}}
# What a route is given beside its path; `{id}` is what the state is of, in a path, a query or a body.
GIVEN: dict[str, dict[str, Any]] = {
    "POST /files": {"data": FORM, "headers": {"content-type": FORM_KIND}},
    "POST /uploads": {"json": UPLOAD},
    "POST /uploads/{id}/parts": {"data": PART, "headers": {"content-type": PART_KIND}},
    "POST /uploads/{id}/complete": {"json": {"part_ids": []}},
    "POST /batches": {"json": CREATE},
    "POST /spend/calculate": {"json": {"model": MODEL, "messages": []}},
    "POST /projects/{project}/locations/{location}/batchPredictionJobs": {"json": JOB},
    "POST /batchPredictionJobs": {"json": JOB},
    "POST /key/service-account/generate": TEAM,
    "POST /key/update": KEY,
    "POST /key/delete": {"json": {"keys": ["{id}"]}},
    "POST /key/block": KEY,
    "POST /key/unblock": KEY,
    "POST /key/regenerate": KEY,
    "POST /key/{key}/reset_spend": {"json": {"reset_to": 0}},
    "POST /team/update": TEAM,
    "POST /team/delete": {"json": {"team_ids": ["{id}"]}},
    "POST /team/member_add": {"json": {"team_id": "{id}", "member": {"role": "user", "user_id": "somebody"}}},
    "POST /team/member_update": MEMBER,
    "POST /team/member_delete": MEMBER,
    "POST /team/block": TEAM,
    "POST /team/unblock": TEAM,
    "POST /user/update": {"json": {"user_id": "{id}"}},
    "POST /user/delete": {"json": {"user_ids": ["{id}"]}},
}
QUERY = {
    "GET /key/info": "?key={id}",
    "GET /team/info": "?team_id={id}",
    "GET /user/info": "?user_id={id}",
    "GET /v2/user/info": "?user_id={id}",
    **{
        f"GET {path}": DAYS
        for path in (
            *("/spend/logs/v2", "/global/spend/report", "/global/spend/tags"),
            *("/user/daily/activity", "/team/daily/activity", "/tag/daily/activity"),
            *("/customer/daily/activity", "/organization/daily/activity"),
        )
    },
}


def rows() -> list[tuple[str, str, list[int]]]:
    """Route, state of its id, statuses; of a line that makes no sense none: its reason stands there instead."""
    found = []
    for line in filter(None, map(str.strip, TABLE.splitlines())):
        if line.startswith("#"):
            continue
        method, path, state, rest = line.split(maxsplit=3)
        cells = [] if rest.startswith("--") else [int(cell) for cell in rest.split()]
        found.append((f"{method} {path.replace('{place}', PLACE)}", state, cells))
    return found


ROWS = rows()


KINDS = {
    "files": "file",
    "uploads": "upload",
    "batches": "batch",
    "models": "model",
    "projects": "job",
    "batchPredictionJobs": "job",
    "jobs": "job",
}


def named(route: str) -> bool:
    """Whether a request says what it is about."""
    return "{id}" in repr(
        (route.replace("{key}", "{id}").replace("{model}", "{id}"), GIVEN.get(route), QUERY.get(route))
    )


def kind_of(route: str) -> str:
    """What a route's id is of."""
    if "service-account" in route:
        return "team"
    front = route.partition(" ")[2].removeprefix("/v2").split("/")[1]
    return KINDS.get(front, front)


@pytest.fixture(scope="module")
def vertex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a stand-in for Vertex answers, whose jobs do not begin by themselves."""
    with standing_in(tmp_path_factory.mktemp("vertex"), Pace(pending=600.0, running=0.0)) as found:
        yield found.url


@pytest.fixture
def environment(environment: dict[str, str], vertex: str) -> dict[str, str]:
    Path(environment["OFFPEAK_CONFIG"]).write_text(CONFIG.format(url=vertex))
    return environment


@pytest.fixture
def people(api: Api, monkeypatch: pytest.MonkeyPatch) -> People:
    found, send, here = People(api), httpx.Client.send, threading.get_ident()
    (api.folder / "jobs").mkdir(parents=True)
    api.app.objects.write("gs://jobs/in.jsonl", (json.dumps(prompt(1)).encode(),))

    def noted(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        if threading.get_ident() == here:  # what a stack of another test sends from a thread of its own is not ours
            found.calls.append(f"{request.method} {request.url}")
        return send(client, request, **options)

    monkeypatch.setattr(httpx.Client, "send", noted)
    return found


def made(people: People, kind: str, who: str) -> str:
    """A thing of somebody's."""
    api, team = people.as_(who), "one" if who == "owner" else "three"
    made_here: dict[str, Callable[[], str]] = {
        "file": api.upload_file,
        "upload": lambda: api.post("/v1/uploads", json=UPLOAD).json["id"],
        "batch": lambda: api.post("/v1/batches", json=CREATE).json["id"],
        "job": lambda: api.post(JOBS, json=JOB).json["name"].rpartition("/")[2],
        "model": lambda: MODEL if who == "owner" else "team/embeddings",  # which no key but the admin's may use
        "key": lambda: people.add_key(f"{who}-{uuid4().hex}", user=who, team=team),
        "team": lambda: team,
        "user": lambda: who,
    }
    return made_here[kind]()


def id_in(people: People, kind: str, state: str) -> str:
    """An id in that state; what is gone was there a moment before."""
    match state:
        case "exists":
            return made(people, kind, "owner")
        case "foreign":
            return made(people, kind, "other")
        case "deleted":
            return deleted(people, kind)
        case _:
            return "no such id!"


def deleted(people: People, kind: str) -> str:
    """The id of what is gone."""
    if kind in {"team", "user"}:  # not one that somebody here is of: their keys would be gone with it
        id = f"{kind}-{uuid4().hex}"
        assert people.as_("admin").post(f"/{kind}/new", json={f"{kind}_id": id}).status_code == 200
    else:
        id = made(people, kind, "owner")
    if kind == "job":  # Vertex deletes only what is over
        [job] = people.app.documents.query(JOBS_BY_NUMBER, id)
        people.put(replace(job, state="JOB_STATE_CANCELLED", ended=True, deleted=True))
        return id
    method, path, body = DELETES[kind]
    answer = people.as_("admin").call(method, path.format(id=id), json=body and {body: [id]})
    assert answer.status_code == 200, answer.text
    return id


def filled(given: dict[str, Any], id: str) -> dict[str, Any]:
    return {
        name: json.loads(json.dumps(value).replace("{id}", id)) if name == "json" else value
        for name, value in given.items()
    }


def asked(api: Api, route: str, id: str = "", **more: Any) -> Answer:
    method, _, path = route.partition(" ")
    path = path.replace("{project}", "p").replace("{location}", "us-central1")
    target = re.sub(
        r"\{\w+\}", lambda _: id, f"/{'vertex_ai' if path.startswith('/batchP') else 'v1'}{path}{QUERY.get(route, '')}"
    )
    given = filled(GIVEN.get(route, {}), id)
    answer = api.call(method, target, **given, **more)
    assert answer.data is not None  # read to its end
    return answer


def test_every_route_has_its_lines_and_nothing_else_has() -> None:
    routes = {f"{each.method} {each.path}" for each in routes_of("api")}
    assert {route for route, _, _ in ROWS} == routes
    for route in routes:
        states = [state for name, state, _ in ROWS if name == route]
        assert states == (list(STATES) if named(route) else ["-"]), route
    assert all(len(cells) in {0, len(COLUMNS)} for _, _, cells in ROWS)


@pytest.mark.parametrize(("route", "state", "cells"), [row for row in ROWS if row[2]], ids=lambda each: str(each)[:60])
def test_each_cell(people: People, route: str, state: str, cells: list[int]) -> None:
    """And whoever is refused, or sees nothing, has changed nothing."""
    answered = []
    for who in COLUMNS:
        id = "" if state == "-" else id_in(people, kind_of(route), state)
        before = people.everything()
        answer = asked(people.as_(who), route, id)
        answered.append(answer.status_code)
        if answer.status_code in {401, 403, 404}:
            assert people.everything() == before, who
    assert answered == cells


NAMED = sorted({route for route, state, _ in ROWS if state == "foreign"})
OF_FILES = [route for route in NAMED if kind_of(route) == "file"]
STORED = [route for route in NAMED if kind_of(route) in {"file", "upload", "batch"}]


def never(kind: str) -> str:
    """An id that nobody ever had."""
    mints: dict[str, Callable[[], str]] = {
        "file": new_file_id,
        "upload": new_upload_id,
        "batch": new_batch_id,
        "key": mint,
        "model": lambda: "team/none",
    }
    return mints.get(kind, lambda: uuid4().hex)()


def told(answer: Answer, id: str) -> tuple[int, bytes, dict[str, str]]:
    """Everything that an answer tells, but for the id that was asked about, and which request it was."""
    passed_over = {"x-request-id", "x-litellm-call-id", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in passed_over}
    return answer.status_code, answer.data.replace(id.encode(), b"ID"), headers


@pytest.mark.parametrize("who", ["stranger", "mate", "owner"])
@pytest.mark.parametrize("route", NAMED)
def test_what_is_somebody_elses_answers_as_what_never_was(people: People, route: str, who: str) -> None:
    """To the last byte; and no document, no object and no provider is touched by it."""
    kind = kind_of(route)
    theirs, unknown = made(people, kind, "other"), never(kind)
    before = people.everything()

    foreign = asked(people.as_(who), route, theirs)
    nobodys = asked(people.as_(who), route, unknown)

    assert foreign.status_code in {403, 404}
    assert told(foreign, theirs) == told(nobodys, unknown)
    assert people.everything() == before


def spellings(id: str) -> list[str]:
    """How else an id may be written; in a path the server itself decodes once."""
    return [
        id.upper(),
        f" {id}",
        f"{id} ",
        f"{id}%00",
        f"{id}%2500",
        f"{id}%0a",
        f"..%2f{id}",
        f"%2e%2e%2f{id}",
        f"{id}/../{id}",
        f"{id}%252fcontent",
        "x" * 4096,
        id * 200,
        "%ff%fe",
        "%25252525",
        f"gs://{WORK}/files/{id}",
        f"gs%3A%2F%2Felsewhere%2Ffiles%2F{id}",
        f"gs%253A%252F%252Fwork%252Fout%252F{id}",
        "gs://",
    ]


@pytest.mark.parametrize("route", STORED)
def test_what_only_looks_like_an_id_is_none(people: People, route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its owner finds it so, and no object is looked at."""
    id = made(people, kind_of(route), "owner")
    before = people.everything()
    looked: list[str] = []
    for name in ("open", "stat", "write", "delete", "compose", "list"):
        monkeypatch.setattr(people.app.objects, name, lambda each, *_, **__: looked.append(each))

    for spelling in spellings(id):
        for who in ("owner", "stranger"):
            answer = asked(people.as_(who), route, spelling)
            assert answer.status_code in {404, 405}, (spelling, answer.text)

    assert looked == []
    assert people.everything() == before


def once(text: str) -> str:
    return quote(text, safe="")


def twice(text: str) -> str:
    return once(once(text))


@pytest.mark.parametrize("route", OF_FILES)
@pytest.mark.parametrize("encode", [str, once, twice])
@pytest.mark.parametrize("form", ["{}", "gs://data/files/{}"])
def test_all_spellings_of_a_file_are_judged_as_one(
    people: People, route: str, encode: Callable[[str], str], form: str
) -> None:
    """Clients of LiteLLM call a file by its object, encoded once, twice or not at all."""
    theirs = made(people, "file", "owner")
    unknown = never("file")
    spelled, nobodys = encode(form.format(theirs)), encode(form.format(unknown))
    before = people.everything()

    foreign, absent = asked(people.as_("stranger"), route, spelled), asked(people.as_("stranger"), route, nobodys)

    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert told(foreign, theirs) == told(absent, unknown)
    assert people.everything() == before
    assert asked(people.as_("owner"), route, spelled).status_code == 200


@pytest.mark.parametrize("route", STORED)
@pytest.mark.parametrize("own", ["key", "configuration"])
def test_where_everybody_sees_their_own_alone_a_team_mate_is_a_stranger(people: People, route: str, own: str) -> None:
    kind = kind_of(route)
    theirs, unknown = made(people, kind, "owner"), never(kind)
    if own == "key":
        people.change(replace(people.records["mate"], visibility="own"))
    else:
        own_alone = people.app.config.model_copy(update={"visibility": "own"})
        object.__setattr__(people.app, "config", own_alone)

    foreign, nobodys = asked(people.as_("mate"), route, theirs), asked(people.as_("mate"), route, unknown)

    assert foreign.status_code == 404
    assert told(foreign, theirs) == told(nobodys, unknown)
    assert asked(people.as_("owner"), route, theirs).status_code == 200
