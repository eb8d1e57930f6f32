import io
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from functions.auth import Doorman
from shared.domain.errors import ConfigError, StorageFull, Transient
from tests.functions.conftest import Api
from tests.functions.wire import KEY, envelope

Facts = Callable[[], list[dict[str, Any]]]
SECRET = "canary-7f3a"


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/models", "/v1/models/", "//v1/models", "/v1//models", "/openai/v1/models", "/vertex_ai/v1/models"],
)
def test_a_route_has_many_spellings(api: Api, path: str) -> None:
    """SDKs with and without `/v1` in their base URL, sloppy joins, and LiteLLM's provider prefixes."""
    assert api.get(path).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1"),
        ("GET", "/v1/x"),
        ("GET", "/v2/models"),
        ("GET", "/v1/v1/models"),
        ("GET", "/nobody/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/_stainless_unknown_path?a=b"),
        ("GET", "/v1/models;x=y"),
        ("BREW", "/v1/coffee"),
    ],
)
def test_an_unknown_route_is_a_404_in_the_envelope(api: Api, method: str, path: str) -> None:
    answer = api.call(method, path)

    assert answer.status_code == 404
    assert answer.mimetype == "application/json"
    error = envelope(answer.data)
    assert error["message"] == f"Invalid URL ({method} {path.partition('?')[0]})"
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/files", "GET, POST"),
        ("POST", "/v1/files/file-abc", "DELETE, GET"),
        ("GET", "/v1/batches/batch_abc/cancel/", None),
        ("OPTIONS", "/v1/models", "GET"),
        ("PATCH", "/v1/models/a/b", "DELETE, GET"),
        ("GET", "/v1/uploads", "POST"),
    ],
)
def test_a_known_path_with_another_method_is_a_405(api: Api, method: str, path: str, allowed: str | None) -> None:
    answer = api.call(method, path, headers={"x-http-method-override": "GET"})

    if allowed is None:  # an id may contain anything, also a slash
        assert answer.status_code == 404
        return
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert envelope(answer.data)["type"] == "invalid_request_error"
    assert "access-control-allow-origin" not in answer.headers


def test_robots_are_answered_like_everybody(api: Api) -> None:
    """The framework answers this path itself."""
    answer = api.get("/robots.txt")

    assert answer.status_code == 404
    assert envelope(answer.data)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer   {KEY} "},
        {"x-litellm-api-key": KEY},
        {"x-litellm-api-key": f"Bearer {KEY}"},
        {"x-litellm-api-key": KEY, "authorization": "Bearer ya29.google"},
        {"api-key": KEY},
        {"x-api-key": KEY},  # Terraform's provider sends no other
        {"x-goog-api-key": KEY},
        {"ocp-apim-subscription-key": KEY},
    ],
    ids=str,
)
def test_the_key_is_found_in_each_of_its_headers(api: Api, headers: dict[str, str]) -> None:
    assert api.client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": KEY},
        {"authorization": f"Basic {KEY}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Bearer {KEY},Bearer {KEY}"},
        {"authorization": f"Bearer {KEY} {KEY}"},
        {"authorization": "Bearer \u00e9\u00ff\u00b2"},
        {"authorization": "Bearer " + "k" * 2**20},
        {"api-key": f"Bearer {KEY}"},
        {"x-api-key": f"Bearer {KEY}"},
        {"cookie": f"api-key={KEY}"},
    ],
    ids=lambda headers: str(headers)[:60],
)
def test_no_key_and_a_wrong_key_are_a_401(api: Api, headers: dict[str, str]) -> None:
    answer = api.client.get("/v1/files", headers=headers, environ_base={"REMOTE_ADDR": str(headers)[:50]})

    assert answer.status_code == 401
    error = envelope(answer.data)
    assert error["type"] in {"auth_error", "token_not_found_in_db"}  # LiteLLM's
    assert error["code"] == "invalid_api_key"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"]
    assert KEY not in answer.text


