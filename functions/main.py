"""The targets: each a function of its own in the cloud, and all of them one process tree on one machine."""

import functions_framework
from cloudevents.http.event import CloudEvent
from flask import Request, Response, current_app, has_app_context

from functions import events
from functions.http import serve
from functions.routes import ADMIN, ALL, BATCHES, FILES, VERTEX
from functions.start import start

__all__ = ["admin", "api", "batches", "dead_letter", "files", "predictions", "vertex", "work"]


@functions_framework.http
def api(request: Request) -> Response:
    return serve(ALL, request)


@functions_framework.http
def files(request: Request) -> Response:
    return serve(FILES, request)


@functions_framework.http
def batches(request: Request) -> Response:
    return serve(BATCHES, request)


@functions_framework.http
def admin(request: Request) -> Response:
    return serve(ADMIN, request)


@functions_framework.http
def vertex(request: Request) -> Response:
    return serve(VERTEX, request)


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
