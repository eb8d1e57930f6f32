"""LiteLLM's durations, and when a budget of such a length begins anew: at the boundaries of the calendar, UTC.

`30s` and `10m` count from now; `1h` and more hours end at a full hour, days at midnight, `7d` and `1w` on Monday,
`30d` and `1mo` on the first of a month (litellm 1.106.2, `get_next_standardized_reset_time`).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.domain.clock import DAY, HOUR, MINUTE, SECOND

__all__ = ["LONGEST", "duration", "next_reset"]

LONGEST: Final = 36_500 * DAY

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,8})(s|m|h|d|w|mo)")
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "mo": 30 * DAY}


def duration(text: str) -> int | None:
    """Milliseconds of `30s`, `10m`, `24h`, `30d`, `1w`, `1mo` (30 days); None where it is no duration."""
    match = _SHAPE.fullmatch(text)
    length = int(match[1]) * _UNITS[match[2]] if match else 0
    return length if 0 < length <= LONGEST else None


def next_reset(text: str, now: int) -> int:
    """When a budget of this duration begins anew, in milliseconds since 1970; ValueError where it is no duration."""
    match = _SHAPE.fullmatch(text)
    length = duration(text)
    if match is None or length is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 10m, 24h, 7d, 1w or 1mo")
    count, unit = int(match[1]), match[2]
    moment = datetime.fromtimestamp(now / 1000, UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "mo" or (unit == "d" and count == 30):
        months = count if unit == "mo" else 1
        year, month = divmod(midnight.year * 12 + midnight.month - 1 + months, 12)
        return _milliseconds(midnight.replace(year=year, month=month + 1, day=1))
    if unit == "w" or (unit == "d" and count % 7 == 0):
        weeks = count if unit == "w" else count // 7
        return _milliseconds(midnight + timedelta(days=7 * weeks - midnight.weekday()))
    if unit == "d":
        return _milliseconds(midnight + timedelta(days=count))
    if unit == "h":
        return now - now % HOUR + count * HOUR
    return now + length


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND
