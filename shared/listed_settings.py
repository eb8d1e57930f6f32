"""LiteLLM's `litellm_settings`, `general_settings` and `router_settings`: what of them holds here.

What limits money or access is either honoured or refused at start, with what to do instead. All else, such as caches,
callbacks and the proxy's own database, is passed over, and named once.
"""

from collections.abc import Mapping
from typing import Any, Final

from shared.config_file import ENVIRONMENT, ConfigFile
from shared.domain.errors import ConfigError
from shared.terms import KeyBounds, KeyDefaults, TeamDefaults, Terms, UserDefaults

__all__ = ["GENERAL", "TRAVELS", "held", "passed_over", "terms_of"]

_OURS, _THEIRS, _ROUTER = "litellm_settings", "general_settings", "router_settings"
_BLOCKS: Final[Mapping[str, tuple[str, type[Any]]]] = {
    "upperbound_key_generate_params": ("upper", KeyBounds),
    "default_key_generate_params": ("key", KeyDefaults),
    "default_internal_user_params": ("user", UserDefaults),
    "default_team_params": ("team", TeamDefaults),
}
_INTERNAL: Final = {"max_internal_user_budget": "max_budget", "internal_user_budget_duration": "budget_duration"}
_INTERNAL_TOO: Final = "default_max_internal_user_budget"  # the former where that is not said (litellm 1.106.2)
_TEAMS: Final = "default_team_settings"
TRAVELS: Final = frozenset({*_BLOCKS, *_INTERNAL, _INTERNAL_TOO})  # of litellm_settings: what `held` has
_HONOURED: Final = TRAVELS | {_TEAMS}
_PRICES: Final = "what is charged is what offpeak.prices and the price book say"
_ENTER: Final = "whoever comes with a key enters, and nobody else"
_HANDED_OUT: Final = "keys are made by admins, and of a team by its admins"
_MEANS: Final = "admins' routes are for admins, and allowed_routes of a key says what it is for"
_MASTER: Final = "master_key"
GENERAL: Final = frozenset(  # of general_settings, beside the master key, which is a secret
    {"litellm_key_header_name", "max_batch_file_size_mb", "max_batch_file_records", "max_batch_file_uploads_per_day"}
)
_REFUSED: Final[Mapping[str, Mapping[str, str]]] = {  # why, and what instead
    _OURS: {
        "max_budget": "there is no budget of everybody together: give a max_budget to each team, or each key",
        "max_user_budget": "customers have no budgets: give a max_budget to keys, users and teams",
        "max_end_user_budget": "customers have no budgets: give a max_budget to keys, users and teams",
        "max_end_user_budget_id": "customers have no budgets: give a max_budget to keys, users and teams",
        "tag_budget_config": "tags have no budgets: give a max_budget to keys, users and teams",
        "cost_margin_config": _PRICES,
        "cost_discount_config": _PRICES,
        "blocked_user_list": "customers are not known: block users with /user/update and keys with /key/block",
        "key_generation_settings": _HANDED_OUT,
    },
    _THEIRS: {
        "custom_auth": _ENTER,
        "enable_jwt_auth": _ENTER,
        "litellm_jwtauth": _ENTER,
        "enable_oauth2_auth": _ENTER,
        "enforce_rbac": _MEANS,
        "role_permissions": _MEANS,
        "admin_only_routes": _MEANS,
        "allowed_routes": _MEANS,
        "allowed_ips": "addresses are for the network in front of this server to judge, such as its ingress settings",
        "enforce_user_param": "customers are not known: tell them apart by keys, users or tags",
        "enforced_params": "no parameter of a request is required beside those of its endpoint",
        "service_account_settings": "no parameter of a request is required beside those of its endpoint",
        "custom_key_generate": _HANDED_OUT,
        "custom_key_update": _HANDED_OUT,
        "custom_key_policy": _HANDED_OUT,
        "disable_custom_api_keys": _HANDED_OUT,
        "default_team_disabled": f"{_HANDED_OUT}; a key needs no team",
    },
    _ROUTER: {"provider_budget_config": "providers have no budgets: give a max_budget to keys, users and teams"},
}


