"""The targets: each a function of its own in the cloud, and all of them one process tree on one machine."""

from collections.abc import Sequence
from importlib import import_module

import functions_framework
from cloudevents.http.event import CloudEvent
from flask import Request, Response, current_app, has_app_context

from functions import events
from functions.http import Route, serve
from functions.start import start
from shared.settings import answers_clients

__all__ = ["admin", "api", "batches", "dead_letter", "files", "predictions", "vertex", "work"]


def _routes(surface: str) -> Sequence[Route]:
    """The routes of a surface. Their modules are a third of what there is to load, and events need none of them."""
    routes: Sequence[Route] = getattr(import_module("functions.routes"), surface)
    return routes


@functions_framework.http
def api(request: Request) -> Response:
    return serve(_routes("ALL"), request)


@functions_framework.http
def files(request: Request) -> Response:
    return serve(_routes("FILES"), request)


@functions_framework.http
def batches(request: Request) -> Response:
    return serve(_routes("BATCHES"), request)


@functions_framework.http
def admin(request: Request) -> Response:
    return serve(_routes("ADMIN"), request)


@functions_framework.http
def vertex(request: Request) -> Response:
    return serve(_routes("VERTEX"), request)


@functions_framework.cloud_event
def work(event: CloudEvent) -> None:
    events.work(event)


@functions_framework.cloud_event
def predictions(event: CloudEvent) -> None:
    events.predictions(event)


@functions_framework.cloud_event
def dead_letter(event: CloudEvent) -> None:
    events.dead_letter(event)


if has_app_context():  # the framework is loading us
    start(current_app)
    if answers_clients():
        _routes("ALL")
