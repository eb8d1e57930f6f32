"""An OpenAI deployment, ready to be used: the client, the codecs and the facts of its batches."""

import re
from collections.abc import Iterable
from typing import Final

from shared.config import Deployment
from shared.domain.errors import ConfigError
from shared.domain.shard import Job
from shared.providers.base import Codec, Media, Provider
from shared.providers.openai.client import OpenAIClient
from shared.providers.openai.codec import openai_codec
from shared.providers.openai.dialect import openai_dialect
from shared.providers.openai.profile import ENDPOINTS, asked_beside, endpoints_of, limits_of, refuse

__all__ = ["copied_results", "open_provider"]

_RESULTS: Final = re.compile(r"(?:.*/)?results-[1-9]\.jsonl")


def open_provider(deployment: Deployment, media: Media) -> Provider:  # noqa: ARG001  # it reads no bucket of ours
    """The deployment's provider. Nothing connects before its first call; ConfigError where it cannot be run."""
    if (why := refuse(deployment)) is not None:
        raise ConfigError(f"deployment {deployment.id}: {why}")
    model, client = deployment.model, OpenAIClient(deployment, openai_dialect(deployment))
    offered = endpoints_of(model)

    def codec(endpoint: str) -> Codec | None:
        return openai_codec(endpoint, model) if endpoint in offered else None

    def codec_named(name: str) -> Codec:
        for endpoint, called in ENDPOINTS.items():
            if called == name:
                return openai_codec(endpoint, model)
        raise LookupError(f"{deployment.id}: {model} has no codec {name!r}")

    return Provider(
        client=client,
        limits=limits_of(deployment),
        codec=codec,
        codec_named=codec_named,
        predictions=copied_results,
        fetch=client.fetch,
        tidy=client.tidy,
        beside=asked_beside,
        price_model=deployment.price_name or f"openai/{model}",
        location=_location(deployment),
    )


def copied_results(_: Job, names: Iterable[str]) -> list[str]:
    """What `fetch` has copied: the output file, and then the error file."""
    return sorted(name for name in names if _RESULTS.fullmatch(name))


def _location(deployment: Deployment) -> str:
    """Where the host says that data stay, which has its price: `eu` of eu.api.openai.com."""
    found = re.match(r"https://([a-z]{2})\.api\.openai\.com(?:[:/]|$)", deployment.api_base or "")
    return found[1] if found else "global"
