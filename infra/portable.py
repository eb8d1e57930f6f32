"""A configuration that can be read elsewhere: every variable's value in its place, but those of keys.

What stands behind `os.environ/NAME` is of this machine. Addresses and projects are no secrets, and a deployment's id
follows from them, so all functions have to see the same. Keys stay names: their values go to Secret Manager, and from
there to the functions that call providers. What LiteLLM's variables say beside the file is said in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from shared.config_file import ENVIRONMENT, KEYS
from shared.domain.errors import ConfigError
from shared.listed_deployment import LOCATION
from shared.listed_entry import PARAMETERS
from shared.listed_settings import GENERAL, held
from shared.litellm import expanded, fallbacks, not_ours, split_model

__all__ = ["named_keys", "portable"]

_OWN: Final = "vertex_credentials"  # which functions do not need: they are accounts of Google's themselves


def named_keys(text: str, environment: Mapping[str, str]) -> list[str]:
    """The variables that keys of providers are taken from, set or not."""
    found: list[str] = []
    for entry in _entries(_document(text), environment):
        found += _names({key: value for key, value in _keys(entry, environment).items() if key != _OWN})
    return sorted(set(found))


def portable(text: str, *, name: str, environment: Mapping[str, str]) -> str:
    """The configuration in `text`, which has been found right; ConfigError where it holds keys, or paths of files."""
    document = _document(text)
    entries = _entries(document, environment)
    shown = {variable for entry in entries for variable in _names({**entry, "litellm_params": _plain(entry)})}
    if both := sorted(shown & {*named_keys(text, environment)}):
        raise ConfigError(f"{name}: {', '.join(both)} cannot be a key and something else")
    general = _section(document, "general_settings")
    written = {
        "model_list": [_entry(entry, name, environment) for entry in entries],
        "offpeak": _resolved(document.get("offpeak") or {}, environment),
        "general_settings": _resolved({key: value for key, value in general.items() if key in GENERAL}, environment),
        "litellm_settings": _resolved(held(_section(document, "litellm_settings")), environment),
    }
    return yaml.safe_dump(written, sort_keys=False, allow_unicode=True)


def _entry(entry: dict[str, Any], name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    keys = _keys(entry, environment)
    group, params = entry["model_name"], _resolved(_plain(entry), environment)
    for parameter, value in keys.items():
        if parameter == _OWN:
            raise ConfigError(
                f"{name}: {group}: in the cloud functions use their own accounts at Vertex: leave {parameter} out, and "
                "name projects beside this one with --set vertex_projects"
            )
        if not _is_name(value):
            raise ConfigError(
                f"{name}: {group}: {parameter} stands in the file, which goes to a bucket. Write os.environ/NAME: the "
                "value of that variable becomes a secret"
            )
    provider, _ = split_model(params["model"])
    for parameter, variable in fallbacks(provider, _given(entry, environment), environment).items():
        if parameter not in KEYS:
            params[parameter] = environment[variable]
    if provider == "vertex_ai" and not params.get("vertex_location") and "VERTEXAI_PROJECT" in environment:
        params["vertex_location"] = LOCATION
    rest = {key: _resolved(value, environment) for key, value in entry.items() if key != "litellm_params"}
    return {**rest, "litellm_params": {**params, **keys}}


def _keys(entry: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The keys of an entry, as they are said: `os.environ/NAME`, also where LiteLLM's variable is not named."""
    said = entry["litellm_params"]
    provider, _ = split_model(str(_resolved(said["model"], environment)))
    found = {key: said[key] for key in KEYS if said.get(key) is not None}
    taken = {
        parameter: f"{ENVIRONMENT}{variable}"
        for parameter, variable in fallbacks(provider, _given(entry, environment), environment).items()
        if parameter in KEYS and parameter != _OWN
    }
    return found | taken


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """What is read of an entry's parameters and is no key. The rest may hold anything, so it stays here."""
    return {key: value for key, value in entry["litellm_params"].items() if key in PARAMETERS and key not in KEYS}


def _given(entry: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    return {key: _resolved(value, environment) for key, value in entry["litellm_params"].items() if value is not None}


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.startswith(ENVIRONMENT)


def _resolved(value: Any, environment: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {key: _resolved(member, environment) for key, member in value.items()}
        case list():
            return [_resolved(member, environment) for member in value]
        case str() if _is_name(value):
            return environment.get(value.removeprefix(ENVIRONMENT), "")
        case _:
            return value


def _names(value: Any) -> Iterator[str]:
    """The variables that are named anywhere in a value."""
    match value:
        case dict():
            for member in value.values():
                yield from _names(member)
        case list():
            for member in value:
                yield from _names(member)
        case str() if _is_name(value):
            yield value.removeprefix(ENVIRONMENT)
        case _:
            return


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A section of LiteLLM's; what does not hold of it may be anything, so it stays here."""
    said = document.get(name)
    return said if isinstance(said, dict) else {}


def _document(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}  # whoever reads it says what is wrong
    return document if isinstance(document, dict) else {}


def _entries(document: dict[str, Any], environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """The members of model_list that Offpeak runs; what else is wrong is for whoever reads it to complain about."""
    listed = document.get("model_list")
    ours = [entry for entry in (listed if isinstance(listed, list) else []) if _ours(entry)]
    return [each for entry in ours for each in expanded(entry, environment)]


def _ours(entry: object) -> bool:
    match entry:
        case {"litellm_params": {"model": model}, "model_info": {"mode": str(mode)}}:
            return not not_ours(model, mode)
        case {"litellm_params": {"model": model}}:
            return not not_ours(model, None)
        case _:
            return False
