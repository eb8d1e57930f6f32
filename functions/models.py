"""`/v1/models`: the model groups of the configuration, for SDKs; `/model_group/info` and `/model/info` as LiteLLM has
them.

Nothing is said of where a deployment is or whose: no address, project, account or credential, and no id of ours.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from functions.admin.authority import own_team
from functions.http import Call, route
from shared.admin.keyring import models_of
from shared.admin.sight import sees_all
from shared.app import abilities_of
from shared.config import Deployment
from shared.domain.errors import BadRequest, Forbidden, NotFound
from shared.domain.ids import derived

__all__ = ["ROUTES"]

_CREATED: Final = 1_677_610_602  # a model of ours has no date; this is the one that LiteLLM gives for all
_OWNERS: Final = {"vertex_ai": "google", "openai": "openai"}
_MODE: Final = "batch"
_TOKENS: Final = ("max_input_tokens", "max_output_tokens")
_ABILITIES: Final = (  # LiteLLM's, which are there for every group
    "supports_parallel_function_calling",
    "supports_vision",
    "supports_web_search",
    "supports_url_context",
    "supports_reasoning",
    "supports_function_calling",
)
_MILLION: Final = 10**6
_CONNECTION: Final = re.compile(  # of `model_info`: what operators put there that is no description
    r"(^|_)(api|client|private|project|secret|tenant)_|_url$|(^|_)key$|credential|organization|password|secret"
    r"|^(aws|azure|gcs|vertex)_",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"projects/[^/]+/locations/[^/]+/")  # of a tuned model, which nobody needs to know


def listing(call: Call) -> dict[str, Any]:
    """LiteLLM's scripts pass parameters that change nothing here: `return_wildcard_routes` and the like."""
    call = _of_team(call, "team_id")
    return {"object": "list", "data": [_rendered(call, group) for group in call.groups()]}


def retrieve(call: Call) -> dict[str, Any]:
    return _rendered(call, _group(call))


def delete(call: Call) -> dict[str, Any]:
    """Nothing is deleted: models come from the configuration. The SDK knows no other answer for one that exists."""
    return {"id": _group(call), "object": "model", "deleted": False}


def group_info(call: Call) -> dict[str, Any]:
    """Every group that the caller may use; with `model_group`, that one."""
    asked = call.request.args.get("model_group")
    groups = call.groups() if not asked else [_found(call, asked, "model_group")]
    return {"data": [_described(call, group) for group in groups]}


def deployments(call: Call) -> dict[str, Any]:
    """Every deployment of a group that the caller may use, as far as it is anybody's business; with
    `litellm_model_id`, that one.
    """
    asked = call.request.args.get("litellm_model_id")
    found = [each for each in call.app.config.deployments if call.may_use(each.group)]
    if asked is not None:
        found = [each for each in found if _id(each) == asked]
        if not found:
            raise BadRequest(f"Model id = {asked[:200]} not found on litellm proxy", param="litellm_model_id")
    call = _of_team(call, "teamId", "team_id")
    return {"data": [_deployed(each) for each in found if call.may_use(each.group)]}


def _of_team(call: Call, *names: str) -> Call:
    """The call as one that may use no more than the team that it names, if it names one, may use, too.

    Forbidden where the caller may not see the team, whether there is one or not; who sees all is told NotFound.
    """
    name, team_id = next(
        ((each, said) for each in names if (said := call.request.args.get(each, "").strip())), ("", "")
    )
    if not team_id:
        return call
    team = own_team(call, team_id)
    if team is None and sees_all(call.caller):
        raise NotFound(f"Team doesn't exist: {team_id[:256]}. Make it with /team/new.", param=name)
    if team is None:
        raise Forbidden("Not authorized to view this team's models.", param=name, type="auth_error")
    models = (*(call.caller.models or ()), *(models_of(team) or ()))
    return replace(call, caller=replace(call.caller, models=models or None))


def _group(call: Call) -> str:
    return _found(call, call.names["model"], "model")


