"""What a job is expected to use whose rows we did not write: from the size of its input, and a look at it."""

from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from shared.app import App
from shared.domain.cost import Cost
from shared.domain.errors import BadRequest, ConfigError
from shared.domain.prefixes import Place
from shared.domain.usage import TOKEN, Tokens
from shared.lines.read import lines_of
from shared.log import log
from shared.pricing.meter import Meter
from shared.providers.base import Provider
from shared.steps.expect import expected_input, expected_output, native_request, usual
from shared.storage.ports import ObjectMissing, Stat

__all__ = ["Sampled", "expected"]

_SAMPLE: Final = 256 * 1024  # bytes of one object that are looked at
_SAMPLED: Final = 3  # objects
_MOST: Final = 1_000  # objects that one wildcard is followed to
_LONGEST: Final = 20 * 2**20
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Sampled(NamedTuple):
    """What a job is expected to be, about."""

    nano: int  # dollars
    tokens: int  # of its input; 0: there is none, and the job will fail, as at Vertex
    unpriced: int  # rows of those looked at whose model has no price


def expected(app: App, provider: Provider, inputs: tuple[Place, ...]) -> Sampled:
    """What a job with these inputs may cost. BadRequest where the bucket is closed to us: what nobody can count shall
    not run.
    """
    try:
        stats = [stat for place in inputs for stat in _objects(app, place)]
        size = sum(stat.size for stat in stats)
        cost, seen = _cost(app, provider, stats)
        nano = -(-cost.nano * max(size, seen) // seen) if seen else 0
        return Sampled(nano, -(-size // TOKEN), cost.unpriced_lines)
    except ConfigError as error:
        log("input_unreadable", severity="CRITICAL", reason=str(error))
        raise BadRequest(
            "The input of this job cannot be read by this server, which has to know its size. Ask its operator to "
            "grant it access to the bucket.",
            code="FAILED_PRECONDITION",
        ) from error


def _objects(app: App, place: Place) -> Iterator[Stat]:
    if not place.wild:
        with suppress(ObjectMissing):
            yield app.objects.stat(place.name)
        return
    folder = place.name.rpartition("/")[0]
    pattern = place.segments[-1]
    found = (
        stat
        for stat in app.objects.list(f"{folder}/")
        if "/" not in (name := stat.name[len(folder) + 1 :]) and fnmatchcase(name, pattern)
    )
    yield from islice(found, _MOST)


def _cost(app: App, provider: Provider, stats: list[Stat]) -> tuple[Cost, int]:
    """What the first rows are expected to cost, and how many bytes they have."""
    silent = provider.passthrough is not None and provider.passthrough.silent
    usually = 0 if silent else usual(app, provider.price_model)
    meter, seen, today = Meter(app.book, provider.price_model, provider.location), 0, app.today()
    for raw in _rows(app, stats):
        seen += len(raw) + 1
        request = native_request(_row(raw))
        output = 0 if silent else expected_output(request, usually)
        meter.add(Tokens(text=expected_input(request, len(raw)), output=output), today)
    return meter.cost(), seen


def _rows(app: App, stats: list[Stat]) -> Iterator[bytes]:
    """Whole rows from the beginning of the first objects; of a row that is longer than a look, what was seen."""
    for stat in stats[:_SAMPLED]:
        with suppress(ObjectMissing), app.objects.open(stat.name) as stream:
            head = stream.read(_SAMPLE)
            cut = head.rfind(b"\n") + 1 if len(head) == _SAMPLE else 0
            yield from (raw for _, raw in lines_of([head[:cut] or head], longest=_LONGEST) if raw is not None)


def _row(raw: bytes) -> dict[str, Any]:
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
