"""What a batch leaves behind: converted rows and provider input. `sweep` deletes what is put on record here."""

from typing import Final

from shared.app import App
from shared.domain import layout
from shared.domain.batch import Batch
from shared.domain.clock import DAY
from shared.domain.files import Garbage
from shared.domain.ids import derived
from shared.storage.ports import Transaction

__all__ = ["throw_away", "throw_away_late"]

_UNSETTLED: Final = 10 * DAY  # at the latest by then the last shard has been settled, which needs what is there


def throw_away(app: App, tx: Transaction, batch_id: str, *, unsettled: bool = False) -> None:
    """The batch is over: nobody needs these any more, unless what ran is still to be counted."""
    due_at = app.now() + (_UNSETTLED if unsettled else 0)
    for folder in layout.batch_folders(app.data_bucket, app.work_bucket, batch_id):
        tx.put(Garbage(id=derived(folder), object=folder, due_at=due_at))


def throw_away_late(app: App, batch_id: str) -> None:
    """A worker that was presumed dead has written on: if its batch is over by now, that is waste too."""

    def body(tx: Transaction) -> None:
        batch = tx.get(Batch, batch_id)
        if batch is None or batch.terminal:
            throw_away(app, tx, batch_id, unsettled=batch is not None and bool(batch.owing or batch.open_shards))

    app.documents.transact(body)
