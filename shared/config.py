"""What a configuration says, however it was said: model groups, their deployments, and our own settings.

`model_list.py` reads it from LiteLLM's file or from LiteLLM's variables.
"""

import re
from collections.abc import KeysView
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.registry import REGISTRY
from shared.terms import Terms

__all__ = ["PROVIDERS", "Batches", "Config", "Deployment", "Events", "Limits", "PriceOverride", "Sender", "says"]

PROVIDERS: Final[KeysView[str]] = REGISTRY.keys()  # LiteLLM's names, as in front of a model's

_SAFE: Final = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])"  # what nobody on the way can change
_GOOGLE: Final = re.compile(r"^(google/|publishers/google/models/|models/)+")
_SAYS: Final = {  # which provider a name without a prefix speaks of, where several would take any name
    "vertex_ai": re.compile(
        r"gemini-|claude-|text-embedding-00\d|text-multilingual-embedding|(meta|deepseek-ai|qwen|mistralai|intfloat|anthropic)/"
    ),
    "openai": re.compile(r"(ft:)?(gpt-|chatgpt-|o\d)|text-embedding-(3|ada)"),
}

Batches = Literal["server", "execute", "auto"]


class Deployment(BaseModel, frozen=True):
    """One place that can run a model. Its id follows from what it is: it outlives changes of the file around it, and of
    the way to get there.
    """

    id: str
    group: str  # may have one `*`, as may `model`: then it is a pattern, and stands for all that fit it
    provider: str
    model: str  # as the provider calls it
    base_model: str | None = None  # what a deployment is of, where its name does not say so
    price_name: str = ""  # what the price book calls it
    project: str = ""
    location: str = ""
    credentials: str | None = Field(default=None, repr=False)
    api_base: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    api_version: str | None = None
    organization: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = Field(default=None, repr=False)
    azure_ad_token: str | None = Field(default=None, repr=False)
    weight: float = 1.0  # its share of a group's lines, beside the others' weights; 0: it is asked last
    passthrough: bool = True  # whether jobs may be passed through to it, at Vertex
    bucket: str | None = None  # BUCKET or BUCKET/PREFIX that such jobs may name
    parallel: int | None = None  # lines in flight at once, where they are run one by one
    timeout: float | None = None  # seconds for one line, where they are run one by one
    batches: Batches | None = None  # None: as its provider usually does it
    media_hosts: tuple[str, ...] = ()  # whose http(s) media its lines may name
    private_hosts: tuple[str, ...] = ()  # those among them that may have a private address
    most_lines: int | None = None  # of one job
    most_bytes: int | None = None
    most_tokens: int | None = None  # that may wait or run here at once
    info: dict[str, Any] = Field(default_factory=dict)  # `model_info`: what `/model_group/info` shows

    @property
    def pattern(self) -> bool:
        """Whether this stands for all models of a name like it."""
        return "*" in self.group

    def named(self, model: str, star: str) -> "Deployment":
        """The deployment for one of the models that a pattern stands for; its own price is that of them all."""
        priced = self.price_name.endswith(f"@{self.id}")
        return self.model_copy(
            update={
                "id": f"{self.id}:{model}",
                "group": model,
                "model": self.model.replace("*", star),
                "price_name": self.price_name if priced else self.price_name.replace("*", star),
            }
        )


