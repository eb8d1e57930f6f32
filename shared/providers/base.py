"""What a provider is to us: a codec, a client and a profile. Nobody outside its folder asks which provider it is."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Final, Protocol, Self

import msgspec

from shared.domain.batch import BatchError
from shared.domain.errors import Transient
from shared.domain.shard import Job
from shared.domain.usage import Tokens
from shared.storage.ports import Objects

__all__ = [
    "NATIVE",
    "Answer",
    "Busy",
    "Client",
    "Codec",
    "Encoded",
    "Entry",
    "Fault",
    "Hold",
    "JobMissing",
    "JobRequest",
    "Limits",
    "Media",
    "NeverRan",
    "Outcome",
    "Passthrough",
    "Provider",
    "ProviderRow",
    "Refused",
    "RequestLine",
    "Runner",
    "Said",
    "Unknown",
    "Used",
]

NATIVE: Final = "native"  # instead of an endpoint: of files whose lines are the provider's own rows already


class RequestLine(msgspec.Struct, gc=False):
    """One checked line of an input file. `body` is decoded JSON: finite numbers, no duplicate keys, depth up to 64."""

    custom_id: str
    url: str
    body: dict[str, Any]


class Entry(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """What we must remember of a line to understand its answer: one row of a shard's index."""

    ordinal: int  # the line's number in the input file, from 1
    custom_id: str
    model: str  # as the caller wrote it: what the answer's `model` says
    hints: dict[str, Any] | None = None  # whatever the codec wants back
    rows: int = 1  # how many rows it became, and has to come back as


class Encoded(msgspec.Struct, gc=False):
    """A line in the provider's own words."""

    rows: bytes  # one or more rows, each ended by a newline
    count: int = 1  # how many rows
    hints: dict[str, Any] | None = None  # goes into the line's Entry
    shape: dict[str, str] | None = None
    """Path to JSON type of free-form parts, where rows of one job must agree; rows that do not go to other shards."""
    inputs: int = 1  # in the sense of `Limits.inputs`
    match: list[str] | None = None
    """Of a provider that gives no key back: what each row will be known by, in their order (`ProviderRow.match`)."""


class ProviderRow(msgspec.Struct, gc=False):
    """One row of a provider's output, understood just enough to say whose it is."""

    ordinal: int
    index: int  # of a line that became several rows: which of them, from 0
    count: int  # … and of how many
    content: Any  # the codec's own; goes back into `answer`
    match: str | None = None
    """Instead of a key: equal to that of the row as it was encoded (`Encoded.match`). Rows that share it asked for the
    same, so the first that comes belongs to the first that was sent. The other three say nothing then; whoever finds
    the row's place fills them in.
    """


class NeverRan(msgspec.Struct, gc=False):
    """What a provider says of a line that it did not run."""

    code: str
    message: str


class Answer(msgspec.Struct, gc=False):
    """What a line gets: an OpenAI response body, or an error body with its status."""

    status: int  # below 400: output file; else error file. Never 0
    body: Any  # anything that msgspec encodes
    request_id: str
    tokens: Tokens | None = None  # None: nothing was used, or, of a good answer, nobody said what
    day: str | None = None  # YYYY-MM-DD of the provider's clock: which price holds
    never_ran: NeverRan | None = None  # if so, this is all there is to say
    raw: bytes | None = None  # of native rows: the line of the output or error file itself, without its newline
    extra: bool = False  # something was charged beside the tokens


class Codec(Protocol):
    """Pure translation. Made for one deployment and one endpoint; keeps no state between lines."""

    name: str

    def encode(self, line: RequestLine, ordinal: int) -> Encoded:
        """LineError where the provider cannot do what the line asks."""
        ...

    def read(self, raw: bytes) -> ProviderRow | None:
        """One row of the output; None where it is nobody's (no key of ours, or no JSON)."""
        ...

    def answer(self, rows: list[ProviderRow], entry: Entry) -> Answer:
        """The answer to one line, from all of its rows in order of `index`. Never raises on what a provider wrote."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one job takes."""

    rows: int
    bytes: int
    inputs: int | None = None  # where a provider counts what is inside the rows, too


class Hold(Protocol):
    """What a step holds on to while a provider takes its time: its lease."""

    def beat(self, *, at_once: bool = False) -> None:
        """To be called at least every few seconds. Raises where the work is no longer ours; let that pass."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job to create. `label` is our own name for it, unique to the attempt.

    A provider that reads our bucket is told `source` and `output`; one that wants the rows sent reads them by `open`.
    """

    label: str
    endpoint: str  # such as /v1/embeddings
    source: str  # gs:// object of encoded rows
    output: str  # gs:// prefix, ended by a slash
    size: Callable[[], int]  # bytes of the encoded rows
    open: Callable[[], BinaryIO]  # the encoded rows, from the first
    hold: Hold


@dataclass(frozen=True, slots=True)
class Media:
    """Which buckets a line may name in a `gs://` URL. The provider reads them with the project's identity, so what may
    be read is ours to say: never our own buckets, which hold other callers' files.
    """

    closed: frozenset[str] = frozenset()
    open: frozenset[str] | None = None  # None: all that are not closed

    def allows(self, bucket: str) -> bool:
        return bucket not in self.closed and (self.open is None or bucket in self.open)


class Refused(Exception):
    """The provider will not run this, and asking again would not help; or so it says.

    `settled` is False where time may change its mind, such as 403 just after a grant was made.
    """

    def __init__(self, error: BatchError, *, settled: bool = True) -> None:
        super().__init__(error.message)
        self.error, self.settled = error, settled


class Busy(Transient):
    """There certainly was no effect: no quota or no room here, or nobody answers. Another deployment may take it."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after  # seconds, where the provider says how long to leave it alone


class Unknown(Transient):
    """The request may or may not have had its effect: the answer was lost. Look before doing it again."""


class JobMissing(Exception):
    """The provider knows no such job."""


class Client(Protocol):
    """I/O with the provider. Raises Refused, JobMissing, and Transient for whatever may pass (429, 5xx, silence)."""

    def create_job(self, request: JobRequest) -> Job: ...
    def find_job(self, label: str, *, since: int = 0) -> Job | None: ...  # none was made before, in milliseconds
    def get_job(self, name: str) -> Job: ...
    def cancel_job(self, name: str) -> None: ...  # asynchronous, best effort; a finished job is no error


class Fault(StrEnum):
    """Why one call for one line brought no answer; see `steps/execute.py` for what follows from it."""

    ENDPOINT = "endpoint"  # refused connection, 429, 503: not this line's fault, and costs it nothing
    REPLY = "reply"  # 500, reset, timeout, half an answer: the line may be tried so many times
    DEPLOYMENT = "deployment"  # wrong key, no such route or model: no line will ever run here


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of calling a server once for one line: a row, or a fault."""

    row: bytes | None = None  # of results, as the codec reads it, ended by a newline: good, or an error of the line
    good: bool = False  # of a row: whether the line got its answer
    fault: Fault | None = None
    retry_after: float | None = None  # seconds, where the server says how long to leave it alone
    status: int | None = None  # HTTP, where there was one: with the next, what the line is told when its tries are over
    said: str = ""  # for the log, and of a DEPLOYMENT fault for the client: names nothing of ours


class Runner(Protocol):
    """Calls a server that has no batch API, line by line. Lives in one event loop; closing it ends all its calls.

    `async with` opens and closes it.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *error: object) -> None: ...

    async def run(self, row: bytes, name: str) -> Outcome:
        """One call for one encoded row. `name` goes to the server as the request's id. Never raises what is I/O's."""
        ...

    async def well(self) -> bool:
        """Whether the server answers at all, found out in a few seconds without a line."""
        ...


class Said(Exception):
    """The provider refuses, in words of its own that are for the caller: an HTTP status, its name for it, a message.

    What was asked for has certainly not been done.
    """

    def __init__(self, code: int, status: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.retry_after = code, status, retry_after


class Used(msgspec.Struct, gc=False):
    """What a row of a job that we did not write says of itself."""

    good: bool
    tokens: Tokens | None = None  # None: nothing was used, or, of a good row, nobody said what
    day: str | None = None  # YYYY-MM-DD of the provider's clock: which price holds
    extra: bool = False  # something was charged beside the tokens


class Passthrough(Protocol):
    """Jobs in the provider's own words, for callers who speak them. Jobs are its JSON, as it wrote it.

    Raises Said, JobMissing, and Transient for whatever may pass. A create raises Unknown where there may be a job
    although we were not told so; after any other error there is none.
    """

    path: str  # what jobs call the model, or the endpoint that it stands behind
    silent: bool  # whether answers have no tokens

    def create(self, label: str, body: Mapping[str, Any]) -> dict[str, Any]: ...  # under our label, and one's own
    def find(self, label: str) -> dict[str, Any] | None: ...
    def get(self, name: str) -> dict[str, Any]: ...
    def cancel(self, name: str) -> dict[str, Any]: ...
    def delete(self, name: str) -> dict[str, Any]: ...

    def predictions(self, job: Mapping[str, Any], names: Iterable[str]) -> list[str]:
        """Of the objects in its output directory, those with final rows."""
        ...

    def read(self, raw: bytes) -> Used | None:
        """One row of those; None where it is none. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A deployment, ready to be used."""

    client: Client
    limits: Limits
    codec: Callable[[str], Codec | None]  # by endpoint, such as /v1/embeddings, or NATIVE; None: not offered
    codec_named: Callable[[str], Codec]  # by `Codec.name`, as a shard remembers it
    predictions: Callable[[Job, Iterable[str]], list[str]]  # of the objects in its output, those with final rows
    fetch: Callable[[Job, Objects, str, Hold], None] | None = None
    """Copies what the job left with the provider (`Job.files`) into objects under the output prefix, each written once
    and whole; again is the same as once. Transient where it cannot be had now, JobMissing where the provider says that
    some of it is gone. None: the provider writes there itself.
    """
    price_model: str  # what the price book calls the model
    location: str  # what a regional uplift depends on
    executes: Callable[[], bool] = lambda: False
    """Whether lines are run one by one (`runner`) and not as a job (`client`). May ask the server; Transient where it
    does not say: then nothing is decided yet.
    """
    runner: Callable[[], Runner] | None = None
    parallel: int = 1  # lines in flight, of all workers together, where lines are run one by one
    tidy: Callable[[Job], None] | None = None
    """Deletes what a job left with the provider, once its rows are ours. Best effort; again is the same as once."""
    passthrough: Passthrough | None = None  # None: jobs cannot be passed through
    beside: Callable[[str, dict[str, Any]], str | None] = lambda *_: None
    """Of a line for an endpoint, or of a row as the provider's own (NATIVE): the member of its body that asks for what
    is charged beside the tokens; None where nothing is.
    """
    withheld: Callable[[dict[str, Any]], str | None] = lambda _: None
    """Of a row as the provider's own: the member that names what lies in the operator's project, where no caller may
    have it read; None where none does.
    """