def terms_of(source: ConfigFile, environment: Mapping[str, str]) -> Terms:
    """What holds here. ConfigError names what does not and would limit somebody."""
    for section, reasons in _REFUSED.items():
        for name, instead in reasons.items():
            if _limits(_section(source, section).get(name), environment):
                raise ConfigError(f"{source.at(section, name)}: {section}.{name} does not hold here: {instead}")
    settings = _section(source, _OURS)
    found: dict[str, Any] = {}
    for name, (place, model) in _BLOCKS.items():
        said = settings.get(name)
        if said is not None:
            found[place] = source.checked(model, source.resolved(said, environment, _OURS, name), _OURS, name)
    internal = {of: settings[name] for name, of in _INTERNAL.items() if settings.get(name) is not None}
    if settings.get(_INTERNAL_TOO) is not None:
        internal.setdefault("max_budget", settings[_INTERNAL_TOO])
    if internal:
        found["internal_user"] = source.checked(TeamDefaults, source.resolved(internal, environment, _OURS), _OURS)
    budget = _of_teams(settings)
    if budget is not None:
        legacy = source.resolved({"max_budget": budget}, environment, _OURS, _TEAMS)
        of_teams = source.checked(TeamDefaults, legacy, _OURS, _TEAMS)
        newer = found.get("team", TeamDefaults())
        found["team"] = newer if newer.max_budget is not None else newer.model_copy(update=of_teams.said)
    return Terms(**found)


def held(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Of `litellm_settings` what holds, so that it says the same, and nothing beside it: settings of teams have keys of
    others in them.
    """
    found: dict[str, Any] = {}
    for name, (_, model) in _BLOCKS.items():
        said = settings.get(name)
        if isinstance(said, dict):
            found[name] = {key: value for key, value in said.items() if key in model.model_fields}
    found |= {name: settings[name] for name in (*_INTERNAL, _INTERNAL_TOO) if settings.get(name) is not None}
    budget = _of_teams(settings)
    if budget is not None and found.get("default_team_params", {}).get("max_budget") is None:
        found["default_team_params"] = {**found.get("default_team_params", {}), "max_budget": budget}
    return found


def _of_teams(settings: Mapping[str, Any]) -> Any:
    """The budget of new teams, as LiteLLM had it before `default_team_params`."""
    old = settings.get(_TEAMS)
    return old[0].get("max_budget") if isinstance(old, list) and old and isinstance(old[0], dict) else None


def passed_over(source: ConfigFile, known: frozenset[str]) -> list[str]:
    """The names of all that is read by nobody, `known` being the sections that somebody reads as a whole."""
    names = [str(name) for name in source.document if name not in {*known, _OURS, _THEIRS, _ROUTER}]
    names += [f"{_OURS}.{name}" for name in _section(source, _OURS) if name not in _HONOURED]
    for name, (_, model) in _BLOCKS.items():
        said = _section(source, _OURS).get(name)
        inner = said if isinstance(said, dict) else {}
        names += [f"{_OURS}.{name}.{each}" for each in inner if each not in model.model_fields]
    names += [f"{_THEIRS}.{name}" for name in _section(source, _THEIRS) if name not in {*GENERAL, _MASTER}]
    names += [f"{_ROUTER}.{name}" for name in _section(source, _ROUTER)]
    return sorted(names)


def _section(source: ConfigFile, name: str) -> dict[str, Any]:
    found = source.document.get(name) if isinstance(source.document, dict) else None
    return found if isinstance(found, dict) else {}


def _limits(value: object, environment: Mapping[str, str]) -> bool:
    """Whether a setting is there at all: not null, false, 0, or of nothing."""
    if isinstance(value, str) and value.startswith(ENVIRONMENT):
        value = environment.get(value.removeprefix(ENVIRONMENT), "")
    if isinstance(value, str):
        return value.strip().lower() not in {"", "0", "0.0", "false", "none", "null"}
    return bool(value)
