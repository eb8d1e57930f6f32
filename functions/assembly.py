"""From the parts of an upload to one file: judge, claim, compose, commit.

pending ──▶ claimed: these parts, this file's id ──▶ composed ──▶ completed, in one transaction with the file
   └ whoever dies here has changed nothing   └ the same call, made again, goes on from where it was
"""

import hashlib
from collections.abc import Generator
from dataclasses import replace
from typing import Final

from functions.body import CHUNK
from functions.sniff import Head, check_batch_input
from shared.app import App
from shared.domain.clock import DAY
from shared.domain.errors import BadRequest, Gone, NotFound
from shared.domain.files import File, Garbage, Part, Upload, UploadStatus
from shared.domain.ids import canonical, derived, new_file_id
from shared.domain.layout import file_object
from shared.log import log
from shared.storage.ports import ABSENT, ObjectExists, Stat, Transaction

__all__ = ["assemble", "no_such_upload", "present", "refuse_unless_open"]

_COMPLETING: Final = DAY  # a file that was begun and is not there by then is garbage


def assemble(app: App, upload: Upload, part_ids: tuple[str, ...], md5: str | None) -> Upload:
    """The completed upload; BadRequest where these parts are not what was announced."""
    _refuse_unless_pending(upload, app.now())
    parts = _chosen(app, upload, part_ids)
    _check_content(app, upload, parts, md5)
    claimed = _claim(app, upload.id, part_ids)
    if claimed.status == UploadStatus.COMPLETED:
        return claimed
    return _commit(app, claimed, _compose(app, claimed, parts), parts)


def _chosen(app: App, upload: Upload, part_ids: tuple[str, ...]) -> list[Part]:
    parts: list[Part] = []
    for each in part_ids:
        part = app.documents.get(Part, each) if canonical(each) else None
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


def _content(app: App, parts: list[Part]) -> Generator[bytes]:
    for part in parts:
        with app.objects.open(part.object) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk


def _claim(app: App, id: str, part_ids: tuple[str, ...]) -> Upload:
    """From here on it is these parts and this file's id, whoever goes on with it."""

    def body(tx: Transaction) -> Upload:
        upload = present(tx, id)
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
        upload, now = present(tx, claimed.id), app.now()
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
        tx.put(done := replace(upload, status=UploadStatus.COMPLETED))
        return done

    completed = app.documents.transact(body)
    log("upload_completed", upload_id=completed.id, file_id=completed.file, bytes=stat.size)
    return completed


def _refuse_unless_pending(upload: Upload, now: int) -> None:
    expired = upload.status == UploadStatus.PENDING and upload.expires_at <= now
    if expired or upload.status == UploadStatus.EXPIRED:
        raise Gone("This upload has expired. Create a new one.")
    if upload.status != UploadStatus.PENDING:
        raise BadRequest(f"This upload is {upload.status}.")


def refuse_unless_open(upload: Upload, now: int) -> None:
    _refuse_unless_pending(upload, now)
    if upload.file is not None:
        raise BadRequest("This upload is being completed.")


def present(tx: Transaction, id: str) -> Upload:
    upload = tx.get(Upload, id)
    if upload is None:
        raise no_such_upload(id)
    return upload


def no_such_upload(id: str) -> NotFound:
    return NotFound(f"No such Upload object: {id[:200]}", param="id")
