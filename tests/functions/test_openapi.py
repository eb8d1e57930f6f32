"""The description of the routes: all of them, nothing else, and what it says is so."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from functions.openapi.document import TABLES, document, served_path
from functions.openapi.words import Operation
from functions.routes import routes_of
from shared.domain.cost import Cost
from tests.functions.conftest import Answer, Api
from tests.functions.spending import TODAY, YESTERDAY, charge
from tests.functions.wire import KEY, multipart

OPERATIONS: dict[tuple[str, str], Operation] = {key: each for table in TABLES for key, each in table.items()}
DOCUMENT: dict[str, Any] = json.loads(json.dumps(document()))


def closed(schema: Any) -> Any:
    """The schema, with which an object has no keys but those that are named: what is answered is described."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items()}
    named = isinstance(schema.get("properties"), dict) and isinstance(schema.get("type"), str)
    return {"additionalProperties": False, **found} if named else found


CLOSED = closed(DOCUMENT)


def spoken(answer: Answer, method: str, path: str) -> Answer:
    """The answer, which is one of those that the document has for this request."""
    operation = CLOSED["paths"][path][method.lower()]
    response = operation["responses"][str(answer.status_code)]
    if "$ref" in response:
        response = CLOSED["components"]["responses"][response["$ref"].rpartition("/")[2]]
    assert answer.headers["x-request-id"] == answer.headers["x-litellm-call-id"]
    content = response.get("content", {})
    if content:
        assert answer.mimetype in content, answer.mimetype
        if answer.mimetype == "application/json":
            schema = {**content["application/json"]["schema"], "components": CLOSED["components"]}
            jsonschema_rs.validator_for(schema).validate(answer.json)
    return answer


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert set(OPERATIONS) == {(each.method, each.path) for each in routes_of("api")}
    paths = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert paths == {(method, served_path(path)) for method, path in OPERATIONS}
    for each in routes_of("api"):
        operation = OPERATIONS[each.method, each.path]
        assert (operation.open, operation.google) == (each.open, each.google), each.path


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_path_has_the_prefixes_that_the_description_says(api: Api, path: str) -> None:
    """Nobody who asks without a key is told that there is no such path."""
    assert "with `/v1` in front of it and without it" in DOCUMENT["info"]["description"]
    front = "/vertex_ai" if path.startswith("/vertex_ai/") else ""
    bare = path.removeprefix(front).removeprefix("/v1")
    api.headers = {}
    for method, operation in DOCUMENT["paths"][path].items():
        for spelled in (f"{front}{bare}", f"{front}/v1{bare}"):
            answer = api.call(method.upper(), re.sub(r"\{\w+\}", "x", spelled))
            assert answer.status_code == (200 if operation.get("security") == [] else 401), spelled


def test_each_operation_has_an_id_of_its_own() -> None:
    ids = [each.id for each in OPERATIONS.values()]
    assert sorted(ids) == sorted(set(ids))
    links = [link["operationId"] for each in OPERATIONS.values() for link in each.links.values()]
    assert set(links) <= set(ids)


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    for each in objects(DOCUMENT):
        if isinstance(reference := each.get("$ref"), str):
            found: Any = DOCUMENT
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert jsonschema_rs.validator_for({**schema, "components": DOCUMENT["components"]}), name


def test_every_parameter_of_a_path_is_document() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            described_ = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
            assert described_ == re.findall(r"\{(\w+)\}", path)


@pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)
def test_every_example_is_as_the_schema_says(key: tuple[str, str]) -> None:
    for media in (OPERATIONS[key].takes or {}).values():
        if "example" in media:
            schema = {**media["schema"], "components": DOCUMENT["components"]}
            jsonschema_rs.validator_for(schema).validate(media["example"])


def test_it_is_served_to_everybody_and_names_nothing_of_ours(api: Api) -> None:
    api.headers = {}
    answer = spoken(api.get("/openapi.json"), "get", "/openapi.json")
    assert answer.json == DOCUMENT
    ours = ("gs://data", "gs://work", "us-central1", "team/embeddings", "vertex_project", "sqlite", "googleapis.com")
    assert [word for word in (*ours, str(api.folder), KEY) if word in answer.text] == []


