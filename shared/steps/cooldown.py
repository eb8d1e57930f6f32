"""A deployment that would not have a shard cools down: others of its group are asked first for a while."""

from typing import Final

from shared.app import App
from shared.domain.clock import MINUTE, SECOND
from shared.domain.ids import derived
from shared.domain.places import Cooldown, place_of
from shared.steps.commit import Turn

__all__ = ["cool_down", "cooling"]

_COOL: Final = MINUTE  # LiteLLM's cooldown is shorter, and its requests too


def cool_down(turn: Turn, deployment: str, reason: str, *, retry_after: float | None = None) -> None:
    """Let others be asked first for a while."""
    pause = max(_COOL, int((retry_after or 0) * SECOND))
    turn.put(Cooldown(id=derived(place_of(deployment)), until=turn.now + pause, reason=reason[:200]))


def cooling(app: App, deployment: str) -> bool:
    """Whether it is left alone at the moment."""
    found = app.documents.get(Cooldown, derived(place_of(deployment)))
    return found is not None and found.until > app.now()
