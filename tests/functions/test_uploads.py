import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.clock import DAY, HOUR
from shared.domain.errors import Transient
from shared.domain.files import Garbage, Part
from shared.steps import uploads
from shared.storage.queries import GARBAGE_DUE, PARTS_OF_UPLOAD
from tests.functions.conftest import Api
from tests.functions.wire import envelope

LINE = b'{"custom_id": "1"}\n'
BODY: dict[str, Any] = {"filename": "in.jsonl", "purpose": "batch", "bytes": 3 * len(LINE), "mime_type": "text/jsonl"}


def begin(api: Api, **changes: Any) -> str:
    answer = api.post("/v1/uploads", json={**BODY, **changes})
    assert answer.status_code == 200, answer.text
    return str(answer.json["id"])


def part(api: Api, upload: str, content: bytes = LINE) -> str:
    answer = api.form(f"/v1/uploads/{upload}/parts", ("data", content, "upload"))
    assert answer.status_code == 200, answer.text
    return str(answer.json["id"])


def complete(api: Api, upload: str, *parts: str, **more: Any) -> Any:
    return api.post(f"/v1/uploads/{upload}/complete", json={"part_ids": parts, **more})


def full(api: Api, **changes: Any) -> tuple[str, list[str]]:
    upload = begin(api, **changes)
    return upload, [part(api, upload) for _ in range(3)]


def test_parts_become_a_file(api: Api) -> None:
    upload = begin(api)
    assert api.post(f"/v1/uploads/{upload}/cancel").json["status"] == "cancelled"

    answer = api.post("/v1/uploads", json={**BODY, "bytes": 6})
    assert answer.json == {
        "id": answer.json["id"],
        "object": "upload",
        "bytes": 6,
        "created_at": 1_800_000_000,
        "expires_at": 1_800_003_600,
        "filename": "in.jsonl",
        "purpose": "batch",
        "status": "pending",
        "file": None,
    }
    upload = answer.json["id"]
    first = api.form(f"/v1/uploads/{upload}/parts", ("data", b"{}\n", "upload"))
    assert first.json == {
        "id": first.json["id"],
        "object": "upload.part",
        "created_at": 1_800_000_000,
        "upload_id": upload,
    }
    second = part(api, upload, b"[]\n")

    done = complete(api, upload, second, first.json["id"]).json

    assert (done["status"], done["id"]) == ("completed", upload)
    file = done["file"]
    assert (file["object"], file["bytes"], file["filename"], file["status"]) == ("file", 6, "in.jsonl", "processed")
    assert file["expires_at"] == file["created_at"] + 30 * DAY // 1000
    assert api.get(f"/v1/files/{file['id']}").json == file
    assert api.get(f"/v1/files/{file['id']}/content").data == b"[]\n{}\n"  # in the order of the ids


def test_parts_may_be_sent_again_but_not_without_end(api: Api) -> None:
    """Each is stored for an hour, and no limit of files counts them."""
    upload, half = begin(api, bytes=200_000), b"x" * 100_000
    sent = [api.form(f"/v1/uploads/{upload}/parts", ("data", half, "upload")).status_code for _ in range(18)]

    assert sent == [200] * 16 + [400] * 2
    assert len(list(api.app.objects.list("gs://data/parts/"))) == 16


