"""Which module answers what. A target loads those of its own surface alone: a cold start waits for what is loaded."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Final

from functions.about import DESCRIPTION, HEALTH
from functions.http import Route

__all__ = ["routes_of"]

_SURFACES: Final[Mapping[str, tuple[str, ...]]] = {
    "files": ("files", "uploads"),
    "batches": ("batches",),
    "admin": ("admin.keys", "admin.teams", "admin.users", "spend.reports"),
    "vertex": ("vertex.jobs",),
}


@cache
def routes_of(target: str) -> tuple[Route, ...]:
    """The routes of a surface; of every other target, such as `api`, all there are."""
    if target in _SURFACES:
        return (*(route for module in _SURFACES[target] for route in _routes(module)), *HEALTH)
    modules = ("models", *(module for surface in _SURFACES.values() for module in surface))
    return (*(route for module in modules for route in _routes(module)), *DESCRIPTION, *HEALTH)


def _routes(module: str) -> tuple[Route, ...]:
    routes: tuple[Route, ...] = import_module(f"functions.{module}").ROUTES
    return routes
