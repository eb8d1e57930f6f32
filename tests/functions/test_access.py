"""Two owners and everything that one of them could try with the other's ids."""

import itertools
from typing import Any

import pytest
from flask import Request

from functions.routes import ALL
from shared.domain.access import ADMIN, Caller
from shared.domain.batch import Batch
from shared.domain.clock import SECOND
from shared.domain.files import File, Upload
from tests.functions.conftest import Answer, Api
from tests.functions.wire import envelope, multipart

CALLERS = {
    "a": Caller(owner="a", team="one"),
    "b": Caller(owner="b", team="two"),
    "mate": Caller(owner="mate", team="one"),
    "loner": Caller(owner="loner"),
    "admin": ADMIN,
}
FORM, FORM_KIND = multipart(("data", b"{}\n", "upload"))
# Route, what it is given, and whose the thing is that its path names.
OPERATIONS: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("GET", "/files/{id}"): ("file", {}),
    ("GET", "/files/{id}/content"): ("file", {}),
    ("DELETE", "/files/{id}"): ("file", {}),
    ("POST", "/uploads/{id}/parts"): ("upload", {"data": FORM, "headers": {"content-type": FORM_KIND}}),
    ("POST", "/uploads/{id}/complete"): ("upload", {"json": {"part_ids": []}}),
    ("POST", "/uploads/{id}/cancel"): ("upload", {}),
    ("GET", "/batches/{id}"): ("batch", {}),
    ("POST", "/batches/{id}/cancel"): ("batch", {}),
}
KINDS = {"file": File, "upload": Upload, "batch": Batch}
UNKNOWN = {"file": "file-" + "a" * 24, "upload": "upload_" + "0" * 32, "batch": "batch_" + "0" * 32}


@pytest.fixture
def many(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    def by_name(request: Request, _: str) -> Caller:
        return CALLERS[request.headers["x-caller"]]

    monkeypatch.setattr("functions.http.authenticate", by_name)
    return api


def made_by(api: Api, who: str) -> dict[str, str]:
    api.headers = {"x-caller": who}
    api.clock.pass_by(SECOND)
    file = api.upload_file()
    upload = api.post("/v1/uploads", json={"filename": "f.jsonl", "purpose": "batch", "bytes": 3, "mime_type": "m"})
    batch = api.post(
        "/v1/batches", json={"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
    )
    return {"file": file, "upload": upload.json["id"], "batch": batch.json["id"]}


def told(answer: Answer, id: str) -> tuple[Any, ...]:
    """Everything that an answer tells, but for the id that was asked about."""
    headers = {
        name: value for name, value in answer.headers.items() if name not in {"x-request-id", "x-litellm-call-id"}
    }
    return answer.status_code, envelope(answer.data.replace(id.encode(), b"ID")), headers | {"content-length": ""}


def test_every_route_that_takes_an_id_is_in_the_matrix() -> None:
    assert set(OPERATIONS) == {(each.method, each.path) for each in ALL if "{id}" in each.path}


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
@pytest.mark.parametrize("who", ["b", "loner"])
def test_what_is_somebody_elses_is_unknown(many: Api, operation: tuple[str, str], who: str) -> None:
    """In status, words and headers; and nothing happens to it."""
    theirs = made_by(many, "a")
    mine = made_by(many, who)
    method, path = operation
    kind, given = OPERATIONS[operation]
    before = many.app.documents.get(KINDS[kind], theirs[kind]), many.stored()

    for id in (theirs[kind], theirs[kind].replace("-", "%2D").replace("_", "%255F")):
        foreign = many.call(method, "/v1" + path.replace("{id}", id), **given)
        assert foreign.status_code == 404
    unknown = many.call(method, "/v1" + path.replace("{id}", UNKNOWN[kind]), **given)
    foreign = many.call(method, "/v1" + path.replace("{id}", theirs[kind]), **given)

    assert told(foreign, theirs[kind]) == told(unknown, UNKNOWN[kind])
    assert (many.app.documents.get(KINDS[kind], theirs[kind]), many.stored()) == before
    assert many.call(method, "/v1" + path.replace("{id}", mine[kind]), **given).status_code in {200, 400}


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
@pytest.mark.parametrize("who", ["a", "mate", "admin"])
def test_owner_team_and_admin_may(many: Api, operation: tuple[str, str], who: str) -> None:
    theirs = made_by(many, "a")
    many.headers = {"x-caller": who}
    method, path = operation
    kind, given = OPERATIONS[operation]

    assert many.call(method, "/v1" + path.replace("{id}", theirs[kind]), **given).status_code in {200, 400}


@pytest.mark.parametrize("path", ["/v1/files", "/v1/files?purpose=batch", "/v1/batches"])
def test_a_list_shows_the_callers_own(many: Api, path: str) -> None:
    kind = "batch" if "batches" in path else "file"
    made = {who: [made_by(many, who)[kind] for _ in range(2)] for who in ("a", "b")}
    query = path + ("&" if "?" in path else "?")

    for who in ("a", "b"):
        many.headers = {"x-caller": who}
        assert [each["id"] for each in many.get(path).json["data"]] == made[who][::-1]
        page = many.get(f"{query}limit=1").json
        assert page["has_more"] is True
        other = made["b" if who == "a" else "a"][0]
        foreign, unknown = many.get(f"{query}after={other}"), many.get(f"{query}after={UNKNOWN[kind]}")
        assert foreign.status_code == 404
        assert told(foreign, other) == told(unknown, UNKNOWN[kind])
    many.headers = {"x-caller": "admin"}
    assert len(many.get(path).json["data"]) == 4


def test_a_batch_on_somebody_elses_file_is_one_on_no_file(many: Api) -> None:
    theirs = made_by(many, "a")
    many.headers = {"x-caller": "b"}
    made = [
        many.post("/v1/batches", json={"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"})
        for file in (theirs["file"], UNKNOWN["file"])
    ]

    assert [each.status_code for each in made] == [200, 200]
    stored = [many.app.documents.get(Batch, each.json["id"]) for each in made]
    assert [each and each.input_object for each in stored] == [None, None]


def test_an_idempotency_key_is_the_callers_own(many: Api) -> None:
    body = {"input_file_id": "file-x", "endpoint": "/v1/embeddings", "completion_window": "24h"}
    ids = set()
    for who, _ in itertools.product(("a", "b"), range(2)):
        answer = many.post(
            "/v1/batches", json=body, headers={"x-caller": who, "Idempotency-Key": "k", "x-stainless-retry-count": "1"}
        )
        ids.add(answer.json["id"])
    assert len(ids) == 2


def test_models_are_those_of_the_key(many: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CALLERS, "a", Caller(owner="a", models=(("team/embeddings",),)))
    many.headers = {"x-caller": "a"}

    assert [each["id"] for each in many.get("/v1/models").json["data"]] == ["team/embeddings"]
    assert many.get("/v1/models/gemini-2.5-flash").status_code == 404
