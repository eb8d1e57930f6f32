import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from shared.domain.clock import DAY, HOUR, SECOND
from shared.domain.errors import StorageFull
from shared.domain.files import File, Garbage
from shared.storage.queries import GARBAGE_DUE
from tests.functions.conftest import Api
from tests.functions.wire import EDGE, envelope, multipart

LINE = b'{"custom_id": "1"}\n'


def test_a_file_is_there_whole_and_processed_at_once(api: Api) -> None:
    answer = api.form("/v1/files", ("purpose", "batch"), ("file", LINE, "in.jsonl"))

    file = answer.json
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": len(LINE),
        "created_at": 1_800_000_000,
        "expires_at": 1_800_000_000 + 2_592_000,
        "filename": "in.jsonl",
        "purpose": "batch",
        "status": "processed",
        "status_details": None,
    }
    assert api.get(f"/v1/files/{file['id']}").json == file
    content = api.get(f"/v1/files/{file['id']}/content")
    assert content.data == LINE
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.headers["content-length"] == str(len(LINE))
    assert content.headers["content-disposition"] == "attachment; filename=in.jsonl"
    assert api.stored() == [f"data/files/{file['id']}"]
    assert api.app.documents.query(GARBAGE_DUE) == []


@pytest.mark.parametrize("fields", [("purpose", "file"), ("file", "purpose")])
def test_the_order_of_the_fields_does_not_matter(api: Api, fields: tuple[str, ...]) -> None:
    """Python's SDK sends the file last, Node's first."""
    parts: dict[str, Any] = {"purpose": ("purpose", "batch"), "file": ("file", LINE, "in.jsonl")}
    answer = api.form("/v1/files", *[parts[name] for name in fields])
    assert (answer.status_code, answer.json["purpose"]) == (200, "batch")


