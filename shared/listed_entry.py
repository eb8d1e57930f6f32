"""What the configuration file may say: an entry of LiteLLM's `model_list`, and our own block beside it."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.config import Batches, Events, Limits, PriceOverride
from shared.listed_price import PRICES

__all__ = ["PARAMETERS", "Entry", "OurBlock"]


class OurBlock(BaseModel):
    """`offpeak`: what LiteLLM has no word for."""

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


class Params(BaseModel):
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
PARAMETERS: Final = frozenset(Params.model_fields) | PRICES


class _BatchLimits(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lines: int | None = Field(default=None, ge=1)
    bytes: int | None = Field(default=None, ge=1024)
    enqueued_tokens: int | None = Field(default=None, ge=1)


class Info(BaseModel):
    """`model_info`: LiteLLM keeps what it does not know, so our own settings of a deployment stand here."""

    model_config = ConfigDict(extra="allow")

    id: _Text | None = None  # LiteLLM's own way to tell one deployment from another
    base_model: str | None = None
    mode: str | None = None
    batches: Batches | None = None
    batch_limits: _BatchLimits = _BatchLimits()
    media_hosts: tuple[str, ...] = ()


class Entry(BaseModel):
    """One of `model_list`."""

    model_config = ConfigDict(extra="allow")

    model_name: str = Field(min_length=1)
    litellm_params: Params
    model_info: Info = Info()