def test_what_clients_are_answered_is_as_described(api: Api) -> None:
    body, kind = multipart(("purpose", "batch"), ("file", b"{}\n", "in.jsonl"))
    file = spoken(api.post("/v1/files", data=body, headers={"content-type": kind}), "post", "/v1/files").json["id"]
    spoken(api.get("/v1/files"), "get", "/v1/files")
    spoken(api.get(f"/v1/files/{file}"), "get", "/v1/files/{id}")
    assert spoken(api.get(f"/v1/files/{file}/content"), "get", "/v1/files/{id}/content").data == b"{}\n"
    create = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h", "metadata": {"a": "b"}}
    batch = spoken(api.post("/v1/batches", json=create), "post", "/v1/batches").json["id"]
    spoken(api.get("/v1/batches"), "get", "/v1/batches")
    spoken(api.get(f"/v1/batches/{batch}"), "get", "/v1/batches/{id}")
    spoken(api.post(f"/v1/batches/{batch}/cancel"), "post", "/v1/batches/{id}/cancel")
    spoken(api.delete(f"/v1/files/{file}"), "delete", "/v1/files/{id}")
    spoken(api.get(f"/v1/files/{file}"), "get", "/v1/files/{id}")
    spoken(api.post("/v1/batches", json={}), "post", "/v1/batches")
    spoken(api.get("/v1/batches?limit=0"), "get", "/v1/batches")

    upload = {"filename": "f.txt", "purpose": "user_data", "bytes": 3, "mime_type": "m"}
    id = spoken(api.post("/v1/uploads", json=upload), "post", "/v1/uploads").json["id"]
    body, kind = multipart(("data", b"{}\n", "upload"))
    part = spoken(
        api.post(f"/v1/uploads/{id}/parts", data=body, headers={"content-type": kind}),
        "post",
        "/v1/uploads/{id}/parts",
    ).json["id"]
    done = api.post(f"/v1/uploads/{id}/complete", json={"part_ids": [part]})
    assert spoken(done, "post", "/v1/uploads/{id}/complete").json["file"]["bytes"] == 3
    spoken(api.post(f"/v1/uploads/{id}/cancel"), "post", "/v1/uploads/{id}/cancel")


@pytest.mark.parametrize(
    "path",
    [path for method, path in OPERATIONS if method == "GET" and "{" not in path and "batchPredictionJobs" not in path],
)
@pytest.mark.parametrize("key", ["right", "wrong"])
def test_every_list_and_report_is_as_described(api: Api, path: str, key: str) -> None:
    """Also where there is something in it: with a price and without one, with a tag and without."""
    charge(api, "batch_priced", 5, tags=("t",), team="t", user="u")
    charge(api, "batch_unpriced", 0, cost=Cost(unpriced_lines=1), tags=("t", "u"), team="u")
    charge(api, "batch_job", 7, started_at=None)
    if key == "wrong":
        api.headers = {"authorization": "Bearer sk-wrong"}
    needed = any(each.get("required") for each in OPERATIONS["GET", path].asks)
    target = f"{served_path(path)}{f'?start_date={YESTERDAY}&end_date={TODAY}' if needed else ''}"
    spoken(api.get(target), "get", served_path(path))


@pytest.mark.parametrize("how", ["group_by", "summarize"])
def test_every_kind_of_a_report_is_as_described(api: Api, how: str) -> None:
    charge(api, "batch_priced", 5, tags=("t",), team="t", user="u")
    charge(api, "batch_unpriced", 0, cost=Cost(unpriced_lines=1), tags=("t", "u"), team="u")
    for (method, path), operation in OPERATIONS.items():
        for value in next((each["schema"]["enum"] for each in operation.asks if each["name"] == how), ()):
            answer = api.get(f"{path}?start_date={YESTERDAY}&end_date={TODAY}&{how}={value}")
            assert spoken(answer, method, path).json


def test_what_admins_are_answered_is_as_described(api: Api) -> None:
    def post(path: str, **body: Any) -> Any:
        return spoken(api.post(path, json=body), "post", path).json

    def get(path: str, query: str = "") -> Any:
        return spoken(api.get(f"{path}{query}"), "get", path).json

    team = post("/team/new", team_alias="blue", max_budget=5, metadata={"a": 1})["team_id"]
    user = post("/user/new", user_email="a@b.c", teams=[team])["user_id"]
    key = post("/key/generate", team_id=team, user_id=user, key_alias="k", duration="1h", max_budget=1.5)["key"]
    post("/key/service-account/generate", team_id=team)
    get("/key/info", f"?key={key}")
    get("/key/list", "?return_full_object=true")
    get("/key/list")
    post("/key/update", key=key, max_budget=2)
    post("/key/block", key=key)
    post("/key/unblock", key=key)
    key = post("/key/regenerate", key=key)["key"]
    spoken(api.post(f"/key/{key}/reset_spend", json={"reset_to": 0}), "post", "/key/{key}/reset_spend")
    key = spoken(api.post(f"/key/{key}/regenerate", json={}), "post", "/key/{key}/regenerate").json["key"]
    get("/team/info", f"?team_id={team}")
    get("/team/list")
    get("/v2/team/list")
    post("/team/update", team_id=team, max_budget=7)
    post("/team/member_add", team_id=team, member={"role": "user", "user_id": "b"})
    post("/team/member_update", team_id=team, user_id="b", max_budget_in_team=1)
    post("/team/member_delete", team_id=team, user_id="b")
    post("/team/block", team_id=team)
    post("/team/unblock", team_id=team)
    get("/user/info", f"?user_id={user}")
    get("/user/list")
    post("/user/update", user_id=user, user_alias="A")
    post("/key/delete", keys=[key])
    assert post("/user/delete", user_ids=[user]) == 1
    post("/team/delete", team_ids=[team])
    post("/key/block", key="sk-nobody-has-this-key")
    post("/key/generate", max_budget=-1)
    post("/spend/calculate", model="gemini-2.5-flash", messages=[])
    post("/spend/calculate")
