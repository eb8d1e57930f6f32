"""What an object may be called, `gs://bucket/object`, and a document, and by what one may be searched: in any store.

Of objects stricter than Cloud Storage where a folder could not keep the promise: a name has one spelling, and leads
nowhere else. Of documents as strict as Firestore.
"""

import re
from typing import Final

import msgspec

__all__ = ["Plain", "bucket_and_object", "bucket_and_prefix", "document_id", "is_component", "searchable"]

Plain = str | int | bool | None

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")  # no dot in front: hidden folders are the store's own
_FORBIDDEN: Final = re.compile(r"[\x00\r\n]")
_LONE: Final = re.compile(r"[\ud800-\udfff]")  # how Python reads a file name that is not UTF-8
_LONGEST: Final = 1024  # bytes; Cloud Storage's limit
_LONGEST_COMPONENT: Final = 255  # bytes; NAME_MAX of the common file systems

_LONGEST_ID: Final = 1_500  # bytes; Firestore's limit
_LONGEST_INDEXED: Final = 1_499  # bytes; 1,500 cannot be asked for, and of more an index holds the beginning alone
_RESERVED: Final = re.compile(r"__.*__", re.DOTALL)


def bucket_and_object(name: str) -> tuple[str, str]:
    """`gs://bucket/a/b` as `("bucket", "a/b")`; ValueError where it is no name of an object."""
    bucket, rest = bucket_and_prefix(name)
    if not rest or rest.endswith("/"):
        raise ValueError(f"{name!r} is not gs://bucket/object")
    return bucket, rest


def bucket_and_prefix(prefix: str) -> tuple[str, str]:
    """The same for the beginning of a name: nothing after the bucket, or half a component, will do."""
    bucket, slash, rest = prefix.removeprefix("gs://").partition("/")
    if not prefix.startswith("gs://") or not slash or not _BUCKET.fullmatch(bucket) or _FORBIDDEN.search(rest):
        raise ValueError(f"{prefix!r} is not gs://bucket/object")
    *folders, last = rest.split("/")
    if any(folder in {"", ".", ".."} for folder in folders) or last in {".", ".."}:
        raise ValueError(f"{prefix!r} has an empty or a relative component")
    parts = (bucket, *folders, last)
    if len(rest.encode()) > _LONGEST or any(len(part.encode()) > _LONGEST_COMPONENT for part in parts):
        raise ValueError(f"{prefix!r} is too long")
    return bucket, rest


def is_component(text: str) -> bool:
    """Whether what a file system calls a file or folder can be part of an object's name at all."""
    return not (_FORBIDDEN.search(text) or _LONE.search(text))


def document_id(id: str) -> str:
    """The id, as it is; ValueError where Firestore would refuse it. Ids of ours never are such."""
    if id in {"", ".", ".."} or "/" in id or _RESERVED.fullmatch(id) or len(id.encode()) > _LONGEST_ID:
        raise ValueError(f"{id[:100]!r} cannot be the id of a document")
    return id


def searchable(name: str, value: object) -> Plain:
    """The value of a field as an index has it; ValueError where it is too long for one."""
    plain: Plain = msgspec.to_builtins(value)
    if isinstance(plain, str) and len(plain.encode()) > _LONGEST_INDEXED:
        raise ValueError(f"{name} is too long to be searched: {len(plain.encode()):,} bytes")
    return plain
