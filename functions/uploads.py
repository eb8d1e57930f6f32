"""`/v1/uploads`: a large file arrives in parts, and becomes a file when it is completed."""

from collections.abc import Iterator
from typing import Any, Final

from functions.body import json_object
from functions.checks import expiry, integer, one_of, required, string
from functions.files import PURPOSES, file_rendered, longest_file, native_of_batch
from functions.hints import hints_of
from functions.http import Call, route
from functions.multipart import Form
from functions.sniff import Head, check_batch_input
from shared.domain.clock import seconds
from shared.domain.errors import BadRequest
from shared.domain.files import File, Part, Upload
from shared.domain.ids import canonical
from shared.steps import uploads

__all__ = ["ROUTES"]

_MOST_PARTS: Final = 1_000  # of one file: they change hands in one transaction


def create(call: Call) -> dict[str, Any]:
    return _rendered(uploads.create(call.app, call.caller, _new_upload(call)))


def add_part(call: Call) -> dict[str, Any]:
    upload = _upload(call)
    limit = min(call.app.config.limits.part_bytes, uploads.most_bytes(upload))
    too_large = BadRequest(
        f"Part is too large: {limit} bytes are allowed in this upload of {upload.bytes} bytes.", param="data"
    )
    form = Form(call.request, file="data", longest=limit, too_large=too_large)
    return _part_rendered(uploads.add_part(call.app, upload, _data(form)))


def complete(call: Call) -> dict[str, Any]:
    upload, body = _upload(call), json_object(call.request)
    part_ids, md5 = _part_ids(body), body.get("md5")
    md5 = None if md5 is None else string(md5, "md5")
    completed = uploads.complete(call.app, upload, part_ids, md5=md5, judge=_judge)
    return _rendered(completed, call.app.documents.get(File, completed.file or ""))


def cancel(call: Call) -> dict[str, Any]:
    return _rendered(uploads.cancel(call.app, _upload(call)))


def _new_upload(call: Call) -> uploads.NewUpload:
    body = json_object(call.request)
    for name in ("bytes", "filename", "mime_type", "purpose"):
        required(body.get(name), name)
    purpose = one_of(body["purpose"], PURPOSES, "purpose")
    return uploads.NewUpload(
        purpose=purpose,
        filename=string(body["filename"], "filename", longest=5_000),
        bytes=integer(body["bytes"], "bytes", least=0, most=longest_file(call)),
        mime_type=string(body["mime_type"], "mime_type"),
        file_life=expiry(body.get("expires_after"), "expires_after"),
        hints=hints_of(call, body),
        native=native_of_batch(call, body, purpose),
    )


def _data(form: Form) -> Iterator[bytes]:
    """The part, to the end of the form: what stands behind it is judged before the part is stored."""
    yield from form.open_file()
    form.finish()


def _judge(upload: Upload, content: Iterator[bytes]) -> None:
    if upload.purpose == "batch":
        check_batch_input(upload.filename, upload.bytes, Head.of(content))


def _upload(call: Call) -> Upload:
    found = call.find(Upload, call.names["id"])
    if found is None:
        raise uploads.no_such_upload(call.names["id"])
    return found


def _part_ids(body: dict[str, Any]) -> tuple[str, ...]:
    given = required(body.get("part_ids"), "part_ids")
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise BadRequest(
            "Invalid type for 'part_ids': expected an array of strings.", param="part_ids", code="invalid_type"
        )
    if len(given) > _MOST_PARTS:
        raise BadRequest(f"Invalid 'part_ids': at most {_MOST_PARTS} parts make a file.", param="part_ids")
    ids = tuple(canonical(each) or each for each in given)
    if len(set(ids)) < len(ids):
        raise BadRequest("Invalid 'part_ids': a part may be named once.", param="part_ids")
    return ids


def _rendered(upload: Upload, file: File | None = None) -> dict[str, Any]:
    return {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "created_at": seconds(upload.created_at),
        "expires_at": seconds(upload.expires_at),
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": upload.status,
        "file": None if file is None else file_rendered(file),
    }


def _part_rendered(part: Part) -> dict[str, Any]:
    return {
        "id": part.id,
        "object": "upload.part",
        "created_at": seconds(part.created_at),
        "upload_id": part.upload,
    }


ROUTES: Final = (
    route("POST", "/uploads", create),
    route("POST", "/uploads/{id}/parts", add_part),
    route("POST", "/uploads/{id}/complete", complete),
    route("POST", "/uploads/{id}/cancel", cancel),
)