class Limits(BaseModel, frozen=True):
    """What we accept. The defaults are ours; OpenAI's own are 50,000 lines and 200 MB."""

    model_config = ConfigDict(extra="forbid")

    lines_per_batch: int = Field(default=1_000_000, ge=1)
    line_bytes: int = Field(default=20 * 2**20, ge=1024)
    file_bytes: int = Field(default=8 * 2**30, ge=1024)
    part_bytes: int = Field(default=64 * 2**20, ge=1024)
    requests_per_minute: int | None = Field(default=None, ge=1)  # this and the next: of each key; None: any number
    batches_per_hour: int | None = Field(default=None, ge=0)
    open_batches: int | None = Field(default=None, ge=0)
    enqueued_tokens: int | None = Field(default=None, ge=0)
    files_per_day: int | None = Field(default=None, ge=0)


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
    passthrough_buckets: tuple[str, ...] = ()  # that passed-through jobs may name: BUCKET or BUCKET/PREFIX
    visibility: Literal["team", "own"] = "team"  # what a key sees: its team's things too, or its own alone
    events: Events | None = None  # None: whoever reaches an event function may deliver
    terms: Terms = Terms()  # of what is made at the admins' routes
    master_key: str | None = Field(default=None, repr=False)  # `general_settings.master_key`
    key_header: str | None = None  # `general_settings.litellm_key_header_name`: before all other places

    def groups(self) -> list[str]:
        """Model group names, in the order of the file; patterns too, as they stand there."""
        return list(dict.fromkeys(deployment.group for deployment in self.deployments))

    def group_of(self, model: str) -> str | None:
        """The group that a line's `model` names: literally, with a provider's prefix in front, or by a pattern."""
        groups = {deployment.group for deployment in self.deployments if not deployment.pattern}
        if model in groups:
            return model
        bare = _bare(model)
        if bare in groups:
            return bare
        return bare if self._by_pattern(model) else None

    def speaks_of(self, name: str) -> bool:
        """Whether a name is a model's by what stands in the configuration, and not only because a pattern of a provider
        takes any name: it is that of a group, fits a pattern as that stands there, or says whose it is.
        """
        if "*" in name or self.group_of(name) is None:
            return False
        bare, patterns = _bare(name), [each for each in self.deployments if each.pattern]
        known = _provider_of(name) is not None or any(each.group in {name, bare} for each in self.deployments)
        return known or any(_star(each.group, name) is not None or says(each.provider, bare) for each in patterns)

    def names_of(self, group: str) -> tuple[str, ...]:
        """What a list of models may call a group: its name, that behind its one provider, its `access_groups`."""
        members = self.deployments_of(group)
        providers = {each.provider for each in members}
        listed = [each.info.get("access_groups") for each in members]
        shared = [name for name in listed[0] if isinstance(name, str)] if listed and isinstance(listed[0], list) else []
        return (
            group,
            *(f"{provider}/{_bare(group)}" for provider in providers if len(providers) == 1),
            *(name for name in shared if all(isinstance(each, list) and name in each for each in listed)),
        )

    def deployments_of(self, group: str, *, model: str | None = None) -> list[Deployment]:
        """Where a group runs. `model`: as the caller wrote it, since a prefix in front of it narrows a pattern."""
        listed = [deployment for deployment in self.deployments if deployment.group == group]
        return listed or self._by_pattern(model or group)

    def deployment(self, id: str) -> Deployment | None:
        """The deployment that a shard remembers, also one of those that a pattern stands for."""
        of, colon, model = id.partition(":")
        found = next((deployment for deployment in self.deployments if deployment.id == of), None)
        if found is None or found.pattern != bool(colon):
            return None
        return (
            found
            if not colon
            else next((each for each in self._by_pattern(f"{found.provider}/{model}") if each.id == id), None)
        )

    def _by_pattern(self, model: str) -> list[Deployment]:
        """One deployment of each pattern that the name fits: of the provider that it names, if it names any."""
        provider, bare = _provider_of(model), _bare(model)
        found = []
        for deployment in self.deployments:
            if not deployment.pattern or (provider is not None and deployment.provider != provider):
                continue
            star = _star(deployment.group.removeprefix(f"{deployment.provider}/"), bare)
            if star is not None and "*" not in bare:
                found.append(deployment.named(bare, star))
        if provider is None and len({each.provider for each in found}) > 1:
            found = [each for each in found if says(each.provider, bare)]
        return found if len({each.provider for each in found}) == 1 else []


def says(provider: str, name: str) -> bool:
    """Whether a name without a prefix speaks of this provider."""
    return provider in _SAYS and _SAYS[provider].match(name) is not None


def _provider_of(model: str) -> str | None:
    prefix = model.partition("/")[0]
    return prefix if "/" in model and prefix in PROVIDERS else None


def _bare(model: str) -> str:
    """Without what SDKs and other configurations put before a model's name."""
    provider = _provider_of(model)
    return _GOOGLE.sub("", model if provider is None else model.removeprefix(f"{provider}/"))


def _star(pattern: str, name: str) -> str | None:
    """What the star of a pattern stands for in a name; None where the name does not fit."""
    before, _, after = pattern.partition("*")
    if len(name) <= len(before) + len(after) or not name.startswith(before) or not name.endswith(after):
        return None
    return name[len(before) : len(name) - len(after)]
