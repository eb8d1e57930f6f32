"""How long to wait before whoever is in trouble is asked again."""

from shared.domain.clock import MINUTE, SECOND

__all__ = ["patience", "room_after"]


def patience(troubles: int) -> int:
    """Milliseconds to wait after so many troubles in a row: 2 s, 4 s, 8 s … up to a minute."""
    return min(60, 1 << min(troubles, 6)) * SECOND


def room_after(attempts: int) -> int:
    """How long to leave a crowded provider alone: 1 min, 2, 4 … up to half an hour."""
    return min(30, 1 << min(attempts - 1, 5)) * MINUTE
