"""Every query there is, and so every index: SQLite makes them from here, and Terraform is compared with this list."""

from collections.abc import Mapping
from typing import Any, Final

from shared.domain.batch import Batch
from shared.domain.files import File, Garbage, Part, Upload
from shared.domain.messages import Created, Outbox
from shared.domain.shard import Shard
from shared.storage.ports import Query

__all__ = [
    "ALL",
    "BATCHES",
    "BATCHES_DUE",
    "BATCHES_OF_INPUT",
    "BATCHES_OF_OWNER",
    "CREATED_OVER",
    "EXPIRES",
    "FILES",
    "FILES_OF_OWNER",
    "FILES_OF_OWNER_AND_PURPOSE",
    "FILES_OF_PURPOSE",
    "FILES_OVER",
    "GARBAGE_DUE",
    "OUTBOX_DUE",
    "PARTS_OF_UPLOAD",
    "SHARDS_DUE",
    "SHARDS_OF_BATCH",
    "SHARDS_OF_DEPLOYMENT",
    "UPLOADS_OVER",
]

BATCHES: Final = Query(kind=Batch, descending=True)
BATCHES_OF_OWNER: Final = Query(kind=Batch, equal=("owner",), descending=True)
BATCHES_OF_INPUT: Final = Query(kind=Batch, equal=("input_object", "status"))
BATCHES_DUE: Final = Query(kind=Batch, order="due_at")

FILES: Final = tuple(Query(kind=File, descending=down) for down in (False, True))
FILES_OF_OWNER: Final = tuple(Query(kind=File, equal=("owner",), descending=down) for down in (False, True))
FILES_OF_PURPOSE: Final = tuple(Query(kind=File, equal=("purpose",), descending=down) for down in (False, True))
FILES_OF_OWNER_AND_PURPOSE: Final = tuple(
    Query(kind=File, equal=("owner", "purpose"), descending=down) for down in (False, True)
)
FILES_OVER: Final = Query(kind=File, order="expires_at")

SHARDS_OF_BATCH: Final = Query(kind=Shard, equal=("batch",), order="number")
SHARDS_DUE: Final = Query(kind=Shard, order="due_at")
SHARDS_OF_DEPLOYMENT: Final = Query(kind=Shard, equal=("deployment", "status"), order="number")

PARTS_OF_UPLOAD: Final = Query(kind=Part, equal=("upload",))
UPLOADS_OVER: Final = Query(kind=Upload, equal=("status",), order="expires_at")

OUTBOX_DUE: Final = Query(kind=Outbox, order="due_at")
GARBAGE_DUE: Final = Query(kind=Garbage, order="due_at")
CREATED_OVER: Final = Query(kind=Created, order="expire_at")

ALL: Final = (
    BATCHES, BATCHES_OF_OWNER, BATCHES_OF_INPUT, BATCHES_DUE,
    *FILES, *FILES_OF_OWNER, *FILES_OF_PURPOSE, *FILES_OF_OWNER_AND_PURPOSE, FILES_OVER,
    SHARDS_OF_BATCH, SHARDS_DUE, SHARDS_OF_DEPLOYMENT, PARTS_OF_UPLOAD, UPLOADS_OVER,
    OUTBOX_DUE, GARBAGE_DUE, CREATED_OVER,
)  # fmt: skip

# What a store may delete by itself some time after that moment: `sweep` does it too, and nobody believes it any more.
EXPIRES: Final[Mapping[type[Any], str]] = {Created: "expire_at"}  # kind: its integer field of milliseconds
