"""Every route there is."""

from typing import Final

from functions import batches, files, models, uploads
from functions.admin import keys, teams, users
from functions.http import route
from functions.openapi.document import served
from functions.spend import reports as spend
from functions.vertex import jobs as vertex

__all__ = ["ADMIN", "ALL", "BATCHES", "FILES", "VERTEX"]

_HEALTH: Final = (
    route("GET", "/health/liveliness", models.alive, open=True),
    route("GET", "/health/liveness", models.alive, open=True),
    route("GET", "/health/readiness", models.alive, open=True),
)
FILES: Final = (
    route("POST", "/files", files.create),
    route("GET", "/files", files.listing),
    route("GET", "/files/{id}/content", files.content),
    route("GET", "/files/{id}", files.retrieve),
    route("DELETE", "/files/{id}", files.delete),
    route("POST", "/uploads", uploads.create),
    route("POST", "/uploads/{id}/parts", uploads.add_part),
    route("POST", "/uploads/{id}/complete", uploads.complete),
    route("POST", "/uploads/{id}/cancel", uploads.cancel),
    *_HEALTH,
)
BATCHES: Final = (
    route("POST", "/batches", batches.create),
    route("GET", "/batches", batches.listing),
    route("POST", "/batches/{id}/cancel", batches.cancel),
    route("GET", "/batches/{id}", batches.retrieve),
    *_HEALTH,
)
ADMIN: Final = (*keys.ROUTES, *teams.ROUTES, *users.ROUTES, *spend.ROUTES, *_HEALTH)
VERTEX: Final = (*vertex.ROUTES, *_HEALTH)
ALL: Final = (
    *FILES,
    *BATCHES,
    route("GET", "/openapi.json", served, open=True),
    route("GET", "/models", models.listing),
    route("GET", "/models/{model}", models.retrieve),
    route("DELETE", "/models/{model}", models.delete),
    route("GET", "/model_group/info", models.group_info),
    route("GET", "/model/info", models.deployments),
    *ADMIN,
    *VERTEX,
)
