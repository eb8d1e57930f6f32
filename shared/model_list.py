"""The configuration file: LiteLLM's `model_list` as it is, and beside it one block of our own, `offpeak`.

Unknown keys are common in the files that users bring: they are warned about once and otherwise left alone. A value
that would change where lines run or what they cost is refused, with the line of the file that it stands in. Where
there is no file, LiteLLM's variables are a configuration, too: each provider that they name runs any model.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.config import Batches, Config, Deployment, Events, Limits, PriceOverride
from shared.config_file import ENVIRONMENT, KEYS, ConfigFile
from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.listed_price import PRICES, listed_price
from shared.litellm import SAID_BY, VARIABLES, expanded, fallbacks, is_openai, kept_back, not_ours, split_model
from shared.log import log
from shared.pricing.book import wrong_price

__all__ = [
    "ENVIRONMENT",
    "KEYS",
    "LOCATION",
    "PARAMETERS",
    "VARIABLES",
    "Refuse",
    "config_of_environment",
    "expanded",
    "fallbacks",
    "not_ours",
    "read_config",
    "split_model",
]

LOCATION: Final = "us-central1"  # LiteLLM's default, where it takes the project from VERTEXAI_PROJECT

_SECTIONS: Final = ("model_list", "offpeak")
_VERTEX: Final = re.compile(r"^(vertex_ai/|google/|publishers/google/models/|models/)+")
_BASE: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[\w.~/%-]*)?"
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_MEGABYTE: Final = 2**20
_LONGEST_LINE: Final = 400  # seconds: a worker has to end it within one message, which is 450 s
_CONNECTION: Final = frozenset(name for names in VARIABLES.values() for name in names)

Refuse = Callable[[Deployment], str | None]


class _Our(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limits: Limits = Limits()
    prices: tuple[PriceOverride, ...] = ()
    media_buckets: tuple[str, ...] | None = None
    visibility: Literal["team", "own"] = "team"
    passthrough_buckets: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()  # of api_base: http, or an address that is not public, must be named here
    media_hosts: tuple[str, ...] = ()  # whose http(s) media lines may name, beside those of a deployment's own
    events: Events | None = None


_Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) in {int, float} else value)]  # YAML's


class _Params(BaseModel):
    """`litellm_params`."""

    model_config = ConfigDict(extra="allow")

    model: str
    vertex_project: _Text | None = None
    vertex_location: str | None = None
    vertex_credentials: str | dict[str, Any] | None = None
    api_base: str | None = None
    api_key: _Text | None = None
    api_version: Annotated[str | None, BeforeValidator(lambda value: None if value is None else str(value))] = None
    organization: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    azure_ad_token: str | None = None
    weight: float | None = Field(default=None, ge=0, le=1_000_000)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    max_parallel_requests: int | None = Field(default=None, ge=1, le=1024)
    timeout: float | None = Field(default=None, gt=0)
    gcs_bucket_name: str | None = None  # passed-through jobs may name it; batches meet in the bucket of our settings
    bucket_name: str | None = None
    use_in_pass_through: bool | None = None


# Of `litellm_params`, what is read: anything else is left alone.
PARAMETERS: Final = frozenset(_Params.model_fields) | PRICES


class _BatchLimits(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lines: int | None = Field(default=None, ge=1)
    bytes: int | None = Field(default=None, ge=1024)
    enqueued_tokens: int | None = Field(default=None, ge=1)


class _Info(BaseModel):
    """`model_info`: LiteLLM keeps what it does not know, so our own settings of a deployment stand here."""

    model_config = ConfigDict(extra="allow")

    id: _Text | None = None  # LiteLLM's own way to tell one deployment from another
    base_model: str | None = None
    mode: str | None = None
    batches: Batches | None = None
    batch_limits: _BatchLimits = _BatchLimits()
    media_hosts: tuple[str, ...] = ()


class _Entry(BaseModel):
    model_config = ConfigDict(extra="allow")

    model_name: str = Field(min_length=1)
    litellm_params: _Params
    model_info: _Info = _Info()


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
    if unknown := sorted(str(key) for key in document.keys() - {*_SECTIONS, "general_settings"}):
        log("config_keys_ignored", severity="WARNING", file=name, keys=unknown)
    general = document.get("general_settings")
    ours = source.checked(_Our, source.resolved(document.get("offpeak") or {}, environment, "offpeak"), "offpeak")
    listed = document.get("model_list") or []
    if not isinstance(listed, list):
        raise ConfigError(f"{source.at('model_list')}: model_list is a list of model_name and litellm_params")
    read: list[_Read] = []
    for number, member in enumerate(listed):
        for each in _members(member, number, source, environment):
            said = source.resolved(each, environment, "model_list", number)
            entry = source.checked(_Entry, said, "model_list", number)
            alone = _deployment(entry, number, source, ours, environment)
            read.append(_read(entry, alone, number, source, read))
            if (why := _refused(read[-1], refuse, environment, keys=keys)) is not None:
                raise ConfigError(f"{source.at('model_list', number, 'litellm_params', 'model')}: {why}")
    _tell_alike(read)
    return Config(
        deployments=_weighed(read, source),
        limits=_limits(ours.limits, general, source),
        prices=(*(each.price for each in read if each.price), *_prices(ours, source)),  # the later wins
        media_buckets=ours.media_buckets,
        passthrough_buckets=ours.passthrough_buckets,
        visibility=ours.visibility,
        events=ours.events,
        master_key=_master_key(general, environment),
    )


class _Read(NamedTuple):
    """An entry, and where it stands. `place` is its id, were it the only one of its kind."""

    at: str
    place: str
    entry: _Entry
    deployment: Deployment
    price: PriceOverride | None


def config_of_environment(environment: Mapping[str, str] | None = None, *, refuse: Refuse = lambda _: None) -> Config:
    """What LiteLLM's variables alone say: any model of each provider whose project, key or address they name."""
    environment = os.environ if environment is None else environment
    deployments = []
    for member in expanded({"model_name": "*", "litellm_params": {"model": "*"}}, environment):
        source = ConfigFile("the environment")
        deployment = _deployment(source.checked(_Entry, member), 0, source, _Our(), environment)
        if (why := refuse(deployment)) is not None:
            raise ConfigError(
                f"the environment: {', '.join(VARIABLES[deployment.provider][SAID_BY[deployment.provider]])}: {why}"
            )
        deployments.append(deployment)
    return Config(deployments=tuple(deployments))


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