def test_a_nul_in_a_key_is_a_401(api: Api) -> None:
    answer = api.client.get("/v1/files", environ_overrides={"HTTP_AUTHORIZATION": f"Bearer {KEY}\x00"})
    assert answer.status_code == 401


def test_a_key_in_the_query_is_no_key_and_is_not_logged(api: Api, facts: Facts) -> None:
    answer = api.client.get(f"/v1/files?api_key={KEY}&key={KEY}", environ_base={"REMOTE_ADDR": "query"})

    assert answer.status_code == 401
    assert KEY not in str(facts())


@pytest.fixture
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the requests of a test take, to the doorman they come at one moment."""
    monkeypatch.setattr("functions.auth.time", SimpleNamespace(monotonic=lambda: 100.0))


@pytest.mark.usefixtures("one_window")
def test_a_flood_of_wrong_keys_is_slowed_down_and_the_right_key_is_not(api: Api) -> None:
    wrong = [
        api.client.get("/v1/models", headers={"api-key": f"wrong-{n}"}, environ_base={"REMOTE_ADDR": "flood"})
        for n in range(100)
    ]

    assert [each.status_code for each in wrong] == [401] * Doorman.WRONG_KEYS + [429] * (100 - Doorman.WRONG_KEYS)
    assert envelope(wrong[-1].data)["type"] == "rate_limit_exceeded"
    assert 1 <= int(wrong[-1].headers["retry-after"]) <= 11
    right = api.client.get("/v1/models", headers={"api-key": KEY}, environ_base={"REMOTE_ADDR": "flood"})
    assert right.status_code == 200


def test_a_flood_is_forgotten_after_its_window() -> None:
    doorman = Doorman()
    for _ in range(Doorman.WRONG_KEYS):
        assert doorman.refuse("a", 100.0) is None
    assert doorman.refuse("a", 100.0) is not None
    assert doorman.refuse("b", 100.0) is None
    assert doorman.refuse("a", 100.0 + Doorman.WINDOW) is None


@pytest.mark.usefixtures("one_window")
def test_on_cloud_run_the_address_is_the_one_that_the_front_end_appended(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands before it was written by the client, and may be anything."""
    monkeypatch.setenv("K_SERVICE", "api")

    answers = [
        api.client.get("/v1/models", headers={"api-key": "wrong", "x-forwarded-for": f"{n}.1.1.1, 203.0.113.9"})
        for n in range(Doorman.WRONG_KEYS + 1)
    ]

    assert answers[-1].status_code == 429


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/liveness", "/health/readiness"])
def test_health_needs_no_key(api: Api, path: str) -> None:
    answer = api.client.get(path)
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_head_is_get_without_a_body(api: Api) -> None:
    answer = api.call("HEAD", "/v1/models")

    assert answer.status_code == 200
    assert answer.data == b""
    assert int(answer.headers["content-length"]) == len(api.get("/v1/models").data)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_a_compressed_body_is_refused(api: Api, encoding: str) -> None:
    answer = api.post("/v1/files", data=b"\x1f\x8b", headers={"content-encoding": encoding})

    assert answer.status_code == 415
    assert envelope(answer.data)["type"] == "invalid_request_error"
    assert api.stored() == []


def test_identity_is_no_compression(api: Api) -> None:
    answer = api.post("/v1/batches/x/cancel", headers={"content-encoding": "identity"})
    assert answer.status_code == 404


