"""`/v1/uploads`: a large file arrives in parts, and `complete` makes one object of them without moving a byte.

pending ── complete ──▶ completing (its file's id is minted) ──▶ completed
   └── cancel ──▶ cancelled        └ repeated with the same parts, it goes on where it was
"""

import hashlib
from collections.abc import Generator
from dataclasses import replace
from typing import Any, Final

from functions.body import CHUNK, json_object
from functions.checks import expiry, integer, one_of, required, string
from functions.files import PURPOSES, file_rendered
from functions.http import Call
from functions.intake import arriving
from functions.multipart import Form
from functions.sniff import Head, check_batch_input
from shared.app import App
from shared.domain.clock import DAY, seconds
from shared.domain.errors import BadRequest, Gone, NotFound
from shared.domain.files import BATCH_LIFE, UPLOAD_LIFE, File, Garbage, Part, Upload, UploadStatus
from shared.domain.ids import canonical, derived, new_file_id, new_part_id, new_upload_id
from shared.domain.layout import file_object, part_object
from shared.log import log
from shared.steps.files import discard, discard_parts
from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing, Stat, Transaction

__all__ = ["add_part", "cancel", "complete", "create"]

_MOST_PARTS: Final = 1_000  # of one file: they change hands in one transaction
_COMPLETING: Final = DAY  # a file that was begun and is not there by then is garbage


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
    _refuse_unless_open(upload, app.now())
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
        _refuse_unless_open(_present(tx, upload.id), part.created_at)  # it may have been completed meanwhile
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
            upload = _assemble(app, upload, part_ids, None if md5 is None else string(md5, "md5"))
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
        upload = _present(tx, pending.id)
        _refuse_unless_open(upload, app.now())
        tx.put(cancelled := replace(upload, status=UploadStatus.CANCELLED))
        return cancelled

    upload = app.documents.transact(body)
    discard_parts(app, upload)
    return _rendered(upload, None)


def _upload(call: Call) -> Upload:
    found = call.find(Upload, call.names["id"])
    if found is None:
        raise _no_such_upload(call.names["id"])
    return found


def _present(tx: Transaction, id: str) -> Upload:
    upload = tx.get(Upload, id)
    if upload is None:
        raise _no_such_upload(id)
    return upload


def _no_such_upload(id: str) -> NotFound:
    return NotFound(f"No such Upload object: {id[:200]}", param="id")


def _refuse_unless_pending(upload: Upload, now: int) -> None:
    expired = upload.status == UploadStatus.PENDING and upload.expires_at <= now
    if expired or upload.status == UploadStatus.EXPIRED:
        raise Gone("This upload has expired. Create a new one.")
    if upload.status != UploadStatus.PENDING:
        raise BadRequest(f"This upload is {upload.status}.")


def _refuse_unless_open(upload: Upload, now: int) -> None:
    _refuse_unless_pending(upload, now)
    if upload.file is not None:
        raise BadRequest("This upload is being completed.")


def _part_ids(body: dict[str, Any]) -> tuple[str, ...]:
    given = required(body.get("part_ids"), "part_ids")
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise BadRequest(
            "Invalid type for 'part_ids': expected an array of strings.", param="part_ids", code="invalid_type"
        )
    if len(given) > _MOST_PARTS:
        raise BadRequest(f"Invalid 'part_ids': at most {_MOST_PARTS} parts make a file.", param="part_ids")
    if len(set(given)) < len(given):
        raise BadRequest("Invalid 'part_ids': a part may be named once.", param="part_ids")
    return tuple(given)


def _chosen(app: App, upload: Upload, part_ids: tuple[str, ...]) -> list[Part]:
    parts: list[Part] = []
    for each in part_ids:
        part_id = canonical(each)
        part = None if part_id is None else app.documents.get(Part, part_id)
        if part is None or part.upload != upload.id:
            raise BadRequest(f"Invalid 'part_ids': this upload has no part '{each[:100]}'.", param="part_ids")
        parts.append(part)
    if (total := sum(part.bytes for part in parts)) != upload.bytes:
        raise BadRequest(f"The parts have {total} bytes, but the upload was announced with {upload.bytes}.")
    return parts


