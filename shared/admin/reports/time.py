"""Which days a report is of: `start_date` and `end_date` of LiteLLM's routes, UTC, the end inclusive."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from shared.domain.clock import DAY, SECOND
from shared.domain.errors import BadRequest
from shared.domain.ledger import day_of

__all__ = ["EVER", "Span", "day_number", "day_shown", "days_after", "last_days", "moment_shown", "pieces", "span"]

_SHAPE: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[ T]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(\.[0-9]{1,6})?)?(Z|[+ -](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?"
)
_FORM: Final = "YYYY-MM-DD, with a time behind it if you like: 2026-11-21 or 2026-11-21T18:30:00Z"
_ECHO: Final = 50
_MINUTE: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """From one millisecond to another, both inclusive."""

    since: int
    until: int

    @property
    def days(self) -> tuple[int, int]:
        """The first and the last day, as the ledger's sums have them: 20261121."""
        return day_of(self.since), day_of(self.until)


EVER: Final = Span(0, (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1))


def pieces(span: Span, sure: int = 0) -> Iterator[tuple[Span, bool]]:
    """The parts of a span, the newest first, and of each whether it is whole days; before `sure` none counts as such.

    There are three at most: the whole days, and what is before and behind them.
    """
    first = -(-max(span.since, sure) // DAY) * DAY
    end = (span.until + 1) // DAY * DAY
    if first >= end:
        yield span, False
        return
    if end <= span.until:
        yield Span(end, span.until), False
    yield Span(first, end - 1), True
    if span.since < first:
        yield Span(span.since, first - 1), False


def span(start: str | None, end: str | None) -> Span | None:
    """What the two parameters say; None where neither is given. BadRequest names the one that is wrong."""
    if start is None and end is None:
        return None
    for name, text in (("start_date", start), ("end_date", end)):
        if text is None:
            raise BadRequest(
                f"Missing required parameter: '{name}'. start_date and end_date go together, both as {_FORM}.",
                param=name,
                code="missing_required_parameter",
            )
    first, _ = _moment(start or "", "start_date")
    last, exact = _moment(end or "", "end_date")
    last += exact - 1
    if first > last:
        raise BadRequest(
            f"Invalid 'start_date': {_shown(start or '')} is after the end_date {_shown(end or '')}.",
            param="start_date",
            code="invalid_value",
        )
    return Span(first, last)


def last_days(now: int, days: int) -> Span:
    """Today and so many days before it."""
    return Span(now - now % DAY - days * DAY, now - now % DAY + DAY - 1)


@lru_cache(maxsize=1024)
def day_shown(day: int) -> str:
    """`2026-11-21` for 20261121."""
    return date(day // 10_000, day // 100 % 100, day % 100).isoformat()


def day_number(shown: str) -> int:
    """The other way round."""
    return int(shown.replace("-", ""))


def days_after(day: int, last: int) -> Iterator[str]:
    """The days behind `day`, to the last one; none where `day` is 0."""
    shown = date.max if not day else date.fromisoformat(day_shown(day))
    while day and shown.year * 10_000 + shown.month * 100 + shown.day < last:
        shown += timedelta(days=1)
        yield shown.isoformat()


def moment_shown(at: int) -> str:
    """`2026-11-21T18:30:00.000Z`."""
    return (_EPOCH + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str, name: str) -> tuple[int, int]:
    """Milliseconds since 1970, and how many milliseconds the text stands for: a day, a minute, a second or one."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise _wrong(text, name)
    day, clock, second, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}:{second or '00'}+00:00")
        if zone not in {None, "Z"}:  # a plus sign that nobody has encoded arrives as a space
            east = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            moment = moment + east if zone[0] == "-" else moment - east
        at = (moment - _EPOCH) // timedelta(milliseconds=1) + (int(float(fraction) * SECOND) if fraction else 0)
    except (ValueError, OverflowError):
        raise _wrong(text, name) from None
    if at < 0:
        raise _wrong(text, name)
    length = DAY if clock is None else 60 * SECOND if second is None else SECOND if fraction is None else 1
    return at, length


def _wrong(text: str, name: str) -> BadRequest:
    return BadRequest(
        f"Invalid '{name}': {_shown(text)} is no date. Send it as {_FORM}.", param=name, code="invalid_value"
    )


def _shown(text: str) -> str:
    return f"'{text[:_ECHO]}'"
