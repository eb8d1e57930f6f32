"""`/v1/models`: the model groups of the configuration; and whether the server lives."""

from typing import Any, Final
from urllib.parse import unquote

from functions.http import Call
from shared.domain.errors import NotFound

__all__ = ["alive", "delete", "listing", "retrieve"]

_CREATED: Final = 1_677_610_602  # a model of ours has no date; this is the one that LiteLLM gives for all
_OWNERS: Final = {"vertex_ai": "google", "openai": "openai"}


def listing(call: Call) -> dict[str, Any]:
    return {"object": "list", "data": [_rendered(call, group) for group in _groups(call)]}


def retrieve(call: Call) -> dict[str, Any]:
    return _rendered(call, _group(call))


def delete(call: Call) -> dict[str, Any]:
    """Nothing is deleted: models come from the configuration. The SDK knows no other answer for one that exists."""
    return {"id": _group(call), "object": "model", "deleted": False}


def alive(_: Call) -> dict[str, Any]:
    return {"status": "ok"}


def _groups(call: Call) -> list[str]:
    return [group for group in call.app.config.groups() if call.caller.may_use(group)]


def _group(call: Call) -> str:
    """The group that the path names. Names may have slashes, so SDKs send them encoded once, twice or not at all."""
    groups, name = _groups(call), call.names["model"]
    for _ in range(3):
        if name in groups:
            return name
        name = unquote(name)
    shown = call.names["model"][:200]
    raise NotFound(
        f"The model '{shown}' does not exist or you do not have access to it.", param="model", code="model_not_found"
    )


def _rendered(call: Call, group: str) -> dict[str, Any]:
    provider = call.app.config.deployments_of(group)[0].provider
    return {
        "id": group,
        "object": "model",
        "created": _CREATED,
        "owned_by": _OWNERS.get(provider, provider),
        "mode": "batch",
    }