def _said(provider: str, given: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[variable] for name, variable in fallbacks(provider, given, environment).items()}


def _given(entry: _Entry) -> dict[str, object]:
    return {name: value for name, value in entry.litellm_params if value is not None}


def _read(entry: _Entry, alone: Deployment, number: int, source: ConfigFile, before: list[_Read]) -> _Read:
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
    if why and "needs api_key" in why and kept_back(read.deployment.provider, _given(read.entry), environment):
        return f"{why}: unless the entry itself names it, OPENAI_API_KEY goes to OpenAI alone"
    return why


def _as_if_with_key(deployment: Deployment) -> Deployment:
    if deployment.api_key or deployment.azure_ad_token or deployment.client_secret:
        return deployment
    return deployment.model_copy(update={"api_key": "-"})


def _deployment(
    entry: _Entry, number: int, source: ConfigFile, ours: _Our, environment: Mapping[str, str]
) -> Deployment:
    at = source.at("model_list", number, "litellm_params", "model")
    provider, model = split_model(entry.litellm_params.model)
    if not provider:
        raise ConfigError(f"{at}: model {model!r} needs its provider in front, such as vertex_ai/{model}")
    info = entry.model_info
    params = entry.litellm_params.model_copy(update=_said(provider, _given(entry), environment))
    if provider == "vertex_ai" and not params.vertex_location and "VERTEXAI_PROJECT" in environment:
        params = params.model_copy(update={"vertex_location": LOCATION})
    extra = (params.model_extra or {}).keys() - PRICES
    if extra:
        log("config_keys_ignored", severity="WARNING", file=source.name, keys=sorted(extra), model=entry.model_name)
    base = params.api_base.rstrip("/") if params.api_base else None
    if provider == "vertex_ai":
        model = _VERTEX.sub("", model)
        place = (params.vertex_project or "", params.vertex_location or "")
    else:
        place = (base or "", params.organization or "")
        if (why := _unsafe(base, ours.private_hosts, plain=provider == "hosted_vllm")) is not None:
            raise ConfigError(f"{source.at('model_list', number, 'litellm_params', 'api_base')}: api_base {why}")
    if ("*" in entry.model_name) != ("*" in model) or entry.model_name.count("*") > 1 or model.count("*") > 1:
        raise ConfigError(f"{at}: a pattern has one * in model_name and one in model")
    credentials = params.vertex_credentials
    return Deployment(
        id=derived(*((info.id,) if info.id else (entry.model_name, provider, model, *place)))[:16],
        group=entry.model_name,
        provider=provider,
        model=model,
        base_model=info.base_model,
        price_name=_price_name(provider, info.base_model or model, base),
        project=params.vertex_project or "",
        location=params.vertex_location or "",
        credentials=json.dumps(credentials) if isinstance(credentials, dict) else credentials,
        api_base=base,
        api_key=params.api_key,
        api_version=params.api_version,
        organization=params.organization,
        tenant_id=params.tenant_id,
        client_id=params.client_id,
        client_secret=params.client_secret,
        azure_ad_token=params.azure_ad_token,
        passthrough=params.use_in_pass_through is not False,
        bucket=params.gcs_bucket_name or params.bucket_name,
        parallel=params.max_parallel_requests,
        timeout=None if params.timeout is None else min(params.timeout, _LONGEST_LINE),
        batches=info.batches,
        media_hosts=(*info.media_hosts, *ours.media_hosts),
        private_hosts=ours.private_hosts,
        most_lines=info.batch_limits.lines,
        most_bytes=info.batch_limits.bytes,
        most_tokens=info.batch_limits.enqueued_tokens,
        info=info.model_dump(exclude={"batches", "batch_limits", "media_hosts"}, exclude_none=True),
    )


