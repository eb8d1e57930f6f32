"""An entry of `model_list`, with what LiteLLM's variables add to it, as a deployment."""

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from shared.api_base import unsafe
from shared.config import Deployment
from shared.config_file import ConfigFile
from shared.domain.errors import ConfigError
from shared.domain.ids import derived
from shared.listed_entry import Entry, OurBlock
from shared.listed_price import PRICES
from shared.litellm import fallbacks, is_openai, split_model
from shared.log import log

__all__ = ["LOCATION", "deployment_of", "given_by"]

LOCATION: Final = "us-central1"  # LiteLLM's default, where it takes the project from VERTEXAI_PROJECT
_VERTEX: Final = re.compile(r"^(vertex_ai/|google/|publishers/google/models/|models/)+")
_LONGEST_LINE: Final = 400  # seconds: a worker has to end it within one message, which is 450 s


def given_by(entry: Entry) -> dict[str, object]:
    """The parameters that an entry names itself."""
    return {name: value for name, value in entry.litellm_params if value is not None}


def deployment_of(
    entry: Entry, number: int, source: ConfigFile, ours: OurBlock, environment: Mapping[str, str]
) -> Deployment:
    """The `number`-th entry as a deployment: alone, as if there were no others, and of weight 1."""
    at = source.at("model_list", number, "litellm_params", "model")
    provider, model = split_model(entry.litellm_params.model)
    if not provider:
        raise ConfigError(f"{at}: model {model!r} needs its provider in front, such as vertex_ai/{model}")
    info = entry.model_info
    params = entry.litellm_params.model_copy(update=_said(provider, given_by(entry), environment))
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
        if (why := unsafe(base, ours.private_hosts, plain=provider == "hosted_vllm")) is not None:
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


def _said(provider: str, given: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[variable] for name, variable in fallbacks(provider, given, environment).items()}


def _price_name(provider: str, model: str, base: str | None) -> str:
    """What the book calls it. OpenAI's prices are those of OpenAI's own hosts: another server's model has a name of its
    own, `host/model`.
    """
    if provider == "vertex_ai":
        return model
    if provider == "openai" and base and not is_openai(base):
        return f"{urlsplit(base).hostname or ''}/{model}"
    return f"{provider}/{model.removeprefix(f'{provider}/')}"
