"""The configuration file: LiteLLM's `model_list` as it is, and beside it one block of our own, `offpeak`.

Unknown keys are common in the files that users bring: they are warned about once and otherwise left alone. A value
that would change where lines run or what they cost is refused, with the line of the file that it stands in. Where
there is no file, LiteLLM's variables are a configuration, too: each provider that they name runs any model.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.config import Batches, Config, Deployment, Events, Limits, PriceOverride
from shared.config_file import ENVIRONMENT, KEYS, ConfigFile
from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.log import log

__all__ = [
    "ENVIRONMENT",
    "KEYS",
    "LOCATION",
    "PARAMETERS",
    "VARIABLES",
    "Refuse",
    "config_of_environment",
    "fallbacks",
    "not_ours",
    "read_config",
]

LOCATION: Final = "us-central1"  # LiteLLM's default, where it takes the project from VERTEXAI_PROJECT

_SECTIONS: Final = ("model_list", "offpeak")
_VERTEX: Final = re.compile(r"^(vertex_ai/|google/|publishers/google/models/|models/)+")
_BASE: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[\w.~/%-]*)?"
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_RATES: Final = {"input_cost_per_token": "input", "output_cost_per_token": "output"}  # LiteLLM's, and our names
_BATCH: Final = "_batches"  # what LiteLLM's names end in where they are a batch's
_MEGABYTE: Final = 2**20

# LiteLLM's variables, by provider and parameter: what an entry does not say itself. Of several, the first that is set.
VARIABLES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "vertex_ai": {
        "vertex_project": ("VERTEXAI_PROJECT", "VERTEX_PROJECT"),
        "vertex_location": ("VERTEXAI_LOCATION", "VERTEX_LOCATION"),
        "vertex_credentials": ("VERTEXAI_CREDENTIALS", "GCS_PATH_SERVICE_ACCOUNT"),
        "api_base": ("VERTEXAI_API_BASE", "VERTEX_API_BASE"),
    },
    "openai": {
        "api_key": ("OPENAI_API_KEY",),
        "api_base": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "organization": ("OPENAI_ORGANIZATION", "OPENAI_ORG_ID"),
    },
    "azure": {
        "api_base": ("AZURE_API_BASE",),
        "api_key": ("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        "api_version": ("AZURE_API_VERSION",),
        "tenant_id": ("AZURE_TENANT_ID",),
        "client_id": ("AZURE_CLIENT_ID",),
        "client_secret": ("AZURE_CLIENT_SECRET",),
        "azure_ad_token": ("AZURE_AD_TOKEN",),
    },
    "hosted_vllm": {"api_base": ("HOSTED_VLLM_API_BASE",), "api_key": ("HOSTED_VLLM_API_KEY",)},
}
_SAID_BY: Final = {  # which variable makes a provider part of a configuration without a file
    "vertex_ai": "vertex_project",
    "openai": "api_key",
    "azure": "api_base",
    "hosted_vllm": "api_base",
}

# Providers that LiteLLM knows and we do not run, and modes that no batch has.
_ELSEWHERE: Final = frozenset({
    "ai21", "anthropic", "azure_ai", "baseten", "bedrock", "cerebras", "cloudflare", "codestral", "cohere",
    "cohere_chat", "custom_openai", "dashscope", "databricks", "deepgram", "deepinfra", "deepseek", "elevenlabs",
    "fireworks_ai", "friendliai", "galadriel", "gemini", "github", "github_copilot", "gradient_ai", "groq",
    "huggingface", "hyperbolic", "infinity", "jina_ai", "lambda_ai", "litellm_proxy", "llamafile", "lm_studio",
    "meta_llama", "mistral", "moonshot", "morph", "nebius", "nlp_cloud", "novita", "nscale", "nvidia_nim",
    "ollama", "ollama_chat", "oobabooga", "openrouter", "perplexity", "petals", "predibase", "recraft",
    "replicate", "sagemaker", "sagemaker_chat", "sambanova", "snowflake", "together_ai", "triton", "v0",
    "vercel_ai_gateway", "vllm", "volcengine", "voyage", "watsonx", "watsonx_text", "xai", "xinference", "zai",
})  # fmt: skip
_NO_BATCH: Final = frozenset(
    {"audio_speech", "audio_transcription", "image_edit", "image_generation", "ocr", "realtime", "rerank", "search"}
    | {"vector_store", "video_generation"}
)

Refuse = Callable[[Deployment], str | None]


class _Our(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limits: Limits = Limits()
    prices: tuple[PriceOverride, ...] = ()
    media_buckets: tuple[str, ...] | None = None
    visibility: Literal["team", "own"] = "team"  # this and the next have no meaning before there are virtual keys
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
    weight: float | None = Field(default=None, gt=0, le=1_000_000)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    max_parallel_requests: int | None = Field(default=None, ge=1, le=1024)
    timeout: float | None = Field(default=None, gt=0)
    gcs_bucket_name: str | None = None  # the bucket of our own settings is used: all jobs of a batch meet there
    bucket_name: str | None = None
    use_in_pass_through: bool | None = None


# Of `litellm_params`, what is read: anything else is left alone.
PARAMETERS: Final = frozenset(_Params.model_fields) | {f"{name}{end}" for name in _RATES for end in ("", _BATCH)}


class _BatchLimits(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lines: int | None = Field(default=None, ge=1)
    bytes: int | None = Field(default=None, ge=1024)
    enqueued_tokens: int | None = Field(default=None, ge=1)


class _Info(BaseModel):
    """`model_info`: LiteLLM keeps what it does not know, so our own settings of a deployment stand here."""

    model_config = ConfigDict(extra="allow")

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
    deployments: list[Deployment] = []
    prices: list[PriceOverride] = []
    for number, member in enumerate(listed):
        if _left_out(member):
            log("config_model_ignored", severity="WARNING", file=source.at("model_list", number))
            continue
        said = source.resolved(member, environment, "model_list", number)
        entry = source.checked(_Entry, said, "model_list", number)
        deployment = _deployment(entry, number, source, ours, environment)
        deployment = _distinct(deployment, deployments)
        rates = _listed_price(entry, deployment, source.at("model_list", number))
        if rates:
            deployment = deployment.model_copy(update={"price_name": f"{deployment.price_name}@{deployment.id}"})
            prices.append(PriceOverride(model=deployment.price_name, source="model_list", usd_per_million=rates))
        if (why := refuse(deployment if keys else _as_if_with_key(deployment))) is not None:
            raise ConfigError(f"{source.at('model_list', number, 'litellm_params', 'model')}: {why}")
        deployments.append(deployment)
    return Config(
        deployments=tuple(deployments),
        limits=_limits(ours.limits, general, source),
        prices=(*prices, *ours.prices),  # the later wins
        media_buckets=ours.media_buckets,
        events=ours.events,
        master_key=_master_key(general, environment),
    )


def config_of_environment(environment: Mapping[str, str] | None = None, *, refuse: Refuse = lambda _: None) -> Config:
    """What LiteLLM's variables alone say: any model of each provider whose project, key or address they name."""
    environment = os.environ if environment is None else environment
    entries = []
    for provider, needed in _SAID_BY.items():
        found = _said(provider, (), environment)
        if found.get(needed):
            entries.append({"model_name": f"{provider}/*", "litellm_params": {"model": f"{provider}/*", **found}})
    deployments = []
    for entry in entries:
        source = ConfigFile("the environment")
        read = source.checked(_Entry, entry)
        deployment = _deployment(read, 0, source, _Our(), environment)
        if (why := refuse(deployment)) is not None:
            raise ConfigError(
                f"the environment: {', '.join(VARIABLES[deployment.provider][_SAID_BY[deployment.provider]])}: {why}"
            )
        deployments.append(deployment)
    return Config(deployments=tuple(deployments))


