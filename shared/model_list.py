"""The configuration file: LiteLLM's `model_list` as it is, and beside it one block of our own, `offpeak`.

Unknown keys are common in the files that users bring: they are warned about once and otherwise left alone. A value
that would change where lines run or what they cost is refused, with the line of the file that it stands in.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from shared.config import Config, Deployment, Limits, PriceOverride
from shared.config_file import ENVIRONMENT, ConfigFile
from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.listed_deployment import deployment_of, given_by
from shared.listed_entry import Entry, OurBlock
from shared.listed_price import listed_price
from shared.listed_settings import passed_over, terms_of
from shared.listed_weight import weights_of
from shared.litellm import VARIABLES, expanded, kept_back, not_ours
from shared.log import log
from shared.pricing.book import wrong_price

__all__ = ["Refuse", "read_config"]

_SECTIONS: Final = frozenset({"model_list", "offpeak"})
_MEGABYTE: Final = 2**20
_KEY_HEADER: Final = "litellm_key_header_name"
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_CONNECTION: Final = frozenset(name for names in VARIABLES.values() for name in names)

Refuse = Callable[[Deployment], str | None]


def read_config(
    text: str,
    *,
    name: str,
    environment: Mapping[str, str] | None = None,
    refuse: Refuse = lambda _: None,
    keys: bool = True,
) -> Config:
    """Parse a configuration. ConfigError names the file (`name`) and the line of what is wrong.

    `refuse` says why a deployment cannot be run by its provider; None where it can. Without `keys`, one whose variable
    is not set is left out, and `refuse` is asked as if it were there.
    """
    environment = os.environ if environment is None else environment
    source = ConfigFile(name, text, keys=keys)
    document = source.document
    if not isinstance(document, dict):
        raise ConfigError(f"{name}:1: expected a mapping with model_list, not a {type(document).__name__}")
    terms = terms_of(source, environment)
    if unknown := passed_over(source, _SECTIONS):
        log("config_keys_ignored", severity="WARNING", file=name, keys=unknown)
    general = document.get("general_settings")
    ours = source.checked(OurBlock, source.resolved(document.get("offpeak") or {}, environment, "offpeak"), "offpeak")
    listed = document.get("model_list") or []
    if not isinstance(listed, list):
        raise ConfigError(f"{source.at('model_list')}: model_list is a list of model_name and litellm_params")
    read: list[_Read] = []
    for number, member in enumerate(listed):
        for each in _members(member, number, source, environment):
            said = source.resolved(each, environment, "model_list", number)
            entry = source.checked(Entry, said, "model_list", number)
            alone = deployment_of(entry, number, source, ours, environment)
            read.append(_read(entry, alone, number, source, read))
            if (why := _refused(read[-1], refuse, environment, keys=keys)) is not None:
                raise ConfigError(f"{source.at('model_list', number, 'litellm_params', 'model')}: {why}")
    _tell_alike(read)
    return Config(
        deployments=_weighed(read, source),
        limits=_limits(ours.limits, general, source),
        terms=terms,
        prices=(*(each.price for each in read if each.price), *_prices(ours, source)),  # the later wins
        media_buckets=ours.media_buckets,
        passthrough_buckets=ours.passthrough_buckets,
        visibility=ours.visibility,
        events=ours.events,
        master_key=_master_key(general, environment),
        key_header=_key_header(general, environment, source),
    )


class _Read(NamedTuple):
    """An entry, and where it stands. `place` is its id, were it the only one of its kind."""

    at: str
    place: str
    entry: Entry
    deployment: Deployment
    price: PriceOverride | None


def _members(member: object, number: int, source: ConfigFile, environment: Mapping[str, str]) -> list[Any]:
    """What an entry stands for: itself, one for each provider, or nothing that is run here."""
    found = [] if _left_out(member) else expanded(member, environment)
    if not found:
        log("config_model_ignored", severity="WARNING", file=source.at("model_list", number))
    for each in found:
        own = each["litellm_params"].keys() & _CONNECTION if each is not member else ()
        if own:
            raise ConfigError(
                f"{source.at('model_list', number, 'litellm_params', min(own))}: model '*' runs at every provider, so "
                f"{min(own)} would be sent to all of them: name the one that it belongs to, such as openai/*"
            )
    return found


def _left_out(member: object) -> bool:
    """Before any variable of it is read: what is not run need not be set up."""
    params, info = (member.get(name) if isinstance(member, dict) else None for name in ("litellm_params", "model_info"))
    model = params.get("model") if isinstance(params, dict) else ""
    mode = info.get("mode") if isinstance(info, dict) else ""
    return not_ours(model, mode)


def _read(entry: Entry, alone: Deployment, number: int, source: ConfigFile, before: list[_Read]) -> _Read:
    """An entry beside those before it: with an id that none of them has, and its own price."""
    at = source.at("model_list", number)
    same = next((each for each in before if each.deployment.id == alone.id), None)
    if entry.model_info.id and same is not None:
        own = source.at("model_list", number, "model_info", "id")
        raise ConfigError(f"{own}: model_info.id {entry.model_info.id!r} is also that of {same.at}")
    deployment = _distinct(alone, before)
    said = {**(entry.model_info.model_extra or {}), **(entry.litellm_params.model_extra or {})}
    try:
        rates, ignored = listed_price(deployment.provider, said)
    except ValueError as error:
        raise ConfigError(f"{at}: {error}") from error
    if ignored:
        log("config_keys_ignored", severity="WARNING", file=at, keys=ignored, model=entry.model_name)
    if not rates:
        return _Read(at, alone.id, entry, deployment, None)
    priced = deployment.model_copy(update={"price_name": f"{deployment.price_name}@{deployment.id}"})
    price = PriceOverride(model=priced.price_name, source="model_list", usd_per_million=rates)
    return _Read(at, alone.id, entry, priced, price)


def _refused(read: _Read, refuse: Refuse, environment: Mapping[str, str], *, keys: bool) -> str | None:
    why = refuse(read.deployment if keys else _as_if_with_key(read.deployment))
    if why and "needs api_key" in why and kept_back(read.deployment.provider, given_by(read.entry), environment):
        return f"{why}: unless the entry itself names it, OPENAI_API_KEY goes to OpenAI alone"
    return why


def _as_if_with_key(deployment: Deployment) -> Deployment:
    if deployment.api_key or deployment.azure_ad_token or deployment.client_secret:
        return deployment
    return deployment.model_copy(update={"api_key": "-"})


def _distinct(deployment: Deployment, before: list[_Read]) -> Deployment:
    """Two accounts at one place differ in nothing that an id may be made of: the second and on are numbered."""
    ids = {each.deployment.id for each in before}
    number = 2
    id = deployment.id
    while id in ids:
        id = derived(deployment.id, str(number))[:16]
        number += 1
    return deployment.model_copy(update={"id": id})


def _tell_alike(read: list[_Read]) -> None:
    """Their numbers change with their order, and then a job is looked for at the other account."""
    places: dict[str, list[_Read]] = defaultdict(list)
    for each in read:
        places[each.place].append(each)
    for alike in places.values():
        if len(alike) > 1:
            files = [each.at for each in alike]
            log("config_accounts_alike", severity="WARNING", files=files, model=alike[0].entry.model_name)


def _weighed(read: list[_Read], source: ConfigFile) -> tuple[Deployment, ...]:
    """The deployments, each with its weight among those of its group."""
    groups: dict[str, list[_Read]] = defaultdict(list)
    for each in read:
        groups[each.deployment.group].append(each)
    weights: dict[str, float] = {}
    for group, members in groups.items():
        found = weights_of([each.entry for each in members])
        if found is None:
            log("config_weights_unlike", severity="WARNING", file=source.name, model=group)
        for each, weight in zip(members, found or [1.0] * len(members), strict=True):
            weights[each.deployment.id] = weight
    return tuple(each.deployment.model_copy(update={"weight": weights[each.deployment.id]}) for each in read)


def _prices(ours: OurBlock, source: ConfigFile) -> tuple[PriceOverride, ...]:
    for number, price in enumerate(ours.prices):
        if (why := wrong_price(price)) is not None:
            at = source.at("offpeak", "prices", number)
            raise ConfigError(f"{at}: offpeak.prices[{number}] ({price.model}): {why}")
    return ours.prices


def _limits(ours: Limits, general: object, source: ConfigFile) -> Limits:
    """The limits of `general_settings`, where our own block says nothing."""
    if not isinstance(general, dict):
        return ours
    said: dict[str, Any] = {}
    for theirs, name, unit in (
        ("max_batch_file_size_mb", "file_bytes", _MEGABYTE),
        ("max_batch_file_records", "lines_per_batch", 1),
        ("max_batch_file_uploads_per_day", "files_per_day", 1),
    ):
        value = general.get(theirs)
        if value is None or name in ours.model_fields_set:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ConfigError(f"{source.at('general_settings', theirs)}: general_settings.{theirs} is a number above 0")
        said[name] = int(value * unit)
    return ours.model_copy(update=said)


def _key_header(general: object, environment: Mapping[str, str], source: ConfigFile) -> str | None:
    """`general_settings.litellm_key_header_name`."""
    name = _general_text(general, _KEY_HEADER, environment)
    if name is None or name == "":
        return None
    if not isinstance(name, str) or _HEADER.fullmatch(name) is None:
        at = source.at("general_settings", _KEY_HEADER)
        raise ConfigError(f"{at}: general_settings.{_KEY_HEADER} is the name of a header, such as X-Litellm-Key")
    return name


def _master_key(general: object, environment: Mapping[str, str]) -> str | None:
    key = _general_text(general, "master_key", environment)
    return key if isinstance(key, str) and key else None


def _general_text(general: object, name: str, environment: Mapping[str, str]) -> object:
    """What `general_settings` says of this name, or the variable that it names."""
    said = general.get(name) if isinstance(general, dict) else None
    named = isinstance(said, str) and said.startswith(ENVIRONMENT)
    return environment.get(str(said).removeprefix(ENVIRONMENT)) if named else said
