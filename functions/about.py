"""What the server says of itself to everybody: that it lives, and what it can do."""

from typing import Any, Final

from functions.http import Call, route

__all__ = ["DESCRIPTION", "HEALTH"]


def alive(_: Call) -> dict[str, Any]:
    return {"status": "ok"}


def described(_: Call) -> dict[str, Any]:
    from functions.openapi.document import document  # noqa: PLC0415 - its tables are large, and few ask for them

    return document()


HEALTH: Final = (
    route("GET", "/health/liveliness", alive, open=True),
    route("GET", "/health/liveness", alive, open=True),
    route("GET", "/health/readiness", alive, open=True),
)
DESCRIPTION: Final = (route("GET", "/openapi.json", described, open=True),)
