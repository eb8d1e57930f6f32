"""`/v1/uploads`: a large file arrives in parts, and `complete` makes one object of them without moving a byte.

pending ── complete ──▶ completed      see assembly.py for what lies between
   └────── cancel ────▶ cancelled      after an hour: expired
"""

from dataclasses import replace
from typing import Any, Final

from functions.assembly import assemble, no_such_upload, present, refuse_unless_open
from functions.body import json_object
from functions.checks import expiry, integer, one_of, required, string
from functions.files import PURPOSES, file_rendered
from functions.http import Call
from functions.intake import arriving
from functions.multipart import Form
from shared.domain.clock import seconds
from shared.domain.errors import BadRequest, Gone, NotFound
from shared.domain.files import BATCH_LIFE, UPLOAD_LIFE, File, Garbage, Part, Upload, UploadStatus
from shared.domain.ids import canonical, derived, new_part_id, new_upload_id
from shared.domain.layout import part_object
from shared.steps.files import discard, discard_parts
from shared.storage.ports import ObjectMissing, Transaction

__all__ = ["add_part", "cancel", "complete", "create"]

_MOST_PARTS: Final = 1_000  # of one file: they change hands in one transaction


def create(call: Call) -> dict[str, Any]:
    body, now = json_object(call.request), call.app.now()
    for name in ("bytes", "filename", "mime_type", "purpose"):
        required(body.get(name), name)
    purpose = one_of(body["purpose"], PURPOSES, "purpose")
    life = expiry(body.get("expires_after"), "expires_after")
    upload = Upload(
        id=new_upload_id(),
        owner=call.caller.owner,
        team=call.caller.team,
        purpose=purpose,
        filename=string(body["filename"], "filename", longest=5_000),
        bytes=integer(body["bytes"], "bytes", least=0, most=call.app.config.limits.file_bytes),
        mime_type=string(body["mime_type"], "mime_type"),
        created_at=now,
        expires_at=now + UPLOAD_LIFE,
        file_life=BATCH_LIFE if life is None and purpose == "batch" else life,
    )
    call.app.documents.transact(lambda tx: tx.add(upload))
    return _rendered(upload, None)


def add_part(call: Call) -> dict[str, Any]:
    """Store one part. Parts may come in parallel and in any order; `complete` says which count."""
    app, upload = call.app, _upload(call)
    refuse_unless_open(upload, app.now())
    limit = app.config.limits.part_bytes
    too_large = BadRequest(f"Part is too large: {limit} bytes are allowed.", param="data")
    form = Form(call.request, file="data", longest=limit, too_large=too_large)
    chunks = form.open_file()
    part_id = new_part_id()
    name = part_object(app.data_bucket, upload.id, part_id)
    with arriving(app, name):
        stat = app.objects.write(name, chunks)
        form.finish()
    part = Part(id=part_id, upload=upload.id, object=name, bytes=stat.size, created_at=app.now())

    def body(tx: Transaction) -> None:
        refuse_unless_open(present(tx, upload.id), part.created_at)  # it may have been completed meanwhile
        tx.add(part)
        tx.delete(Garbage, derived(name))

    try:
        app.documents.transact(body)
    except (BadRequest, Gone, NotFound):
        discard(app, name)
        raise
    return {"id": part_id, "object": "upload.part", "created_at": seconds(part.created_at), "upload_id": upload.id}


def complete(call: Call) -> dict[str, Any]:
    """Make the file. Repeating the same call is safe at any time, and gives the same file."""
    app, upload, body = call.app, _upload(call), json_object(call.request)
    part_ids, md5 = _part_ids(body), body.get("md5")
    if upload.status != UploadStatus.COMPLETED:
        try:
            upload = assemble(app, upload, part_ids, None if md5 is None else string(md5, "md5"))
        except (BadRequest, ObjectMissing):
            upload = _upload(call)  # the same call may have been faster elsewhere, and the parts are gone
            if upload.status != UploadStatus.COMPLETED:
                raise
    if upload.part_ids != part_ids:
        raise BadRequest("This upload is completed, with other parts.", param="part_ids")
    discard_parts(app, upload)
    return _rendered(upload, app.documents.get(File, upload.file or ""))


def cancel(call: Call) -> dict[str, Any]:
    app, pending = call.app, _upload(call)

    def body(tx: Transaction) -> Upload:
        upload = present(tx, pending.id)
        refuse_unless_open(upload, app.now())
        tx.put(cancelled := replace(upload, status=UploadStatus.CANCELLED))
        return cancelled

    upload = app.documents.transact(body)
    discard_parts(app, upload)
    return _rendered(upload, None)


def _upload(call: Call) -> Upload:
    found = call.find(Upload, call.names["id"])
    if found is None:
        raise no_such_upload(call.names["id"])
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


def _rendered(upload: Upload, file: File | None) -> dict[str, Any]:
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
