"""The configuration file: LiteLLM's `model_list` as it is, and beside it one block of our own, `offpeak`.

Unknown keys are common in the files that users bring: they are warned about once and otherwise left alone. A value
that would change where lines run or what they cost is refused, with the line of the file that it stands in.
"""

import os
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.log import log

__all__ = ["Config", "Deployment", "Events", "Limits", "PriceOverride", "Sender", "read_config"]

_ENVIRONMENT: Final = "os.environ/"

_SECTIONS: Final = ("model_list", "offpeak")
_SAFE: Final = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])"  # what nobody on the way can change
_PREFIX: Final = re.compile(r"^(vertex_ai/|google/|publishers/google/models/|models/)+")
_PROVIDER: Final = re.compile(r"^openai/")
_BASE: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[\w.~/%-]*)?"
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_RATES: Final = {"input_cost_per_token_batches": "input", "output_cost_per_token_batches": "output"}  # LiteLLM's names


class Deployment(BaseModel, frozen=True):
    """One place that can run a model. Its id follows from what it is: it outlives changes of the file around it, and of
    the way to get there.
    """

    id: str
    group: str
    provider: str
    model: str
    project: str = ""
    location: str = ""
    credentials: str | None = Field(default=None, repr=False)
    api_base: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    organization: str | None = None


Refuse = Callable[[Deployment], str | None]


class Limits(BaseModel, frozen=True):
    """What we accept. The defaults are ours; OpenAI's own are 50,000 lines and 200 MB."""

    model_config = ConfigDict(extra="forbid")

    lines_per_batch: int = Field(default=1_000_000, ge=1)
    line_bytes: int = Field(default=20 * 2**20, ge=1024)
    file_bytes: int = Field(default=8 * 2**30, ge=1024)
    part_bytes: int = Field(default=64 * 2**20, ge=1024)


class PriceOverride(BaseModel, frozen=True):
    """One entry of `offpeak.prices`: batch rates in US dollars per million tokens, as decimal strings."""

    model_config = ConfigDict(extra="forbid")

    model: str
    since: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    until: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    source: str = "configuration"
    usd_per_million: dict[str, Decimal]
    regional_uplift: Decimal | None = None

    @field_validator("since", "until", mode="before")
    @classmethod
    def _as_text(cls, day: object) -> object:
        """YAML reads an unquoted day as a date."""
        return day.isoformat() if type(day) is date else day


