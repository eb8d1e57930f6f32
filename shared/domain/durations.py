"""LiteLLM's durations, and when a budget of such a length begins anew: at the boundaries of the calendar, UTC.

`30s`, `10m` and `6h` end at the next second, minute or hour of the clock that such a number divides, `1d` at midnight,
`7d` and `1w` on Monday, `30d` and `1mo` on the first of a month, other days at the midnight so many days from today
(litellm 1.106.2, `get_next_standardized_reset_time`, but for two: `48h` and more it cuts off at the next midnight, and
`2mo` and more it refuses).

Of a unit only what says which it is counts: `30min`, `7days`, `1hour` and `2months` are `30m`, `7d`, `1h` and `2mo`
(litellm 1.106.2, `_extract_from_regex`). For resets it reads such a unit as none, and takes the next midnight: not so
here, where one text is one duration everywhere.
"""

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.domain.clock import DAY, HOUR, MINUTE, SECOND

__all__ = ["LONGEST", "after", "duration", "next_reset"]

LONGEST: Final = 36_500 * DAY

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,8})(mo|[smhdw])[A-Za-z]*")
_WORDS: Final = {"hourly": "1h", "daily": "24h", "weekly": "7d", "monthly": "30d"}
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "mo": 30 * DAY}
_WITHIN: Final = {"s": MINUTE, "m": HOUR, "h": DAY}  # what such units are counted in


def duration(text: str) -> int | None:
    """Milliseconds of `30s`, `10m`, `24h`, `7days`, `1w`, `1mo` (30 days), `daily`; None where it is no duration."""
    found = _parsed(text)
    return None if found is None else found[0] * _UNITS[found[1]]


def after(text: str, now: int) -> int | None:
    """The moment that is so much later, a month by the calendar; None where it is no duration."""
    found = _parsed(text)
    if found is None:
        return None
    count, unit = found
    if unit != "mo":
        return now + count * _UNITS[unit]
    moment = datetime.fromtimestamp(now / 1000, UTC)
    first = _months_later(moment.replace(day=1), count)
    day = min(moment.day, calendar.monthrange(first.year, first.month)[1])
    return _milliseconds(first.replace(day=day, microsecond=0)) + now % SECOND


def next_reset(text: str, now: int) -> int:
    """When a budget of this duration begins anew, in milliseconds since 1970; ValueError where it is no duration."""
    found = _parsed(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 10m, 24h, 7d, 1w or 1mo")
    count, unit = found
    if unit in _WITHIN:
        whole, size = now - now % _WITHIN[unit], count * _UNITS[unit]
        return whole + (now - whole) // size * size + size
    moment = datetime.fromtimestamp(now / 1000, UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    days = count if unit == "d" else 7 * count
    if unit == "mo" or days == 30:
        return _milliseconds(_months_later(midnight.replace(day=1), count if unit == "mo" else 1))
    if days == 7:
        days -= midnight.weekday()
    return _milliseconds(midnight + timedelta(days=days))


def _parsed(text: str) -> tuple[int, str] | None:
    match = _SHAPE.fullmatch(_WORDS.get(text.strip().lower(), text))
    if match is None or int(match[1]) * _UNITS[match[2]] > LONGEST:
        return None
    return int(match[1]), match[2]


def _months_later(first: datetime, count: int) -> datetime:
    """`first` is the first of a month."""
    year, month = divmod(first.year * 12 + first.month - 1 + count, 12)
    return first.replace(year=year, month=month + 1)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