def test_a_part_is_not_stored_that_is_larger_than_all_of_its_upload_may_be(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.steps.uploads._SPARE", 0)
    upload = begin(api, bytes=10)

    answer = api.form(f"/v1/uploads/{upload}/parts", ("data", b"x" * 31, "upload"))

    assert answer.status_code == 400
    assert "Part is too large: 30 bytes are allowed in this upload of 10 bytes." in answer.text
    assert list(api.app.objects.list("gs://data/parts/")) == []


def test_parts_of_no_bytes_have_an_end_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.steps.uploads._MOST_PARTS", 3)
    upload = begin(api, bytes=0)

    sent = [api.form(f"/v1/uploads/{upload}/parts", ("data", b"", "upload")).status_code for _ in range(5)]

    assert sent == [200, 200, 200, 400, 400]


def test_parts_are_garbage_once_they_are_a_file(api: Api) -> None:
    upload, parts = full(api)
    spare = part(api, upload, b"sent twice, since the first reply was lost")
    complete(api, upload, *parts)

    garbage = api.app.documents.query(GARBAGE_DUE, at_most=api.clock())
    assert [each.object for each in garbage] == [f"gs://data/parts/{upload}/"]
    assert {stat.name.rpartition("/")[2] for stat in api.app.objects.list(garbage[0].object)} == {*parts, spare}
    assert api.app.documents.query(PARTS_OF_UPLOAD, upload) == []


def test_the_same_complete_again_gives_the_same_file(api: Api) -> None:
    """Its reply may have been lost, and an hour is not long."""
    upload, parts = full(api)
    first = complete(api, upload, *parts)
    for garbage in api.app.documents.query(GARBAGE_DUE):
        assert isinstance(garbage, Garbage)
        for stat in api.app.objects.list(garbage.object):
            api.app.objects.delete(stat.name)
    api.clock.pass_by(2 * HOUR)

    again = complete(api, upload, *parts, md5="of no interest any more")

    assert again.status_code == 200
    assert again.json == first.json
    assert len(api.get("/v1/files").json["data"]) == 1


def test_another_complete_is_refused(api: Api) -> None:
    upload, parts = full(api)
    complete(api, upload, *parts)

    answer = complete(api, upload, *reversed(parts))
    assert answer.status_code == 400
    assert envelope(answer.data)["message"] == "This upload is completed, with other parts."


@pytest.mark.parametrize("moment", ["claim", "compose", "commit"])
def test_a_complete_that_died_on_the_way_is_finished_by_its_repeat(
    api: Api, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    upload, parts = full(api)
    with monkeypatch.context() as patch:
        if moment == "commit":
            patch.setattr("shared.steps.uploads._commit", lambda *_: (_ for _ in ()).throw(Transient))
        elif moment == "compose":
            patch.setattr("shared.steps.uploads._compose", lambda *_: (_ for _ in ()).throw(Transient))
        else:
            patch.setattr("shared.steps.uploads._claim", lambda *_: (_ for _ in ()).throw(Transient))
        assert complete(api, upload, *parts).status_code == 503
    assert api.get("/v1/files").json["data"] == []
    if moment != "claim":
        assert envelope(complete(api, upload, *reversed(parts)).data)["param"] == "part_ids"
        assert envelope(api.post(f"/v1/uploads/{upload}/cancel").data)["message"] == "This upload is being completed."
        late = api.form(f"/v1/uploads/{upload}/parts", ("data", LINE))
        assert envelope(late.data)["message"] == "This upload is being completed."

    done = complete(api, upload, *parts)

    assert done.status_code == 200
    assert api.get(f"/v1/files/{done.json['file']['id']}/content").data == LINE * 3
    assert [each["id"] for each in api.get("/v1/files").json["data"]] == [done.json["file"]["id"]]
    assert all("/parts/" in each.object for each in api.app.documents.query(GARBAGE_DUE))


def test_two_completes_at_once_make_one_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slower one finds the parts gone; that is no error, since the upload is completed."""
    upload, parts = full(api)
    judged = uploads._check_content
    answers = []

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(uploads, "_check_content", judged)
        answers.append(complete(api, upload, *parts))
        for garbage in api.app.documents.query(GARBAGE_DUE, at_most=api.clock()):
            for stat in api.app.objects.list(garbage.object):
                api.app.objects.delete(stat.name)
        judged(*arguments)

    monkeypatch.setattr(uploads, "_check_content", overtaken)
    answers.append(complete(api, upload, *parts))

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert len(api.get("/v1/files").json["data"]) == 1


def test_the_md5_of_the_whole_is_checked(api: Api) -> None:
    upload, parts = full(api)

    wrong = complete(api, upload, *parts, md5="0" * 32)
    assert wrong.status_code == 400
    assert envelope(wrong.data)["param"] == "md5"
    assert api.get("/v1/files").json["data"] == []
    assert not any("/files/" in name for name in api.stored())

    right = complete(api, upload, *parts, md5=hashlib.md5(LINE * 3).hexdigest().upper())
    assert right.json["status"] == "completed"


def test_a_wrong_size_is_refused_and_may_be_mended(api: Api) -> None:
    upload, parts = full(api)
    few = complete(api, upload, *parts[:2])

    assert few.status_code == 400
    assert envelope(few.data)["message"] == "The parts have 38 bytes, but the upload was announced with 57."
    more = complete(api, upload, *parts, part(api, upload))
    assert more.status_code == 400
    assert complete(api, upload, *parts).status_code == 200


@pytest.mark.parametrize(
    ("part_ids", "code"),
    [
        (None, "missing_required_parameter"),
        ("part_x", "invalid_type"),
        ([1], "invalid_type"),
        ([None], "invalid_type"),
        (["part_unknown"], None),
        (["gs://data/parts/x"], None),
        ([""], None),
        (["part_x"] * 2, None),
        (["part_x", "part%5Fx", "part%255Fx"], None),
        ([f"part_{n}" for n in range(1_001)], None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_part_ids_are_checked(api: Api, part_ids: Any, code: str | None) -> None:
    answer = api.post(f"/v1/uploads/{begin(api)}/complete", json={"part_ids": part_ids})

    assert answer.status_code == 400
    error = envelope(answer.data)
    assert (error["param"], error["code"]) == ("part_ids", code)


def test_a_part_of_another_upload_is_unknown(api: Api) -> None:
    upload, parts = full(api)
    other = part(api, begin(api))

    answer = complete(api, upload, *parts[:2], other)
    assert answer.status_code == 400
    assert envelope(answer.data)["message"] == f"Invalid 'part_ids': this upload has no part '{other}'."


def test_complete_without_a_json_header_works(api: Api) -> None:
    """As OpenAI's own curl samples do it."""
    upload, parts = full(api)
    body = '{"part_ids": ["' + '", "'.join(parts) + '"]}'
    answer = api.post(
        f"/v1/uploads/{upload}/complete", data=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 200


def test_an_hour_later_everything_is_gone(api: Api) -> None:
    upload, parts = full(api)
    api.clock.pass_by(HOUR)

    for answer in (
        api.form(f"/v1/uploads/{upload}/parts", ("data", LINE)),
        complete(api, upload, *parts),
        api.post(f"/v1/uploads/{upload}/cancel"),
    ):
        assert answer.status_code == 410
        assert answer.headers["x-should-retry"] == "false"
        assert envelope(answer.data)["message"] == "This upload has expired. Create a new one."
    assert len(api.stored()) == 3


def test_a_cancelled_upload_takes_nothing_more_and_leaves_nothing(api: Api) -> None:
    upload, parts = full(api)
    answer = api.post(f"/v1/uploads/{upload}/cancel", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json["status"], answer.json["file"]) == (200, "cancelled", None)
    (garbage,) = api.app.documents.query(GARBAGE_DUE, at_most=api.clock())
    assert garbage.object == f"gs://data/parts/{upload}/"
    for again in (
        api.form(f"/v1/uploads/{upload}/parts", ("data", LINE)),
        complete(api, upload, *parts),
        api.post(f"/v1/uploads/{upload}/cancel"),
    ):
        assert again.status_code == 400
        assert envelope(again.data)["message"] == "This upload is cancelled."


def test_a_completed_upload_is_not_cancelled(api: Api) -> None:
    upload, parts = full(api)
    complete(api, upload, *parts)

    assert api.post(f"/v1/uploads/{upload}/cancel").status_code == 400
    assert api.form(f"/v1/uploads/{upload}/parts", ("data", LINE)).status_code == 400


def test_a_part_that_arrives_after_the_end_leaves_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was on its way when the upload was cancelled."""
    upload = begin(api)
    write = type(api.app.objects).write

    def slow(*arguments: Any, **options: Any) -> Any:
        stat = write(*arguments, **options)
        assert api.post(f"/v1/uploads/{upload}/cancel").status_code == 200
        return stat

    monkeypatch.setattr(type(api.app.objects), "write", slow)
    answer = api.form(f"/v1/uploads/{upload}/parts", ("data", LINE))

    assert answer.status_code == 400
    assert api.stored() == []
    assert [each.object for each in api.app.documents.query(GARBAGE_DUE)] == [f"gs://data/parts/{upload}/"]
    assert api.app.documents.query(PARTS_OF_UPLOAD, upload) == []


def test_data_may_be_a_plain_field(api: Api) -> None:
    """`curl -F data="…"`."""
    answer = api.form(f"/v1/uploads/{begin(api)}/parts", ("data", "text"))

    assert answer.status_code == 200
    stored = api.app.documents.get(Part, answer.json["id"])
    assert stored is not None
    assert stored.bytes == 4


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([("data", b"x" * 100_001)], "data"),
        ([("file", b"x")], "data"),
        ([("data", b"x"), ("data", b"y")], "data"),
    ],
    ids=["large", "missing", "two"],
)
def test_a_bad_part_is_refused_and_leaves_nothing(api: Api, parts: list[Any], param: str) -> None:
    answer = api.form(f"/v1/uploads/{begin(api)}/parts", *parts)

    assert answer.status_code == 400
    assert envelope(answer.data)["param"] == param
    assert api.stored() == []
    assert api.app.documents.query(GARBAGE_DUE) == []


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"filename": None}, "filename", "missing_required_parameter"),
        ({"purpose": None}, "purpose", "missing_required_parameter"),
        ({"bytes": None}, "bytes", "missing_required_parameter"),
        ({"mime_type": None}, "mime_type", "missing_required_parameter"),
        ({"filename": 1}, "filename", "invalid_type"),
        ({"filename": ""}, "filename", "empty_string"),
        ({"purpose": "x"}, "purpose", "invalid_value"),
        ({"purpose": ["batch"]}, "purpose", "invalid_type"),
        ({"bytes": -1}, "bytes", "integer_below_min_value"),
        ({"bytes": 1_000_001}, "bytes", "integer_above_max_value"),
        ({"bytes": 10**400}, "bytes", "integer_above_max_value"),
        ({"bytes": "1"}, "bytes", "invalid_type"),
        ({"bytes": 1.5}, "bytes", "invalid_type"),
        ({"bytes": True}, "bytes", "invalid_type"),
        ({"expires_after": 3600}, "expires_after", "invalid_type"),
        ({"expires_after": {"anchor": "created_at"}}, "expires_after.seconds", "missing_required_parameter"),
        ({"expires_after": {"seconds": 3600}}, "expires_after.anchor", "missing_required_parameter"),
        ({"expires_after": {"anchor": "x", "seconds": 3600}}, "expires_after.anchor", "invalid_value"),
        ({"expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after.seconds", "integer_below_min_value"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_parameters_are_checked(api: Api, changes: dict[str, Any], param: str, code: str) -> None:
    answer = api.post("/v1/uploads", json={**BODY, **changes})

    assert answer.status_code == 400
    error = envelope(answer.data)
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize("life", [None, 7200])
@pytest.mark.parametrize("purpose", ["batch", "user_data"])
def test_the_files_life_comes_from_the_upload(api: Api, purpose: str, life: int | None) -> None:
    asked = {} if life is None else {"expires_after": {"anchor": "created_at", "seconds": life}}
    upload, parts = full(api, purpose=purpose, **asked)
    api.clock.pass_by(HOUR // 2)

    file = complete(api, upload, *parts).json["file"]

    expected = life or (2_592_000 if purpose == "batch" else None)
    assert file["expires_at"] == (None if expected is None else file["created_at"] + expected)


def test_what_the_sdks_own_tests_send_is_taken(api: Api) -> None:
    upload = begin(api, bytes=0, filename="filename", mime_type="mime_type", purpose="assistants")

    assert api.form(f"/v1/uploads/{upload}/parts", ("data", b"Example data", "upload")).status_code == 200
    done = complete(api, upload)
    assert (done.status_code, done.json["file"]["bytes"]) == (200, 0)
    assert api.get(f"/v1/files/{done.json['file']['id']}/content").data == b""


@pytest.mark.parametrize(
    ("filename", "content", "accepted"),
    [
        ("a.jsonl", b"hello", True),
        ("a.txt", b"hello", False),
        ("a.txt", b"{}\n", False),
        ("upload", b"{}\n", True),
        ("upload", b"hello", False),
        ("a.jsonl", b"", False),
    ],
)
def test_a_batch_input_is_judged_as_one_that_came_in_one_piece(
    api: Api, filename: str, content: bytes, accepted: bool
) -> None:
    upload = begin(api, filename=filename, bytes=len(content))
    parts = [part(api, upload, content[:2]), part(api, upload, content[2:])]

    answer = complete(api, upload, *parts)
    assert answer.status_code == (200 if accepted else 400)
    if not accepted:
        assert envelope(answer.data)["message"].startswith("Invalid file format for Batch API.")


@pytest.mark.parametrize("id", ["upload_unknown", "gs://b/x", "%2e%2e%2fx", "%00"])
@pytest.mark.parametrize("action", ["parts", "complete", "cancel"])
def test_an_unknown_upload_is_a_404(api: Api, id: str, action: str, facts: Callable[[], list[dict[str, Any]]]) -> None:
    answer = api.post(f"/v1/uploads/{id}/{action}", data=b"x")

    assert answer.status_code == 404
    assert envelope(answer.data)["message"].startswith("No such Upload object: ")
    assert facts()[-1]["route"] == f"/uploads/{{id}}/{action}"