def test_a_crash_says_nothing_to_the_client_and_where_it_was_to_the_log(
    api: Api, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(SECRET) from KeyError(SECRET)

    monkeypatch.setattr(api.app.documents, "query", broken)
    answer = api.get("/v1/batches")

    assert answer.status_code == 500
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    assert envelope(answer.data)["type"] == "server_error"
    assert "x-should-retry" not in answer.headers
    crash, request = facts()
    assert (crash["message"], crash["severity"]) == ("request_crashed", "ERROR")
    assert crash["error"] == "ValueError < KeyError"
    assert "paging.py" in crash["stack"]
    assert SECRET not in str(crash)
    assert (request["message"], request["status"], request["severity"]) == ("request", 500, "ERROR")
    assert crash["request_id"] == request["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("error", "status", "retry", "after"),
    [
        (Transient("busy " + SECRET), 503, None, "1"),
        (StorageFull(), 507, "false", None),
        (ConfigError("OFFPEAK_X is wrong"), 500, None, None),
    ],
)
def test_each_kind_of_failure_says_whether_to_try_again(
    *,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    retry: str | None,
    after: str | None,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api.app.documents, "query", broken)
    answer = api.get("/v1/batches")

    assert answer.status_code == status
    assert answer.headers.get("x-should-retry") == retry
    assert answer.headers.get("retry-after") == after
    assert envelope(answer.data)["type"] == "server_error"
    assert SECRET not in answer.text
    assert "OFFPEAK" not in answer.text


def test_every_request_is_one_fact_without_keys_bodies_or_ids(api: Api, facts: Facts) -> None:
    api.post("/v1/batches", data=f'{{"input_file_id": "{SECRET}"}}')
    api.get(f"/v1/files/{SECRET}?q={SECRET}")
    api.call(SECRET, "/v1/x")

    logged = facts()
    assert [(each["message"], each["method"], each["route"], each["status"]) for each in logged] == [
        ("request", "POST", "/batches", 400),
        ("request", "GET", "/files/{id}", 404),
        ("request", "-", "-", 404),
    ]
    assert all(isinstance(each["ms"], int) for each in logged)
    assert SECRET not in str(logged)
    assert KEY not in str(logged)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
def test_json_is_json_whatever_the_content_type_says(api: Api, kind: str) -> None:
    """OpenAI's own curl samples send it as a form."""
    answer = api.post("/v1/batches", data=b'{"endpoint": 1}', headers={"content-type": kind})
    assert envelope(answer.data)["param"] == "input_file_id"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"1",
        b"null",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
    ],
    ids=lambda body: str(body[:20]),
)
def test_what_is_no_json_object_is_a_400(api: Api, body: bytes) -> None:
    answer = api.post("/v1/batches", data=body)

    assert answer.status_code == 400
    assert envelope(answer.data)["code"] == "invalid_json"


def test_json_is_bounded(api: Api) -> None:
    answer = api.post("/v1/batches", input_stream=io.BytesIO(b" " * (2**20 + 2)), content_length=2**20 + 2)

    assert answer.status_code == 413
    assert envelope(answer.data)["type"] == "invalid_request_error"


def test_what_the_handler_does_not_want_is_read_and_dropped(api: Api) -> None:
    """Else the framework would read it into memory."""
    body = io.BytesIO(b"x" * 5_000_000)
    answer = api.post("/v1/models", input_stream=body, content_length=5_000_000)

    assert answer.status_code == 405
    assert body.tell() == 5_000_000


def test_a_subset_target_knows_its_own_routes_only(target: Callable[[str], Api]) -> None:
    files, batches = target("files"), target("batches")

    assert files.get("/v1/files").status_code == 200
    assert files.get("/v1/batches").status_code == 404
    assert batches.get("/v1/batches").status_code == 200
    assert batches.get("/v1/files").status_code == 404
    assert batches.client.get("/health/liveliness").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/" + "a/locations/" * 520 + "b/batchPredictionJobs/" * 330 + "x",
        "/v1/projects/" + "a/locations/" * 300 + "b/batchPredictionJobs/" * 150 + "x",
        "/v1/files" + "/content" * 900,
        "/v1/" + "/" * 8_000,
        "/key/" + "regenerate/" * 700,
        "/v1/files/" + "x" * 60_000,
    ],
)
def test_no_path_takes_long_to_be_refused(api: Api, method: str, path: str) -> None:
    """Before anybody has shown a key."""
    took = []
    for _ in range(3):  # a garbage collection may fall into one of them
        began = time.thread_time()
        answer = api.client.open(path, method=method)
        took.append(time.thread_time() - began)
        assert answer.status_code in {401, 404, 405}

    assert min(took) < 0.5
