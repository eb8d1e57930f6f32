"""Deployments at the stand-in, as a configuration would name them."""

from typing import Any

from infra.local.standins.azure import KEY
from shared.config import Deployment

__all__ = ["deployment"]


def deployment(base: str = "https://res.openai.azure.com", **rest: Any) -> Deployment:
    said = {"id": "d", "group": "mini", "provider": "azure", "model": "my-mini-batch", "api_key": KEY, **rest}
    return Deployment(api_base=base, **said)
