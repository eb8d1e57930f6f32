"""Files come and go: a file's object is written before its document, and outlives it by a little.

announce ──► write the object ──► keep: document added, announcement withdrawn      in one transaction
   └ died in between: the announcement is garbage that falls due, and `sweep` deletes the object
"""

from typing import Final

from shared.app import App
from shared.domain.batch import Batch
from shared.domain.clock import DAY
from shared.domain.files import File, Garbage, Part, Upload
from shared.domain.ids import derived
from shared.storage.ports import Record, Transaction
from shared.storage.queries import PARTS_OF_UPLOAD

__all__ = ["announce", "delete_file", "discard", "discard_parts", "keep"]

_WRITING: Final = DAY  # longer than any upload takes


def announce(app: App, name: str) -> None:
    """An object is about to be written that no document knows yet."""
    garbage = Garbage(id=derived(name), object=name, due_at=app.now() + _WRITING)
    app.documents.transact(lambda tx: tx.put(garbage))


def keep(app: App, record: File | Part) -> None:
    """The object is there: from now on it belongs to this document."""

    def body(tx: Transaction) -> None:
        tx.add(record)
        tx.delete(Garbage, derived(record.object))

    app.documents.transact(body)


def discard(app: App, name: str) -> None:
    """The announced object is not wanted after all."""
    app.objects.delete(name)
    app.documents.transact(lambda tx: tx.delete(Garbage, derived(name)))


def delete_file(app: App, file: File) -> None:
    """From now on nobody can read the file; `sweep` deletes what it held once no batch needs it."""

    def body(tx: Transaction) -> None:
        batch = tx.get(Batch, file.batch) if file.batch is not None else None
        others = {batch.output_file_id, batch.error_file_id} - {file.id, None} if batch is not None else set()
        alone = all(tx.get(File, other) is None for other in others if other is not None)
        tx.delete(File, file.id)
        _throw(tx, file.object, app.now())
        if file.batch is not None and alone:  # as long as one of the two lives, `format=native` may be asked for
            _throw(tx, f"gs://{app.work_bucket}/out/{file.batch}/", app.now())

    app.documents.transact(body)


def discard_parts(app: App, upload: Upload) -> None:
    """The pieces of an upload are not needed any more."""
    last: Record | None = None
    while page := app.documents.query(PARTS_OF_UPLOAD, upload.id, after=last):
        for part in page:

            def body(tx: Transaction, part: Part = part) -> None:
                tx.delete(Part, part.id)
                _throw(tx, part.object, app.now())

            app.documents.transact(body)
        last = page[-1]


def _throw(tx: Transaction, name: str, now: int) -> None:
    tx.put(Garbage(id=derived(name), object=name, due_at=now))