@pytest.mark.parametrize("purpose", ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"])
def test_the_purposes_of_the_contract(api: Api, purpose: str) -> None:
    answer = api.form("/v1/files", ("purpose", purpose), ("file", LINE, "upload"))

    assert answer.json["purpose"] == purpose
    assert (answer.json["expires_at"] is None) == (purpose != "batch")


@pytest.mark.parametrize(
    ("parts", "message", "param"),
    [
        ([("file", LINE, "a.jsonl")], "Missing required parameter: 'purpose'.", "purpose"),
        ([("purpose", "batch")], "Missing required parameter: 'file'.", "file"),
        ([("purpose", "x"), ("file", LINE, "a.jsonl")], "Invalid value: 'x'. Supported values are: ", "purpose"),
        ([("purpose", "batch_output"), ("file", LINE, "a.jsonl")], "Invalid value: 'batch_output'.", "purpose"),
        ([("purpose", "batch"), ("file", b"", "a.jsonl")], "The file is empty", "file"),
        ([("file", LINE, "a.jsonl"), ("file", LINE, "a.jsonl"), ("purpose", "batch")], "Only one 'file'", "file"),
        (
            [("purpose", "batch"), ("file", b"hello", "a.txt")],
            "Invalid file format for Batch API. Must be .jsonl",
            None,
        ),
        ([("purpose", "batch"), ("file", LINE, "notes.txt")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", LINE, "data.csv")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", LINE, "in.JSON")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", LINE, "in.jsonl.gz")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", b"[1]\n", "upload")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", b"{\n}", "upload")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", b"[" * 100_000, "upload")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", b"\xff\xfe", "upload")], "Must be .jsonl", None),
        ([("purpose", "batch"), ("file", b"   \n ", "upload")], "Must be .jsonl", None),
    ],
)
def test_a_file_that_is_refused_leaves_nothing(api: Api, parts: list[Any], message: str, param: str | None) -> None:
    answer = api.form("/v1/files", *parts)

    assert answer.status_code == 400
    error = envelope(answer.data)
    assert message in error["message"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert api.stored() == []
    assert api.app.documents.query(GARBAGE_DUE) == []
    assert api.get("/v1/files").json["data"] == []


@pytest.mark.parametrize(
    "content",
    [
        LINE,
        b'{"a": 1}',
        b"\xef\xbb\xbf" + LINE,
        b"\n\n" + LINE,
        LINE + b"this is not looked at",
        b'{"a": "' + b"x" * 900_000,
    ],
    ids=lambda content: str(content[:20]),
)
def test_bytes_without_a_name_are_judged_by_their_first_line(api: Api, content: bytes) -> None:
    """Python's SDK calls them "upload". The last one is cut off, so it is not a JSON object."""
    answer = api.form("/v1/files", ("purpose", "batch"), ("file", content, "upload"))
    assert answer.status_code == (400 if len(content) > 100_000 else 200)


@pytest.mark.parametrize("name", ["", "upload", "lines", "of.2026/lines"])
def test_a_name_without_an_extension_says_nothing(api: Api, name: str) -> None:
    assert api.upload_file(LINE, name)


def test_a_jsonl_name_is_not_looked_behind(api: Api) -> None:
    """Bad lines are found later, all of them together."""
    assert api.upload_file(b"hello", "IN.JSONL")


@pytest.mark.parametrize(
    ("fields", "life"),
    [
        ([("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "3600")], 3600),
        ([("expires_after[seconds]", "2592000"), ("expires_after[anchor]", "created_at")], 2_592_000),
        (
            [
                ("user", "a"),
                ("target_storage", "default"),
                ("litellm_metadata", "{}"),
                ("litellm_metadata[tags][]", "b"),
            ],
            None,
        ),
    ],
)
def test_a_life_may_be_asked_for_and_other_fields_are_left_alone(api: Api, fields: list[Any], life: int | None) -> None:
    answer = api.form("/v1/files", ("purpose", "user_data"), *fields, ("file", LINE, "a.txt"))
    assert answer.json["expires_at"] == (None if life is None else 1_800_000_000 + life)


@pytest.mark.parametrize(
    ("anchor", "count", "message", "param"),
    [
        ("created_at", None, "Missing required parameter: 'expires_after[seconds]'.", "expires_after[seconds]"),
        (None, "3600", "Missing required parameter: 'expires_after[anchor]'.", "expires_after[anchor]"),
        ("now", "3600", "Invalid value: 'now'. Supported values are: 'created_at'.", "expires_after[anchor]"),
        (
            "created_at",
            "3599",
            "integer below minimum value. Expected a value >= 3600, but got 3599 instead.",
            "expires_after[seconds]",
        ),
        ("created_at", "2592001", "integer above maximum value. Expected a value <= 2592000", "expires_after[seconds]"),
        ("created_at", "1e4", "expected an integer, but got a string instead.", "expires_after[seconds]"),
        ("created_at", "١٢٣٤٥", "expected an integer, but got a string instead.", "expires_after[seconds]"),
    ],
)
def test_a_life_is_checked(api: Api, anchor: str | None, count: str | None, message: str, param: str) -> None:
    given = [("expires_after[anchor]", anchor), ("expires_after[seconds]", count)]
    answer = api.form(
        "/v1/files", ("purpose", "batch"), *[each for each in given if each[1] is not None], ("file", LINE, "a.jsonl")
    )

    assert answer.status_code == 400
    assert message in envelope(answer.data)["message"]
    assert envelope(answer.data)["param"] == param
    assert api.stored() == []


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(api: Api) -> None:
    limit = api.app.config.limits.file_bytes
    api.upload_file(b"x" * limit)

    answer = api.form("/v1/files", ("purpose", "batch"), ("file", b"x" * (limit + 1), "a.jsonl"))
    assert answer.status_code == 413
    assert envelope(answer.data)["param"] == "file"
    assert answer.headers["x-should-retry"] == "false"
    assert len(api.stored()) == 1


def test_a_client_that_hangs_up_leaves_nothing(api: Api) -> None:
    body, kind = multipart(("purpose", "batch"), ("file", b"x" * 700_000, "a.jsonl"))
    answer = api.post(
        "/v1/files",
        input_stream=io.BytesIO(body[:500_000]),
        content_length=len(body),
        headers={"content-type": kind},
    )

    assert answer.status_code == 400
    assert api.stored() == []


def test_a_full_disk_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFull

    monkeypatch.setattr(type(api.app.objects), "write", full)
    answer = api.form("/v1/files", ("purpose", "batch"), ("file", LINE, "a.jsonl"))

    assert answer.status_code == 507
    assert api.app.documents.query(GARBAGE_DUE) == []


def test_who_dies_while_a_file_arrives_leaves_a_note_for_the_sweep(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.steps.files.discard", lambda *_: None)  # nobody is left to tidy up
    api.form("/v1/files", ("purpose", "wrong"), ("file", LINE, "a.jsonl"))

    (name,) = api.stored()
    (garbage,) = api.app.documents.query(GARBAGE_DUE)
    assert isinstance(garbage, Garbage)
    assert garbage.object == f"gs://{name}"
    assert garbage.due_at > api.clock() + HOUR


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("in.jsonl", "attachment; filename=in.jsonl"),
        ("my file.jsonl", 'attachment; filename="my file.jsonl"'),
        ('a"; filename="b.exe', 'attachment; filename="a\\"; filename=\\"b.exe"'),
        ("é€😀.jsonl", "attachment; filename=___.jsonl; filename*=UTF-8''%C3%A9%E2%82%AC%F0%9F%98%80.jsonl"),
        ("a\r\nX: y", "attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("\u202egpj.exe", "attachment; filename=_gpj.exe; filename*=UTF-8''%E2%80%AEgpj.exe"),
        ("../../etc/passwd", 'attachment; filename="../../etc/passwd"'),
        ("n" * 5_000 + ".jsonl", "attachment; filename=" + "n" * 144 + ".jsonl"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_name_is_kept_and_never_more_than_a_name(api: Api, filename: str, header: str) -> None:
    encoded = f"UTF-8''{quote(filename, safe='')}"
    part = f'--{EDGE}\r\nContent-Disposition: form-data; name="file"; filename*={encoded}\r\n\r\n{{}}\r\n'
    purpose = f'--{EDGE}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n--{EDGE}--\r\n'
    kind = {"content-type": f"multipart/form-data; boundary={EDGE}"}
    file = api.post("/v1/files", data=(part + purpose).encode(), headers=kind).json

    assert file["filename"] == filename
    assert api.stored() == [f"data/files/{file['id']}"]
    answer = api.get(f"/v1/files/{file['id']}/content")
    assert answer.headers.getlist("content-disposition") == [header]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "X" not in answer.headers


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_an_id_survives_being_encoded(api: Api, times: int) -> None:
    """The path is decoded once on the way in, and clients encode it up to twice."""
    file = api.upload_file()
    text = "".join(f"%{ord(letter):02X}" for letter in file)
    for _ in range(times):
        text = quote(text, safe="")

    answer = api.get(f"/v1/files/{text}")
    assert answer.status_code == 200
    assert answer.json["id"] == file


@pytest.mark.parametrize(
    "id",
    [
        "file-unknown",
        "gs://data/files/x",
        "gs%3A%2F%2Fdata%2Ffiles%2Fx",
        "gs%253A%252F%252Fdata%252Ffiles%252Fx",
        "..%2Fx",
        "%2e%2e%2fx",
        "%252e%252e%252fx",
        "%00",
        "%ff%fe",
        "a%0Db",
        "a;x=y",
        "a b",
        "x" * 4096,
        "projects/p/locations/l/batchPredictionJobs/1",
    ],
    ids=lambda text: text[:40],
)
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/content")])
def test_what_is_no_id_of_ours_answers_like_an_unknown_one(
    api: Api, monkeypatch: pytest.MonkeyPatch, id: str, method: str, tail: str
) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("storage was touched")

    if id != "file-unknown":
        monkeypatch.setattr(type(api.app.documents), "get", touched)
    monkeypatch.setattr(type(api.app.objects), "open", touched)
    monkeypatch.setattr(type(api.app.objects), "stat", touched)
    answer = api.call(method, f"/v1/files/{id}{tail}")

    assert answer.status_code == 404
    error = envelope(answer.data)
    assert error["message"].startswith("No such File object: ")
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "id", None)
    assert len(answer.data) < 1_500


def test_a_deleted_file_is_gone_and_its_object_is_garbage(api: Api) -> None:
    file = api.upload_file()

    assert api.delete(f"/v1/files/{file}", data=b'{"custom_llm_provider": "x"}').json == {
        "id": file,
        "object": "file",
        "deleted": True,
    }
    for path in (f"/v1/files/{file}", f"/v1/files/{file}/content"):
        assert api.get(path).status_code == 404
    assert api.delete(f"/v1/files/{file}").status_code == 404
    assert [garbage.object for garbage in api.app.documents.query(GARBAGE_DUE)] == [f"gs://data/files/{file}"]


def test_a_file_whose_time_is_over_is_gone(api: Api) -> None:
    """The sweep that deletes it may be late."""
    file = api.upload_file()
    api.clock.pass_by(30 * DAY)

    assert api.get(f"/v1/files/{file}").status_code == 404
    assert api.get(f"/v1/files/{file}/content").status_code == 404
    assert api.delete(f"/v1/files/{file}").status_code == 404
    assert api.get("/v1/files").json["data"] == []


def test_a_file_without_its_object_is_a_404(api: Api, facts: Callable[[], list[dict[str, Any]]]) -> None:
    file = api.upload_file()
    api.app.objects.delete(f"gs://data/files/{file}")

    for method in ("GET", "HEAD"):
        assert api.call(method, f"/v1/files/{file}/content").status_code == 404
    assert "object_missing" in [fact["message"] for fact in facts()]


def test_head_tells_the_length_of_a_file(api: Api) -> None:
    answer = api.call("HEAD", f"/v1/files/{api.upload_file(LINE)}/content")
    assert (answer.status_code, answer.data, answer.headers["content-length"]) == (200, b"", str(len(LINE)))


def test_native_rows_are_for_outputs_only(api: Api) -> None:
    answer = api.get(f"/v1/files/{api.upload_file()}/content?format=native")

    assert answer.status_code == 400
    assert envelope(answer.data)["param"] == "format"
    assert envelope(answer.data)["message"].startswith("This file has no native rows")


def test_native_rows_are_the_providers_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    name = api.app.objects.write("gs://results/out/x", [b'{"request": {}}\n']).name
    monkeypatch.setattr("functions.files.native_objects", lambda *_: [name])
    answer = api.get(f"/v1/files/{api.upload_file()}/content?format=native")

    assert answer.data == b'{"request": {}}\n'
    assert "content-length" not in answer.headers


def test_another_format_is_refused(api: Api) -> None:
    file = api.upload_file(LINE)

    assert api.get(f"/v1/files/{file}/content?format=openai&x=y").data == LINE
    assert envelope(api.get(f"/v1/files/{file}/content?format=csv").data)["code"] == "invalid_value"


def several(api: Api, count: int, **options: Any) -> list[str]:
    made = []
    for _ in range(count):
        api.clock.pass_by(SECOND)
        made.append(api.upload_file(**options))
    return made


def pages(api: Api, query: str) -> list[list[str]]:
    found, after = [], ""
    while True:
        page = api.get(f"/v1/files?{query}{after}").json
        ids = [file["id"] for file in page["data"]]
        assert page["object"] == "list"
        assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        found.append(ids)
        if not page["has_more"]:
            return found
        after = f"&after={ids[-1]}"


@pytest.mark.parametrize("order", ["asc", "desc", None])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, None])
def test_pages_show_every_file_once(api: Api, order: str | None, limit: int | None) -> None:
    made = several(api, 6)
    query = "&".join(f"{name}={value}" for name, value in (("order", order), ("limit", limit)) if value is not None)

    found = pages(api, query)

    assert [each for page in found for each in page] == (made if order == "asc" else made[::-1])
    assert all(len(page) == limit for page, _ in pairwise(found))


def test_pages_pass_over_files_whose_time_is_over(api: Api) -> None:
    made = several(api, 9)
    for dead in made[1:8]:
        file = api.app.documents.get(File, dead)
        assert file is not None
        over = replace(file, expires_at=api.clock())
        api.app.documents.transact(lambda tx, over=over: tx.put(over))  # type: ignore[misc]

    assert pages(api, "limit=1") == [[made[8]], [made[0]]]
    assert pages(api, "limit=2&order=asc") == [[made[0], made[8]]]


def test_a_purpose_filters(api: Api) -> None:
    batch, other = several(api, 2), several(api, 3, purpose="user_data")

    assert pages(api, "purpose=batch&limit=1") == [[batch[1]], [batch[0]]]
    assert pages(api, "purpose=user_data") == [other[::-1]]
    assert pages(api, "purpose=no-such-purpose") == [[]]


@pytest.mark.parametrize(
    ("query", "param", "code", "message"),
    [
        (
            "limit=0",
            "limit",
            "integer_below_min_value",
            "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        ("limit=-1", "limit", "integer_below_min_value", "but got -1 instead."),
        ("limit=10001", "limit", "integer_above_max_value", "Expected a value <= 10000, but got 10001 instead."),
        ("limit=99999999999999999999", "limit", "integer_above_max_value", "above maximum value"),
        ("limit=1e9", "limit", "invalid_type", "expected an integer, but got a string instead."),
        ("limit=NaN", "limit", "invalid_type", "expected an integer"),
        ("limit=", "limit", "invalid_type", "expected an integer"),
        ("limit=" + "9" * 5_000, "limit", "invalid_type", "expected an integer"),
        ("order=up", "order", "invalid_value", "Invalid value: 'up'. Supported values are: 'asc', and 'desc'."),
    ],
    ids=lambda text: text[:40],
)
def test_parameters_of_a_list_are_checked(api: Api, query: str, param: str, code: str, message: str) -> None:
    answer = api.get(f"/v1/files?{query}")

    assert answer.status_code == 400
    error = envelope(answer.data)
    assert (error["param"], error["code"]) == (param, code)
    assert message in error["message"]


@pytest.mark.parametrize("after", ["file-unknown", "gs://b/x", "%00"])
def test_an_unknown_cursor_is_a_404(api: Api, after: str) -> None:
    answer = api.get(f"/v1/files?after={after}")

    assert answer.status_code == 404
    assert envelope(answer.data)["param"] == "after"
