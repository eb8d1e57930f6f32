"""What happens when the framework loads a target, and not when somebody imports it: refuse to start, or get ready."""

import os

from flask import Flask, Response
from werkzeug.exceptions import BadRequest, HTTPException

from functions.answers import as_api_error, error_answer, identified
from shared.app import local_configuration
from shared.domain.errors import ConfigError
from shared.domain.ids import new_request_id
from shared.log import log
from shared.settings import EVENT_TARGETS, answers_clients, calls_providers, chosen_key, read_settings
from shared.trace import report_to

__all__ = ["EVENT_TARGETS", "start"]


def start(server: Flask) -> None:
    """End the process with the ConfigError's sentence, or make the server's own errors ours."""
    try:
        _check()
    except ConfigError as error:
        log("start_refused", severity="CRITICAL", reason=str(error))
        raise SystemExit(str(error)) from None
    # The framework's own pages are HTML, and the one for what is no event repeats all headers, the key included.
    envelope = _no_event if os.environ.get("FUNCTION_TARGET") in EVENT_TARGETS else _envelope
    server.register_error_handler(Exception, envelope)
    server.register_error_handler(500, envelope)


def _check() -> None:
    """Settings and configuration, as far as no connection is needed.

    The server forks after this, so nothing is opened here: the application itself is made on the first request, and a
    configuration in Cloud Storage is read then.
    """
    clients = answers_clients()
    settings = read_settings(clients=clients)
    report_to(settings.project)
    config = local_configuration(settings.config, keys=calls_providers())
    if config is not None:
        chosen_key(settings.master_key, config.master_key, clients=clients)


def _no_event(error: Exception) -> Response:
    """Of a target for events: what our code raises is HTTP's; all else is the framework's, about what is no event."""
    if isinstance(error, HTTPException) and not isinstance(error, BadRequest):
        return _envelope(error)
    log("event_malformed", severity="ERROR", reason=f"the framework cannot read it: {type(error).__name__}")
    return _envelope(BadRequest())


def _envelope(error: Exception) -> Response:
    return identified(error_answer(as_api_error(error)), new_request_id())