class Sender(BaseModel, frozen=True):
    """Who delivers to one event function: the service account, and what its tokens say that they are for."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(min_length=1)
    audience: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)

    @field_validator("audience", mode="before")
    @classmethod
    def _one_or_more(cls, audience: object) -> object:
        return (audience,) if isinstance(audience, str) else audience


class Events(BaseModel, frozen=True):
    """Whose events are believed. With this block every delivery has to prove itself, at every function."""

    model_config = ConfigDict(extra="forbid")

    work: Sender
    predictions: Sender
    dead_letter: Sender
    issuer: str = Field(default="https://accounts.google.com", min_length=1)
    certificates: str = Field(default="https://www.googleapis.com/oauth2/v1/certs", pattern=_SAFE)
    behind_iam: bool = False  # Cloud Run has checked the signature, and may have taken it off the token


class Config(BaseModel, frozen=True):
    """Model groups with their deployments, and our own settings."""

    deployments: tuple[Deployment, ...] = ()
    limits: Limits = Limits()
    prices: tuple[PriceOverride, ...] = ()
    media_buckets: tuple[str, ...] | None = None
    events: Events | None = None  # None: whoever reaches an event function may deliver

    def groups(self) -> list[str]:
        """Model group names, in the order of the file."""
        return list(dict.fromkeys(deployment.group for deployment in self.deployments))

    def group_of(self, model: str) -> str | None:
        """The group that a line's `model` names: literally, or with a provider's prefix in front."""
        groups = {deployment.group for deployment in self.deployments}
        if model in groups:
            return model
        bare = _PREFIX.sub("", _PROVIDER.sub("", model))
        return bare if bare in groups else None

    def deployments_of(self, group: str) -> list[Deployment]:
        return [deployment for deployment in self.deployments if deployment.group == group]


class _Our(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limits: Limits = Limits()
    prices: tuple[PriceOverride, ...] = ()
    media_buckets: tuple[str, ...] | None = None
    visibility: Literal["team", "own"] = "team"  # this and the next have no meaning before there are virtual keys
    passthrough_buckets: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()  # of api_base: http, or an address that is not public, must be named here
    events: Events | None = None


class _Params(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str
    vertex_project: str | None = None
    vertex_location: str | None = None
    vertex_credentials: str | None = None
    api_base: str | None = None
    api_key: str | None = None
    organization: str | None = None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="allow")

    model_name: str = Field(min_length=1)
    litellm_params: _Params
    model_info: dict[str, Any] | None = None


def read_config(
    text: str, *, name: str, environment: Mapping[str, str] | None = None, refuse: Refuse = lambda _: None
) -> Config:
    """Parse a configuration. ConfigError names the file (`name`) and the line of what is wrong.

    `refuse` says why a deployment cannot be run by its provider; None where it can.
    """
    environment = os.environ if environment is None else environment
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{name}{at}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    source = _Source(name, tree)
    if not isinstance(document, dict):
        raise ConfigError(f"{name}:1: expected a mapping with model_list, not a {type(document).__name__}")
    ours_and_theirs = {key: document[key] for key in _SECTIONS if key in document}
    if unknown := sorted(str(key) for key in document.keys() - set(_SECTIONS)):
        log("config_keys_ignored", severity="WARNING", file=name, keys=unknown)
    document = source.resolved(ours_and_theirs, environment)
    ours = source.checked(_Our, document.get("offpeak") or {}, "offpeak")
    listed = document.get("model_list") or []
    if not isinstance(listed, list):
        raise ConfigError(f"{source.at('model_list')}: model_list is a list of model_name and litellm_params")
    deployments: list[Deployment] = []
    prices: list[PriceOverride] = []
    for number, member in enumerate(listed):
        entry = source.checked(_Entry, member, "model_list", number)
        deployment = _deployment(entry, number, source, refuse, ours.private_hosts)
        deployments.append(deployment)
        prices += _listed_price(entry, deployment, source.at("model_list", number))
    return Config(
        deployments=tuple(deployments),
        limits=ours.limits,
        prices=(*prices, *ours.prices),  # the later wins
        media_buckets=ours.media_buckets,
        events=ours.events,
    )


def _deployment(
    entry: _Entry, number: int, source: "_Source", refuse: Refuse, private_hosts: tuple[str, ...]
) -> Deployment:
    params = entry.litellm_params
    at = source.at("model_list", number, "litellm_params", "model")
    provider, slash, model = params.model.partition("/")
    if not slash:
        raise ConfigError(f"{at}: model {params.model!r} needs its provider in front, such as vertex_ai/{params.model}")
    if extra := sorted((params.model_extra or {}).keys() - _RATES.keys()):
        log("config_keys_ignored", severity="WARNING", file=source.name, keys=extra, model=entry.model_name)
    base = params.api_base.rstrip("/") if params.api_base else None
    if provider == "vertex_ai":
        model = _PREFIX.sub("", model)
        place = (params.vertex_project or "", params.vertex_location or "")
    else:
        place = (base or "", params.organization or "")
        if (why := _unsafe(base, private_hosts)) is not None:
            raise ConfigError(f"{source.at('model_list', number, 'litellm_params', 'api_base')}: api_base {why}")
    deployment = Deployment(
        id=derived(entry.model_name, provider, model, *place)[:16],
        group=entry.model_name,
        provider=provider,
        model=model,
        project=params.vertex_project or "",
        location=params.vertex_location or "",
        credentials=params.vertex_credentials,
        api_base=base,
        api_key=params.api_key,
        organization=params.organization,
    )
    if (why := refuse(deployment)) is not None:
        raise ConfigError(f"{at}: {why}")
    return deployment


def _unsafe(base: str | None, private_hosts: tuple[str, ...]) -> str | None:
    """Why a key may not go there; None where it may."""
    if base is None:
        return None
    found = _BASE.fullmatch(base)
    if found is None:
        return "is not https://host/path"  # nor names a user: the key stands in api_key
    scheme, host = found["scheme"], found["host"].lower().strip("[]")
    if host in _LOOPBACK or host in private_hosts:
        return None
    if scheme == "http":
        return f"must begin with https://, unless offpeak.private_hosts names {host}"
    if _numeric(host):
        return f"must name a host, unless offpeak.private_hosts names {host}"
    return None


def _numeric(host: str) -> bool:
    """An address, in any of the ways in which a resolver reads one: `10.0.0.1`, `0x7f.1`, `2130706433`, `fd00::1`."""
    return ":" in host or re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", host) is not None


def _listed_price(entry: _Entry, deployment: Deployment, at: str) -> list[PriceOverride]:
    """What LiteLLM's own keys say that a token costs in a batch; Vertex's prices stand in the book."""
    if deployment.provider == "vertex_ai":
        return []
    said = {**(entry.model_info or {}), **(entry.litellm_params.model_extra or {})}
    rates = {name: said[key] for key, name in _RATES.items() if said.get(key) is not None}
    if not rates:
        return []
    try:
        usd = {name: Decimal(str(value)) * 10**6 for name, value in rates.items()}
    except ArithmeticError:
        raise ConfigError(f"{at}: {' and '.join(_RATES)} are dollars per token") from None
    return [PriceOverride(model=f"{deployment.provider}/{deployment.model}", source="model_list", usd_per_million=usd)]


class _Source:
    """Knows in which line of the file a value stands."""

    def __init__(self, name: str, tree: yaml.Node | None) -> None:
        self.name, self._tree = name, tree

    def at(self, *path: str | int) -> str:
        """`file:line` of the value at `path`, or of the nearest thing around it."""
        node, line = self._tree, 0
        for step in path:
            node = _child(node, step)
            if node is None:
                break
            line = node.start_mark.line
        return f"{self.name}:{line + 1}"

    def checked(self, model: type[Any], value: object, *path: str | int) -> Any:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            where = (*path, *problem["loc"])
            raise ConfigError(f"{self.at(*where)}: {'.'.join(map(str, where))}: {problem['msg']}") from error

    def resolved(self, value: Any, environment: Mapping[str, str], *path: str | int) -> Any:
        """The value with every string `os.environ/NAME` replaced by the variable."""
        match value:
            case dict():
                return {key: self.resolved(member, environment, *path, key) for key, member in value.items()}
            case list():
                return [self.resolved(member, environment, *path, number) for number, member in enumerate(value)]
            case str() if value.startswith(_ENVIRONMENT):
                variable = value.removeprefix(_ENVIRONMENT)
                if variable not in environment:
                    raise ConfigError(f"{self.at(*path)}: the variable {variable} is not set")
                return environment[variable]
            case _:
                return value


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        member: yaml.Node = node.value[step]
        return member
    return None