def _price_name(provider: str, model: str, base: str | None) -> str:
    """What the book calls it. OpenAI's prices are those of OpenAI's own hosts: another server's model has a name of its
    own, `host/model`.
    """
    if provider == "vertex_ai":
        return model
    if provider == "openai" and base and not is_openai(base):
        return f"{urlsplit(base).hostname or ''}/{model}"
    return f"{provider}/{model.removeprefix(f'{provider}/')}"


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
        found = _weights([each.entry.litellm_params for each in members])
        if found is None:
            log("config_weights_unlike", severity="WARNING", file=source.name, model=group)
        for each, weight in zip(members, found or [1.0] * len(members), strict=True):
            weights[each.deployment.id] = weight
    return tuple(each.deployment.model_copy(update={"weight": weights[each.deployment.id]}) for each in read)


def _weights(members: list[_Params]) -> list[float] | None:
    """By what all of a group have; None where they have different things: requests cannot be compared with tokens."""
    if any(each.weight is not None for each in members):
        found = [1.0 if each.weight is None else each.weight for each in members]
        return found if any(found) else [1.0] * len(members)  # all of them last is none of them last
    for said in ([each.rpm for each in members], [each.tpm for each in members]):
        limits = [limit for limit in said if limit is not None]
        if len(limits) == len(members):
            return limits
    return None if any(each.rpm or each.tpm for each in members) else [1.0] * len(members)


def _prices(ours: _Our, source: ConfigFile) -> tuple[PriceOverride, ...]:
    for number, price in enumerate(ours.prices):
        if (why := wrong_price(price)) is not None:
            at = source.at("offpeak", "prices", number)
            raise ConfigError(f"{at}: offpeak.prices[{number}] ({price.model}): {why}")
    return ours.prices


def _limits(ours: Limits, general: object, source: ConfigFile) -> Limits:
    """`general_settings.max_batch_file_size_mb` and `max_batch_file_records`, where our own block says nothing."""
    if not isinstance(general, dict):
        return ours
    said: dict[str, Any] = {}
    for theirs, name, unit in (
        ("max_batch_file_size_mb", "file_bytes", _MEGABYTE),
        ("max_batch_file_records", "lines_per_batch", 1),
    ):
        value = general.get(theirs)
        if value is None or name in ours.model_fields_set:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ConfigError(f"{source.at('general_settings', theirs)}: general_settings.{theirs} is a number above 0")
        said[name] = int(value * unit)
    return ours.model_copy(update=said)


def _master_key(general: object, environment: Mapping[str, str]) -> str | None:
    key = general.get("master_key") if isinstance(general, dict) else None
    if isinstance(key, str) and key.startswith(ENVIRONMENT):
        key = environment.get(key.removeprefix(ENVIRONMENT))
    return key if isinstance(key, str) and key else None


def _unsafe(base: str | None, private_hosts: tuple[str, ...], *, plain: bool) -> str | None:
    """Why a key may not go there; None where it may. `plain`: to a server in one's own network it may go by http."""
    if base is None:
        return None
    found = _BASE.fullmatch(base)
    if found is None:
        return "is not https://host/path"  # nor names a user: the key stands in api_key
    scheme, host = found["scheme"], found["host"].lower().strip("[]")
    if host in _LOOPBACK or host in private_hosts or plain:
        return None
    if scheme == "http":
        return f"must begin with https://, unless offpeak.private_hosts names {host}"
    if _numeric(host):
        return f"must name a host, unless offpeak.private_hosts names {host}"
    return None


def _numeric(host: str) -> bool:
    """An address, in any of the ways in which a resolver reads one: `10.0.0.1`, `0x7f.1`, `2130706433`, `fd00::1`."""
    return ":" in host or re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", host) is not None