def fallbacks(provider: str, given: Collection[str], environment: Mapping[str, str]) -> dict[str, str]:
    """By parameter, which of LiteLLM's variables says what an entry, in which others are `given`, does not."""
    found = {}
    for parameter, names in VARIABLES.get(provider, {}).items():
        variable = next(filter(environment.get, names), None)
        if parameter not in given and variable is not None:
            found[parameter] = variable
    if "api_key" in given or "azure_ad_token" in given:  # one way to prove who we are is enough
        found = {name: found[name] for name in found.keys() - {"api_key", "azure_ad_token", "client_secret"}}
    return found


def _left_out(member: object) -> bool:
    """Before any variable of it is read: what is not run need not be set up."""
    params, info = (member.get(name) if isinstance(member, dict) else None for name in ("litellm_params", "model_info"))
    model = params.get("model") if isinstance(params, dict) else ""
    mode = info.get("mode") if isinstance(info, dict) else ""
    return not_ours(model, mode)


def not_ours(model: object, mode: object) -> bool:
    """Of a file that serves more than batches: what no batch of ours can run, and is nobody's mistake."""
    return str(model).partition("/")[0] in _ELSEWHERE or mode in _NO_BATCH


def _said(provider: str, given: Collection[str], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[variable] for name, variable in fallbacks(provider, given, environment).items()}


