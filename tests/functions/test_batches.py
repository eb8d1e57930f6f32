from dataclasses import fields, replace
from typing import Any
from urllib.parse import quote

import pytest

from functions.batches import batch_rendered
from shared.domain.batch import Batch, BatchError, Counts, Status, advance
from shared.domain.clock import SECOND
from shared.domain.cost import Cost
from shared.domain.usage import Usage
from tests.functions.conftest import Api
from tests.functions.wire import envelope

BODY = {"input_file_id": "file-abc", "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def make(api: Api, **changes: Any) -> Any:
    answer = api.post("/v1/batches", json={**BODY, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json


def test_a_new_batch_has_every_key(api: Api) -> None:
    file = api.upload_file()
    batch = make(api, input_file_id=file, metadata={"customer_id": "user_123456789"})

    assert batch == {
        "id": batch["id"],
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": None,
        "errors": None,
        "input_file_id": file,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": 1_800_000_000,
        "in_progress_at": None,
        "expires_at": 1_800_086_400,
        "finalizing_at": None,
        "completed_at": None,
        "failed_at": None,
        "expired_at": None,
        "cancelling_at": None,
        "cancelled_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "metadata": {"customer_id": "user_123456789"},
        "output_expires_after": None,
        "cost": {"currency": "USD", "total": None, "priced_lines": 0, "unpriced_lines": 0},
    }
    assert api.get(f"/v1/batches/{batch['id']}").json == batch
    stored = api.app.documents.get(Batch, batch["id"])
    assert stored is not None
    assert stored.input_object == f"gs://data/files/{file}"


def test_a_completed_batch_is_rendered_in_full(api: Api) -> None:
    batch = api.app.documents.get(Batch, make(api)["id"])
    assert batch is not None
    batch = advance(batch, Status.IN_PROGRESS, at=batch.created_at + 5 * SECOND)
    batch = advance(batch, Status.FINALIZING, at=batch.created_at + 9 * SECOND)
    batch = replace(
        batch,
        output_file_id="file-out",
        error_file_id="file-err",
        model="gemini-2.5-flash",
        counts=Counts(total=100, completed=95, failed=5),
        usage=Usage(input_tokens=1500, cached_tokens=1024, output_tokens=500, reasoning_tokens=300),
        cost=Cost(nano=123_456, priced_lines=99, unpriced_lines=1),
        output_life=3_600_000,
    )

    assert batch_rendered(batch)["output_file_id"] is None  # minted, but not there yet
    rendered = batch_rendered(advance(batch, Status.COMPLETED, at=batch.created_at + 10 * SECOND))

    assert (rendered["output_file_id"], rendered["error_file_id"]) == ("file-out", "file-err")
    assert (rendered["status"], rendered["model"]) == ("completed", "gemini-2.5-flash")
    assert rendered["in_progress_at"] == 1_800_000_005
    assert rendered["finalizing_at"] == 1_800_000_009
    assert rendered["completed_at"] == 1_800_000_010
    assert rendered["request_counts"] == {"total": 100, "completed": 95, "failed": 5}
    assert rendered["usage"] == {
        "input_tokens": 1500,
        "input_tokens_details": {"cached_tokens": 1024},
        "output_tokens": 500,
        "output_tokens_details": {"reasoning_tokens": 300},
        "total_tokens": 2000,
    }
    assert rendered["cost"] == {"currency": "USD", "total": "0.000123456", "priced_lines": 99, "unpriced_lines": 1}
    assert rendered["output_expires_after"] == {"anchor": "created_at", "seconds": 3600}


def test_errors_are_a_list_object_and_never_a_bare_list(api: Api) -> None:
    batch = api.app.documents.get(Batch, make(api)["id"])
    assert batch is not None
    error = BatchError(code="invalid_json_line", message="This line is not parseable as valid JSON.", line=2)
    failed = replace(advance(batch, Status.FAILED, at=batch.created_at), errors=(error,))

    assert batch_rendered(failed)["errors"] == {
        "object": "list",
        "data": [
            {
                "code": "invalid_json_line",
                "message": "This line is not parseable as valid JSON.",
                "param": None,
                "line": 2,
            }
        ],
    }
    assert batch_rendered(failed)["failed_at"] == 1_800_000_000


def test_every_status_has_its_stamp(api: Api) -> None:
    rendered = make(api)
    stamps = {f"{status}_at" for status in Status if status is not Status.VALIDATING}
    assert stamps <= rendered.keys()


@pytest.mark.parametrize(
    "endpoint",
    [
        "/v1/responses",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/completions",
        "/v1/moderations",
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/videos",
    ],
)
def test_the_endpoints_of_the_contract(api: Api, endpoint: str) -> None:
    assert make(api, endpoint=endpoint)["endpoint"] == endpoint


@pytest.mark.parametrize(("window", "hours"), [("24h", 24), ("1h", 1), ("96h", 96)])
def test_windows(api: Api, window: str, hours: int) -> None:
    batch = make(api, completion_window=window)
    assert batch["completion_window"] == window
    assert batch["expires_at"] - batch["created_at"] == hours * 3600


KEPT: dict[str, str] = {"__proto__": "a", "a.b": "c", "`x`": "y", "__name__": "n", "status": "failed", "é": "\u0000😀"}


@pytest.mark.parametrize(
    "metadata",
    [None, {}, KEPT, {"k" * 64: "v" * 512}, {str(n): "" for n in range(16)}],
    ids=lambda value: str(value)[:30],
)
def test_metadata_comes_back_as_it_was_given(api: Api, metadata: dict[str, str] | None) -> None:
    batch = make(api, metadata=metadata)

    assert batch["metadata"] == metadata
    assert api.get(f"/v1/batches/{batch['id']}").json == batch
    assert batch["status"] == "validating"


TOO_LONG = "string too long. Expected a string with maximum length 512, but got a string with length 513 instead."


@pytest.mark.parametrize(
    ("changes", "message", "param", "code"),
    [
        (
            {"input_file_id": None},
            "Missing required parameter: 'input_file_id'.",
            "input_file_id",
            "missing_required_parameter",
        ),
        ({"endpoint": None}, "Missing required parameter: 'endpoint'.", "endpoint", "missing_required_parameter"),
        (
            {"completion_window": None},
            "Missing required parameter: 'completion_window'.",
            "completion_window",
            "missing_required_parameter",
        ),
        (
            {"input_file_id": 7},
            "Invalid type for 'input_file_id': expected a string, but got an integer instead.",
            "input_file_id",
            "invalid_type",
        ),
        ({"input_file_id": ""}, "Invalid 'input_file_id': empty string.", "input_file_id", "empty_string"),
        (
            {"input_file_id": "x" * 513},
            f"Invalid 'input_file_id': {TOO_LONG}",
            "input_file_id",
            "string_above_max_length",
        ),
        (
            {"endpoint": "/v1/invalid/endpoint"},
            (
                "Invalid value: '/v1/invalid/endpoint'. Supported values are: '/v1/chat/completions', "
                "'/v1/completions', '/v1/embeddings', '/v1/images/edits', '/v1/images/generations', "
                "'/v1/moderations', '/v1/responses', and '/v1/videos'."
            ),
            "endpoint",
            "invalid_value",
        ),
        (
            {"endpoint": {"a": 1}},
            "Invalid type for 'endpoint': expected a string, but got an object instead.",
            "endpoint",
            "invalid_type",
        ),
        (
            {"completion_window": "12m"},
            (
                "Invalid 'completion_window': '12m'. Supported values are: '24h', and other whole hours from '1h' to "
                "'96h'."
            ),
            "completion_window",
            "invalid_value",
        ),
        (
            {"completion_window": 24},
            "Invalid type for 'completion_window': expected a string, but got an integer instead.",
            "completion_window",
            "invalid_type",
        ),
        (
            {"metadata": {"tags": ["a"]}},
            "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
            "metadata.tags",
            "invalid_type",
        ),
        (
            {"metadata": {"n": None}},
            "Invalid type for 'metadata.n': expected a string, but got null instead.",
            "metadata.n",
            "invalid_type",
        ),
        (
            {"metadata": "x"},
            "Invalid type for 'metadata': expected an object, but got a string instead.",
            "metadata",
            "invalid_type",
        ),
        (
            {"metadata": {str(n): "v" for n in range(24)}},
            (
                "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an "
                "object with 24 properties instead."
            ),
            "metadata",
            "object_above_max_properties",
        ),
        ({"metadata": {"k": "v" * 513}}, f"Invalid 'metadata.k': {TOO_LONG}", "metadata.k", "string_above_max_length"),
        (
            {"metadata": {"k" * 65: "v"}},
            (
                "Invalid 'metadata': property name too long. Expected names of at most 64 characters, but got one with "
                "65 characters instead."
            ),
            "metadata",
            "string_above_max_length",
        ),
        (
            {"output_expires_after": []},
            "Invalid type for 'output_expires_after': expected an object, but got an array instead.",
            "output_expires_after",
            "invalid_type",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 2.5}},
            "Invalid type for 'output_expires_after.seconds': expected an integer, but got a decimal number instead.",
            "output_expires_after.seconds",
            "invalid_type",
        ),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 2_592_001}},
            (
                "Invalid 'output_expires_after.seconds': integer above maximum value. Expected a value <= 2592000, but "
                "got 2592001 instead."
            ),
            "output_expires_after.seconds",
            "integer_above_max_value",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_parameters_are_checked_at_once(api: Api, changes: dict[str, Any], message: str, param: str, code: str) -> None:
    body = {name: value for name, value in {**BODY, **changes}.items() if value is not None}
    answer = api.post("/v1/batches", json=body)

    assert answer.status_code == 400
    assert envelope(answer.data) == {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    assert api.get("/v1/batches").json["data"] == []


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"input_file_id": null}'])
def test_an_empty_body_misses_its_first_parameter(api: Api, body: bytes) -> None:
    answer = api.post("/v1/batches", data=body)
    assert envelope(answer.data)["message"] == "Missing required parameter: 'input_file_id'."


@pytest.mark.parametrize("file", ["file-unknown", "gs://b/x", "../x"])
def test_an_unknown_file_is_no_error_of_create(api: Api, file: str) -> None:
    """As at OpenAI: 200, and the batch fails a moment later."""
    batch = make(api, input_file_id=file)

    assert (batch["status"], batch["input_file_id"]) == ("validating", file)
    stored = api.app.documents.get(Batch, batch["id"])
    assert stored is not None
    assert stored.input_object is None


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_id_may_be_encoded(api: Api, times: int) -> None:
    file = api.upload_file()
    text = "".join(f"%{ord(letter):02X}" for letter in file)
    for _ in range(times - 1):
        text = quote(text, safe="")

    assert make(api, input_file_id=text)["input_file_id"] == file


def test_unknown_keys_change_nothing(api: Api) -> None:
    theirs = {
        "id": "batch_mine",
        "status": "completed",
        "owner": "me",
        "user": "me",
        "team": "us",
        "created_at": 1,
        "output_file_id": "file-x",
        "usage": {},
        "cost": {},
        "deployment": "x",
        "api_base": "https://example.com",
        "custom_llm_provider": "vertex_ai",
        "litellm_metadata": {"tags": ["a"]},
    }
    batch = make(api, **theirs)

    assert batch | {"id": None} == make(api) | {"id": None}
    stored = api.app.documents.get(Batch, batch["id"])
    assert stored is not None
    assert (stored.owner, stored.team) == ("admin", None)
    assert "example.com" not in str([getattr(stored, each.name) for each in fields(Batch)])


def test_an_idempotency_key_makes_one_batch(api: Api) -> None:
    def create(**changes: Any) -> Any:
        return api.post("/v1/batches", json={**BODY, **changes}, headers={"Idempotency-Key": "once"})

    first, again = create(), create()
    other = create(metadata={"a": "b"})

    assert first.json == again.json
    assert other.status_code == 400
    assert envelope(other.data)["code"] == "idempotency_error"
    assert len(api.get("/v1/batches").json["data"]) == 1


def test_an_idempotency_key_is_bounded(api: Api) -> None:
    answer = api.post("/v1/batches", json=BODY, headers={"Idempotency-Key": "k" * 256})
    assert envelope(answer.data)["param"] == "Idempotency-Key"


def test_a_retry_of_the_sdk_is_the_same_create(api: Api) -> None:
    """Its key order may differ, its count says that it is a retry."""
    first = api.post("/v1/batches", json=BODY, headers={"x-stainless-retry-count": "0"}).json
    retry = api.post("/v1/batches", json=dict(reversed(BODY.items())), headers={"x-stainless-retry-count": "1"}).json
    another = api.post("/v1/batches", json=BODY, headers={"x-stainless-retry-count": "0"}).json

    assert retry["id"] == first["id"]
    assert another["id"] != first["id"]


def test_cancel_is_the_same_twice(api: Api) -> None:
    batch = make(api)["id"]
    first = api.post(f"/v1/batches/{batch}/cancel", headers={"content-type": "application/json"})
    again = api.post(f"/batches/{batch}/cancel", data=b'{"custom_llm_provider": "x"}')

    assert (first.status_code, first.json["status"]) == (200, "cancelling")
    assert first.json["cancelling_at"] == 1_800_000_000
    assert again.json == first.json


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.EXPIRED])
def test_what_has_ended_is_not_cancelled(api: Api, status: Status) -> None:
    id = make(api)["id"]
    batch = api.app.documents.get(Batch, id)
    assert batch is not None
    ended = replace(batch, status=status)
    api.app.documents.transact(lambda tx: tx.put(ended))

    answer = api.post(f"/v1/batches/{id}/cancel")

    assert answer.status_code == 409
    assert answer.headers["x-should-retry"] == "false"
    assert envelope(answer.data) == {
        "message": f"Cannot cancel a batch with status '{status}'.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize("id", ["batch_unknown", "gs://b/x", "%2e%2e%2fx", "%00", "a/b", "7814463557919047680"])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("POST", "/cancel")])
def test_an_unknown_batch_is_a_404(api: Api, id: str, method: str, tail: str) -> None:
    answer = api.call(method, f"/v1/batches/{id}{tail}")

    assert answer.status_code == 404
    error = envelope(answer.data)
    assert error["message"].startswith("No batch found with id '")
    assert error["type"] == "invalid_request_error"


def test_pages_are_newest_first_and_show_every_batch_once(api: Api) -> None:
    made = []
    for _ in range(25):
        api.clock.pass_by(SECOND)
        made.append(make(api)["id"])
    newest = made[::-1]

    page = api.get("/v1/batches").json
    assert [each["id"] for each in page["data"]] == newest[:20]
    assert (page["object"], page["has_more"]) == ("list", True)
    assert (page["first_id"], page["last_id"]) == (newest[0], newest[19])
    rest = api.get(f"/v1/batches?after={newest[19]}").json
    assert [each["id"] for each in rest["data"]] == newest[20:]
    assert rest["has_more"] is False
    assert [each["id"] for each in api.get("/v1/batches?limit=100").json["data"]] == newest
    assert api.get(f"/v1/batches?after={newest[-1]}").json == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("limit", "code", "message"),
    [
        ("0", "integer_below_min_value", "integer below minimum value. Expected a value >= 1, but got 0 instead."),
        (
            "101",
            "integer_above_max_value",
            "integer above maximum value. Expected a value <= 100, but got 101 instead.",
        ),
    ],
)
def test_a_page_is_bounded(api: Api, limit: str, code: str, message: str) -> None:
    error = envelope(api.get(f"/v1/batches?limit={limit}").data)
    assert error == {
        "message": f"Invalid 'limit': {message}",
        "type": "invalid_request_error",
        "param": "limit",
        "code": code,
    }


@pytest.mark.parametrize("after", ["batch_unknown", "gs://b/x"])
def test_an_unknown_cursor_is_a_404(api: Api, after: str) -> None:
    answer = api.get("/v1/batches", query_string={"after": after})

    assert answer.status_code == 404
    assert envelope(answer.data)["message"] == f"No batch found with id '{after}'."
