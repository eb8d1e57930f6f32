"""What else one could try with somebody's ids, and with keys: beside the matrix, which holds every single request."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from functions.routes import routes_of
from shared.domain.batch import Batch
from shared.domain.clock import SECOND
from shared.domain.files import File
from shared.domain.ids import new_batch_id, new_file_id
from tests.functions.conftest import Api
from tests.functions.people import MODEL, People, bearer
from tests.functions.test_matrix import told
from tests.functions.wire import multipart

BATCH = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
SEALED = {"/health/liveliness", "/health/liveness", "/health/readiness", "/openapi.json"}


@pytest.fixture
def people(api: Api) -> People:
    return People(api)


def made_by(people: People, who: str) -> dict[str, str]:
    """A file and a batch on it."""
    api = people.as_(who)
    api.clock.pass_by(SECOND)
    file = api.upload_file()
    return {"file": file, "batch": str(api.post("/v1/batches", json={"input_file_id": file, **BATCH}).json["id"])}


@pytest.mark.parametrize("path", ["/v1/files", "/v1/files?purpose=batch", "/v1/files?order=asc", "/v1/batches"])
def test_a_list_neither_shows_nor_counts_what_is_somebody_elses(people: People, path: str) -> None:
    """Whatever it is asked for; and a cursor of others is one that never was."""
    kind, never = ("batch", new_batch_id()) if "batches" in path else ("file", new_file_id())
    made = {who: [made_by(people, who)[kind] for _ in range(3)] for who in ("owner", "stranger", "other")}
    query = path + ("&" if "?" in path else "?")

    for who, mate in (("owner", "mate"), ("stranger", "other")):
        for limit in (1, 2, 3, 4, 100):
            page = people.as_(who).get(f"{query}limit={limit}").json
            assert [each["id"] for each in page["data"]] == sorted_as(path, made[who])[:limit]
            assert page["has_more"] is (limit < 3)
        other = made["other" if who == "owner" else "owner"][0]
        foreign, unknown = people.as_(who).get(f"{query}after={other}"), people.as_(who).get(f"{query}after={never}")
        assert foreign.status_code == 404
        assert told(foreign, other) == told(unknown, never)
        shown = [each["id"] for each in people.as_(mate).get(path).json["data"]]
        assert shown == sorted_as(path, made[who] if mate == "mate" else made["other"])
    assert len(people.as_("admin").get(path).json["data"]) == 9


@pytest.mark.parametrize("id", ["__main__", "____"])
def test_an_id_that_no_database_would_take_is_one_that_never_was(people: People, id: str) -> None:
    api = people.as_("owner")
    for path in ("/v1/files/", "/v1/batches/", "/v1/jobs/"):
        assert api.get(f"{path}{id}{'/cost' if 'jobs' in path else ''}").status_code == 404
    assert api.post("/v1/uploads/" + id + "/cancel").status_code == 404
    made = api.post("/v1/batches", json={"input_file_id": id, **BATCH})
    assert (made.status_code, made.json["input_file_id"]) == (200, id)


def sorted_as(path: str, made: list[str]) -> list[str]:
    return made if "order=asc" in path else made[::-1]


@pytest.mark.parametrize("limit", ["0", "-1", "1e9", "NaN", "", "1000000000", "٣"])
def test_a_limit_that_is_none_is_refused(people: People, limit: str) -> None:
    for path in ("/v1/files", "/v1/batches"):
        assert people.as_("owner").get(path, query_string={"limit": limit}).status_code == 400


@pytest.mark.parametrize("form", ["{}", " {}", "gs://data/files/{}", "gs%3A%2F%2Fdata%2Ffiles%2F{}", "gs://data/{}"])
def test_a_batch_on_somebody_elses_file_is_one_on_no_file(people: People, form: str) -> None:
    """Both are made, as at OpenAI, and fail; of neither is an object opened."""
    theirs, never = made_by(people, "owner")["file"], new_file_id()
    made = [
        people.as_("stranger").post("/v1/batches", json={"input_file_id": form.format(file), **BATCH})
        for file in (theirs, never)
    ]

    answers = [
        (each.status_code, {**each.json, "id": "ID", "input_file_id": each.json["input_file_id"].replace(file, "FILE")})
        for each, file in zip(made, (theirs, never), strict=True)
    ]
    assert answers[0] == answers[1]
    stored = [people.app.documents.get(Batch, each.json["id"]) for each in made]
    assert [each and each.input_object for each in stored] == [None, None]


def test_an_idempotency_key_is_the_callers_own(people: People) -> None:
    body = {"input_file_id": "file-x", **BATCH}
    headers = {"Idempotency-Key": "k", "x-stainless-retry-count": "1"}
    ids = [
        people.as_(who).post("/v1/batches", json=body, headers=headers).json["id"]
        for who, _ in itertools.product(("owner", "stranger"), range(2))
    ]
    assert len(set(ids)) == 2


CLAIMS: dict[str, Any] = {
    "id": "batch_" + "0" * 32,
    "status": "completed",
    "owner": "user:stranger",
    "user": "stranger",
    "user_id": "stranger",
    "team": "two",
    "team_id": "two",
    "created_at": 1,
    "output_file_id": "file-" + "a" * 24,
    "usage": {"input_tokens": 1},
    "cost": {"total": "0"},
    "deployment": "d",
    "api_base": "http://127.0.0.1:1",
    "payers": [],
}


def test_what_a_body_says_of_whose_it_is_changes_nothing(people: People) -> None:
    api = people.as_("owner")
    made = api.post("/v1/batches", json={**CLAIMS, "input_file_id": "file-x", **BATCH})
    form, kind = multipart(
        *((name, str(value)) for name, value in CLAIMS.items()), ("purpose", "batch"), ("file", b"{}\n", "in.jsonl")
    )
    file = api.post("/v1/files", data=form, headers={"content-type": kind})

    assert (made.status_code, file.status_code) == (200, 200)
    batch, stored = people.app.documents.get(Batch, made.json["id"]), people.app.documents.get(File, file.json["id"])
    assert batch is not None
    assert stored is not None
    for record in (batch, stored):
        assert (record.owner, record.team) == ("user:owner", "one")
        assert record.id != CLAIMS["id"]
    assert (batch.status, batch.output_file_id, batch.payers[0]) == (
        "validating",
        None,
        people.records["owner"].key_id,
    )
    assert people.as_("stranger").get(f"/v1/batches/{made.json['id']}").status_code == 404


def test_of_two_keys_one_counts_and_it_is_always_the_same(people: People) -> None:
    """In the order of LiteLLM's `get_api_key`: what a proxy in front checked is not another key's."""
    file = made_by(people, "owner")["file"]
    mine, theirs = str(people.keys["stranger"]), str(people.keys["owner"])
    api = people.api
    for headers, status in (
        ({"x-litellm-api-key": mine, **bearer(theirs)}, 404),
        ({"x-litellm-api-key": f"Bearer {mine}", **bearer(theirs), "api-key": theirs}, 404),
        ({"x-litellm-api-key": theirs, **bearer(mine)}, 200),
        ({**bearer(mine), "api-key": theirs}, 404),
        ({**bearer(mine), "x-api-key": theirs}, 404),
        ({"api-key": mine, "x-api-key": theirs}, 404),
        ({"x-api-key": mine, "x-goog-api-key": theirs}, 404),
        ({"x-goog-api-key": mine, "ocp-apim-subscription-key": theirs}, 404),
        ({"ocp-apim-subscription-key": theirs}, 200),
        ({"api-key": theirs}, 200),
        ({"authorization": f"Basic {theirs}", "api-key": theirs}, 401),
    ):
        api.headers = headers
        assert api.get(f"/v1/files/{file}").status_code == status, headers
    api.headers = {}
    for query in (f"?api_key={theirs}", f"?key={theirs}", f"?access_token={theirs}"):
        assert api.get(f"/v1/files/{file}{query}").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key + "\x00",
        lambda key: "\x00" + key,
        lambda key: key[:-1],
        lambda key: key + key[-1],
        lambda key: key.upper(),
        lambda key: key.replace("sk-", "SK-"),
        lambda key: f"{key},{key}",
        lambda key: f"{key} {key}",
        lambda key: key + "\xff",
        lambda key: "sk-" + key,
        lambda _: "x" * 2**16,
        lambda _: "٣" * 8,
        lambda _: "",
    ],
)
def test_what_is_almost_a_key_is_none(people: People, change: Callable[[str], str]) -> None:
    wrong = change(str(people.keys["owner"])).encode("utf-8").decode("latin-1")
    for headers in ({"authorization": f"Bearer {wrong}"}, {"api-key": wrong}):
        people.api.headers = headers
        answer = people.api.get("/v1/files")
        assert answer.status_code == 401
        assert answer.json["error"]["code"] == "invalid_api_key"


def test_space_around_a_key_is_no_part_of_it(people: People) -> None:
    people.api.headers = {"authorization": f"Bearer  {people.keys['owner']}  "}
    assert people.api.get("/v1/files").status_code == 200


def test_who_tries_for_somebody_elses_key_user_or_team_is_on_record(
    people: People, facts: Callable[[], list[dict[str, Any]]]
) -> None:
    theirs, never = people.records["owner"], "f" * 64
    people.as_("stranger")
    for path, foreign, unknown, id in (
        ("/key/info?key=", theirs.id, never, theirs.key_id),
        ("/key/info?key=", theirs.key_id, "key-" + "7" * 24, theirs.key_id),
        ("/key/info?key=", str(people.keys["owner"]), "sk-nobody-has-this-one", theirs.key_id),
        ("/user/info?user_id=", "owner", "nobody", "owner"),
        ("/team/info?team_id=", "one", "none", "one"),
        ("/team/daily/activity?start_date=2026-01-01&end_date=2026-01-02&team_ids=", "one", "none", "one"),
    ):
        facts()
        assert people.api.get(path + foreign).status_code == 404
        tries = [each for each in facts() if each.get("audit")]
        assert [(each["message"], each["not_theirs"], each["key_id"]) for each in tries] == [
            ("refused", id, people.records["stranger"].key_id)
        ]
        assert people.api.get(path + unknown).status_code == 404
        assert [each for each in facts() if each.get("audit")] == []


def reached(people: People) -> dict[str, int]:
    """What a key is answered at each route: 403 where it is not for such requests at all."""
    found = {}
    for each in routes_of("api"):
        path = each.path.replace("{project}", "p").replace("{location}", "l")
        path = path.replace("{id}", "x").replace("{key}", "x").replace("{model}", "x")
        front = "/vertex_ai" if path.startswith("/batchPredictionJobs") else "/v1"
        answer = people.api.call(each.method, front + path)
        refused = answer.status_code == 403 and "This key" in answer.text and "bucket" not in answer.text
        found[f"{each.method} {each.path}"] = 403 if refused else answer.status_code
    return found


def test_a_key_that_may_read_changes_nothing_anywhere(people: People) -> None:
    people.change(replace(people.records["owner"], key_type="read_only"))
    people.as_("owner")
    before = people.everything()

    for route, status in reached(people).items():
        if not route.startswith("GET "):
            assert status == 403, route

    assert people.everything() == before
    assert people.as_("owner").get("/v1/files").status_code == 200


OF_BATCHES = {"/batches/{id}", "/batches/{id}/cancel"}


@pytest.mark.parametrize(
    ("allowed", "open_to"),
    [
        (("/v1/files",), {"/files", "/files/{id}", "/files/{id}/content"}),
        (("/files/", "/v1/batches/*"), {"/files", "/files/{id}", "/files/{id}/content", *OF_BATCHES}),
        (("/v1/files*",), {"/files", "/files/{id}", "/files/{id}/content"}),
        (("/file",), set()),
        (("/nothing",), set()),
        (("spend_tracking_routes",), {each.path for each in routes_of("api") if each.path.startswith("/spend/")}),
        (("",), set()),
        (("/",), set()),
    ],
)
def test_a_key_for_some_routes_is_for_no_others(people: People, allowed: tuple[str, ...], open_to: set[str]) -> None:
    """Nor for those without `/v1`, or with a provider in front."""
    people.change(replace(people.records["owner"], allowed_routes=allowed))
    people.as_("owner")

    for route, status in reached(people).items():
        path = route.partition(" ")[2]
        if path not in SEALED:
            assert (status != 403) is (path in open_to), route
    for path in ("/models", "/openai/v1/models", "//v1//models", "/v1/models/", "/V1/models"):
        assert people.api.get(path, follow_redirects=True).status_code in {403, 404}, path


def test_a_key_for_information_changes_nothing(people: People) -> None:
    people.change(replace(people.records["owner"], allowed_routes=("info_routes",)))
    people.as_("owner")

    for route, status in reached(people).items():
        method, _, path = route.partition(" ")
        if path not in SEALED and (method != "GET" or path.startswith(("/files", "/batches"))):
            assert status == 403, route
    assert people.api.get("/model/info").status_code == people.api.get("/key/info").status_code == 200


def test_a_kind_of_key_and_its_routes_both_hold(people: People) -> None:
    people.change(replace(people.records["owner"], key_type="llm_api", allowed_routes=("/key/*", "/v1/files")))
    people.as_("owner")

    assert people.api.get("/key/info").status_code == people.api.get("/v1/batches").status_code == 403
    assert people.api.get("/v1/files").status_code == 200


@pytest.mark.parametrize(("kind", "manages"), [("llm_api", False), ("management", True)])
def test_a_key_of_one_kind_is_not_for_what_the_other_is_for(people: People, kind: str, *, manages: bool) -> None:
    people.change(replace(people.records["owner"], key_type=kind))
    people.as_("owner")
    managing = {f"{each.method} {each.path}": each.manages for each in routes_of("api") if each.path not in SEALED}

    found = reached(people)

    for route, about in managing.items():
        if about is not manages:
            assert found[route] == 403, route
    assert found["GET /key/info" if manages else "GET /files"] in {200, 404}


def test_models_are_those_of_the_key(people: People) -> None:
    assert [each["id"] for each in people.as_("owner").get("/v1/models").json["data"]] == [MODEL]
    assert people.as_("owner").get("/v1/models/team/embeddings").status_code == 404
