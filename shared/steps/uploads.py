"""A large file arrives in parts, and `complete` makes one object of them without moving a byte.

pending ──▶ claimed: these parts, this file's id ──▶ composed ──▶ completed, in one transaction with the file
   │   └ whoever dies here has changed nothing   └ the same call, made again, goes on from where it was
   ├────── cancel ──────▶ cancelled
   └─── after an hour ──▶ expired
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from shared.app import App
from shared.domain.access import Caller
from shared.domain.clock import DAY
from shared.domain.errors import BadRequest, Gone, NotFound
from shared.domain.files import BATCH_LIFE, UPLOAD_LIFE, File, Garbage, Part, Upload, UploadStatus
from shared.domain.hints import Hints
from shared.domain.ids import canonical, derived, new_file_id, new_part_id, new_upload_id
from shared.domain.layout import file_object, part_object
from shared.log import log
from shared.steps.accounts import Purse
from shared.steps.commit import Turn
from shared.steps.files import arriving, discard, forget_parts, throw_parts
from shared.storage.ports import ABSENT, ObjectExists, ObjectMissing, Stat, Transaction

__all__ = ["Judge", "NewUpload", "add_part", "cancel", "complete", "create", "expire", "most_bytes", "no_such_upload"]

_COMPLETING: Final = DAY  # a file that was begun and is not there by then is garbage
_CHUNK: Final = 256 * 1024
_SENT_AGAIN: Final = 3  # times what was announced: clients send a part again when its answer was lost
_SPARE: Final = 2**20  # bytes beside that, for small uploads
_MOST_PARTS: Final = 3_000

Judge = Callable[[Upload, Iterator[bytes]], None]  # reads as much of the content as it likes; BadRequest refuses it


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """What a caller asks for, already checked."""

    purpose: str
    filename: str
    bytes: int
    mime_type: str
    file_life: int | None = None  # milliseconds the finished file lives; None: as long as OpenAI's
    hints: Hints = Hints()
    native: bool = False


def create(app: App, caller: Caller, request: NewUpload) -> Upload:
    """A new upload, which takes parts for an hour. It counts as the file that it becomes: RateLimited."""
    now, life = app.now(), request.file_life if caller.file_life is None else caller.file_life
    upload = Upload(
        id=new_upload_id(),
        owner=caller.owner,
        team=caller.team,
        purpose=request.purpose,
        filename=request.filename,
        bytes=request.bytes,
        mime_type=request.mime_type,
        created_at=now,
        expires_at=now + UPLOAD_LIFE,
        file_life=BATCH_LIFE if life is None and request.purpose == "batch" else life,
        hints=request.hints,
        native=request.native,
    )

    def body(tx: Transaction) -> None:
        purse = Purse(app, Turn(tx, now), caller.payers)
        purse.store()
        purse.put()
        tx.add(upload)

    app.documents.transact(body)
    return upload


def add_part(app: App, upload: Upload, chunks: Iterable[bytes]) -> Part:
    """Store one part. Parts may come in parallel and in any order; `complete` says which count.

    BadRequest where more has come than this upload can need: nobody stores at will what no limit of files counts.
    """
    _refuse_unless_open(upload, app.now())
    _with_part(upload, 0)
    id = new_part_id()
    name = part_object(app.data_bucket, upload.id, id)
    with arriving(app, name):
        stat = app.objects.write(name, chunks)
    part = Part(id=id, upload=upload.id, object=name, bytes=stat.size, created_at=app.now())

    def body(tx: Transaction) -> None:
        current = _present(tx, upload.id)
        _refuse_unless_open(current, part.created_at)  # it may have been completed meanwhile
        tx.put(_with_part(current, part.bytes))
        tx.add(part)
        tx.delete(Garbage, derived(name))

    try:
        app.documents.transact(body)
    except (BadRequest, Gone, NotFound):
        discard(app, name)
        raise
    return part


def complete(app: App, upload: Upload, part_ids: tuple[str, ...], *, md5: str | None, judge: Judge) -> Upload:
    """Make the file of these parts, in this order; BadRequest where they are not what was announced.

    Repeating the same call is safe at any time, and gives the same file.
    """
    if upload.status != UploadStatus.COMPLETED:
        try:
            upload = _assemble(app, upload, part_ids, md5, judge)
        except (BadRequest, Gone, ObjectMissing):  # somebody may have ended it meanwhile, and the parts are gone
            upload = app.documents.get(Upload, upload.id) or upload
            if upload.status != UploadStatus.COMPLETED:
                _refuse_unless_pending(upload, app.now())
                raise
    if upload.part_ids != part_ids:
        raise BadRequest("This upload is completed, with other parts.", param="part_ids")
    forget_parts(app, upload)
    return upload


def cancel(app: App, upload: Upload) -> Upload:
    """Take no more parts, and forget those that came."""

    def body(tx: Transaction) -> Upload:
        current = _present(tx, upload.id)
        _refuse_unless_open(current, app.now())
        tx.put(cancelled := replace(current, status=UploadStatus.CANCELLED))
        throw_parts(app, tx, upload.id)
        return cancelled

    cancelled = app.documents.transact(body)
    forget_parts(app, cancelled)
    return cancelled


def expire(app: App, upload: Upload) -> None:
    """The hour of an upload is over: unless it ended otherwise, it takes no more parts, and those that came go."""

    def body(tx: Transaction) -> bool:
        current = tx.get(Upload, upload.id)
        if current is None or current.status != UploadStatus.PENDING or current.expires_at > app.now():
            return False
        tx.put(replace(current, status=UploadStatus.EXPIRED))
        throw_parts(app, tx, upload.id)
        return True

    if app.documents.transact(body):
        forget_parts(app, upload)


def no_such_upload(id: str) -> NotFound:
    return NotFound(f"No such Upload object: {id[:200]}", param="id")


def most_bytes(upload: Upload) -> int:
    """How many bytes all parts of an upload may have, those included that nobody will name."""
    return _SENT_AGAIN * upload.bytes + _SPARE


def _with_part(upload: Upload, size: int) -> Upload:
    received = upload.received + size
    if received > most_bytes(upload) or upload.parts >= _MOST_PARTS:
        raise BadRequest(
            f"This upload was announced with {upload.bytes} bytes, and far more has come: {received} bytes in "
            f"{upload.parts + 1} parts. Complete it with the parts that count, or create another upload.",
            param="data",
        )
    return replace(upload, received=received, parts=upload.parts + 1)


def _assemble(app: App, upload: Upload, part_ids: tuple[str, ...], md5: str | None, judge: Judge) -> Upload:
    _refuse_unless_pending(upload, app.now())
    parts = _chosen(app, upload, part_ids)
    _check_content(app, upload, parts, md5, judge)
    claimed = _claim(app, upload.id, part_ids)
    if claimed.status == UploadStatus.COMPLETED:
        return claimed
    return _commit(app, claimed, _compose(app, claimed, parts))


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


def _check_content(app: App, upload: Upload, parts: list[Part], md5: str | None, judge: Judge) -> None:
    """What can only be known with all bytes there, judged before anything is made of them."""
    if md5 is not None:
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in _content(app, parts):
            digest.update(chunk)
        if digest.hexdigest() != md5.strip().lower():
            raise BadRequest("The content does not have this md5.", param="md5")
    with closing(_content(app, parts)) as content:
        judge(upload, content)


def _content(app: App, parts: list[Part]) -> Generator[bytes]:
    for part in parts:
        with app.objects.open(part.object) as stream:
            while chunk := stream.read(_CHUNK):
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


def _commit(app: App, claimed: Upload, stat: Stat) -> Upload:
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
            hints=upload.hints,
            native=upload.native,
        )
        tx.add(file)
        tx.delete(Garbage, derived(stat.name))
        throw_parts(app, tx, upload.id)
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


def _refuse_unless_open(upload: Upload, now: int) -> None:
    _refuse_unless_pending(upload, now)
    if upload.file is not None:
        raise BadRequest("This upload is being completed.")


def _present(tx: Transaction, id: str) -> Upload:
    upload = tx.get(Upload, id)
    if upload is None:
        raise no_such_upload(id)
    return upload