def _as_if_with_key(deployment: Deployment) -> Deployment:
    if deployment.api_key or deployment.azure_ad_token or deployment.client_secret:
        return deployment
    return deployment.model_copy(update={"api_key": "-"})


def _deployment(
    entry: _Entry, number: int, source: ConfigFile, ours: _Our, environment: Mapping[str, str]
) -> Deployment:
    at = source.at("model_list", number, "litellm_params", "model")
    provider, slash, model = entry.litellm_params.model.partition("/")
    if not slash:
        raise ConfigError(
            f"{at}: model {entry.litellm_params.model!r} needs its provider in front, such as vertex_ai/{provider}"
        )
    given = {name for name, value in entry.litellm_params if value is not None}
    params, info = entry.litellm_params.model_copy(update=_said(provider, given, environment)), entry.model_info
    if provider == "vertex_ai" and not params.vertex_location and "VERTEXAI_PROJECT" in environment:
        params = params.model_copy(update={"vertex_location": LOCATION})
    extra = (params.model_extra or {}).keys() - {f"{name}{end}" for name in _RATES for end in ("", _BATCH)}
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
        id=derived(entry.model_name, provider, model, *place)[:16],
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
        weight=params.weight or params.rpm or params.tpm or 1.0,
        parallel=params.max_parallel_requests,
        timeout=params.timeout,
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
    host = (urlsplit(base).hostname or "") if base else "api.openai.com"
    if provider == "openai" and not re.fullmatch(r"([a-z]{2}\.)?api\.openai\.com", host):
        return f"{host}/{model}"
    return f"{provider}/{model.removeprefix(f'{provider}/')}"


def _distinct(deployment: Deployment, before: list[Deployment]) -> Deployment:
    """Two accounts at one place differ in nothing that an id may be made of: the second and on are numbered."""
    ids = {each.id for each in before}
    number = 2
    id = deployment.id
    while id in ids:
        id = derived(deployment.id, str(number))[:16]
        number += 1
    return deployment.model_copy(update={"id": id})


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


def _listed_price(entry: _Entry, deployment: Deployment, at: str) -> dict[str, Decimal]:
    """What LiteLLM's own keys say that a token costs, in dollars per million. Vertex's prices stand in the book.

    As in LiteLLM, a batch costs half of a price that is not said to be a batch's; a server of one's own knows no other.
    """
    if deployment.provider == "vertex_ai":
        return {}
    said = {**(entry.model_info.model_extra or {}), **(entry.litellm_params.model_extra or {})}
    share = Decimal(1) if deployment.provider == "hosted_vllm" else Decimal("0.5")
    rates = {}
    try:
        for key, name in _RATES.items():
            if said.get(f"{key}{_BATCH}") is not None:
                rates[name] = Decimal(str(said[f"{key}{_BATCH}"])) * 10**6
            elif said.get(key) is not None:
                rates[name] = Decimal(str(said[key])) * 10**6 * share
    except ArithmeticError:
        raise ConfigError(f"{at}: {' and '.join(_RATES)}, also with {_BATCH} behind, are dollars per token") from None
    return rates
