"""The three ports. Small on purpose: each has an embedded adapter and a Google one, and one contract suite for both."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Final, Protocol, TypeVar

from shared.domain.errors import Transient
from shared.domain.messages import Message

__all__ = [
    "ABSENT",
    "Bus",
    "Contention",
    "Documents",
    "Exists",
    "ObjectExists",
    "ObjectMissing",
    "Objects",
    "Query",
    "Record",
    "Stat",
    "Transaction",
]

ABSENT: Final = 0  # Cloud Storage's own word: `ifGenerationMatch=0` is "only if there is none"


class ObjectExists(Exception):
    """The object is not of the generation that was asked for: with ABSENT, somebody wrote it before."""


class ObjectMissing(Exception):
    """There is no such object."""


class Exists(Exception):
    """A record was added under an id that is taken."""


class Contention(Transient):
    """Too many writers at once; the transaction was not applied."""


class Record(Protocol):
    """A frozen dataclass of the domain with an `id`. What it looks like when stored is its adapter's own affair."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=Record)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A shape of question, declared once in `queries.py`, so that its index is known before anybody asks it.

    Records of one kind that agree with the caller in the fields `equal`, ordered by the integer field `order`, records
    of the same value by id in the same direction. A record whose `order` is None is not found.
    """

    kind: type[Any]
    equal: tuple[str, ...] = ()
    order: str = "created_at"
    descending: bool = False


class Transaction(Protocol):
    """Reads first, then writes. Nothing is visible to others, and `add` is not judged, before it commits."""

    def get(self, kind: type[R], id: str) -> R | None: ...
    def prefetch(self, *places: tuple[type[Any], str]) -> None:
        """Read these records, by kind and id, in one go: each `get` of one of them asks nobody any more."""
        ...

    def put(self, record: Record) -> None: ...
    def add(self, record: Record) -> None: ...  # refuses an id that exists: Exists, at the latest at commit
    def delete(self, kind: type[R], id: str) -> None: ...


class Documents(Protocol):
    """Records by id, transactions, and the declared queries."""

    def get(self, kind: type[R], id: str) -> R | None: ...
    def transact(self, body: Callable[[Transaction], T]) -> T:
        """Run `body` in one serializable transaction; it may run again, so it is pure but for the transaction."""
        ...

    def query(
        self,
        query: Query,
        *values: object,
        at_least: int | None = None,
        at_most: int | None = None,
        after: Record | None = None,
        limit: int = 100,
    ) -> list[Any]:
        """The first `limit` records; with `after`, those behind that one; with `at_least` and `at_most`, of `order`
        between them.

        `values` are for `query.equal`, in that order. Paging by `after` shows each record once and leaves no gap.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What is known of an object without reading it. A new write of the same name is a new, higher generation."""

    name: str
    size: int
    generation: int
    updated_at: int  # milliseconds


class Objects(Protocol):
    """Named byte streams, `gs://bucket/object`. A write is seen whole or not at all.

    Transient where the store does not answer, ConfigError where it refuses us or has no such bucket.
    """

    def write(self, name: str, chunks: Iterable[bytes], *, if_generation: int | None = None) -> Stat:
        """Store the chunks; if the iterator raises, no object appears.

        ObjectExists where the generation differs, before the first chunk is asked for if it does by then. It is never
        said for what this very call has written, though the reply to that was lost.
        """
        ...

    def open(self, name: str, *, offset: int = 0) -> BinaryIO:
        """Read from `offset`, all from one generation; ObjectMissing.

        With that a long read may end too, whose object is deleted or replaced meanwhile: never with other bytes, and
        never as if it were complete.
        """
        ...

    def compose(self, name: str, sources: list[str], *, if_generation: int | None = None) -> Stat:
        """Join any number of objects of the same bucket, in order; ObjectMissing where a source is not there."""
        ...

    def stat(self, name: str) -> Stat: ...  # ObjectMissing
    def delete(self, name: str, *, if_generation: int | None = None) -> None: ...  # a missing one is no error
    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object whose name begins with `gs://bucket/prefix`, sorted by name; none whose name is no name here."""
        ...

    def sign(self, name: str, *, seconds: int, filename: str) -> str | None:
        """A URL that reads the object as a file of that name, or None where this store has no such thing.

        It is good for so long, but for no more than ten minutes.
        """
        ...


class Bus(Protocol):
    """Messages out. They come back as CloudEvents to a function: at least once, late, in any order."""

    def publish(self, messages: Iterable[Message]) -> None: ...
