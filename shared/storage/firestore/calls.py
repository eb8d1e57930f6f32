"""The calls of Firestore's API that we make, each bounded in time.

Google's own `firestore.Client` waits up to 60 s for the beginning, the commit and the rollback of a transaction, tries
a commit again whose answer was lost, and lets nobody change that. The generated client below it can be told.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
from google.api_core import exceptions as gexc
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport
from google.cloud.firestore_v1.types import (
    BatchGetDocumentsRequest,
    CommitRequest,
    Document,
    RollbackRequest,
    RunQueryRequest,
    StructuredQuery,
    TransactionOptions,
    Write,
)

from shared.storage.ports import Exists
from shared.storage.remote import PerProcess, insist, translated

__all__ = ["Calls", "Found", "Stale"]

Found = dict[str, Document | None]  # by name; None: there is no such document

_LET_GO: Final = 2.0  # seconds; a transaction that nobody ends is ended by Firestore after 60 s
_CHANNEL: Final = (
    ("grpc.keepalive_time_ms", 30_000),  # as `firestore.Client` has it: a connection that died in silence is noticed
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),  # else up to two minutes in which every call fails at once
)


class Stale(Exception):
    """Something is not what the writes expect it to be, or somebody else was at it. Nothing was written."""


@dataclass(frozen=True, slots=True)
class _Connection:
    api: FirestoreClient
    metadata: Sequence[tuple[str, str]]


class Calls:
    """One database. Documents go by their full names."""

    def __init__(self, project: str, database: str) -> None:
        self._database = f"projects/{project}/databases/{database}"
        self._documents = f"{self._database}/documents"
        self._doing = f"firestore://{project}/{database}"
        self._connection = PerProcess(self._connect)

    def name(self, collection: str, id: str) -> str:
        return f"{self._documents}/{collection}/{id}"

    def read(self, names: Sequence[str], *, seconds: float) -> Found:
        """The documents as they are."""
        found, _ = self._batch_get(BatchGetDocumentsRequest(database=self._database, documents=names), seconds)
        return found

    def hold(self, names: Sequence[str], *, seconds: float) -> tuple[Found, bytes]:
        """The documents as they are, and the transaction that keeps them so until it is committed or let go."""
        options = TransactionOptions(read_write=TransactionOptions.ReadWrite())
        request = BatchGetDocumentsRequest(database=self._database, documents=names, new_transaction=options)
        return self._batch_get(request, seconds)

    def let_go(self, transaction: bytes) -> None:
        """End a transaction that writes nothing. If that cannot be said now, Firestore will find out by itself."""
        connection = self._connection.get()
        request = RollbackRequest(database=self._database, transaction=transaction)
        with suppress(gexc.GoogleAPIError):
            connection.api.rollback(request=request, retry=None, timeout=_LET_GO, metadata=connection.metadata)

    def commit(self, writes: Sequence[Write], *, transaction: bytes = b"", seconds: float) -> None:
        """Apply all writes, or none: Exists, Stale. Transient where it cannot be known whether they were.

        It is not tried again: after an answer that was lost, the second try would meet the first one's own writes.
        """
        request = CommitRequest(database=self._database, writes=writes, transaction=transaction)
        guarded = any("current_document" in write for write in writes)
        with translated(self._doing):
            connection = self._connection.get()
            try:
                connection.api.commit(request=request, retry=None, timeout=seconds, metadata=connection.metadata)
            except gexc.AlreadyExists as error:
                raise Exists("one of the records is there") from error
            except gexc.Aborted as error:
                raise Stale from error
            except (gexc.FailedPrecondition, gexc.NotFound) as error:
                if not guarded:
                    raise
                raise Stale from error

    def query(self, query: StructuredQuery, *, seconds: float) -> list[Document]:
        """What the query finds, in its order."""
        request = RunQueryRequest(parent=self._documents, structured_query=query)

        def call(left: float) -> list[Document]:
            connection = self._connection.get()
            answers = connection.api.run_query(request=request, retry=None, timeout=left, metadata=connection.metadata)
            return [answer.document for answer in answers if answer.document]

        with translated(self._doing):
            return insist(call, seconds=seconds)

    def close(self) -> None:
        """Close the connection of this process. A later use opens another."""
        connection = self._connection.take()
        if connection is not None:
            connection.api.transport.close()  # type: ignore[no-untyped-call]

    def _batch_get(self, request: BatchGetDocumentsRequest, seconds: float) -> tuple[Found, bytes]:
        def call(left: float) -> tuple[Found, bytes]:
            connection = self._connection.get()
            answers = list(
                connection.api.batch_get_documents(
                    request=request, retry=None, timeout=left, metadata=connection.metadata
                )
            )
            found = {answer.found.name: answer.found for answer in answers if answer.found}
            transaction = next((answer.transaction for answer in answers if answer.transaction), b"")
            return {name: found.get(name) for name in request.documents}, transaction

        with translated(self._doing):
            return insist(call, seconds=seconds)

    def _connect(self) -> _Connection:
        prefix = ("google-cloud-resource-prefix", self._database)
        emulator = os.environ.get("FIRESTORE_EMULATOR_HOST")
        if emulator:
            channel = grpc.insecure_channel(emulator, options=_CHANNEL)
            transport = FirestoreGrpcTransport(host=emulator, channel=channel)
            return _Connection(FirestoreClient(transport=transport), (prefix, ("authorization", "Bearer owner")))
        return _Connection(FirestoreClient(transport=FirestoreGrpcTransport(channel=_secure_channel)), (prefix,))


def _secure_channel(host: str, *, options: Sequence[tuple[str, Any]], **given: Any) -> Any:
    return FirestoreGrpcTransport.create_channel(host, options=(*options, *_CHANNEL), **given)
