"""The targets: each a function of its own in the cloud, and all of them one process tree on one machine."""

import os
from importlib import import_module

import functions_framework
from cloudevents.http.event import CloudEvent
from flask import Request, Response, current_app, has_app_context

from functions.http import serve
from functions.routes import routes_of
from functions.start import start
from shared.settings import answers_clients

__all__ = ["admin", "api", "batches", "dead_letter", "files", "predictions", "vertex", "work"]


@functions_framework.http
def api(request: Request) -> Response:
    return serve(routes_of("api"), request)


@functions_framework.http
def files(request: Request) -> Response:
    return serve(routes_of("files"), request)


@functions_framework.http
def batches(request: Request) -> Response:
    return serve(routes_of("batches"), request)


@functions_framework.http
def admin(request: Request) -> Response:
    return serve(routes_of("admin"), request)


@functions_framework.http
def vertex(request: Request) -> Response:
    return serve(routes_of("vertex"), request)


@functions_framework.cloud_event
def work(event: CloudEvent) -> None:
    _deliver("work", event)


@functions_framework.cloud_event
def predictions(event: CloudEvent) -> None:
    _deliver("predictions", event)


@functions_framework.cloud_event
def dead_letter(event: CloudEvent) -> None:
    _deliver("dead_letter", event)


def _deliver(target: str, event: CloudEvent) -> None:
    getattr(import_module("functions.events"), target)(event)  # the steps: who answers clients needs few of them


if has_app_context():  # the framework is loading us: what a target needs is loaded before it forks
    start(current_app)
    if answers_clients():
        routes_of(os.environ.get("FUNCTION_TARGET", "api"))
    else:
        import_module("functions.events")
