"""Records to store, made from their types: a field that the domain gains is tested without a change here."""

from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from shared.domain.batch import Batch
from shared.domain.files import File

__all__ = ["AWKWARD", "BIGGEST", "Note", "any_of", "batch", "file", "full"]

AWKWARD: Final = "é € 😀 \x00 \u2028 \\ \" ' % _ {} \r\n"
BIGGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The smallest record there can be, for what is true of any kind."""

    id: str
    number: int = 0


def any_of(kind: type[Any], **given: Any) -> Any:
    """A record with these fields; those it cannot do without are made up."""
    made_up = {
        each.name: _plain(each.type)
        for each in fields(kind)
        if each.default is MISSING and each.default_factory is MISSING
    }
    return kind(**{**made_up, **given})


def batch(**given: Any) -> Batch:
    record: Batch = any_of(Batch, **{"id": "batch_a", "owner": "ann", **given})
    return record


def file(**given: Any) -> File:
    record: File = any_of(File, **{"id": "file-a", "owner": "ann", **given})
    return record


def full(kind: Any) -> Any:
    """A value of any type that the domain uses, with nothing left at its default, all the way down."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return kind(**{each.name: full(each.type) for each in fields(kind)})  # type: ignore[operator]
    if origin in {Union, UnionType}:
        return full(next(each for each in inner if each is not NoneType))
    if origin is tuple:
        return tuple(full(each) for each in (inner if inner[-1] is not ... else (inner[0], inner[0])))
    if origin is dict:
        return {full(inner[0]): full(inner[1])}
    if issubclass(kind, Enum):
        return list(kind)[-1]
    return {str: AWKWARD, int: BIGGEST, bool: True}[kind]


def _plain(kind: Any) -> Any:
    if NoneType in get_args(kind):
        return None
    if is_dataclass(kind):
        return any_of(kind)  # type: ignore[arg-type]
    return {str: "x", int: 1, bool: False}.get(kind, full(kind))
