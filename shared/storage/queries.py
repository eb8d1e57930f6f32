"""Every query there is, and so every index: SQLite makes them from here, and Terraform is compared with this list."""

from collections.abc import Mapping
from typing import Any, Final

from shared.domain.account import Account
from shared.domain.batch import Batch
from shared.domain.files import File, Garbage, Part, Upload
from shared.domain.former import FormerKey
from shared.domain.keys import Grace, Key, Team, User
from shared.domain.ledger import Day, LedgerEntry, TagDay
from shared.domain.messages import Created, Outbox
from shared.domain.passthrough import VertexJob
from shared.domain.shard import Shard
from shared.storage.ports import Query

__all__ = [
    "ACCOUNTS",
    "ALL",
    "BATCHES",
    "BATCHES_DUE",
    "BATCHES_OF_INPUT",
    "BATCHES_OF_OWNER",
    "BATCHES_OF_TEAM",
    "CREATED_OVER",
    "DAYS",
    "DAYS_OF_KEY",
    "DAYS_OF_TEAM",
    "DAYS_OF_USER",
    "EXPIRES",
    "FILES",
    "FILES_OF_OWNER",
    "FILES_OF_OWNER_AND_PURPOSE",
    "FILES_OF_PURPOSE",
    "FILES_OF_TEAM",
    "FILES_OF_TEAM_AND_PURPOSE",
    "FILES_OVER",
    "FORMER_KEYS_OF_ALIAS",
    "FORMER_KEYS_OF_HASH",
    "GARBAGE_DUE",
    "GRACES_OVER",
    "JOBS",
    "JOBS_BY_DIRECTORY",
    "JOBS_BY_NUMBER",
    "JOBS_BY_OUTPUT",
    "JOBS_DUE",
    "JOBS_OF_OWNER",
    "JOBS_OF_TEAM",
    "KEYS",
    "KEYS_OF_ALIAS",
    "KEYS_OF_KEY_ID",
    "KEYS_OF_TEAM",
    "KEYS_OF_USER",
    "LEDGER",
    "LEDGER_OF_BATCH",
    "LEDGER_OF_KEY",
    "LEDGER_OF_TEAM",
    "LEDGER_OF_USER",
    "OUTBOX_DUE",
    "PARTS_OF_UPLOAD",
    "SHARDS_DUE",
    "SHARDS_OF_BATCH",
    "SHARDS_OF_DEPLOYMENT",
    "TAG_DAYS",
    "TEAMS",
    "UPLOADS_OVER",
    "USERS",
    "USERS_OF_EMAIL",
]

BATCHES: Final = Query(kind=Batch, descending=True)
BATCHES_OF_OWNER: Final = Query(kind=Batch, equal=("owner",), descending=True)
BATCHES_OF_TEAM: Final = Query(kind=Batch, equal=("team",), descending=True)
BATCHES_OF_INPUT: Final = Query(kind=Batch, equal=("input_object", "status"))
BATCHES_DUE: Final = Query(kind=Batch, order="due_at")

FILES: Final = tuple(Query(kind=File, descending=down) for down in (False, True))
FILES_OF_OWNER: Final = tuple(Query(kind=File, equal=("owner",), descending=down) for down in (False, True))
FILES_OF_PURPOSE: Final = tuple(Query(kind=File, equal=("purpose",), descending=down) for down in (False, True))
FILES_OF_OWNER_AND_PURPOSE: Final = tuple(
    Query(kind=File, equal=("owner", "purpose"), descending=down) for down in (False, True)
)
FILES_OF_TEAM: Final = tuple(Query(kind=File, equal=("team",), descending=down) for down in (False, True))
FILES_OF_TEAM_AND_PURPOSE: Final = tuple(
    Query(kind=File, equal=("team", "purpose"), descending=down) for down in (False, True)
)
FILES_OVER: Final = Query(kind=File, order="expires_at")

SHARDS_OF_BATCH: Final = Query(kind=Shard, equal=("batch",), order="number")
SHARDS_DUE: Final = Query(kind=Shard, order="due_at")
SHARDS_OF_DEPLOYMENT: Final = Query(kind=Shard, equal=("deployment", "status"), order="number")

PARTS_OF_UPLOAD: Final = Query(kind=Part, equal=("upload",))
UPLOADS_OVER: Final = Query(kind=Upload, equal=("status",), order="expires_at")

