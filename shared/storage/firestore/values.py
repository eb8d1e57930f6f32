"""Records as Firestore's documents, and back."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from google.cloud.firestore_v1.types import Document, Value
from google.protobuf.struct_pb2 import NullValue
from google.protobuf.timestamp_pb2 import Timestamp

from shared.domain.clock import SECOND
from shared.storage.firestore import layout
from shared.storage.ports import Record

__all__ = ["document_of", "record_of", "value_of"]

R = TypeVar("R", bound=Record)

_LAST_SECOND: Final = 253_402_300_799  # of the year 9999, where Google's timestamps end


def document_of(record: Record, name: str) -> Document:
    """The record as it is stored under this name; ValueError or RecordTooLarge where it cannot be."""
    fields = {field: value_of(plain) for field, plain in layout.indexed_fields(record).items()}
    fields[layout.DATA] = Value(string_value=layout.encoded(record))
    expires_at = layout.expires_at(record)
    if expires_at is not None:
        fields[layout.TTL] = Value(timestamp_value=Timestamp(seconds=min(expires_at // SECOND, _LAST_SECOND)))
    return Document(name=name, fields=fields)


def record_of(kind: type[R], document: Document) -> R:
    """The record in a document that `document_of` made, in this version of ours or another."""
    record: R = _decoder(kind)(document.fields[layout.DATA].string_value)
    return record


def value_of(plain: layout.Plain) -> Value:
    match plain:
        case None:
            return Value(null_value=NullValue.NULL_VALUE)
        case bool():
            return Value(boolean_value=plain)
        case int():
            return Value(integer_value=plain)
        case str():
            return Value(string_value=plain)


_decoder: Final[Callable[[Any], Callable[[str], Any]]] = cache(lambda kind: msgspec.json.Decoder(kind).decode)
