"""The parrot's facts."""

from shared.config import Deployment
from shared.providers.base import Limits

__all__ = ["CHAT", "LIMITS", "PARAMETERS", "refuse"]

CHAT = "/v1/chat/completions"
LIMITS = Limits(rows=1_000, bytes=2**20)
PARAMETERS = frozenset({"model", "messages", "user"})


def refuse(deployment: Deployment) -> str | None:
    """Why this deployment cannot be opened; None where it can."""
    if not deployment.api_base:
        return "a toy model needs api_base"
    return None if deployment.model == "parrot" else f"there is no toy called {deployment.model!r}"