KEYS: Final = Query(kind=Key, descending=True)
KEYS_OF_ALIAS: Final = Query(kind=Key, equal=("key_alias",), descending=True)
KEYS_OF_KEY_ID: Final = Query(kind=Key, equal=("key_id",), descending=True)
KEYS_OF_TEAM: Final = Query(kind=Key, equal=("team_id",), descending=True)
KEYS_OF_USER: Final = Query(kind=Key, equal=("user_id",), descending=True)
FORMER_KEYS_OF_ALIAS: Final = Query(kind=FormerKey, equal=("key_alias",), descending=True)
FORMER_KEYS_OF_HASH: Final = Query(kind=FormerKey, equal=("hash",), descending=True)
TEAMS: Final = Query(kind=Team, descending=True)
USERS: Final = Query(kind=User, descending=True)
USERS_OF_EMAIL: Final = Query(kind=User, equal=("user_email",), descending=True)

ACCOUNTS: Final = Query(kind=Account, order="spent")  # that only rises: who pays meanwhile is met again, not missed
LEDGER: Final = Query(kind=LedgerEntry, descending=True)
LEDGER_OF_BATCH: Final = Query(kind=LedgerEntry, equal=("batch",), descending=True)
LEDGER_OF_KEY: Final = Query(kind=LedgerEntry, equal=("key",), descending=True)
LEDGER_OF_TEAM: Final = Query(kind=LedgerEntry, equal=("team",), descending=True)
LEDGER_OF_USER: Final = Query(kind=LedgerEntry, equal=("user",), descending=True)
DAYS: Final = Query(kind=Day, order="day", descending=True)
DAYS_OF_KEY: Final = Query(kind=Day, equal=("key",), order="day", descending=True)
DAYS_OF_TEAM: Final = Query(kind=Day, equal=("team",), order="day", descending=True)
DAYS_OF_USER: Final = Query(kind=Day, equal=("user",), order="day", descending=True)
TAG_DAYS: Final = Query(kind=TagDay, order="day", descending=True)

JOBS: Final = Query(kind=VertexJob, descending=True)
JOBS_OF_OWNER: Final = Query(kind=VertexJob, equal=("owner",), descending=True)
JOBS_OF_TEAM: Final = Query(kind=VertexJob, equal=("team",), descending=True)
JOBS_BY_DIRECTORY: Final = Query(kind=VertexJob, equal=("directory",), descending=True)
JOBS_BY_NUMBER: Final = Query(kind=VertexJob, equal=("number",), descending=True)
JOBS_BY_OUTPUT: Final = Query(kind=VertexJob, equal=("output",), descending=True)
JOBS_DUE: Final = Query(kind=VertexJob, order="due_at")

OUTBOX_DUE: Final = Query(kind=Outbox, order="due_at")
GARBAGE_DUE: Final = Query(kind=Garbage, order="due_at")
CREATED_OVER: Final = Query(kind=Created, order="expire_at")
GRACES_OVER: Final = Query(kind=Grace, order="until")

ALL: Final = (
    BATCHES, BATCHES_OF_OWNER, BATCHES_OF_TEAM, BATCHES_OF_INPUT, BATCHES_DUE,
    *FILES, *FILES_OF_OWNER, *FILES_OF_PURPOSE, *FILES_OF_OWNER_AND_PURPOSE, FILES_OVER,
    *FILES_OF_TEAM, *FILES_OF_TEAM_AND_PURPOSE,
    SHARDS_OF_BATCH, SHARDS_DUE, SHARDS_OF_DEPLOYMENT, PARTS_OF_UPLOAD, UPLOADS_OVER,
    KEYS, KEYS_OF_ALIAS, KEYS_OF_KEY_ID, KEYS_OF_TEAM, KEYS_OF_USER, TEAMS, USERS, USERS_OF_EMAIL,
    FORMER_KEYS_OF_ALIAS, FORMER_KEYS_OF_HASH,
    ACCOUNTS, LEDGER, LEDGER_OF_BATCH, LEDGER_OF_KEY, LEDGER_OF_TEAM, LEDGER_OF_USER,
    DAYS, DAYS_OF_KEY, DAYS_OF_TEAM, DAYS_OF_USER, TAG_DAYS,
    JOBS, JOBS_OF_OWNER, JOBS_OF_TEAM, JOBS_BY_DIRECTORY, JOBS_BY_NUMBER, JOBS_BY_OUTPUT, JOBS_DUE,
    OUTBOX_DUE, GARBAGE_DUE, CREATED_OVER, GRACES_OVER,
)  # fmt: skip

# What a store may delete by itself some time after that moment: `sweep` does it too, and nobody believes it any more.
EXPIRES: Final[Mapping[type[Any], str]] = {Created: "expire_at", Grace: "until"}  # kind: field of milliseconds
