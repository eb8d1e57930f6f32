"""Files come and go: a file's object is written before its document, and outlives it by a little.

announce ──► write the object ──► keep: document added, announcement withdrawn      in one transaction
   └ died in between: the announcement is garbage that falls due, and `sweep` deletes the object
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from shared.app import App
from shared.domain.batch import Batch
from shared.domain.clock import DAY
from shared.domain.errors import RateLimited, Transient
from shared.domain.files import File, Garbage, Part, Upload
from shared.domain.ids import derived
from shared.domain.layout import parts_folder
from shared.steps.accounts import Purse
from shared.steps.commit import Turn
from shared.storage.ports import Transaction
from shared.storage.queries import PARTS_OF_UPLOAD

__all__ = ["arriving", "delete_file", "discard", "forget_parts", "keep", "throw_parts"]

_WRITING: Final = DAY  # longer than any upload takes


def announce(app: App, name: str) -> None:
    """An object is about to be written that no document knows yet."""
    garbage = Garbage(id=derived(name), object=name, due_at=app.now() + _WRITING)
    app.documents.transact(lambda tx: tx.put(garbage))


def keep(app: App, file: File, payers: Sequence[str] = ()) -> None:
    """The object is there: from now on it belongs to this document.

    RateLimited where the accounts have as many files as a day may have: then nothing of it is left.
    """

    def body(tx: Transaction) -> None:
        purse = Purse(app, Turn(tx, app.now()), payers)
        purse.store()
        purse.put()
        tx.add(file)
        tx.delete(Garbage, derived(file.object))

    try:
        app.documents.transact(body)
    except RateLimited:  # before anything was written, so no answer was lost
        with suppress(Transient):
            discard(app, file.object)
        raise


def discard(app: App, name: str) -> None:
    """The announced object is not wanted after all."""
    app.objects.delete(name)
    app.documents.transact(lambda tx: tx.delete(Garbage, derived(name)))


@contextmanager
def arriving(app: App, name: str) -> Iterator[None]:
    """While the object `name` arrives and is judged: if that fails, nothing of it is left.

    Its record is added behind this, not inside: a commit whose answer was lost may have been applied, and then the
    object must stay. If it was not, the announcement is still there for `sweep`.
    """
    announce(app, name)
    try:
        yield
    except BaseException:
        with suppress(Transient):  # then `sweep` will do it
            discard(app, name)
        raise


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


def throw_parts(app: App, tx: Transaction, upload: str) -> None:
    """The pieces of an upload are not needed any more: part of the transaction that ends it."""
    _throw(tx, parts_folder(app.data_bucket, upload), app.now())


def forget_parts(app: App, upload: Upload) -> None:
    """The records of the pieces; what they were of has ended."""
    while page := app.documents.query(PARTS_OF_UPLOAD, upload.id):
        for part in page:
            app.documents.transact(partial(_forget, part.id))


def _forget(part: str, tx: Transaction) -> None:
    tx.delete(Part, part)


def _throw(tx: Transaction, name: str, now: int) -> None:
    tx.put(Garbage(id=derived(name), object=name, due_at=now))