def _found(call: Call, text: str, param: str) -> str:
    """The group that `text` names. Names may have slashes, so SDKs send them encoded once, twice or not at all."""
    groups, name = call.groups(), text
    for _ in range(3):
        group = name if name in groups else call.group(name)  # a pattern is nobody's model, and is listed all the same
        if group is not None:
            return group
        name = unquote(name)
    raise NotFound(
        f"The model '{text[:200]}' does not exist or you do not have access to it.", param=param, code="model_not_found"
    )


def _rendered(call: Call, group: str) -> dict[str, Any]:
    members = call.app.config.deployments_of(group)
    provider = members[0].provider
    bounds = {name: _most(members, name) for name in _TOKENS}
    return {
        "id": group,
        "object": "model",
        "created": _CREATED,
        "owned_by": _OWNERS.get(provider, provider),
        "mode": _mode(members),
        **{name: bound for name, bound in bounds.items() if bound is not None},
    }


def _described(call: Call, group: str) -> dict[str, Any]:
    """LiteLLM's description of a group: of all its deployments together. `batch_limits` is our own."""
    members, limits = call.app.config.deployments_of(group), call.app.config.limits
    able = [abilities_of(each) for each in members]
    names = dict.fromkeys((*_ABILITIES, *(name for each in able for name in each)))
    return {
        "model_group": group,
        "providers": list(dict.fromkeys(each.provider for each in members)),
        "mode": _mode(members),
        **{name: _most(members, name) for name in _TOKENS},
        "input_cost_per_token": _cost(call, members, lambda rate: rate.text),
        "output_cost_per_token": _cost(call, members, lambda rate: rate.output),
        "tpm": None,
        "rpm": None,
        "batch_limits": {"lines": limits.lines_per_batch, "bytes": limits.file_bytes},
        **{name: any(each.get(name, False) for each in able) for name in names},
        "supported_openai_params": _parameters(members),
    }


def _deployed(deployment: Deployment) -> dict[str, Any]:
    info = {name: value for name, value in deployment.info.items() if not _CONNECTION.search(name)}
    return {
        "model_name": deployment.group,
        "litellm_params": {"model": f"{deployment.provider}/{_PLACE.sub('', deployment.model)}"},
        "model_info": {"mode": _MODE, **info, "id": _id(deployment)},
    }


def _id(deployment: Deployment) -> str:
    return derived("model_info", deployment.id)


def _mode(members: Iterable[Deployment]) -> str:
    modes = (each.info.get("mode") for each in members)
    return next((mode for mode in modes if isinstance(mode, str) and mode), _MODE)


def _most(members: Iterable[Deployment], name: str) -> int | None:
    """As LiteLLM has it: what at least one deployment can do."""
    said = (each.info.get(name) for each in members)
    return max((value for value in said if isinstance(value, int) and not isinstance(value, bool)), default=None)


def _cost(call: Call, members: Iterable[Deployment], kind: Callable[[Any], Decimal | None]) -> float | None:
    """Dollars per token of a batch today: the most of what is known, None where nothing is."""
    day, known = call.app.today(), []
    for each in members:
        place = each.location or "global"
        tariff = call.app.book.tariff(each.price_name or each.model, location=place, day=day)
        if tariff is not None and tariff.rate is not None and (usd := kind(tariff.rate)) is not None:
            known.append(usd)
    return float(max(known) / _MILLION) if known else None


def _parameters(members: Iterable[Deployment]) -> list[str]:
    """Of OpenAI's parameters those that the configuration lists; what a model refuses, its lines are told."""
    listed = (each.info.get("supported_openai_params") for each in members)
    return list(dict.fromkeys(str(name) for names in listed if isinstance(names, list) for name in names))


ROUTES: Final = (
    route("GET", "/models", listing),
    route("GET", "/models/{model}", retrieve),
    route("DELETE", "/models/{model}", delete),
    route("GET", "/model_group/info", group_info),
    route("GET", "/model/info", deployments),
)
