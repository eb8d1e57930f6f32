"""The body of each route under `/key`, `/team` and `/user`: what `/openapi.json` publishes."""

from typing import Final

from pydantic import BaseModel

from functions.admin import key_bodies, people_bodies

__all__ = ["BODIES"]

BODIES: Final[dict[str, type[BaseModel]]] = {
    **key_bodies.BODIES,
    **people_bodies.TEAM_BODIES,
    **people_bodies.USER_BODIES,
}
