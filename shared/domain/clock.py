"""Time is an integer of milliseconds since 1970, UTC, and arrives as an argument."""

from typing import Final

__all__ = ["DAY", "HOUR", "MINUTE", "SECOND", "seconds"]

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def seconds(at: int | None) -> int | None:
    """Whole unix seconds, as OpenAI's `*_at` fields have them."""
    return None if at is None else at // SECOND
