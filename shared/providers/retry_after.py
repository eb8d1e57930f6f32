"""How long a server asks to be left alone: `retry-after-ms`, or `Retry-After` as a number or a date. Pure."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

__all__ = ["LONGEST", "retry_after"]

LONGEST: Final = 1800.0  # seconds: what a server says beyond that is not about us


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from 0 to half an hour; None where nothing readable is said. `now`: seconds since 1970.

    Names of headers in small letters, as those of httpx are.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    said = headers.get("retry-after")
    seconds = _number(said)
    if seconds is not None:
        return _bounded(seconds)
    moment = _moment(said)
    return None if moment is None else _bounded(moment - now)


def _bounded(seconds: float) -> float:
    return min(LONGEST, max(0.0, seconds))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if isfinite(number) else None


def _moment(text: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
