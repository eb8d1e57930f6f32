"""What a job is expected to use whose rows we did not write: from the size of its input, and a look at it."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import msgspec

from shared.app import App
from shared.domain.cost import Cost
from shared.domain.errors import BadRequest, ConfigError
from shared.domain.prefixes import Place
from shared.domain.usage import TOKEN, Tokens
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Provider
from shared.steps.expect import expected_input, expected_output, native_request, usual
from shared.steps.pieces import Pieces, every_row, small
from shared.storage.ports import ObjectMissing, Stat

__all__ = ["Sampled", "expected"]

_MOST: Final = 1_000  # objects that one wildcard may stand for
_LISTED: Final = 10_000  # objects that are listed for all wildcards of a job
_SIZES: Final = (64 * 2**10, 2 * 2**20)  # of a piece: of the larger ones, where rows are so long that few were seen
_ENOUGH: Final = 100  # rows
_BOM: Final = b"\xef\xbb\xbf"
_STAR: Final = re.compile(r"[*?]")
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Sampled(NamedTuple):
    """What a job is expected to be, about."""

    nano: int  # dollars
    tokens: int  # of its input; 0: there is none, and the job will fail, as at Vertex
    unpriced: int  # rows of those looked at whose model has no price


class _Seen(NamedTuple):
    cost: Cost
    rows: int
    size: int  # bytes of these


def expected(app: App, provider: Provider, inputs: tuple[Place, ...]) -> Sampled:
    """What a job with these inputs may cost. BadRequest where a wildcard stands for too much, and where the bucket is
    closed to us: what nobody can count shall not run.
    """
    try:
        stats = list(_objects(app, inputs))
        size = sum(stat.size for stat in stats)
        cost = _expected(app, provider, stats, size) if size else Cost()
        return Sampled(cost.nano, -(-size // TOKEN), cost.unpriced_lines)
    except ConfigError as error:
        log("input_unreadable", severity="CRITICAL", reason=str(error))
        raise BadRequest(
            "The input of this job cannot be read by this server, which has to know its size. Ask its operator to "
            "grant it access to the bucket.",
            code="FAILED_PRECONDITION",
        ) from error


def _objects(app: App, inputs: tuple[Place, ...]) -> Iterator[Stat]:
    listed = 0
    for at, place in enumerate(inputs):
        if not place.wild:
            with suppress(ObjectMissing):
                yield app.objects.stat(place.name)
            continue
        found, start = 0, _STAR.split(place.name, maxsplit=1)[0]
        folder, pattern = place.name.rpartition("/")[0], place.segments[-1]
        for stat in app.objects.list(start):
            listed += 1
            if listed > _LISTED:
                raise _too_many(at, f"To find what '{place.name}' stands for, more than {_LISTED:,} objects")
            if "/" not in (name := stat.name[len(folder) + 1 :]) and fnmatchcase(name, pattern):
                found += 1
                if found > _MOST:
                    raise _too_many(at, f"'{place.name}' stands for more than {_MOST:,} objects, and all of them")
                yield stat


def _too_many(at: int, what: str) -> BadRequest:
    return BadRequest(
        f"inputConfig.gcsSource.uris[{at}]: {what} would have to be looked at. Write the input to fewer objects, or "
        "in a folder of its own.",
        code="INVALID_ARGUMENT",
    )


def _expected(app: App, provider: Provider, stats: list[Stat], size: int) -> Cost:
    """By all rows, where they are few; else by so many bytes of them, times how many there are."""
    silent = provider.passthrough is not None and provider.passthrough.silent
    usually = 0 if silent else usual(app, provider.price_model)

    def counted(rows: Iterable[bytes]) -> _Seen:
        meter, number, seen, today = Meter(app.book, provider.price_model, provider.location), 0, 0, app.today()
        for raw in rows:
            if raw.isspace():
                continue
            number, seen = number + 1, seen + len(raw)
            request = native_request(_row(raw))
            output = 0 if silent else expected_output(request, usually)
            meter.add(Tokens(text=expected_input(request, len(raw)), output=output), today)
        return _Seen(meter.cost(), number, seen)

    if small(stats):
        return counted(every_row(app.objects, stats)).cost
    found = _Seen(Cost(), 0, 0)
    for piece in _SIZES:
        found = counted(Pieces(app.objects, stats, piece).rows())
        if found.rows >= _ENOUGH:
            break
    if not found.size:  # no row has an end where we looked
        meter = Meter(app.book, provider.price_model, provider.location)
        meter.add(Tokens(text=size // TOKEN, output=usually), app.today())
        return meter.cost()
    return Cost(
        nano=-(-found.cost.nano * size // found.size),
        priced_lines=found.cost.priced_lines,
        unpriced_lines=found.cost.unpriced_lines,
    )


def _row(raw: bytes) -> dict[str, Any]:
    try:
        return _decode(raw.removeprefix(_BOM))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
