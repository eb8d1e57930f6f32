"""How many tokens a deployment may have enqueued: what the configuration says, and what its provider said last."""

from shared.app import App
from shared.config import Deployment
from shared.domain.ids import derived
from shared.domain.places import Headroom, place_of
from shared.steps.commit import Turn

__all__ = ["most_tokens", "note_room"]


def most_tokens(app: App, deployment: Deployment) -> int | None:
    """The smaller of the two; None where neither says anything."""
    told = app.documents.get(Headroom, derived(place_of(deployment.id)))
    said = [most for most in (deployment.most_tokens, told.tokens if told is not None else None) if most is not None]
    return min(said, default=None)


def note_room(turn: Turn, deployment: str, tokens: int) -> None:
    """Remember what a provider said when it took a job."""
    turn.put(Headroom(id=derived(place_of(deployment)), tokens=tokens))