def _check_content(app: App, upload: Upload, parts: list[Part], md5: str | None) -> None:
    """What can only be known with all bytes there, judged before anything is made of them."""
    head, content = Head(), _content(app, parts)
    watched = head.watch(content)
    if md5 is None:
        while len(head.bytes) < Head.LONGEST and next(watched, None):
            pass
    else:
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in watched:
            digest.update(chunk)
        if digest.hexdigest() != md5.strip().lower():
            raise BadRequest("The content does not have this md5.", param="md5")
    content.close()
    if upload.purpose == "batch":
        check_batch_input(upload.filename, upload.bytes, head)


def _assemble(app: App, upload: Upload, part_ids: tuple[str, ...], md5: str | None) -> Upload:
    _refuse_unless_pending(upload, app.now())
    parts = _chosen(app, upload, part_ids)
    _check_content(app, upload, parts, md5)
    claimed = _claim(app, upload.id, part_ids)
    if claimed.status == UploadStatus.COMPLETED:
        return claimed
    return _commit(app, claimed, _compose(app, claimed, parts), parts)


def _content(app: App, parts: list[Part]) -> Generator[bytes]:
    for part in parts:
        with app.objects.open(part.object) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk


def _claim(app: App, id: str, part_ids: tuple[str, ...]) -> Upload:
    """From here on it is these parts and this file's id, whoever goes on with it."""

    def body(tx: Transaction) -> Upload:
        upload = _present(tx, id)
        if upload.status == UploadStatus.COMPLETED:
            return upload
        _refuse_unless_pending(upload, app.now())
        if upload.file is not None:
            if upload.part_ids != part_ids:
                raise BadRequest("This upload is being completed, with other parts.", param="part_ids")
            return upload
        file = new_file_id()
        name = file_object(app.data_bucket, file)
        tx.put(claimed := replace(upload, file=file, part_ids=part_ids))
        tx.put(Garbage(id=derived(name), object=name, due_at=app.now() + _COMPLETING))
        return claimed

    return app.documents.transact(body)


def _compose(app: App, upload: Upload, parts: list[Part]) -> Stat:
    name = file_object(app.data_bucket, upload.file or "")
    try:
        if not parts:
            return app.objects.write(name, (), if_generation=ABSENT)
        return app.objects.compose(name, [part.object for part in parts], if_generation=ABSENT)
    except ObjectExists:
        return app.objects.stat(name)  # a repeat, or the reply to our own write was lost


def _commit(app: App, claimed: Upload, stat: Stat, parts: list[Part]) -> Upload:
    """The file exists, the upload is completed and its parts are garbage: all of it or nothing."""

    def body(tx: Transaction) -> Upload:
        upload, now = _present(tx, claimed.id), app.now()
        if upload.status == UploadStatus.COMPLETED:
            return upload
        _refuse_unless_pending(upload, now)
        file = File(
            id=upload.file or "",
            owner=upload.owner,
            team=upload.team,
            purpose=upload.purpose,
            filename=upload.filename,
            bytes=stat.size,
            object=stat.name,
            generation=stat.generation,
            created_at=now,
            expires_at=None if upload.file_life is None else now + upload.file_life,
        )
        tx.add(file)
        tx.delete(Garbage, derived(stat.name))
        for part in parts:
            tx.delete(Part, part.id)
            tx.put(Garbage(id=derived(part.object), object=part.object, due_at=now))
        tx.put(completed := replace(upload, status=UploadStatus.COMPLETED))
        log("file_created", purpose=file.purpose, upload=upload.id, **file.log_context())
        return completed

    return app.documents.transact(body)


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
