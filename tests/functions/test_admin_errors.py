"""How the routes refuse that OpenAI does not have: as LiteLLM's scripts read it."""

from typing import Any

import pytest

from tests.functions.conftest import Answer, Api
from tests.functions.office import as_key, key_of, ok


def kind_of(answer: Answer) -> tuple[int, str, str]:
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["type"], error["code"]


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/key/generate", {"key_alias": "taken"}, (400, "bad_request_error", "400")),
        ("/key/generate", {"max_budget": -1}, (400, "bad_request_error", "400")),
        ("/key/update", {"key": "sk-nobody-has-this-one"}, (404, "not_found_error", "404")),
        ("/key/block", {"key": "sk-nobody-has-this-one"}, (404, "not_found_error", "404")),
        ("/key/delete", {"keys": ["sk-nobody-has-this-one"]}, (404, "not_found_error", "404")),
        ("/team/new", {"team_id": "t"}, (400, "bad_request_error", "400")),
        ("/team/update", {"team_id": "unknown"}, (404, "not_found_error", "404")),
        ("/user/new", {"user_id": "u"}, (409, "bad_request_error", "409")),
        ("/user/delete", {"user_ids": ["unknown"]}, (404, "not_found_error", "404")),
        ("/spend/calculate", {}, (400, "bad_request_error", "400")),
    ],
)
def test_code_is_the_status_and_type_is_litellms_word_for_it(
    api: Api, path: str, body: dict[str, Any], told: tuple[int, str, str]
) -> None:
    key_of(api, key_alias="taken")
    ok(api.post("/team/new", json={"team_id": "t"}))
    ok(api.post("/user/new", json={"user_id": "u"}))
    assert kind_of(api.post(path, json=body)) == told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/key/info?key=unknown", (404, "not_found_error", "404")),
        ("/key/list?page=0", (400, "bad_request_error", "400")),
        ("/team/info?team_id=unknown", (404, "not_found_error", "404")),
        ("/user/info?user_id=unknown", (404, "not_found_error", "404")),
        ("/global/spend/report", (400, "bad_request_error", "400")),
        ("/model_group/info?model_group=unknown", (404, "not_found_error", "404")),
        ("/key/generate", (405, "bad_request_error", "405")),
        ("/team/nothing", (404, "not_found_error", "404")),
    ],
)
def test_reads_are_refused_in_the_same_words(api: Api, path: str, told: tuple[int, str, str]) -> None:
    assert kind_of(api.get(path)) == told


def test_who_may_not_is_told_so_in_the_same_words(api: Api) -> None:
    plain = as_key(key_of(api)["key"])
    assert kind_of(api.post("/team/new", json={}, headers=plain)) == (403, "auth_error", "403")
    assert kind_of(api.get("/user/list", headers=plain)) == (403, "auth_error", "403")
    unknown = api.get("/key/info", headers=as_key("sk-nobody-has-this-one"))
    assert kind_of(unknown) == (401, "token_not_found_in_db", "401")
    assert kind_of(api.get("/key/info", headers={"authorization": ""})) == (401, "auth_error", "401")


def test_openais_routes_keep_openais_words(api: Api) -> None:
    assert kind_of(api.get("/v1/batches?limit=0"))[1:] == ("invalid_request_error", "integer_below_min_value")
    assert kind_of(api.get("/v1/models/unknown"))[1:] == ("invalid_request_error", "model_not_found")
    unknown = api.get("/v1/files", headers=as_key("sk-nobody-has-this-one"))
    assert kind_of(unknown)[1:] == ("token_not_found_in_db", "invalid_api_key")
