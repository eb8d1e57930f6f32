"""What a job is expected to use whose rows we did not write: from the size of its input, and a look at it."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import msgspec

from shared.app import App
from shared.domain.cost import Cost, Unpriced
from shared.domain.errors import BadRequest, ConfigError
from shared.domain.prefixes import Place
from shared.domain.usage import TOKEN, Tokens
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import NATIVE, Provider
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
    unpriced: Unpriced  # rows of those looked at


class _Seen(NamedTuple):
    cost: Cost = Cost()
    beside: str | None = None  # as in `Unpriced`
    rows: int = 0
    size: int = 0  # bytes of these


def expected(app: App, provider: Provider, inputs: tuple[Place, ...]) -> Sampled:
    """What a job with these inputs may cost. BadRequest where a wildcard stands for too much, where a row among those
    looked at names what no caller may have read, and where the bucket is closed to us: what nobody can count shall not
    run.
    """
    try:
        stats = list(_objects(app, inputs))
        size = sum(stat.size for stat in stats)
        found = _expected(app, provider, stats, size) if size else _Seen()
        return Sampled(found.cost.nano, -(-size // TOKEN), Unpriced(found.cost.unpriced_lines, found.beside))
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


def _expected(app: App, provider: Provider, stats: list[Stat], size: int) -> _Seen:
    """By all rows, where they are few; else by so many bytes of them, times how many there are."""
    whole = small(stats)
    silent = provider.passthrough is not None and provider.passthrough.silent
    usually = 0 if silent else usual(app, provider.price_model)

    def counted(rows: Iterable[bytes]) -> _Seen:
        meter, today = Meter(app.book, provider.price_model, provider.location), app.today()
        number, seen, beside = 0, 0, None
        for raw in rows:
            if raw.isspace():
                continue
            number, seen = number + 1, seen + len(raw)
            row = _row(raw)
            where = f"row {number:,} of the input" if whole else "a row of the input"
            if (named := provider.withheld(row)) is not None:
                raise _withheld(named, where)
            asked, request = provider.beside(NATIVE, row), native_request(row)
            if asked is not None:
                beside = beside or f"'{asked}' in {where}"
            output = 0 if silent else expected_output(request, usually)
            tokens = Tokens(text=expected_input(request, len(raw)), output=output)
            meter.add(tokens, today, extra=asked is not None)
        return _Seen(meter.cost(), beside, number, seen)

    if whole:
        return counted(every_row(app.objects, stats))
    found = _Seen()
    for piece in _SIZES:
        found = counted(Pieces(app.objects, stats, piece).rows())
        if found.rows >= _ENOUGH or found.beside is not None:
            break
    if not found.size:  # no row has an end where we looked
        meter = Meter(app.book, provider.price_model, provider.location)
        meter.add(Tokens(text=size // TOKEN, output=usually), app.today())
        return _Seen(meter.cost())
    return found._replace(cost=replace(found.cost, nano=-(-found.cost.nano * size // found.size)))


def _withheld(named: str, where: str) -> BadRequest:
    return BadRequest(
        f"inputConfig.gcsSource.uris: '{named}' in {where} names a cache or a data store, which jobs may not read "
        "here. Write what is needed into the row.",
        code="INVALID_ARGUMENT",
    )


def _row(raw: bytes) -> dict[str, Any]:
    try:
        return _decode(raw.removeprefix(_BOM))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _patiently(raw)


def _patiently(raw: bytes) -> dict[str, Any]:
    """A row that is not JSON to the letter: whoever runs it may be less strict."""
    try:
        row = json.loads(raw.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
